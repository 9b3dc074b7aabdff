"""Clients that resume sessions, in TLS 1.2 and 1.3, by tickets and by ids: none gets round a judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import ClientRevocationStatus, PendingClient, RevocationFinding
from agwtwisted.core.verification.handshake_failures import RESUMED_IN_VAIN
from agwtwisted.core.verification.verdicts import Absent, Missing, NotAsked, Refused, Trusted, Unchecked
from agwtwisted.tls import port_contexts
from agwtwisted.tls.openssl import session_reused
from agwtwisted.tls.resumption import CHAINS, IN_FULL, Resumption
from agwtwisted.tls.sessions import CONTEXT_LIFE, SESSION_LIFE, Keys
from tests import clients, configurations, pki, relays
from tests.clients import FATAL, GET, TLS_1_2, TLS_1_3, Client, Gateway, client_context, device, files, text

LENIENT = """
[ssl_profile lenient]
verify_client_auth_mode = Passthrough
trusted_client_certificates = devices
"""
HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3)."""
PAGE = b"HTTP/1.1 400 "


def get(host: str = "localhost") -> bytes:
    """A request for this host."""
    return GET.replace(b"localhost", host.encode())


def ways(credential: pki.Credential | None = None) -> Iterator[tuple[str, SSL.Context]]:
    """Clients that resume by tickets and by ids, in both versions; in TLS 1.3 there are tickets alone."""
    for version, options in ((TLS_1_3, 0), (TLS_1_2, 0), (TLS_1_2, SSL.OP_NO_TICKET)):
        context = client_context(credential, version=version)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # a session may be used again
        context.set_options(options)
        yield f"{version:x} {'id' if options else 'ticket'}", context


def session_of(gateway: Gateway, context: SSL.Context, name: str = "") -> SSL.Session:
    """The session of a client that shook hands in full, asked something, and left."""
    client = gateway.shake_hands(context, name)
    assert not session_reused(client.tls)
    return left(gateway, client, name)


