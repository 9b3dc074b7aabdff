"""The TLS connection: handshakes in any pieces, their end, application data, and the end of a connection."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.tls.ja4 import ClientHelloReader, ja4
from agwtwisted.tls.codec import MAX_CONTROL, RECORD
from agwtwisted.tls.handshake import HANDSHAKE_ROOM, ServerHandshake
from agwtwisted.tls.records import DirectRecords
from agwtwisted.transport.connection import LINGER, Connection
from agwtwisted.transport.outbox import Outbox
from agwtwisted.transport.receiver import NO_RECEIVER
from agwtwisted.transport.send_queue import QUEUE_LIMIT
from agwtwisted.transport.sockets import CLOSED
from tests import configurations
from tests.clients import FATAL, GET, TLS_1_2, TLS_1_3, VERSIONS, Client, Gateway, client_context, device, text

STRICT = text("basic -", "s strict s.example")
OPEN = text("basic -")


def one_by_one(data: bytes) -> Iterator[bytes]:
    """The same, byte by byte."""
    return (data[at : at + 1] for at in range(len(data)))


def fragments(data: bytes, size: int) -> bytes:
    """A flight of plaintext records, cut into records of this size."""
    found, at = b"", 0
    while at < len(data):
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        content = data[at + 5 : at + 5 + length]
        for start in range(0, length, size):
            piece = content[start : start + size]
            found += data[at : at + 3] + len(piece).to_bytes(2, "big") + piece
        at += 5 + length
    return found


class Spy:
    """A receiver that keeps its events, and has nothing to say to a client that sends no more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.data = b""
        self.reads = 0
        self.drains = 0
        self.reasons: list[str] = []

    def received(self, data: bytes) -> None:
        """Bytes came."""
        self.data += data
        self.reads += 1

    def drained(self) -> None:
        """Room again."""
        self.drains += 1

    def finished(self) -> None:
        """The client sends no more."""
        self._connection.end()

    def ended(self, reason: str) -> None:
        """It is over."""
        self.reasons.append(reason)


def spied(client: Client) -> Spy:
    """Takes the place of a client's frontend."""
    spy = client.connection.receiver = Spy(client.connection)
    return spy


class PiecesTests(SynchronousTestCase):
    """A ClientHello is the same in whatever pieces it comes."""

    def hello_in_pieces(self, version: int, size: int) -> Client:
        """A client without certificate whose hello to a strict site comes in records of this size, byte by byte."""
        client = Gateway(STRICT).client(client_context(version=version), "s.example")
        for byte in one_by_one(fragments(client.hello(), size)):
            self.assertEqual(client.transport.sent, b"")
            client.give(byte)
        return client

    def test_strict_stays_strict(self) -> None:
        """A hello in single bytes, in one record or in many, selects the strict site, which asks for a certificate."""
        for version, alert in ((TLS_1_2, 40), (TLS_1_3, 116)):
            for size in (1 << 14, 100, 1):
                with self.subTest(version=version, size=size):
                    client = self.hello_in_pieces(version, size)
                    client.talk()
                    # In TLS 1.3 the transcript is that of the whole message, and the client goes on.
                    self.assertEqual(client.alerts, [(FATAL, alert)])

    def test_everything_in_single_bytes(self) -> None:
        """A whole connection in single bytes, certificate and request included, is served."""
        for version in VERSIONS:
            gateway = Gateway(text("basic strict"))
            client = gateway.client(client_context(device(), version=version))
            for byte in one_by_one(client.hello()):
                client.give(byte)
            client.tls.bio_write(client.take())
            rest = client.hello()
            for byte in one_by_one(rest):
                client.give(byte)
            client.talk()
            client.tls.send(GET)
            for byte in one_by_one(client.outgoing()):
                client.give(byte)
            self.assertEqual(gateway.forwarded, 1)

    def test_fingerprint(self) -> None:
        """The fingerprint of the client is that of the whole message, in whatever records and pieces it comes."""
        for version, size in ((TLS_1_2, 1 << 14), (TLS_1_3, 1 << 14), (TLS_1_3, 100), (TLS_1_3, 40)):
            for pieces in (one_by_one, lambda data: iter((data,))):
                client = Gateway(OPEN).client(client_context(version=version))
                hello = client.hello()
                message = ClientHelloReader().feed(hello)
                assert message
                for piece in pieces(fragments(hello, size)):
                    client.give(piece)
                self.assertEqual(client.connection.ja4, ja4(message))
                self.assertIn(client.connection.ja4[:4], (b"t12i", b"t13i"))

    def test_request_with_the_handshake(self) -> None:
        """What comes in one read with the end of the handshake is not lost, however long it is."""
        for size in (1, 60000):
            gateway = Gateway(OPEN.replace("[gateway]\n", "[gateway]\nmax_client_chain_bytes = 1024\n"))
            client = gateway.client(client_context(version=TLS_1_3))
            client.give(client.hello())
            client.tls.bio_write(client.take())
            last = client.hello()
            client.tls.sendall(GET[:-2] + b"X: " + b"x" * size)
            client.give(last + client.outgoing())
            self.assertTrue(client.connection.is_secure)
            self.assertEqual(client.connection.bytes_in, len(GET) + 1 + size)


