"""What the service refuses of a gateway."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.control_planes import GATEWAY, StandIn, child, gateway_body, reference

PREFIX = "ApplicationGateway"
OWN: Any = gateway_body()["properties"]
[LISTENER] = OWN["httpListeners"]
[RULE] = OWN["requestRoutingRules"]


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A child without one of its properties."""
    return {**body, "properties": {key: value for key, value in body["properties"].items() if key != name}}


class RefusedTests(SynchronousTestCase):
    """Codes and messages of the service."""

    def errors(self, version: str = "2025-05-01", **properties: Any) -> list[dict[str, Any]]:
        """Every error of a PUT with these properties; nothing was done then."""
        plane = StandIn().with_group()
        error = plane.error("PUT", GATEWAY, gateway_body(**properties), version=version)
        self.assertEqual(len(plane.works), 1)
        return error["details"] or [error]

    def error(self, version: str = "2025-05-01", **properties: Any) -> dict[str, Any]:
        """The only one."""
        [error] = self.errors(version, **properties)
        return error

    def test_dangling_reference(self) -> None:
        """The message names both ends, the target the path."""
        listener = child("web", **{**LISTENER["properties"], "frontendPort": reference("frontendPorts", "none")})
        error = self.error(httpListeners=[listener])
        self.assertEqual(error["code"], "InvalidResourceReference")
        beginning = (
            f"Resource {GATEWAY}/frontendPorts/none referenced by resource {GATEWAY}/httpListeners/web was not found."
        )
        self.assertTrue(error["message"].startswith(beginning), error["message"])
        self.assertEqual(error["target"], "properties.httpListeners[0].properties.frontendPort")

    def test_names(self) -> None:
        """Names have some characters only, and each is there once without case."""
        pools = [*OWN["backendAddressPools"], child("SERVERS"), child("a/b"), child("x" * 81)]
        codes = [each["code"] for each in self.errors(backendAddressPools=pools)]
        self.assertEqual(codes, ["DuplicateResourceName", "InvalidResourceName", "InvalidResourceName"])

    def test_priorities(self) -> None:
        """No rule may be without one since a version; in older ones all may, but not some."""
        bare = without(RULE, "priority")
        error = self.error(requestRoutingRules=[bare])
        self.assertEqual(error["code"], f"{PREFIX}RequestRoutingRulePriorityCannotBeEmpty")
        self.assertIn(f"{GATEWAY}/requestRoutingRules/all cannot be empty", error["message"])
        StandIn().with_group().json("PUT", GATEWAY, gateway_body(requestRoutingRules=[bare]), 201, version="2021-05-01")
        both = [RULE, {**bare, "name": "other"}]
        partial = self.error("2021-05-01", requestRoutingRules=both)
        self.assertEqual(partial["code"], f"{PREFIX}RequestRoutingRulePartialPriorityDefined")

    def test_ports(self) -> None:
        """A port has a number in the product's range."""
        ports = [*OWN["frontendPorts"], child("zero", port=0), child("high", port=65200), child("none")]
        codes = {each["code"] for each in self.errors(frontendPorts=ports)}
        self.assertEqual(codes, {f"{PREFIX}FrontendPortInvalidPortNumber"})

    def test_shared_ports(self) -> None:
        """Two listeners for every host name cannot be on one port; with names they can."""
        second = {**LISTENER, "name": "second"}
        error = self.error(httpListeners=[LISTENER, second])
        self.assertEqual(error["code"], f"{PREFIX}HttpListenersUsingSameFrontendPort")
        named = child("second", **LISTENER["properties"], hostName="a.example")
        StandIn().with_gateway(httpListeners=[LISTENER, named])

    def test_limits(self) -> None:
        """More of a collection than the product takes."""
        pools = [*OWN["backendAddressPools"], *(child(f"p{number}") for number in range(100))]
        error = self.error(backendAddressPools=pools)
        self.assertEqual(error["code"], f"{PREFIX}BackendAddressPoolLimitReached")
        self.assertIn("BackendAddressPools is 101 and the maximum allowed is 100.", error["message"])

    def test_name_of_the_gateway(self) -> None:
        """It is judged as well."""
        plane = StandIn().with_group()
        error = plane.error(
            "PUT", GATEWAY.replace("/gw", "/-gw"), gateway_body(httpListeners=[], requestRoutingRules=[])
        )
        self.assertEqual(error["code"], "InvalidResourceName")

    def test_all_at_once(self) -> None:
        """Every problem is in the details of one answer."""
        errors = self.errors(frontendPorts=[child("p8080", port=0)], requestRoutingRules=[without(RULE, "priority")])
        self.assertEqual(len(errors), 2)


class TakenTests(SynchronousTestCase):
    """What is wrong for serving alone."""

    def test_unfinished_gateways(self) -> None:
        """A listener without a rule, an unused profile, an empty set, an empty pool: clients build child by child."""
        StandIn().with_gateway(
            requestRoutingRules=[],
            backendAddressPools=[child("empty")],
            sslProfiles=[
                child("unused", sslPolicy={"policyType": "Predefined", "policyName": "AppGwSslPolicy20220101"})
            ],
            rewriteRuleSets=[child("empty", rewriteRules=[])],
            probes=[child("unused", protocol="Http", path="/", interval=30, timeout=30, unhealthyThreshold=3)],
        )

    def test_references_elsewhere(self) -> None:
        """References of another copy of the gateway are those of this one; case does not count."""
        listener = child("web", **{**LISTENER["properties"], "frontendPort": {"id": f"{GATEWAY}x/FRONTENDPORTS/P8080"}})
        plane = StandIn().with_gateway(httpListeners=[listener])
        [shown] = plane.json("GET", GATEWAY)["properties"]["httpListeners"]
        self.assertEqual(shown["properties"]["frontendPort"], reference("frontendPorts", "p8080"))
