"""SNI, verify modes and sessions, as a TLS client sees them."""

from __future__ import annotations

import gc
import weakref

import attrs
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification.verdicts import NotAsked, Trusted
from agwtwisted.http.port import HttpPort
from agwtwisted.tls.client_certificates import ClientCertificates
from agwtwisted.tls.port_contexts import PortContexts, servername_callback
from agwtwisted.tls.sessions import Keys
from tests import clients, configurations, pki
from tests.clients import FATAL, GET, TLS_1_2, TLS_1_3, VERSIONS, Client, Gateway, client_context, device, text

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


def listener_of(client: Client) -> str:
    """Which listener a client that got through has reached."""
    return client.connection.receiver._session.listener  # type: ignore[attr-defined]


class NameTests(SynchronousTestCase):
    """The site of a connection is chosen by SNI, and its verify mode with it."""

    def refused(self, client: Client, version: int) -> None:
        """The client was turned away for want of a certificate."""
        self.assertEqual(client.alerts, [CERTIFICATE_REQUIRED[version]])
        self.assertFalse(client.connection.is_secure)

    def test_moved_to_strict(self) -> None:
        """A connection born in an open context, or a passthrough one, asks for a certificate once SNI says Strict."""
        for born in ("-", "passthrough"):
            for version in VERSIONS:
                gateway = Gateway(text(f"basic {born}", "s strict s.example"))
                with self.subTest(born=born, version=version):
                    self.refused(gateway.shake_hands(client_context(version=version), "s.example"), version)
                    admitted = gateway.shake_hands(client_context(device(), version=version), "s.example")
                    self.assertEqual(admitted.connection.receiver._session.client.verdict, Trusted())  # type: ignore[attr-defined]

    def test_moved_to_open(self) -> None:
        """A connection born in a strict context asks for nothing once SNI says so."""
        for version in VERSIONS:
            gateway = Gateway(text("basic strict", "o - o.example"))
            client = gateway.shake_hands(client_context(device(), version=version), "o.example")
            self.assertEqual(client.connection.receiver._session.client.verdict, NotAsked())  # type: ignore[attr-defined]
            self.assertIsNone(client.connection.receiver._session.client.certificate)  # type: ignore[attr-defined]
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
        """Bytes that are no host name select the basic listener, or none."""
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
            self.assertFalse(client.connection.is_secure)
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
                    gateway.contexts.by_site[site] = attrs.evolve(
                        chosen, rules=attrs.evolve(chosen.rules, anchors=chosen.rules.anchors and object())
                    )
                client = gateway.shake_hands(client_context(device(), version=version), "s.example")
                with self.subTest(born=born, version=version):
                    self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
                    self.assertFalse(client.connection.is_secure)
                    self.assertEqual(client.alerts, [(FATAL, 80)])
                    self.assertEqual(
                        gateway.log.records[0]["sslClientVerify"], "FAILED:the certificate was not verified"
                    )
                    self.assertEqual(len(gateway.limits.handshakes), 0)


