"""The reactor's lateness is measured while it is in use."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.outbound.lateness import MAX_LATENESS, TICK, FairTimeout, Lateness


class LatenessTests(SynchronousTestCase):
    """A clock that goes on at once by more than it should is that of a busy reactor."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.lateness = Lateness(self.clock)

    def test_in_time(self) -> None:
        """A reactor that is never late is so."""
        self.lateness.begin()
        self.clock.pump([TICK / 100] * 1000)
        self.assertLess(self.lateness.total, TICK)

    def test_late(self) -> None:
        """What is late adds up, be the look over yet or not."""
        seen: list[float] = []
        self.lateness.begin()
        self.clock.callLater(TICK / 2, lambda: seen.append(self.lateness.total))  # called before the look
        self.clock.advance(TICK + 1)
        self.clock.advance(TICK + 2)
        self.assertAlmostEqual(seen[0], 1)
        self.assertAlmostEqual(self.lateness.total, 3)

    def test_only_while_watched(self) -> None:
        """Without waiters nothing is looked up, and nothing is forgotten."""
        for _ in range(2):
            self.clock.advance(100)
            self.lateness.begin()
            self.lateness.begin()
            self.lateness.end()
            self.clock.advance(TICK + 1)
            self.lateness.end()
            self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertAlmostEqual(self.lateness.total, 2)


class FairTimeoutTests(SynchronousTestCase):
    """Five seconds."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.ended: list[float] = []

    def timeout(self, lateness: Lateness | None = None) -> FairTimeout:
        """One that has begun."""
        made = FairTimeout(self.clock, lateness, 5)
        made.start(lambda: self.ended.append(self.clock.seconds()))
        return made

    def test_over(self) -> None:
        """What waits is given up at the end, once."""
        timeout = self.timeout()
        self.clock.advance(4.9)
        self.assertEqual((timeout.is_over, self.ended), (False, []))
        self.clock.advance(0.1)
        self.clock.advance(0)
        self.assertEqual((timeout.is_over, timeout.is_exhausted, self.ended), (True, False, [5.0]))
        timeout.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        """What does not wait any more is not given up; the time goes on for what waits next."""
        timeout = self.timeout()
        self.clock.advance(3)
        timeout.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(1)
        timeout.start(lambda: self.ended.append(-1.0))
        self.clock.pump([0.5] * 4)
        self.assertEqual((timeout.is_over, self.ended), (True, [-1.0]))

    def test_not_while_the_reactor_is_late(self) -> None:
        """Time in which the process did not listen is added, up to a bound."""
        timeout = self.timeout(Lateness(self.clock))
        self.clock.advance(TICK + 4)
        self.clock.pump([TICK / 2] * int(2 * 4 / TICK))
        self.assertEqual((timeout.is_over, self.ended), (False, []))
        self.clock.pump([TICK / 2] * int(2 * 1.5 / TICK))
        self.assertEqual((timeout.is_over, timeout.is_exhausted), (True, False))
        timeout = self.timeout(Lateness(self.clock))
        self.clock.advance(MAX_LATENESS + 10)
        self.clock.advance(0)
        self.assertEqual((timeout.is_over, timeout.is_exhausted), (True, True))
