"""What waits, and what is valid: two clocks."""

from __future__ import annotations

import time

from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.clocks import LOOK, TOLD_AT_ONCE, WallClock, count_monotonically

HOUR = 3600.0


class Stepped(Clock):
    """A clock that cannot be set, beside a system's that can, and goes on with it."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 1_700_000_000.0

    def wall(self) -> float:
        """The system's time."""
        return self.seconds() + self.ahead


class WallClockTests(SynchronousTestCase):
    """The system's time, and its steps."""

    def setUp(self) -> None:
        self.clock = Stepped()
        self.wall = WallClock(self.clock, self.clock.wall)
        self.told: list[str] = []

    def subscribe(self, name: str) -> None:
        """Somebody whose end is a time of the system."""
        self.wall.subscribe(lambda: self.told.append(name))

    def test_steps(self) -> None:
        """A second after it was set, forward or back, every subscriber is told once, and the log says by how much."""
        self.wall.startService()
        self.subscribe("a")
        self.subscribe("b")
        for step, direction in ((HOUR, "forward"), (-2 * HOUR, "back")):
            self.clock.ahead += step
            with capturedLogs() as events:
                self.clock.pump([LOOK] * 10)
            self.assertEqual(self.told, ["a", "b"])
            [event] = events
            self.assertIn(f"was set {direction} by {abs(step):.0f} s", formatEvent(event))
            self.told.clear()
        self.assertEqual(self.wall.seconds(), self.clock.wall())

    def test_no_step(self) -> None:
        """A clock that is only slewed tells nobody, until it is a second away from where it was."""
        self.wall.startService()
        self.subscribe("a")
        for _ in range(9):
            self.clock.ahead += 0.1
            self.clock.advance(LOOK)
        self.assertEqual(self.told, [])
        self.clock.ahead += 0.2
        self.clock.advance(LOOK)
        self.assertEqual(self.told, ["a"])

    def test_stopped_between_readings(self) -> None:
        """A process that was stopped for an hour while it read its clocks sees no step."""

        def stopped_before() -> float:
            self.clock.rightNow += HOUR
            return self.clock.wall()

        def stopped_after() -> float:
            now = self.clock.wall()
            self.clock.rightNow += HOUR
            return now

        self.wall.startService()
        self.subscribe("a")
        for reading in (stopped_before, stopped_after):
            self.wall.seconds = reading
            self.wall._look()
            self.assertEqual(self.told, [])

    def test_many(self) -> None:
        """Many are told in several turns, all of them, and those that have left meanwhile are not."""
        self.wall.startService()
        leave = [self.wall.subscribe(lambda n=n: self.told.append(str(n))) for n in range(2 * TOLD_AT_ONCE + 1)]  # type: ignore[misc]
        self.clock.ahead -= HOUR
        self.wall._look()
        self.assertEqual(len(self.told), TOLD_AT_ONCE)
        leave[TOLD_AT_ONCE]()
        self.clock.advance(0)
        self.assertEqual(len(self.told), 2 * TOLD_AT_ONCE)
        self.assertNotIn(str(TOLD_AT_ONCE), self.told)

    def test_another_step_meanwhile(self) -> None:
        """A step while many are still being told of the last one begins anew, for all of them."""
        self.wall.startService()
        for n in range(TOLD_AT_ONCE + 1):
            self.wall.subscribe(lambda n=n: self.told.append(str(n)))  # type: ignore[misc]
        self.clock.ahead -= HOUR
        self.wall._look()
        self.clock.ahead -= HOUR
        self.wall._look()
        self.clock.advance(0)
        self.assertEqual(len(self.told), TOLD_AT_ONCE + TOLD_AT_ONCE + 1)

    def test_defect(self) -> None:
        """A subscriber that raises is logged, and the others are told."""

        def defective() -> None:
            raise RuntimeError

        self.wall.startService()
        self.wall.subscribe(defective)
        self.subscribe("a")
        self.clock.ahead += HOUR
        self.clock.advance(LOOK)
        self.assertEqual((self.told, len(self.flushLoggedErrors(RuntimeError))), (["a"], 1))

    def test_ends(self) -> None:
        """Once it is stopped no timer is left, and nobody is told anything; a stop without a start is none."""
        self.wall.stopService()
        self.wall.startService()
        for n in range(TOLD_AT_ONCE + 1):
            self.wall.subscribe(lambda n=n: self.told.append(str(n)))  # type: ignore[misc]
        self.clock.ahead += HOUR
        self.wall._look()
        self.wall.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_system(self) -> None:
        """Without another one it is the system's time, in seconds since 1970."""
        self.assertIs(WallClock(self.clock).seconds, time.time)


class ReactorTests(SynchronousTestCase):
    """Reactors that wait by a time that cannot be set."""

    def reactor(self) -> SelectReactor:
        """One of Twisted's that is not the process's."""
        reactor = SelectReactor()
        self.addCleanup(reactor.fireSystemEvent, "shutdown")
        self.addCleanup(reactor.disconnectAll)
        return reactor

    def test_twisted(self) -> None:
        """Twisted's takes the monotonic time, for its delayed calls too, and stays so."""
        reactor = self.reactor()
        self.assertTrue(count_monotonically(reactor))
        self.assertIs(reactor.seconds, time.monotonic)
        call = reactor.callLater(HOUR, lambda: None)
        self.assertLess(abs(call.getTime() - time.monotonic() - HOUR), 60)
        self.assertLessEqual(reactor.timeout() or 0.0, HOUR)
        self.assertTrue(count_monotonically(reactor))

    def test_scheduled(self) -> None:
        """One on which something waits by the system's time already cannot be changed."""
        reactor = self.reactor()
        reactor.callLater(HOUR, lambda: None)
        self.assertFalse(count_monotonically(reactor))

    def test_own_time(self) -> None:
        """One with a time of its own is left alone."""
        clock = Clock()
        self.assertFalse(count_monotonically(clock))
        self.assertEqual(clock.seconds(), 0.0)
