"""Taking turns."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.balancing import RoundRobin


class RoundRobinTests(SynchronousTestCase):
    """Which server is asked next."""

    def test_turns(self) -> None:
        """Each is first in its turn, and the others follow in the order of the configuration."""
        turns = RoundRobin("abc")
        self.assertEqual(["".join(turns.order()) for _ in range(4)], ["abc", "bca", "cab", "abc"])

    def test_few(self) -> None:
        """One server is always asked, and of none nobody."""
        self.assertEqual([RoundRobin("a").order(), RoundRobin("").order()], [("a",), ()])

    @given(st.integers(1, 20), st.integers(1, 5))
    def test_fair(self, servers: int, rounds: int) -> None:
        """After whole rounds everybody was first equally often, and every order has everybody."""
        turns = RoundRobin(range(servers))
        orders = [turns.order() for _ in range(servers * rounds)]
        self.assertEqual(set(Counter(order[0] for order in orders).values()), {rounds})
        self.assertTrue(all(sorted(order) == list(range(servers)) for order in orders))
