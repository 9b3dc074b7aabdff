"""TLS records of one connection: by the methods and by the functions, with the same outcome."""

from __future__ import annotations

import contextlib
from functools import partial

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls import records as records_module
from agwtwisted.tls.openssl import lib
from agwtwisted.tls.records import GROWN, LARGE, PIECE, RECORD, REST, DirectRecords, PublicRecords, Records
from tests import pki
from tests.clients import TLS_1_2, TLS_1_3, client_context, device, partners
from tests.configurations import site

WAYS = (PublicRecords, DirectRecords)
VERSIONS = (TLS_1_2, TLS_1_3)
SIZES = (1, 1300, RECORD, RECORD + 1, PIECE)


def noise(size: int) -> bytes:
    """Bytes that do not repeat within a record."""
    return b"".join(b"%08x" % number for number in range(size // 8 + 1))[:size]


def sealed_by(records: Records, data: bytes) -> bytes:
    """The records for data."""
    said: list[bytes] = []
    records.encrypt(data, lambda piece: said.append(bytes(piece)))
    return b"".join(said)


def server_context() -> SSL.Context:
    """A server's context."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(site().certificate)
    context.use_privatekey(site().key)
    context.set_options(SSL.OP_NO_TICKET)
    return context


def connections(version: int, shown: pki.Credential | None = None) -> tuple[SSL.Connection, SSL.Connection]:
    """A server and its client, which shows this certificate, after their handshake."""
    context = server_context()
    if shown is not None:
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    server, client = SSL.Connection(context, None), SSL.Connection(client_context(shown, version=version), None)
    server.set_accept_state()
    client.set_connect_state()
    ends = [(client, server), (server, client)] * 3
    for near, far in ends:
        with contextlib.suppress(SSL.WantReadError):
            near.do_handshake()
        with contextlib.suppress(SSL.WantReadError):
            far.bio_write(near.bio_read(PIECE))
    return server, client


class RecordsTests(SynchronousTestCase):
    """A `Records` between the two ends of a connection, each in either way."""

    def each(self) -> list[tuple[Records, SSL.Connection, SSL.Connection]]:
        """Every way, over every version."""
        pairs = [(way, connections(version)) for way in WAYS for version in VERSIONS]
        return [(way(server), server, client) for way, (server, client) in pairs]

    def test_data(self) -> None:
        """What is encrypted is decrypted, whatever its size, again and again."""
        for records, _, client in self.each():
            peer = PublicRecords(client)
            for size in SIZES * 2:
                data = noise(size)
                self.assertEqual(peer.decrypt(sealed_by(records, data)), (data, None))
                self.assertEqual(records.decrypt(sealed_by(peer, data)), (data, None))

    def test_pieces(self) -> None:
        """Records may come in pieces: nothing comes of a record before its last byte."""
        for records, _, client in self.each():
            sealed = sealed_by(PublicRecords(client), b"data")
            self.assertEqual(records.decrypt(sealed[:7]), (b"", None))
            self.assertEqual(records.decrypt(b""), (b"", None))
            self.assertEqual(records.decrypt(sealed[7:]), (b"data", None))

    def test_some_of_the_next(self) -> None:
        """Whole records may come with a part of the next one: nothing is left unread."""
        for records, _, client in self.each():
            peer = PublicRecords(client)
            first, second, third = (sealed_by(peer, data) for data in (b"first", b"second", b"third"))
            for cut in (1, 5, 6):
                self.assertEqual(records.decrypt(first + second[:cut]), (b"first", None))
                self.assertEqual(records.decrypt(second[cut:] + third[:cut]), (b"second", None))
                self.assertEqual(records.decrypt(third[cut:]), (b"third", None))
                first, second, third = (sealed_by(peer, data) for data in (b"first", b"second", b"third"))

    def test_much(self) -> None:
        """More than a piece may come at once."""
        for records, _, client in self.each():
            peer = PublicRecords(client)
            data = noise(3 * PIECE + 5)
            sealed = sealed_by(peer, data)
            self.assertEqual(records.decrypt(sealed), (data, None))
            back = sealed_by(records, data)
            self.assertEqual(peer.decrypt(back), (data, None))

    def test_rest(self) -> None:
        """A little more than some pieces is given in as many, a piece and more than a little in two."""
        server, _ = connections(TLS_1_3)
        records = DirectRecords(server)
        for size, expected in ((2 * PIECE + REST, 2), (PIECE + REST + 1, 2), (REST, 1)):
            given: list[int] = []
            records.encrypt(noise(size), lambda piece, given=given: given.append(len(piece)))  # type: ignore[misc]
            self.assertEqual(len(given), expected)
            self.assertLess(max(given), 2 * PIECE)

    def test_much_that_ends(self) -> None:
        """An end among more than a piece is reported, with what came before it and nothing of what follows."""
        for records, _, client in self.each():
            peer = PublicRecords(client)
            data = noise(2 * PIECE)
            sealed = bytearray(sealed_by(peer, data))
            sealed[PIECE // 2] ^= 1
            came, end = records.decrypt(bytes(sealed))
            self.assertEqual(came, data[:RECORD])
            self.assertIs(type(end), SSL.Error)

    def test_left_by_a_handshake(self) -> None:
        """More than a piece may lie in the BIO already: it came with the end of the handshake."""
        for records, server, client in self.each():
            peer = PublicRecords(client)
            data = noise(3 * PIECE)
            peer.encrypt(data, server.bio_write)  # type: ignore[arg-type]
            self.assertEqual(records.decrypt(b""), (data, None))

    def test_nothing(self) -> None:
        """No data makes no record."""
        for records, _, _ in self.each():
            self.assertEqual(sealed_by(records, b""), b"")

    def test_close_notify(self) -> None:
        """Data before a close_notify is reported with it."""
        for records, _, client in self.each():
            sealed = sealed_by(PublicRecords(client), b"last")
            client.shutdown()
            data, end = records.decrypt(sealed + client.bio_read(RECORD))
            self.assertEqual(data, b"last")
            self.assertIsInstance(end, SSL.ZeroReturnError)
            self.assertIsInstance(records.decrypt(b"")[1], SSL.ZeroReturnError)

    def test_forged(self) -> None:
        """A record that was changed on its way ends the connection; those before it count, and an alert is written."""
        for records, server, client in self.each():
            peer = PublicRecords(client)
            good, bad = sealed_by(peer, b"good"), bytearray(sealed_by(peer, b"bad"))
            bad[-1] ^= 1
            data, end = records.decrypt(good + bytes(bad))
            self.assertEqual(data, b"good")
            self.assertIs(type(end), SSL.Error)
            self.assertTrue(server.bio_read(RECORD))
            self.assertIsInstance(peer.decrypt(b"")[1], type(None))

    def test_broken(self) -> None:
        """Nothing can be encrypted on a connection that failed."""
        for records, _, _ in self.each():
            records.decrypt(b"\x17\x03\x03\x00\x10" + bytes(16))
            said: list[bytes | memoryview] = []
            self.assertEqual((records.encrypt(b"data", said.append), said), (False, []))

    def test_closed(self) -> None:
        """Nor behind close_notify; the error is not left to another connection, which would fail by it."""
        for records, _, _ in self.each():
            said: list[bytes] = []
            records.close_notify(lambda piece, to=said: to.append(bytes(piece)))  # type: ignore[misc]
            count = len(said)
            self.assertFalse(records.encrypt(b"data", said.append))  # type: ignore[arg-type]
            self.assertEqual((len(said), lib.ERR_peek_error()), (count, 0))

    def test_no_memory_between(self) -> None:
        """Connections share the room to work in, and nothing else."""
        ends = self.each()
        sealed = [sealed_by(records, b"%d" % number) for number, (records, _, _) in enumerate(ends)]
        told = [PublicRecords(client).decrypt(sealed[number])[0] for number, (_, _, client) in enumerate(ends)]
        self.assertEqual(told, [b"%d" % number for number in range(len(ends))])

    def test_presented(self) -> None:
        """What the peer has sent is there as long as the connection, its own certificate first."""
        shown = partners().issue("shown")
        authorities = {each.der for each in shown.issuers}
        for way in WAYS:
            for version in VERSIONS:
                self.assertEqual(way(connections(version)[0]).presented(), ())
                leaf, *others = way(connections(version, shown)[0]).presented()
                self.assertEqual((leaf, {*others} <= authorities, len(others) > 0), (shown.der, True, True))

    def test_release(self) -> None:
        """A connection whose memory was released goes on in both directions, with what waited to be sent."""
        for records, server, client in self.each():
            peer = PublicRecords(client)
            self.assertIs(records.release(), isinstance(records, DirectRecords))
            server.sendall(b"waits")  # in the BIO
            records.release()
            for size in SIZES:
                data = noise(size)
                self.assertEqual(records.decrypt(sealed_by(peer, data)), (data, None))
                sealed = sealed_by(records, data)
                self.assertEqual(peer.decrypt(sealed), (b"waits" * (size == SIZES[0]) + data, None))
                records.release()
            # pyOpenSSL's methods have the new BIOs, too: those before are freed.
            server.bio_write(sealed_by(peer, b"by the methods"))
            self.assertEqual(server.recv(RECORD), b"by the methods")
            server.sendall(b"back")
            self.assertEqual(peer.decrypt(server.bio_read(RECORD)), (b"back", None))
            self.assertTrue(sealed_by(records, b"end"))
            client.shutdown()
            self.assertIsInstance(records.decrypt(client.bio_read(RECORD))[1], SSL.ZeroReturnError)

    def test_release_of_what_is_unread(self) -> None:
        """Data that came with the end of the handshake, and is not read yet, is not given up."""
        for records, server, client in self.each():
            PublicRecords(client).encrypt(b"early", server.bio_write)  # type: ignore[arg-type]
            self.assertFalse(records.release())
            self.assertEqual(records.decrypt(b""), (b"early", None))

    def test_release_in_a_record(self) -> None:
        """The first half of a record outlives it: OpenSSL has taken that out of the BIO."""
        for records, _, client in self.each():
            sealed = sealed_by(PublicRecords(client), b"in two halves")
            self.assertEqual(records.decrypt(sealed[:9]), (b"", None))
            records.release()
            self.assertEqual(records.decrypt(sealed[9:]), (b"in two halves", None))

    def test_grown(self) -> None:
        """What something large has passed, in either direction, is known until it ends, and rests after a look."""
        for records, _, client in self.each():
            if not isinstance(records, DirectRecords):
                continue
            peer = PublicRecords(client)
            for small in (sealed_by(records, noise(LARGE)), records.decrypt(sealed_by(peer, noise(LARGE - 99)))):
                self.assertTrue(small)
                self.assertNotIn(records, GROWN)
            for large in (
                partial(sealed_by, records),
                lambda data, to=records, by=peer: to.decrypt(sealed_by(by, data)),
            ):
                large(noise(LARGE + 1))
                self.assertIn(records, GROWN)
                self.assertEqual((records.rests(), records.rests()), (False, True))
                GROWN.discard(records)

    def test_no_view_outlives_its_call(self) -> None:
        """Who keeps what it was given to send finds nothing in it later: neither its own bytes nor another client's."""
        for records, _, _ in self.each():
            kept: list[bytes | memoryview] = []
            for way in (partial(records.encrypt, noise(RECORD)), records.close_notify):
                way(kept.append)
            self.assertEqual(len(kept), 2)
            for view in kept:
                if isinstance(view, memoryview):
                    with self.assertRaises(ValueError):
                        bytes(view)

    def test_view_that_is_cut(self) -> None:
        """A part of it that is kept shows no data of other connections: what is shared are records, and cannot be
        written.
        """
        (records, _, _), (others, _, client) = (each for each in self.each() if isinstance(each[0], DirectRecords))
        kept: list[memoryview] = []
        records.encrypt(noise(RECORD), lambda view: kept.append(view[:]))  # type: ignore[arg-type]
        sealed = sealed_by(PublicRecords(client), b"another client's data")
        self.assertEqual(others.decrypt(sealed), (b"another client's data", None))
        sealed_by(others, b"another client's answer")
        [view] = kept
        self.assertTrue(view.readonly)
        self.assertNotIn(b"another client's", bytes(view))


def everything(records: Records) -> bytes:
    """All that there is to send."""
    said: list[bytes] = []
    records.flush(lambda piece: said.append(bytes(piece)))
    return b"".join(said)


def shaken(server: Records, client: Records) -> list[bool]:
    """Both shake hands, the client first; what each step of the server's returned."""
    client.shake_hands(b"")
    steps: list[bool] = []
    while said := everything(client):
        steps.append(server.shake_hands(said))
        client.shake_hands(everything(server))
    return steps


class HandshakeTests(SynchronousTestCase):
    """A handshake between the two ends, each in either way."""

    def ends(self, way: type, version: int, context: SSL.Context | None = None) -> tuple[Records, Records]:
        """A server and a client that have not spoken yet."""
        server = SSL.Connection(context or server_context(), None)
        client = SSL.Connection(client_context(device(), version=version), None)
        server.set_accept_state()
        client.set_connect_state()
        return way(server), way(client)

    def test_through(self) -> None:
        """It waits until the peer's part is whole, and is through then; data follows."""
        for way in WAYS:
            for version in VERSIONS:
                server, client = self.ends(way, version)
                self.assertEqual(shaken(server, client), [False, True])
                self.assertEqual(server.decrypt(sealed_by(client, b"data")), (b"data", None))

    def test_byte_by_byte(self) -> None:
        """It may come in any pieces."""
        for way in WAYS:
            server, client = self.ends(way, TLS_1_3)
            client.shake_hands(b"")
            hello = everything(client)
            for at in range(len(hello)):
                self.assertFalse(server.shake_hands(hello[at : at + 1]))
            self.assertTrue(everything(server))
            self.assertEqual(everything(server), b"")

    def test_failed(self) -> None:
        """What is no handshake is an error, and there is an alert to send."""
        for way in WAYS:
            server, _ = self.ends(way, TLS_1_3)
            with self.assertRaises(SSL.Error) as caught:
                server.shake_hands(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
            self.assertTrue(caught.exception.args[0])
            self.assertEqual(everything(server)[:1], b"\x15")

    def test_long_flight(self) -> None:
        """What is longer than a record is said whole, and once."""
        for way in WAYS:
            context = server_context()
            for _ in range(60):
                context.add_extra_chain_cert(site().certificate)
            server, client = self.ends(way, TLS_1_2, context)
            client.shake_hands(b"")
            server.shake_hands(everything(client))
            flight = everything(server)
            self.assertGreater(len(flight), RECORD)
            client.shake_hands(flight)
            self.assertTrue(server.shake_hands(everything(client)))


class ChoiceTests(SynchronousTestCase):
    """Which of the two is taken."""

    def test_known(self) -> None:
        """The functions, where the library is known."""
        self.assertIs(records_module.records_of, DirectRecords)
