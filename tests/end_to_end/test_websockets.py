"""WebSocket through the gateway: the package websockets on both ends, and an ASGI server."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager

from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

from tests import running
from tests.end_to_end import backends, clients, gateway
from tests.end_to_end.lines import DEADLINE, wait_until
from tests.end_to_end.test_proxying import directory

MANY = 10 << 20

FORBIDDEN = "/forbidden"

Dialled = AbstractContextManager[ClientConnection]


class Speaker:
    """A WebSocket server that does what the path says, and notes how each of its connections ended."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self._ends: dict[ServerConnection, ConnectionClosed] = {}
        self._server: Server = serve(self._talk, "127.0.0.1", 0, max_size=None, ping_interval=None)
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every connection, and accept no more."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                hang_up(connection.socket)
            self.end_of(connection)
        self._server.shutdown()
        self._thread.join(DEADLINE)

    def connection(self, source: str) -> ServerConnection:
        """The last connection of a client of that address."""

        def found() -> list[ServerConnection]:
            return [each for each in self.connections if each.request and f" {source}:" in str(each.request.headers)]

        return wait_until(found, "the server has the connection")[-1]

    def end_of(self, connection: ServerConnection) -> ConnectionClosed:
        """How a connection ended, once it has."""
        return wait_until(lambda: self._ends.get(connection), "a conversation is over")

    def _talk(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        request = connection.request
        assert request
        try:
            while True:
                self._answer(connection, request.path)
        except ConnectionClosed as end:
            self._ends[connection] = end

    def _answer(self, connection: ServerConnection, path: str) -> None:
        if path == "/fragments":
            connection.send(list(connection.recv_streaming()))
            return
        message = connection.recv()
        if path == "/goodbye":
            connection.close(4000, "enough of " + str(message))
        elif path == "/ping":
            connection.ping(message).wait(DEADLINE)
            connection.send("pong came")
        else:
            connection.send(message)


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """A strict and a plain door before a speaker; one where silence is short; and one before uvicorn."""
    names = ("strict", "plain", "impatient", "asgi")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    with directory() as files, closing(Speaker()) as speaker, backends.uvicorn(files) as port:
        text = gateway.gateway_section() + gateway.PROFILES
        text += gateway.pool("app", speaker.port) + gateway.pool("asgi", port)
        text += gateway.pool("impatient", speaker.port, request_timeout=3)
        text += gateway.door("strict", doors["strict"], "strict")
        text += gateway.door("plain", doors["plain"], protocol="Http")
        text += gateway.door("impatient", doors["impatient"], "strict", to="impatient")
        text += gateway.door("asgi", doors["asgi"], "strict", to="asgi")
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=speaker)


def dial(
    started: gateway.Gateway, port: int, path: str, *, certificate: str | None = "ecdsa", source: str = ""
) -> Dialled:
    """A client of the gateway, to be entered, with this certificate; None: it speaks no TLS."""
    call = started.call(port, certificate or "", source=source or clients.fresh_source())
    scheme, context = ("ws", None) if certificate is None else ("wss", clients.context(call))
    return connect(
        f"{scheme}://localhost:{port}{path}",
        sock=clients.plain(port, call.source).socket,
        ssl=context,
        proxy=None,
        max_size=None,
        ping_interval=None,
        open_timeout=DEADLINE,
        close_timeout=DEADLINE,
    )


class SocketCase(gateway.SceneCase):
    """What the tests of WebSockets use."""

    stage = staticmethod(stage)

    def setUp(self) -> None:
        super().setUp()
        self.speaker: Speaker = self.scene.backend
        self.source = clients.fresh_source()

    def dial(self, path: str = "/", door: str = "strict") -> Dialled:
        """A client of a door."""
        certificate = None if door == "plain" else "ecdsa"
        return dial(self.gateway, self.scene.doors[door], path, certificate=certificate, source=self.source)

    def served(self) -> ServerConnection:
        """The other end."""
        return self.speaker.connection(self.source)

    def end(self) -> ConnectionClosed:
        """How it ended there."""
        return self.speaker.end_of(self.served())

    def assert_logged(self) -> None:
        """The log has a line of this test's client, which says that the protocol was switched, and no error."""
        record = self.gateway.record(clientIP=self.source)
        self.assertEqual((record["httpStatus"], record["error_info"]), (101, "ERRORINFO_NO_ERROR"))


