"""Connections are admitted, counted until they are gone, and drained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity import clients as identity
from agwtwisted.core.identity.clients import Admitted, ClientRevocationStatus, PendingClient, RevocationFinding
from agwtwisted.core.operations.records import client_members
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.handshake_failures import HandshakeFailure
from agwtwisted.core.verification.verdicts import Missing, Refused, Trusted
from agwtwisted.identity.revalidation import CHECK_FAILED, Answer
from agwtwisted.listening.ports import QUIET
from agwtwisted.tls import contexts
from agwtwisted.transport.connection import LINGER
from tests import EXAMPLES, clients, configurations, pki
from tests.clients import (
    GET,
    TLS_1_2,
    TLS_1_3,
    Client,
    Gateway,
    Transport,
    client_context,
    device,
    stranger,
    text,
)
from tests.http import http2_sessions
from tests.http2_clients import PREFACE

SITES = text("basic -", "s strict s.example", "h http400 h.example", "p passthrough p.example")


def _hello(client: Client) -> None:
    with contextlib.suppress(SSL.Error):
        data = client.hello()
        if data:
            client.give(data)


def _garbage(client: Client) -> None:
    client.give(b"\x16\x03\x01\x00\x05hello")


def _plain(client: Client) -> None:
    client.give(GET)


def _request(client: Client) -> None:
    if client.established:
        with contextlib.suppress(SSL.Error):
            client.say(GET)


def _farewell(client: Client) -> None:
    if client.established:
        with contextlib.suppress(SSL.Error):
            client.leave()


STEPS = {
    "hello": _hello,
    "talk": Client.talk,
    "garbage": _garbage,
    "plain text": _plain,
    "request": _request,
    "farewell": _farewell,
    "lose": Client.lose,
    "close": lambda client: client.connection.close(),
    "linger": lambda client: client.connection.close(linger=True),
    "abort": lambda client: client.connection.abort(),
    "drain": lambda client: client.gateway.port.drain(),  # type: ignore[attr-defined]
    "time": lambda client: client.gateway.reactor.advance(11),  # type: ignore[attr-defined]
    "much time": lambda client: client.gateway.reactor.advance(100),  # type: ignore[attr-defined]
}
"""What may happen to a connection, in any order."""


class CountTests(SynchronousTestCase):
    """No connection and no handshake stays counted that is gone."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["", "s.example", "h.example", "nobody.example"]),
                st.sampled_from([None, device, stranger]),
                st.sampled_from([TLS_1_2, TLS_1_3]),
                st.lists(st.sampled_from(sorted(STEPS)), max_size=6),
            ),
            min_size=1,
            max_size=4,
        )
    )
    @settings(max_examples=EXAMPLES or 30)
    def test_counts(self, plan: list[tuple[str, object, int, list[str]]]) -> None:
        """Whatever happens to connections, the counts are those of the living, and none in the end."""
        gateway = Gateway(text("s strict s.example", "h http400 h.example", "o - o.example"))
        alive: list[Client] = []
        for name, credential, version, steps in plan:
            client = gateway.client(client_context(credential and credential(), version=version), name)  # type: ignore[operator]
            client.gateway = gateway  # type: ignore[attr-defined]
            alive.append(client)
            for step in steps:
                if not client.lost:
                    STEPS[step](client)
                self.assertEqual(len(gateway.limits.connections), sum(not each.lost for each in alive))
                self.assertEqual(
                    len(gateway.limits.handshakes),
                    sum(each.is_shaking_hands for each in alive),
                )
        for client in alive:
            client.lose()
        self.assertEqual((len(gateway.limits.connections), len(gateway.limits.handshakes)), (0, 0))
        self.assertEqual((gateway.limits._by_address, len(gateway.port.connections)), ({}, 0))
        self.assertEqual(gateway.port._sessions, {})

    def test_every_end(self) -> None:
        """Each single end of a connection, at each stage of it, leaves nothing counted."""
        stages = [[], ["hello"], ["talk"], ["talk", "request"], ["plain text"], ["garbage"]]
        ends = ["lose", "abort", "close", "linger", "farewell", "drain", "time", "much time"]
        for stage in stages:
            for end in ends:
                with self.subTest(stage=stage, end=end):
                    gateway = Gateway(SITES)
                    client = gateway.client()
                    client.gateway = gateway  # type: ignore[attr-defined]
                    for step in [*stage, end]:
                        STEPS[step](client)
                    client.lose()
                    self.assertEqual((len(gateway.limits.connections), len(gateway.limits.handshakes)), (0, 0))
                    self.assertEqual(len(gateway.port.connections), 0)


