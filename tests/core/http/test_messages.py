"""Heads as values: what is kept of a request and a response, and what is said of it. Bytes are test_reading's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.managed import MANAGED_NAMES, canonical
from agwtwisted.core.http.messages import (
    MAX_TARGET,
    METHODS,
    BadRequest,
    Framing,
    HeaderNames,
    RequestHead,
    ResponseHead,
    asks_for,
    has_body,
    host_of,
    request_head,
    response_head,
)
from agwtwisted.core.http.pages import ErrorInfo
from tests.requests import managed_names

HOST: Header = (b"Host", b"a.example")


def head_of(
    *lines: Header, method: bytes = b"GET", version: str = "1.1", names: HeaderNames | None = None
) -> RequestHead:
    """The head of a request that is fit to forward."""
    head = request_head(method, b"/", version, (HOST, *lines), names or HeaderNames())
    assert isinstance(head, RequestHead), head
    return head


def answer(*lines: Header, status: int = 200, version: str = "1.1", head: bool = False) -> ResponseHead:
    """The head of a response that is passed on."""
    made = response_head(status, b"OK", version, lines, to_head_request=head)
    assert isinstance(made, ResponseHead), made
    return made


class HostTests(SynchronousTestCase):
    """Host names of Host headers."""

    def test_names(self) -> None:
        """Lower case, without port and trailing dot; IPv6 addresses keep their brackets."""
        for authority, host in (
            (b"a", "a"),
            (b"A.Example.", "a.example"),
            (b"a.example:8443", "a.example"),
            (b"a.example.:8443", "a.example"),
            (b"192.0.2.1:80", "192.0.2.1"),
            (b"[2001:DB8::1]:443", "[2001:db8::1]"),
            (b"under_score", "under_score"),
        ):
            self.assertEqual(host_of(authority), host)

    def test_no_names(self) -> None:
        """Anything else is none."""
        for authority in (
            b"",
            b".",
            b".a",
            b"a..",
            b"a..b",
            b"a:",
            b":80",
            b"a:b",
            b"a:123456",
            b"a:1:2",
            b"a b",
            b"a/b",
        ):
            self.assertEqual(host_of(authority), "", authority)
        for authority in (
            b"u@a",
            b"a,b",
            b"[::1",
            b"::1",
            b"[a]b",
            b"[g]",
            b"a\0",
            b"a\n",
            b"*",
            b"\xe9",
            b"a%2e",
            b"a\\b",
        ):
            self.assertEqual(host_of(authority), "", authority)

    def test_long_nonsense_is_quick(self) -> None:
        """No spelling makes the pattern try again and again."""
        for authority in (b"a" * 30_000 + b"!", b"a." * 15_000 + b"!", b"[" + b":" * 30_000):
            self.assertEqual(host_of(authority), "")


class RequestHeadTests(SynchronousTestCase):
    """What a request's head keeps."""

    def test_end_to_end_headers(self) -> None:
        """They stay as they came, in order, repeated ones too; Host is apart."""
        lines = (
            (b"Accept", b"a"),
            (b"X-Own", b"1"),
            (b"x-own", b"2"),
            (b"User-Agent", b"me"),
            (b"Authorization", b"b"),
        )
        head = head_of(*lines)
        self.assertEqual((head.headers, head.authority, head.host), (lines, b"a.example", "a.example"))
        self.assertEqual(head.user_agent, b"me")

    def test_hop_by_hop_headers(self) -> None:
        """What concerns the client's connection only does not go on (RFC 9110 section 7.6.1)."""
        for name in (
            b"Connection",
            b"Keep-Alive",
            b"Proxy-Connection",
            b"TE",
            b"Trailer",
            b"HTTP2-Settings",
            b"Upgrade",
        ):
            self.assertEqual(head_of((name, b"a")).headers, ())
        self.assertEqual(head_of((b"Transfer-Encoding", b"chunked")).headers, ())
        self.assertEqual(head_of((b"Content-Length", b"1"), (b"Expect", b"100-continue")).headers, ())

    def test_named_in_connection(self) -> None:
        """Nor do the headers that Connection names, in any case and several lines."""
        lines = (
            (b"Connection", b"close, X-A"),
            (b"connection", b" x-b ,"),
            (b"x-a", b"1"),
            (b"X-B", b"2"),
            (b"X-C", b"3"),
        )
        self.assertEqual(head_of(*lines).headers, ((b"X-C", b"3"),))

    def test_forwarded_for(self) -> None:
        """X-Forwarded-For is kept apart, its lines joined, whatever Connection says."""
        lines = ((b"X-Forwarded-For", b"1"), (b"x-forwarded-for", b"2"), (b"Connection", b"x-forwarded-for"))
        head = head_of(*lines)
        self.assertEqual((head.forwarded_for, head.headers), (b"1, 2", ()))

    @given(managed_names(), st.booleans())
    def test_managed_headers(self, name: bytes, reject: bool) -> None:
        """No spelling of a managed name goes on, nor makes a request bad."""
        self.assertEqual(head_of((name, b"a"), names=HeaderNames(reject_odd=reject)).headers, ())

    @given(st.text("xX-_.oO", min_size=1, max_size=5).map(str.encode))
    def test_more_managed_headers(self, name: bytes) -> None:
        """Names that a configuration adds are managed in every spelling too."""
        names = HeaderNames(frozenset({canonical(name)}))
        self.assertTrue(names.is_managed(name))
        self.assertEqual(head_of((name, b"a"), names=names).headers, ())

    def test_managed_special_headers(self) -> None:
        """What is looked at and goes on is managed too where a rule tells by it who the client is."""
        for name in (b"Authorization", b"User-Agent", b"X-Forwarded-For"):
            for names, kept in ((HeaderNames(), True), (HeaderNames(frozenset({canonical(name)})), False)):
                head = head_of((name, b"a"), names=names)
                self.assertEqual(b"a" in (head.forwarded_for, *dict(head.headers).values()), kept, name)

    def test_names_are_remembered_within_bounds(self) -> None:
        """However many names clients invent, few are remembered, long ones never; the answer stays the same."""
        names = HeaderNames()
        for number in range(5000):
            names.kind(b"X-%d" % number)
        names.kind(b"X" * 1000)
        self.assertLessEqual(len(names.known), 1024)
        self.assertNotIn(b"X" * 1000, names.known)
        self.assertEqual(head_of((b"X-4999", b"a"), names=names).headers, ((b"X-4999", b"a"),))
        self.assertEqual(head_of((b"x_client_certificate", b"a"), names=names).headers, ())

    def test_keep_alive(self) -> None:
        """HTTP/1.1 goes on unless told to close, HTTP/1.0 the other way round."""
        for version, value, expected in (
            ("1.1", b"", True),
            ("1.1", b"Keep-Alive", True),
            ("1.1", b"a, Close", False),
            ("1.1", b"closed", True),
            ("1.0", b"", False),
            ("1.0", b"keep-alive", True),
        ):
            self.assertEqual(head_of((b"Connection", value), version=version).keep_alive, expected, (version, value))

    def test_expect(self) -> None:
        """100-continue is understood from HTTP/1.1 clients; nothing else is, and nothing of it goes on as it came."""
        for version, value, expected in (
            ("1.1", b"100-Continue", True),
            ("1.0", b"100-continue", False),
            ("1.1", b"a", False),
        ):
            head = head_of((b"Expect", value), version=version)
            self.assertEqual((head.expects_continue, head.headers), (expected, ()))

    def test_dropped_names_are_told(self) -> None:
        """Each odd name is told the first time, the tenth and the hundredth, and there is an end to names."""
        told: list[tuple[bytes, int]] = []
        names = HeaderNames(tell_dropped=lambda name, count: told.append((name, count)))
        for _ in range(101):
            head_of((b"X_A", b"1"), (b"X-B", b"2"), names=names)
        self.assertEqual(told, [(b"X_A", 1), (b"X_A", 10), (b"X_A", 100)])
        for number in range(2000):
            head_of((b"_%d" % number, b""), names=names)
        self.assertEqual(len(told), 3 + 1023)

    def test_long_dropped_names(self) -> None:
        """Of a long odd name the beginning is kept and told."""
        told: list[tuple[bytes, int]] = []
        names = HeaderNames(tell_dropped=lambda name, count: told.append((name, count)))
        for end in (b"a", b"b"):
            head_of((b"_" * 30_000 + end, b""), names=names)
        self.assertEqual(told, [(b"_" * 64, 1)])

    def test_long_hosts(self) -> None:
        """A host name of more than 255 octets is none, whatever port follows it."""
        label = b"a" * 63 + b"."
        for host, length in ((label * 3 + b"a" * 63, 255), (label * 3 + b"a" * 64, 256), (b"a" * 30_000, 30_000)):
            self.assertEqual(len(host), length)
            for port in (b"", b":65535"):
                self.assertEqual(host_of(host + port), host.decode() if length <= 255 else "")
        self.assertEqual(host_of(b"[" + b":" * 253 + b"]"), "[" + ":" * 253 + "]")
        self.assertEqual(host_of(b"[" + b":" * 254 + b"]"), "")

    def test_upgrade(self) -> None:
        """Any protocol but those that carry HTTP, and only with Connection: upgrade; others are asked for in vain."""
        both = (b"Connection", b"Upgrade")
        for name in (b"WebSocket", b"tcp", b"httpx"):
            self.assertEqual(head_of(both, (b"Upgrade", name)).upgrade, name)
        self.assertEqual(head_of((b"Upgrade", b"websocket")).upgrade, b"")
        for other in (b"h2c", b"websocket, h2c", b"H2C ,websocket", b"TLS/1.0", b"HTTP/2.0", b"h2c-14", b"h3", b""):
            head = head_of(both, (b"Upgrade", other))
            self.assertEqual((head.upgrade, head.headers), (b"", ()))
        self.assertEqual(head_of(both, (b"Upgrade", b"websocket"), (b"Upgrade", b"h2c")).upgrade, b"")

    def test_upgrade_with_a_body(self) -> None:
        """A body and a wish for WebSocket are refused, other wishes passed over; an empty body is none."""
        both = (b"Connection", b"Upgrade")
        bodies = ((b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked"))
        for body in bodies:
            for name in (b"websocket", b"WebSocket, h2c", b"h2c,websocket"):
                found = request_head(
                    b"PUT", b"/", "1.1", [(b"Host", b"a"), both, (b"Upgrade", name), body], HeaderNames()
                )
                self.assertEqual(found, BadRequest(400, ErrorInfo.INVALID_REQUEST), (name, body))
            for name in (b"h2c", b"TLS/1.0", b"turn"):
                head = head_of(both, (b"Upgrade", name), body, method=b"PUT")
                self.assertEqual((head.upgrade, head.headers), (b"", ()), (name, body))
        for method in (b"GET", b"POST"):
            head = head_of(both, (b"Upgrade", b"websocket"), (b"Content-Length", b"0"), method=method)
            self.assertEqual(head.upgrade, b"websocket", method)

    def test_upgrade_in_1_0(self) -> None:
        """HTTP/1.0 knows no upgrade: it is passed over (RFC 9110 section 7.8)."""
        head = head_of((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), version="1.0")
        self.assertEqual((head.upgrade, head.headers), (b"", ()))

    def test_asks_for(self) -> None:
        """A request asks for each protocol of its list, and for no other, nor for nothing."""
        head = head_of((b"Connection", b"Upgrade"), (b"Upgrade", b"WebSocket, tcp"))
        asked = [asks_for(head, name) for name in (b"websocket", b"TCP", b"h2c", b"websocket, tcp", b"", b"web")]
        self.assertEqual(asked, [True, True, False, False, False, False])
        self.assertFalse(asks_for(head_of(), b""))

    def test_methods(self) -> None:
        """Of the methods that llhttp reads, those of RTSP and ICE, CONNECT and TRACE are not forwarded."""
        self.assertEqual({b"CONNECT", b"TRACE", b"PAUSE", b"SOURCE", b"PRI"} & METHODS, frozenset())
        for method in METHODS - {b"POST"}:
            self.assertEqual(head_of(method=method).method, method)

    def test_versions(self) -> None:
        """There are two."""
        for version in ("0.9", "1.2", "2.0", "3.0", ""):
            self.assertIsInstance(request_head(b"GET", b"/", version, [HOST], HeaderNames()), BadRequest)

    def test_targets_of_other_readers(self) -> None:
        """What llhttp or the reader refuse first is refused here too: heads come from twisted.web as well."""
        bad = request_head(b"GET", b"/" + b"a" * MAX_TARGET, "1.1", [HOST], HeaderNames())
        self.assertEqual(bad, BadRequest(414, ErrorInfo.REQUEST_URI_INVALID))
        both = [HOST, (b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")]
        self.assertIsInstance(request_head(b"PUT", b"/", "1.1", both, HeaderNames()), BadRequest)
        repeated = [HOST, (b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")]
        self.assertIsInstance(request_head(b"PUT", b"/", "1.1", repeated, HeaderNames()), BadRequest)


class ResponseHeadTests(SynchronousTestCase):
    """What a response's head keeps."""

    def test_unfit(self) -> None:
        """Framings that llhttp refuses first are refused here too."""
        length, chunked = (b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")
        for lines in ((length, length), (length, chunked), (chunked, chunked), ((b"Content-Length", b"+5"),)):
            self.assertIsInstance(response_head(200, b"OK", "1.1", lines, to_head_request=False), str)

    def test_headers(self) -> None:
        """End-to-end headers stay, repeated ones too; those of the backend's connection do not."""
        lines = ((b"Set-Cookie", b"a"), (b"Set-Cookie", b"b"), (b"X-Odd_name", b"c"))
        hops = (
            (b"Connection", b"close, X-Hop"),
            (b"X-Hop", b"1"),
            (b"Keep-Alive", b"a"),
            (b"Trailer", b"b"),
            (b"Upgrade", b"h2c"),
        )
        head = answer(*lines, *hops)
        self.assertEqual((head.headers, head.keep_alive, head.upgrade), (lines, False, b""))

    def test_framing(self) -> None:
        """Chunks, a length, or the end of the connection (RFC 9112 section 6.3)."""
        length, chunked = (b"Content-Length", b"5"), (b"Transfer-Encoding", b"Chunked ")
        for head, expected in (
            (answer(length), (Framing.LENGTH, 5, True)),
            (answer(chunked), (Framing.CHUNKED, 0, True)),
            (answer(), (Framing.CLOSE, 0, True)),
            (answer(status=204), (Framing.NONE, 0, False)),
            (answer(length, status=204), (Framing.NONE, 0, False)),
            (answer(length, status=304), (Framing.LENGTH, 5, False)),
            (answer(chunked, status=304), (Framing.NONE, 0, False)),
            (answer(status=304), (Framing.NONE, 0, False)),
            (answer(length, status=103), (Framing.NONE, 0, False)),
        ):
            self.assertEqual((head.framing, head.content_length, has_body(head, to_head_request=False)), expected)
        for lines in ((length,), (chunked,), ()):
            self.assertFalse(has_body(answer(*lines, head=True), to_head_request=True))

    def test_keep_alive(self) -> None:
        """A backend's connection goes on as its version and Connection say."""
        self.assertTrue(answer().keep_alive)
        self.assertFalse(answer((b"Connection", b"close")).keep_alive)
        self.assertFalse(answer(version="1.0").keep_alive)
        self.assertTrue(answer((b"Connection", b"Keep-Alive"), version="1.0").keep_alive)
        self.assertFalse(answer((b"Transfer-Encoding", b"chunked"), head=True).keep_alive)


class ManagedNameTests(SynchronousTestCase):
    """Names that clients may not set."""

    def test_managed_names_are_dropped_first(self) -> None:
        """A name is managed before it is anything else: none of them means something to this module."""
        self.assertEqual({HeaderNames().kind(name) for name in MANAGED_NAMES}, {b"-"})
