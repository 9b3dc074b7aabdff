"""The reactor's lateness is measured while it is in use."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.outbound.lateness import TICK, Lateness


class LatenessTests(SynchronousTestCase):
    """A clock that goes on at once by more than it should is that of a busy reactor."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.lateness = Lateness(self.clock)

    def test_in_time(self) -> None:
        """A reactor that is never late is so."""
        with self.lateness.measured():
            self.clock.pump([TICK / 100] * 1000)
            self.assertLess(self.lateness.total, TICK)

    def test_late(self) -> None:
        """What is late adds up, be the look over yet or not."""
        seen: list[float] = []
        with self.lateness.measured():
            self.clock.callLater(TICK / 2, lambda: seen.append(self.lateness.total))  # called before the look
            self.clock.advance(TICK + 1)
            self.clock.advance(TICK + 2)
            self.assertAlmostEqual(seen[0], 1)
            self.assertAlmostEqual(self.lateness.total, 3)

    def test_only_while_watched(self) -> None:
        """Without waiters nothing is looked up, and nothing is forgotten."""
        for _ in range(2):
            self.clock.advance(100)
            with self.lateness.measured(), self.lateness.measured():
                self.clock.advance(TICK + 1)
            self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertAlmostEqual(self.lateness.total, 2)
