"""How long turns take."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.reactor import LeanEPollReactor
from agwtwisted.transport.turn_times import WINDOW, TurnTimes, turn_times_of


class TurnTimesTests(SynchronousTestCase):
    """Turns of a reactor."""

    def setUp(self) -> None:
        self.times = TurnTimes()

    def test_sample(self) -> None:
        """Short turns are those of the first bucket; the sum is that of all."""
        self.times.short, self.times.short_seconds = 10, 0.004
        self.times.add(0.002, 100.0)
        self.times.add(3.0, 100.0)
        *counts, total = self.times.sample
        self.assertEqual(counts, [10, 1, *[0] * 9, 1])
        self.assertAlmostEqual(total, 3.006)

    def test_longest(self) -> None:
        """The longest is that of this window and the one before, and is forgotten after them."""
        self.times.add(0.5, 100.0)
        self.times.add(0.25, 110.0)
        self.assertEqual(self.times.longest(100.0 + WINDOW - 1), 0.5)
        self.times.add(0.1, 100.0 + WINDOW)
        self.assertEqual(self.times.longest(101.0 + WINDOW), 0.5)
        self.assertEqual(self.times.longest(100.0 + 2 * WINDOW), 0.1)
        self.assertEqual(self.times.longest(100.0 + 10 * WINDOW), 0.0)

    def test_of_a_reactor(self) -> None:
        """A reactor that measures has them; for another one there are none."""
        reactor = LeanEPollReactor()
        try:
            self.assertIs(turn_times_of(reactor), reactor.turn_times)
        finally:
            reactor.waker.connectionLost(None)
            reactor._poller.close()
        self.assertEqual(turn_times_of(Clock()).short, 0)

    def test_measured(self) -> None:
        """A reactor counts each turn once it waits again, but for what was before the first one."""
        reactor = LeanEPollReactor()
        try:
            for _ in range(3):
                reactor.doPoll(0)
            reactor._woke -= 0.3
            reactor.doPoll(0)
            *counts, total = reactor.turn_times.sample
            self.assertEqual(sum(counts), 3)
            self.assertEqual(sum(counts[7:]), 1)
            self.assertGreater(total, 0.3)
        finally:
            reactor.waker.connectionLost(None)
            reactor._poller.close()
