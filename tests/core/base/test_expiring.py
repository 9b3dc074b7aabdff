"""Things that hold for a while, and not more of them than there is room for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.expiring import Expiring


class ExpiringTests(SynchronousTestCase):
    """A memory with a bound and ends."""

    def setUp(self) -> None:
        self.dropped: list[tuple[str, int]] = []
        self.kept: Expiring[str, int] = Expiring(2, lambda key, value: self.dropped.append((key, value)))

    def test_until(self) -> None:
        """A value is there before its time and gone at it."""
        self.kept.put("a", 1, 10.0)
        self.assertEqual(self.kept.get("a", 9.9), 1)
        self.assertIsNone(self.kept.get("a", 10.0))
        self.assertEqual((len(self.kept), self.dropped), (0, [("a", 1)]))

    def test_absent(self) -> None:
        """What was never there is not there, and may be discarded."""
        self.assertIsNone(self.kept.get("a", 0))
        self.kept.discard("a")
        self.assertEqual(self.dropped, [])

    def test_least_recently_used_goes(self) -> None:
        """Where there is no room that one goes which was not used for the longest time."""
        self.kept.put("a", 1, 10)
        self.kept.put("b", 2, 10)
        self.kept.get("a", 0)
        self.kept.put("c", 3, 10)
        self.assertEqual([self.kept.get(key, 0) for key in "abc"], [1, None, 3])
        self.assertEqual(self.dropped, [("b", 2)])

    def test_replaced(self) -> None:
        """A newer value takes the place of the older one only."""
        self.kept.put("a", 1, 10)
        self.kept.put("b", 2, 10)
        self.kept.put("a", 3, 20)
        self.assertEqual((self.kept.get("a", 15), self.kept.get("b", 5)), (3, 2))
        self.assertEqual(self.dropped, [("a", 1)])

    def test_clear(self) -> None:
        """Everything is removed, and reported."""
        self.kept.put("a", 1, 10)
        self.kept.put("b", 2, 10)
        self.kept.clear()
        self.assertEqual((len(self.kept), self.dropped), (0, [("a", 1), ("b", 2)]))

    def test_nobody_told(self) -> None:
        """Without a callback entries are removed all the same."""
        kept: Expiring[str, int] = Expiring(1)
        kept.put("a", 1, 10)
        kept.discard("a")
        self.assertEqual(len(kept), 0)

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9), st.booleans())))
    def test_bounded(self, steps: list[tuple[str, int, bool]]) -> None:
        """Whatever happens there are never more than there is room for, and nothing is dropped that is there."""
        kept: Expiring[str, int] = Expiring(3)
        for key, time, put in steps:
            if put:
                kept.put(key, time, time + 5)
            else:
                kept.get(key, time)
            self.assertLessEqual(len(kept), 3)