def left(gateway: Gateway, client: Client, name: str = "") -> SSL.Session:
    """The session of a client that asks something and leaves."""
    client.say(get(name or "localhost"))
    if not client.closed:
        gateway.answering()(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        client.talk()
    session = client.tls.get_session()
    assert session is not None
    client.leave()
    return session


def come_back(
    gateway: Gateway, context: SSL.Context, session: SSL.Session, name: str = "", *, address: str = "192.0.2.7"
) -> Client:
    """A client with a session, after its handshake."""
    client = gateway.client(context, name, address=address)
    client.tls.set_session(copy_of(session))
    client.talk()
    return client


def copy_of(session: SSL.Session) -> SSL.Session:
    """A session of its own: OpenSSL offers none again whose connection ended without close_notify."""
    lib, ffi = SSL._lib, SSL._ffi  # type: ignore[attr-defined]
    size = lib.i2d_SSL_SESSION(session._session, ffi.NULL)  # type: ignore[attr-defined]
    octets = ffi.new("unsigned char[]", size)
    lib.i2d_SSL_SESSION(session._session, ffi.new("unsigned char **", octets))  # type: ignore[attr-defined]
    made: Any = SSL.Session()
    made._context = session._context  # type: ignore[attr-defined]
    made._session = ffi.gc(
        lib.d2i_SSL_SESSION(ffi.NULL, ffi.new("const unsigned char **", octets), size), lib.SSL_SESSION_free
    )
    copy: SSL.Session = made
    return copy


def found(client: Client) -> Any:
    """What became of a client that got through: `Admitted` or `TurnedAway`."""
    receiver: Any = client.connection.receiver
    return receiver._session.client


class ResumedTests(SynchronousTestCase):
    """Clients that may come back."""

    def test_http2(self) -> None:
        """HTTP/2 is agreed on in a resumed handshake, too, unless the suite of the session does not suit it."""
        gateway = Gateway(text("basic -; enable_http2 = true"))
        for version, ciphers, protocol in (
            (TLS_1_3, b"", b"h2"),
            (TLS_1_2, b"ECDHE+AESGCM", b"h2"),
            (TLS_1_2, b"ECDHE+AES256:!AESGCM", b"http/1.1"),
        ):
            session: Any = session_of(
                gateway, client_context(version=version, ciphers=ciphers, protocols=[b"http/1.1"])
            )
            session._context = client_context(version=version, protocols=[b"h2", b"http/1.1"])
            client = come_back(gateway, session._context, session)
            self.assertTrue(session_reused(client.tls))
            self.assertEqual(client.tls.get_alpn_proto_negotiated(), protocol)
            client.leave()

    def test_the_same_as_in_full(self) -> None:
        """What is known of a client is the same after a resumed handshake as after a full one, and the log says so."""
        for profile, verdict in (("strict", Trusted()), ("http400", Trusted()), ("lenient", Unchecked())):
            for way, context in ways(device()):
                with self.subTest(profile, way=way):
                    gateway = Gateway(LENIENT + text(f"basic {profile}"))
                    first = gateway.shake_hands(context)
                    known = found(first)
                    session = left(gateway, first)
                    client = come_back(gateway, context, session)
                    self.assertTrue(session_reused(client.tls))
                    self.assertEqual(found(client).proof, known.proof)
                    self.assertEqual(known.proof.verdict, verdict)
                    self.assertEqual(known.proof.strict_verdict, Trusted())
                    self.assertEqual(found(client).until, known.until)
                    left(gateway, client)
                    reused = [each["sslSessionReused"] for each in gateway.log.records]
                    self.assertEqual(reused, ["off", "on"])

    def test_again_and_again(self) -> None:
        """The session of a resumed handshake can be resumed, too."""
        for way, context in ways(device()):
            with self.subTest(way=way):
                gateway = Gateway(text("basic strict"))
                session = session_of(gateway, context)
                for _ in range(3):
                    client = come_back(gateway, context, session)
                    self.assertTrue(session_reused(client.tls))
                    self.assertEqual(found(client).verdict, Trusted())
                    session = left(gateway, client)

    def test_without_certificate(self) -> None:
        """A client without certificate stays what it is: Absent, Missing, or not asked."""
        for profile, verdict in (
            ("passthrough", Absent()),
            ("lenient", Absent()),
            ("http400", Missing()),
            ("-", NotAsked()),
        ):
            for way, context in ways():
                with self.subTest(profile, way=way):
                    gateway = Gateway(LENIENT + text(f"basic {profile}"))
                    known = found(first := gateway.shake_hands(context))
                    client = come_back(gateway, context, left(gateway, first))
                    self.assertTrue(session_reused(client.tls))
                    self.assertEqual(found(client).verdict, verdict)
                    self.assertEqual(found(client).proof, known.proof)

    def test_passthrough_restores(self) -> None:
        """A Passthrough site sees the certificate of a resumed session, whoever issued it.

        So do its paths that require a certificate: what was not trusted, they do not trust later.
        """
        root = configurations.clients_root()
        forged = root.issue("x", signature=b"\x30\6\2\1\1\2\1\1")
        for_servers = root.issue("x", eku=(pki.SERVER_AUTH,))
        elsewhere = root.intermediate("C", permitted=[pki.x509.DNSName("c.example")]).issue("x", san=["d.example"])
        for credential in (device(), clients.stranger(), pki.self_signed("x"), forged, for_servers, elsewhere):
            for profile in ("passthrough", "lenient"):
                for way, context in ways(credential):
                    with self.subTest(profile, way=way):
                        gateway = Gateway(LENIENT + text(f"basic {profile}"))
                        known = found(first := gateway.shake_hands(context))
                        client = come_back(gateway, context, left(gateway, first))
                        self.assertTrue(session_reused(client.tls))
                        self.assertEqual(found(client).verdict, Unchecked())
                        self.assertEqual(found(client).certificate, known.certificate)
                        verdicts = [each.proof.strict_verdict for each in (known, found(client))]
                        self.assertEqual(*map(type, verdicts))  # an intermediate that is not known is the reason then

    def test_other_name(self) -> None:
        """Within a profile a session counts for every site, and the client reaches the one that it asks for now."""
        for way, context in ways(device()):
            with self.subTest(way=way):
                gateway = Gateway(text("basic strict", "o strict o.example", "p strict p.example"))
                session = session_of(gateway, context, "o.example")
                for name, listener in (
                    ("p.example", "p"),
                    ("o.example", "o"),
                    ("unknown.example", "basic"),
                    ("", "basic"),
                ):
                    client = come_back(gateway, context, session, name)
                    self.assertTrue(session_reused(client.tls))
                    receiver: Any = client.connection.receiver
                    self.assertEqual(receiver._session.listener, listener)
                    self.assertEqual(found(client).connection.server_name, name)
                    left(gateway, client, name)

    def test_no_such_name(self) -> None:
        """A session opens no port for a name that no site has."""
        for way, context in ways(device()):
            with self.subTest(way=way):
                gateway = Gateway(text("o strict o.example", "p strict p.example"))
                session = session_of(gateway, context, "o.example")
                client = come_back(gateway, context, session, "q.example")
                self.assertFalse(client.connection.is_secure)
                self.assertEqual(client.raw[-7:], bytes.fromhex("15 0303 0002 02 70"))

    def test_public_interface(self) -> None:
        """Where OpenSSL cannot be asked whether a session was resumed, none is on ports that ask for certificates."""
        self.patch(port_contexts, "KNOWN", False)
        for _, context in ways(device()):
            gateway = Gateway(text("basic strict"))
            session = session_of(gateway, context)
            self.assertFalse(session_reused(come_back(gateway, context, session).tls))

    def test_declined(self) -> None:
        """With `session_resumption = off` nothing is resumed."""
        off = "[ssl_profile off]\nverify_client_auth_mode = Strict\ntrusted_client_certificates = devices\n"
        for key, resumed in (("", True), ("session_resumption = off\n", False)):
            for _, context in ways(device()):
                gateway = Gateway(off + key + text("basic off"))
                session = session_of(gateway, context)
                self.assertEqual(session_reused(come_back(gateway, context, session).tls), resumed)

    def test_hello_twice(self) -> None:
        """After a HelloRetryRequest the site is the one that the client names then, with its session or without."""
        for second, listener in (("p.example", "p"), ("q.example", "basic")):
            gateway = Gateway(text("basic strict", "o strict o.example", "p strict p.example"))
            session = session_of(gateway, context := client_context(device(), version=TLS_1_3, groups=b"P-521:X25519"))
            client = gateway.client(context, "o.example")
            client.tls.set_session(copy_of(session))
            client.give(client.hello())
            asked_again = client.take()
            self.assertEqual(asked_again[11:43], HELLO_RETRY)
            client.tls.set_tlsext_host_name(second.encode())
            client.tls.bio_write(asked_again)
            client.talk()
            receiver: Any = client.connection.receiver
            self.assertEqual(receiver._session.listener, listener)
            self.assertEqual(found(client).verdict, Trusted())
            self.assertEqual(found(client).connection.session_reused, session_reused(client.tls))

    def test_hello_twice_to_no_name(self) -> None:
        """A session does not help to a name that no site has, whatever name came first."""
        gateway = Gateway(text("o strict o.example"))
        context = client_context(device(), version=TLS_1_3, groups=b"P-521:X25519")
        session = session_of(gateway, context, "o.example")
        for first, second in (("o.example", "q.example"), ("q.example", "o.example")):
            client = gateway.client(context, first)
            client.tls.set_session(copy_of(session))
            client.give(client.hello())
            client.tls.bio_write(client.take())
            client.tls.set_tlsext_host_name(second.encode())
            client.talk()
            self.assertFalse(client.connection.is_secure)

    def test_in_fragments(self) -> None:
        """A ClientHello in several records, and byte for byte, is resumed, and served by a site of the profile."""
        for way, context in ways(device()):
            with self.subTest(way=way):
                gateway = Gateway(text("basic strict", "o strict o.example", "p strict p.example"))
                session = session_of(gateway, context, "o.example")
                client = gateway.client(context, "p.example")
                client.tls.set_session(copy_of(session))
                message = client.hello()[5:]
                for part in (message[:50], message[50:]):
                    for octet in b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part:
                        client.give(bytes([octet]))
                client.talk()
                self.assertTrue(session_reused(client.tls))
                self.assertEqual(found(client).verdict, Trusted())


class RelayTests(SynchronousTestCase):
    """Sessions on L4, where nothing is read of what a client sends."""

    def resumed(self, stand: relays.Stand, context: SSL.Context) -> Any:
        """A client that comes back with the session of the one before it."""
        first = stand.shake_hands(context, "mqtt.example")
        first.say(b"x")
        session = first.tls.get_session()
        first.tls.shutdown()
        first.talk()
        first.line.hang_up()
        stand.network.advance(0)
        stand.log.lines.clear()
        back = relays.Server(stand.network, stand.dial(), context)
        back.tls.set_connect_state()
        back.tls.set_tlsext_host_name(b"mqtt.example")
        assert session is not None
        back.tls.set_session(copy_of(session))
        return back

    def test_judged_again(self) -> None:
        """A client is relayed while its certificate is accepted, and no byte of it once it has expired."""
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        leaf = configurations.clients_root().issue("device 7", not_after=end)
        for way, context in ways(leaf):
            for expires in (False, True):
                with self.subTest(way=way, expires=expires):
                    stand = relays.Stand(relays.text("mqtt strict mqtt.example"))
                    back = self.resumed(stand, context)
                    if expires:
                        stand.wall.ahead = end.timestamp() + 1 - stand.network.seconds()
                    dialled = stand.backend().attempts
                    back.talk()
                    self.assertTrue(session_reused(back.tls))
                    self.assertEqual(stand.backend().attempts > dialled, not expires)
                    if expires:
                        self.assertTrue(back.closed)
                        self.assertEqual(stand.record["sslClientVerify"], "FAILED:certificate has expired")
                        self.assertEqual(stand.record["sslSessionReused"], "on")


class FallBackTests(SynchronousTestCase):
    """Sessions that are worth nothing where they are shown: a full handshake follows, and never an error."""

    def falls_back(self, before: str, after: str, credential: pki.Credential | None, **changed: bytes) -> list[Client]:
        """Clients that got their session under one configuration, and come back under another."""
        back = []
        for way, context in ways(credential):
            gateway = Gateway(LENIENT + before)
            session = session_of(gateway, context)
            later = Gateway(LENIENT + after, files(**changed), before=gateway)
            client = come_back(later, context, session)
            self.assertFalse(session_reused(client.tls), (before, after, way))
            back.append(client)
        return back

    def refused(self, found: list[Client], *alerts: int) -> None:
        """They were refused in their handshakes."""
        for client in found:
            self.assertFalse(client.connection.is_secure)
            self.assertIn(client.alerts, [[(FATAL, alert)] for alert in alerts])

    def test_from_an_open_port(self) -> None:
        """A session without a certificate, or with any, opens no Strict site that takes the port's place."""
        for profile in ("-", "passthrough", "lenient", "http400"):
            self.refused(self.falls_back(text(f"basic {profile}"), text("basic strict"), None), 116, 40)
        for profile in ("-", "passthrough", "lenient"):
            stranger = clients.stranger()
            self.refused(self.falls_back(text(f"basic {profile}"), text("basic strict"), stranger), 48)

    def test_other_authority(self) -> None:
        """Once a profile trusts another CA, sessions from before are worth nothing."""
        changed = {"clients-ca_pem": pki.bundle(clients.partners().issuers[0])}
        self.refused(self.falls_back(text("basic strict"), text("basic strict"), device(), **changed), 48)
        self.refused(self.falls_back(text("basic strict"), text("basic partners"), device()), 48)

    def test_a_further_authority(self) -> None:
        """Whatever changes in a profile, a client that it still trusts shakes hands in full, and is served."""
        more = {
            "clients-ca_pem": pki.bundle(
                configurations.clients_root().intermediate("New"), configurations.clients_root()
            )
        }
        for after in (text("basic strict"), text("basic weak"), text("basic http400"), text("basic lenient")):
            for client in self.falls_back(text("basic strict"), after, device(), **more):
                self.assertIn(found(client).verdict, (Trusted(), Unchecked()))

    def test_other_port(self) -> None:
        """A session counts for its own port alone, though all else is the same."""
        for _, context in ways(device()):
            gateway = Gateway(text("basic strict"))
            session = session_of(gateway, context)
            later = Gateway(text("basic strict").replace("port = 8443", "port = 8444"), before=gateway)
            client = come_back(later, context, session)
            self.assertFalse(session_reused(client.tls))
            self.assertEqual(found(client).verdict, Trusted())

    def test_age(self) -> None:
        """Keys that are a day old are replaced: a full handshake follows, and connections from before go on."""
        for _, context in ways(device()):
            gateway = Gateway(text("basic strict"))
            session = session_of(gateway, context)
            gateway.reactor.advance(CONTEXT_LIFE - 1)
            lasting = come_back(gateway, context, session)
            self.assertTrue(session_reused(lasting.tls))
            gateway.reactor.advance(1)
            client = come_back(gateway, context, session)
            self.assertFalse(session_reused(client.tls))
            self.assertEqual(found(client).verdict, Trusted())
            left(gateway, lasting)
            self.assertIn(b"204 No Content", lasting.received)

    def test_lifetime(self) -> None:
        """OpenSSL is told for how long a session may be resumed."""
        contexts = Gateway(text("basic strict")).contexts
        assert contexts
        assert contexts.sessions
        for keys in Keys:
            self.assertEqual(contexts.sessions.context(keys).get_timeout(), SESSION_LIFE)


class KeptTests(SynchronousTestCase):
    """Sessions that outlive a change of the configuration."""

    def test_sites_come_and_go(self) -> None:
        """A site more, another order, a renewed server certificate: clients resume as before."""
        renewed = pki.Authority.root("Other Root").issue_server("localhost")
        for after, source in (
            (text("basic strict"), files()),
            (text("o strict o.example", "basic strict"), files()),
            (text("a strict a.example", "o strict o.example"), files()),
            (text("basic strict"), files(site_pem=pki.bundle(renewed), site_key=renewed.key_pem)),
        ):
            for way, context in ways(device()):
                with self.subTest(after=after, way=way):
                    gateway = Gateway(text("basic strict", "o strict o.example"))
                    session = session_of(gateway, context, "o.example")
                    later = Gateway(after, source, before=gateway)
                    client = come_back(later, context, session, "o.example")
                    self.assertTrue(session_reused(client.tls))
                    self.assertEqual(found(client).verdict, Trusted())


class RefusedTests(SynchronousTestCase):
    """Certificates that are not accepted any more when their session comes back."""

    def setUp(self) -> None:
        """A certificate that ends tomorrow, by the machine's clock and by the gateway's."""
        self.end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        self.leaf = configurations.clients_root().issue("device 7", not_after=self.end)

    def after(self, profile: str, change: Callable[[Gateway], None], reason: str, alert: int) -> None:
        """A client that comes back after a change is refused, and again in full, and is served with a new
        certificate.
        """
        for way, context in ways(self.leaf):
            with self.subTest(profile, way=way):
                gateway = Gateway(LENIENT + text(f"basic {profile}"))
                session = session_of(gateway, context)
                change(gateway)
                gateway.log.lines.clear()
                client = come_back(gateway, context, session)
                self.assertTrue(session_reused(client.tls))
                if profile == "strict":
                    [record] = gateway.log.records
                    self.assertEqual(record["handshakeError"], RESUMED_IN_VAIN)
                    self.assertEqual(client.transport.ended, "half")  # no reset destroys the close_notify
                else:
                    client.say(GET)
                    [record] = gateway.log.records
                    self.assertEqual(client.received[:13], PAGE)
                self.assertTrue(client.closed)
                self.assertEqual(record["sslClientVerify"], f"FAILED:{reason}")
                self.assertEqual(record["sslSessionReused"], "on")
                self.assertEqual(gateway.forwarded, 1)  # from before
                again = come_back(gateway, context, session)
                self.assertFalse(session_reused(again.tls))
                if profile == "strict":
                    self.assertEqual(again.alerts, [(FATAL, alert)])
                new = client_context(device())
                self.assertEqual(found(gateway.shake_hands(new)).verdict, Trusted())

    def test_expiry(self) -> None:
        """Once a certificate has expired its sessions are worth nothing."""

        def expire(gateway: Gateway) -> None:
            """The day after tomorrow."""
            gateway.wall.ahead = self.end.timestamp() + 1 - gateway.reactor.seconds()

        for profile in ("strict", "http400"):
            self.after(profile, expire, "certificate has expired", 45)

    def test_expiry_of_what_is_not_remembered(self) -> None:
        """Nor are they where nothing is remembered of its chain."""

        def expire(gateway: Gateway) -> None:
            """The day after tomorrow, for a gateway that was started anew."""
            gateway.wall.ahead = self.end.timestamp() + 1 - gateway.reactor.seconds()
            gateway.port.resumption = Resumption(gateway.reactor.seconds)

        self.after("strict", expire, "certificate has expired", 45)

    def test_not_yet_valid(self) -> None:
        """Nor are they where the system's clock was wrong before, and was set back."""
        leaf = configurations.clients_root().issue("x", not_before=pki.NOW)
        for _, context in ways(leaf):
            gateway = Gateway(text("basic strict"))
            session = session_of(gateway, context)
            gateway.wall.ahead -= 3600
            client = come_back(gateway, context, session)
            self.assertTrue(client.closed)
            self.assertIn("not yet valid", gateway.log.records[-1]["sslClientVerify"])

    def test_revocation(self) -> None:
        """A revoked client is turned away by the check that every client goes through, and comes back in full."""
        asked: list[PendingClient] = []

        class Check:
            """Finds a client revoked the second time."""

            def __call__(self, pending: PendingClient) -> RevocationFinding:
                """The finding."""
                asked.append(pending)
                if len(asked) == 1:
                    return RevocationFinding(status=ClientRevocationStatus.GOOD)
                refusal = Refused("certificate revoked")
                return RevocationFinding(status=ClientRevocationStatus.REVOKED, refusal=refusal)

            def watch(self, pending: PendingClient, call: Callable[[], None]) -> Callable[[], None]:
                """Nothing is to be heard of it."""
                return lambda: None

        for way, context in ways(device()):
            asked.clear()
            with self.subTest(way=way):
                gateway = Gateway(text("basic strict"))
                gateway.port.check_of = lambda profile: Check()
                session = session_of(gateway, context)
                client = come_back(gateway, context, session)
                self.assertTrue(session_reused(client.tls))
                self.assertEqual([each.proof for each in asked[:1]], [each.proof for each in asked[1:]])
                client.say(GET)
                self.assertEqual(client.received[:13], PAGE)
                self.assertEqual(gateway.log.records[-1]["ocspStatus"], "revoked")
                self.assertFalse(session_reused(come_back(gateway, context, session).tls))


class ForgottenTests(SynchronousTestCase):
    """Clients of which nothing is remembered, whose intermediate is in no file."""

    def setUp(self) -> None:
        """A client that sends its intermediate."""
        self.plant = configurations.clients_root().intermediate("Plant")
        self.leaf = self.plant.issue("device 7")

    def sessions(self) -> Iterator[tuple[Gateway, SSL.Context, SSL.Session]]:
        """Gateways with a client of theirs."""
        for way, context in ways(self.leaf):
            with self.subTest(way=way):
                gateway = Gateway(text("basic strict"))
                yield gateway, context, session_of(gateway, context)

    def test_remembered(self) -> None:
        """While it is remembered it is served."""
        for gateway, context, session in self.sessions():
            client = come_back(gateway, context, session)
            self.assertTrue(session_reused(client.tls))
            self.assertEqual(found(client).proof.chain_der, (self.plant.der, configurations.clients_root().der))

    def test_found_again(self) -> None:
        """With its intermediate, of which another client or worker has told, its chain is verified in full."""
        for gateway, context, session in self.sessions():
            gateway.port.resumption = Resumption(gateway.reactor.seconds)
            gateway.port.resumption._intermediates.add(self.plant.der)
            client = come_back(gateway, context, session)
            self.assertTrue(session_reused(client.tls))
            self.assertEqual(found(client).verdict, Trusted())
            self.assertEqual(found(client).proof.chain_der, (self.plant.der, configurations.clients_root().der))

    def test_passthrough(self) -> None:
        """Under Passthrough the client is served, but not trusted, and sends its chain the next time."""
        for way, context in ways(self.leaf):
            with self.subTest(way=way):
                gateway = Gateway(LENIENT + text("basic lenient"))
                session = session_of(gateway, context)
                gateway.port.resumption = Resumption(gateway.reactor.seconds)
                client = come_back(gateway, context, session)
                self.assertTrue(session_reused(client.tls))
                self.assertEqual(found(client).proof.strict_verdict, Refused("unable to get local issuer certificate"))
                again = come_back(gateway, context, session)
                self.assertFalse(session_reused(again.tls))
                self.assertEqual(found(again).proof.strict_verdict, Trusted())

    def test_uploaded(self) -> None:
        """What the uploaded chain explains is verified without any memory."""
        for _, context in ways(device()):
            gateway = Gateway(text("basic strict"))
            session = session_of(gateway, context)
            gateway.port.resumption = Resumption(gateway.reactor.seconds)
            client = come_back(gateway, context, session)
            self.assertTrue(session_reused(client.tls))
            self.assertEqual(found(client).verdict, Trusted())

    def test_in_full(self) -> None:
        """Without it the client is refused once, and gets in by a full handshake, after which it resumes again."""
        for gateway, context, session in self.sessions():
            gateway.port.resumption = Resumption(gateway.reactor.seconds)
            client = come_back(gateway, context, session)
            self.assertTrue(session_reused(client.tls))
            self.assertTrue(client.closed)
            self.assertEqual(gateway.forwarded, 1)
            again = come_back(gateway, context, session)
            self.assertFalse(session_reused(again.tls))
            self.assertEqual(found(again).verdict, Trusted())
            third = come_back(gateway, context, left(gateway, again))
            self.assertTrue(session_reused(third.tls))
            self.assertEqual(found(third).verdict, Trusted())

    def test_others_are_not_affected(self) -> None:
        """A client with another address resumes as before, and after the life of a session this one does, too."""
        for gateway, context, session in self.sessions():
            port = gateway.port
            kept, port.resumption = port.resumption, Resumption(gateway.reactor.seconds)
            self.assertTrue(come_back(gateway, context, session).closed)
            port.resumption._chains, port.resumption._intermediates = kept._chains, kept._intermediates
            self.assertTrue(session_reused(come_back(gateway, context, session, address="192.0.2.8").tls))
            self.assertFalse(session_reused(come_back(gateway, context, session).tls))
            gateway.reactor.advance(SESSION_LIFE)
            self.assertTrue(session_reused(come_back(gateway, context, session).tls))


class MemoryTests(SynchronousTestCase):
    """What is shared by ports and workers."""

    def test_keys(self) -> None:
        """After one refusal an address resumes with other keys, after a second one with none."""
        clock = [0.0]
        resumption = Resumption(lambda: clock[0])
        self.assertIs(resumption.keys_for("192.0.2.7"), Keys.USUAL)
        for keys in (Keys.OTHER, Keys.NONE, Keys.NONE):
            resumption.refused("192.0.2.7")
            self.assertIs(resumption.keys_for("192.0.2.7"), keys)
        self.assertIs(resumption.keys_for("192.0.2.8"), Keys.USUAL)
        clock[0] += SESSION_LIFE
        self.assertIs(resumption.keys_for("192.0.2.7"), Keys.USUAL)

    def test_network(self) -> None:
        """Of IPv6 a /64 is one address: a host that changes its own gains nothing, and takes one place."""
        resumption = Resumption(lambda: 0.0)
        for number in range(1, 100):
            resumption.refused(f"2001:db8::{number:x}")
        self.assertIs(resumption.keys_for("2001:db8::ffff"), Keys.NONE)
        self.assertEqual(len(resumption._refused), 1)
        self.assertIs(resumption.keys_for("2001:db8:0:1::1"), Keys.USUAL)

    def test_siblings(self) -> None:
        """Intermediates of verified chains, each once, and addresses of refused clients are told to other workers."""
        heard: list[tuple[str, bytes]] = []
        callbacks: dict[str, Callable[[bytes], None]] = {}

        class Siblings:
            """Other workers."""

            def publish(self, topic: str, payload: bytes) -> None:
                """They hear this."""
                heard.append((topic, payload))

            def subscribe(self, topic: str, call: Callable[[bytes], None]) -> None:
                """What is said by them."""
                callbacks[topic] = call

        plant = configurations.clients_root().intermediate("Plant")
        gateway = Gateway(text("basic strict"))
        gateway.port.resumption = Resumption(gateway.reactor.seconds, Siblings())
        for number in range(2):
            for credential in (plant.issue(f"device {number}"), device(), device()):
                gateway.shake_hands(client_context(credential))
        gateway.shake_hands(client_context(clients.partners().issue("stranger")))
        self.assertEqual(heard, [(CHAINS, plant.der)])
        gateway.port.resumption.refused("192.0.2.7")
        self.assertEqual(heard[1:], [(IN_FULL, b"192.0.2.7")])
        callbacks[CHAINS](plant.der)
        callbacks[CHAINS](b"no certificate")
        callbacks[IN_FULL](b"192.0.2.9")
        callbacks[IN_FULL](b"\xff")
        self.assertIs(gateway.port.resumption.keys_for("192.0.2.9"), Keys.OTHER)


class WorkersTests(SynchronousTestCase):
    """Ports whose contexts were made once, as before a fork: each has a memory of its own."""

    def test_resumed_by_another(self) -> None:
        """A session of one worker is resumed by another, which judges the certificate itself."""
        for way, context in ways(device()):
            with self.subTest(way=way):
                one = Gateway(text("basic strict"))
                session = session_of(one, context)
                two = Gateway(text("basic strict"), before=one)
                two.port.resumption = Resumption(two.reactor.seconds)
                client = come_back(two, context, session)
                self.assertTrue(session_reused(client.tls))
                self.assertEqual(found(client).verdict, Trusted())
