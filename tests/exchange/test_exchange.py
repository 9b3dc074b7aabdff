"""Exchanges: one request's whole life, between a client's connection and its backends' wires."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.python.monkey import MonkeyPatcher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.health import Health
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.exchange.attempts import KEPT_BODY
from agwtwisted.core.exchange.response_parser import ResponseParser
from agwtwisted.core.exchange.states import UnexpectedEventError
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http.managed import MANAGED_NAMES, canonical
from agwtwisted.core.http.messages import Framing, Mark, RequestHead
from agwtwisted.core.http.request_reader import RequestReader
from agwtwisted.core.http.response_reader import ResponseReader
from agwtwisted.core.identity.clients import ClientRevocationStatus, PendingClient, RevocationFinding
from agwtwisted.core.plan.error_pages import ErrorPages
from agwtwisted.core.plan.routing import Site
from agwtwisted.core.resources.resources import (
    CertificateHeaders,
    CustomError,
    HttpListener,
    PathCertificate,
    PathRule,
    Protocol,
    RedirectConfiguration,
    RedirectType,
)
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.rewriting import HeaderAction, RewriteRule, RewriteRuleSet
from agwtwisted.core.rules.templates import Scope, Template
from agwtwisted.core.verification.verdicts import Missing, Refused, Trusted, Unchecked, Verdict
from agwtwisted.exchange import actions as actions_module
from agwtwisted.exchange import deciding as deciding_module
from agwtwisted.exchange import forwarding as forwarding_module
from agwtwisted.exchange.actions import HEAD_TIMEOUT, ExchangeActions
from agwtwisted.exchange.attempts import Attempts
from agwtwisted.exchange.deciding import Routing
from agwtwisted.exchange.exchange import HttpExchange
from agwtwisted.exchange.forwarding import ForwardedRequest
from agwtwisted.http1 import response_writer as writer_module
from agwtwisted.http1.frontend import LOOK, MAX_HELD, Frontend
from agwtwisted.http1.response_writer import Http1ResponseWriter
from agwtwisted.transport.connection import LINGER, Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from agwtwisted.transport.send_queue import QUEUE_LIMIT
from tests import identities, pki
from tests.gateways import TIMEOUT, Stand, mapped, profile, site
from tests.http_backends import OK, SWITCH
from tests.requests import managed_names, parsed
from tests.sockets import accepting
from tests.wires import READ, Line, Network

GET = b"GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
DEVICE = pki.Authority.root().issue("device")


class _Case(SynchronousTestCase):
    """A gateway in memory, with one server on port 9000 unless a test says otherwise."""

    def setUp(self) -> None:
        self.make()

    def make(self, *sites: Site, **limits: Any) -> None:
        """A gateway of these sites."""
        self.network = Network()
        self.stand = Stand(self.network, *sites, **limits)
        self.backend = self.network.backend(9000)

    def client(self, verdict: Verdict | None = None, chosen: Site | None = None, **peer: Any) -> Line:
        """A client's connection."""
        connection = Connection(self.network, NO_OUTBOX)
        line = self.network.dial(connection)
        self.stand.begin(connection, verdict, chosen, **peer)
        return line

    def asked(self, request: bytes = GET, **peer: Any) -> Line:
        """A client that has sent this."""
        line = self.client(**peer)
        line.send(request)
        return line

    @property
    def log(self) -> dict[str, Any]:
        """The last record."""
        return self.stand.log.last

    def assert_page(self, line: Line, status: int, error_info: str, *, text: str = "", closed: bool = False) -> None:
        """The client got one of our pages, and the log has it."""
        answer = line.take()
        head, _, body = answer.partition(b"\r\n\r\n")
        (_, code, _), lines = parsed(head + b"\r\n\r\n")
        headers = dict(lines)
        self.assertEqual((int(code), int(headers[b"Content-Length"])), (status, len(body)))
        self.assertIn(text.encode(), body)
        self.assertEqual(headers.get(b"Connection") == b"close", closed)
        self.assertEqual(line.eof, closed)
        self.assertEqual((self.log["httpStatus"], self.log["error_info"]), (status, "ERRORINFO_" + error_info))
        self.assertEqual(len(self.stand.exchanges.running), 0)


