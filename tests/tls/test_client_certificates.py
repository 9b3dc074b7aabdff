"""What is noted of client certificates, and the alerts, verdicts and pages that come of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.judging import Period
from agwtwisted.core.verification.verdicts import UNJUDGED, Absent, Missing, Refused, Trusted, Unchecked
from agwtwisted.tls.client_certificates import ClientCertificates, trusted_proof
from agwtwisted.tls.openssl import GO_ON
from agwtwisted.tls.port_contexts import PortContexts
from tests import clients, configurations, odd, pki
from tests.clients import FATAL, GET, TLS_1_2, TLS_1_3, VERSIONS, Gateway, client_context, device, text
from tests.strategies import identifier, integer

CERTIFICATE_REQUIRED = {TLS_1_2: (FATAL, 40), TLS_1_3: (FATAL, 116)}


def get(host: str) -> bytes:
    """A request for this host."""
    return GET.replace(b"localhost", host.encode())


def yesterday() -> datetime:
    """A day ago, by the clock that OpenSSL goes by."""
    return datetime.now(UTC) - timedelta(days=1)


def _raw(identifier: str, value: bytes) -> x509.Extension[x509.UnrecognizedExtension]:
    """A critical extension of any bytes."""
    return pki.extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), value), critical=True)


def refusals() -> list[tuple[str, pki.Credential | None, int, str]]:
    """Clients that a strict listener refuses: the alert's number, and the reason in the log."""
    root = configurations.clients_root()
    late = root.intermediate("Late", not_after=yesterday())
    demand = pki.extension(x509.PolicyConstraints(0, None), critical=True)
    demanding = root.intermediate("Demanding", extra=[demand])
    qualifiers = pki.tlv(0x30, pki.tlv(0x30, pki._oid("1.2.3.4"), pki.tlv(0x30, pki.tlv(0x30, pki._oid("1.2.3.5")))))
    qualified = _raw("2.5.29.32", qualifiers)
    torn = _raw("2.5.29.36", b"\x30\x01\x05")
    unknown = pki.extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), critical=True)
    return [
        ("stranger", clients.stranger(), 48, "unable to get local issuer certificate"),
        ("other authority", clients.partner(), 48, "unable to get local issuer certificate"),
        ("self-signed", pki.self_signed("x"), 48, "self-signed certificate"),
        ("expired", root.issue("x", not_after=yesterday()), 45, "certificate has expired"),
        ("expired intermediate", late.issue("x"), 45, "certificate has expired"),
        (
            "not yet valid",
            root.issue("x", not_before=yesterday() + timedelta(days=2)),
            42,
            "certificate is not yet valid or the system clock is incorrect",
        ),
        ("for servers", root.issue("x", eku=(pki.SERVER_AUTH,)), 43, "unsuitable certificate purpose"),
        ("for any use", root.issue("x", eku=(pki.ANY_USE,)), 43, "unsuitable certificate purpose"),
        ("forged", root.issue("x", signature=b"\x30\6\2\1\1\2\1\1"), 51, "certificate signature failure"),
        ("critical", root.issue("x", extra=[unknown]), 46, "unhandled critical extension"),
        ("weak", root.issue("x", key=pki.rsa_key(1024)), 42, "EE certificate key too weak"),
        (
            "month 13",
            root.issue("x", not_after=pki.utc_time(b"261301000000Z")),
            42,
            "format error in certificate's notAfter field",
        ),
        (
            "critical policy of ours",
            root.issue("x", extra=[qualified]),
            46,
            "unhandled critical extension",
        ),
        (
            "agreement only",
            root.issue("x", usage=pki.key_usage("key_agreement")),
            43,
            "key usage does not include digital signature",
        ),
        ("no explicit policy", demanding.issue("x"), 46, "no explicit policy"),
        (
            "unreadable demand for a policy",
            root.issue("x", extra=[torn]),
            42,
            "invalid or inconsistent certificate policy extension",
        ),
    ]


def costly_key() -> bytes:
    """A certificate whose RSA key has an exponent of 65 bits."""
    numbers = odd.sequence(integer(1 << 2047), integer(1 << 64))
    algorithm = odd.sequence(identifier("1.2.840.113549.1.1.1"), odd.NULL)
    return odd.odd_certificate(public_key=odd.sequence(algorithm, pki.tlv(0x03, b"\0" + numbers)))


