"""The TLS connection towards a server: handshakes in any pieces, what ends them, and bytes."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls import client as tls_client
from agwtwisted.tls.client import TOO_SLOW, ClientHandshake
from agwtwisted.tls.records import RECORD
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from agwtwisted.transport.send_queue import QUEUE_LIMIT
from tests.clients import TLS_1_2, TLS_1_3, VERSIONS
from tests.servers import Server, server_context
from tests.wires import Line, Network, Recorder

TIMEOUT = 20.0


class Handshake:
    """Every server is right, unless it says otherwise."""

    def __init__(self, *, reason: str = "", refusal: str = "", version: int | None = None) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if version is not None:
            context.set_max_proto_version(version)
        if reason:
            context.set_verify(SSL.VERIFY_PEER, lambda *_: False)
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        self.reason = reason
        self.asked = 0
        self._refusal = refusal

    def refusal(self) -> str:
        """What was said before."""
        self.asked += 1
        return self._refusal


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.events: list[str] = []

    def dial(self, handshake: Handshake | None = None, **options: object) -> Server:
        """A connection and a server, connected; the connection has said hello."""
        self.handshake = handshake or Handshake()
        self.recorder = Recorder()
        self.start(TIMEOUT)
        self.shaking.when_open = lambda: self.events.append("open")
        self.shaking.when_failed = self.events.append
        self.line: Line = self.network.dial(self.connection)
        return Server(self.network, self.line, server_context(**options))  # type: ignore[arg-type]

    def start(self, seconds: float) -> None:
        """A connection that is to have this handshake, and so long for it."""
        self.connection = Connection(self.network, NO_OUTBOX)
        until = self.network.seconds() + seconds
        self.shaking = ClientHandshake(self.network, self.connection, self.handshake, until, self.recorder)

    def established(self, version: int = TLS_1_3) -> Server:
        """The same, after the handshake."""
        server = self.dial(version=version)
        server.talk()
        self.assertEqual(self.events, ["open"])
        return server


class HandshakeTests(_Case):
    """From the hello to the first byte."""

    def test_open(self) -> None:
        """Once the handshake is through, and not before, the connection is open; no timer is left."""
        for version in VERSIONS:
            self.events.clear()
            server = self.dial(version=version)
            self.network.advance(0)
            self.assertEqual((self.events, self.handshake.asked), ([], 0))
            server.talk()
            self.assertEqual((self.events, self.handshake.asked), (["open"], 1))
            self.assertTrue(server.established)
            self.assertEqual(self.network.timers(), [])

    def test_byte_by_byte(self) -> None:
        """A handshake in single bytes is the same."""
        for version in VERSIONS:
            self.events.clear()
            server = self.dial(version=version)
            while not self.events:
                server.hear()
                for byte in server.flight():
                    self.line.send(bytes((byte,)))
            server.talk()
            self.assertEqual((self.events, server.established), (["open"], True))

    def test_bytes_with_the_last_flight(self) -> None:
        """What a server says with the end of its handshake reaches the receiver after the opening."""
        server = self.dial(version=TLS_1_2)
        late = Recorder()

        def opened() -> None:
            self.connection.receiver = late

        self.shaking.when_open = opened
        server.hear()
        self.line.send(server.flight())
        server.hear()
        last = server.flight()
        server.tls.sendall(b"220 ready")
        self.line.send(last + server.flight())
        self.assertEqual((late.data, self.recorder.data), (b"220 ready", b""))

    def test_closed_on_opening(self) -> None:
        """Who closes the connection as soon as it is open gets nothing more."""
        server = self.dial()
        self.shaking.when_open = self.connection.close
        server.talk()
        self.assertEqual((server.closed, self.recorder.data), (True, b""))

    def test_fails_once(self) -> None:
        """After a failure there is no opening, and after an opening no failure; the receiver is notified of the end."""
        self.dial()
        self.line.hang_up()
        self.assertEqual(self.events, ["the server closed the connection in the TLS handshake"])
        self.assertEqual(len(self.recorder.reasons), 1)
        self.events.clear()
        self.established()
        self.line.hang_up()
        self.assertEqual(self.events, ["open"])


class FailureTests(_Case):
    """Handshakes that come to nothing end the connection, say why, and leave no timer."""

    def fails(self, reason: str) -> None:
        """So the last connection has ended."""
        self.network.advance(0)
        self.assertEqual(len(self.events), 1, self.events)
        self.assertIn(reason, self.events[0])
        self.assertTrue(self.line.eof)
        self.assertEqual((self.network.timers(), len(self.recorder.reasons), self.recorder.data), ([], 1, b""))
        self.events.clear()

    def test_too_slow(self) -> None:
        """The deadline is for the whole handshake: a byte now and then does not prolong it."""
        server = self.dial()
        server.hear()
        for byte in server.flight()[: int(TIMEOUT) - 1]:
            self.network.advance(1)
            self.line.send(bytes((byte,)))
        self.assertEqual(self.events, [])
        self.network.advance(1)
        self.fails(TOO_SLOW)

    def test_too_late_already(self) -> None:
        """Where the time is over when TCP is there, nothing is waited for."""
        self.handshake = Handshake()
        self.recorder = Recorder()
        self.start(-1)
        self.shaking.when_failed = self.events.append
        self.line = self.network.dial(self.connection)
        self.fails(TOO_SLOW)

    def test_plain_text(self) -> None:
        """A server that does not speak TLS, or speaks first, is no TLS server: nothing of it is handed on."""
        for said in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.example ESMTP\r\n", b"\0" * 50000):
            for pieces in ([said], [said[at : at + 1] for at in range(12)]):
                self.dial()
                for piece in pieces:
                    self.line.send(piece)
                self.fails("TLS handshake: ")

    def test_injected(self) -> None:
        """Plain text before the end of the handshake, in a record or not, ends it."""
        for injected in (b"HTTP/1.1 200 OK\r\n\r\n", b"\x17\x03\x03\0\2ok"):
            for version in VERSIONS:
                server = self.dial(version=version)
                server.hear()
                flight = server.flight()
                hello = 5 + int.from_bytes(flight[3:5], "big")
                self.line.send(flight[:hello] + injected + flight[hello:])
                self.fails("TLS handshake: ")

    def test_refused_certificate(self) -> None:
        """The reason is the one that was noted; the server gets an alert."""
        for version in VERSIONS:
            server = self.dial(Handshake(reason="certificate has expired"), version=version)
            server.hear()
            self.line.send(server.flight())
            server.hear()
            server.flight()
            self.assertIn("alert", str(server.error))
            self.fails("certificate has expired")

    def test_refused_afterwards(self) -> None:
        """A server that is not the one wanted hears no more of us: in TLS 1.3 not even our Finished."""
        server = self.dial(Handshake(refusal="another"), version=TLS_1_3)
        server.talk()
        self.assertFalse(server.established)
        self.assertTrue(self.line.reset)
        self.fails("another")

    def test_old_version(self) -> None:
        """No version in common: the server's alert is repeated."""
        handshake = Handshake(version=TLS_1_2)
        server = self.dial(handshake, version=TLS_1_3)
        server.talk()
        self.fails("alert")

    def test_too_long(self) -> None:
        """A handshake that does not come to its end is bounded in bytes."""
        self.assertGreater(tls_client.MAX_HANDSHAKE_BYTES, 100 * 1024)
        self.patch(tls_client, "MAX_HANDSHAKE_BYTES", 300)
        server = self.dial()
        server.hear()
        flight = server.flight()
        self.line.send(flight[:300])
        self.assertEqual(self.events, [])
        self.line.send(flight[300:301])
        self.fails("the TLS handshake is too long")

    def test_given_up(self) -> None:
        """To abort a connection before it is open ends its handshake."""
        self.dial()
        self.connection.abort()
        self.fails("given up")

    def test_writing_too_early(self) -> None:
        """What is written before the opening is not sent, in whatever form: the connection ends."""
        server = self.dial()
        self.connection.write(b"secret")
        self.assertNotIn(b"secret", self.line.received)
        server.talk()
        self.fails("given up")
        self.assertEqual(server.received, b"")

    @given(st.binary(min_size=1, max_size=300), st.booleans())
    @settings(max_examples=50)
    def test_garbage(self, garbage: bytes, record: bool) -> None:
        """Whatever comes instead of a ServerHello ends without an exception and without an opening."""
        self.events.clear()
        self.dial()
        self.line.send(b"\x16\x03\x03\0\x40\2" + garbage if record else garbage)
        self.line.hang_up()
        self.assertEqual(len(self.events), 1)
        self.assertNotEqual(self.events, ["open"])
        self.assertEqual(self.recorder.data, b"")

    @given(st.integers(1, 500), st.integers(1, 255))
    @settings(max_examples=30, deadline=None)
    def test_damaged_flight(self, from_the_end: int, change: int) -> None:
        """A server's flight with one byte changed never opens the connection, and never ends in an exception."""
        self.events.clear()
        server = self.dial(version=TLS_1_3)
        server.hear()
        flight = bytearray(server.flight())
        flight[-from_the_end] ^= change
        self.line.send(bytes(flight))
        self.line.hang_up()
        self.assertEqual(len(self.events), 1)
        self.assertNotEqual(self.events, ["open"])


