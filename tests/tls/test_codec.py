"""Connections in TLS, in either role: how their directions end, and what records without data may cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls.client import ClientHandshake
from agwtwisted.tls.codec import error_text
from agwtwisted.tls.handshake import ServerHandshake
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.clients import VERSIONS
from tests.servers import Server, server_context
from tests.wires import Line, Network, Recorder

TIMEOUT = 20.0


class _AsServer:
    """A handshake whose outcome a test looks at."""

    name_refused = False
    fingerprints = False

    def __init__(self, version: int) -> None:
        self.tls = SSL.Connection(server_context(version=version), None)
        self.tls.set_accept_state()
        self.failures: list[str] = []
        self.receive: Callable[[], None] = lambda: None

    def begins(self, hello: bytes) -> bool:
        """At once."""
        return True

    def completed(self) -> None:
        """The test takes the connection."""
        self.receive()

    def failed(self, reason: str, received: int) -> None:
        """Why."""
        self.failures.append(reason)

    def plain_text(self) -> None:
        """No TLS."""


class _AsClient:
    """A handshake with whatever server."""

    reason = ""

    def __init__(self, version: int) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(version)
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()

    def refusal(self) -> str:
        """None."""
        return ""


class EncryptedTests(SynchronousTestCase):
    """With TLS the end of a direction is close_notify; a FIN alone is no end that one may trust."""

    ROLES = tuple((role, version) for role in ("server", "client") for version in VERSIONS)

    def connect(self, role: str, version: int) -> Server:
        """A connection in this role and its peer, after the handshake: a client where this is the server."""
        self.network = Network()
        self.recorder = Recorder()
        if role == "server":
            self.handshake = _AsServer(version)
            self.connection = Connection(self.network, NO_OUTBOX)
            self.handshake.receive = partial(setattr, self.connection, "receiver", self.recorder)
            self.connection.when_open = ServerHandshake(
                self.network, self.connection, self.handshake, TIMEOUT, 10000
            ).opened
        else:
            until = self.network.seconds() + TIMEOUT
            self.connection = Connection(self.network, NO_OUTBOX, preamble=self.preamble)
            ClientHandshake(self.network, self.connection, _AsClient(version), until, self.recorder)
        self.line: Line = self.network.dial(self.connection)
        if role == "server":
            peer = Server(self.network, self.line, SSL.Context(SSL.TLS_CLIENT_METHOD))
            peer.tls.set_connect_state()
        else:
            peer = Server(self.network, self.line, server_context(version=version))
            del self.line.received[: len(self.preamble)]
        peer.talk()
        self.assertTrue(peer.established)
        return peer

    preamble = b""

    def every(self) -> Any:
        """Each role and version in turn, with its peer."""
        for role, version in self.ROLES:
            with self.subTest(role=role, version=version):
                yield self.connect(role, version)

    def test_peer_finishes(self) -> None:
        """close_notify ends only the input, and is reported once; the peer is still sent to, its FIN changes
        nothing.
        """
        for peer in self.every():
            peer.say(b"last")
            peer.tls.shutdown()
            peer.speak()
            self.network.advance(0)
            self.assertEqual((self.recorder.data, self.recorder.finished_count), (b"last", 1))
            self.connection.write(b"answer")
            self.line.hang_up()
            self.connection.write(b" and more")
            self.assertEqual((self.recorder.reasons, self.connection.cut), ([], False))
            peer.hear()
            self.assertEqual(peer.tls.recv(100) + peer.tls.recv(100), b"answer and more")

    def test_we_finish(self) -> None:
        """Our close_notify leaves the socket open: the peer is still heard, and the connection ends with it."""
        for peer in self.every():
            self.connection.write(b"all")
            self.connection.finish()
            self.connection.finish()
            peer.talk()
            self.assertEqual((peer.received, peer.closed, self.line.eof), (b"all", True, False))
            peer.tls.sendall(b"more")
            self.line.send(peer.tls.bio_read(1000))
            self.assertEqual(self.recorder.data, b"more")
            peer.tls.shutdown()
            self.line.send(peer.tls.bio_read(1000))
            self.assertEqual((self.recorder.finished_count, self.recorder.reasons), (1, []))
            self.connection.close()
            self.network.advance(0)
            self.assertEqual((len(self.recorder.reasons), self.connection.cut, self.line.reset), (1, False, False))

    def test_fin_alone(self) -> None:
        """A FIN without close_notify ends the connection, and it counts as cut."""
        for _ in self.every():
            self.line.hang_up()
            self.assertEqual((self.recorder.finished_count, len(self.recorder.reasons)), (0, 1))
            self.assertTrue(self.connection.cut)

    def test_broken_record(self) -> None:
        """A record that is not authentic ends the connection, and it counts as cut."""
        for _ in self.every():
            self.line.send(b"\x17\x03\x03\0\x20" + bytes(32))
            self.network.advance(0)
            self.assertEqual((self.recorder.finished_count, len(self.recorder.reasons)), (0, 1))
            self.assertTrue(self.connection.cut)

    def test_records_behind_the_end(self) -> None:
        """What a peer sends after its close_notify is not looked at."""
        for peer in self.every():
            peer.tls.shutdown()
            peer.speak()
            self.line.send(b"\x17\x03\x03\0\x20" + bytes(32))
            self.assertEqual((self.recorder.finished_count, self.recorder.reasons), (1, []))

    def test_break_off(self) -> None:
        """A stream that is cut ends without close_notify, once everything written has left."""
        for peer in self.every():
            self.connection.write(b"half of it")
            self.connection.break_off()
            peer.talk()
            self.assertEqual((peer.received, peer.closed, self.line.eof), (b"half of it", False, True))

    def test_close(self) -> None:
        """Closing sends close_notify, once."""
        for peer in self.every():
            self.connection.finish()
            self.connection.close()
            peer.talk()
            self.assertEqual((peer.closed, self.line.eof), (True, True))
            self.assertEqual(self.network.timers(), [])

    def test_fin_in_the_handshake(self) -> None:
        """A peer that leaves within its handshake is gone, and the handshake has failed."""
        network = Network()
        handshake = _AsServer(VERSIONS[0])
        connection = Connection(network, NO_OUTBOX)
        connection.when_open = ServerHandshake(network, connection, handshake, TIMEOUT, 10000).opened
        line = network.dial(connection)
        line.send(b"\x16\x03\x01")
        line.hang_up()
        self.assertEqual((handshake.failures, network.timers()), (["the client closed the connection"], []))

    def test_preamble(self) -> None:
        """Ahead of a backend's TLS handshake the preamble stands in the clear."""
        self.preamble = b"PROXY\r\n"
        peer = self.connect("client", VERSIONS[0])
        peer.say(b"x")
        self.assertEqual(self.recorder.data, b"x")


class ErrorTextTests(SynchronousTestCase):
    """OpenSSL's errors in words."""

    def test_texts(self) -> None:
        """The last error of the queue is the one that matters; without a queue the error speaks for itself."""
        queue = [("a", "", "first"), ("b", "", "last")]
        for error, words in (
            (SSL.Error(queue), "last"),
            (SSL.Error([]), "[]"),
            (SSL.Error(), "Error"),
            (SSL.SysCallError(-1, "Unexpected EOF"), "(-1, 'Unexpected EOF')"),
        ):
            self.assertEqual(error_text(error), words)
