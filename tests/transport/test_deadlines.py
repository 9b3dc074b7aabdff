"""A deadline that is moved far more often than it is missed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.deadlines import Deadline


class DeadlineTests(SynchronousTestCase):
    """`Deadline` on a clock that stands until it is advanced."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.missed: list[float] = []
        self.deadline = Deadline(self.clock, lambda: self.missed.append(self.clock.seconds()))

    def test_missed(self) -> None:
        """It is called when its time has come, once."""
        self.deadline.set(5)
        self.clock.pump([4.9, 0.1, 10])
        self.assertEqual(self.missed, [5])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_moved_later(self) -> None:
        """Moved later, it is missed later; the timer that runs is left as it is."""
        self.deadline.set(5)
        self.clock.advance(3)
        self.deadline.set(5)
        self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], [5])
        self.clock.pump([2, 2.9, 0.1])
        self.assertEqual(self.missed, [8])

    def test_put_later(self) -> None:
        """One that is set may be put later by its time alone."""
        self.deadline.set(5)
        self.clock.advance(3)
        self.deadline.at = 8.0
        self.clock.pump([2, 2.9, 0.1])
        self.assertEqual(self.missed, [8])

    def test_moved_earlier(self) -> None:
        """Moved earlier, it is missed earlier, by one timer."""
        self.deadline.set(50)
        self.deadline.set(5)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(5)
        self.assertEqual(self.missed, [5])

    def test_cleared(self) -> None:
        """Cleared, it is not missed; set again it is."""
        self.deadline.set(5)
        self.deadline.clear()
        self.clock.advance(6)
        self.assertEqual((self.missed, self.clock.getDelayedCalls()), ([], []))
        self.deadline.set(1)
        self.clock.advance(1)
        self.assertEqual(self.missed, [7])

    def test_stopped(self) -> None:
        """Stopped, it leaves no timer; stopping twice is harmless."""
        self.deadline.set(5)
        self.deadline.stop()
        self.deadline.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_postponed(self) -> None:
        """Put off it comes so much later, by the same timer; where there was none, it is set."""
        self.deadline.postpone(3, at_most=10)
        self.clock.advance(9)
        self.deadline.postpone(3, at_most=10)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.pump([3, 0.9, 0.1])
        self.assertEqual(self.missed, [13])

    def test_postponed_too_far(self) -> None:
        """However much it is put off, it is never further away than it may be."""
        for _ in range(3):
            self.deadline.postpone(1000, at_most=10)
        self.clock.pump([9, 1])
        self.assertEqual(self.missed, [10])

    def test_postponed_when_it_is_due(self) -> None:
        """A reactor that is late calls its timers late: what is overdue is due, not in the past."""
        self.deadline.set(5)
        self.clock.rightNow = 7.0
        self.deadline.postpone(1, at_most=10)
        self.clock.advance(0)
        self.assertEqual(self.missed, [7])
        self.deadline.set(5)
        self.clock.rightNow = 13.0
        self.deadline.postpone(5, at_most=10)
        self.clock.pump([3, 1])
        self.assertEqual(self.missed, [7, 17])

    @given(st.lists(st.one_of(st.integers(1, 20), st.none(), st.tuples(st.integers(1, 20))), max_size=20))
    def test_like_a_timer_for_each(self, steps: list[int | tuple[int] | None]) -> None:
        """Whatever is set (a number), cleared (None) and waited (a tuple), it is missed as a plain timer would be."""
        self.setUp()
        expected: list[float] = []
        due: float | None = None
        for step in [*steps, (100,)]:
            if step is None:
                self.deadline.clear()
                due = None
            elif isinstance(step, int):
                self.deadline.set(step)
                due = self.clock.seconds() + step
            else:
                for _ in range(step[0]):
                    self.clock.advance(1)
                    if due == self.clock.seconds():
                        expected.append(due)
                        due = None
        self.assertEqual(self.missed, expected)
