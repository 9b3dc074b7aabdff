"""SNI, verify modes, sessions, alerts and policies, as a TLS client sees them."""

from __future__ import annotations

import gc
import os
import weakref
from datetime import UTC, datetime, timedelta
from math import inf

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base import limits
from agwtwisted.core.tls.policies import TlsPolicy, custom, openssl_cipher_list, predefined
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import UNJUDGED, Absent, Missing, NotAsked, Refused, Trusted, Unchecked
from agwtwisted.http1.port import HttpPort
from agwtwisted.tls.contexts import AuthorityError, ClientCertificates, PortContexts, servername_callback
from agwtwisted.tls.openssl import GO_ON
from tests import clients, configurations, odd, pki
from tests.clients import FATAL, GET, TLS_1_2, TLS_1_3, VERSIONS, Client, Gateway, client_context, device, text
from tests.strategies import identifier, integer

CERTIFICATE_REQUIRED = {TLS_1_2: (FATAL, 40), TLS_1_3: (FATAL, 116)}
UNRECOGNIZED_NAME = bytes.fromhex("15 0303 0002 02 70")
"""A plaintext record: alert, fatal, 112."""

HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3)."""

REQUIRED = "require_server_name_indication = true"

NOBODYS = "s strict s.example", "o - o.example"
"""Two sites, and no basic listener: connections are born in the first."""


def get(host: str) -> bytes:
    """A request for this host."""
    return GET.replace(b"localhost", host.encode())


def with_keys(keys: str) -> str:
    """A Strict listener whose profile has more keys."""
    return text("basic strict").replace("[ssl_profile strict]", f"[ssl_profile strict]\n{keys}".rstrip())


def listener_of(client: Client) -> str:
    """Which listener a client that got through has reached."""
    return client.wire.receiver._session.listener  # type: ignore[attr-defined]


class NameTests(SynchronousTestCase):
    """The site of a connection is chosen by SNI, and its verify mode with it."""

    def refused(self, client: Client, version: int) -> None:
        """The client was turned away for want of a certificate."""
        self.assertEqual(client.alerts, [CERTIFICATE_REQUIRED[version]])
        self.assertFalse(client.wire._established)

    def test_moved_to_strict(self) -> None:
        """A connection born in an open context, or a passthrough one, asks for a certificate once SNI says Strict."""
        for born in ("-", "passthrough"):
            for version in VERSIONS:
                gateway = Gateway(text(f"basic {born}", "s strict s.example"))
                with self.subTest(born=born, version=version):
                    self.refused(gateway.shake_hands(client_context(version=version), "s.example"), version)
                    admitted = gateway.shake_hands(client_context(device(), version=version), "s.example")
                    self.assertEqual(admitted.wire.receiver._session.client.verdict, Trusted())  # type: ignore[attr-defined]

    def test_moved_to_open(self) -> None:
        """A connection born in a strict context asks for nothing once SNI says so."""
        for version in VERSIONS:
            gateway = Gateway(text("basic strict", "o - o.example"))
            client = gateway.shake_hands(client_context(device(), version=version), "o.example")
            self.assertEqual(client.wire.receiver._session.client.verdict, NotAsked())  # type: ignore[attr-defined]
            self.assertIsNone(client.wire.receiver._session.client.certificate)  # type: ignore[attr-defined]
            self.refused(gateway.shake_hands(client_context(version=version)), version)

    def test_spelling(self) -> None:
        """Letter case and a trailing dot change nothing, wildcards rank by length, and IDNA names are A-labels."""
        gateway = Gateway(
            text(
                "basic -",
                "exact strict strict.example",
                "short passthrough *.example",
                "long http400 *.long.example",
                "idna partners bücher.example",
            )
        )
        for name, listener in (
            ("STRICT.Example", "exact"),
            ("strict.example.", "exact"),
            ("open.example", "short"),
            ("a.b.LONG.example", "long"),
            ("xn--bcher-kva.example", "idna"),
            ("XN--BCHER-KVA.EXAMPLE.", "idna"),
            ("elsewhere.test", "basic"),
            ("", "basic"),
        ):
            with self.subTest(name=name):
                credential = clients.partner() if listener == "idna" else device()
                self.assertEqual(listener_of(gateway.shake_hands(client_context(credential), name)), listener)

    def test_strict_in_any_spelling(self) -> None:
        """No spelling of a strict name gets round its certificate."""
        gateway = Gateway(text("basic -", "s strict strict.example *.wild.example"))
        for name in ("STRICT.EXAMPLE", "strict.example.", "Strict.Example.", "a.WILD.example", "b.wild.example."):
            for version in VERSIONS:
                with self.subTest(name=name, version=version):
                    self.refused(gateway.shake_hands(client_context(version=version), name), version)

    def test_odd_names(self) -> None:
        """Bytes that are no host name select the basic listener, or nobody."""
        gateway, nobody = Gateway(text("basic -", "s strict *.s.example")), Gateway(text(*NOBODYS))
        for name in (b"\xff\xfe", b"a b", b"\r\nHost: x", b"*", b"." * 100):
            context = client_context()
            client, other = gateway.client(context), nobody.client(context)
            for each in (client, other):
                each.tls.set_tlsext_host_name(name)
                each.talk()
            self.assertEqual(listener_of(client), "basic")
            self.assertTrue(other.raw.endswith(UNRECOGNIZED_NAME))
            self.assertEqual(nobody.forwarded, 0)

    def test_unknown_name(self) -> None:
        """Without a basic listener an unknown name, or none where all require one, gets the alert unrecognized_name."""
        for name, listeners in (("nobody.example", NOBODYS), ("", [f"{each}; {REQUIRED}" for each in NOBODYS])):
            for version in VERSIONS:
                gateway = Gateway(text(*listeners))
                with self.subTest(name=name, version=version):
                    client = gateway.shake_hands(client_context(device(), version=version), name)
                    self.assertEqual(client.raw, UNRECOGNIZED_NAME)
                    self.assertEqual(client.alerts, [(FATAL, 112)])
                    self.assertEqual(client.transport.ended, "half")
                    [record] = gateway.log.records
                    self.assertEqual(record["handshakeError"], "no site for the server name")
                    self.assertEqual(record["serverName"], name)
                    self.assertEqual(record["sslClientVerify"], "NONE")
                    self.assertEqual(record["error_info"], "ERRORINFO_INVALID_REQUEST")

    def test_no_name(self) -> None:
        """Without a basic listener the first that requires no name answers a client that sends none, or an address."""
        required = f"r - r.example; {REQUIRED}"
        for listeners, expected in ((("star - *",), "star"), ((required, "s strict s.example", "o - o.example"), "s")):
            gateway = Gateway(text(*listeners))
            for name in (b"", b"127.0.0.1", b"::1", b"[::1]"):
                for version in VERSIONS:
                    with self.subTest(name=name, version=version, expected=expected):
                        client = gateway.client(client_context(device(), version=version))
                        if name:
                            client.tls.set_tlsext_host_name(name)
                        client.talk()
                        self.assertEqual(listener_of(client), expected)

    def test_no_name_and_no_certificate(self) -> None:
        """Who names no host has to show what the first listener's profile asks for."""
        for version in VERSIONS:
            self.refused(Gateway(text(*NOBODYS)).shake_hands(client_context(version=version)), version)

    def test_no_name_and_another_profile(self) -> None:
        """Who was judged by the first listener, for want of a name, has no way into one of another profile."""
        gateway = Gateway(text("o - o.example", "s strict s.example"))
        for host, answer in (("s.example", b"HTTP/1.1 421 "), ("o.example", b"")):
            client = gateway.shake_hands(client_context(device()))
            client.say(get(host))
            self.assertEqual((client.received[:13], gateway.forwarded), (answer, int(not answer)))

    def test_a_selection_that_raises(self) -> None:
        """What goes wrong in the choice of a site ends the connection: the site it was born in does not serve it."""
        for version in VERSIONS:
            gateway = Gateway(text("basic -", "s strict s.example"))
            assert gateway.contexts
            del gateway.contexts.by_site[gateway.contexts.sites.exact["s.example"]]
            self.patch(SSL.sys, "excepthook", lambda *_: None)  # type: ignore[attr-defined]
            client = gateway.shake_hands(client_context(version=version), "s.example")
            self.assertFalse(client.wire._established)
            self.assertEqual(client.alerts[0][0], FATAL)
            self.assertEqual(client.transport.ended, "half")
            self.assertEqual(len(gateway.limits.handshakes), 0)

    def test_a_judgement_that_raises(self) -> None:
        """What goes wrong in the judgement of a certificate is logged, and a refusal, wherever connections are born."""
        for born in ("basic strict", "basic -"):
            for version in VERSIONS:
                gateway = Gateway(text(born, "s strict s.example"))
                assert gateway.contexts
                for site, chosen in gateway.contexts.by_site.items():
                    gateway.contexts.by_site[site] = attrs.evolve(chosen, anchors=chosen.anchors and object())
                client = gateway.shake_hands(client_context(device(), version=version), "s.example")
                with self.subTest(born=born, version=version):
                    self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
                    self.assertFalse(client.wire._established)
                    self.assertEqual(client.alerts, [(FATAL, 80)])
                    self.assertEqual(
                        gateway.log.records[0]["sslClientVerify"], "FAILED:the certificate was not verified"
                    )
                    self.assertEqual(len(gateway.limits.handshakes), 0)


