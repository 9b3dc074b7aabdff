"""The table of routes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.questions import Question
from agwtwisted.core.operations.routes import ROUTES, Operation


class TableTests(SynchronousTestCase):
    """What holds of all rows."""

    def test_methods(self) -> None:
        """What changes something is asked by POST, all else by GET; arguments are where the method has them."""
        changing = (Operation.RELOAD, Operation.REOPEN, Operation.EXPLAIN, Operation.CHECK)  # or needs a body
        for route in ROUTES:
            asks = route.asks
            changes = asks.is_action if isinstance(asks, Question) else asks in changing
            self.assertEqual(route.method, "POST" if changes else "GET", route.path)
            self.assertFalse(route.query if route.method == "POST" else route.body, route.path)

    def test_no_argument_twice(self) -> None:
        """No argument of a path has the name of one of the query or the body."""
        for route in ROUTES:
            names = [each[1:-1] for each in route.segments if each.startswith("{")]
            self.assertEqual(len({*names, *route.query, *route.body}), len(names) + len(route.query) + len(route.body))