class ForwardTests(_Case):
    """A request that goes well."""

    def test_there_and_back(self) -> None:
        """Request and response pass, and the log says so."""
        line = self.asked()
        sent = self.backend.line.take()
        words, lines = parsed(sent)
        self.assertEqual(words, [b"GET", b"/a?b=c", b"HTTP/1.1"])
        expected = {
            b"Host": b"a.example",
            b"X-Forwarded-For": b"192.0.2.1:7",
            b"X-Forwarded-Proto": b"https",
            b"X-Forwarded-Port": b"8443",
            b"X-Original-Host": b"a.example",
            b"X-Original-Url": b"/a?b=c",
            b"Connection": b"keep-alive",
        }
        trace = dict(lines).pop(b"X-Appgw-Trace-Id")
        self.assertRegex(trace.decode(), "^[0-9a-f]{32}$")
        self.assertEqual(dict(lines), expected | {b"X-Appgw-Trace-Id": trace})
        self.network.advance(1)
        self.backend.line.send(OK)
        self.assertEqual(line.take(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        log = self.log
        self.assertEqual((log["httpStatus"], log["error_info"]), (200, "ERRORINFO_NO_ERROR"))
        self.assertEqual((log["serverRouted"], log["serverStatus"]), ("127.0.0.1:9000", "200"))
        self.assertEqual((log["timeTaken"], log["serverResponseLatency"]), (1.0, "1.000"))
        self.assertEqual((log["receivedBytes"], log["transactionId"]), (len(GET), trace.decode()))
        self.assertEqual(log["upstreamSourcePort"], str(self.backend.line.port))
        self.assertEqual((log["sentBytes"], len(self.stand.exchanges.running)), (40, 0))

    def test_connection_is_shared(self) -> None:
        """Clients take turns on one connection to the backend, also after a body with a length."""
        for request in (GET, POST + b"abc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", GET):
            line = self.asked(request)
            self.backend.line.send(OK)
            self.assertTrue(line.take().endswith(b"ok"))
        self.assertEqual(len(self.backend.lines), 1)

    def test_round_robin(self) -> None:
        """The servers of a pool take turns."""
        self.make(site(ports=(1, 2)))
        for _ in range(4):
            line = self.asked()
            for port in (1, 2):
                for each in self.network.backend(port).lines:
                    if each.take():
                        each.send(OK)
            self.assertTrue(line.take())
        self.assertEqual([record["serverRouted"][-1] for record in self.stand.log.records], ["1", "2", "1", "2"])

    def test_host(self) -> None:
        """The Host for the backend: the client's, the settings', or the server's."""
        for settings, host in (
            ({}, b"a.example"),
            ({"host_name": "b.example"}, b"b.example"),
            ({"pick_host_name_from_backend_address": True}, b"127.0.0.1"),
        ):
            self.make(site(**settings))
            self.asked()
            _, lines = parsed(self.backend.line.take())
            self.assertEqual((dict(lines)[b"Host"], dict(lines)[b"X-Original-Host"]), (host, b"a.example"))

    def test_continue(self) -> None:
        """100-continue is asked of the backend and answered by it, before the body comes."""
        line = self.asked(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        self.assertIn(b"Expect: 100-continue\r\n", self.backend.line.take())
        self.backend.line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(line.take(), b"HTTP/1.1 100 Continue\r\n\r\n")
        line.send(b"abc")
        self.assertEqual(self.backend.line.take(), b"abc")
        self.backend.line.send(OK)
        self.assertTrue(line.take().endswith(b"ok"))

    def test_continue_refused(self) -> None:
        """A backend that answers without wanting the body: the client gets the response, and no body is sent on."""
        line = self.asked(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        self.backend.line.take()
        self.backend.line.send(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        self.assertIn(b"Connection: close", line.take())
        line.send(b"abc")
        self.assertEqual((self.backend.line.take(), self.backend.line.reset), (b"", True))

    def test_early_answer(self) -> None:
        """An answer while the body comes reaches the client; the connection to the backend is not used again."""
        line = self.asked(CHUNKED + b"1\r\na\r\n")
        self.backend.line.send(OK)
        self.assertTrue(line.take().endswith(b"ok"))
        self.asked()
        self.assertEqual(len(self.backend.lines), 2)

    def test_without_a_log(self) -> None:
        """Without an access log nothing is written."""
        self.stand.log.enabled = False
        self.asked()
        self.backend.line.send(OK)
        self.assertEqual(self.stand.log.lines, [])


class IdentityTests(_Case):
    """Who the client is, is said by the gateway alone."""

    def _sent(self, *lines: bytes, **peer: Any) -> list[tuple[bytes, bytes]]:
        self.asked(GET.replace(b"\r\n\r\n", b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"), **peer)
        return parsed(self.backend.line.take())[1]

    def _trusted(self) -> dict[str, Any]:
        self.make(site(client_certificate_headers=frozenset({CertificateHeaders.ALL})))
        return {"verdict": Trusted(), "certificate": certificate_variables(DEVICE.der)}

    def test_named_in_connection(self) -> None:
        """A client cannot have our headers taken off by naming them in Connection."""
        names = b", ".join(sorted(MANAGED_NAMES))
        for token in (b"close, X-Client-Certificate", b"X-Client-Certificate-Verification", names):
            peer = self._trusted()
            sent = dict(self._sent(b"Connection: " + token, **peer))
            self.assertEqual(sent[b"X-Client-Certificate-Verification"], b"SUCCESS")
            self.assertTrue(sent[b"X-Client-Certificate"])
            self.assertEqual(sent[b"X-Forwarded-Proto"], b"https")

    @given(st.lists(managed_names(), min_size=1, max_size=4))
    def test_spoofed(self, names: list[bytes]) -> None:
        """No managed header of a client reaches a backend, in any spelling, with a certificate or without."""
        for peer in (self._trusted(), {}):
            if not peer:
                self.make()
            sent = self._sent(*(name + b": spoofed" for name in names), **peer)
            self.assertNotIn(b"spoofed", [value for _, value in sent])
            canonical_names = [canonical(name) for name, _ in sent]
            self.assertEqual(len(canonical_names), len(set(canonical_names)))

    def test_trailer(self) -> None:
        """Nor does one in a trailer: the request is taken back."""
        line = self.asked(CHUNKED + b"1\r\na\r\n")
        self.backend.line.take()
        line.send(b"0\r\nx_client_certificate: spoofed\r\n\r\n")
        self.assertEqual((self.backend.line.take(), self.backend.line.reset), (b"", True))
        self.assert_page(line, 400, "INVALID_REQUEST", closed=True)


class RefusedTests(_Case):
    """Requests that go nowhere."""

    def assert_nothing_asked(self) -> None:
        """No backend was connected to."""
        self.assertEqual(self.backend.attempts, 0)

    def test_refused_peers(self) -> None:
        """A refused peer gets the reason and nothing else, whatever it sends, an unfit request included."""
        for verdict, text in (
            (Missing(), "No required SSL certificate was sent"),
            (Refused("certificate revoked"), "certificate revoked"),
        ):
            for request in (GET, GET + GET, UPGRADE + b"frame", CHUNKED, b"GET / HTTP/1.1\r\n\r\n"):
                self.make()
                line = self.asked(request, verdict=verdict)
                self.assert_page(line, 400, "HTTPS_NO_CERT", text=text, closed=True)
                line.send(GET)
                self.assertEqual((line.received, len(self.stand.log.lines)), (b"", 1))
                self.assert_nothing_asked()

    def test_plain_text(self) -> None:
        """HTTP on a port that wants TLS."""
        connection = Connection(self.network, NO_OUTBOX)
        line = self.network.dial(connection)
        self.stand.port.plain_text(connection, identities.pending(Missing()))
        line.send(GET + GET)
        self.assert_page(line, 400, "HTTP_TO_HTTPS_PORT", text="plain HTTP request", closed=True)
        self.assert_nothing_asked()

    def test_no_host(self) -> None:
        """HTTP/1.0 without Host goes to the basic listener, under the server's own name; without one it is refused."""
        request = b"GET /a HTTP/1.0\r\n\r\n"
        self.asked(request)
        _, lines = parsed(self.backend.line.take())
        self.assertEqual((dict(lines)[b"Host"], dict(lines)[b"X-Original-Host"]), (b"127.0.0.1", b""))
        self.make(site("a.example"))
        self.assert_page(self.asked(request), 400, "HTTP_NO_HOST_HEADER", closed=True)
        self.assertEqual(self.backend.attempts, 0)

    def test_no_host_to_be_sent_to(self) -> None:
        """A redirect to another listener's port of the same host needs a host."""
        target = HttpListener(name="secure", port=443, protocol=Protocol.HTTPS)
        for place, status in (({"target_listener": target}, 400), ({"target_url": "https://b.example/"}, 301)):
            redirect = RedirectConfiguration(name="r", redirect_type=RedirectType.PERMANENT, **place)
            self.make(mapped(site(), PathRule(name="r", paths=("/*",), redirect_configuration=redirect)))
            self.assertTrue(self.asked(b"GET / HTTP/1.0\r\n\r\n").take().startswith(b"HTTP/1.1 %d " % status))
            self.assertEqual(self.log["httpStatus"], status)

    def test_unknown_host(self) -> None:
        """A host that no listener takes is not found; the connection stays."""
        self.make(site("b.example"))
        self.assert_page(self.asked(), 404, "INVALID_HOST")
        self.assert_nothing_asked()

    def test_other_profile(self) -> None:
        """A host of another profile is misdirected, on every request of the connection; no profile is another too."""
        strict, stricter = profile("strict"), profile("stricter")
        sites = {
            "a.example": site("a.example"),
            "s.example": site("s.example", profile=strict),
            "t.example": site("t.example", profile=stricter),
        }
        for mine in sites:
            for other in sites:
                self.make(*sites.values())
                line = self.client(chosen=sites[mine])
                for host in (mine, other):
                    line.take()
                    line.send(GET.replace(b"a.example", host.encode()))
                    if host == mine:
                        self.backend.line.send(OK)
                if other == mine:
                    self.assertTrue(line.connected)
                    continue
                self.backend.line.take()
                self.assert_page(line, 421, "INVALID_HOST", closed=True)
                self.assertEqual(len(self.backend.lines), 1)

    def test_other_profile_in_absolute_form(self) -> None:
        """The host of the target counts: it has to be that of the Host header."""
        self.make(site("a.example"), site("s.example", profile=profile("strict")))
        for target, host in ((b"http://s.example/", b"a.example"), (b"http://a.example/", b"s.example")):
            line = self.asked(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host))
            self.assert_page(line, 400, "INVALID_HOST", closed=True)
        self.assert_nothing_asked()

    def test_same_profile(self) -> None:
        """Another host of the same profile is served."""
        strict = profile("strict")
        first = site("s.example", profile=strict)
        self.make(first, site("t.example", profile=strict))
        self.asked(GET.replace(b"a.example", b"t.example"), chosen=first)
        self.assertEqual(self.backend.attempts, 1)

    def test_unfit(self) -> None:
        """Unfit requests get their page."""
        self.assert_page(self.asked(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, "INVALID_METHOD_TRACE", closed=True)
        self.assert_page(self.asked(b"GET / HTTP/1.1\r\n\r\n"), 400, "HTTP_NO_HOST_HEADER", closed=True)
        self.assert_nothing_asked()

    def test_head(self) -> None:
        """The page for HEAD has no body."""
        self.make(site("b.example"))
        line = self.asked(GET.replace(b"GET", b"HEAD"))
        self.assertTrue(line.take().endswith(b"\r\n\r\n"))

    def test_server_header(self) -> None:
        """Our pages name the server, unless they are not to."""
        self.make(site("b.example"), server_header="me")
        self.assertIn(b"Server: me\r\n", self.asked().take())
        self.make(site("b.example"), server_header="")
        self.assertNotIn(b"Server", self.asked().take())


class FailureTests(_Case):
    """Backends that do not answer as they should."""

    def test_nobody_listens(self) -> None:
        """No server of the pool can be connected to."""
        self.backend.refusing = True
        self.assert_page(self.asked(), 502, "UPSTREAM_NO_LIVE")

    def test_next_server(self) -> None:
        """The next one is asked when one refuses; the log names who answered."""
        self.make(site(ports=(1, 2)))
        self.network.backend(1).refusing = True
        line = self.asked(POST + b"abc")
        self.network.backend(2).line.send(OK)
        self.assertTrue(line.take().endswith(b"ok"))
        self.assertEqual(self.log["serverRouted"], "127.0.0.1:2")

    def test_too_slow(self) -> None:
        """A GET that times out is tried on another server, then answered with 504."""
        self.make(site(ports=(1, 2)))
        line = self.asked()
        self.network.advance(TIMEOUT)
        self.assertEqual(line.take(), b"")
        self.assertEqual(len(self.network.backend(2).lines), 1)
        self.network.advance(TIMEOUT)
        self.assert_page(line, 504, "UPSTREAM_TIMED_OUT")

    def test_post_too_slow(self) -> None:
        """A POST is sent once; with a length or in chunks, its backend has a deadline."""
        for request in (POST + b"abc", CHUNKED.replace(b"PUT", b"POST") + b"1\r\na\r\n0\r\n\r\n"):
            self.make(site(ports=(1, 2)))
            line = self.asked(request)
            self.network.advance(TIMEOUT)
            self.assert_page(line, 504, "UPSTREAM_TIMED_OUT")
            self.assertEqual(self.network.backend(2).attempts, 0)

    def test_closed(self) -> None:
        """A backend that closes without an answer, or talks nonsense, or has given but an interim one."""
        for said in (b"", b"nonsense", b"HTTP/1.1 100 Continue\r\n\r\n", OK[:20]):
            self.make()
            line = self.asked()
            self.backend.line.send(said)
            line.take()
            if not self.stand.log.lines:
                self.backend.line.hang_up()
            if said != b"nonsense":
                self.assert_page(line, 502, "UPSTREAM_CLOSED_CONNECTION")
            self.assertEqual(self.log["httpStatus"], 502)

    def test_dead_idle_connection(self) -> None:
        """A connection that dies when it is used again: GET goes to another server, POST does not."""
        for request, status in ((GET, 200), (POST + b"abc", 502)):
            self.make(site(ports=(1, 2)))
            one, two = self.network.backend(1), self.network.backend(2)
            for backend in (one, two):
                self.asked()
                backend.line.send(OK)
            line = self.asked(request)
            one.line.hang_up()
            for each in two.lines[1:]:
                each.send(OK)
            self.assertEqual((self.log["httpStatus"], len(two.lines)), (status, 2 if status == 200 else 1))
            self.assertTrue(line.connected)

    def test_cut(self) -> None:
        """A response that is cut is cut for the client too, however it was framed."""
        for head in (b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"):
            self.make()
            line = self.asked()
            self.backend.line.send(
                b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + (b"5\r\nabcde\r\n" if b"chunk" in head else b"abcde")
            )
            self.backend.line.hang_up()
            self.assertTrue(line.reset)
            self.assertFalse(line.received.endswith(b"0\r\n\r\n"))
            self.assertEqual(
                (self.log["httpStatus"], self.log["error_info"]), (200, "ERRORINFO_UPSTREAM_CLOSED_CONNECTION")
            )

    def test_stalls_in_the_middle(self) -> None:
        """So is one that does not go on."""
        line = self.asked()
        self.backend.line.send(OK[:-1])
        self.network.advance(TIMEOUT)
        self.assertEqual((line.reset, self.log["error_info"]), (True, "ERRORINFO_UPSTREAM_TIMED_OUT"))

    def complaints(self, said: bytes, times: int = 1) -> list[str]:
        """What the log says of a backend that answers so, and closes."""
        with capturedLogs() as events:
            for _ in range(times):
                self.asked(POST + b"abc")
                self.backend.line.send(said)
                if self.backend.line.connected:
                    self.backend.line.hang_up()
        return [str(formatEvent(event)) for event in events]

    def test_log_says_why(self) -> None:
        """The log names the server and what is wrong with it, and what the client sees."""
        large = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 32768 + b"\r\n\r\n"
        for said, why in (
            (large, "the head of the response is larger than max_header_bytes = 32768; the client gets 502"),
            (OK[:20], "the backend closed the connection; the client gets 502"),
            (OK[:-1], "the backend closed the connection; the answer is cut"),
        ):
            self.assertEqual(self.complaints(said), [f"127.0.0.1:9000: {why}"])
            self.make()
        self.assertEqual(self.complaints(OK), [])

    def test_log_is_not_flooded(self) -> None:
        """Of one server there are a few complaints a minute; the next one has the number of omitted ones."""
        self.assertEqual(len(self.complaints(OK[:20], times=8)), 5)
        self.network.advance(60)
        (said,) = self.complaints(OK[:20])
        self.assertTrue(said.endswith("502 (3 complaints left out before)"), said)

    def test_two_responses(self) -> None:
        """A second response to one request reaches no client."""
        line = self.asked()
        self.backend.line.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        line.send(GET)
        self.assertEqual((line.take().count(b"HTTP/1.1"), len(self.backend.lines)), (1, 2))

    def test_client_leaves(self) -> None:
        """When the client leaves, its request is taken from the backend, and the log says 499."""
        for answered in (b"", OK[:-1]):
            self.make()
            line = self.asked()
            self.backend.line.send(answered)
            line.crash()
            self.assertTrue(self.backend.line.reset)
            self.assertEqual((self.log["httpStatus"], self.log["error_info"]), (499, "ERRORINFO_CLIENT_CLOSED_REQUEST"))
            self.assertEqual((len(self.stand.exchanges.running), self.network.timers()), (0, []))

    def test_client_has_finished(self) -> None:
        """A client that half closes after its request gets the answer, be it that of a server that is too slow."""
        for slow in (False, True):
            self.make()
            line = self.asked(POST + b"abc")
            line.hang_up()
            self.assertTrue(line.connected)
            if slow:
                self.network.advance(TIMEOUT)
            else:
                self.backend.line.send(OK)
            status = 504 if slow else 200
            self.assertTrue(line.take().startswith(b"HTTP/1.1 %d " % status))
            self.assertEqual((line.connected, self.log["httpStatus"]), (0, status))
            self.stand.backends.close_idle()
            self.network.advance(0)
            self.assertEqual((len(self.stand.exchanges.running), self.network.timers()), (0, []))

    def test_client_has_finished_and_left(self) -> None:
        """One that resets the connection after that is noticed, and its request taken from the backend."""
        line = self.asked()
        line.hang_up()
        self.network.advance(LOOK)
        self.assertTrue(line.connected)
        line.is_gone = True
        self.network.advance(LOOK)
        self.assertTrue(self.backend.line.reset)
        self.assertEqual((self.log["httpStatus"], self.log["error_info"]), (499, "ERRORINFO_CLIENT_CLOSED_REQUEST"))
        self.assertEqual((len(self.stand.exchanges.running), self.network.timers()), (0, []))

    def test_client_leaves_while_connecting(self) -> None:
        """Also before there is a connection, and then no other server is asked."""
        self.make(site(ports=(1, 2)))
        self.network.backend(1).silent = True
        line = self.asked()
        line.crash()
        self.network.advance(10 * TIMEOUT)
        self.assertEqual(
            (self.network.backend(2).attempts, len(self.stand.log.lines), self.log["httpStatus"]), (0, 1, 499)
        )

    def test_unfit_body(self) -> None:
        """A body that turns out unfit: 400, and the backend sees its request broken off, not ended."""
        line = self.asked(CHUNKED + b"1\r\na\r\n")
        self.backend.line.take()
        line.send(b"zz\r\n")
        self.assertEqual((self.backend.line.take(), self.backend.line.reset), (b"", True))
        self.assert_page(line, 400, "INVALID_REQUEST", closed=True)
        self.backend.line.send(OK)
        self.assertEqual((line.received, len(self.stand.log.lines)), (b"", 1))

    def test_unfit_body_after_the_head_of_an_answer(self) -> None:
        """When an answer is on its way already it is cut."""
        line = self.asked(CHUNKED + b"1\r\na\r\n")
        self.backend.line.send(OK[:-1])
        line.send(b"zz\r\n")
        self.assertEqual((line.reset, self.backend.line.reset, len(self.stand.log.lines)), (True, True, 1))

    def test_body_too_large(self) -> None:
        """A body beyond the limit: 413, announced beforehand or not."""
        self.make(max_body_bytes=2)
        self.assert_page(self.asked(POST), 413, "INVALID_REQUEST", closed=True)
        self.assertEqual(self.backend.attempts, 0)
        self.assert_page(self.asked(CHUNKED + b"3\r\nabc\r\n"), 413, "INVALID_REQUEST", closed=True)

    def test_slow_body(self) -> None:
        """A body that does not come: 408, and the backend is let go."""
        self.make(body_timeout=5.0)
        line = self.asked(POST + b"a")
        self.network.advance(5)
        self.assert_page(line, 408, "INVALID_REQUEST", closed=True)
        self.assertTrue(self.backend.line.reset)


class BackPressureTests(_Case):
    """No side is read faster than the other takes it."""

    def test_share_of_a_client(self) -> None:
        """A read of a backend brings no more than its client's share, which each request and each pause sets anew."""
        line = self.client()
        for share, read in ((1000, 1000), (0, READ)):
            self.patch(Http1ResponseWriter, "read_size", share)
            line.send(GET)
            backend = self.backend.line
            self.assertEqual(backend.read_size, read)
            line.stall()
            backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * QUEUE_LIMIT) + bytes(4 * QUEUE_LIMIT))
            self.patch(Http1ResponseWriter, "read_size", 2000)
            line.read()
            self.assertEqual(backend.read_size, 2000)
        self.assertEqual(len(self.backend.lines), 1)

    def test_slow_client(self) -> None:
        """A client that does not read stops its backend; when it reads on, all of the response comes."""
        size = 4 << 20
        line = self.asked()
        line.stall()
        self.backend.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        self.assertLessEqual(self.backend.line.sent_on, 2 * QUEUE_LIMIT + 3 * READ)
        self.assertFalse(self.network.is_reading(self.backend.line))
        line.read()
        self.assertEqual(len(line.take()), size + len(b"HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n"))
        self.assertEqual(self.log["httpStatus"], 200)

    def test_slow_backend(self) -> None:
        """A backend that does not read stops its client; when it reads on, all of the body comes."""
        size = 4 << 20
        line = self.asked(POST.replace(b"3", b"%d" % size))
        self.backend.line.take()
        self.backend.line.stall()
        line.send(bytes(size))
        self.assertLessEqual(line.sent_on, 2 * QUEUE_LIMIT + 3 * READ)
        self.assertFalse(self.network.is_reading(line))
        self.backend.line.read()
        self.assertEqual(len(self.backend.line.take()), size)
        self.backend.line.send(OK)
        self.assertTrue(line.take().endswith(b"ok"))

    def test_slow_connect(self) -> None:
        """While there is no connection yet, little of a body is read."""
        self.make(site(ports=(1, 2)))
        self.network.backend(1).silent = True
        size = 1 << 20
        line = self.asked(POST.replace(b"3", b"%d" % size))
        line.send(bytes(size))
        self.assertLessEqual(line.sent_on, 3 * READ)
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.assertTrue(self.network.backend(2).line.take().endswith(bytes(size)))

    def test_both(self) -> None:
        """A backend that echoes to a client that does not read: both stop, and all of it comes in the end."""
        size = 1 << 20
        line = self.asked(POST.replace(b"3", b"%d" % size))
        self.backend.line.take()
        line.stall()
        self.backend.line.stall()
        self.backend.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        line.send(bytes(size))
        self.backend.line.read()
        line.read()
        self.assertEqual(len(self.backend.line.take()), size)
        self.assertTrue(line.take().endswith(bytes(size)))
        self.assertEqual(self.log["httpStatus"], 200)


class TunnelTests(_Case):
    """Upgrades."""

    def _switched(self, early: bytes = b"") -> Line:
        line = self.asked(UPGRADE + early)
        self.backend.line.take()
        self.backend.line.send(SWITCH)
        self.assertTrue(line.take().startswith(b"HTTP/1.1 101 Switching Protocols\r\n"))
        return line

    def test_both_ways(self) -> None:
        """What was sent ahead and what follows goes both ways as it is, HTTP or not."""
        line = self._switched(b"early")
        self.assertEqual(self.backend.line.take(), b"early")
        line.send(GET)
        self.backend.line.send(OK)
        self.assertEqual((self.backend.line.take(), line.take()), (GET, OK))

    def test_ahead_of_the_answer(self) -> None:
        """Nothing that comes after the request reaches the backend before its answer; then all of it, at its pace."""
        line = self.asked(UPGRADE)
        self.backend.line.take()
        line.send(bytes(10 * READ))
        self.assertEqual(self.backend.line.take(), b"")
        self.assertLessEqual(line.sent_on, MAX_HELD + 2 * READ)
        self.backend.line.stall()
        self.backend.line.send(SWITCH)
        self.assertLessEqual(line.sent_on, 2 * QUEUE_LIMIT + 4 * READ)
        self.backend.line.read()
        self.assertEqual(len(self.backend.line.take()), 10 * READ)

    def test_backend_leaves(self) -> None:
        """What the backend said last still reaches the client; the log says 101."""
        line = self._switched()
        self.backend.line.send(b"bye")
        self.backend.line.hang_up()
        self.assertEqual((line.take(), line.eof), (b"bye", True))
        self.assertEqual((self.log["httpStatus"], self.log["error_info"]), (101, "ERRORINFO_NO_ERROR"))

    def test_client_leaves(self) -> None:
        """And the other way round."""
        line = self._switched()
        line.send(b"bye")
        line.hang_up()
        self.assertEqual((self.backend.line.take(), self.backend.line.eof), (b"bye", True))
        self.assertEqual((self.log["httpStatus"], self.log["error_info"]), (101, "ERRORINFO_NO_ERROR"))
        self.assertEqual((self.network.timers(), len(self.stand.exchanges.running)), ([], 0))

    def test_refused(self) -> None:
        """When the backend answers otherwise, what was sent ahead is the next request, and is checked as one."""
        line = self.asked(UPGRADE + GET.replace(b"\r\n\r\n", b"\r\nX-Client-Certificate: spoofed\r\n\r\n"))
        self.backend.line.take()
        self.backend.line.send(OK)
        self.assertTrue(line.take().endswith(b"ok"))
        sent = self.backend.line.take()
        self.assertTrue(sent.startswith(b"GET /a?b=c HTTP/1.1\r\n"))
        self.assertNotIn(b"spoofed", sent)

    def test_not_asked_for(self) -> None:
        """An unrequested 101, or one to another protocol, is a 502; no byte behind it reaches the client."""
        for request in (GET, POST + b"abc", UPGRADE.replace(b"websocket", b"h2c")):
            self.make()
            line = self.asked(request)
            self.assertNotIn(b"Upgrade", self.backend.line.take())
            self.backend.line.send(SWITCH + b"evil")
            self.assertNotIn(b"evil", line.received)
            self.assert_page(line, 502, "UPSTREAM_CLOSED_CONNECTION")
            self.assertTrue(self.backend.line.reset)
        self.make()
        line = self.asked(UPGRADE)
        self.backend.line.send(SWITCH.replace(b"websocket", b"h2c"))
        self.assert_page(line, 502, "UPSTREAM_CLOSED_CONNECTION")

    def test_back_pressure(self) -> None:
        """A tunnel has back-pressure both ways."""
        line = self._switched()
        for near, far in ((line, self.backend.line), (self.backend.line, line)):
            far.stall()
            near.send(bytes(40 * READ))
            self.assertLess(near.sent_on, 10 * READ)
            far.read()
            self.assertEqual(len(far.take()), 40 * READ)


class _Server:
    """Answers every request on a backend's lines, once it is whole: its number and its body's size, padded."""

    def __init__(self, lines: list[Line], size: int) -> None:
        self._lines = lines
        self._size = size
        self._readers: dict[Line, RequestReader] = {}
        self._open: dict[Line, tuple[bytes, int]] = {}

    def serve(self) -> None:
        """Reads what came, and answers."""
        for line in self._lines:
            reader = self._readers.setdefault(line, _reader())
            reader.feed(line.take())
            while (event := reader.next_event()) is not Mark.NEED_DATA:
                target, size = self._open.get(line, (b"", 0))
                if isinstance(event, bytes):
                    self._open[line] = target, size + len(event)
                    continue
                if isinstance(event, RequestHead):
                    self._open[line] = target, size = event.target, 0
                if event is Mark.END or (isinstance(event, RequestHead) and event.framing is Framing.NONE):
                    line.send(_answer(target, size, self._size))
                elif event is Mark.PAUSED:
                    reader.next_request()


def _reader() -> RequestReader:
    return RequestReader(RequestParser(HeaderNames()), max_body_bytes=1 << 30)


def _answer(target: bytes, received: int, size: int) -> bytes:
    body = (b"%b got %d" % (target, received)).ljust(size, b".")
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _request(number: int, kind: str, size: int) -> tuple[bytes, bytes]:
    """A request, and the start of its answer's body."""
    head, body = b"PUT /%d HTTP/1.1\r\nHost: a\r\n" % number, b"b" * size
    match kind:
        case "length":
            return head + b"Content-Length: %d\r\n\r\n" % size + body, b"/%d got %d" % (number, size)
        case "chunked":
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if size else b"0\r\n\r\n"
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, b"/%d got %d" % (number, size)
        case "upgrade":
            lines = b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
            return head.replace(b"PUT", b"GET") + lines, b"/%d got 0" % number
        case _:
            return head.replace(b"PUT", b"GET") + b"\r\n", b"/%d got 0" % number


class ConversationTests(_Case):
    """Any requests, sent and answered in any pieces, with either side stopping to read at any time."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["length", "chunked", "upgrade", "plain"]), st.sampled_from([0, 1, 70_000, 400_000])
            ),
            min_size=1,
            max_size=5,
        ),
        st.sampled_from([10, 300_000]),
        st.lists(
            st.one_of(
                st.integers(1, 200_000),
                st.sampled_from(["serve", "stall", "read", "backend stalls", "backend reads", "time"]),
            )
        ),
    )
    def test_all_is_answered_in_order(self, requests: list[tuple[str, int]], size: int, steps: list[int | str]) -> None:
        """Every request arrives whole, is answered in its turn, and nothing is left over: no timer, nothing paused."""
        self.make()
        made = [_request(number, kind, length) for number, (kind, length) in enumerate(requests)]
        unsent = b"".join(octets for octets, _ in made)
        server = _Server(self.backend.lines, size)
        line = self.client()
        for step in steps:
            match step:
                case int():
                    line.send(unsent[:step])
                    unsent = unsent[step:]
                case "serve":
                    server.serve()
                case "stall":
                    line.stall(1000)
                case "read":
                    line.read()
                case "time":
                    self.network.advance(0.5)
                case "backend stalls":
                    for each in self.backend.lines:
                        each.stall(1000)
                case _:
                    for each in self.backend.lines:
                        each.read()
        line.send(unsent)
        line.read()
        for _ in range(10 * len(made)):
            for each in self.backend.lines:
                each.read()
            server.serve()
        self.assertEqual(_bodies(line.take()), [start.ljust(size, b".") for _, start in made])
        self.assertTrue(self.network.is_reading(line))
        line.hang_up()
        self.stand.backends.close_idle()
        self.network.advance(0)
        self.assertEqual((self.network.timers(), len(self.stand.exchanges.running)), ([], 0))


def _bodies(stream: bytes) -> list[bytes]:
    bodies = []
    while stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        length = int(dict(parsed(head + b"\r\n\r\n")[1])[b"Content-Length"])
        bodies.append(stream[:length])
        stream = stream[length:]
    return bodies


class AffinityTests(_Case):
    """Clients that are led back to their server."""

    def setUp(self) -> None:
        self.make(site(ports=(1, 2), cookie_based_affinity=True))

    def answered(self, *cookies: bytes, request: bytes = GET, response: bytes = OK) -> tuple[int, list[bytes]]:
        """The port of the server that got a request with these cookies, and the cookies that its client is to set."""
        lines = b"".join(b"Cookie: %b\r\n" % cookie for cookie in cookies)
        line = self.asked(request.replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n", 1))
        for port in (1, 2):
            for each in self.network.backend(port).lines:
                if got := each.take():
                    self.assertEqual([value for name, value in parsed(got)[1] if name == b"Cookie"], [*cookies])
                    each.send(response)
                    answer = line.take().rpartition(b"HTTP/1.1 ")[2]  # after interim ones
                    found = [part for part in answer.split(b"\r\n") if part.startswith(b"Set-Cookie: ")]
                    return port, [part.partition(b": ")[2] for part in found]
        return 0, [line.take()]

    def test_new_client(self) -> None:
        """A client without cookies gets two over TLS, and is led back by either; what it sends is forwarded."""
        for port in (1, 2):
            served, cookies = self.answered()
            self.assertEqual((served, len(cookies)), (port, 2))
            for cookie in cookies:
                pair = cookie.partition(b";")[0]
                self.assertEqual([self.answered(b"a=b", pair) for _ in range(2)], [(port, [])] * 2)

    def test_without_tls(self) -> None:
        """On a plain listener there is one."""
        each = site(ports=(1, 2), cookie_based_affinity=True)
        plain = attrs.evolve(each.listener, protocol=Protocol.HTTP)
        self.make(attrs.evolve(each, listener=plain, rule=attrs.evolve(each.rule, http_listener=plain)))
        [cookie] = self.answered()[1]
        self.assertTrue(cookie.endswith(b"; Path=/"))

    def test_of_the_response(self) -> None:
        """They are set beside the backend's own, not with interim answers, and with the one that upgrades, too."""
        own = OK.replace(b"\r\n", b"\r\nSet-Cookie: a=b\r\n", 1)
        self.assertEqual(len(self.answered(response=own)[1]), 3)
        self.assertEqual(len(self.answered(response=b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)[1]), 2)
        self.assertEqual(len(self.answered(request=UPGRADE, response=SWITCH)[1]), 2)

    def test_refused(self) -> None:
        """When the server refuses the connection, the client is led to the one that answers."""
        cookie = self.answered()[1][0].partition(b";")[0]
        self.network.backend(1).lines[0].hang_up()
        self.network.backend(1).refusing = True
        port, cookies = self.answered(cookie)
        self.assertEqual((port, len(cookies)), (2, 2))
        self.assertNotIn(cookie, b"".join(cookies))

    def test_dead_idle_connection(self) -> None:
        """A connection that dies when it is used again is no reason to go elsewhere."""
        cookie = self.answered()[1][0].partition(b";")[0]
        line = self.asked(GET.replace(b"\r\n\r\n", b"\r\nCookie: %b\r\n\r\n" % cookie))
        one = self.network.backend(1)
        one.line.hang_up()
        one.line.send(OK)
        self.assertNotIn(b"Set-Cookie", line.take())
        self.assertEqual((len(one.lines), self.network.backend(2).attempts), (2, 0))

    def test_own_pages(self) -> None:
        """Pages of our own set none."""
        self.network.backend(1).refusing = self.network.backend(2).refusing = True
        port, [page] = self.answered()
        self.assertEqual((port, page[:12], b"Set-Cookie" in page), (0, b"HTTP/1.1 502", False))

    def test_none(self) -> None:
        """Without cookie_based_affinity there are none."""
        self.make(site(ports=(1, 2)))
        self.assertEqual([self.answered() for _ in range(2)], [(1, []), (2, [])])


class DownTests(_Case):
    """A server that goes down while it is asked."""

    def down(self) -> None:
        """The server is found down, and its time is over."""
        [(pool, settings)] = self.stand.sites[0].actions.routes()
        [server] = self.stand.backends.pool(pool, settings).servers
        server.found(Health().failed(0, 1))
        self.network.advance(settings.connection_draining_timeout)

    def test_before_the_answer(self) -> None:
        """A request without an answer gets a page."""
        self.make(site(connection_draining_timeout=5))
        line = self.asked()
        self.down()
        self.assert_page(line, 502, "UPSTREAM_CLOSED_CONNECTION")

    def test_in_the_answer(self) -> None:
        """An answer under way is cut."""
        self.make(site(connection_draining_timeout=5))
        line = self.asked()
        self.backend.line.send(OK[:-1])
        self.down()
        self.assertEqual((line.reset, self.log["error_info"]), (True, "ERRORINFO_UPSTREAM_CLOSED_CONNECTION"))

    def test_tunnel(self) -> None:
        """An upgraded connection is closed."""
        self.make(site(connection_draining_timeout=5))
        line = self.asked(UPGRADE)
        self.backend.line.send(SWITCH)
        self.down()
        self.network.advance(0)
        self.assertEqual((line.eof, self.log["httpStatus"]), (True, 101))

    def test_nobody_left(self) -> None:
        """The next request goes to no server."""
        self.down()
        line = self.asked()
        self.assert_page(line, 502, "UPSTREAM_NO_LIVE")
        self.assertEqual((self.backend.attempts, self.log["serverRouted"]), (0, ""))


class DrainTests(_Case):
    """The gateway stops."""

    def test_running(self) -> None:
        """Exchanges are counted from their begin to their end; a drained connection takes none but what has come."""
        line, idle = self.asked(GET), self.client()
        self.assertEqual(len(self.stand.exchanges.running), 1)
        for session in self.stand.port._sessions.values():
            session.drain()
        self.network.advance(self.stand.port.quiet)
        self.network.advance(0)
        self.assertEqual((idle.eof, line.eof), (True, False))
        self.backend.line.send(OK)
        self.assertIn(b"Connection: close", line.take())
        self.assertEqual((line.eof, len(self.stand.exchanges.running), len(self.stand.log.lines)), (True, 0, 1))


class SocketTests(TestCase):
    """The same over real sockets, with a blocking client and a blocking backend."""

    timeout = 30

    def setUp(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.settimeout(20)
        self.addCleanup(self.listening.close)
        self.stand = Stand(reactor, site(ports=(self.listening.getsockname()[1],)))
        self.wires: list[Connection] = []
        port = accepting(self._connection)
        self.addCleanup(port.close)
        self.address = port.socket.getsockname()

    def _connection(self) -> Connection:
        """The connection of a client; requests are read from it once it is open."""
        connection = Connection(reactor, NO_OUTBOX)  # type: ignore[arg-type]
        connection.when_open = lambda: self.stand.begin(connection)
        self.wires.append(connection)
        return connection

    async def _done(self) -> None:
        """Waits until nothing is left."""
        self.stand.backends.close_idle()
        while any(not connection.closing for connection in self.wires) or len(self.stand.exchanges.running):
            await deferLater(reactor, 0, lambda: None)
        await deferLater(reactor, 0, lambda: None)

    def _client(self) -> socket.socket:
        client = socket.create_connection(self.address, timeout=20)
        self.addCleanup(client.close)
        return client

    def _backend(self) -> socket.socket:
        backend, _ = self.listening.accept()
        backend.settimeout(20)
        self.addCleanup(backend.close)
        return backend

    async def test_bodies(self) -> None:
        """Large bodies pass both ways, whole."""
        size = 5_000_000

        def _talk() -> tuple[bytes, bytes]:
            client = self._client()
            client.sendall(LAST.replace(b"GET", b"PUT").replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % size))
            backend = self._backend()
            _until(backend, b"\r\n\r\n")
            received = b""
            for start in range(0, size, 500_000):
                client.sendall(b"u" * 500_000)
                received += _exactly(backend, start + 500_000 - len(received))
            backend.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            small = _all(client)
            backend.close()
            return received, small

        received, answer = await deferToThread(_talk)
        self.assertEqual(received, b"u" * size)
        self.assertTrue(answer.endswith(b"ok"))
        await self._done()

    async def test_large_response(self) -> None:
        """A large response passes whole to a client that takes its time."""
        size = 5_000_000

        def _talk() -> bytes:
            client = self._client()
            client.sendall(LAST)
            backend = self._backend()
            _until(backend, b"\r\n\r\n")
            backend.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"d" * 1_000_000)
            read = _until(client, b"\r\n\r\n")
            for _ in range(4):
                backend.sendall(b"d" * 1_000_000)
                read += client.recv(1_000_000)
            answer = read + _all(client)
            backend.close()
            return answer

        answer = await deferToThread(_talk)
        self.assertEqual(answer.partition(b"\r\n\r\n")[2], b"d" * size)
        await self._done()

    async def test_tunnel(self) -> None:
        """A tunnel carries bytes both ways until either closes."""

        def _talk() -> tuple[bytes, bytes, bytes]:
            client = self._client()
            client.sendall(UPGRADE + b"early")
            backend = self._backend()
            _until(backend, b"\r\n\r\n")
            backend.sendall(SWITCH + b"hello")
            head = _until(client, b"hello")
            client.sendall(b"er")
            early = _exactly(backend, 7)
            backend.sendall(b"bye")
            backend.close()
            return head, early, _all(client)

        head, early, rest = await deferToThread(_talk)
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "))
        self.assertEqual((early, rest), (b"earlyer", b"bye"))
        await self._done()

    async def test_cut(self) -> None:
        """A client sees that a response was cut, also where the end of the connection is the end of the body."""

        def _talk() -> bool:
            client = self._client()
            client.sendall(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
            backend = self._backend()
            _until(backend, b"\r\n\r\n")
            backend.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
            _until(client, b"abcde")
            backend.close()
            try:
                _all(client)
            except ConnectionResetError:
                return True
            return False

        self.assertTrue(await deferToThread(_talk))
        await self._done()

    async def test_nobody_listens(self) -> None:
        """A port without a listener is a server that is not live."""
        self.listening.close()

        def _talk() -> bytes:
            client = self._client()
            client.sendall(LAST)
            return _all(client)

        self.assertTrue((await deferToThread(_talk)).startswith(b"HTTP/1.1 502 "))
        self.assertEqual(self.stand.log.last["error_info"], "ERRORINFO_UPSTREAM_NO_LIVE")
        await self._done()

    async def test_answer_survives_what_is_not_read(self) -> None:
        """A client that sends on and on still reads why its request was refused."""

        def _talk() -> bytes:
            client = self._client()
            client.sendall(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n" + bytes(300_000))
            client.shutdown(socket.SHUT_WR)
            return _all(client)

        self.assertTrue((await deferToThread(_talk)).startswith(b"HTTP/1.1 405 "))
        await self._done()


def _until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, len(data)
        data += piece
    return data


def _all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


class PassedOverTests(_Case):
    """Upgrades that are not granted: the request is answered in HTTP/1.1."""

    H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"

    def test_requests(self) -> None:
        """With a body of either kind, without one, in HTTP/1.0: nothing of the wish goes on, and all is answered."""
        length = self.H2C + b"Content-Length: 5\r\n\r\nhello"
        chunked = self.H2C + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        websocket = b"Connection: upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n"
        for start, rest in (
            (b"GET / HTTP/1.1", self.H2C + b"\r\n"),
            (b"GET / HTTP/1.1", length),
            (b"POST / HTTP/1.1", length),
            (b"POST / HTTP/1.1", chunked),
            (b"PUT / HTTP/1.1", chunked.replace(b"h2c", b"turn")),
            (b"GET / HTTP/1.0", websocket),
        ):
            request = start + b"\r\nHost: a.example\r\n" + rest
            for pieces in ([request + GET], [request, GET], [bytes((byte,)) for byte in request + GET]):
                with self.subTest(request=request, pieces=len(pieces)):
                    self.make()
                    line = self.client()
                    for piece in pieces:
                        line.send(piece)
                    sent = self.backend.line.take()
                    self.assertNotIn(b"upgrade", sent.lower())
                    self.assertNotIn(b"http2-settings", sent.lower())
                    body = sent.partition(b"\r\n\r\n")[2].replace(b"1\r\n", b"").replace(b"\r\n", b"")
                    self.assertEqual(b"hello" in body, b"hello" in request)
                    self.backend.line.send(OK)
                    self.assertIn(b"GET /a?b=c HTTP/1.1\r\n", self.backend.line.take())
                    self.backend.line.send(OK)
                    self.assertEqual(line.take().count(b"HTTP/1.1 200 OK"), 2)

    def test_many_ahead(self) -> None:
        """However many such requests come in one read, each is answered."""
        line = self.client()
        request = b"POST / HTTP/1.1\r\nHost: a.example\r\n" + self.H2C + b"Content-Length: 1\r\n\r\na"
        count = 16
        line.send(request * count)
        for _ in range(count):
            self.backend.line.send(OK)
        self.assertEqual(line.take().count(b"HTTP/1.1 200 OK"), count)

    def test_empty_body(self) -> None:
        """A wish for WebSocket with an empty body is granted, one with a body is a mistake."""
        for method in (b"GET", b"POST"):
            self.make()
            line = self.asked(UPGRADE.replace(b"GET", method).replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"))
            self.assertIn(b"Upgrade: websocket\r\n", self.backend.line.take())
            self.backend.line.send(SWITCH + b"frame")
            self.assertTrue(line.take().endswith(b"frame"))
            line.send(b"echo")
            self.assertEqual(self.backend.line.take(), b"echo")
        self.make()
        line = self.asked(UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\na"))
        self.assert_page(line, 400, "INVALID_REQUEST", closed=True)


class HeaderLineTests(_Case):
    """`max_header_lines`, from the configuration to both ends."""

    def test_of_a_request(self) -> None:
        """A request with more lines gets 400, whether its head comes plain or odd."""
        for lines in (b"X: a\r\n" * 11, b"X: \xe9\r\n" * 11):
            self.make(max_header_lines=11)
            self.client().send(GET[:-2] + lines[: -len(lines) // 11] + b"\r\n")
            self.backend.line.send(OK)
            line = self.client()
            line.send(GET[:-2] + lines + b"\r\n")
            self.assert_page(line, 400, "INVALID_REQUEST", closed=True)

    def test_of_a_response(self) -> None:
        """A response with more lines is a 502, and the gateway's log says why."""
        self.make(max_header_lines=11)
        line = self.asked()
        self.backend.line.send(OK.replace(b"\r\n\r\n", b"\r\n" + b"X: a\r\n" * 11 + b"\r\n"))
        self.assert_page(line, 502, "UPSTREAM_CLOSED_CONNECTION")


class ChunkedAnswerTests(_Case):
    """Chunked answers: the head goes with the first chunk, and what is none spoils the answer as a whole."""

    HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    HELLO = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"

    def test_blanks(self) -> None:
        """Sizes that a server pads are understood, and never passed on as they came."""
        for data in (b"5  \r\nhello\r\n0  \r\n\r\n", b"\t5\r\nhello\r\n 0\r\n\r\n"):
            for pieces in ([self.HEAD + data], [self.HEAD, data], [bytes((byte,)) for byte in self.HEAD + data]):
                self.make()
                line = self.asked()
                for piece in pieces:
                    self.backend.line.send(piece)
                answer = line.take()
                self.assertTrue(answer.startswith(self.HEAD))
                body = answer[len(self.HEAD) :]
                self.assertIn(body.replace(b"1\r\n", b"").replace(b"\r\n", b""), (b"5hello0", b"hello0"))
                self.assertNotIn(b" ", body)
                self.assertEqual((bool(line.connected), self.log["httpStatus"]), (True, 200))

    def test_waits_for_the_first_chunk(self) -> None:
        """A head that comes alone leaves with its first chunk, the last one perhaps, or after a moment without."""
        for then, sent in (
            (b"5\r\nhello\r\n", self.HELLO),
            (b"0\r\n\r\n", self.HEAD + b"0\r\n\r\n"),
        ):
            self.make()
            line = self.asked()
            self.backend.line.send(self.HEAD)
            self.network.advance(HEAD_TIMEOUT / 2)
            self.assertEqual(line.take(), b"")
            self.backend.line.send(then)
            self.assertEqual(line.take(), sent)
        self.make()
        line = self.asked()
        self.backend.line.send(self.HEAD)
        self.network.advance(HEAD_TIMEOUT)
        self.assertEqual(line.take(), self.HEAD)
        self.backend.line.send(b"5\r\nhello\r\n0\r\n\r\n")
        self.assertEqual(line.take(), b"5\r\nhello\r\n0\r\n\r\n")

    def test_event_stream(self) -> None:
        """The head of a stream of events leaves at once."""
        line = self.asked()
        head = self.HEAD.replace(b"Transfer", b"Content-Type: text/event-stream; charset=utf-8\r\nTransfer")
        self.backend.line.send(head)
        self.assertEqual(line.take(), head)

    def test_no_chunk(self) -> None:
        """What is no chunk, with the head or soon after it, is a whole 502."""
        for pieces in (
            [self.HEAD + b"zz\r\nhello"],
            [self.HEAD, b"zz\r\nhello"],
            [self.HEAD, b"5", b" 5\r\nhello"],
            [self.HELLO + b"5 5\r\nhello"],
            [self.HELLO + b"0\r\nContent-Length: 5\r\n\r\n"],
        ):
            self.make()
            line = self.asked()
            for piece in pieces:
                self.backend.line.send(piece)
            self.assert_page(line, 502, "UPSTREAM_CLOSED_CONNECTION")
            self.assertEqual(
                (self.log["serverStatus"], self.backend.line.connected, self.backend.attempts),
                ("200" if len(pieces) > 1 else "", 0, 1),
            )
            self.network.advance(HEAD_TIMEOUT)

    def test_nothing_follows(self) -> None:
        """A server that ends after such a head, or a client that leaves, ends the waiting."""
        for client_leaves in (True, False):
            self.make()
            line = self.asked()
            self.backend.line.send(self.HEAD)
            if client_leaves:
                line.crash()
            else:
                self.backend.line.hang_up()
                self.assert_page(line, 502, "UPSTREAM_CLOSED_CONNECTION")
                line.crash()
            self.assertEqual((len(self.stand.exchanges.running), self.network.timers()), (0, []))

    def test_later(self) -> None:
        """Once the head is out the answer is cut."""
        line = self.asked()
        self.backend.line.send(self.HELLO)
        self.backend.line.send(b"5 5\r\nhello")
        self.network.advance(0)
        self.assertEqual((line.received, line.reset), (self.HELLO, True))

    def test_defect(self) -> None:
        """A head that cannot be sent when its time is over is a defect like others."""
        line = self.asked()
        self.backend.line.send(self.HEAD)
        patch = self.patch(writer_module, "client_framing", lambda *_, **__: 1 / 0)
        self.patch(HttpExchange, "_fail", _restoring(patch, HttpExchange._fail))
        self.network.advance(HEAD_TIMEOUT)
        self.assert_page(line, 500, "INTERNAL_ERROR", closed=True)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


def _restoring(patch: MonkeyPatcher, then: Callable[[HttpExchange], None]) -> Callable[[HttpExchange], None]:
    """Ends a patch first."""

    def called(exchange: HttpExchange) -> None:
        patch.restore()
        then(exchange)

    return called


class DefectTests(_Case):
    """An error of the gateway's own, wherever it happens, is reported to the client and in the log as such."""

    TWO = GET + GET
    PLACES: tuple[tuple[Any, str, bytes], ...] = (
        (deciding_module, "decide", GET),
        (deciding_module, "decide", TWO),
        (deciding_module, "decide", POST + b"abc"),
        (Routing, "decide", UPGRADE),
        (HttpExchange, "begin", POST + b"abc"),
        (HttpExchange, "body", POST + b"ab"),
        (HttpExchange, "body_complete", CHUNKED + b"0\r\n\r\n"),
        (HttpExchange, "flush", POST + b"ab"),
        (actions_module, "ForwardedRequest", GET),
        (Attempts, "flush", POST + b"ab"),
        (Attempts, "_connected", GET),
        (Server, "take", GET),
        (Server, "connect", GET),
        (forwarding_module, "request_bytes", GET),
        (RequestReader, "next_event", GET),
        (RequestReader, "next_event", POST + b"abc"),
        (RequestReader, "whole_body", POST + b"abc"),
        (RequestParser, "usual", GET),
        (Frontend, "_take_all", GET),
        (Frontend, "_begin", TWO),
    )

    def make(self, *sites: Site, **limits: Any) -> None:
        """A gateway without a defect."""
        self.patches: list[MonkeyPatcher] = []
        super().make(*sites, **limits)

    def break_(self, owner: Any, name: str, *, after: int = 0) -> None:
        """The next call of this raises, or the one after so many."""
        real, calls = getattr(owner, name), iter(range(after + 1))

        def broken(*arguments: Any, **named: Any) -> Any:
            if next(calls, -1) == after:
                raise ZeroDivisionError("a defect")
            return real(*arguments, **named)

        self.patches.append(self.patch(owner, name, broken))

    def mend(self) -> None:
        """All is as it was."""
        while self.patches:
            self.patches.pop().restore()

    def assert_500(self, line: Line, *, answers: int = 1) -> None:
        """The last answer is a whole page with 500; the connection ends, and nothing is left."""
        received = line.take()
        self.assertEqual(received.count(b"HTTP/1.1 "), answers)
        head, _, body = received[received.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
        self.assertEqual(head.partition(b"\r\n")[0], b"HTTP/1.1 500 Internal Server Error")
        self.assertIn(b"\r\nContent-Length: %d\r\n" % len(body), head + b"\r\n")
        self.assertIn(b"\r\nConnection: close", head)
        self.assert_ended(line, 500)

    def assert_ended(self, line: Line, status: int) -> None:
        """The connection ends, the log has this status and whose fault it was, and nothing is left."""
        self.network.advance(LINGER)
        self.assertTrue(line.eof)
        self.assertEqual((self.log["httpStatus"], self.log["error_info"]), (status, "ERRORINFO_INTERNAL_ERROR"))
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        line.hang_up()
        self.assertFalse(line.connected)
        self.network.advance(100)
        self.mend()
        self.assertEqual((len(self.stand.exchanges.running), self.network.timers()), (0, []))

    def test_first_request(self) -> None:
        """On the way to a backend: 500, and the end of the connection."""
        for owner, name, request in self.PLACES:
            with self.subTest(place=name):
                self.make()
                line = self.client()
                self.break_(owner, name)
                line.send(request)
                self.network.advance(0)
                self.assert_500(line)

    def test_later_request(self) -> None:
        """The answer before it stands: the error is that of the pipelined request, and nothing follows it."""
        for owner, name in ((Routing, "decide"), (HttpExchange, "begin"), (actions_module, "ForwardedRequest")):
            with self.subTest(place=name):
                self.make()
                line = self.client()
                self.break_(owner, name, after=1)
                line.send(GET + GET + GET)
                self.backend.line.send(OK)
                self.assert_500(line, answers=2)
                self.assertEqual([each["httpStatus"] for each in self.stand.log.records], [200, 500])

    def test_after_a_judgement(self) -> None:
        """A request that waited for the client's new verdict is answered, and not left waiting for ever."""
        line = self.client()
        [session] = self.stand.port._sessions.values()
        session.hold()
        line.send(GET)
        self.break_(deciding_module, "decide")
        session.renewed(session.client)
        self.assert_500(line)

    def test_session_after_a_judgement(self) -> None:
        """A connection whose own bookkeeping fails then is cut off."""
        line = self.client()
        [session] = self.stand.port._sessions.values()
        session.hold()
        line.send(GET)
        self.break_(Frontend, "go_on")
        session.renewed(session.client)
        self.network.advance(0)
        self.assertEqual((line.connected, self.network.timers()), (0, []))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_answer(self) -> None:
        """While the answer's head is handled: 500; of a whole answer the server's connection may be used again."""
        for owner, name, came, kept in (
            (ResponseReader, "feed", OK[:-1], False),
            (HttpExchange, "response_head", OK[:-1], False),
            (writer_module, "client_framing", OK[:-1], False),
            (ResponseParser, "whole", OK, False),
            (HttpExchange, "response_whole", OK, False),
            (ExchangeActions, "read_head", OK, True),
            (Http1ResponseWriter, "whole", OK, True),
        ):
            with self.subTest(place=name):
                self.make()
                line = self.asked()
                self.break_(owner, name)
                self.backend.line.send(came)
                self.network.advance(0)
                self.assertIs(bool(self.backend.line.connected), kept)
                self.assert_500(line)

    def test_no_answer(self) -> None:
        """When a server is lost the client still hears of the gateway's error."""
        for owner, name in ((HttpExchange, "response_lost"), (Attempts, "again")):
            with self.subTest(place=name):
                self.make()
                line = self.asked()
                self.break_(owner, name)
                self.backend.line.hang_up()
                self.assert_500(line)

    def test_no_answer_in_time(self) -> None:
        """So it does when the server's time is over, by a timer."""
        line = self.asked()
        self.break_(HttpExchange, "response_lost")
        self.network.advance(TIMEOUT)
        self.assert_500(line)

    def test_begun_answer(self) -> None:
        """Once the head is out the answer is cut, with the status that the client saw."""
        for owner, name in (
            (HttpExchange, "response_body"),
            (Http1ResponseWriter, "body"),
            (HttpExchange, "response_flush"),
            (ResponseReader, "feed"),
            (HttpExchange, "response_end"),
        ):
            with self.subTest(place=name):
                self.make()
                line = self.asked()
                self.backend.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
                self.assertTrue(line.take().endswith(b"abc"))
                self.break_(owner, name)
                self.backend.line.send(b"defghi" if name == "response_end" else b"def")
                self.network.advance(0)
                self.assertEqual((line.reset, self.backend.line.connected), (True, 0))
                self.assert_ended(line, 200)

    def test_released(self) -> None:
        """After the answer, when the connection is to take the next request, it is cut off."""
        line = self.asked()
        self.break_(Frontend, "_await_next")
        self.backend.line.send(OK)
        self.network.advance(0)
        self.assertTrue(line.take().endswith(b"ok"))
        self.stand.backends.close_idle()
        self.network.advance(0)
        self.assertEqual((line.connected, self.network.timers()), (0, []))
        self.assertEqual([each["httpStatus"] for each in self.stand.log.records], [200])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_timer(self) -> None:
        """A deadline of the client that cannot be handled ends the connection."""
        line = self.asked(POST)
        self.break_(HttpExchange, "refuse")
        self.network.advance(self.stand.port.gateway.body_timeout)
        self.assert_500(line)

    def test_page(self) -> None:
        """Where not even the page can be made, the connection is cut and the log has its line."""
        line = self.client()
        self.break_(deciding_module, "decide")
        self.break_(ExchangeActions, "answer")
        line.send(GET)
        self.network.advance(0)
        self.assert_ended(line, 500)

    def test_ending(self) -> None:
        """An error while an answered exchange is put away keeps no client waiting, and no line from the log."""
        for cut in (False, True):
            self.make()
            line = self.asked()
            self.backend.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            self.break_(Attempts, "cancel")
            self.backend.line.send(b"" if cut else b"defghi")
            if cut:
                self.backend.line.hang_up()
            self.network.advance(0)
            self.assertEqual((len(self.flushLoggedErrors(ZeroDivisionError)), len(self.stand.log.lines)), (1, 1))
            self.assertEqual((len(self.stand.exchanges.running), line.reset), (0, cut))
            if not cut:
                line.send(GET)
                self.backend.line.send(OK)
                self.assertTrue(line.take().endswith(b"ok"))

    def test_client_leaves(self) -> None:
        """An error while an exchange is given up leaves nothing behind, neither here nor in the port's count."""
        line = self.asked()
        self.break_(Attempts, "cancel")
        line.crash()
        self.assertEqual((len(self.stand.exchanges.running), self.stand.log.last["httpStatus"]), (0, 499))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_unexpected_event(self) -> None:
        """What may not happen, and does, is a defect that the log names: 500, or a cut where the answer has begun."""
        for begun in (False, True):
            self.make()
            line = self.asked()
            if begun:
                self.backend.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            [exchange] = self.stand.exchanges.running
            with capturedLogs() as logged:
                exchange.connected(None)  # type: ignore[arg-type]  # though it is connected
                if not begun:
                    exchange.response_end()
            self.network.advance(LINGER)
            self.assertEqual((line.reset, self.log["error_info"]), (begun, "ERRORINFO_INTERNAL_ERROR"))
            self.assertEqual(self.log["httpStatus"], 200 if begun else 500)
            words = "CONNECTED while ANSWERING" if begun else "CONNECTED while REQUESTING"
            self.assertIn(words, str(logged[0]["log_failure"].value))
            self.assertTrue(self.flushLoggedErrors(UnexpectedEventError))

    def test_elsewhere(self) -> None:
        """An error that the reactor catches, of whatever layer, is not taken for the client's leaving."""
        line = self.asked()
        line.connectionLost(Failure(ZeroDivisionError()))
        self.assertEqual((self.log["httpStatus"], self.log["error_info"]), (500, "ERRORINFO_INTERNAL_ERROR"))


class PathTests(_Case):
    """Requests to sites that treat some paths in their own way."""

    def setUp(self) -> None:
        away = RedirectConfiguration(name="away", redirect_type=RedirectType.PERMANENT, target_url="https://b.example/")
        self.make(
            mapped(
                site(client_certificate_headers=frozenset({CertificateHeaders.ALL})),
                PathRule(name="admin", paths=("/admin*",), client_certificate=PathCertificate.REQUIRE),
                PathRule(name="open", paths=("/open*",), client_certificate=PathCertificate.IGNORE),
                PathRule(name="gone", paths=("/gone*",), redirect_configuration=away),
            )
        )
        self.answers: list[Deferred[RevocationFinding]] = []
        self.cancelled: list[Deferred[RevocationFinding]] = []

    def ask(self, path: str, required: Verdict, *, more: bytes = b"", method: str = "GET") -> Line:
        """A client of a Passthrough listener that a Strict one would judge so, after its request."""
        request = f"{method} {path} HTTP/1.1\r\nHost: a.example\r\n".encode() + (more or b"\r\n")
        certificate = certificate_variables(DEVICE.der)
        return self.asked(request, verdict=Unchecked(), strict_verdict=required, certificate=certificate)

    def check_later(self) -> None:
        """From now on trusted clients are judged further, when a test says so."""

        def check(client: PendingClient) -> Deferred[RevocationFinding]:
            self.answers.append(Deferred(self.cancelled.append))
            return self.answers[-1]

        recheck: Any = check
        recheck.watch = lambda client, told: lambda: None
        self.stand.port.check_of = lambda profile: recheck

    def test_required(self) -> None:
        """A path that requires a certificate gives SUCCESS to its backend and the log; other paths PASSTHROUGH."""
        for path, word in (("/admin", "SUCCESS"), ("/", "PASSTHROUGH")):
            line = self.ask(path, Trusted())
            self.assertIn(f"-Verification: {word}\r\n".encode(), self.backend.line.take())
            self.backend.line.send(OK)
            self.assertTrue(line.take().endswith(b"ok"))
            self.assertEqual((self.log["sslClientVerify"], self.log["httpStatus"]), (word, 200))

    def test_unwelcome(self) -> None:
        """Without a certificate that is accepted the answer is the page of a Strict listener; nothing is forwarded."""
        for verdict, text in (
            (Missing(), "No required SSL certificate was sent"),
            (Refused("certificate has expired"), "certificate has expired"),
        ):
            line = self.ask("/admin", verdict)
            self.assert_page(line, 400, "HTTPS_NO_CERT", text=text)
        self.assertEqual(self.log["sslClientVerify"], "FAILED:certificate has expired")
        self.assertEqual(self.backend.lines, [])

    def test_connection_goes_on(self) -> None:
        """After such a page the client may ask for something else, or with its next request for the same again."""
        line = self.ask("/admin", Missing())
        line.take()
        line.send(GET)
        self.assertIn(b"GET /a?b=c ", self.backend.line.take())

    def test_ignored(self) -> None:
        """Where certificates are ignored, neither backend nor log hear of one."""
        line = self.ask("/open", Trusted())
        self.assertNotIn(b"X-Client-Certificate", self.backend.line.take())
        self.backend.line.send(OK)
        line.take()
        self.assertEqual((self.log["sslClientVerify"], self.log["sslClientCertificateFingerprint"]), ("NONE", ""))

    def test_redirect(self) -> None:
        """A redirect is answered by the gateway, and the connection goes on."""
        line = self.asked(GET.replace(b"/a?b=c", b"/gone"))
        answer = line.take()
        self.assertIn(b"HTTP/1.1 301 Moved Permanently\r\n", answer)
        self.assertIn(b"\r\nLocation: https://b.example/\r\n", answer)
        self.assertEqual((self.log["httpStatus"], self.log["error_info"]), (301, "ERRORINFO_NO_ERROR"))
        self.assertEqual(self.backend.lines, [])

    def answer(self, verdict: Verdict) -> None:
        """The check of the client ends so."""
        refusal = verdict if isinstance(verdict, Refused) else None
        self.answers[-1].callback(RevocationFinding(status=ClientRevocationStatus.GOOD, refusal=refusal))
        self.network.advance(0)

    def test_waits_for_the_check(self) -> None:
        """While the client is judged further its body waits; nothing of it is forwarded before, all of it after."""
        self.check_later()
        body = b"Content-Length: 6\r\n\r\nabc"
        line = self.ask("/admin", Trusted(), more=body, method="PUT")
        line.send(b"def")
        self.assertEqual(self.backend.lines, [])
        self.answer(Trusted())
        self.assertTrue(self.backend.line.take().endswith(b"\r\n\r\nabcdef"))
        self.backend.line.send(OK)
        self.assertTrue(line.take().endswith(b"ok"))

    def test_early_body_is_bounded(self) -> None:
        """Of the body of a client that waits no more is kept than a bound and one read, whatever it sends."""
        self.check_later()
        line = self.ask("/admin", Trusted(), more=b"Content-Length: 1000000\r\n\r\n", method="PUT")
        for _ in range(5):
            line.send(b"x" * READ)
        [exchange] = self.stand.exchanges.running
        self.assertLess(len(exchange._held_body), KEPT_BODY + READ)
        self.answer(Trusted())
        self.assertGreater(len(self.backend.line.take()), READ)

    def test_turned_away_meanwhile(self) -> None:
        """A client that is turned away while it is judged for the path gets the page, whatever the path finds."""
        self.check_later()
        line = self.ask("/admin", Trusted())
        [session] = self.stand.port._sessions.values()
        session.client = identities.turned_away(Refused("certificate revoked"))  # type: ignore[attr-defined]
        self.answer(Trusted())
        self.assert_page(line, 400, "HTTPS_NO_CERT", text="certificate revoked")
        self.assertEqual(self.backend.lines, [])

    def test_found_revoked(self) -> None:
        """A client that turns out to be refused gets the page, and its body goes nowhere."""
        self.check_later()
        line = self.ask("/admin", Trusted(), more=b"Content-Length: 6\r\n\r\nabc", method="PUT")
        self.answer(Refused("certificate revoked"))
        self.assert_page(line, 400, "HTTPS_NO_CERT", text="certificate revoked", closed=True)
        self.assertEqual(self.backend.lines, [])

    def test_client_leaves(self) -> None:
        """A client that leaves while it is judged is not waited for."""
        self.check_later()
        line = self.ask("/admin", Trusted())
        line.crash()
        self.assertEqual(self.cancelled, self.answers)
        self.assertEqual((self.log["httpStatus"], len(self.stand.exchanges.running)), (499, 0))

    def test_check_breaks(self) -> None:
        """A check that fails is a refusal, and a decision that fails is a 500 for the client."""
        self.check_later()
        line = self.ask("/admin", Trusted())
        self.answers[0].errback(RuntimeError("a defect"))
        self.assert_page(line, 400, "HTTPS_NO_CERT", text="status request failed")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        line = self.ask("/admin", Trusted())
        self.patch(deciding_module, "decide", lambda *_: 1 / 0)
        self.answer(Trusted())
        self.assert_page(line, 500, "INTERNAL_ERROR", closed=True)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class RewriteTests(_Case):
    """Rewrite rules, on the way there and back."""

    def rule(self, *conditions: str, **fields: Any) -> None:
        """A site with a rule of these conditions: ``request={"X-A": "1"}``, ``response={...}``, ``path="/b"``."""

        def actions(headers: dict[str, str], *, of_response: bool = False) -> tuple[HeaderAction, ...]:
            scope = Scope(captures=None, of_response=of_response)
            return tuple(
                HeaderAction(
                    name=name.encode(),
                    canonical=canonical(name.encode()),
                    value=Template.of(value, scope) if value else None,
                )
                for name, value in headers.items()
            )

        rule = RewriteRule(
            name="set/rule",
            conditions=tuple(map(Condition.of, conditions)),
            request_headers=actions(fields.get("request", {})),
            response_headers=actions(fields.get("response", {}), of_response=True),
            url_path=Template.of(fields["path"], Scope()) if "path" in fields else None,
        )
        rule_set = RewriteRuleSet.of("set", [rule])
        basic = site(client_certificate_headers=frozenset({CertificateHeaders.ALL}))
        changed = attrs.evolve(basic.rule, rewrite_rule_set=rule_set)
        self.make(Site(listener=basic.listener, rule=changed))

    def test_request(self) -> None:
        """Headers, Host and path are the rules'; the log and X-Original-Url have both."""
        self.rule(request={"X-A": "{var_client_ip}", "Host": "b.example", "X-Forwarded-Proto": ""}, path="/new")
        line = self.asked()
        words, lines = parsed(self.backend.line.take())
        sent = dict(lines)
        self.assertEqual(words[1], b"/new?b=c")
        self.assertEqual(
            (sent[b"X-A"], sent[b"Host"], sent[b"X-Original-Url"]), (b"192.0.2.1", b"b.example", b"/a?b=c")
        )
        self.assertNotIn(b"X-Forwarded-Proto", sent)
        self.backend.line.send(OK)
        line.take()
        self.assertEqual((self.log["requestUri"], self.log["originalRequestUriWithArgs"]), ("/new", "/a?b=c"))
        self.assertEqual((self.log["host"], self.log["originalHost"]), ("b.example", "a.example"))

    def test_certificate(self) -> None:
        """A rule sends the backend what it captured of the client's subject."""
        self.rule(
            "var_client_certificate_subject ~ CN=(.*?)(,|$)",
            request={"X-Device": "{var_client_certificate_subject_1}"},
        )
        self.asked(verdict=Trusted(), certificate=certificate_variables(DEVICE.der))
        self.assertIn(b"\r\nX-Device: device\r\n", self.backend.line.take())

    def test_response(self) -> None:
        """Rules change the response's head, with what they know of request and response; what they delete is gone."""
        self.rule(
            "http_req_host ~ ^(.)",
            "var_http_status == 200",
            response={"X-Status": "{var_http_status}-{http_req_host_1}", "Server": ""},
        )
        line = self.asked()
        self.backend.line.send(OK.replace(b"\r\n\r\n", b"\r\nServer: x\r\n\r\n"))
        answer = line.take()
        self.assertIn(b"\r\nX-Status: 200-a\r\n", answer)
        self.assertNotIn(b"Server", answer)
        self.assertTrue(answer.endswith(b"ok"))

    def test_sizes(self) -> None:
        """A rule for the response knows how many bytes of it the client has: those of informational responses."""
        self.rule(response={"X-Sizes": "{var_received_bytes} {var_sent_bytes}"})
        line = self.asked()
        self.backend.line.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
        hint, _, answer = line.take().partition(b"\r\n\r\n")
        received = len(b"GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n\r\n")
        self.assertIn(b"\r\nX-Sizes: %d %d\r\n" % (received, len(hint) + 4), answer)

    def test_defect(self) -> None:
        """An error of our own while rules look at a response means 500."""
        self.rule(response={"X-A": "1"})
        line = self.asked()
        self.patch(ForwardedRequest, "rewritten", lambda *_: 1 / 0)
        self.backend.line.send(OK)
        self.assert_page(line, 500, "INTERNAL_ERROR", closed=True)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_response_that_cannot_be_sent(self) -> None:
        """A value that is too large for a head makes it a 502; its connection serves on, and the log has both."""
        self.rule(response={"X-A": 4 * "{http_resp_x}"})
        line = self.asked()
        self.backend.line.send(OK.replace(b"\r\n\r\n", b"\r\nX: %b\r\n\r\n" % (b"a" * 20000)))
        self.assert_page(line, 502, "UPSTREAM_CLOSED_CONNECTION")
        self.assertEqual(self.log["serverStatus"], "200")
        self.assertFalse(self.backend.line.reset)

    def test_own_pages_are_not_rewritten(self) -> None:
        """The gateway's own answers are as they are."""
        self.rule(response={"X-A": "1"})
        self.backend.refusing = True
        line = self.asked()
        answer = line.take()
        self.assertIn(b"HTTP/1.1 502 ", answer)
        self.assertNotIn(b"X-A", answer)

    def test_bad_request(self) -> None:
        """A value that would break the request ends it with 400, and nothing is forwarded."""
        self.rule(path="{http_req_x}")
        line = self.asked(GET.replace(b"\r\n\r\n", b"\r\nX: /a b\r\n\r\n"))
        self.assert_page(line, 400, "REQUEST_URI_INVALID")
        self.assertEqual(self.backend.lines, [])

    def test_own_error_pages(self) -> None:
        """The operator's pages stand in for ours, also where a client is turned away, not for a backend's answer."""
        self.stand.exchanges.error_pages = ErrorPages(
            CustomError(status=status, page=b"<p>%d, ours</p>" % status) for status in (400, 502)
        )
        self.backend.refusing = True
        self.assertTrue(self.asked().take().endswith(b"\r\nContent-Length: 16\r\n\r\n<p>502, ours</p>"))
        self.assertTrue(self.asked(verdict=Missing()).take().endswith(b"<p>400, ours</p>"))
        self.backend.refusing = False
        line = self.asked()
        self.backend.line.send(b"HTTP/1.1 502 Bad\r\nContent-Length: 3\r\n\r\nbad")
        self.assertTrue(line.take().endswith(b"\r\n\r\nbad"))