class HelloRetryTests(SynchronousTestCase):
    """After a HelloRetryRequest the client says hello once more, and only then is it said whom it wants."""

    def twice(self, gateway: Gateway, first: str, second: str | None) -> Client:
        """A client without certificate that names one site and then another, or none."""
        client = gateway.client(client_context(version=TLS_1_3, groups=b"P-521:X25519"), first)
        client.give(client.hello())
        asked_again = client.take()
        self.assertEqual(asked_again[11:43], HELLO_RETRY)
        if second is None:
            SSL._lib.SSL_set_tlsext_host_name(client.tls._ssl, SSL._ffi.NULL)  # type: ignore[attr-defined]
        else:
            client.tls.set_tlsext_host_name(second.encode())
        client.tls.bio_write(asked_again)
        client.talk()
        return client

    def test_to_strict(self) -> None:
        """A client that named an open site first, and a strict one or none then, is asked for its certificate."""
        for basic in ("strict", "partners"):
            gateway = Gateway(text(f"basic {basic}", "o - o.example", "p passthrough p.example", "s strict s.example"))
            for first in ("o.example", "p.example"):
                for second in ("s.example", None, "unknown.example"):
                    with self.subTest(first=first, second=second):
                        client = self.twice(gateway, first, second)
                        self.assertEqual(client.alerts, [(FATAL, 116)])
                        self.assertFalse(client.wire._established)

    def test_to_open(self) -> None:
        """One that named the strict site first is judged by the open one it named then."""
        gateway = Gateway(text("basic strict", "o - o.example"))
        client = self.twice(gateway, "basic.example", "o.example")
        self.assertEqual(listener_of(client), "o")
        client.say(get("basic.example"))
        self.assertTrue(client.received.startswith(b"HTTP/1.1 421 "))
        self.assertEqual(gateway.forwarded, 0)

    def test_required_name(self) -> None:
        """A site that requires SNI is not reached by its Host alone, though the profile is the same."""
        for required, status in (("", b""), (f"; {REQUIRED}", b"HTTP/1.1 421 ")):
            gateway = Gateway(text("basic -", "o - o.example" + required))
            for name, expected in (("", status), ("o.example", b"")):
                client = gateway.shake_hands(name=name)
                client.say(get("o.example"))
                self.assertEqual(client.received[:13], expected, (required, name))

    def test_to_nobody(self) -> None:
        """A name that is changed to an unknown one, or dropped where all require one, ends the connection."""
        for second, extra in ((None, f"; {REQUIRED}"), ("nobody.example", "")):
            gateway = Gateway(text(*(each + extra for each in NOBODYS)))
            client = self.twice(gateway, "o.example", second)
            self.assertTrue(client.raw.endswith(UNRECOGNIZED_NAME))
            self.assertEqual(gateway.log.records[0]["listenerName"], "s")  # the port's first, for want of any
            self.assertFalse(client.wire._established)

    def test_to_none(self) -> None:
        """A name that is dropped leaves the client to the first listener, and to its profile."""
        gateway = Gateway(text(*NOBODYS))
        client = self.twice(gateway, "o.example", None)
        self.assertEqual(client.alerts, [(FATAL, 116)])
        self.assertFalse(client.wire._established)

    def test_the_same_again(self) -> None:
        """One that does not change its mind is served."""
        gateway = Gateway(text("basic strict", "o - o.example"))
        self.assertEqual(listener_of(self.twice(gateway, "o.example", "o.example")), "o")