class DataTests(_Case):
    """Bytes in records."""

    def test_both_ways(self) -> None:
        """What either says arrives whole and in order, and is counted."""
        for version in VERSIONS:
            self.events.clear()
            server = self.established(version)
            pieces = [bytes([number]) * size for number, size in enumerate((0, 1, RECORD, RECORD + 1, 200000))]
            for piece in pieces:
                self.connection.write(piece)
            server.talk()
            self.assertEqual(server.received, b"".join(pieces))
            server.say(b"x" * 60000)
            self.assertEqual(self.recorder.data, b"x" * 60000)
            self.assertEqual((self.connection.bytes_out, self.connection.bytes_in), (len(server.received), 60000))

    def test_slow_server(self) -> None:
        """While more than the limit is queued the connection is full; it says when it is no more; nothing is lost."""
        server = self.established()
        self.line.stall(0)
        written = 0
        while not self.connection.full:
            self.connection.write(bytes(10000))
            written += 10000
        self.assertLess(written, 3 * QUEUE_LIMIT)
        self.assertEqual(self.recorder.drained_count, 0)
        self.line.read()
        self.assertEqual((self.connection.full, self.recorder.drained_count), (False, 1))
        server.talk()
        self.assertEqual(len(server.received), written)

    def test_pause(self) -> None:
        """A paused connection is not read on."""
        server = self.established()
        self.connection.pause()
        server.say(b"later")
        self.assertEqual(self.recorder.data, b"")
        self.connection.resume()
        self.network.advance(0)
        self.assertEqual(self.recorder.data, b"later")

    def test_forged_record(self) -> None:
        """A record that is not authentic is not handed on, and the connection ends."""
        server = self.established()
        self.line.send(b"\x17\x03\x03\x00\x30" + b"x" * 48)
        server.hear()
        server.flight()
        self.assertIn("bad record mac", str(server.error))
        self.assertEqual((self.recorder.data, self.line.eof), (b"", True))


class EndTests(_Case):
    """How an established connection ends."""

    def ends(self, end: Callable[[Server], None]) -> Server:
        """A connection that has ended so."""
        self.events.clear()
        server = self.established()
        self.recorder.on_finished = self.connection.close_now  # as HTTP does with a backend that has finished
        server.say(b"the last")
        end(server)
        self.network.advance(0)
        server.talk()
        self.assertEqual((self.recorder.data, len(self.recorder.reasons)), (b"the last", 1))
        return server

    def test_gateway_closes(self) -> None:
        """The gateway ends its side with close_notify."""
        self.assertTrue(self.ends(lambda server: self.connection.close()).closed)

    def test_server_closes(self) -> None:
        """A close_notify is answered by one; what was said before it is whole."""

        def close(server: Server) -> None:
            server.tls.shutdown()
            server.talk()

        self.assertTrue(self.ends(close).closed)
        self.assertFalse(self.connection.cut)

    def test_cut(self) -> None:
        """An end without close_notify is a cut: something may be missing."""
        self.ends(lambda server: self.line.hang_up())
        self.assertTrue(self.connection.cut)
