"""TLS towards backends: which servers the gateway accepts."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from tempfile import NamedTemporaryFile
from typing import Any
from unittest import mock

import attrs
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.server_identity import ServerIdentity, server_identity
from agwtwisted.core.resources.resources import BackendHttpSettings, Protocol
from agwtwisted.tls import system_roots
from agwtwisted.tls.backend_contexts import BackendContexts, BackendTls, ClientCertificateError
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests import configurations, pki
from tests.clients import VERSIONS
from tests.servers import NAME, Server, credential, https, own, root, server_context
from tests.wires import Network

WANTED = server_identity(NAME)
PAST, FUTURE = datetime(2021, 1, 1, tzinfo=UTC), datetime(2048, 1, 1, tzinfo=UTC)


def tls_of(settings: BackendHttpSettings) -> BackendTls:
    """How TLS is spoken under them."""
    return BackendContexts().of(settings)


class _Case(SynchronousTestCase):
    def meet(
        self, tls: BackendTls, shown: pki.Credential | None = None, wanted: ServerIdentity = WANTED, **options: Any
    ) -> str:
        """Why a server that shows a certificate is refused; empty when it is not."""
        network = Network()
        self.events: list[str] = []
        connection = Connection(network, NO_OUTBOX)
        handshake = tls.handshake(network, connection, wanted, 10.0)
        handshake.when_open = lambda: self.events.append("")
        handshake.when_failed = self.events.append
        self.server = Server(network, network.dial(connection), server_context(shown, **options))
        self.server.talk()
        [event] = self.events
        return event


class TrustTests(_Case):
    """The chain."""

    def test_trusted(self) -> None:
        """A server of a trusted root is met, in every version; one root among others is enough."""
        for roots in ([root()], [pki.Authority.root("Other"), root()]):
            for version in VERSIONS:
                self.assertEqual(self.meet(tls_of(https(*roots)), version=version), "")

    def refused(self, shown: pki.Credential, reason: str, **settings: Any) -> None:
        """A server with this certificate is refused, in every version, with an alert before it has any byte of the
        gateway's.
        """
        for version in VERSIONS:
            said = self.meet(tls_of(https(root(), **settings)), shown, version=version)
            self.assertIn(reason, said)
            self.assertFalse(self.server.established)
            self.assertIn("alert", str(self.server.error))

    def test_untrusted(self) -> None:
        """Another root, none at all, out of time, not meant for servers."""
        stranger = pki.Authority.root("Strangers")
        self.refused(stranger.issue_server(NAME), "unable to get local issuer certificate")
        self.refused(pki.self_signed(NAME, san=[NAME], eku=[pki.SERVER_AUTH]), "self-signed certificate")
        self.refused(root().issue_server(NAME, not_after=PAST), "the server's certificate: certificate has expired")
        self.refused(root().issue_server(NAME, not_before=FUTURE), "not yet valid")
        self.refused(root().issue_server(NAME, eku=[pki.CLIENT_AUTH]), "unsuitable certificate purpose")
        late = root().intermediate("Late", not_after=PAST)
        self.refused(late.issue_server(NAME), "certificate 1 above the server's: certificate has expired")

    def test_self_signed_server(self) -> None:
        """A server's own certificate may be trusted: it is met, and none that its key has issued."""
        certificate = pki.self_signed(NAME, san=[NAME], eku=[pki.SERVER_AUTH])
        trusting = BackendTls.trusting([certificate.parsed])
        issuer = pki.Authority(der=certificate.der, key=certificate.key, subject=certificate.subject)
        for version in VERSIONS:
            self.assertEqual(self.meet(trusting, certificate, version=version), "")
            self.assertNotEqual(self.meet(trusting, issuer.issue_server(NAME), version=version), "")
            self.assertNotEqual(self.meet(trusting, version=version), "")

    def test_root_of_the_same_name(self) -> None:
        """A root is known by its key."""
        impostor = pki.Authority.root("Backends Root").issue_server(NAME)
        self.refused(impostor, "")

    def test_names_do_not_make_up_for_chains(self) -> None:
        """validate_sni = false leaves the chain to be checked."""
        self.refused(pki.Authority.root().issue_server(NAME), "unable to get local issuer", validate_sni=False)

    def test_intermediate_in_the_file(self) -> None:
        """An intermediate that the server leaves out may be in the file."""
        whole = credential()
        alone = pki.Credential(der=whole.der, key=whole.key, subject=whole.subject)
        self.assertIn("unable to", self.meet(tls_of(https(root())), alone))
        self.assertEqual(self.meet(tls_of(https(root(), whole.issuers[0])), alone), "")

    def test_unchecked(self) -> None:
        """validate_cert_chain_and_expiry = false takes any chain, but no other name."""
        tls = tls_of(https(validate_cert_chain_and_expiry=False))
        for version in VERSIONS:
            self.assertEqual(self.meet(tls, pki.self_signed(NAME, san=[NAME], not_after=PAST), version=version), "")
            self.assertIn("is not for", self.meet(tls, pki.self_signed("b", san=["b.example"]), version=version))

    def test_system(self) -> None:
        """Where the settings name no roots, the system's are trusted, and those alone."""
        with NamedTemporaryFile() as file:
            file.write(root().pem)
            file.flush()
            with mock.patch.dict(os.environ, {"SSL_CERT_FILE": file.name, "SSL_CERT_DIR": "/nonexistent"}):
                tls = tls_of(https())
        self.assertEqual(self.meet(tls), "")
        self.assertIn("issuer", self.meet(tls, pki.Authority.root("Other").issue_server(NAME)))
        self.assertIn("issuer", self.meet(tls_of(https())))
        with mock.patch.dict(os.environ, {"SSL_CERT_FILE": file.name}):
            self.assertIn("issuer", self.meet(tls_of(https(pki.Authority.root("Other")))))

    def test_weak_key(self) -> None:
        """A key that can be broken proves nothing."""
        self.refused(root().issue_server(NAME, key=pki.rsa_key(1024)), "too weak")