class ResumptionTests(SynchronousTestCase):
    """A session of an open site opens no strict one."""

    def resumed(self, gateway: Gateway, context: SSL.Context, first: str, second: str) -> tuple[bool, Client]:
        """A client that takes its session from one site to another; whether the server took it."""
        before = gateway.shake_hands(context, first)
        before.say(get(first))
        if gateway.reactor.tcpClients:  # one that has no answer yet keeps its connection, and ends it without farewell
            gateway.answering()(b"HTTP/1.1 204 No Content\r\n\r\n")
            before.talk()
        session = before.tls.get_session()
        before.leave()
        client = gateway.client(context, second)
        if session is not None:
            client.tls.set_session(session)
        client.talk()
        return bool(SSL._lib.SSL_session_reused(client.tls._ssl)), client  # type: ignore[attr-defined]

    def contexts(self, credential: pki.Credential | None = None) -> list[SSL.Context]:
        """Clients that resume by tickets and by session ids, in both versions."""
        found = []
        for version in VERSIONS:
            for options in (0, SSL.OP_NO_TICKET):
                context = client_context(credential, version=version)
                context.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)
                context.set_options(options)
                found.append(context)
        return found

    def test_open_to_strict(self) -> None:
        """A session of an open or passthrough site is worth nothing at a strict one, wherever connections are born."""
        for open_one in ("-", "passthrough"):
            for listeners in (
                (f"open {open_one} open.example", "strict strict strict.example"),
                ("strict strict", f"open {open_one} open.example"),
                (f"open {open_one}", "strict strict strict.example"),
            ):
                for context in self.contexts():
                    with self.subTest(listeners=listeners):
                        gateway = Gateway(text(*listeners))
                        reused, client = self.resumed(gateway, context, "open.example", "strict.example")
                        self.assertFalse(reused)
                        self.assertIn(client.alerts, [[alert] for alert in CERTIFICATE_REQUIRED.values()])
                        self.assertFalse(client.wire._established)

    def test_strict_to_another_strict(self) -> None:
        """A session made with a certificate of one authority is worth nothing where another is trusted."""
        for context in self.contexts(device()):
            gateway = Gateway(text("s strict s.example", "p partners p.example"))
            reused, client = self.resumed(gateway, context, "s.example", "p.example")
            self.assertFalse(reused)
            self.assertEqual(client.alerts, [(FATAL, 48)])

    def test_falls_back(self) -> None:
        """A client that brings a session nobody takes shakes hands in full, and is served."""
        for context in self.contexts(device()):
            gateway = Gateway(text("basic strict", "s strict s.example"))
            reused, client = self.resumed(gateway, context, "basic.example", "s.example")
            self.assertFalse(reused)
            self.assertEqual(client.wire.receiver._session.client.verdict, Trusted())  # type: ignore[attr-defined]

    def test_open_alone(self) -> None:
        """Where no site of a port asks for certificates sessions are resumed, without early data."""
        for context in self.contexts():
            gateway = Gateway(text("basic -", "o - o.example"))
            reused, client = self.resumed(gateway, context, "o.example", "o.example")
            self.assertTrue(reused)
            self.assertEqual(listener_of(client), "o")
            session = client.tls.get_session()
            assert session is not None
            self.assertEqual(SSL._lib.SSL_SESSION_get_max_early_data(session._session), 0)  # type: ignore[attr-defined]

    def test_options(self) -> None:
        """No context renegotiates or compresses, and where a site asks none makes tickets or keeps sessions."""
        for listeners, asks in ((("basic -", "o - o.example"), False), (("basic -", "s strict s.example"), True)):
            contexts = Gateway(text(*listeners)).contexts
            assert contexts
            for each in contexts.by_site.values():
                options = SSL._lib.SSL_CTX_get_options(each.context._context)  # type: ignore[attr-defined]
                self.assertTrue(options & SSL.OP_NO_RENEGOTIATION)
                self.assertTrue(options & SSL.OP_NO_COMPRESSION)
                mode = SSL._lib.SSL_CTX_clear_mode(each.context._context, 0)  # type: ignore[attr-defined]
                self.assertTrue(mode & SSL.MODE_RELEASE_BUFFERS)
                self.assertEqual(bool(options & SSL.OP_NO_TICKET), asks)
                self.assertEqual(each.context.get_session_cache_mode() == SSL.SESS_CACHE_OFF, asks)

    def test_renegotiation(self) -> None:
        """A client that starts another handshake in TLS 1.2 is told no, and stays who it was."""
        gateway = Gateway(text("basic strict"))
        client = gateway.shake_hands(client_context(device(), version=TLS_1_2))
        server = client.wire._tls
        client.tls.renegotiate()
        client.established = False
        client.talk()
        self.assertIn((1, 100), client.alerts)  # no_renegotiation
        self.assertEqual(server.total_renegotiations(), 0)


