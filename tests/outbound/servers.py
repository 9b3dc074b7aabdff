"""Servers of this reactor for requests of the gateway's own, and proxies to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.trial.unittest import TestCase

from agwtwisted.core.http.destinations import Destination, PortRange, destination, network
from agwtwisted.outbound.cold_client import ColdClient
from agwtwisted.outbound.fetching import AddressRules, Fetched, NotFetched, OutboundRequest, Sink

reactor: Any = global_reactor

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
ANYWHERE = AddressRules(networks=(), ports=(), chosen_by_operator=True)
LOOPBACK = AddressRules(networks=(network("127.0.0.0/8"),), ports=(PortRange(lowest=1, highest=65535),))

Say: TypeAlias = Callable[["ServedConnection", bytes], None]
"""Answers a request on its connection."""


class ServedConnection(Protocol):
    """One connection to a server; a request is whole with its head and the body that its length says."""

    server: Server
    other_end: Any = None  # of a tunnel

    def connectionMade(self) -> None:
        """A client is there."""
        self.received = b""
        self.server.connections.append(self)

    def dataReceived(self, data: bytes) -> None:
        """A part of a request, or of what a tunnel carries."""
        if self.other_end is not None:
            self.other_end.transport.write(data)
            return
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if len(rest) >= length:
            request, self.received = head + end + rest[:length], rest[length:]
            self.server.requests.append(request)
            self.server.say(self, request)

    def connectionLost(self, reason: Any = None) -> None:
        """The client is gone."""
        if self.other_end is not None:
            self.other_end.transport.loseConnection()
        self.server.lost.append(self)
        waiting, self.server.waiting = self.server.waiting, []
        for each in waiting:
            each.callback(None)

    def send(self, data: bytes) -> None:
        """Says something."""
        assert self.transport is not None
        self.transport.write(data)

    def close(self) -> None:
        """Ends it, without a word."""
        assert self.transport is not None
        self.transport.loseConnection()


class Server(ServerFactory):
    """Listens on 127.0.0.1."""

    noisy = False
    protocol = ServedConnection

    def __init__(self, say: Say, tls: Any = None) -> None:
        self.say = say
        self.connections: list[ServedConnection] = []
        self.lost: list[ServedConnection] = []
        self.requests: list[bytes] = []
        self.waiting: list[Deferred[None]] = []
        listen = (reactor.listenTCP, (0, self)) if tls is None else (reactor.listenSSL, (0, self, tls))
        self.listening = listen[0](*listen[1], interface="127.0.0.1")
        self.port: int = self.listening.getHost().port

    def buildProtocol(self, addr: Any) -> ServedConnection:
        """The connection of a client."""
        made = ServedConnection()
        made.server = self
        return made

    def next_lost(self) -> Deferred[None]:
        """Fires when the next connection is gone."""
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def at(self, path: str = "/", scheme: str = "http") -> Destination:
        """A URL of it."""
        return destination(f"{scheme}://127.0.0.1:{self.port}{path}")


class TunnelEnd(Protocol):
    """The proxy's end towards the server."""

    def __init__(self, client: ServedConnection) -> None:
        self.client = client

    def dataReceived(self, data: bytes) -> None:
        """Passes on what the server says."""
        self.client.send(data)


def tunnel(client: ServedConnection, port: int) -> None:
    """Connects a client of a proxy with a port of this machine, and says that it has."""

    def connected(end: TunnelEnd) -> None:
        client.other_end = end
        client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

    made = connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), TunnelEnd(client))
    made.addCallback(connected)  # type: ignore[unused-awaitable]


class ClientCase(TestCase):
    """A client and servers."""

    def setUp(self) -> None:
        self.client = self.made()

    def made(self, clock: Any = reactor, **options: Any) -> ColdClient:
        """A client without connections."""
        client = ColdClient(clock, **options)
        self.addCleanup(client.stop)
        return client

    def server(self, answer: bytes | Say = HELLO, tls: Any = None) -> Server:
        """One that answers each request so."""
        if isinstance(answer, bytes):
            octets = answer
            server = Server(lambda connection, _: connection.send(octets), tls)
        else:
            server = Server(answer, tls)
        self.addCleanup(self._end, server)
        return server

    async def _end(self, server: Server) -> None:
        self.client.stop()
        await server.listening.stopListening()
        while len(server.lost) < len(server.connections):
            for connection in server.connections:
                connection.close()
            await server.next_lost()

    def get(
        self,
        destination: Destination,
        rules: AddressRules = ANYWHERE,
        *,
        seconds: float = 60.0,
        most: int = 1000,
        into: Sink | None = None,
    ) -> Deferred[Fetched | NotFetched]:
        """Asks for a URL."""
        request = OutboundRequest(method=b"GET", destination=destination)
        return self.client.fetch(request, rules, seconds, most=most, into=into)
