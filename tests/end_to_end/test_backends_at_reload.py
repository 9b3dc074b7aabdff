"""What is open towards backends, and known of them, over reloads: real sockets, counted connections and probes."""

from __future__ import annotations

import gc
import socket
import weakref
from contextlib import closing

from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.health import Health, HealthState
from agwtwisted.listening.listener import bind
from tests.clients import GET
from tests.counted_backends import CountedBackend
from tests.sockets import read, until
from tests.test_replacement import RunningGateway, listener


def forwarding(port: int, *servers: int, settings: str = "") -> str:
    """A listener without TLS, in front of servers on these ports of 127.0.0.1."""
    return f"""
[http_listener {port}]
address = 127.0.0.1
port = {port}
protocol = Http

[backend_address_pool {port}]
backend_addresses = {", ".join(f"127.0.0.1:{each}" for each in servers)}

[backend_http_settings {port}]
{settings}

[request_routing_rule {port}]
priority = {port % 19997 + 1}
http_listener = {port}
backend_address_pool = {port}
backend_http_settings = {port}
"""


class BackendTests(RunningGateway):
    """What is open towards backends, and known of them, over reloads."""

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        self.backends = [CountedBackend() for _ in range(2)]
        for backend in self.backends:
            self.addCleanup(backend.stop)
        self.one, self.two = self.backends
        await self.forward(self.one, self.two)
        await until(lambda: [backend.probes for backend in self.backends] == [1, 1])

    async def forward(self, *backends: CountedBackend, settings: str = "", more: str = "") -> None:
        """The gateway is in front of these backends from now on."""
        ports = [each.port for each in backends]
        self.serve(forwarding(self.ports[0], *ports, settings=settings), more)
        outcome = await self.reloaded()
        self.assertTrue(outcome.changes)

    def servers(self) -> dict[int, Server]:
        """Those in force, by their ports."""
        return {server.port: server for server in self.service.generation.backends._servers}

    async def ask(self, *, waits: bool = False) -> socket.socket:
        """A client has asked, and has its answer unless it is held back."""
        client = self.client(self.ports[0])
        client.sendall(GET)
        if not waits:
            await self.answered(client)
        return client

    async def answered(self, client: socket.socket) -> None:
        """A client has its answer."""
        answer: list[bytes] = []
        await until(lambda: answer.append(read(client) or b"") or b"".join(answer).endswith(b"ok"))

    async def test_connections(self) -> None:
        """Idle connections serve on, and no server is probed anew, over reloads that do not concern it."""
        await self.ask()
        await self.ask()
        for number in range(10):
            await self.forward(self.one, self.two, settings=f"request_timeout = {number + 1}")
            await self.ask()
        self.assertEqual([len(each.connections) for each in self.backends], [1, 1])
        self.assertEqual([each.connections[0].requests for each in self.backends], [6, 6])
        self.assertEqual([each.probes for each in self.backends], [1, 1])

    async def test_health(self) -> None:
        """A server that is down stays so, and gets no request, until its probe says otherwise."""
        await until(lambda: all(server.state is HealthState.UP for server in self.servers().values()))
        self.servers()[self.two.port].found(Health(state=HealthState.DOWN))
        await self.forward(self.two, self.one, settings="request_timeout = 5")
        for _ in range(3):
            await self.ask()
        self.assertEqual([len(each.connections) for each in self.backends], [1, 0])

    async def test_removed(self) -> None:
        """Idle connections to a server that left close at once; a request there is answered, and its connection closed
        then.
        """
        await self.ask()
        [idle] = self.one.connections or self.two.connections
        left = self.one if self.one.connections else self.two
        other = self.two if left is self.one else self.one
        await self.forward(other)
        await until(lambda: not idle.open)
        other.holding = True
        client = await self.ask(waits=True)
        await until(lambda: bool(other.connections))
        await self.forward(left)
        other.release()
        await self.answered(client)
        await until(lambda: not other.connections[0].open)
        await until(lambda: left.probes == 2)

    async def test_other_settings(self) -> None:
        """Settings that say something else about a server make it another one, which is probed at once."""
        await self.ask()
        await self.forward(self.one, self.two, settings="connection_draining_timeout = 1")
        await until(lambda: [each.probes for each in self.backends] == [2, 2])
        await until(lambda: not any(each.open for backend in self.backends for each in backend.connections))

    async def test_other_probe(self) -> None:
        """Another probe is sent at once; the connections stay."""
        await self.ask()
        probe = "\n[probe p]\nprotocol = Http\nhost = a.example\npath = /new\n"
        await self.forward(self.one, self.two, settings="probe = p", more=probe)
        await until(lambda: [each.probes for each in self.backends] == [2, 2])
        self.assertTrue(all(each.open for backend in self.backends for each in backend.connections))

    async def test_failed_reload(self) -> None:
        """A reload that is rejected changes nothing, nor does one that is prepared and given up."""
        await self.ask()
        self.serve(forwarding(self.ports[0], self.one.port), *map(listener, self.ports[1:]))
        with closing(bind("127.0.0.1", self.ports[2])):
            await self.rejected()
        prepared = await self.service.prepare(self.source.load())
        prepared.cancel()
        for _ in range(3):
            await self.ask()
        self.assertEqual([len(each.connections) for each in self.backends], [1, 1])
        self.assertEqual([each.probes for each in self.backends], [1, 1])

    async def test_nothing_left(self) -> None:
        """A generation whose place was taken is freed, though servers of it go on."""
        await self.ask()
        generation = weakref.ref(self.service.generation.backends)
        await self.forward(self.one, self.two, settings="request_timeout = 5")
        await until(lambda: not gc.collect() and generation() is None)