class ProtocolTests(SynchronousTestCase):
    """ALPN: HTTP/1.1 or nothing."""

    def test_chosen(self) -> None:
        """HTTP/1.1 is chosen wherever it is offered, else HTTP/1.0, and nothing where nothing is offered."""
        both = [b"h2", b"http/1.0", b"http/1.1"]
        for offered, chosen in ((both, b"http/1.1"), ([b"http/1.0"], b"http/1.0"), ([], b"")):
            for version in VERSIONS:
                gateway = Gateway(text("basic -", "o - o.example"))
                for name in ("", "o.example"):
                    client = gateway.shake_hands(client_context(version=version, protocols=offered), name)
                    self.assertEqual(client.tls.get_alpn_proto_negotiated(), chosen)
                    client.say(get(name or "localhost"))
                    self.assertEqual(gateway.forwarded, 1)
                    gateway.reactor.tcpClients.clear()

    def test_no_overlap(self) -> None:
        """A client that offers other protocols gets the alert no_application_protocol."""
        for version in VERSIONS:
            gateway = Gateway(text("basic strict", "o - o.example"))
            for name in ("", "o.example"):
                client = gateway.shake_hands(client_context(version=version, protocols=[b"h2", b"spdy/3"]), name)
                self.assertEqual(client.alerts, [(FATAL, 120)])
                self.assertEqual(len(gateway.limits.handshakes), 0)
                self.assertEqual(gateway.log.records[-1]["handshakeError"], "no application protocol")


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


