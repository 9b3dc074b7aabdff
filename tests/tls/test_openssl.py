"""Both ways to OpenSSL's records do the same."""

from __future__ import annotations

import contextlib
from unittest import mock

import attrs
from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls import openssl
from agwtwisted.tls.openssl import (
    GO_ON,
    PIECE,
    RECORD,
    ChainFault,
    DirectRecords,
    Presented,
    PublicRecords,
    Records,
    Verifying,
    direct_verifying,
    public_verifying,
    verified_chain,
)
from tests import pki
from tests.clients import TLS_1_2, TLS_1_3, client_context, device, partner
from tests.configurations import clients_root, site

WAYS = (PublicRecords, DirectRecords)
VERIFYING_WAYS = (public_verifying, direct_verifying)
REFUSAL = 10
"""X509_V_ERR_CERT_HAS_EXPIRED."""

VERSIONS = (TLS_1_2, TLS_1_3)
SIZES = (1, 1300, RECORD, RECORD + 1, PIECE)


def noise(size: int) -> bytes:
    """Bytes that do not repeat within a record."""
    return b"".join(b"%08x" % number for number in range(size // 8 + 1))[:size]


def server_context() -> SSL.Context:
    """A server's context."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(site().certificate)
    context.use_privatekey(site().key)
    context.set_options(SSL.OP_NO_TICKET)
    return context


def connections(version: int) -> tuple[SSL.Connection, SSL.Connection]:
    """A server and its client after their handshake."""
    server, client = SSL.Connection(server_context(), None), SSL.Connection(client_context(version=version), None)
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
                self.assertEqual(peer.decrypt(bytes(records.encrypt(data))), (data, None))
                self.assertEqual(records.decrypt(bytes(peer.encrypt(data))), (data, None))

    def test_pieces(self) -> None:
        """Records may come in pieces: nothing comes of a record before its last byte."""
        for records, _, client in self.each():
            sealed = bytes(PublicRecords(client).encrypt(b"data"))
            self.assertEqual(records.decrypt(sealed[:7]), (b"", None))
            self.assertEqual(records.decrypt(b""), (b"", None))
            self.assertEqual(records.decrypt(sealed[7:]), (b"data", None))

    def test_much(self) -> None:
        """More than a piece may come at once."""
        for records, _, client in self.each():
            peer = PublicRecords(client)
            data = noise(3 * PIECE + 5)
            sealed = b"".join(bytes(peer.encrypt(data, at)) for at in range(0, len(data), PIECE))
            self.assertEqual(records.decrypt(sealed), (data, None))
            back = b"".join(bytes(records.encrypt(data, at)) for at in range(0, len(data), PIECE))
            self.assertEqual(peer.decrypt(back), (data, None))

    def test_much_that_ends(self) -> None:
        """An end among more than a piece is told, with what came before it and nothing of what follows."""
        for records, _, client in self.each():
            peer = PublicRecords(client)
            data = noise(2 * PIECE)
            sealed = bytearray(b"".join(bytes(peer.encrypt(data, at)) for at in range(0, len(data), PIECE)))
            sealed[PIECE // 2] ^= 1
            came, end = records.decrypt(bytes(sealed))
            self.assertEqual(came, data[:RECORD])
            self.assertIs(type(end), SSL.Error)

    def test_left_by_a_handshake(self) -> None:
        """More than a piece may lie in the BIO already: it came with the end of the handshake."""
        for records, server, client in self.each():
            peer = PublicRecords(client)
            data = noise(3 * PIECE)
            for at in range(0, len(data), PIECE):
                server.bio_write(bytes(peer.encrypt(data, at)))
            self.assertEqual(records.decrypt(b""), (data, None))

    def test_nothing(self) -> None:
        """No data makes no record."""
        for records, _, _ in self.each():
            self.assertEqual(records.encrypt(b""), b"")

    def test_farewell(self) -> None:
        """What came before a close_notify is told with it."""
        for records, _, client in self.each():
            sealed = bytes(PublicRecords(client).encrypt(b"last"))
            client.shutdown()
            data, end = records.decrypt(sealed + client.bio_read(RECORD))
            self.assertEqual(data, b"last")
            self.assertIsInstance(end, SSL.ZeroReturnError)
            self.assertIsInstance(records.decrypt(b"")[1], SSL.ZeroReturnError)

    def test_forged(self) -> None:
        """A record that was changed on its way ends the connection; those before it count, and an alert is written."""
        for records, server, client in self.each():
            peer = PublicRecords(client)
            good, bad = bytes(peer.encrypt(b"good")), bytearray(bytes(peer.encrypt(b"bad")))
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
            with self.assertRaises(SSL.Error):
                records.encrypt(b"data")

    def test_no_memory_between(self) -> None:
        """Connections share the room to work in, and nothing else."""
        ends = self.each()
        sealed = [bytes(records.encrypt(b"%d" % number)) for number, (records, _, _) in enumerate(ends)]
        told = [PublicRecords(client).decrypt(sealed[number])[0] for number, (_, _, client) in enumerate(ends)]
        self.assertEqual(told, [b"%d" % number for number in range(len(ends))])


def everything(records: Records) -> bytes:
    """All that there is to send."""
    said = b""
    while piece := records.outgoing():
        said += piece
    return said


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
                self.assertEqual(server.decrypt(bytes(client.encrypt(b"data"))), (b"data", None))

    def test_byte_by_byte(self) -> None:
        """It may come in any pieces."""
        for way in WAYS:
            server, client = self.ends(way, TLS_1_3)
            client.shake_hands(b"")
            hello = everything(client)
            for at in range(len(hello)):
                self.assertFalse(server.shake_hands(hello[at : at + 1]))
            self.assertTrue(everything(server))
            self.assertEqual(server.outgoing(), b"")

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


@attrs.define
class Listening:
    """Is told of certificates, and answers the same each time."""

    answer: int
    heard: list[tuple[bytes, int, int, bool]] = attrs.field(factory=list)
    connections: list[SSL.Connection] = attrs.field(factory=list)

    presented: list[tuple[bytes, ...]] = attrs.field(factory=list)

    def __call__(
        self, connection: SSL.Connection, der: bytes, error: int, depth: int, ok: bool, presented: Presented
    ) -> int:
        self.connections.append(connection)
        self.presented.append(presented())
        self.heard.append((der, error, depth, ok))
        return self.answer


class VerifyingTests(SynchronousTestCase):
    """A client's chain, told of in either way."""

    def verified(
        self, verifying: Verifying, credential: pki.Credential, version: int, *, late: bool = False
    ) -> SSL.Connection | None:
        """The server's connection with this client, None when it refused; `late`: the connection's own setting."""
        context = server_context()
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.X509.from_cryptography(clients_root().certificate))
        store.set_time(pki.NOW)
        if not late:
            verifying(context, SSL.VERIFY_PEER)
        server = SSL.Connection(context, None)
        if late:
            verifying(server, SSL.VERIFY_PEER)
        client = SSL.Connection(client_context(credential, version=version), None)
        server.set_accept_state()
        client.set_connect_state()
        records, peer = DirectRecords(server), PublicRecords(client)
        with contextlib.suppress(SSL.Error, ValueError):
            shaken(records, peer)
        self.said_last = str(peer.decrypt(everything(records))[1])
        finished = server.get_finished() is not None and server.get_peer_finished() is not None
        return server if finished else None

    def test_good(self) -> None:
        """Every certificate is told of, the root first, and of whose connection it is."""
        for way in VERIFYING_WAYS:
            for version in VERSIONS:
                for late in (False, True):
                    told = Listening(answer=GO_ON)
                    server = self.verified(way(told), device(), version, late=late)
                    assert server is not None
                    self.assertEqual(told.heard, [(clients_root().der, 0, 1, True), (device().der, 0, 0, True)])
                    self.assertEqual(told.connections, [server, server])

    def test_presented(self) -> None:
        """All that the client has sent is to be had while it is judged, as it was sent, by the functions alone."""
        root = clients_root()
        sent = (root.intermediate("Of no use"), root.intermediate("Of use"), root, pki.Authority.root("Stranger"))
        credential = attrs.evolve(sent[1].issue(), issuers=(*sent, root))
        for version in VERSIONS:
            told = Listening(answer=GO_ON)
            self.assertIsNotNone(self.verified(direct_verifying(told), credential, version))
            self.assertEqual(set(told.presented), {(credential.der, *(each.der for each in sent))})
            unable = Listening(answer=GO_ON)
            self.assertIsNotNone(self.verified(public_verifying(unable), credential, version))
            self.assertEqual(set(unable.presented), {()})

    def test_refused(self) -> None:
        """Who says no ends the handshake there and then."""
        for way in VERIFYING_WAYS:
            told = Listening(answer=REFUSAL)
            self.assertIsNone(self.verified(way(told), device(), TLS_1_2))
            self.assertEqual(told.heard, [(clients_root().der, 0, 1, True)])

    def test_alerts(self) -> None:
        """A refusal where OpenSSL is content goes out with the alert of its code, by the functions alone."""
        for way, alert in ((direct_verifying, "certificate expired"), (public_verifying, "internal error")):
            for version in VERSIONS:
                self.assertIsNone(self.verified(way(Listening(answer=REFUSAL)), device(), version))
                self.assertIn(f"alert {alert}", self.said_last)

    def test_error(self) -> None:
        """What OpenSSL finds wrong is told; who goes on nevertheless hears of the rest, and the handshake succeeds."""
        for way in VERIFYING_WAYS:
            told = Listening(answer=GO_ON)
            server = self.verified(way(told), partner(), TLS_1_2)
            assert server is not None
            self.assertEqual(told.heard[0], (partner().issuers[0].der, 20, 1, False))
            self.assertEqual((told.heard[-1][0], told.heard[-1][2]), (partner().der, 0))
            self.assertEqual(SSL._lib.SSL_get_verify_result(server._ssl), 0)  # type: ignore[attr-defined]
            refusing = Listening(answer=REFUSAL)
            self.assertIsNone(self.verified(way(refusing), partner(), TLS_1_2))
            self.assertEqual(refusing.heard, told.heard[:1])

    def test_raising(self) -> None:
        """Who raises, as nobody should, has refused."""
        self.patch(SSL.sys, "excepthook", lambda *_: None)  # type: ignore[attr-defined]
        self.patch(SSL.sys, "unraisablehook", lambda *_: None)  # type: ignore[attr-defined]

        def raising(*_: object) -> int:
            raise ValueError("of a test")

        for way in VERIFYING_WAYS:
            self.assertIsNone(self.verified(way(raising), device(), TLS_1_2))


class ChainTests(SynchronousTestCase):
    """`verified_chain`."""

    def loaded(self, credential: pki.Credential) -> crypto.X509:
        """The certificate as OpenSSL has it."""
        return crypto.load_certificate(crypto.FILETYPE_ASN1, credential.der)

    def test_purposes(self) -> None:
        """Whole chains are verified as a server verifies its clients', if so asked."""
        root = pki.Authority.root("Root")
        for eku, fault in ((pki.CLIENT_AUTH, None), (pki.SERVER_AUTH, ChainFault(26, 0))):
            leaf = root.issue(eku=(eku,))
            for for_clients in (True, False):
                said = verified_chain(self.loaded(leaf), [], self.loaded(root), now=pki.NOW, for_clients=for_clients)
                self.assertEqual(said, fault if for_clients and fault else (leaf.der, root.der))

    def test_nothing_is_left_behind(self) -> None:
        """A fault that was found stays in no queue, where the next call would be blamed for it."""
        root = pki.Authority.root("Root")
        leaf = root.issue(signature=b"\x30\6\2\1\1\2\1\1")
        said = verified_chain(self.loaded(leaf), [], self.loaded(root), now=pki.NOW)
        self.assertEqual(said, ChainFault(7, 0))
        self.assertEqual(openssl._lib.ERR_peek_error(), 0)


class ChoiceTests(SynchronousTestCase):
    """Which of the two is taken."""

    def test_known(self) -> None:
        """The functions of this library are as they are known."""
        self.assertIs(openssl.records_of, DirectRecords)
        self.assertIs(openssl.verifying, direct_verifying)

    def test_unknown(self) -> None:
        """A library where one is missing or does something else is not taken for one that is known."""
        self.assertTrue(openssl._is_known())
        for name, other in (("BIO_read", None), ("BIO_write", lambda *_: 0), ("SSL_get_error", lambda *_: 0)):
            library = mock.Mock(wraps=openssl._lib)
            setattr(library, name, other)
            self.patch(openssl, "_lib", library)
            self.assertFalse(openssl._is_known(), name)

    def test_other_words(self) -> None:
        """Nor one whose store contexts keep something else where what was sent is known to be."""
        for name in ("_CERTIFICATE_WORD", "_SENT_WORD"):
            with mock.patch.object(openssl, name, 0):
                self.assertFalse(openssl._is_known(), name)
        self.assertTrue(openssl._is_known())

    def test_other_types(self) -> None:
        """Nor one whose functions take or return something else."""
        for name in openssl._TYPES:
            with mock.patch.dict(openssl._TYPES, {name: "int(*)(char *)"}):
                self.assertFalse(openssl._is_known(), name)
        self.assertTrue(openssl._is_known())
