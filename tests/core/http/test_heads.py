"""Plain heads: what the patterns take they cut as llhttp does, and what is odd in any way they leave to it."""

from __future__ import annotations

from functools import partial
from unittest import mock

import attrs
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.remembering import LONGEST
from agwtwisted.core.http import heads
from agwtwisted.core.http.header_lines import HeaderBlock
from agwtwisted.core.http.heads import REMEMBERED, PlainRequests, plain_response
from agwtwisted.core.http.messages import MAX_TARGET, Framing, HeaderNames, RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.reading import RequestEvent, RequestReader, ResponseEvent, ResponseReader
from tests.memory import kept_after

REQUEST = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nX:b\r\nEmpty:\r\nTabbed:\t c d\t e\r\n\r\n"
POST = b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nX:b\r\nContent-Length: 4\r\nEmpty:\r\nTabbed:\t c d\t e\r\n\r\nbody"
RESPONSE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX:b\r\nEmpty:\r\nTabbed:\t c d\t e\r\n\r\n"
LINES = [(b"X", b"b"), (b"Empty", b""), (b"Tabbed", b"c d\t e")]


PLAIN = PlainRequests(HeaderNames())
"""One for all: what one request has left there another one finds."""


def read_request(*pieces: bytes) -> tuple[list[RequestEvent], bool]:
    """What a reader makes of a request, but for the size of an unfit one, which is how much of it had come."""
    reader = RequestReader(PLAIN, max_header_bytes=1000, max_body_bytes=1000)
    for piece in pieces:
        reader.feed(piece)
    events = [attrs.evolve(event, size=0) if isinstance(event, UnfitRequest) else event for event in reader.events]
    return events, reader.done


def _read_many(plain: PlainRequests, request: bytes) -> None:
    """Reads a request again and again, each time with another line."""
    for number in range(1500):
        assert plain.head(request % (b"Y: %d\r\n" % number)) is not None


def joined(events: list[RequestEvent]) -> list[RequestEvent]:
    """The same with each body in one piece."""
    told: list[RequestEvent] = []
    for event in events:
        if isinstance(event, bytes) and told and isinstance(told[-1], bytes):
            told[-1] += event
        else:
            told.append(event)
    return told


def read_response(*pieces: bytes) -> tuple[list[ResponseEvent], bytes, bool, bool, bool]:
    """What a reader makes of a response: its events, the body in one, and whether it has a problem, is whole, clean."""
    reader = ResponseReader(to_head_request=False, max_header_bytes=1000)
    for piece in pieces:
        reader.feed(piece)
    body = b"".join(event for event in reader.events if isinstance(event, bytes))
    events = [event for event in reader.events if not isinstance(event, bytes)]
    return events, body, bool(reader.problem), reader.whole, reader.clean


ODD = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"\x00", b"\x7f", b"\xe4", b"\x0b", b"#", b"/"]
)
TOKENS = st.sampled_from([b"GET", b"POST", b"HTTP/1.0", b"HTTP/1.1", b"Host: a", b"X-Y: z", b"200", b"OK", b"a", b"_"])


@st.composite
def spoilt(draw: st.DrawFn, good: bytes) -> bytes:
    """A good head with pieces of it replaced."""
    data = good
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 3))
        data = data[:place] + draw(st.one_of(ODD, TOKENS, st.binary(max_size=3))) + data[place + gone :]
    return data


