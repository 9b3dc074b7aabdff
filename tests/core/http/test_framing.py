"""Heads as values: what is kept of a request and a response, and what is said of it. Bytes are the readers'."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.framing import request_head, response_head
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.messages import MAX_TARGET, METHODS, BadRequest, Framing, ResponseHead, has_body
from agwtwisted.core.http.pages import ErrorInfo
from tests.requests import HOST, head_of


def answer(*lines: Header, status: int = 200, version: bytes = b"1.1", head: bool = False) -> ResponseHead:
    """The head of a response that is passed on."""
    made = response_head(status, b"OK", version, lines, to_head_request=head)
    assert isinstance(made, ResponseHead), made
    return made


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

    def test_keep_alive(self) -> None:
        """HTTP/1.1 connections stay open unless a header closes them, HTTP/1.0 ones the other way round."""
        for version, value, expected in (
            (b"1.1", b"", True),
            (b"1.1", b"Keep-Alive", True),
            (b"1.1", b"a, Close", False),
            (b"1.1", b"closed", True),
            (b"1.0", b"", False),
            (b"1.0", b"keep-alive", True),
        ):
            self.assertEqual(head_of((b"Connection", value), version=version).keep_alive, expected, (version, value))

    def test_expect(self) -> None:
        """100-continue is understood from HTTP/1.1 clients; nothing else is, and nothing of it goes on as it came."""
        for version, value, expected in (
            (b"1.1", b"100-Continue", True),
            (b"1.0", b"100-continue", False),
            (b"1.1", b"a", False),
        ):
            head = head_of((b"Expect", value), version=version)
            self.assertEqual((head.expects_continue, head.headers), (expected, ()))

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
                    b"PUT", b"/", b"1.1", [(b"Host", b"a"), both, (b"Upgrade", name), body], HeaderNames()
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
        head = head_of((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), version=b"1.0")
        self.assertEqual((head.upgrade, head.headers), (b"", ()))

    def test_methods(self) -> None:
        """Methods of HTTP/2, RTSP and ICE, CONNECT and TRACE are not forwarded."""
        self.assertEqual({b"CONNECT", b"TRACE", b"PAUSE", b"SOURCE", b"PRI"} & METHODS, frozenset())
        for method in METHODS - {b"POST"}:
            self.assertEqual(head_of(method=method).method, method)

    def test_versions(self) -> None:
        """There are two."""
        for version in (b"0.9", b"1.2", b"2.0", b"3.0", b""):
            self.assertIsInstance(request_head(b"GET", b"/", version, [HOST], HeaderNames()), BadRequest)

    def test_targets_of_other_readers(self) -> None:
        """What the grammar of a head refuses first is refused here too: heads come from twisted.web as well."""
        bad = request_head(b"GET", b"/" + b"a" * MAX_TARGET, b"1.1", [HOST], HeaderNames())
        self.assertEqual(bad, BadRequest(414, ErrorInfo.REQUEST_URI_INVALID))
        both = [HOST, (b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")]
        self.assertIsInstance(request_head(b"PUT", b"/", b"1.1", both, HeaderNames()), BadRequest)
        repeated = [HOST, (b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")]
        self.assertIsInstance(request_head(b"PUT", b"/", b"1.1", repeated, HeaderNames()), BadRequest)


class ResponseHeadTests(SynchronousTestCase):
    """What a response's head keeps."""

    def test_unfit(self) -> None:
        """A framing that could be understood in two ways is none."""
        length, chunked = (b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")
        for lines in ((length, length), (length, chunked), (chunked, chunked), ((b"Content-Length", b"+5"),)):
            self.assertIsInstance(response_head(200, b"OK", b"1.1", lines, to_head_request=False), str)

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
        self.assertFalse(answer(version=b"1.0").keep_alive)
        self.assertTrue(answer((b"Connection", b"Keep-Alive"), version=b"1.0").keep_alive)
        self.assertFalse(answer((b"Transfer-Encoding", b"chunked"), head=True).keep_alive)