class RefusalTests(SynchronousTestCase):
    """What a client is told, by each kind of profile."""

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
        """A passthrough listener forwards everybody, with the certificate that cryptography cannot read, too."""
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
        """A passthrough listener that trusts somebody forwards as ever, and knows what a Strict one would have said."""
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
                    proof = client.wire.receiver._session.client.proof  # type: ignore[attr-defined]
                    self.assertEqual((proof.verdict, proof.strict_verdict), (verdict, required))
                    self.assertEqual(proof.until < inf, required == Trusted())
                    self.assertEqual(client.tls.get_client_ca_list(), [])

    def test_required_where_nobody_is_trusted(self) -> None:
        """What a Strict profile would say where there is nothing to judge by is a refusal."""
        for credential in (device(), None):
            client = Gateway(text("basic passthrough")).shake_hands(client_context(credential))
            proof = client.wire.receiver._session.client.proof  # type: ignore[attr-defined]
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
                    self.assertEqual(client.wire._established, admitted, (sites, name))

    def test_weak_ones_may_be_allowed_where_tls_1_2_is_not(self) -> None:
        """A policy without suites of TLS 1.2 has a list of them all the same, to carry the security level."""
        only_tls_1_3 = "allow_weak = true\npolicy_type = CustomV2\nmin_protocol_version = TLSv1_3\n"
        gateway = Gateway(text("basic weak").replace("allow_weak = true\n", only_tls_1_3))
        credential = configurations.clients_root().issue("x", key=pki.rsa_key(1024))
        self.assertTrue(gateway.shake_hands(client_context(credential)).wire._established)
        self.assertFalse(gateway.shake_hands(client_context(credential, version=TLS_1_2)).wire._established)

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
            self.assertTrue(gateway.shake_hands(client_context(other, version=version), "a.example").wire._established)
            admitted = gateway.shake_hands(client_context(clients.partner(), version=version), "s.example")
            self.assertTrue(admitted.wire._established)
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
            self.assertEqual(client.wire._established, admitted)

    def test_long_chain(self) -> None:
        """OpenSSL stops building where a chain is far too long, with an alert of its own."""
        below = configurations.clients_root().intermediate("One").intermediate("Two").intermediate("Three")
        gateway = Gateway(text("basic -", "s strict s.example", gateway="max_client_chain_depth = 1\n"))
        client = gateway.shake_hands(client_context(below.issue("x")), "s.example")
        self.assertEqual(client.alerts, [(FATAL, 48)])
        self.assertEqual(gateway.log.records[0]["sslClientVerify"], "FAILED:certificate chain too long")

    def test_key_not_proven(self) -> None:
        """Whoever shows a trusted certificate and fails after that is no trusted client, in the log either."""
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