class RequestTests(SynchronousTestCase):
    """Requests."""

    def test_plain(self) -> None:
        """Method, target and lines of a plain head, values without the white space around them."""
        head = RequestHead(
            method=b"GET",
            target=b"/a?b=c",
            version=b"1.1",
            host="a",
            authority=b"a",
            headers=tuple(LINES),
            size=len(REQUEST),
        )
        self.assertEqual(PlainRequests(HeaderNames()).head(REQUEST), head)

    def test_remembered(self) -> None:
        """What the lines say is found out once; the first line is looked at every time."""
        plain = PlainRequests(HeaderNames())
        lines = b"Host: b\r\nUser-Agent: a\r\nX-Forwarded-For: 192.0.2.1\r\nExpect: 100-continue\r\n"
        lines += b"Connection: close\r\n\r\n"
        with mock.patch.object(heads, "request_head", wraps=heads.request_head) as looked:
            first = plain.head(b"GET /1 HTTP/1.1\r\n" + lines)
            again = plain.head(b"DELETE /22 HTTP/1.1\r\n" + lines)
        self.assertEqual(looked.call_count, 1)
        assert first is not None
        self.assertEqual((first.method, first.target, first.size), (b"GET", b"/1", len(lines) + 17))
        self.assertEqual((first.host, first.user_agent, first.forwarded_for), ("b", b"a", b"192.0.2.1"))
        self.assertEqual((first.expects_continue, first.keep_alive), (True, False))
        self.assertEqual(again, attrs.evolve(first, method=b"DELETE", target=b"/22", size=len(lines) + 21))
        self.assertIsNone(plain.head(b"GET /\xe4 HTTP/1.1\r\n" + lines))
        self.assertIsNone(plain.head(b"GET /%b HTTP/1.1\r\n" % bytes(MAX_TARGET).replace(b"\0", b"a") + lines))

    def test_bounded(self) -> None:
        """What is remembered takes no more than is stated, however short the lines are, and however long."""
        short = b"".join(b"%02d:%02d\r\n" % (number, number) for number in range(95))
        for lines in (short, b"X: " + b"x" * 3900 + b"\r\n", b"", b"User-Agent: " + b"x" * 3900 + b"\r\n"):
            for start, end in ((b"GET", b"\r\n"), (b"PUT", b"Content-Length: 1\r\n\r\n")):
                plain = PlainRequests(HeaderNames())
                request = b"%b / HTTP/1.1\r\nHost: a\r\n%%b%b%b" % (start, lines, end)
                kept = kept_after(partial(_read_many, plain, request))
                self.assertLess(kept, 1.1 * REMEMBERED)

    def test_long(self) -> None:
        """Long lines are not remembered."""
        plain = PlainRequests(HeaderNames())
        with mock.patch.object(heads, "request_head", wraps=heads.request_head) as looked:
            for _ in range(2):
                plain.head(b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * LONGEST))
        self.assertEqual(looked.call_count, 2)

    def test_other(self) -> None:
        """Everything else is left to llhttp, whatever that says to it."""
        host = b"Host: a\r\n\r\n"
        for data in (
            b"",
            REQUEST[:-1],
            b"\r\n" + REQUEST,
            b"POST / HTTP/1.1\r\n" + host,
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + host,
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n" + host,
            b"PUT / HTTP/1.1\r\n" + host,
            b"MOVE / HTTP/1.1\r\nContent-Length: 1\r\n" + host,
            b"get / HTTP/1.1\r\n" + host,
            b"GET / HTTP/1.0\r\n" + host,
            b"GET  / HTTP/1.1\r\n" + host,
            b"GET /a b HTTP/1.1\r\n" + host,
            b"GET /a#b HTTP/1.1\r\n" + host,
            b"GET /\xe4 HTTP/1.1\r\n" + host,
            b"GET http://a/ HTTP/1.1\r\n" + host,
            b"OPTIONS * HTTP/1.1\r\n" + host,
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\n" + host,
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a \r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
            b"GET / HTTP/1.1\r\nX: a\r\nHost: a \r\n\r\n",
            b"GET / HTTP/1.1\r\nX: a\r\nY: b\t\r\n" + host,
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \r\n\r\n",
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
            b"GET / HTTP/1.1\r\n: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n",
            b"GET / HTTP/1.1\r\nH\xe4: a\r\n\r\n",
        ):
            self.assertIsNone(PlainRequests(HeaderNames()).head(data), data)

    def test_unfit(self) -> None:
        """Lines that no request without a body may have, or that need more than a look, are llhttp's, too."""
        for line in (
            b"Host: a",
            b"Content-Length: 1",
            b"Content-Length: a",
            b"Transfer-Encoding: chunked",
            b"Connection: upgrade\r\nUpgrade: websocket",
            b"X_Y: odd",
        ):
            head = b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % line
            self.assertIsNone(PlainRequests(HeaderNames()).head(head), line)

    def test_with_body(self) -> None:
        """A head is told from the body that it announces, and from what follows a request without one."""
        plain = PlainRequests(HeaderNames())
        for method in (b"POST", b"PUT", b"PATCH"):
            data = POST.replace(b"POST", method)
            head = plain.head(data)
            assert head is not None
            self.assertEqual((head.method, head.target, head.framing), (method, b"/a?b=c", Framing.LENGTH))
            self.assertEqual((head.content_length, head.headers, head.size), (4, tuple(LINES), len(data) - 4))
        first = plain.head(REQUEST + REQUEST)
        assert first is not None
        self.assertEqual(first.size, len(REQUEST))

    @given(spoilt(REQUEST))
    @example(REQUEST)
    @example(REQUEST + REQUEST)
    @example(REQUEST + b"G")
    def test_as_llhttp(self, data: bytes) -> None:
        """A request that comes whole is read as one that comes in two pieces, which llhttp reads."""
        self.assertEqual(read_request(data), read_request(data[:1], data[1:]))

    @given(spoilt(POST), st.integers(0, len(POST)))
    @example(POST, len(POST))
    @example(POST + POST + REQUEST, len(POST))
    @example(POST.replace(b"4", b"0"), len(POST))
    @example(POST.replace(b"4", b"1001"), len(POST))
    @example(POST.replace(b"4", b"1000"), len(POST))
    @example(POST.replace(b"4", b"4\r\nConnection: close") + REQUEST, len(POST))
    def test_with_body_as_llhttp(self, data: bytes, cut: int) -> None:
        """So is one with a body, of which a part may come later, and more after it."""
        events, *ends = read_request(data[:cut], data[cut:])
        with mock.patch.object(PLAIN, "head", return_value=None):
            by_llhttp, *llhttp_ends = read_request(data[:cut], data[cut:])
        self.assertEqual(joined(events), joined(by_llhttp))
        self.assertEqual(ends, llhttp_ends)