class NameTests(_Case):
    """The name."""

    def meet_named(self, wanted: ServerIdentity, *names: str, **settings: Any) -> str:
        """What comes of a trusted server with these names."""
        shown = root().issue("server", eku=[pki.SERVER_AUTH], san=names or None)
        return self.meet(tls_of(https(root(), **settings)), shown, wanted)

    def test_sent(self) -> None:
        """A name is sent as server name; an address is not."""
        self.meet(tls_of(https(root())))
        self.assertEqual(self.server.names, (NAME, ""))
        self.assertEqual(self.meet(tls_of(https(root())), wanted=server_identity("127.0.0.1")), "")
        self.assertEqual(self.server.names, ("", ""))

    def test_wrong(self) -> None:
        """Another name is refused before the server hears the end of the handshake."""
        self.assertEqual(self.meet_named(WANTED, "other.example"), f"the certificate is not for {NAME}")
        self.assertEqual(self.meet_named(WANTED, NAME), "")

    def test_no_alternative_names(self) -> None:
        """A certificate without subjectAltName, whatever its subject says, is accepted for no name."""
        for wanted in (WANTED, server_identity("127.0.0.1")):
            self.assertIn("in subjectAltName", self.meet_named(wanted))
        shown = root().issue(NAME, eku=[pki.SERVER_AUTH])
        self.assertIn("in subjectAltName", self.meet(tls_of(https(root())), shown))

    def test_unchecked(self) -> None:
        """validate_sni = false takes any name, and sends the name all the same."""
        self.assertEqual(self.meet_named(WANTED, "other.example", validate_sni=False), "")
        self.assertEqual(self.server.names[0], NAME)
        self.assertEqual(self.meet_named(WANTED, validate_sni=False), "")


class ClientCertificateTests(_Case):
    """The gateway's own certificate."""

    def test_shown(self) -> None:
        """It is shown, with its intermediates, to a server that asks for it."""
        clients = pki.Authority.root("Clients")
        tls = tls_of(https(root(), client_ssl_certificate=own(clients.intermediate().issue("gateway"))))
        for version in VERSIONS:
            self.assertEqual(self.meet(tls, clients=clients, version=version), "")
            self.assertEqual(self.server.names, (NAME, "CN=gateway"))
            self.assertEqual(self.meet(tls, version=version), "")
            self.assertEqual(self.server.names, (NAME, ""))

    def test_not_to_strangers(self) -> None:
        """In TLS 1.3 a server that is another than the one wanted does not see it."""
        clients = pki.Authority.root("Clients")
        tls = tls_of(https(root(), client_ssl_certificate=own(clients.issue("gateway"))))
        shown = root().issue_server("other.example")
        self.assertIn("is not for", self.meet(tls, shown, clients=clients, version=SSL.TLS1_3_VERSION))
        self.assertEqual(self.server.names, (NAME, ""))

    def test_missing(self) -> None:
        """Without one, a TLS 1.2 server that requires it refuses."""
        said = self.meet(tls_of(https(root())), clients=pki.Authority.root(), version=SSL.TLS1_2_VERSION)
        self.assertIn("alert", said)

    def test_unusable(self) -> None:
        """One that OpenSSL does not take is found when the gateway starts."""
        weak = own(pki.Authority.root().issue("gateway", key=pki.rsa_key(1024)))
        error = self.assertRaises(ClientCertificateError, tls_of, https(client_ssl_certificate=weak))
        self.assertIn("[ssl_certificate own] cannot be used for backends: ", str(error))