class TrustTests(SynchronousTestCase):
    """What a client is told of the authorities, and who they are."""

    def test_own_chain(self) -> None:
        """The server's certificate comes with its intermediates, whichever site is selected."""
        gateway = Gateway(text("basic -", "o - o.example"))
        for name in ("", "o.example"):
            chain = gateway.shake_hands(name=name).tls.get_peer_cert_chain(as_cryptography=True)
            self.assertEqual([entry.subject.rfc4514_string() for entry in chain or ()], ["CN=localhost", "CN=Servers"])

    def test_acceptable_authorities(self) -> None:
        """The request names roots and intermediates of the site's profile; a passthrough listener's names nobody."""
        files = ("Partners", "Partners Root")
        for version in VERSIONS:
            gateway = Gateway(text("basic -", "s strict s.example", "p partners p.example", "t passthrough t.example"))
            for name, expected in (("s.example", {"Clients Root"}), ("p.example", set(files)), ("t.example", set())):
                client = gateway.shake_hands(client_context(device(), version=version), name)
                told = {entry.commonName for entry in client.tls.get_client_ca_list()}
                self.assertEqual(told, expected)

    def test_as_many_names_as_may_be(self) -> None:
        """The most that a configuration may have fit into the handshake of either version; each goes out once."""
        names = configurations.names_of_size(limits.CA_NAMES_BYTES.highest)
        names += names[:1]
        key = pki.ec_key()
        roots = [pki.Authority.root(name, key=key) for name in names]
        wanted = ", ".join(f"c{number}" for number in range(len(roots)))
        sections = "".join(
            f"\n[trusted_client_certificate c{number}]\nfile = pki/c{number}.pem\n" for number in range(len(roots))
        )
        source = clients.files(**{f"c{number}_pem": root.pem for number, root in enumerate(roots)})
        written = text("basic strict") + sections
        told = f"trusted_client_certificates = {wanted}"
        silent = f"advertise_ca_names = false\n{told}"
        for keys, count in ((told, len(names) - 1), (silent, 0)):
            gateway = Gateway(written.replace("trusted_client_certificates = devices", keys, 1), source)
            for version in VERSIONS:
                client = gateway.shake_hands(client_context(roots[-1].issue(), version=version))
                self.assertEqual(client.alerts, [])
                self.assertTrue(client.wire._established)
                self.assertEqual(len(client.tls.get_client_ca_list()), count)

    def test_only_the_profiles_files(self) -> None:
        """Neither SSL_CERT_FILE and SSL_CERT_DIR nor the system's roots make a client trusted."""
        directory = self.mktemp()
        os.mkdir(directory)
        path = pki.write(directory, "roots.pem", clients.stranger().issuers[0])
        for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            self.patch(os, "environ", {**os.environ, variable: path})
            os.putenv(variable, path)
            self.addCleanup(os.unsetenv, variable)
        for version in VERSIONS:
            client = Gateway(text("basic strict")).shake_hands(client_context(clients.stranger(), version=version))
            self.assertEqual(client.alerts, [(FATAL, 48)])

    def test_what_the_client_sends_is_no_anchor(self) -> None:
        """A root that the client sends along makes it no more trusted."""
        for version in VERSIONS:
            sent = [clients.stranger().issuers[0]]
            context = client_context(clients.stranger(), version=version, sent=sent)
            self.assertEqual(Gateway(text("basic strict")).shake_hands(context).alerts, [(FATAL, 48)])


SUITES_1_2 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_GCM_SHA256"


class PolicyTests(SynchronousTestCase):
    """Which versions and suites a client gets."""

    def gateway(self, keys: str, *listeners: str) -> Gateway:
        """One whose policy is of these keys; it has an RSA certificate, which takes part in more suites."""
        source = clients.files(site_pem=_rsa_site().chain_pem, site_key=_rsa_site().key_pem)
        configuration = text("basic policy", *listeners) + f"\n[ssl_profile policy]\n{keys}\n"
        base = "ssl_policy = AppGwSslPolicy20170401S\n" if "Custom\n" in keys or "2017" in keys else ""
        configuration = configuration.replace("access_log = -\n", "access_log = -\n" + base)
        return Gateway(configuration, source)

    def offered(self, gateway: Gateway, version: int, ciphers: bytes = b"") -> str:
        """The suite that a client of this version gets; empty when there is none."""
        client = gateway.shake_hands(client_context(version=version, ciphers=ciphers))
        return client.tls.get_cipher_name() or "" if client.established else ""

    def test_policies(self) -> None:
        """Each living policy speaks its versions, prefers its first suite, and takes every suite of its own alone."""
        custom_v2 = "policy_type = CustomV2\nmin_protocol_version = TLSv1_2\ncipher_suites = {}"
        cases: list[tuple[str, TlsPolicy | str]] = [
            (f"ssl_policy = {name}", predefined(name))
            for name in ("AppGwSslPolicy20170401S", "AppGwSslPolicy20220101", "AppGwSslPolicy20220101S")
        ]
        suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384"
        listed = ", ".join(suites)
        cases += [
            (custom_v2.format(listed), custom("CustomV2", "TLSv1_2", suites)),
            (custom_v2.format(listed).replace("CustomV2", "Custom"), custom("Custom", "TLSv1_2", suites)),
            (
                "policy_type = CustomV2\nmin_protocol_version = TLSv1_3\ncipher_suites = TLS_AES_128_GCM_SHA256",
                custom("CustomV2", "TLSv1_3", ("TLS_AES_128_GCM_SHA256",)),
            ),
        ]
        for keys, policy in cases:
            assert isinstance(policy, TlsPolicy), policy
            with self.subTest(keys):
                self._check(self.gateway(keys), policy)

    def _check(self, gateway: Gateway, policy: TlsPolicy) -> None:
        expected_1_3 = "TLS_AES_128_GCM_SHA256" if policy.max_version == "TLSv1_3" else ""
        self.assertEqual(self.offered(gateway, TLS_1_3), expected_1_3)
        names = openssl_cipher_list(policy).decode().split(":") if policy.tls12_cipher_suites else []
        usable = [name for name in names if "ECDSA" not in name]
        backwards = ":".join(reversed(usable)) + ":@SECLEVEL=0"
        if usable:
            self.assertEqual(self.offered(gateway, TLS_1_2, backwards.encode()), usable[0])
        for suite in _SUITES:
            taken = self.offered(gateway, TLS_1_2, f"{suite}:@SECLEVEL=0".encode())
            self.assertEqual(taken, suite if suite in usable else "")
        for version in (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION):
            self.assertEqual(self.offered(gateway, version), "")

    def test_an_old_client_is_told(self) -> None:
        """A client of an older version gets the alert protocol_version, which is no matter of its certificate."""
        gateway = Gateway(text("basic strict"))
        client = gateway.shake_hands(client_context(version=SSL.TLS1_1_VERSION))
        self.assertEqual(client.alerts, [(FATAL, 70)])
        [record] = gateway.log.records
        self.assertEqual(record["error_info"], "ERRORINFO_INVALID_REQUEST")
        self.assertEqual(record["sslClientVerify"], "NONE")

    def test_no_common_suite(self) -> None:
        """A client with no suite in common gets the alert handshake_failure, which is no matter of its certificate."""
        gateway = Gateway(text("basic strict", "s strict s.example"))
        for name in ("", "s.example"):
            context = client_context(version=TLS_1_2, ciphers=b"AES128-SHA:@SECLEVEL=0")
            self.assertEqual(gateway.shake_hands(context, name).alerts, [(FATAL, 40)])
            self.assertEqual(gateway.log.records[-1]["error_info"], "ERRORINFO_INVALID_REQUEST")