class MessageTests(SocketCase):
    """Messages arrive as they were sent."""

    def test_text_and_binary(self) -> None:
        """Messages of both kinds and of many sizes come back."""
        for door in ("strict", "plain"):
            with self.dial(door=door) as client:
                for size in (0, 1, 125, 126, 65535, 65536, 300_000):
                    for message in ("ä" * size, os.urandom(size)):
                        client.send(message)
                        self.assertEqual(client.recv(DEADLINE), message)

    def test_large_message(self) -> None:
        """A message of ten megabytes comes back."""
        message = os.urandom(MANY)
        with self.dial() as client:
            client.send(message)
            self.assertEqual(client.recv(DEADLINE), message)

    def test_many_messages_at_once(self) -> None:
        """Messages that are sent without waiting keep their order."""
        with self.dial() as client:
            for number in range(1000):
                client.send(str(number))
            self.assertEqual([client.recv(DEADLINE) for _ in range(1000)], [str(number) for number in range(1000)])

    def test_fragments(self) -> None:
        """A message in fragments arrives in the same fragments, both ways."""
        fragments = ["one", "two" * 10_000, "three"]
        with self.dial("/fragments") as client:
            client.send(fragments)
            came = list(client.recv_streaming())
        self.assertEqual([each for each in came if each], fragments)  # the package ends a message by an empty one

    def test_pings(self) -> None:
        """Pings of both ends are answered by the other end."""
        with self.dial("/ping") as client:
            self.assertTrue(client.ping(b"hello").wait(DEADLINE))
            client.send("ping me")
            self.assertEqual(client.recv(DEADLINE), "pong came")

    def test_compression(self) -> None:
        """permessage-deflate is the two ends' own business: both use it, and the gateway carries less than was said."""
        with self.dial() as client:
            client.send("again and " * 100_000)
            self.assertEqual(len(client.recv(DEADLINE)), 1_000_000)
            for end in (client, self.served()):
                self.assertEqual([each.name for each in end.protocol.extensions], ["permessage-deflate"])
        self.assertLess(self.gateway.record(clientIP=self.source)["sentBytes"], 100_000)

    def test_asgi(self) -> None:
        """An application behind uvicorn is spoken to in the same way."""
        with self.dial(door="asgi") as client:
            for message in ("text", b"binary", "x" * 100_000):
                client.send(message)
                self.assertEqual(client.recv(DEADLINE), message)


