"""Wires whose directions end one by one, without TLS and with it, in either role."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls.relay_wires import RelayTlsClientWire, RelayTlsWire, RelayWire
from agwtwisted.transport.outbox import Outbox
from agwtwisted.transport.streaming import NOBODY, QUEUE_LIMIT
from tests.clients import VERSIONS
from tests.servers import Server, server_context
from tests.wires import Line, Network, Recorder

TIMEOUT = 20.0


class PlainTests(SynchronousTestCase):
    """Without TLS the end of a direction is a FIN."""

    def setUp(self) -> None:
        self.network = Network()
        self.recorder = Recorder()
        self.wire = RelayWire(self.network, self.recorder)
        self.line: Line = self.network.dial(self.wire)

    def test_peer_finishes(self) -> None:
        """A peer that has finished is heard to its last byte, told of once, and still sent to."""
        self.line.send(b"last")
        self.line.hang_up()
        self.assertEqual((self.recorder.data, self.recorder.finished_count), (b"last", 1))
        self.assertTrue(self.wire.input_ended)
        self.assertEqual(self.recorder.reasons, [])
        self.wire.write(b"answer")
        self.assertEqual(self.line.take(), b"answer")

    def test_reading_ends_with_it(self) -> None:
        """Nobody reads a finished peer again, whoever pauses and resumes: its end would be told over and over."""
        self.line.hang_up()
        self.wire.pause()
        self.wire.resume()
        self.network.advance(0)
        self.assertFalse(self.network.is_reading(self.line))
        self.assertEqual(self.recorder.finished_count, 1)

    def test_paused(self) -> None:
        """The end of a peer that is not read comes after what it has said, once it is read again."""
        self.wire.pause()
        self.line.send(b"said")
        self.line.hang_up()
        self.assertEqual(self.recorder.finished_count, 0)
        self.wire.resume()
        self.network.advance(0)
        self.assertEqual((self.recorder.data, self.recorder.finished_count), (b"said", 1))

    def test_end_of_a_turn(self) -> None:
        """No end overtakes what is to be sent when the reactor's turn is over: ours, both, or the connection's."""
        for end in ("finish", "end", "close", "break_off"):
            network = Network()
            outbox = network.outbox = Outbox()  # type: ignore[attr-defined]
            wire = RelayWire(network, Recorder())
            line: Line = network.dial(wire)
            outbox.open = True
            wire.write(b"all")
            getattr(wire, end)()
            network.advance(0)
            self.assertEqual((end, bytes(line.received), line.eof or not line.connected), (end, b"all", True))
            outbox.close()

    def test_we_finish(self) -> None:
        """After our end the peer is still heard; it ends once, however often it is asked for."""
        self.wire.write(b"all")
        self.wire.finish()
        self.wire.finish()
        self.network.advance(0)
        self.assertEqual((self.line.take(), self.line.eof), (b"all", True))
        self.line.send(b"more")
        self.assertEqual((self.recorder.data, self.recorder.reasons), (b"more", []))

    def test_our_end_waits_for_its_turn(self) -> None:
        """A slow peer gets all that was written before the end."""
        self.line.stall(10)
        self.wire.write(bytes(2 * QUEUE_LIMIT))
        self.wire.write(b"tail")
        self.wire.finish()
        self.network.advance(0)
        self.assertFalse(self.line.eof)
        self.line.read()
        self.assertEqual((len(self.line.received), self.line.eof), (2 * QUEUE_LIMIT + 4, True))
        self.assertEqual(self.recorder.reasons, [])

    def test_close(self) -> None:
        """Once both have finished, closing closes; nothing is reset, and no timer stays."""
        for we_first in (True, False):
            self.setUp()
            steps = [self.wire.finish, self.line.hang_up]
            for step in steps if we_first else reversed(steps):
                step()
            self.wire.close()
            self.network.advance(0)
            self.assertEqual((len(self.recorder.reasons), self.line.eof, self.line.reset), (1, True, False))
            self.assertFalse(self.wire.cut)
            self.assertEqual(self.network.timers(), [])

    def test_close_behind_the_end(self) -> None:
        """Closing right after the end, or while what was written is still leaving, loses nothing."""
        for room in (0, 10**9):
            self.setUp()
            self.line.stall(room)
            self.wire.write(bytes(1000))
            self.wire.finish()
            self.wire.close()
            self.network.advance(0)
            self.line.read()
            self.assertEqual((len(self.line.received), len(self.recorder.reasons), self.line.reset), (1000, 1, False))

    def test_peer_that_closes_while_we_close(self) -> None:
        """A FIN that comes while the wire lingers is the end of it."""
        self.wire.close(linger=True)
        self.network.advance(0)
        self.line.hang_up()
        self.assertEqual((len(self.recorder.reasons), self.recorder.finished_count), (1, 0))
        self.assertEqual(self.network.timers(), [])

    def test_peer_that_finishes_while_we_close(self) -> None:
        """A FIN loses nothing of what a closing wire still has to send, whether or not it lingers."""
        for linger in (True, False):
            self.setUp()
            self.line.stall(0)
            self.wire.write(bytes(1000))
            self.wire.close(linger=linger)
            self.network.advance(0)
            self.wire.readConnectionLost()  # one that was read before the wire closed comes even then
            self.network.advance(0)
            self.line.read()
            received, ends = len(self.line.received), len(self.recorder.reasons)
            self.assertEqual((linger, received, ends, self.line.reset), (linger, 1000, 1, False))
            self.assertEqual(self.network.timers(), [])

    def test_reset(self) -> None:
        """A reset is no end like others: the wire is cut."""
        self.line.crash()
        self.assertEqual((len(self.recorder.reasons), self.recorder.finished_count), (1, 0))
        self.assertTrue(self.wire.cut)

    def test_preamble(self) -> None:
        """What has to come ahead of everything does, and is counted."""
        wire = RelayWire(self.network, self.recorder)
        wire.preamble = b"PROXY\r\n"
        wire.when_open = lambda: wire.write(b"hello")
        line = self.network.dial(wire)
        self.assertEqual((line.received, wire.bytes_out), (b"PROXY\r\nhello", 12))

    def test_nobody(self) -> None:
        """An end that nobody waits for harms nobody."""
        self.wire.receiver = NOBODY
        self.line.hang_up()
        self.assertTrue(self.wire.input_ended)


class _AsServer:
    """A handshake whose outcome a test looks at."""

    name_refused = False

    def __init__(self, wires: list[Any], version: int) -> None:
        self.connection = SSL.Connection(server_context(version=version), None)
        self.connection.set_accept_state()
        self.failures: list[str] = []
        self._wires = wires

    def begins(self) -> bool:
        """At once."""
        return True

    def completed(self) -> None:
        """Nothing: the test has set the receiver."""

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
        self.connection = SSL.Connection(context, None)
        self.connection.set_connect_state()

    def refusal(self) -> str:
        """None."""
        return ""


class EncryptedTests(SynchronousTestCase):
    """With TLS the end of a direction is close_notify; a FIN alone is no end that one may trust."""

    ROLES = tuple((role, version) for role in ("server", "client") for version in VERSIONS)

    def connect(self, role: str, version: int) -> Server:
        """A wire in this role and its peer, after the handshake; the peer is a client where the wire is the server."""
        self.network = Network()
        self.recorder = Recorder()
        if role == "server":
            self.handshake = _AsServer([], version)
            self.wire: Any = RelayTlsWire(self.network, self.handshake, TIMEOUT, 10000)
            self.wire.receiver = self.recorder
        else:
            until = self.network.seconds() + TIMEOUT
            self.wire = RelayTlsClientWire(self.network, _AsClient(version), until, self.recorder)
            self.wire.preamble = self.preamble
        self.line: Line = self.network.dial(self.wire)
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
        """close_notify ends the input alone, and is told once; the peer is still sent to, its FIN changes nothing."""
        for peer in self.every():
            peer.say(b"last")
            peer.tls.shutdown()
            peer.speak()
            self.network.advance(0)
            self.assertEqual((self.recorder.data, self.recorder.finished_count), (b"last", 1))
            self.wire.write(b"answer")
            self.line.hang_up()
            self.wire.write(b" and more")
            self.assertEqual((self.recorder.reasons, self.wire.cut), ([], False))
            peer.hear()
            self.assertEqual(peer.tls.recv(100) + peer.tls.recv(100), b"answer and more")

    def test_we_finish(self) -> None:
        """Our close_notify leaves the socket open: the peer is still heard, and the wire ends with it."""
        for peer in self.every():
            self.wire.write(b"all")
            self.wire.finish()
            self.wire.finish()
            peer.talk()
            self.assertEqual((peer.received, peer.closed, self.line.eof), (b"all", True, False))
            peer.tls.sendall(b"more")
            self.line.send(peer.tls.bio_read(1000))
            self.assertEqual(self.recorder.data, b"more")
            peer.tls.shutdown()
            self.line.send(peer.tls.bio_read(1000))
            self.assertEqual((self.recorder.finished_count, self.recorder.reasons), (1, []))
            self.wire.close()
            self.network.advance(0)
            self.assertEqual((len(self.recorder.reasons), self.wire.cut, self.line.reset), (1, False, False))

    def test_fin_alone(self) -> None:
        """A FIN without close_notify ends the connection, and it counts as cut."""
        for _ in self.every():
            self.line.hang_up()
            self.assertEqual((self.recorder.finished_count, len(self.recorder.reasons)), (0, 1))
            self.assertTrue(self.wire.cut)

    def test_broken_record(self) -> None:
        """A record that is not authentic ends the connection, and it counts as cut."""
        for _ in self.every():
            self.line.send(b"\x17\x03\x03\0\x20" + bytes(32))
            self.network.advance(0)
            self.assertEqual((self.recorder.finished_count, len(self.recorder.reasons)), (0, 1))
            self.assertTrue(self.wire.cut)

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
            self.wire.write(b"half of it")
            self.wire.break_off()
            peer.talk()
            self.assertEqual((peer.received, peer.closed, self.line.eof), (b"half of it", False, True))

    def test_close(self) -> None:
        """Closing says farewell, once."""
        for peer in self.every():
            self.wire.finish()
            self.wire.close()
            peer.talk()
            self.assertEqual((peer.closed, self.line.eof), (True, True))
            self.assertEqual(self.network.timers(), [])

    def test_fin_in_the_handshake(self) -> None:
        """A peer that leaves within its handshake is gone, and the handshake has failed."""
        network = Network()
        handshake = _AsServer([], VERSIONS[0])
        wire = RelayTlsWire(network, handshake, TIMEOUT, 10000)
        line = network.dial(wire)
        line.send(b"\x16\x03\x01")
        line.hang_up()
        self.assertEqual((handshake.failures, network.timers()), (["the client closed the connection"], []))

    def test_preamble(self) -> None:
        """Ahead of a backend's TLS handshake the preamble stands in the clear."""
        self.preamble = b"PROXY\r\n"
        peer = self.connect("client", VERSIONS[0])
        peer.say(b"x")
        self.assertEqual(self.recorder.data, b"x")