_SUITES = (
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES256-GCM-SHA384",
)
_KEPT: list[pki.Credential] = []


def _rsa_site() -> pki.Credential:
    """A server's certificate with an RSA key, one for the whole run."""
    if not _KEPT:
        usage = pki.key_usage("digital_signature", "key_encipherment")
        _KEPT.append(pki.Authority.root("Servers").issue_server("localhost", key=pki.rsa_key(), usage=usage))
    return _KEPT[0]


class GroupTests(SynchronousTestCase):
    """The groups for key exchange."""

    def agreed(self, gateway: Gateway, groups: bytes, credential: pki.Credential | None = None) -> str | None:
        """The group that a client of TLS 1.2 with these groups has agreed on, None where the handshake failed."""
        client = gateway.shake_hands(client_context(credential or device(), version=TLS_1_2, groups=groups))
        return client.tls.get_group_name() if client.wire._established else None

    def test_default(self) -> None:
        """OpenSSL's own are preferred, whatever the client does; brainpool curves are for those who have no others."""
        source = clients.files(site_pem=_rsa_site().chain_pem, site_key=_rsa_site().key_pem)
        gateway = Gateway(text("basic passthrough"), source)
        self.assertEqual(self.agreed(gateway, b"brainpoolP256r1:secp256r1:x25519"), "x25519")
        meter = device().issuers[0].issue("meter", key=pki.ec_key(ec.BrainpoolP256R1()))
        self.assertEqual(self.agreed(gateway, b"brainpoolP256r1", meter), "brainpoolP256r1")

    def test_client_certificate(self) -> None:
        """Certificates on brainpool curves are taken over TLS 1.2, by default and where the curve is named."""
        for curve, keys in ((ec.BrainpoolP256R1(), ""), (ec.BrainpoolP384R1(), "tls_groups = P-256, brainpoolP384r1")):
            credential = device().issuers[0].issue("meter", key=pki.ec_key(curve))
            gateway = Gateway(with_keys(keys))
            self.assertIsNotNone(self.agreed(gateway, b"brainpoolP256r1:brainpoolP384r1:secp256r1", credential))

    def test_chosen(self) -> None:
        """A profile's groups are the only ones, in its order."""
        gateway = Gateway(with_keys("tls_groups = secp384r1, x25519, P-256"))
        self.assertEqual(self.agreed(gateway, b"x25519:secp384r1:secp256r1"), "secp384r1")
        self.assertIsNone(self.agreed(gateway, b"secp521r1"))
        brainpool = device().issuers[0].issue("meter", key=pki.ec_key(ec.BrainpoolP256R1()))
        self.assertIsNone(self.agreed(gateway, b"brainpoolP256r1:secp256r1", brainpool))

    def test_of_the_future(self) -> None:
        """Hybrid groups of ML-KEM are agreed on over TLS 1.3 where both have them."""
        gateway = Gateway(with_keys("tls_groups = SecP256r1MLKEM768"))
        client = gateway.shake_hands(client_context(device(), version=TLS_1_3, groups=b"SecP256r1MLKEM768:x25519"))
        self.assertTrue(client.wire._established)
        self.assertFalse(gateway.shake_hands(client_context(device(), groups=b"x25519")).wire._established)


