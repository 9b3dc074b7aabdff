"""Versions of the API."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.api_versions import OF_GATEWAYS
from tests.control_planes import GATEWAY, GROUP, StandIn


class VersionTests(SynchronousTestCase):
    """Which versions requests may name."""

    def test_of_gateways(self) -> None:
        """The published ones are taken, oldest and newest; they are listed once, the newest first."""
        plane = StandIn().with_gateway()
        for version in (OF_GATEWAYS[0], OF_GATEWAYS[-1]):
            plane.json("GET", GATEWAY, version=version)
        self.assertEqual(sorted(set(OF_GATEWAYS), reverse=True), list(OF_GATEWAYS))

    def test_of_gateways_refused(self) -> None:
        """None, a date that is no version, and what is no date get the service's errors."""
        plane = StandIn().with_gateway()
        self.assertEqual(plane.error("GET", GATEWAY, version="")["code"], "MissingApiVersionParameter")
        for version in ("2024-01-02", "latest"):
            error = plane.error("GET", GATEWAY, version=version)
            self.assertEqual(error["code"], "InvalidApiVersionParameter")
            self.assertIn(f"'{version}' is invalid", error["message"])

    def test_of_neighbours(self) -> None:
        """Any date will do, previews included; no date does not."""
        plane = StandIn().with_group()
        for version in ("2024-11-01", "2030-02-28-preview"):
            plane.json("GET", GROUP, version=version)
        for version in ("2024-13-01", "2024-11-01-", "x"):
            self.assertEqual(plane.error("GET", GROUP, version=version)["code"], "InvalidApiVersionParameter")