class EndTests(SocketCase):
    """When either end closes, the other one does, too."""

    def test_client_closes(self) -> None:
        """The client's code and reason reach the server."""
        with self.dial() as client:
            client.close(4001, "that is all")
        end = self.end()
        self.assertIsInstance(end, ConnectionClosedError)  # 4001 is none of the codes of a normal end
        assert end.rcvd
        self.assertEqual((end.rcvd.code, end.rcvd.reason), (4001, "that is all"))
        self.assert_logged()

    def test_server_closes(self) -> None:
        """The server's code and reason reach the client."""
        with self.dial("/goodbye") as client:
            client.send("this")
            with self.assertRaises(ConnectionClosedError) as raised:
                client.recv(DEADLINE)
        assert raised.exception.rcvd
        self.assertEqual((raised.exception.rcvd.code, raised.exception.rcvd.reason), (4000, "enough of this"))
        self.assert_logged()

    def test_normal_end(self) -> None:
        """A normal end is one for both."""
        with self.dial():
            pass
        self.assertIsInstance(self.end(), ConnectionClosedOK)

    def assert_dead(self, end: ConnectionClosed) -> None:
        """The other end went without a word."""
        self.assertEqual((type(end), end.rcvd), (ConnectionClosedError, None))

    def test_server_dies(self) -> None:
        """A server that disappears: the client's connection ends, without a close frame by the gateway."""
        with self.dial() as client:
            hang_up(self.served().socket)
            with self.assertRaises(ConnectionClosedError) as raised:
                client.recv(DEADLINE)
        self.assert_dead(raised.exception)
        self.end()

    def test_client_dies(self) -> None:
        """So it is for a client that goes without a word."""
        with self.dial() as client:
            self.served()
            hang_up(client.socket)
            self.assert_dead(self.end())

    def test_nothing_is_left(self) -> None:
        """However they end, the gateway has no more sockets afterwards."""
        before = self.gateway.open_sockets()
        # Few over TLS: the client reads in one thread and writes in another, which Python's ssl before 3.13 does not
        # keep apart, so that once in a thousand times its request is lost.
        for number in range(10):
            with self.dial(door="strict" if number < 2 else "plain") as client:
                there = self.served()
                if number % 2:
                    hang_up(client.socket)
            self.speaker.end_of(there)
        wait_until(lambda: self.gateway.open_sockets() <= before, "all sockets are closed")

    def test_silence(self) -> None:
        """Where neither end says anything for `request_timeout`, both connections end."""
        with self.dial(door="impatient") as client, self.assertRaises(ConnectionClosedError) as raised:
            client.recv(DEADLINE)
        self.assert_dead(raised.exception)
        self.assert_dead(self.end())
        self.assert_logged()


class RefusedTests(SocketCase):
    """Who may not come in."""

    def test_no_certificate(self) -> None:
        """Without a certificate there is no handshake, and the server hears nothing."""
        refused = self.assertRaises((ssl.SSLError, WebSocketException))
        with refused, dial(self.gateway, self.scene.doors["strict"], FORBIDDEN, certificate=""):
            pass
        self.assertFalse([each for each in self.speaker.connections if each.request and FORBIDDEN in each.request.path])


class DrainTests(SynchronousTestCase):
    """The gateway is stopped while a tunnel is open."""

    def setUp(self) -> None:
        self.speaker = Speaker()
        self.addCleanup(self.speaker.close)

    def end(self) -> ConnectionClosed:
        """How the tunnel ended at its server."""
        return self.speaker.end_of(self.speaker.connections[0])

    @contextmanager
    def gateway(self, drain_timeout: int) -> Iterator[tuple[gateway.Gateway, ClientConnection]]:
        """A gateway with an open tunnel, which is being stopped."""
        (port,) = running.free_ports(1)
        text = gateway.gateway_section(drain_timeout=drain_timeout) + gateway.PROFILES
        text += gateway.pool("app", self.speaker.port) + gateway.door("strict", port, "strict")
        with gateway.running_gateway(text) as started, dial(started, port, "/") as client:
            client.send("before")
            self.assertEqual(client.recv(DEADLINE), "before")
            started.signal(signal.SIGTERM)
            wait_until(lambda: not backends.accepts(port), "the gateway takes no new connections")
            yield started, client

    def test_goes_on(self) -> None:
        """The tunnel goes on, and once both ends are through with it, so is the gateway."""
        with self.gateway(3600) as (started, client):
            for number in range(10):
                client.send(str(number))
                self.assertEqual(client.recv(DEADLINE), str(number))
            client.close()
            self.assertIsInstance(self.end(), ConnectionClosedOK)
            started.wait()

    def test_time_is_over(self) -> None:
        """When `drain_timeout` is over the tunnel ends for both, and the gateway with it."""
        with self.gateway(1) as (started, client):
            with self.assertRaises(ConnectionClosedError) as raised:
                client.recv(DEADLINE)
            self.assertIsNone(raised.exception.rcvd)
            self.assertIsNone(self.end().rcvd)
            started.wait()


def hang_up(connected: socket.socket) -> None:
    """Ends a connection without a word of its protocol, nor of TLS."""
    socket.socket.shutdown(connected, socket.SHUT_RDWR)