class TicketTests(SynchronousTestCase):
    """When what OpenSSL says at the end of a handshake leaves."""

    def last_flight(self, gateway: Gateway, version: int, request: bytes) -> Client:
        """A client whose last flight, and a request in the same read, have come; what was sent to it lies there."""
        client = gateway.client(client_context(version=version))
        client.give(client.hello())
        client.tls.bio_write(client.take())
        last = client.hello()
        if request:
            client.tls.sendall(request)
        client.give(last + client.outgoing())
        return client

    def test_memory(self) -> None:
        """What the handshake took is released once, at its end."""
        released: list[bool] = []
        release = DirectRecords.release
        self.patch(DirectRecords, "release", lambda records: released.append(release(records)))
        self.last_flight(Gateway(OPEN), TLS_1_3, b"")
        self.assertEqual(released, [True])

    def test_with_the_answer(self) -> None:
        """In TLS 1.3 a client that asked already gets its tickets with the answer, before it in one piece."""
        gateway = Gateway(OPEN)
        client = self.last_flight(gateway, TLS_1_3, GET)
        self.assertEqual(client.transport.sent, b"")
        gateway.answering()(b"HTTP/1.1 204 No Content\r\n\r\n")
        client.talk()
        self.assertTrue(client.received.startswith(b"HTTP/1.1 204 "))
        self.assertIsNotNone(client.tls.get_session())

    def test_at_once(self) -> None:
        """One that asks nothing yet gets them at once."""
        client = self.last_flight(Gateway(OPEN), TLS_1_3, b"")
        self.assertTrue(client.transport.sent)

    def test_finished(self) -> None:
        """In TLS 1.2 the client waits for the end of the handshake: it leaves before anything is done for it."""
        for version, wanted in ((TLS_1_2, True), (TLS_1_3, False)):
            client = Gateway(OPEN).client(client_context(version=version))
            told: list[bool] = []
            handshake = client.connection.receiver._owner  # type: ignore[attr-defined]
            completed = handshake.completed

            def spying(told: list[bool] = told, client: Client = client, completed: Any = completed) -> None:
                told.append(bool(client.transport.sent))
                completed()

            self.patch(handshake, "completed", spying)
            client.talk()
            self.assertTrue(client.established)
            self.assertEqual(told, [wanted])


