"""The table of routes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.routes import ROUTES, found_routes


class RouteTests(SynchronousTestCase):
    """Which row answers."""

    def test_each_row_once(self) -> None:
        """A method of a path has one row."""
        rows = [(each.method, each.path.lower()) for each in ROUTES]
        self.assertEqual(len(set(rows)), len(rows))

    def test_case_and_arguments(self) -> None:
        """Case does not count; names keep theirs."""
        path = ("SUBSCRIPTIONS", "S", "resourcegroups", "RG")
        found = {each.route.method: each for each in found_routes(path)}
        self.assertEqual(set(found), {"GET", "HEAD", "PUT", "PATCH", "DELETE"})
        self.assertEqual(found["GET"].arguments, {"subscription": "S", "group": "RG"})

    def test_first_pattern_alone(self) -> None:
        """A child of a gateway is no neighbour: it can be read, and not written."""
        path = (
            "subscriptions",
            "s",
            "resourceGroups",
            "rg",
            "providers",
            "microsoft.network",
            "applicationgateways",
            "g",
            "probes",
        )
        self.assertEqual([each.route.method for each in found_routes(path)], ["GET"])
        [found] = found_routes(path)
        self.assertEqual(found.rest, ("probes",))

    def test_none(self) -> None:
        """What is beside the table has no row."""
        self.assertEqual(list(found_routes(("metadata", "endpoints"))), [])
