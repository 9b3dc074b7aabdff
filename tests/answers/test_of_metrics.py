"""The metrics of a process that serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from agwtwisted._version import VERSION
from agwtwisted.answers.of_metrics import exposition
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.questions import Question
from agwtwisted.listening.listener import bind
from agwtwisted.service import GatewayService, build
from tests import configurations
from tests.running import free_ports
from tests.sockets import connected, until

CONFIGURATION = """\
[gateway]
access_log = {log}

[http_listener public]
address = 127.0.0.1
port = {port}
protocol = Http

[backend_address_pool app]
backend_addresses = 127.0.0.1:{server}

[backend_http_settings app]
port = 9000

[request_routing_rule public]
priority = 100
http_listener = public
backend_address_pool = app
backend_http_settings = app
"""


class MetricsTests(TestCase):
    """A gateway whose one server does not listen."""

    def setUp(self) -> None:
        self.port, self.server = free_ports(2)
        self.log = Path(self.mktemp()).absolute()
        text = CONFIGURATION.format(log=self.log, port=self.port, server=self.server)
        running: Any = reactor
        address = ("127.0.0.1", self.port)
        self.gateway: GatewayService = build(configurations.plan(text), running, {address: bind(*address)})
        self.gateway.startService()

    def tearDown(self) -> Deferred[None]:
        """Ends it."""
        self.gateway.drain_without_limit()
        return self.gateway.stopService()

    async def answered(self, request: bytes) -> None:
        """Sends it, and waits for the end of the connection."""
        before = self.closed
        client = connected(("127.0.0.1", self.port))
        client.sendall(request)
        await until(lambda: self.closed > before)
        client.close()

    @property
    def closed(self) -> float:
        """Connections that have ended."""
        return sum(self.measured()["agw_connections_closed"].values())

    def measured(self) -> dict[str, Any]:
        """The samples now."""
        return dict(self.gateway.answers.measurements().samples)

    async def test_equal_to_the_log(self) -> None:
        """Requests, bytes and errors are those of the lines of the access log."""
        requests = [
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            b"TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        ]
        for request in requests:
            await self.answered(request)
        lines = await self.lines(len(requests))
        found = self.measured()
        by_code: dict[tuple[str, ...], int] = {}
        for line in lines:
            key = (line["listenerName"], line["ruleName"], f"{line['properties']['httpStatus'] // 100}xx")
            by_code[key] = by_code.get(key, 0) + 1
        self.assertEqual({key: count for key, count in found["agw_http_requests"].items() if count}, by_code)
        for family, member in (("agw_received_bytes", "receivedBytes"), ("agw_sent_bytes", "sentBytes")):
            self.assertEqual(sum(found[family].values()), sum(line["properties"][member] for line in lines))
        counted = {each: count for (_, each), count in found["agw_http_errors"].items()}
        self.assertEqual(sum(counted.values()), len(lines))
        self.assertEqual({*counted}, {line["properties"]["error_info"] for line in lines})
        [durations] = [each for (_, rule), each in found["agw_http_request_duration_seconds"].items() if rule]
        self.assertEqual(sum(durations[:-1]), 2)

    async def lines(self, count: int) -> list[dict[str, Any]]:
        """So many lines of the access log, once they are there."""
        await until(lambda: self.log.read_bytes().count(b"\n") >= count)
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    async def test_server_that_refuses(self) -> None:
        """A server that does not listen is down, and its failed connections are counted."""
        await self.answered(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        found, server = self.measured(), ("app", "app", f"127.0.0.1:{self.server}")
        self.assertGreater(found["agw_backend_connect_failures"][server], 0)
        self.assertEqual(found["agw_backend_server_up"], {server: 0})
        self.assertEqual(sum(found["agw_backend_servers"].values()), 1)
        self.assertEqual(found["agw_backend_connections"], {(*server, "in_use"): 0, (*server, "idle"): 0})

    async def test_connections(self) -> None:
        """A client that is connected counts for its address and its listener, which have a sample without one, too."""
        client = connected(("127.0.0.1", self.port))
        await until(lambda: self.gateway.connections == 1)
        found, address = self.measured(), (f"127.0.0.1:{self.port}",)
        self.assertEqual(
            (found["agw_connections"], found["agw_listener_connections"]), ({address: 1}, {("public",): 1})
        )
        client.close()
        await until(lambda: self.gateway.connections == 0)
        found = self.measured()
        self.assertEqual((found["agw_connections_accepted"], found["agw_connections"]), ({address: 1}, {address: 0}))
        self.assertEqual(found["agw_listener_connections"], {("public",): 0})

    async def test_question(self) -> None:
        """The answer to the question is what they are made of again, and the text that Prometheus reads."""
        answer = await self.gateway.ask(Question.METRICS, {})
        self.assertEqual({*Measurements.of_members(answer).samples}, {*self.measured()})
        running: Any = reactor
        media_type, text = await Deferred.fromCoroutine(exposition(running, answer, ""))
        self.assertTrue(media_type.startswith("text/plain"))
        found = {each.name: each for each in text_string_to_metric_families(text.decode())}
        [build_info] = found["agw_build_info"].samples
        self.assertEqual((build_info.labels["version"], build_info.value), (VERSION, 1.0))
        [sample] = found["process_resident_memory_bytes"].samples
        self.assertEqual(sample.labels, {"worker": "0"})