class ResponseTests(SynchronousTestCase):
    """Responses."""

    def test_plain(self) -> None:
        """Status, reason, lines, length, and where the body begins; the reason may be empty."""
        head = ResponseHead(
            status=404, reason=b"Not Found", headers=tuple(LINES), framing=Framing.LENGTH, content_length=2
        )
        self.assertEqual(plain_response(RESPONSE + b"no", to_head_request=False), (head, len(RESPONSE)))
        self.assertEqual(plain_response(RESPONSE, to_head_request=True), (head, len(RESPONSE)))
        head = ResponseHead(status=200, reason=b"", headers=(), framing=Framing.LENGTH)
        data = b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"
        self.assertEqual(plain_response(data, to_head_request=False), (head, len(data)))

    def test_as_they_came(self) -> None:
        """Where no line concerns the connection but the length, the lines go on as they came, uncut."""
        found = plain_response(RESPONSE, to_head_request=False)
        assert found is not None
        headers = found[0].headers
        self.assertIsInstance(headers, HeaderBlock)
        self.assertEqual(headers.lines, RESPONSE.partition(b"\r\n")[2][:-2])  # type: ignore[attr-defined]

    def test_cut(self) -> None:
        """Any line else that does is taken out, and what it says is heeded."""
        for line, keep_alive in (
            (b"Connection: keep-alive", True),
            (b"Connection: close", False),
            (b"connection: x-y, CLOSE\r\nX-Y: a", False),
            (b"Keep-Alive: timeout=5", True),
            (b"Proxy-Connection: close", True),
            (b"TE: a", True),
            (b"Trailer: a", True),
            (b"Upgrade: h2c", True),
            (b"HTTP2-Settings: a", True),
        ):
            for data in (
                RESPONSE.replace(b"Content-Length", line + b"\r\nContent-Length"),
                RESPONSE.replace(b"X:b", line + b"\r\nX:b"),
                RESPONSE[:-2] + line + b"\r\n\r\n",
            ):
                found = plain_response(data, to_head_request=False)
                assert found is not None, data
                self.assertEqual((found[0].headers, found[0].keep_alive), (tuple(LINES), keep_alive), data)

    def test_odd_length(self) -> None:
        """A length in another form than ours is told in ours; one that is none, or told twice, is llhttp's business."""
        for line in (b"content-length:2", b"Content-Length:  2", b"Content-Length: 02", b"CONTENT-LENGTH: 2"):
            found = plain_response(RESPONSE.replace(b"Content-Length: 2", line), to_head_request=False)
            assert found is not None
            self.assertEqual(found[0].content_length, 2)
            block = isinstance(found[0].headers, HeaderBlock)
            self.assertEqual(block, line.lower() == b"content-length: 2")
        for line in (
            b"Content-Length: a",
            b"Content-Length: 2\r\nContent-Length: 2",
            b"Content-Length: " + b"1" * 19,
            b"A: b",
        ):
            self.assertIsNone(plain_response(RESPONSE.replace(b"Content-Length: 2", line), to_head_request=False), line)

    def test_other(self) -> None:
        """Everything else is left to llhttp, whatever that says to it."""
        for data in (
            b"",
            RESPONSE[:-1],
            b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200  OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 O\xe4\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\r\n b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\x00\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\t\r\n\r\n",
        ):
            self.assertIsNone(plain_response(data, to_head_request=False), data)

    @given(spoilt(RESPONSE + b"no"))
    @example(RESPONSE + b"no")
    def test_as_llhttp(self, data: bytes) -> None:
        """A response that comes whole is read as one that comes in two pieces, which llhttp reads.

        But llhttp passes over white space after a message: here nothing may follow where a connection is to serve on.
        """
        *whole, clean = read_response(data)
        *pieces, clean_in_pieces = read_response(data[:1], data[1:])
        self.assertEqual(whole, pieces)
        self.assertLessEqual(clean, clean_in_pieces)
