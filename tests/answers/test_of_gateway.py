"""The answers of a process by which clients are served."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.listening.listener import bind
from agwtwisted.loading import NO_FILES, Loaded, load_files
from agwtwisted.service import GatewayService, build
from tests import configurations
from tests.running import free_ports
from tests.sockets import connected, read, until
from tests.test_conf import CONF, make_demo_certificates

PLAIN = """\
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


RELAY = """
[listener raw]
address = 127.0.0.1
port = {relay}
protocol = Tcp

[backend_settings raw]
port = 9000

[routing_rule raw]
priority = 200
listener = raw
backend_address_pool = app
backend_settings = raw
"""

SERVER = {"pool": "app", "settings": "app"}
REQUEST = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"


class Backend(Factory):
    """A server that answers when the test says so, and echoes what is no request."""

    noisy = False

    def __init__(self) -> None:
        self.asked: list[Protocol] = []
        self.lost = 0
        running: Any = reactor
        self.port = running.listenTCP(0, self, interface="127.0.0.1")
        self.number: int = self.port.getHost().port

    def buildProtocol(self, addr: object) -> Protocol:
        """One connection."""
        return _Connection(self)

    def answer(self) -> None:
        """Answers what has been asked."""
        for connection in self.asked:
            assert connection.transport is not None
            connection.transport.write(ANSWER)
        self.asked.clear()


