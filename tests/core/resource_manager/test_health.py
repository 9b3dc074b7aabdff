"""The health of servers in the product's words."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.answering import answer, health_answer
from agwtwisted.core.resource_manager.messages import AskHealth, ProbeOnce, Work
from tests.control_planes import GATEWAY, StandIn, child, reference

SERVERS: list[Any] = [
    {"address": "a", "health": "Up", "health_probe_log": "Success. Received 200 status code"},
    {"address": "b", "health": "Down", "health_probe_log": "refused"},
    {"address": "c", "health": "Draining", "health_probe_log": None},
]
FOUND: dict[str, Any] = {
    "backend_pools": [
        {
            "name": "servers",
            "backend_settings": [{"name": "plain", "kind": "backend_http_settings", "servers": SERVERS}],
        }
    ]
}
WORDS = [("a", "Healthy"), ("b", "Unhealthy"), ("c", "Draining")]


class BackendHealthTests(SynchronousTestCase):
    """All servers."""

    def test_answer(self) -> None:
        """The servers of each pool with each of its settings, with ids, in the words of the service."""
        plane = StandIn().with_gateway()
        request = plane.request("POST", f"{GATEWAY}/backendhealth", version="2023-11-01")
        work = answer(request, plane.state)
        assert isinstance(work, Work)
        self.assertEqual(work.task, AskHealth())
        given = health_answer(request, plane.state, AskHealth(), FOUND)
        [pool] = json.loads(given.body)["backendAddressPools"]
        self.assertEqual(pool["backendAddressPool"], reference("backendAddressPools", "servers"))
        [settings] = pool["backendHttpSettingsCollection"]
        self.assertEqual(settings["backendHttpSettings"], reference("backendHttpSettingsCollection", "plain"))
        self.assertEqual([(each["address"], each["health"]) for each in settings["servers"]], WORDS)
        self.assertEqual(settings["servers"][1]["healthProbeLog"], "refused")

    def test_expanded(self) -> None:
        """`$expand` asks for pools and settings whole."""
        plane = StandIn().with_gateway()
        query = {"$expand": "BackendAddressPool,BackendHttpSettings"}
        request = plane.request("POST", f"{GATEWAY}/backendhealth", query=query)
        [pool] = json.loads(health_answer(request, plane.state, AskHealth(), FOUND).body)["backendAddressPools"]
        self.assertEqual(pool["backendAddressPool"], plane.json("GET", f"{GATEWAY}/backendAddressPools/servers"))

    def test_stopped(self) -> None:
        """A stopped gateway probes no server."""
        plane = StandIn().with_gateway()
        plane.ask("POST", f"{GATEWAY}/stop")
        self.assertEqual(plane.json("POST", f"{GATEWAY}/backendhealth"), {"backendAddressPools": []})


class OnDemandTests(SynchronousTestCase):
    """One probe of one pool."""

    def task(self, **body: Any) -> Any:
        """What is to be done for a request with this body."""
        plane = StandIn().with_gateway()
        outcome = answer(plane.request("POST", f"{GATEWAY}/getBackendHealthOnDemand", body), plane.state)
        return outcome.task if isinstance(outcome, Work) else json.loads(outcome.body)["error"]

    def test_task(self) -> None:
        """The names are those that were declared; what is not said is as the settings have it."""
        both = {
            "backendAddressPool": reference("BackendAddressPools", "SERVERS"),
            "backendHttpSettings": reference("backendHttpSettingsCollection", "plain"),
        }
        self.assertEqual(self.task(**both), ProbeOnce(pool="servers", settings="plain"))
        more = {
            "Protocol": "Http",
            "host": "h",
            "path": "/p",
            "timeout": 5,
            "match": {"body": "x", "statusCodes": ["200"]},
        }
        expected = ProbeOnce(
            pool="servers",
            settings="plain",
            protocol="Http",
            host="h",
            path="/p",
            timeout=5,
            body="x",
            status_codes=("200",),
        )
        self.assertEqual(self.task(**both, **more), expected)
        self.assertEqual(self.task(**both, timeout=80_000).timeout, 60)

    def test_refused(self) -> None:
        """Both references are needed, and have to lead somewhere."""
        pool = reference("backendAddressPools", "servers")
        self.assertEqual(self.task()["details"][0]["code"], "MissingJsonReferenceId")
        self.assertEqual(self.task(backendAddressPool=pool)["details"][0]["code"], "MissingJsonReferenceId")
        dangling = self.task(
            backendAddressPool=pool, backendHttpSettings=reference("backendHttpSettingsCollection", "x")
        )
        self.assertEqual(dangling["code"], "InvalidResourceReference")

    def test_answer(self) -> None:
        """The servers that were probed, with settings of either layer."""
        plane = StandIn().with_gateway(backendSettingsCollection=[child("tcp", port=1, protocol="Tcp", timeout=1)])
        request = plane.request("POST", f"{GATEWAY}/getBackendHealthOnDemand", {})
        found: dict[str, Any] = {"kind": "backend_settings", "servers": SERVERS}
        given = health_answer(request, plane.state, ProbeOnce(pool="servers", settings="tcp"), found)
        shown = json.loads(given.body)["backendHealthHttpSettings"]
        self.assertEqual(shown["backendHttpSettings"], reference("backendSettingsCollection", "tcp"))
        self.assertEqual([(each["address"], each["health"]) for each in shown["servers"]], WORDS)
