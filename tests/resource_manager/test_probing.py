"""Probes that a client of the control plane asks for: what is probed, and what is found."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resource_manager.messages import JsonObject, ProbeOnce
from agwtwisted.resource_manager.probing import ProbesOnce
from tests import configurations, running
from tests.end_to_end.backends import Backend, Named

OF_L4 = """
[listener raw]
address = 127.0.0.1
port = 8444
protocol = Tcp
[backend_settings raw]
port = {port}
protocol = Tcp
[routing_rule raw]
priority = 200
listener = raw
backend_address_pool = App
backend_settings = raw
"""


class ProbingTests(TestCase):
    """One server, and what it says."""

    def setUp(self) -> None:
        self.server = Named("server")
        backend = Backend(self.server)
        self.addCleanup(backend.close)
        self.port = backend.port

    def plan(self, port: int) -> Plan:
        """A pool with this server, of a site and of L4."""
        text = configurations.GOOD.replace("9000", str(port)) + OF_L4.format(port=port)
        text = text.replace("pool app", "pool App").replace("pool = app", "pool = App")
        return configurations.plan(text)

    async def found(self, port: int | None = None, **task: Any) -> JsonObject:
        """What a probe finds."""
        anything: Any = reactor
        plan = self.plan(self.port if port is None else port)
        asked = ProbeOnce(**{"pool": "app", "settings": "APP", "timeout": 30.0, **task})
        return await ProbesOnce(anything, lambda: plan).probe(asked)

    async def test_well(self) -> None:
        """A server that answers is up, with the product's words; what the client asks for is what it gets."""
        found = await self.found(host="shop.example", path="/health?x=1")
        log = "Success. Received 200 status code"
        self.assertEqual(found["servers"], [{"address": "127.0.0.1", "health": "Up", "health_probe_log": log}])
        (probe,) = self.server.probes
        self.assertEqual((probe.start, probe.get("host")), ("GET /health?x=1 HTTP/1.1", "shop.example"))

    async def test_match(self) -> None:
        """Status and body are matched as the client says."""
        for task in ({"status_codes": ("404", "500-599")}, {"body": "something else"}):
            (server,) = (await self.found(**task))["servers"]
            self.assertEqual(server["health"], "Down")

    async def test_not_there(self) -> None:
        """A server that refuses connections is down."""
        (port,) = running.free_ports(1)
        (server,) = (await self.found(port))["servers"]
        self.assertEqual(server["health"], "Down")
        self.assertIn("could not connect", server["health_probe_log"])

    async def test_of_l4(self) -> None:
        """Settings of L4 are probed by a connection."""
        found = await self.found(settings="raw")
        self.assertEqual((found["kind"], found["servers"][0]["health"]), ("backend_settings", "Up"))

    async def test_not_in_use(self) -> None:
        """A pool that no rule leads to with these settings has no servers to probe."""
        self.assertEqual((await self.found(settings="other"))["servers"], [])

    async def test_no_injection(self) -> None:
        """No text of a client becomes a line of the request."""
        for task in ({"path": "/x HTTP/1.1\r\nX: y"}, {"host": "a\r\nb"}, {"path": "x"}, {"status_codes": ("9999",)}):
            with self.assertRaises(UnacceptableError):
                await self.found(**task)
        self.assertEqual(self.server.probes, [])