class ContextTests(_Case):
    """What all connections have in common."""

    def offered(self, tls: BackendTls, protocol: bytes = b"") -> Sequence[bytes]:
        """What is offered by ALPN."""
        seen: list[bytes] = []
        context = server_context()

        def choose(_: SSL.Connection, protocols: list[bytes]) -> bytes:
            seen.extend(protocols)
            return protocols[0]

        context.set_alpn_select_callback(choose)
        network = Network()
        connection = Connection(network, NO_OUTBOX)
        tls.handshake(network, connection, WANTED, 10.0, protocol=protocol)
        Server(network, network.dial(connection), context).talk()
        return seen

    def test_protocols(self) -> None:
        """HTTP backends are offered HTTP/1.1 and nothing else; others nothing."""
        self.assertEqual(self.offered(tls_of(https(root()))), [b"http/1.1"])
        self.assertEqual(self.offered(BackendTls.trusting([root().parsed])), [])

    def test_protocol_of_one_connection(self) -> None:
        """A connection may be offered another one, by a context that is made once and trusts the same roots."""
        tls = BackendTls.trusting([root().parsed])
        self.assertEqual(self.offered(tls, b"mqtt"), [b"mqtt"])
        self.assertEqual(self.offered(tls), [])
        self.assertIs(tls.offering(b"mqtt"), tls.offering(b"mqtt"))
        self.assertIsNot(tls.offering(b"mqtt"), tls.offering(b"h2"))

    def test_versions(self) -> None:
        """TLS 1.3 where the server has it, 1.2 where it has not, and nothing older."""
        tls = tls_of(https(root()))
        self.meet(tls)
        self.assertEqual(self.server.tls.get_protocol_version_name(), "TLSv1.3")
        self.assertIn("alert", self.meet(tls, version=SSL.TLS1_1_VERSION))

    def test_shared(self) -> None:
        """Settings that trust alike have one context, and no others."""
        contexts, trusting = BackendContexts(), https(root())
        files = trusting.trusted_root_certificates
        alike = BackendHttpSettings(
            name="other", protocol=Protocol.HTTPS, trusted_root_certificates=files, sni_name="x", port=1
        )
        first = contexts.of(trusting)
        self.assertIs(contexts.of(alike), first)
        for change in (
            {"trusted_root_certificates": ()},
            {"validate_cert_chain_and_expiry": False},
            {"validate_sni": False},
            {"client_ssl_certificate": own(root().issue("gateway"))},
        ):
            self.assertIsNot(contexts.of(attrs.evolve(trusting, **change)), first)

    def test_kept(self) -> None:
        """The next configuration takes those with the same content, wherever it was read; nothing keeps the others."""
        own_certificate = own(root().issue("gateway"))
        for change in ({}, {"client_ssl_certificate": own_certificate}):
            one, two = (attrs.evolve(https(root()), **change) for _ in range(2))
            first, gone = BackendContexts(), https()
            context, dropped = first.of(one), weakref.ref(first.of(gone))
            second = BackendContexts(first)
            self.assertIs(second.of(two), context)
            second.settle()
            del first, gone
            gc.collect()
            self.assertIsNone(dropped())
            self.assertIs(BackendContexts(second).of(one), context)

    def test_settled(self) -> None:
        """Once it is in force a configuration takes nothing of the one before."""
        first = BackendContexts()
        context = first.of(https(root()))
        second = BackendContexts(first)
        second.settle()
        self.assertIsNot(second.of(https(root())), context)

    def test_system_roots(self) -> None:
        """Where the system's roots count, and may be others by now, they are read anew."""
        with NamedTemporaryFile() as file, mock.patch.object(system_roots, "FILES", (file.name,)):
            first = BackendContexts()
            system, of_their_own = first.of(https()), first.of(https(root()))
            self.assertIs(BackendContexts(first).of(https()), system)
            file.write(b"changed")
            file.flush()
            second = BackendContexts(first)
            self.assertIsNot(second.of(https()), system)
            self.assertIs(second.of(https(root())), of_their_own)

    def test_memory(self) -> None:
        """A connection's memory is free as soon as it has ended, without the cycle collector, however it ended."""
        gc.disable()
        self.addCleanup(gc.enable)
        tls = tls_of(https(root()))
        for name in (NAME, "other.example"):
            network = Network()
            connection = Connection(network, NO_OUTBOX)
            handshake = tls.handshake(network, connection, server_identity(name), 10.0)
            memory = weakref.ref(handshake._records._connection)  # type: ignore[attr-defined]
            del handshake
            line = network.dial(connection)
            Server(network, line).talk()
            line.hang_up()
            network.advance(0)
            self.assertIsNone(memory())

    def test_is_made_of_a_configuration(self) -> None:
        """Settings come from a file; see core's tests for what they may say."""
        text = configurations.changed(("port = 9000\n", "port = 9000\nprotocol = Https\n"))
        [rule] = configurations.load(text).request_routing_rules
        self.assertTrue(tls_of(rule.backend_http_settings).validate_name)
