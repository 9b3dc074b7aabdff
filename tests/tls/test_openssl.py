"""Both ways to OpenSSL's records do the same."""

from __future__ import annotations

import contextlib
import gc
import weakref
from threading import Thread
from unittest import mock

import attrs
from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls import openssl
from agwtwisted.tls.openssl import (
    GO_ON,
    ChainFault,
    KnownCertificates,
    Presented,
    Verifying,
    direct_verifying,
    own_callbacks,
    public_verifying,
    verified_chain,
)
from agwtwisted.tls.records import DirectRecords, PublicRecords
from tests import pki
from tests.clients import TLS_1_2, TLS_1_3, client_context, device, partner
from tests.configurations import clients_root
from tests.tls.test_records import everything, server_context, shaken

VERIFYING_WAYS = (public_verifying, direct_verifying)
REFUSAL = 10
"""X509_V_ERR_CERT_HAS_EXPIRED."""

VERSIONS = (TLS_1_2, TLS_1_3)


@attrs.define
class Listening:
    """Gets certificates, and answers the same each time."""

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
    """A client's chain, reported in either way."""

    def verified(
        self,
        verifying: Verifying,
        credential: pki.Credential,
        version: int,
        *,
        late: bool = False,
        root: crypto.X509 | None = None,
    ) -> SSL.Connection | None:
        """The server's connection with this client, None when it refused; `late`: the connection's own setting."""
        context = server_context()
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(root or crypto.X509.from_cryptography(clients_root().certificate))
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
        """Every certificate is reported, the root first, with its connection."""
        for way in VERIFYING_WAYS:
            for version in VERSIONS:
                for late in (False, True):
                    told = Listening(answer=GO_ON)
                    server = self.verified(way(told), device(), version, late=late)
                    assert server is not None
                    self.assertEqual(told.heard, [(clients_root().der, 0, 1, True), (device().der, 0, 0, True)])
                    self.assertEqual(told.connections, [server, server])

    def test_known(self) -> None:
        """A store's certificate is reported as the bytes that are here already, while they are kept."""
        root = clients_root().der
        loaded = crypto.load_certificate(crypto.FILETYPE_ASN1, root)
        known = KnownCertificates({root: loaded})
        pointer = loaded._x509  # type: ignore[attr-defined]
        for kept in (True, False):
            told = Listening(answer=GO_ON)
            self.assertIsNotNone(self.verified(direct_verifying(told), device(), TLS_1_3, root=loaded))
            self.assertEqual([told.heard[0][0] is root, told.heard[0][0] == root], [kept, True])
            if kept:
                del known
        self.assertNotIn(pointer, KnownCertificates._by_pointer)

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
        """OpenSSL's errors are reported; a listener that goes on gets the rest, and the handshake succeeds."""
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
        """An exception of the listener is a refusal."""
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
        self.assertEqual(openssl.lib.ERR_peek_error(), 0)


class ChoiceTests(SynchronousTestCase):
    """Which of the two is taken."""

    def test_known(self) -> None:
        """The functions of this library are as they are known."""
        self.assertIs(openssl.verifying, direct_verifying)

    def test_unknown(self) -> None:
        """A library where one is missing or does something else is not taken for one that is known."""
        self.assertTrue(openssl._is_known())
        for name, other in (
            ("BIO_read", None),
            ("BIO_write", lambda *_: 0),
            ("BIO_get_mem_data", lambda *_: 0),
            ("SSL_get_error", lambda *_: 0),
        ):
            library = mock.Mock(wraps=openssl.lib)
            setattr(library, name, other)
            self.patch(openssl, "lib", library)
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


class CallbackTests(SynchronousTestCase):
    """Callbacks that pyOpenSSL wraps."""

    def test_freed(self) -> None:
        """They go with their context, without the collector."""

        def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes:
            return offered[0]

        def verify(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
            return bool(ok)

        context = SSL.Context(SSL.TLS_METHOD)
        context.set_alpn_select_callback(choose)
        context.set_verify(SSL.VERIFY_PEER, verify)
        own_callbacks(context)
        references = [weakref.ref(choose), weakref.ref(verify)]
        del choose, verify
        gc.disable()
        self.addCleanup(gc.enable)
        self.assertTrue(all(reference() for reference in references))
        del context
        self.assertEqual([reference() for reference in references], [None, None])


class ThreadTests(SynchronousTestCase):
    """Verify callbacks in several threads: those of handshakes, and of rehearsals beside them."""

    def test_each_thread_has_its_own_room(self) -> None:
        """A certificate that one thread copies out is never in the room of another one."""
        scratch = openssl._CertificateScratch()
        rooms = [(scratch.bio, scratch.room)]
        thread = Thread(target=lambda: rooms.append((scratch.bio, scratch.room)))
        thread.start()
        thread.join()
        [(bio, room), (other_bio, other_room)] = rooms
        self.assertNotEqual(bio, other_bio)
        self.assertNotEqual(room, other_room)
        self.assertEqual((scratch.bio, scratch.room), (bio, room))