class RefusalTests(SynchronousTestCase):
    """The alerts that a client gets, by kind of profile."""

    def test_alerts(self) -> None:
        """A strict listener refuses in the handshake, each with its alert, and says why in the log."""
        for title, credential, alert, reason in refusals():
            for version in VERSIONS:
                gateway = Gateway(text("basic -", "s strict s.example"))
                with self.subTest(title, version=version):
                    client = gateway.shake_hands(client_context(credential, version=version), "s.example")
                    self.assertEqual(client.alerts, [(FATAL, alert)])
                    [record] = gateway.log.records
                    self.assertEqual(record["sslClientVerify"], f"FAILED:{reason}")
                    self.assertEqual(record["error_info"], "ERRORINFO_HTTPS_NO_CERT")
                    self.assertEqual(record["listenerName"], "s")
                    self.assertEqual(client.transport.ended, "half")
                    self.assertEqual(gateway.forwarded, 0)

    def test_no_certificate(self) -> None:
        """Without a certificate the alert is certificate_required, handshake_failure before TLS 1.3."""
        for version in VERSIONS:
            gateway = Gateway(text("basic strict"))
            client = gateway.shake_hands(client_context(version=version))
            self.assertEqual(client.alerts, [CERTIFICATE_REQUIRED[version]])
            [record] = gateway.log.records
            self.assertEqual(record["sslClientVerify"], "NONE")
            self.assertEqual(record["error_info"], "ERRORINFO_HTTPS_NO_CERT")

    def test_pages(self) -> None:
        """With `refusal = Http400` the handshake completes, and a page says the same reason; nothing is forwarded."""
        for title, credential, _, reason in [*refusals(), ("nothing", None, 0, "")]:
            for version in VERSIONS:
                gateway = Gateway(text("basic -", "h http400 h.example"))
                with self.subTest(title, version=version):
                    client = gateway.shake_hands(client_context(credential, version=version), "h.example")
                    client.say(get("h.example"))
                    self.assertTrue(client.received.startswith(b"HTTP/1.1 400 "))
                    shown = reason.replace("'", "&#x27;") if reason else "No required SSL certificate was sent"
                    self.assertIn(f"<center>{shown}</center>".encode(), client.received)
                    self.assertTrue(client.closed)
                    self.assertEqual(gateway.forwarded, 0)
                    [record] = gateway.log.records
                    self.assertEqual(record["sslClientVerify"], f"FAILED:{reason}" if reason else "NONE")

    def test_passthrough(self) -> None:
        """A passthrough listener forwards every client, with a certificate that cryptography cannot parse, too."""
        for title, credential, _, _ in refusals():
            assert credential
            for version in VERSIONS:
                gateway = Gateway(text("basic -", "p passthrough p.example"))
                with self.subTest(title, version=version):
                    client = gateway.shake_hands(client_context(credential, version=version), "p.example")
                    client.say(get("p.example"))
                    request = gateway.backend()
                    self.assertIn(b"\r\nX-Client-Certificate-Verification: PASSTHROUGH\r\n", request)
                    self.assertIn(b"\r\nX-Client-Certificate: -----BEGIN%20CERTIFICATE-----%0A", request)
                    self.assertIn(b"\r\nX-Client-Certificate-Fingerprint: ", request)

    def test_passthrough_without(self) -> None:
        """A passthrough listener forwards a client that has no certificate, and says so."""
        for version in VERSIONS:
            gateway = Gateway(text("basic strict", "p passthrough p.example"))
            gateway.shake_hands(client_context(version=version), "p.example").say(get("p.example"))
            self.assertIn(b"\r\nX-Client-Certificate-Verification: NONE\r\n", gateway.backend())

    def test_required_of_some_paths(self) -> None:
        """A passthrough listener with trusted CAs forwards as usual, and knows a Strict one's verdict."""
        configuration = text("basic -", "p passthrough p.example").replace(
            "verify_client_auth_mode = Passthrough\n",
            "verify_client_auth_mode = Passthrough\ntrusted_client_certificates = devices\n",
        )
        expired = configurations.clients_root().issue("x", not_after=pki.NOW - timedelta(days=1))
        for credential, verdict, required in (
            (device(), Unchecked(), Trusted()),
            (clients.stranger(), Unchecked(), Refused(reasons.NO_LOCAL_ISSUER)),
            (expired, Unchecked(), Refused(reasons.EXPIRED)),
            (None, Absent(), Missing()),
        ):
            for version in VERSIONS:
                with self.subTest(required=required, version=version):
                    gateway = Gateway(configuration, clients.files())
                    client = gateway.shake_hands(client_context(credential, version=version), "p.example")
                    client.say(get("p.example"))
                    self.assertIn(b"\r\nX-Client-Certificate-Verification: ", gateway.backend())
                    proof = client.connection.receiver._session.client.proof  # type: ignore[attr-defined]
                    self.assertEqual((proof.verdict, proof.strict_verdict), (verdict, required))
                    self.assertEqual(proof.until < inf, required == Trusted())
                    self.assertEqual(client.tls.get_client_ca_list(), [])

    def test_required_where_nobody_is_trusted(self) -> None:
        """What a Strict profile would say where there is nothing to judge by is a refusal."""
        for credential in (device(), None):
            client = Gateway(text("basic passthrough")).shake_hands(client_context(credential))
            proof = client.connection.receiver._session.client.proof  # type: ignore[attr-defined]
            self.assertEqual(proof.strict_verdict, UNJUDGED)

    def test_key_types(self) -> None:
        """RSA, ECDSA and Ed25519 certificates are trusted, in TLS 1.2 and 1.3."""
        for key in (pki.rsa_key(), pki.ec_key(), pki.ed25519_key()):
            credential = configurations.clients_root().issue("x", key=key)
            for version in VERSIONS:
                gateway = Gateway(text("basic strict"))
                gateway.shake_hands(client_context(credential, version=version)).say(GET)
                self.assertIn(b"\r\nX-Client-Certificate-Verification: SUCCESS\r\n", gateway.backend())

    def test_weak_ones_may_be_allowed(self) -> None:
        """With `allow_weak` OpenSSL's own security level is out of the way too, in that site and in no other."""
        root, key = configurations.clients_root(), pki.rsa_key(1024)
        weak = root.issue("x", key=key), root.intermediate("Old", hash=hashes.SHA1()).issue("x")
        expired = root.issue("x", key=key, not_after=pki.NOW - timedelta(days=400))
        for version in VERSIONS:
            for sites, name, is_allowed in (
                (("basic strict", "w weak w.example"), "w.example", True),
                (("basic strict", "w weak w.example"), "", False),
                (("basic weak", "s strict s.example"), "", True),
                (("basic weak", "s strict s.example"), "s.example", False),
            ):
                gateway = Gateway(text(*sites))
                for credential, admitted in ((weak[0], is_allowed), (weak[1], is_allowed), (expired, False)):
                    client = gateway.shake_hands(client_context(credential, version=version), name)
                    self.assertEqual(client.connection.is_secure, admitted, (sites, name))

    def test_weak_ones_may_be_allowed_where_tls_1_2_is_not(self) -> None:
        """A policy without suites of TLS 1.2 has a list of them all the same, to carry the security level."""
        only_tls_1_3 = "allow_weak = true\npolicy_type = CustomV2\nmin_protocol_version = TLSv1_3\n"
        gateway = Gateway(text("basic weak").replace("allow_weak = true\n", only_tls_1_3))
        credential = configurations.clients_root().issue("x", key=pki.rsa_key(1024))
        self.assertTrue(gateway.shake_hands(client_context(credential)).connection.is_secure)
        self.assertFalse(gateway.shake_hands(client_context(credential, version=TLS_1_2)).connection.is_secure)

    def test_a_policy_that_is_missing_is_a_refusal(self) -> None:
        """A chain that lacks a demanded policy is refused like any other; the process lives on."""
        demand = pki.extension(x509.PolicyConstraints(0, None), critical=True)
        leaf = configurations.clients_root().intermediate("Demanding", extra=[demand]).issue("x")
        for version in VERSIONS:
            for profile in ("strict", "http400"):
                gateway = Gateway(text(f"basic {profile}"))
                client = gateway.shake_hands(client_context(leaf, version=version))
                if profile == "http400":
                    client.say(GET)
                self.assertEqual(gateway.forwarded, 0)
                self.assertEqual(gateway.log.records[0]["sslClientVerify"], "FAILED:no explicit policy")

    def test_issuer_dn(self) -> None:
        """With `verify_client_cert_issuer_dn` another intermediate of the same root is refused: alert or page."""
        root = clients.partners().issuers[0]
        other = root.intermediate("Others").issue("x")
        for version in VERSIONS:
            gateway = Gateway(text("basic -", "pinned pinned s.example", "any partners a.example"))
            self.assertTrue(
                gateway.shake_hands(client_context(other, version=version), "a.example").connection.is_secure
            )
            admitted = gateway.shake_hands(client_context(clients.partner(), version=version), "s.example")
            self.assertTrue(admitted.connection.is_secure)
            client = gateway.shake_hands(client_context(other, version=version), "s.example")
            self.assertEqual(client.alerts, [(FATAL, 48)])
            [record] = gateway.log.records
            self.assertEqual(record["sslClientVerify"], "FAILED:unable to verify the client certificate issuer")

    def test_depth(self) -> None:
        """A chain of more authorities than max_client_chain_depth is refused."""
        below = configurations.clients_root().intermediate("One").intermediate("Two")
        for depth, admitted in ((3, True), (2, False)):
            gateway = Gateway(text("basic strict", gateway=f"max_client_chain_depth = {depth}\n"))
            client = gateway.shake_hands(client_context(below.issue("x")))
            self.assertEqual(client.connection.is_secure, admitted)

    def test_long_chain(self) -> None:
        """OpenSSL stops building where a chain is far too long, with an alert of its own."""
        below = configurations.clients_root().intermediate("One").intermediate("Two").intermediate("Three")
        gateway = Gateway(text("basic -", "s strict s.example", gateway="max_client_chain_depth = 1\n"))
        client = gateway.shake_hands(client_context(below.issue("x")), "s.example")
        self.assertEqual(client.alerts, [(FATAL, 48)])
        self.assertEqual(gateway.log.records[0]["sslClientVerify"], "FAILED:certificate chain too long")

    def test_key_not_proven(self) -> None:
        """A client with a trusted certificate whose handshake fails later is no trusted client, in the log either."""
        for version in VERSIONS:
            for name in ("s.example", "h.example", "p.example"):
                gateway = Gateway(
                    text("basic -", "s strict s.example", "h http400 h.example", "p passthrough p.example")
                )
                client = gateway.client(client_context(device(), version=version), name)
                client.give(client.hello())
                client.tls.bio_write(client.take())
                flight = client.hello()
                client.give(flight[:-1] + bytes([flight[-1] ^ 1]))
                [record] = gateway.log.records
                self.assertEqual(record["sslClientVerify"], "FAILED:the certificate was not verified")
                self.assertNotEqual(record["sslClientCertificateFingerprint"], "")