class HelloRetryTests(SynchronousTestCase):
    """After a HelloRetryRequest the client says hello once more, and only then has it a server name."""

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
                        self.assertFalse(client.connection.is_secure)

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
            self.assertFalse(client.connection.is_secure)

    def test_to_none(self) -> None:
        """A name that is dropped leaves the client to the first listener, and to its profile."""
        gateway = Gateway(text(*NOBODYS))
        client = self.twice(gateway, "o.example", None)
        self.assertEqual(client.alerts, [(FATAL, 116)])
        self.assertFalse(client.connection.is_secure)

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
                        self.assertFalse(client.connection.is_secure)

    def test_strict_to_another_strict(self) -> None:
        """A session made with a certificate of one authority is worth nothing where another is trusted."""
        for context in self.contexts(device()):
            gateway = Gateway(text("s strict s.example", "p partners p.example"))
            reused, client = self.resumed(gateway, context, "s.example", "p.example")
            self.assertFalse(reused)
            self.assertEqual(client.alerts, [(FATAL, 48)])

    def test_falls_back(self) -> None:
        """A client with a session that is not resumed gets a full handshake, and is served."""
        for context in self.contexts(device()):
            gateway = Gateway(text("basic strict", "s http400 s.example"))
            reused, client = self.resumed(gateway, context, "basic.example", "s.example")
            self.assertFalse(reused)
            self.assertEqual(client.connection.receiver._session.client.verdict, Trusted())  # type: ignore[attr-defined]

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
        """No context renegotiates or compresses; none of a site makes tickets, and where profiles differ no other."""
        for listeners, resumes in (
            (("basic strict", "s strict s.example"), True),
            (("basic -", "s strict s.e"), False),
        ):
            contexts = Gateway(text(*listeners)).contexts
            assert contexts
            for each in contexts.by_site.values():
                self.assertTrue(self.options(each.context) & SSL.OP_NO_TICKET)
                self.assertEqual(each.context.get_session_cache_mode() == SSL.SESS_CACHE_OFF, not resumes)
            self.assertEqual(contexts.sessions is None, not resumes)
            for keys in Keys:
                if contexts.sessions is not None:
                    born = contexts.sessions.context(keys)
                    self.assertEqual(bool(self.options(born) & SSL.OP_NO_TICKET), keys is Keys.NONE)

    def options(self, context: SSL.Context) -> int:
        """The options of a context, after a look at those that all have."""
        options: int = SSL._lib.SSL_CTX_get_options(context._context)  # type: ignore[attr-defined]
        self.assertTrue(options & SSL.OP_NO_RENEGOTIATION)
        self.assertTrue(options & SSL.OP_NO_COMPRESSION)
        mode = SSL._lib.SSL_CTX_clear_mode(context._context, 0)  # type: ignore[attr-defined]
        self.assertTrue(mode & SSL.MODE_RELEASE_BUFFERS)
        return options

    def test_renegotiation(self) -> None:
        """A client that starts another handshake in TLS 1.2 gets a refusal, and keeps its identity."""
        gateway = Gateway(text("basic strict"))
        client = gateway.shake_hands(client_context(device(), version=TLS_1_2))
        server = client.server_side
        client.tls.renegotiate()
        client.established = False
        client.talk()
        self.assertIn((1, 100), client.alerts)  # no_renegotiation
        self.assertEqual(server.total_renegotiations(), 0)


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
            if contexts.sessions is not None:
                references += [weakref.ref(contexts.sessions.context(keys)) for keys in Keys]
            del contexts
            self.assertIsNotNone(references[0]())  # the connection goes on with its port's contexts
            del connection
            self.assertEqual({reference() for reference in references}, {None})

    def test_no_port(self) -> None:
        """A connection of no port's making gets no further than its ClientHello."""
        [port] = configurations.plan(text("basic -"), clients.files()).http_ports.values()
        context = PortContexts.of(port.sites, max_depth=8).first.context
        connection = SSL.Connection(context, None)
        connection.set_app_data(ClientCertificates(pki.NOW.timestamp))
        self.assertRaises(AssertionError, servername_callback, connection)

    def test_basic_listener_first(self) -> None:
        """Contexts are made once for each site, and connections are born in the basic listener's."""
        gateway = Gateway(text("o - o.example", "basic strict"))
        contexts = gateway.contexts
        assert isinstance(contexts, PortContexts)
        self.assertEqual(contexts.first.site.listener.name, "basic")
        self.assertEqual(len(contexts.by_site), 2)
        self.assertIsInstance(gateway.port, HttpPort)

    def test_another_first(self) -> None:
        """A reload may make a site the first whose context is in use already: its clients go on, and new ones come."""
        two, others = ("v strict v.example", "t passthrough t.example"), ("u strict u.example",)
        for before, after in (((*others, *two), two), (two, (*others, *two))):
            gateway = Gateway(text(*before))
            for name in ("v.example", "u.example"):
                gateway.shake_hands(client_context(device()), name)
            following = gateway.reloaded(text(*after))
            for name in ("v.example", "t.example"):
                client = following.shake_hands(client_context(device()), name)
                client.say(get(name))
                self.assertEqual(client.server_side.get_servername(), name.encode())
            self.assertEqual(gateway.forwarded, 2)
            self.assertEqual(len(following.shake_hands(client_context(), "v.example").alerts), 1)