class HandshakeEndTests(SynchronousTestCase):
    """Handshakes that come to nothing end the connection, are counted out, and get a line."""

    def over(self, gateway: Gateway) -> None:
        """No handshake is counted any more."""
        self.assertEqual(len(gateway.limits.handshakes), 0)

    def test_too_slow(self) -> None:
        """handshake_timeout is for the whole handshake: a byte now and then does not prolong it."""
        gateway = Gateway(STRICT)
        client = gateway.client()
        for byte in one_by_one(client.hello()[:9]):
            gateway.reactor.advance(1)
            client.give(byte)
        self.assertEqual(client.transport.ended, "")
        gateway.reactor.advance(1)
        self.assertEqual(client.transport.ended, "aborted")
        self.assertEqual(gateway.log.records[0]["handshakeError"], "the handshake took too long")
        client.talk()
        self.over(gateway)
        self.assertEqual(len(gateway.log.lines), 1)

    def test_silent(self) -> None:
        """A connection that says nothing ends with a deadline of its own, and is not worth a line."""
        gateway = Gateway(STRICT)
        client = gateway.client()
        gateway.reactor.advance(2.9)
        self.assertEqual(client.transport.ended, "")
        gateway.reactor.advance(0.2)
        self.assertEqual(client.transport.ended, "aborted")
        client.lose()
        self.over(gateway)
        self.assertEqual(gateway.log.lines, [])

    def test_counts_with_its_hello(self) -> None:
        """It takes a slot once its first record is whole, and not with the beginning of it."""
        gateway = Gateway(STRICT)
        client = gateway.client()
        hello = client.hello()
        for byte in one_by_one(hello[:-1]):
            client.give(byte)
        self.assertEqual(len(gateway.limits.handshakes), 0)
        client.give(hello[-1:])
        self.assertEqual(len(gateway.limits.handshakes), 1)

    def test_waits_for_a_slot(self) -> None:
        """Beyond max_handshakes a ClientHello waits unread, and is answered once another handshake is over."""
        gateway = Gateway(text("basic strict", gateway="max_handshakes = 1"))
        first = gateway.client(client_context(device()))
        first.give(first.hello())
        second = gateway.client(client_context(device()))
        second.give(second.hello())
        self.assertEqual((second.transport.sent, second.transport.reading), (b"", False))
        second.connection.dataReceived(b"")  # what was read already may still come
        first.talk()
        self.assertTrue(first.established)
        self.assertTrue(second.transport.reading)
        second.talk()
        self.assertTrue(second.established)

    def test_waits_in_vain(self) -> None:
        """One that waits until its deadline, or until its client is gone, takes no slot and leaves nothing."""
        for ends in ("time", "client"):
            gateway = Gateway(text("basic strict", gateway="max_handshakes = 1\nsilent_timeout = 60"))
            first = gateway.client()
            first.give(first.hello())
            gateway.reactor.advance(1)
            second = gateway.client()
            second.give(second.hello())
            gateway.reactor.advance(10 if ends == "time" else 0)
            second.lose()
            reasons = {"time": "the handshake took too long", "client": "the client closed the connection"}
            self.assertEqual(gateway.log.records[-1]["handshakeError"], reasons[ends])
            first.lose()
            self.over(gateway)
            self.assertEqual((gateway.limits.handshakes.waiting, gateway.reactor.getDelayedCalls()), (0, []))

    def test_gives_its_slot(self) -> None:
        """A client that lets its slot wait loses it to one that waits for it, and gets a line that says so."""
        gateway = Gateway(text("basic strict", gateway="max_handshakes = 1"))
        first = gateway.client()
        first.give(first.hello())
        second = gateway.client(client_context(device()), address="192.0.2.8")
        second.give(second.hello())
        gateway.reactor.advance(3)
        self.assertEqual(first.transport.ended, "closed")
        first.lose()
        second.talk()
        self.assertTrue(second.established)
        self.assertIn("max_handshakes is reached, others waited", gateway.log.records[0]["handshakeError"])

    def test_no_timer_is_left(self) -> None:
        """The deadline ends with the handshake, whatever its end."""
        for name, hello in (("", True), ("s.example", True), ("", False), ("plain", False)):
            gateway = Gateway(STRICT)
            client = gateway.client(client_context(), name)
            if hello:
                client.talk()
            elif name:
                client.give(GET)
            client.lose()
            self.assertEqual(gateway.reactor.getDelayedCalls(), [])

    def test_client_leaves(self) -> None:
        """A client that leaves in the middle gets a line, with what it had said: not that it has no certificate."""
        gateway = Gateway(STRICT)
        client = gateway.client(name="s.example")
        client.give(client.hello())
        client.lose()
        [record] = gateway.log.records
        self.assertEqual(record["handshakeError"], "the client closed the connection")
        self.assertEqual((record["listenerName"], record["serverName"]), ("s", "s.example"))
        self.assertEqual(record["error_info"], "ERRORINFO_INVALID_REQUEST")
        self.over(gateway)

    def test_gateway_stops(self) -> None:
        """A handshake that the gateway breaks off is not laid at the client's door."""
        gateway = Gateway(STRICT)
        client = gateway.client()
        client.give(client.hello())
        gateway.port.abort()
        self.assertEqual(client.transport.ended, "aborted")
        client.lose()
        self.assertEqual(gateway.log.records[0]["handshakeError"], "the gateway is stopping")
        self.over(gateway)

    def test_client_refuses(self) -> None:
        """A client that does not trust the server says so by an alert, which the line repeats."""
        context = client_context()
        context.set_verify(SSL.VERIFY_PEER, lambda *_: False)
        gateway = Gateway(OPEN)
        gateway.shake_hands(context)
        self.assertIn("alert", gateway.log.records[0]["handshakeError"])
        self.over(gateway)

    def test_lingers(self) -> None:
        """After an alert the gateway's end is closed, and what the client still sends is thrown away for a while."""
        gateway = Gateway(STRICT)
        client = gateway.shake_hands(client_context(version=TLS_1_3), "s.example")
        self.assertEqual(client.transport.ended, "half")
        client.give(b"\x17\x03\x03\x40\x00" + b"x" * 16384)
        self.assertEqual((client.transport.ended, client.take()), ("half", b""))
        gateway.reactor.advance(LINGER)
        self.assertEqual(client.transport.ended, "aborted")

    def test_long_chain(self) -> None:
        """More certificates than max_client_chain_bytes, and room for the rest of a handshake, end the connection."""
        configuration = text("basic passthrough", gateway="max_client_chain_bytes = 2048\n")
        authority = configurations.clients_root()
        for count, fits in ((3, True), ((2048 + HANDSHAKE_ROOM) // len(authority.der) + 1, False)):
            for version in VERSIONS:
                for piece in (1000, 1 << 16):
                    with self.subTest(count=count, version=version, piece=piece):
                        gateway = Gateway(configuration)
                        context = client_context(device(), version=version, sent=[authority] * count)
                        self.check_chain(gateway, gateway.client(context), piece, fits)

    def check_chain(self, gateway: Gateway, client: Client, piece: int, fits: bool) -> None:
        """Whether a handshake in reads of this size gets through."""
        client.give(client.hello())
        client.tls.bio_write(client.take())
        flight = client.hello()
        for at in range(0, len(flight), piece):
            client.give(flight[at : at + piece])
        self.assertEqual(client.connection.is_secure, fits)
        self.assertEqual(client.transport.ended, "" if fits else "aborted")
        if not fits:
            self.assertEqual(gateway.log.records[0]["handshakeError"], "the handshake is too long")
            client.lose()
        self.over(gateway)

    @given(st.binary(min_size=1, max_size=200), st.booleans())
    @settings(max_examples=50)
    def test_garbage(self, garbage: bytes, handshake: bool) -> None:
        """Whatever comes instead of a ClientHello ends in a refusal, never in an exception, and reaches no backend."""
        gateway = Gateway(STRICT)
        client = gateway.client()
        client.give(b"\x16\x03\x01" + garbage if handshake else garbage)
        client.lose()
        self.over(gateway)
        self.assertEqual(gateway.forwarded, 0)

    @given(st.data())
    @settings(max_examples=30)
    def test_damaged_flight(self, data: st.DataObject) -> None:
        """A client's flight with one byte changed never ends in an exception, and no certificate is trusted by it."""
        gateway = Gateway(text("basic strict"))
        client = gateway.client(client_context(device(), version=data.draw(st.sampled_from(VERSIONS))))
        client.give(client.hello())
        client.tls.bio_write(client.take())
        flight = bytearray(client.hello())
        flight[data.draw(st.integers(0, 1 << 16)) % len(flight)] ^= data.draw(st.integers(1, 255))
        client.give(bytes(flight))
        self.assertFalse(client.connection.is_secure)
        client.lose()
        self.over(gateway)


class PlainTextTests(SynchronousTestCase):
    """Who speaks no TLS on a TLS port."""

    def test_http(self) -> None:
        """HTTP gets the product's page in plain text, in single bytes too, and goes to no backend."""
        for pieces in ([GET], list(one_by_one(GET))):
            gateway = Gateway(text("basic strict"))
            client = gateway.client()
            for piece in pieces:
                client.give(piece)
            page = client.take()
            self.assertTrue(page.startswith(b"HTTP/1.1 400 Bad Request\r\n"))
            self.assertIn(b"The plain HTTP request was sent to HTTPS port", page)
            self.assertNotEqual(client.transport.ended, "")
            self.assertEqual((gateway.forwarded, len(gateway.limits.handshakes)), (0, 0))
            self.assertEqual(gateway.log.records[0]["error_info"], "ERRORINFO_HTTP_TO_HTTPS_PORT")
            self.assertEqual(gateway.log.records[0]["sslEnabled"], "off")

    def test_version_0_9(self) -> None:
        """A request without a version, after the handshake or instead of it, goes to no backend."""
        gateway = Gateway(text("basic strict"))
        client = gateway.client()
        client.give(b"GET /\r\n")
        admitted = gateway.shake_hands(client_context(device()))
        admitted.say(b"GET /\r\n\r\n")
        self.assertTrue(admitted.closed)
        self.assertEqual(gateway.forwarded, 0)


class DataTests(SynchronousTestCase):
    """Bytes in records, both ways."""

    def test_big_writes(self) -> None:
        """What is written arrives whole and in order, in however many records, and is counted."""
        client = Gateway(OPEN).shake_hands()
        spied(client)
        before = client.connection.bytes_out
        pieces = [bytes([number]) * size for number, size in enumerate((0, 1, RECORD - 1, RECORD, RECORD + 1, 200000))]
        for piece in pieces:
            client.connection.write(piece)
            client.talk()
        self.assertEqual(client.received, b"".join(pieces))
        self.assertEqual(client.connection.bytes_out - before, len(client.received))

    def test_big_reads(self) -> None:
        """A read of many records is handed on at once."""
        client = Gateway(OPEN).shake_hands()
        spy = spied(client)
        client.say(b"x" * 60000)
        self.assertEqual((spy.reads, len(spy.data)), (1, 60000))

    def test_slow_reader(self) -> None:
        """While more than the limit is queued the connection is full; it says when it is no more; nothing is lost."""
        client = Gateway(OPEN).shake_hands()
        spy = spied(client)
        client.transport.room = 1000
        client.connection.write(b"a" * QUEUE_LIMIT)
        client.connection.write(b"b" * 10)
        client.connection.write(b"c" * QUEUE_LIMIT)
        self.assertTrue(client.connection.full)
        self.assertEqual(spy.drains, 0)
        client.talk()
        self.assertLess(len(client.received), 1000)
        client.transport.drain()
        self.assertFalse(client.connection.full)
        self.assertEqual(spy.drains, 1)
        client.talk()
        self.assertEqual(client.received, b"a" * QUEUE_LIMIT + b"b" * 10 + b"c" * QUEUE_LIMIT)

    def test_write_after_close(self) -> None:
        """Data that is written after close_notify is dropped, nor once the client is gone."""
        client = Gateway(OPEN).shake_hands()
        client.connection.close()
        sent = client.transport.sent
        client.connection.write(b"late")
        self.assertEqual(client.transport.sent, sent)
        self.assertEqual(client.transport.ended, "closed")
        client.lose()
        client.connection.write(b"later")
        client.give(b"later")

    def test_truncation(self) -> None:
        """The receiver is notified of an end without close_notify, once."""
        client = Gateway(OPEN).shake_hands()
        spy = spied(client)
        client.lose()
        self.assertEqual(len(spy.reasons), 1)
        self.assertIs(client.connection.receiver, NO_RECEIVER)


class KeyUpdates:
    """Records that ask for new keys (RFC 8446 section 4.6.3), which no client library makes in such numbers."""

    def __init__(self, gateway: Gateway) -> None:
        lines: list[bytes] = []
        context = client_context(version=TLS_1_3)
        context.set_keylog_callback(lambda _, line: lines.append(line))
        self.client = gateway.shake_hands(context)
        [line] = [line for line in lines if line.startswith(b"CLIENT_TRAFFIC_SECRET_0")]
        self._secret = bytes.fromhex(line.split()[2].decode())
        self._sequence = 0
        self.client.take()

    def make(self, count: int) -> bytes:
        """So many records, each under the keys of the one before."""
        return b"".join(self._one() for _ in range(count))

    def _one(self) -> bytes:
        record = self.record(b"\x18\0\0\1\1\x16")
        self._secret = self._expand(b"traffic upd", 32)
        self._sequence = 0
        return record

    def record(self, content: bytes) -> bytes:
        """The next record under the latest keys; the last byte of the content is its type."""
        head = b"\x17\3\3" + (len(content) + 16).to_bytes(2, "big")
        nonce = int.from_bytes(self._expand(b"iv", 12), "big") ^ self._sequence
        self._sequence += 1
        return head + AESGCM(self._expand(b"key", 16)).encrypt(nonce.to_bytes(12, "big"), content, head)

    def data(self, data: bytes) -> bytes:
        """A record of application data."""
        return self.record(data + b"\x17")

    def _expand(self, label: bytes, length: int) -> bytes:
        info = length.to_bytes(2, "big") + bytes([6 + len(label)]) + b"tls13 " + label + b"\0"
        return HKDFExpand(hashes.SHA256(), length, info).derive(self._secret)


class ControlTests(SynchronousTestCase):
    """What OpenSSL answers by itself."""

    def test_answers_leave(self) -> None:
        """Answers to requests for new keys do not gather in memory."""
        updates = KeyUpdates(Gateway(OPEN))
        client, sent = updates.client, 0
        spied(client)
        for _ in range(10):
            client.give(updates.make(500) + updates.data(b"x" * 105))
            sent += len(client.take())
        self.assertEqual(client.transport.ended, "")
        self.assertGreater(sent, 9 * 500 * 20)
        self.assertLess(client.connection.codec._control, RECORD)  # and are counted anew

    def test_flood(self) -> None:
        """Without data only so many of them are taken: the connection ends, and no more is worked on."""
        updates = KeyUpdates(Gateway(OPEN))
        client = updates.client
        spied(client)
        client.give(updates.make(MAX_CONTROL // 27))  # each is so long
        self.assertEqual(client.transport.ended, "")
        client.give(updates.make(1))
        self.assertEqual(client.transport.ended, "closed")
        self.assertEqual(client.connection.end_reason, "TLS: too many records without data")
        alerts = len(client.take())
        client.give(updates.make(1000))
        self.assertEqual((len(client.take()), alerts > 0), (0, True))

    def test_flood_of_empty_records(self) -> None:
        """So it is with records that are empty, and with alerts that only warn; data pays for those of its kind."""
        for content in (b"\x17", b"\x01\x5a\x15"):  # no data; user_canceled
            updates = KeyUpdates(Gateway(OPEN))
            client = updates.client
            spied(client)
            for _ in range(1000):
                client.give(updates.record(content) + updates.data(b"x"))
            self.assertEqual(client.transport.ended, "")
            for _ in range(1000):
                client.give(updates.record(content))
            self.assertNotEqual(client.transport.ended, "")

    def test_a_record_in_pieces(self) -> None:
        """One record of data may come in as many pieces as it likes: nothing of it is data before it is whole."""
        for version in VERSIONS:
            client = Gateway(OPEN).shake_hands(client_context(version=version))
            spy = spied(client)
            client.tls.send(b"x" * RECORD)
            for byte in one_by_one(client.outgoing()):
                client.give(byte)
            self.assertEqual((client.transport.ended, len(spy.data)), ("", RECORD))

    def test_answers_that_nobody_reads(self) -> None:
        """A client that asks for answers and does not read them is cut off."""
        updates = KeyUpdates(Gateway(OPEN))
        client = updates.client
        spy = spied(client)
        client.transport.room = 0
        for _ in range(8):
            client.give(updates.make(500) + updates.data(b"x" * 105))
        self.assertEqual((client.transport.ended, len(spy.data)), ("", 840))
        client.give(updates.make(3000) + updates.data(b"data" * 160))
        self.assertEqual(client.transport.ended, "aborted")
        self.assertEqual(len(spy.data), 840)
        queued = len(client.connection._sending) + client.connection.behind
        self.assertLess(queued, 2 * QUEUE_LIMIT)

    def test_a_slow_reader_that_sends(self) -> None:
        """One that reads slowly and sends much data is not cut off: the headers of its records ask for nothing."""
        client = Gateway(OPEN).shake_hands()
        spied(client)
        client.transport.room = 0
        client.connection.write(b"x" * 2 * QUEUE_LIMIT)
        client.connection.write(b"x" * 2 * QUEUE_LIMIT)
        for _ in range(2000):
            client.tls.send(b"y")
            client.tls.send(b"y")
        client.talk()
        self.assertTrue(client.connection.full)
        self.assertEqual(client.transport.ended, "")


class EndTests(SynchronousTestCase):
    """How an established connection ends."""

    def test_gateway_closes(self) -> None:
        """The gateway ends its side with close_notify."""
        for version in VERSIONS:
            client = Gateway(OPEN).shake_hands(client_context(version=version))
            client.connection.close()
            client.talk()
            self.assertTrue(client.closed)

    def test_lingering_close(self) -> None:
        """With `linger` close_notify is sent, then input is thrown away until the client closes, or for a while."""
        gateway = Gateway(OPEN)
        client = gateway.shake_hands()
        spy = spied(client)
        client.connection.close(linger=True)
        client.talk()
        self.assertTrue(client.closed)
        self.assertEqual(client.transport.ended, "half")
        client.give(b"what it still sends")
        self.assertEqual(spy.data, b"")
        gateway.reactor.advance(LINGER)
        self.assertEqual(client.transport.ended, "aborted")

    def test_client_closes(self) -> None:
        """A client's close_notify is answered by one, after what came before it was handed on."""
        for version in VERSIONS:
            client = Gateway(OPEN).shake_hands(client_context(version=version))
            spy = spied(client)
            client.tls.send(b"the last")
            client.tls.shutdown()
            client.talk()
            self.assertEqual(spy.data, b"the last")
            self.assertEqual(client.transport.ended, "closed")
            self.assertTrue(client.closed)

    def test_client_closes_at_once(self) -> None:
        """The connection is over when close_notify is read, and the receiver is called once."""
        client = Gateway(OPEN).shake_hands()
        spy = spied(client)
        lost: list[Failure] = []

        def lose() -> None:
            lost.append(CLOSED)
            client.connection.connectionLost(CLOSED)

        self.patch(client.transport, "close_now", lose)
        client.tls.shutdown()
        client.give(client.outgoing())
        self.assertEqual((spy.reasons, len(lost)), (["Connection was closed cleanly."], 1))
        self.assertFalse(client.connection.cut)
        self.assertTrue(client.transport.sent)  # our own farewell

    def test_what_is_held_leaves_first(self) -> None:
        """What waits for the end of the reactor's turn is not lost when the client sends close_notify in it."""
        client = Gateway(OPEN).shake_hands()
        spied(client)
        client.connection._outbox = outbox = Outbox()
        outbox.open = True
        client.connection.write(b"answer")
        self.assertEqual(client.transport.sent, b"")
        client.tls.shutdown()
        client.give(client.outgoing())
        client.lose()
        client.tls.bio_write(client.take())
        self.assertEqual(client.tls.recv(100), b"answer")
        with self.assertRaises(SSL.ZeroReturnError):
            client.tls.recv(1)

    def test_client_closes_before_it_has_read(self) -> None:
        """Data queued for a client that sends close_notify is still sent, followed by the gateway's close_notify."""
        gateway = Gateway(OPEN)
        client = gateway.shake_hands()
        spied(client)
        client.transport.room = 10
        client.connection.write(b"x" * 1000)
        client.tls.shutdown()
        client.give(client.outgoing())
        self.assertEqual((client.transport.ended, client.connection.closing), ("", True))
        client.transport.drain()
        self.assertEqual(client.transport.ended, "closed")
        client.tls.bio_write(client.take())
        self.assertEqual(client.tls.recv(2000), b"x" * 1000)
        with self.assertRaises(SSL.ZeroReturnError):
            client.tls.recv(1)

    def test_forged_record(self) -> None:
        """A record that is not authentic is not handed on: the client gets the alert bad_record_mac and the end."""
        for version in VERSIONS:
            client = Gateway(OPEN).shake_hands(client_context(version=version))
            spy = spied(client)
            client.give(b"\x17\x03\x03\x00\x30" + b"x" * 48)
            client.talk()
            self.assertEqual(spy.data, b"")
            self.assertEqual(client.alerts, [(FATAL, 20)])
            self.assertEqual(client.transport.ended, "closed")

    @given(st.binary(min_size=1, max_size=100), st.sampled_from(VERSIONS))
    @settings(max_examples=30)
    def test_garbage(self, garbage: bytes, version: int) -> None:
        """Whatever comes after a handshake outside of records: nothing of it is handed on, and nothing raises."""
        client = Gateway(OPEN).shake_hands(client_context(version=version))
        spy = spied(client)
        client.give(garbage + b"\0" * 20000)
        self.assertEqual(spy.data, b"")
        self.assertEqual(client.transport.ended, "closed")

    def test_memory(self) -> None:
        """OpenSSL's memory is free once the connection is lost, without the cycle collector; refused wires too."""
        gateway = Gateway(STRICT)
        gc.disable()
        self.addCleanup(gc.enable)
        for name, request, refused in (("", GET, False), ("", b"", False), ("s.example", b"", True)):
            client = gateway.shake_hands(client_context(version=TLS_1_2), name)
            if request:
                client.say(request)
            tls, connection = weakref.ref(client.server_side), weakref.ref(client.connection)
            self.assertIsNotNone(tls())
            client.lose()
            self.assertIsNone(tls())
            client.connection = client.transport = None  # type: ignore[assignment]
            if refused:
                self.assertIsNone(connection())


class LimitTests(SynchronousTestCase):
    """Where a connection has its limits from."""

    def test_wire(self) -> None:
        """A connection knows its limit from the gateway's configuration."""
        client = Gateway(text("basic -", gateway="max_client_chain_bytes = 5000\n")).client()
        handshake = client.connection.receiver
        assert isinstance(handshake, ServerHandshake)
        self.assertEqual(handshake._max_bytes, 5000 + HANDSHAKE_ROOM)