class NotesTests(SynchronousTestCase):
    """What the callbacks of a handshake note."""

    def test_no_site(self) -> None:
        """A connection that fails before its first ClientHello is whole belongs to no site, and was not judged."""
        gateway = Gateway(text("basic strict"))
        client = gateway.client()
        client.give(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
        self.assertEqual(client.take()[:5], b"\x15\x03\x01\x00\x02"[:1] + client.raw[1:5])
        [record] = gateway.log.records
        self.assertEqual(record["error_info"], "ERRORINFO_INVALID_REQUEST")

    def test_notes(self) -> None:
        """Where no site was chosen no certificate is accepted, and the verdict is a refusal."""
        notes = ClientCertificates(lambda: 0.0)
        self.assertEqual(notes.note(device().der, 0, 0, True), reasons.DEFECT)
        self.assertEqual((notes.verdict(), notes.verdict("bad record mac")), (UNJUDGED, UNJUDGED))

    def test_client(self) -> None:
        """A client has the names of version and suite and, after a Strict verdict, its certificate's authorities."""
        credential = configurations.clients_root().intermediate("Clients").issue("x")
        for version, name in ((TLS_1_2, "TLSv1.2"), (TLS_1_3, "TLSv1.3")):
            for listener in ("strict", "http400"):
                client = Gateway(text(f"basic {listener}")).shake_hands(client_context(credential, version=version))
                found = client.connection.receiver._session.client  # type: ignore[attr-defined]
                connection = found.connection
                self.assertEqual((connection.tls_version, connection.cipher), (name, client.tls.get_cipher_name()))
                self.assertEqual(found.identity.chain_der, credential.chain_der[1:])

    def test_authorities_are_kept_once(self) -> None:
        """The CAs of the profile's files are the same objects in all of its clients."""
        for listener in ("strict", "http400"):
            gateway = Gateway(text(f"basic {listener}"))
            clients = [gateway.shake_hands(client_context(device())) for _ in range(2)]
            first, second = (client.connection.receiver._session.client for client in clients)  # type: ignore[attr-defined]
            self.assertIs(first.proof.chain_der[-1], second.proof.chain_der[-1])

    def test_proof_is_made_once(self) -> None:
        """What the chain of a trusted client proves is one value for all of its connections."""
        for listener in ("strict", "http400"):
            gateway = Gateway(text(f"basic {listener}"))
            clients = [gateway.shake_hands(client_context(device())) for _ in range(2)]
            first, second = (client.connection.receiver._session.client for client in clients)  # type: ignore[attr-defined]
            self.assertIs(first.proof, second.proof)
            self.assertEqual(first.proof.verdict, Trusted())

    def test_evidence(self) -> None:
        """It is what OpenSSL reported until now, the leaf first, at any time."""
        notes = ClientCertificates(lambda: 0.0)
        chains = []
        for certificate, error, depth in ((b"root", 0, 2), (b"authority", 7, 1), (b"leaf", 9, 0)):
            notes.note(certificate, error, depth, not error)
            chains.append(notes.evidence().chain)
        self.assertEqual(chains, [(b"root",), (b"authority", b"root"), (b"leaf", b"authority", b"root")])
        self.assertEqual((notes.evidence().error, notes.evidence().error_depth), (7, 1))
        self.assertEqual(notes.issuers_der(), (b"authority", b"root"))

    def test_version_of_a_failure(self) -> None:
        """A handshake that failed has the version that both had agreed on, where they came so far."""
        for version, name in ((TLS_1_2, "TLSv1.2"), (TLS_1_3, "TLSv1.3")):
            for site, asked in (("basic strict", ""), ("named strict a.example", "b.example")):
                gateway = Gateway(text(site))
                gateway.shake_hands(client_context(version=version), asked)
                self.assertEqual(gateway.log.records[0]["sslProtocol"], name, asked)
        gateway = Gateway(text("basic strict"))
        old = gateway.client(client_context(version=TLS_1_2))
        old.give(old.hello().replace(b"\x03\x03", b"\x03\x01"))
        old.talk()
        self.assertEqual([each["sslProtocol"] for each in gateway.log.records], [""])


class ExcessTests(SynchronousTestCase):
    """Certificates that are made to cost the verifier."""

    def test_keys_of_strangers(self) -> None:
        """A key with a long exponent ends the handshake in every mode: OpenSSL would go on and use it."""
        for profile in ("strict", "http400", "passthrough"):
            notes = self.noted(profile)
            wanted = Refused(reasons.EXCESSIVE)
            said = notes.note(costly_key(), 20, 0, False)
            self.assertNotEqual(said, GO_ON, profile)
            self.assertEqual(notes.verdict("certificate verify failed"), wanted, profile)

    def test_long_names(self) -> None:
        """A name of more than 4096 octets is refused even of a trusted CA, and its text is never made."""
        root = configurations.clients_root()
        name = pki.tlv(0x30, *[pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03", pki.tlv(0x0C, b"a" * 60)))] * 70)
        gateway = Gateway(text("basic strict"))
        client = gateway.shake_hands(client_context(root.issue(name)))
        self.assertEqual(client.alerts, [(FATAL, 42)])
        [record] = gateway.log.records
        self.assertEqual(record["sslClientVerify"], f"FAILED:{reasons.EXCESSIVE}")
        self.assertRegex(str(record["sslClientCertificateSubjectName"]), r"^\(a name of \d+ octets\)$")

    def test_strangers_are_not_remembered(self) -> None:
        """The variables of a trusted client are remembered, those of others are read anew for each."""
        for profile, known in (("strict", True), ("passthrough", False)):
            gateway = Gateway(text(f"basic {profile}"))
            credential = device()
            found = [
                gateway.shake_hands(client_context(credential)).connection.receiver._session.client  # type: ignore[attr-defined]
                for _ in range(2)
            ]
            self.assertIs(found[0].certificate is found[1].certificate, known)

    def noted(self, profile: str) -> ClientCertificates:
        """The notes of a handshake with a site of this profile."""
        [port] = configurations.plan(text(f"basic {profile}"), clients.files()).http_ports.values()
        notes = ClientCertificates(pki.NOW.timestamp)
        notes.site_context = PortContexts.of(port.sites, max_depth=8).first
        return notes


class TrustedProofTests(SynchronousTestCase):
    """What a chain that is remembered proves."""

    def test_of_each_verdict(self) -> None:
        """One value for each verdict of a site: a chain that one site has verified is unchecked at another."""
        leaf, issuer = device().der, b"its issuer"
        period = Period(pki.NOW, pki.NOW, 5.0, (leaf, issuer))
        verdicts = (Trusted(), Unchecked(), Trusted(), Unchecked())
        proofs = [trusted_proof(period, verdict, certificate_variables) for verdict in verdicts]
        self.assertEqual(tuple(proof.verdict for proof in proofs), verdicts)
        self.assertEqual({proof.strict_verdict for proof in proofs}, {Trusted()})
        self.assertEqual({(proof.chain_der, proof.until) for proof in proofs}, {((issuer,), 5.0)})
        self.assertIs(proofs[0], proofs[2])
        self.assertIs(proofs[1], proofs[3])
