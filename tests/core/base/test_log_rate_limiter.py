"""How often a failed handshake is logged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.log_rate_limiter import LogRateLimiter


class LogRateLimiterTests(SynchronousTestCase):
    """Lines for each address."""

    def setUp(self) -> None:
        """Two lines in ten seconds for each of three addresses."""
        self.clock = Clock()
        self.limiter = LogRateLimiter(self.clock.seconds, lines=2, period=10.0, max_addresses=3)

    def admit(self, address: str, times: int = 1) -> list[int | None]:
        """Asks several times."""
        return [self.limiter.admit(address) for _ in range(times)]

    def test_leaves_out_what_is_too_much(self) -> None:
        """The first lines of a period are written, the others are not."""
        self.assertEqual(self.admit("a", 4), [0, 0, None, None])

    def test_says_what_was_left_out(self) -> None:
        """The first line of the next period says how many were left out, and the second starts from nothing."""
        self.admit("a", 5)
        self.clock.advance(10.0)
        self.assertEqual(self.admit("a", 3), [3, 0, None])

    def test_period_is_not_prolonged(self) -> None:
        """Asking again and again does not keep an address out longer than a period."""
        self.admit("a", 3)
        for _ in range(9):
            self.clock.advance(1.0)
            self.assertEqual(self.admit("a"), [None])
        self.clock.advance(1.0)
        self.assertEqual(self.admit("a"), [10])

    def test_addresses_apart(self) -> None:
        """One address does not use up another's lines."""
        self.admit("a", 5)
        self.assertEqual(self.admit("b"), [0])

    def test_more_addresses_share(self) -> None:
        """Addresses beyond the table's bound have one place together, the known ones keep theirs."""
        for address in "abc":
            self.admit(address)
        self.assertEqual([self.limiter.admit(address) for address in "defgh"], [0, 0, None, None, None])
        self.assertEqual(self.admit("a"), [0])
        self.clock.advance(9.9)
        self.assertEqual(self.admit("i"), [None])

    def test_shared_place_begins_anew(self) -> None:
        """After a period the shared place admits again and says what it left out."""
        self.clock.advance(5.0)
        for address in "abc":
            self.admit(address)
        self.assertEqual([self.limiter.admit(address) for address in "def"], [0, 0, None])
        self.clock.advance(5.0)
        self.assertEqual(self.admit("g"), [1])

    def test_forgets_the_oldest(self) -> None:
        """An address whose period is over makes room for another; the shared place reports what it left out."""
        self.admit("a", 4)
        self.clock.advance(5.0)
        self.admit("b")
        self.admit("c")
        self.clock.advance(5.0)
        self.assertEqual(self.admit("d", 3), [0, 0, None])
        self.assertEqual(self.admit("e"), [2])

    def test_renewed_address_is_the_newest(self) -> None:
        """An address that came again is not in the way of forgetting those that did not."""
        self.admit("a")
        self.clock.advance(5.0)
        self.admit("b")
        self.admit("c")
        self.clock.advance(5.0)
        self.admit("a")
        self.clock.advance(5.0)
        self.assertEqual([self.admit(address, 3) for address in "de"], [[0, 0, None], [0, 0, None]])

    def test_clock_set_back(self) -> None:
        """A clock that jumps back begins a new period instead of an endless one."""
        self.clock.advance(1000.0)
        self.admit("a", 3)
        self.clock.rightNow = 0.0
        self.assertEqual(self.admit("a"), [1])

    @given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(-5.0, 15.0))))
    def test_bounded_and_nothing_forgotten(self, calls: list[tuple[str, float]]) -> None:
        """For any calls at any time: the table keeps its bound, and each call is written, counted in a line or still to
        be counted.
        """
        now = 0.0
        limiter = LogRateLimiter(lambda: now, lines=2, period=10.0, max_addresses=3)
        written = told = 0
        for address, step in calls:
            now += step
            omitted = limiter.admit(address)
            written += omitted is not None
            told += omitted or 0
            self.assertLessEqual(len(limiter._windows), 3)
        to_tell = sum(window.omitted for window in (limiter._shared, *limiter._windows.values()))
        self.assertEqual(written + told + to_tell, len(calls))