class BirthTests(SynchronousTestCase):
    """Before a ClientHello has chosen a site there is none."""

    def test_freed(self) -> None:
        """The contexts of a port, with their keys, go with the last reference to them: nothing in them leads back."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for listeners in (("basic strict",), ("basic passthrough", "open - open.example")):
            [port] = configurations.plan(text(*listeners), clients.files()).http_ports.values()
            contexts = PortContexts.of(port.sites, max_depth=8)
            connection = contexts.connection(ClientCertificates(pki.NOW.timestamp))
            references = [weakref.ref(each.context) for each in contexts.by_site.values()]
            del contexts
            self.assertEqual(references[0]() is None, False)  # the connection goes on with its port's contexts
            del connection
            self.assertEqual([reference() for reference in references], [None] * len(listeners))

    def test_no_port(self) -> None:
        """A connection of no port's making gets no further than its ClientHello."""
        [port] = configurations.plan(text("basic -"), clients.files()).http_ports.values()
        context = PortContexts.of(port.sites, max_depth=8).first.context
        connection = SSL.Connection(context, None)
        connection.set_app_data(ClientCertificates(pki.NOW.timestamp))
        self.assertRaises(AssertionError, servername_callback, connection)

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
                found = client.wire.receiver._session.client  # type: ignore[attr-defined]
                connection = found.connection
                self.assertEqual((connection.tls_version, connection.cipher), (name, client.tls.get_cipher_name()))
                self.assertEqual(found.identity.chain_der, credential.chain_der[1:])

    def test_authorities_are_kept_once(self) -> None:
        """The CAs of the profile's files are the same objects in all of its clients."""
        for listener in ("strict", "http400"):
            gateway = Gateway(text(f"basic {listener}"))
            clients = [gateway.shake_hands(client_context(device())) for _ in range(2)]
            first, second = (client.wire.receiver._session.client for client in clients)  # type: ignore[attr-defined]
            self.assertIs(first.proof.chain_der[-1], second.proof.chain_der[-1])

    def test_evidence(self) -> None:
        """It is what was told until now, the leaf first, whenever somebody asks."""
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

    def test_basic_listener_first(self) -> None:
        """Contexts are made once for each site, and connections are born in the basic listener's."""
        gateway = Gateway(text("o - o.example", "basic strict"))
        contexts = gateway.contexts
        assert isinstance(contexts, PortContexts)
        self.assertEqual(contexts.first.site.listener.name, "basic")
        self.assertEqual(len(contexts.by_site), 2)
        self.assertIsInstance(gateway.port, HttpPort)


class AuthorityTests(SynchronousTestCase):
    """Trusted CAs."""

    def test_unreadable(self) -> None:
        """A CA that OpenSSL does not read stops the start with its section: a VisibleString is no part of a name."""
        name = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03", pki.tlv(0x1A, b"CA"))))
        source = clients.files(**{"clients-ca_pem": pki.Authority.root(name).pem})
        error = self.assertRaises(AuthorityError, Gateway, text("basic strict"), source)
        self.assertRegex(error.section, "^trusted_client_certificate ")
        self.assertIn("OpenSSL cannot read", error.reason)


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
        """A name of more than 4096 octets is refused even of a trusted CA, and its text is made for nobody."""
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
                gateway.shake_hands(client_context(credential)).wire.receiver._session.client  # type: ignore[attr-defined]
                for _ in range(2)
            ]
            self.assertIs(found[0].certificate is found[1].certificate, known)

    def noted(self, profile: str) -> ClientCertificates:
        """The notes of a handshake with a site of this profile."""
        [port] = configurations.plan(text(f"basic {profile}"), clients.files()).http_ports.values()
        notes = ClientCertificates(pki.NOW.timestamp)
        notes.site_context = PortContexts.of(port.sites, max_depth=8).first
        return notes


def costly_key() -> bytes:
    """A certificate whose RSA key has an exponent of 65 bits."""
    numbers = odd.sequence(integer(1 << 2047), integer(1 << 64))
    algorithm = odd.sequence(identifier("1.2.840.113549.1.1.1"), odd.NULL)
    return odd.odd_certificate(public_key=odd.sequence(algorithm, pki.tlv(0x03, b"\0" + numbers)))