class DrainTests(SynchronousTestCase):
    """The end of a port's connections, in good order or at once."""

    def test_idle(self) -> None:
        """A connection without a request in progress sends close_notify and closes."""
        gateway = Gateway(SITES)
        client = gateway.shake_hands()
        gateway.reactor.advance(QUIET)
        gateway.port.drain()
        client.talk()
        self.assertTrue(client.closed)
        self.assertEqual(len(gateway.port.connections), 0)

    def test_under_way(self) -> None:
        """A request under way is answered, by the connection's last answer."""
        gateway = Gateway(SITES)
        client = gateway.shake_hands()
        client.say(GET)
        gateway.port.drain()
        client.talk()
        self.assertFalse(client.closed)
        _, _, factory, _, _ = gateway.reactor.tcpClients[-1]
        backend = factory.buildProtocol(None)
        backend.makeConnection(Transport())
        backend.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        client.talk()
        self.assertTrue(client.received.endswith(b"ok"))
        self.assertIn(b"\r\nConnection: close\r\n", client.received)
        self.assertTrue(client.closed)

    def test_handshakes(self) -> None:
        """Handshakes under way go on, and the first request after them is answered, as the last."""
        gateway = Gateway(SITES)
        client = gateway.client()
        client.give(client.hello())
        gateway.port.drain()
        client.talk()
        self.assertTrue(client.established)
        gateway.reactor.advance(QUIET / 2)
        client.say(GET)
        gateway.answering()(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        client.talk()
        self.assertIn(b"\r\nConnection: close\r\n", client.received)
        self.assertTrue(client.closed)

    def test_slow_handshakes(self) -> None:
        """One whose client takes its time has silent_timeout, one that has not begun but a moment."""
        for begins, seconds in ((True, 3.0), (False, QUIET)):
            gateway = Gateway(SITES)
            client = gateway.client()
            if begins:
                client.give(client.hello())
            gateway.port.drain()
            gateway.reactor.advance(seconds - 0.1)
            self.assertEqual(client.transport.ended, "")
            gateway.reactor.advance(0.1)
            self.assertEqual(client.transport.ended, "aborted")

    def test_waiting_is_over(self) -> None:
        """Waiters for an empty port are notified when the last connection is gone."""
        gateway = Gateway(SITES)
        first, last = gateway.shake_hands(), gateway.client()
        empty = gateway.port.connections.when_empty()
        first.lose()
        self.assertNoResult(empty)
        last.lose()
        self.successResultOf(empty)

    def test_abort(self) -> None:
        """Every connection ends at once, whatever it does."""
        gateway = Gateway(SITES)
        every = [gateway.client(), gateway.shake_hands(), gateway.shake_hands(name="s.example")]
        every[1].say(GET)
        gateway.port.abort()
        self.assertEqual([client.transport.ended for client in every], ["aborted"] * 3)


class FinishedTests(SynchronousTestCase):
    """Clients that send close_notify after their requests, and go on reading (RFC 8446 section 6.1)."""

    def test_answered(self) -> None:
        """A request that came before close_notify is answered; then the gateway sends close_notify, too."""
        for version in (TLS_1_2, TLS_1_3):
            gateway = Gateway(SITES)
            client = gateway.shake_hands(client_context(version=version))
            client.tls.send(GET)
            client.tls.shutdown()
            client.talk()
            self.assertFalse(client.closed)
            gateway.answering()(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            client.talk()
            self.assertTrue(client.received.endswith(b"\r\n\r\nok"))
            self.assertTrue(client.closed)
            self.assertEqual([record["httpStatus"] for record in gateway.log.records], [200])

    def test_after_the_gate(self) -> None:
        """So is one that came while the client was judged."""
        check = Recheck()
        check.answers.append(Deferred())  # so that the next one comes later, too
        gateway = Gateway(SITES)
        gateway.port.check_of = lambda profile: check
        client = gateway.shake_hands(client_context(device()), "s.example")
        client.tls.send(GET.replace(b"localhost", b"s.example"))
        client.tls.shutdown()
        client.talk()
        self.assertEqual((gateway.forwarded, client.closed), (0, False))
        check.answer(Trusted())
        gateway.answering()(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        client.talk()
        self.assertEqual((client.received[-2:], client.closed), (b"ok", True))

    def test_nothing_asked(self) -> None:
        """Without a request the connection ends at once, also where the client was still being judged."""
        check = Recheck()
        check.answers.append(Deferred())  # so that the next one comes later, too
        gateway = Gateway(SITES)
        gateway.port.check_of = lambda profile: check
        client = gateway.shake_hands(client_context(device()), "s.example")
        client.tls.shutdown()
        client.talk()
        check.answer(Trusted())
        client.talk()
        self.assertEqual((client.closed, client.lost, gateway.log.lines), (True, True, []))


class LogTests(SynchronousTestCase):
    """The lines of failed handshakes, and the names in all lines."""

    def refuse(self, gateway: Gateway, address: str) -> None:
        """One client without certificate at a strict site."""
        client = gateway.client(client_context(version=TLS_1_2), "s.example", address=address)
        client.talk()
        client.lose()

    def test_limited(self) -> None:
        """An address gets a few lines a minute, then the next says how many were left out; others get theirs."""
        gateway = Gateway(SITES)
        for _ in range(12):
            self.refuse(gateway, "192.0.2.7")
        lines = len(gateway.log.lines)
        self.assertLess(lines, 12)
        self.refuse(gateway, "192.0.2.8")
        self.assertEqual(len(gateway.log.lines), lines + 1)
        gateway.reactor.advance(61)
        self.refuse(gateway, "192.0.2.7")
        self.assertEqual(gateway.log.records[-1]["omitted"], 12 - lines)
        self.assertEqual(gateway.log.records[-1]["clientIP"], "192.0.2.7")

    def test_listener_names(self) -> None:
        """Lines bear the name of the listener that SNI selected: of failed handshakes, pages and requests."""
        gateway = Gateway(text("first -", "s strict s.example", "h http400 h.example", "p passthrough p.example"))
        self.refuse(gateway, "192.0.2.7")
        for name in ("h.example", "p.example"):
            gateway.shake_hands(client_context(), name).say(GET)
        gateway.shake_hands().say(b"nonsense\r\n\r\n")
        self.assertEqual([record["listenerName"] for record in gateway.log.records], ["s", "h", "p", "first"])

    def test_refused_certificates(self) -> None:
        """A certificate that is refused is named in the log, where that is wanted, in the handshake and by a page."""
        for keys, is_named in (("", True), ("log_refused_certificates = false\n", False)):
            gateway = Gateway(text("s strict s.example", "h http400 h.example", gateway=keys))
            gateway.shake_hands(client_context(clients.stranger()), "s.example")
            gateway.shake_hands(client_context(clients.stranger()), "h.example").say(GET)
            gateway.shake_hands(client_context(device()), "s.example").say(GET.replace(b"localhost", b"h.example"))
            *refused, accepted = gateway.log.records
            self.assertEqual(len(refused), 2)
            for record in refused:
                self.assertEqual(record.get("sslClientCertificateSubjectName"), "CN=stranger" if is_named else None)
            self.assertNotIn("sslClientCertificateSubjectName", accepted)

    def test_misuse(self) -> None:
        """A connection that is ended for what its client did is counted each time, and logged a few times a minute."""
        gateway = Gateway(SITES)
        client = gateway.shake_hands(client_context(device()), "s.example")
        session = client.connection.receiver._session  # type: ignore[attr-defined]
        with capturedLogs() as events:
            for _ in range(20):
                session.misused("resets", "too many resets\n")
        lines = [formatEvent(event) for event in events]
        self.assertEqual(len(lines), 5)
        self.assertEqual(
            lines[0],
            "[http_listener s] the HTTP/2 connection of 192.0.2.7 was ended: too many resets\\n (0 such lines left out"
            " before)",
        )
        self.assertEqual(gateway.port.metrics.listeners[("s",)].misuses, {"resets": 20})
        with capturedLogs() as events:
            gateway.reactor.advance(60.0)
            session.misused("pings", "too many pings")
        self.assertEqual([event["omitted"] for event in events], [15])

    def test_verdicts(self) -> None:
        """The client of a connection is judged once, by the site that it selected."""
        gateway = Gateway(SITES)
        for name, credential, verdict in (("h.example", None, Missing()), ("s.example", device(), Trusted())):
            client = gateway.shake_hands(client_context(credential), name)
            session = client.connection.receiver._session  # type: ignore[attr-defined]
            self.assertEqual(session.client.verdict, verdict)
            connection = session.client.connection
            self.assertEqual((connection.address, connection.port), ("192.0.2.7", 50000))
            self.assertEqual(connection.server_name, name)
            self.assertTrue(connection.tls_version.startswith("TLSv1."))

    def test_counted(self) -> None:
        """Handshakes count for the listener that SNI selected, by their end, and clients by the verdict on them."""
        gateway = Gateway(text("first -", "s strict s.example", "h http400 h.example"))
        self.refuse(gateway, "192.0.2.7")
        gateway.shake_hands(client_context(clients.stranger()), "s.example")
        gateway.shake_hands(client_context(clients.stranger()), "h.example").say(GET)
        gateway.shake_hands(client_context(device()), "s.example").say(GET.replace(b"localhost", b"s.example"))
        listeners = gateway.port.metrics.listeners
        strict, page = listeners[("s",)], listeners[("h",)]
        self.assertEqual(strict.handshakes, {("failed", "no"): 2, ("completed", "no"): 1})
        self.assertEqual(strict.verdicts, {"NONE": 1, "FAILED": 1, "SUCCESS": 1})
        self.assertEqual(strict.failures, {HandshakeFailure.NO_CERTIFICATE: 1, HandshakeFailure.CERTIFICATE: 1})
        unknown = "unable to get local issuer certificate"
        self.assertEqual(strict.refusals, {("handshake", "no certificate"): 1, ("handshake", unknown): 1})
        self.assertEqual((page.handshakes, page.refusals), ({("completed", "no"): 1}, {("verdict", unknown): 1}))
        self.assertEqual(sum(page.protocols.values()), 1)

    def test_failures_counted(self) -> None:
        """What is no handshake, or ends within one, is counted by its kind; a connection without a byte is not."""
        gateway = Gateway(text("s strict s.example"))
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01", b""):
            client = gateway.client()
            if data:
                client.connection.dataReceived(data)
            client.lose()
        failures = gateway.port.counters_of(None).failures
        kinds = (HandshakeFailure.PLAIN_TEXT, HandshakeFailure.PROTOCOL, HandshakeFailure.CLIENT_CLOSED)
        self.assertEqual(failures, dict.fromkeys(kinds, 1))
        self.assertEqual((gateway.port.counters.accepted, gateway.port.counters.closed), (4, 4))

    def test_identity_is_rendered_once(self) -> None:
        """The header lines of a client are made once for each site that it asks."""
        gateway = Gateway(SITES)
        client = gateway.shake_hands(client_context(device()), "s.example")
        session = client.connection.receiver._session  # type: ignore[attr-defined]
        site = gateway.port.sites.exact["s.example"]
        self.assertIs(
            session.identity(site.actions.default, session.client),
            session.identity(site.actions.default, session.client),
        )
        self.assertIn(
            b"X-Client-Certificate-Verification: SUCCESS\r\n", session.identity(site.actions.default, session.client)
        )

    def test_headers_by_default(self) -> None:
        """Where nothing is said of certificate headers they are sent where a certificate is asked for."""
        gateway = Gateway(SITES.replace("client_certificate_headers = all\n", ""))
        for name, expected in (("", False), ("p.example", True)):
            gateway.shake_hands(client_context(device()), name).say(GET.replace(b"localhost", (name or "x").encode()))
            self.assertEqual(b"X-Client-Certificate:" in gateway.backend(), expected)

    def test_lingering_is_counted(self) -> None:
        """A refused client that does not go away is gone after the lingering at the latest."""
        gateway = Gateway(SITES)
        client = gateway.shake_hands(client_context(), "s.example")
        self.assertEqual((len(gateway.limits.connections), len(gateway.limits.handshakes)), (1, 0))
        gateway.reactor.advance(LINGER)
        client.talk()
        self.assertEqual(len(gateway.limits.connections), 0)


class Recheck:
    """Judges clients further as the test says."""

    def __init__(self) -> None:
        self.answers: list[Deferred[RevocationFinding]] = []
        self.at_once = False
        self.told: list[Callable[[], None]] = []
        self.until = pki.NOW.timestamp() + 100

    def __call__(self, client: PendingClient) -> Answer:
        """The first answer is good, for a hundred seconds; the others come later, unless all are there `at_once`."""
        good = RevocationFinding(status=ClientRevocationStatus.GOOD, until=self.until)
        if self.at_once:
            return good
        if not self.answers:
            self.answers.append(succeed(good))
        else:
            self.answers.append(Deferred())
        return self.answers[-1]

    def watch(self, client: PendingClient, told: Callable[[], None]) -> Callable[[], None]:
        """Bad news goes there."""
        self.told.append(told)
        return lambda: self.told.remove(told)

    def answer(self, verdict: Trusted | Refused, seconds: float = 200) -> None:
        """The client is trusted until so many seconds after the beginning, or refused."""
        until = pki.NOW.timestamp() + seconds
        refusal = verdict if isinstance(verdict, Refused) else None
        finding = RevocationFinding(status=ClientRevocationStatus.NOT_CHECKED, refusal=refusal, until=until)
        self.answers[-1].callback(finding)


REVOKED = Refused("certificate revoked")
UPGRADE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"


class RememberedTests(SynchronousTestCase):
    """What is remembered of a certificate belongs to those who have proven to have it."""

    def test_other_certificates(self) -> None:
        """Clients that come in turn are each identified, to backends and in the log, by their own certificate."""
        gateway = Gateway(text("basic strict"))
        other = configurations.clients_root().issue("device 8")
        for credential in (device(), other, device(), other):
            client = gateway.shake_hands(client_context(credential))
            client.say(GET)
            fingerprint = clients.certificate_fingerprint(credential)
            self.assertIn(b"X-Client-Certificate-Fingerprint: %b\r\n" % fingerprint.encode(), gateway.backend())
            client.leave()
            self.assertEqual(gateway.log.records[-1]["sslClientCertificateFingerprint"], fingerprint)

    def test_time(self) -> None:
        """Who was let in is refused once the time of its certificate is over, however well it is known."""
        gateway = Gateway(text("basic http400"))
        for client in (gateway.shake_hands(client_context(device())) for _ in range(2)):
            client.say(GET)
            client.leave()
        self.assertEqual(gateway.forwarded, 2)
        gateway.reactor.advance((pki.NOT_AFTER - pki.NOW).total_seconds() + 1)  # OpenSSL has a clock of its own
        gateway.shake_hands(client_context(device())).say(GET)
        self.assertEqual(gateway.forwarded, 2)
        self.assertEqual(gateway.log.records[-1]["sslClientVerify"], f"FAILED:{reasons.EXPIRED}")


class VerdictEndTests(SynchronousTestCase):
    """A verdict has an end, and connections may live longer."""

    def setUp(self) -> None:
        self.gateway = Gateway(text("basic strict", gateway="header_timeout = 1000\nidle_timeout = 1000"))
        self.check = Recheck()

    def checked(self) -> Client:
        """A client whose certificate was found good for a hundred seconds."""
        self.gateway.port.check_of = lambda profile: self.check
        return self.gateway.shake_hands(client_context(device()))

    def test_certificate_ends(self) -> None:
        """At the end of its certificate a client's idle connection closes, whatever the profile asks for."""
        end = datetime(2048, 1, 1, tzinfo=UTC)  # OpenSSL has a clock of its own
        self.gateway.reactor.advance((end - pki.NOW).total_seconds() - 50)
        client = self.gateway.shake_hands(client_context(configurations.clients_root().issue("short", not_after=end)))
        self.gateway.reactor.advance(49)
        client.talk()
        self.assertFalse(client.lost)
        self.gateway.reactor.advance(1)
        client.talk()
        self.assertTrue(client.lost)
        self.assertEqual(self.gateway.reactor.getDelayedCalls(), [])

    def test_held_meanwhile(self) -> None:
        """Between the end of a verdict and the next one no request is forwarded; then it is, if there is a next one."""
        for verdict, forwarded in ((Trusted(), 1), (REVOKED, 0)):
            self.setUp()
            client = self.checked()
            self.check.told[0]()
            client.say(GET)
            self.assertEqual(self.gateway.forwarded, 0)
            self.check.answer(verdict)
            client.talk()
            self.assertEqual((self.gateway.forwarded, client.lost), (forwarded, not forwarded))

    def test_answer_ends(self) -> None:
        """At the end of the answer the client is judged again, and stays."""
        client = self.checked()
        self.gateway.reactor.advance(60)
        client.say(GET)
        self.gateway.reactor.advance(40)
        self.assertEqual(len(self.check.answers), 2)
        self.check.answer(Trusted())
        client.talk()
        self.assertFalse(client.lost)
        client.lose()
        self.assertEqual(self.check.told, [])

    def test_idle(self) -> None:
        """An idle connection of a client found revoked closes at once."""
        client = self.checked()
        self.check.told[0]()
        self.check.answer(REVOKED)
        client.talk()
        self.assertTrue(client.lost)
        self.assertEqual((self.gateway.reactor.getDelayedCalls(), self.check.told), ([], []))

    def test_request_under_way(self) -> None:
        """A request under way has drain_timeout, and the log has the identity that was accepted."""
        client = self.checked()
        client.say(GET)
        backend = self.gateway.answering()
        backend(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n")
        self.check.told[0]()
        self.check.answer(REVOKED)
        for _ in range(int(self.gateway.config.gateway.drain_timeout)):
            client.talk()
            self.assertFalse(client.lost)
            backend(b"x")  # it is not the backend that is too slow
            self.gateway.reactor.advance(1)
        client.talk()
        self.assertTrue(client.lost)
        [record] = self.gateway.log.records
        self.assertEqual((record["sslClientVerify"], record["ocspStatus"]), ("SUCCESS", "good"))

    def test_no_further_request(self) -> None:
        """What a client sent ahead of the answer to its last request goes nowhere; after the answer it is over."""
        client = self.checked()
        client.say(GET + GET)
        backend = self.gateway.answering()
        self.check.told[0]()
        self.check.answer(REVOKED)
        backend(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        client.talk()
        self.assertEqual((self.gateway.forwarded, client.received.count(b"HTTP/1.1 ")), (1, 1))
        self.assertIn(b"\r\nConnection: close\r\n", client.received)
        self.assertNotEqual(client.transport.ended, "")

    def test_tunnel(self) -> None:
        """An upgraded connection closes at once."""
        client = self.checked()
        client.say(UPGRADE)
        backend = self.gateway.answering()
        backend(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        client.talk()
        self.assertIn(b"101 Switching", client.received)
        self.check.told[0]()
        self.check.answer(REVOKED)
        client.talk()
        self.assertTrue(client.lost)

    def test_event_stream(self) -> None:
        """So does one on which events come: their stream has no end to wait for."""
        client = self.checked()
        client.say(GET)
        backend = self.gateway.answering()
        backend(b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\r\ndata: 1\n\n")
        client.talk()
        self.assertIn(b"data: 1", client.received)
        self.check.told[0]()
        self.check.answer(REVOKED)
        client.talk()
        self.assertTrue(client.lost)

    def test_refused_at_the_gate(self) -> None:
        """A client refused after its handshake gets the page, and nothing of it is forwarded."""
        self.gateway.port.check_of = lambda profile: _Refusing()
        client = self.gateway.shake_hands(client_context(device()))
        client.say(GET)
        self.assertIn(b"<center>certificate revoked</center>", client.received)
        self.assertEqual((self.gateway.forwarded, client.lost), (0, True))
        refusals = self.gateway.port.counters_of(None).refusals
        self.assertEqual(refusals, {("verdict", "certificate revoked"): 1})


class StrictClientTests(SynchronousTestCase):
    """The client of a Passthrough listener, before a path that requires a certificate."""

    def setUp(self) -> None:
        keys = "verify_client_auth_mode = Passthrough\n"
        trusting = keys + "trusted_client_certificates = devices\n"
        self.gateway = Gateway(text("p passthrough").replace(keys, trusting))
        self.check = Recheck()

    def session(self, credential: pki.Credential | None) -> Any:
        """The session of a client with that certificate."""
        self.client = self.gateway.shake_hands(client_context(credential))
        return self.client.connection.receiver._session  # type: ignore[attr-defined]

    def strict(self, credential: pki.Credential | None) -> identity.Client:
        """The client as such a path takes it."""
        return self.successResultOf(self.session(credential).strict_client())

    def test_verdicts(self) -> None:
        """Without a further check, the verdict is that of a Strict profile; that of the connection stays."""
        for credential, verdict in (
            (device(), Trusted()),
            (clients.stranger(), Refused(reasons.NO_LOCAL_ISSUER)),
            (None, Missing()),
        ):
            self.assertEqual(self.strict(credential).verdict, verdict)
            self.assertIsInstance(self.client.connection.receiver._session.client, Admitted)  # type: ignore[attr-defined]

    def test_headers(self) -> None:
        """The backend of such a path gets SUCCESS, the others PASSTHROUGH, on the same connection."""
        session = self.session(device())
        action = self.gateway.port.sites.all()[0].actions.default
        strict = self.successResultOf(session.strict_client())
        shown = session.client
        for client, word in ((shown, b"PASSTHROUGH"), (strict, b"SUCCESS"), (shown, b"PASSTHROUGH")):
            self.assertIn(b"-Verification: %b\r\n" % word, session.identity(action, client))
            self.assertNotIn(b"-Verification: %b\r\n" % word, session.identity(action, shown.anonymous()))
            self.assertIn(b'"sslClientVerify":"%b"' % word, client_members(client).tls)

    def test_expired_meanwhile(self) -> None:
        """A certificate that has expired since the handshake is refused."""
        session = self.session(device())
        self.gateway.wall.ahead += session.client.proof.until - self.gateway.wall.seconds()
        self.assertEqual(self.successResultOf(session.strict_client()).verdict, Refused(reasons.EXPIRED))

    def test_checked(self) -> None:
        """Who is trusted is checked further, at every request; who is not, is not asked about."""
        self.gateway.port.check_of = lambda profile: self.check
        self.assertEqual(self.strict(clients.stranger()).verdict, Refused(reasons.NO_LOCAL_ISSUER))
        self.assertEqual(self.check.answers, [])
        session = self.session(device())
        self.assertEqual(self.successResultOf(session.strict_client()).revocation_status, ClientRevocationStatus.GOOD)
        waiting = session.strict_client()
        self.check.answer(REVOKED)
        self.assertEqual(self.successResultOf(waiting).verdict, REVOKED)
        waiting = session.strict_client()
        waiting.cancel()
        self.assertEqual(self.successResultOf(waiting).verdict, CHECK_FAILED.refusal)
        self.client.lose()
        self.assertEqual(self.check.told, [])

    def test_checked_at_once(self) -> None:
        """So it is where the answer is known."""
        self.check.at_once = True
        self.gateway.port.check_of = lambda profile: self.check
        self.assertEqual(self.strict(device()).revocation_status, ClientRevocationStatus.GOOD)

    def test_expelled(self) -> None:
        """Once such a path has let a client in, the news that it is revoked ends its connection."""
        self.gateway.port.check_of = lambda profile: self.check
        session = self.session(device())
        self.assertEqual(self.check.told, [])
        self.successResultOf(session.strict_client())
        self.check.told[0]()
        self.check.answer(REVOKED)
        self.client.talk()
        self.assertTrue(self.client.lost)
        self.assertEqual(self.gateway.reactor.getDelayedCalls(), [])


class _Refusing(Recheck):
    """Refuses every client at once."""

    def __call__(self, client: PendingClient) -> Answer:
        """Refused."""
        return succeed(RevocationFinding(status=ClientRevocationStatus.REVOKED, refusal=REVOKED))


class Http2Tests(SynchronousTestCase):
    """What a port does about HTTP/2 beside serving it."""

    def test_unfit_suite(self) -> None:
        """Where a suite was chosen that does not suit it, the connection ends with INADEQUATE_SECURITY, unread."""
        self.patch(contexts, "expected_suite", lambda *_, **__: "ECDHE-ECDSA-AES128-GCM-SHA256")
        gateway = Gateway(text("basic -", gateway="enable_http2 = true"))
        ciphers = b"ECDHE+AES128:!AESGCM"
        context = client_context(version=TLS_1_2, ciphers=ciphers, protocols=http2_sessions.PROTOCOLS)
        client = gateway.shake_hands(context)
        self.assertEqual(client.tls.get_alpn_proto_negotiated(), b"h2")
        browser = http2_sessions.over(gateway, client)
        browser.rest()
        self.assertEqual([(each.last_stream_id, each.error_code) for each in browser.goaways], [(0, 12)])
        self.assertEqual((client.closed, gateway.forwarded, gateway.port.live.behind()), (True, 0, ()))
        gateway.reactor.advance(2 * LINGER)
        client.lose()
        self.assertEqual((len(gateway.port.connections), gateway.log.records), (0, []))

    def test_plain_text(self) -> None:
        """A client that speaks HTTP/2 without TLS on a port of TLS reads why not, in HTTP/1.1."""
        gateway = Gateway(text("basic -", gateway="enable_http2 = true"))
        client = gateway.client()
        client.give(PREFACE)
        self.assertTrue(client.transport.sent.startswith(b"HTTP/1.1 400 Bad Request\r\n"))
        self.assertIn(b"plain HTTP request was sent to HTTPS port", client.transport.sent)

    def test_fingerprint(self) -> None:
        """The fingerprint of a client's TLS is that of its hello, whatever is agreed on."""
        found = []
        for gateway in (Gateway(text("basic -")), Gateway(text("basic -", gateway="enable_http2 = true"))):
            client = gateway.shake_hands(client_context(protocols=http2_sessions.PROTOCOLS))
            found.append(client.connection.ja4)
        self.assertEqual(found[0], found[1])
        self.assertIn(b"h2_", found[0])