class _Connection(Protocol):
    """One connection to it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def dataReceived(self, data: bytes) -> None:
        """A probe is answered at once."""
        assert self.transport is not None
        if b"(probe)" in data:
            self.transport.write(ANSWER)
        elif data.startswith(b"GET"):
            self._backend.asked.append(self)
        else:
            self.transport.write(data)

    def connectionLost(self, reason: object = None) -> None:
        """It has ended."""
        self._backend.lost += 1


class GatewayAnswersTests(TestCase):
    """A gateway that is asked."""

    def setUp(self) -> None:
        self.port, self.relay = free_ports(2)
        self.backend = Backend()
        text = (PLAIN + RELAY).format(port=self.port, relay=self.relay, server=self.backend.number)
        self.plan = configurations.plan(text)
        running: Any = reactor
        sockets = {address: bind(*address) for address in self.plan.addresses}
        self.gateway: GatewayService = build(self.plan, running, sockets)
        self.gateway.startService()
        self.clients: list[socket.socket] = []

    def tearDown(self) -> Deferred[Any]:
        """Ends it."""
        for client in self.clients:
            client.close()
        self.backend.answer()
        return gatherResults([self.gateway.stopService(), maybeDeferred(self.backend.port.stopListening)])

    def connected(self, port: int = 0) -> socket.socket:
        """A client."""
        self.clients.append(connected(("127.0.0.1", port or self.port)))
        return self.clients[-1]

    async def ask(self, question: Question, **arguments: Any) -> Any:
        """The answer."""
        return await self.gateway.ask(question, arguments)

    async def received(self, client: socket.socket) -> bytes:
        """What comes next; nothing at the end."""
        found: list[bytes | None] = [None]

        def has_come() -> bool:
            found[0] = read(client)
            return found[0] is not None

        await until(has_come)
        assert found[0] is not None
        return found[0]

    async def server(self, kind: int = 0) -> Any:
        """The members of the server under the settings of HTTP, or of L4."""
        pools = (await self.ask(Question.BACKENDS))["backend_pools"]
        return pools[0]["backend_settings"][kind]["servers"][0]

    async def is_up(self) -> None:
        """Waits for the first probes."""
        servers = [*self.gateway.generation.backends.items(), *self.gateway.generation.relay_backends.items()]
        await until(lambda: all(server.health.state is HealthState.UP for _, server in servers))

    async def test_listeners_count_clients(self) -> None:
        """A listener says how many clients are connected to it."""
        answer = await self.ask(Question.LISTENERS)
        self.assertEqual(
            [(each["name"], each["connections"]) for each in answer["listeners"]], [("public", 0), ("raw", 0)]
        )
        self.connected()
        await until(lambda: self.gateway.connections == 1)
        answer = await self.ask(Question.LISTENERS)
        self.assertEqual(answer["listeners"][0]["connections"], 1)

    async def test_connections_of_clients(self) -> None:
        """The status counts clients alone: of an L4 session not the connection to the server."""
        await self.is_up()
        relayed = self.connected(self.relay)
        relayed.send(b"hello")
        self.assertEqual(await self.received(relayed), b"hello")
        status = self.gateway.status()
        self.assertEqual(status.connections, 1)
        self.assertEqual({each.port: each.connections for each in status.listeners}, {self.port: 0, self.relay: 1})

    async def test_clients_of_a_moved_listener(self) -> None:
        """Clients of a listener that has another address now are still counted as its own, until they have gone."""
        await self.is_up()
        self.connected().send(REQUEST)
        await until(lambda: self.backend.asked)
        [free] = free_ports(1)
        text = (PLAIN + RELAY).format(port=free, relay=self.relay, server=self.backend.number)
        (await self.gateway.prepare(Loaded(plan=configurations.plan(text), files=NO_FILES))).commit()
        await until(lambda: self.gateway.retired.ports)
        [client] = (await self.ask(Question.CLIENTS))["clients"]
        self.assertEqual(client["listener"], "public")
        self.assertEqual((await self.ask(Question.LISTENERS))["listeners"][0]["connections"], 1)
        measured = Measurements.of_members(await self.ask(Question.METRICS))
        self.assertEqual(measured.samples["agw_listener_connections"], {("public",): 1, ("raw",): 0})

    async def test_unknown_questions(self) -> None:
        """What a gateway cannot answer fails with a status, and is never an answer."""
        with mock.patch.object(self.gateway.answers, "_answers", {}):
            error = await self.assertFailure(self.gateway.ask(Question.CLIENTS, {}), QuestionError)
        self.assertEqual(error.status, 501)

    async def test_health(self) -> None:
        """Servers of HTTP and of L4 are up, by what their probes have found."""
        await self.is_up()
        self.assertEqual((await self.server())["health_probe_log"], "Success. Received 200 status code")
        self.assertEqual((await self.server(1))["health_probe_log"], "Success. The server accepts connections")

    async def test_drained(self) -> None:
        """What is under way at a drained server ends well, nothing new goes there, and its connection is closed."""
        await self.is_up()
        client, other = self.connected(), self.connected()
        client.send(REQUEST)
        await until(lambda: self.backend.asked)
        where = {**SERVER, "server": f"127.0.0.1:{self.backend.number}"}
        self.assertEqual(await self.ask(Question.DRAIN, **where), {"outcome": "drained"})
        found = await self.server()
        self.assertEqual((found["health"], found["connections"], found["requests"]), ("Draining", 1, 1))
        other.send(REQUEST)
        self.assertIn(b"502", (await self.received(other)).partition(b"\r\n")[0])
        lost = self.backend.lost
        self.backend.answer()
        self.assertTrue((await self.received(client)).endswith(b"well"))
        await until(lambda: self.backend.lost > lost)
        self.assertEqual(await self.ask(Question.UNDRAIN, **where), {"outcome": "undrained"})
        other.send(REQUEST)
        await until(lambda: self.backend.asked)
        self.backend.answer()
        self.assertTrue((await self.received(other)).endswith(b"well"))

    async def test_relay_drained(self) -> None:
        """An L4 session at a drained server goes on, and a new one gets no server."""
        await self.is_up()
        client = self.connected(self.relay)
        client.send(b"one")
        self.assertEqual(await self.received(client), b"one")
        where = {"pool": "app", "settings": "raw", "server": f"127.0.0.1:{self.backend.number}"}
        await self.ask(Question.DRAIN, **where)
        client.send(b"two")
        self.assertEqual(await self.received(client), b"two")
        self.assertEqual(await self.received(self.connected(self.relay)), b"")

    async def test_drained_over_a_reload(self) -> None:
        """A server stays out over a reload that makes it anew, and its new requests go nowhere."""
        await self.is_up()
        await self.ask(Question.DRAIN, **SERVER, server=f"127.0.0.1:{self.backend.number}")
        text = (
            PLAIN.replace("[backend_http_settings app]", "[backend_http_settings app]\nconnection_draining_timeout = 7")
            + RELAY
        )
        plan = configurations.plan(text.format(port=self.port, relay=self.relay, server=self.backend.number))
        before = self.gateway.generation
        prepared = await self.gateway.prepare(Loaded(plan=plan, files=NO_FILES))
        prepared.commit()
        self.assertIsNot(self.gateway.generation, before)
        self.assertTrue((await self.server())["draining"])
        client = self.connected()
        client.send(REQUEST)
        self.assertIn(b"502", (await self.received(client)).partition(b"\r\n")[0])

    async def test_clients(self) -> None:
        """Clients of HTTP and of L4 say what they do, how much, and with which server."""
        await self.is_up()
        client, relayed = self.connected(), self.connected(self.relay)
        client.send(REQUEST)
        relayed.send(b"hello")
        self.assertEqual(await self.received(relayed), b"hello")
        await until(lambda: self.backend.asked)
        server = f"127.0.0.1:{self.backend.number}"
        answer = await self.ask(Question.CLIENTS)
        by_listener = {each["listener"]: each for each in answer["clients"]}
        http, relay = by_listener["public"], by_listener["raw"]
        self.assertEqual((answer["total"], answer["next"]), (2, None))
        self.assertEqual(
            (http["state"], http["host"], http["requests"], http["backend"]), ("active", "a.example", 1, server)
        )
        self.assertEqual((http["protocol"], http["bytes_received"], http["verify"]), ("http/1.1", len(REQUEST), "NONE"))
        self.assertEqual((relay["state"], relay["backend"], relay["protocol"]), ("relay", server, "tcp"))
        self.assertEqual((relay["bytes_received"], relay["bytes_sent"]), (5, 5))
        self.backend.answer()
        await self.received(client)
        [idle] = (await self.ask(Question.CLIENTS, listener="public"))["clients"]
        self.assertEqual((idle["state"], idle["backend"]), ("idle", None))
        self.assertEqual(idle["bytes_sent"], len(ANSWER))

    async def test_closed(self) -> None:
        """A client that is closed gets the answer under way, and its connection ends; one of L4 ends at once."""
        await self.is_up()
        client, relayed = self.connected(), self.connected(self.relay)
        client.send(REQUEST)
        relayed.send(b"hello")
        self.assertEqual(await self.received(relayed), b"hello")
        await until(lambda: self.backend.asked)
        for found in (await self.ask(Question.CLIENTS))["clients"]:
            self.assertEqual(await self.ask(Question.CLOSE, id=found["id"]), {"outcome": "closed"})
        self.backend.answer()
        self.assertIn(b"Connection: close", await self.received(client))
        await until(lambda: self.gateway.connections == 0)


class ExampleTests(TestCase):
    """Every example configuration, as users copy it."""

    async def test_no_secrets(self) -> None:
        """No answer has a part of a private key, or a value that is named as a secret."""
        directory = Path(self.mktemp())
        directory.mkdir()
        make_demo_certificates(directory / "pki")
        keys = [
            line for file in directory.glob("pki/*key*") for line in file.read_text().splitlines() if "--" not in line
        ]
        self.assertTrue(keys)
        for example in CONF.glob("*.ini"):
            file = directory / example.name
            file.write_text(example.read_text() + "\n; password = hunter2\n")
            file.chmod(0o600)
            said = await self.answers(load_files(str(file), datetime.now(UTC)))
            self.assertIn("LISTENER", said)
            for secret in (*keys, "PRIVATE KEY", "hunter2"):
                self.assertNotIn(secret, said, example.name)

    async def answers(self, loaded: Loaded) -> str:
        """All answers of a gateway that was not started, as JSON."""
        running: Any = reactor
        sockets = {
            address: bind("127.0.0.1", port)
            for address, port in zip(loaded.plan.addresses, free_ports(99), strict=False)
        }
        gateway = build(loaded.plan, running, sockets, files=loaded.files)
        try:
            questions = [question for question in Question if not question.is_action]
            return json.dumps([await gateway.ask(question, {}) for question in questions])
        finally:
            for bound in sockets.values():
                bound.close()
            gateway.shared.access_log.stopService()
