"""Heads: one grammar, asked in two ways of which the first is only faster, and llhttp's opinion of what it takes."""

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
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RESPONSE, RequestParser, cut, response_of
from agwtwisted.core.http.messages import MAX_TARGET, Framing, RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.request_reader import RequestEvent, RequestReader
from agwtwisted.core.http.response_reader import ResponseEvent, ResponseReader
from tests.llhttp import assert_requests_agree, assert_responses_agree
from tests.memory import kept_after
from tests.readers import in_one_piece, pulled_on, pulled_response

REQUEST = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nX:b\r\nEmpty:\r\nTabbed:\t c d\t e\r\n\r\n"
POST = b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nX:b\r\nContent-Length: 4\r\nEmpty:\r\nTabbed:\t c d\t e\r\n\r\nbody"
RESPONSE_HEAD = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX:b\r\nEmpty:\r\nTabbed:\t c d\t e\r\n\r\n"
LINES = [(b"X", b"b"), (b"Empty", b""), (b"Tabbed", b"c d\t e")]


PARSER = RequestParser(HeaderNames())
"""One for all: what one request has left there another one finds."""


def read_requests(*pieces: bytes) -> tuple[list[RequestEvent], bool]:
    """What a reader makes of requests, but for the size of an unfit one, which is how much of it had come."""
    reader = RequestReader(PARSER, max_body_bytes=1000)
    events: list[RequestEvent] = []
    for piece in pieces:
        reader.feed(piece)
        events += pulled_on(reader)
    return in_one_piece(_without_size(event) for event in events), reader.done


def _without_size(event: RequestEvent) -> RequestEvent:
    return attrs.evolve(event, size=0) if isinstance(event, UnfitRequest) else event


def _read_many(parser: RequestParser, request: bytes) -> None:
    """Reads a request again and again, each time with another line."""
    for number in range(500):
        assert parser.usual(request % (b"Y: %d\r\n" % number)) is not None


def read_response(*pieces: bytes) -> tuple[list[ResponseEvent], bool, bool]:
    """What a reader makes of a response: its events, the body in one, and whether it is whole and clean."""
    reader = ResponseReader(to_head_request=False, max_header_bytes=1000)
    events: list[ResponseEvent] = []
    for piece in pieces:
        reader.feed(piece)
        events += pulled_response(reader)
    return in_one_piece(events), reader.whole, reader.clean


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

    def test_parser(self) -> None:
        """Method, target and lines of a head, values without the white space around them."""
        head = RequestHead(
            method=b"GET",
            target=b"/a?b=c",
            version=b"1.1",
            host="a",
            authority=b"a",
            headers=tuple(LINES),
            size=len(REQUEST),
        )
        for found in (RequestParser(HeaderNames()).usual(REQUEST), RequestParser(HeaderNames()).judge(REQUEST)):
            self.assertEqual(found, head)

    def test_remembered(self) -> None:
        """What the lines say is found out once; the first line is looked at every time."""
        parser = RequestParser(HeaderNames())
        lines = b"Host: b\r\nUser-Agent: a\r\nX-Forwarded-For: 192.0.2.1\r\nExpect: 100-continue\r\n"
        lines += b"Connection: close\r\n\r\n"
        with mock.patch.object(heads, "request_of", wraps=heads.request_of) as looked:
            first = parser.usual(b"GET /1 HTTP/1.1\r\n" + lines)
            again = parser.usual(b"DELETE /22 HTTP/1.1\r\n" + lines)
        self.assertEqual(looked.call_count, 1)
        assert first is not None
        self.assertEqual((first.method, first.target, first.size), (b"GET", b"/1", len(lines) + 17))
        self.assertEqual((first.host, first.user_agent, first.forwarded_for), ("b", b"a", b"192.0.2.1"))
        self.assertEqual((first.expects_continue, first.keep_alive), (True, False))
        self.assertEqual(again, attrs.evolve(first, method=b"DELETE", target=b"/22", size=len(lines) + 21))
        self.assertIsNone(parser.usual(b"GET /\xe4 HTTP/1.1\r\n" + lines))
        self.assertIsNone(parser.usual(b"GET /%b HTTP/1.1\r\n" % bytes(MAX_TARGET).replace(b"\0", b"a") + lines))

    def test_bounded(self) -> None:
        """What is remembered takes no more than is stated, however short the lines are, and however long."""
        room = 1 << 17
        self.patch(heads, "REMEMBERED", room)
        short = b"".join(b"%02d:%02d\r\n" % (number, number) for number in range(95))
        for lines in (short, b"X: " + b"x" * 3900 + b"\r\n", b"", b"User-Agent: " + b"x" * 3900 + b"\r\n"):
            for start, end in ((b"GET", b"\r\n"), (b"PUT", b"Content-Length: 1\r\n\r\n")):
                parser = RequestParser(HeaderNames())
                request = b"%b / HTTP/1.1\r\nHost: a\r\n%%b%b%b" % (start, lines, end)
                kept = kept_after(partial(_read_many, parser, request))
                self.assertLess(kept, 1.1 * room)
                self.assertGreater(kept, room / 8)

    def test_long(self) -> None:
        """Long lines are not remembered."""
        parser = RequestParser(HeaderNames())
        with mock.patch.object(heads, "request_of", wraps=heads.request_of) as looked:
            for _ in range(2):
                parser.usual(b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * LONGEST))
        self.assertEqual(looked.call_count, 2)

    def test_other(self) -> None:
        """Everything else has to be judged."""
        host = b"Host: a\r\n\r\n"
        for data in (
            b"",
            REQUEST[:-1],
            b"\r\n" + REQUEST,
            b"POST / HTTP/1.1\r\n" + host,
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n" + host,
            b"PUT / HTTP/1.1\r\n" + host,
            b"MOVE / HTTP/1.1\r\nContent-Length: 1\r\n" + host,
            b"get / HTTP/1.1\r\n" + host,
            b"GET / HTTP/1.0\r\n" + host,
            b"GET /a b HTTP/1.1\r\n" + host,
            b"GET /a#b HTTP/1.1\r\n" + host,
            b"GET /\xe4 HTTP/1.1\r\n" + host,
            b"GET http://a/ HTTP/1.1\r\n" + host,
            b"OPTIONS * HTTP/1.1\r\n" + host,
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\n" + host,
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\t\r\n" + host,
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
            b"GET / HTTP/1.1\r\n: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n",
            b"GET / HTTP/1.1\r\nH\xe4: a\r\n\r\n",
        ):
            self.assertIsNone(RequestParser(HeaderNames()).usual(data), data)

    def test_unfit(self) -> None:
        """Lines that no request may have, or that need more than a look, have to be judged, too."""
        for line in (
            b"Host: a",
            b"Content-Length: a",
            b"Transfer-Encoding: gzip",
            b"Connection: upgrade\r\nUpgrade: websocket",
            b"X_Y: odd",
        ):
            head = b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % line
            self.assertIsNone(RequestParser(HeaderNames()).usual(head), line)

    def test_with_body(self) -> None:
        """A head is separated from the body that it announces, and from what follows a request without one."""
        parser = RequestParser(HeaderNames())
        for method in (b"POST", b"PUT", b"PATCH"):
            data = POST.replace(b"POST", method)
            head = parser.usual(data)
            assert head is not None
            self.assertEqual((head.method, head.target, head.framing), (method, b"/a?b=c", Framing.LENGTH))
            self.assertEqual((head.content_length, head.headers, head.size), (4, tuple(LINES), len(data) - 4))
        first = parser.usual(REQUEST + REQUEST)
        assert first is not None
        self.assertEqual(first.size, len(REQUEST))

    def test_white_space_behind_values(self) -> None:
        """It is none of them (RFC 9112 section 5.1); a coding keeps it, for some readers do not take a tab for that."""
        self.assertEqual(cut(b"A: b \t\r\nC:\t \r\n"), [(b"A", b"b"), (b"C", b"")])
        self.assertEqual(cut(b"transfer-Encoding: chunked\t\r\n"), [(b"transfer-Encoding", b"chunked\t")])
        head = PARSER.usual(REQUEST.replace(b"X:b", b"X:b \t").replace(b"Host: a", b"Host: a "))
        assert head is not None
        self.assertEqual((head.headers, head.host), (tuple(LINES), "a"))

    def test_chunked(self) -> None:
        """A head that announces chunks is remembered as others are."""
        head = PARSER.usual(POST.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked"))
        assert head is not None
        self.assertEqual((head.framing, head.headers), (Framing.CHUNKED, tuple(LINES)))

    @given(spoilt(REQUEST))
    @example(REQUEST)
    @example(REQUEST + REQUEST)
    @example(REQUEST + b"G")
    def test_pieces(self, data: bytes) -> None:
        """A request that comes whole is read as one that comes in pieces."""
        whole = read_requests(data)
        self.assertEqual(whole, read_requests(data[:1], data[1:]))
        self.assertEqual(whole, read_requests(*(data[at : at + 1] for at in range(len(data)))))

    @given(spoilt(REQUEST))
    @example(REQUEST)
    def test_usual(self, data: bytes) -> None:
        """A usual request is the one that it is when it is judged."""
        usual = PARSER.usual(data)
        if usual is not None:
            self.assertEqual(usual, PARSER.judge(data[: usual.size]))

    @given(spoilt(REQUEST + POST + REQUEST))
    @example(REQUEST + POST + REQUEST)
    @example(POST.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked")[:-4] + b"4\r\nbody\r\n0\r\n\r\n")
    def test_as_llhttp(self, data: bytes) -> None:
        """What is taken llhttp takes, too, and reads in the same way."""
        assert_requests_agree(data, read_requests(data)[0])

    @given(spoilt(POST), st.integers(0, len(POST)))
    @example(POST, len(POST))
    @example(POST + POST + REQUEST, len(POST))
    @example(POST.replace(b"4", b"0"), len(POST))
    @example(POST.replace(b"4", b"1001"), len(POST))
    @example(POST.replace(b"4", b"1000"), len(POST))
    @example(POST.replace(b"4", b"4\r\nConnection: close") + REQUEST, len(POST))
    def test_with_body_in_pieces(self, data: bytes, cut_at: int) -> None:
        """So is one with a body, of which a part may come later, and more after it."""
        parted = read_requests(data[:cut_at], data[cut_at:])
        with mock.patch.object(RequestParser, "usual", return_value=None):
            self.assertEqual(parted, read_requests(data[:cut_at], data[cut_at:]))


def taken(data: bytes, *, to_head_request: bool = False) -> tuple[ResponseHead, int] | None:
    """The head that some bytes begin with, if there is one that is passed on, and where it ends."""
    matched = RESPONSE.match(data)
    head = None if matched is None else response_of(matched, to_head_request)
    return (head, matched.end()) if matched is not None and isinstance(head, ResponseHead) else None


class ResponseTests(SynchronousTestCase):
    """Responses."""

    def test_taken(self) -> None:
        """Status, reason, lines, length, and where the body begins; the reason may be empty."""
        head = ResponseHead(
            status=404, reason=b"Not Found", headers=tuple(LINES), framing=Framing.LENGTH, content_length=2
        )
        self.assertEqual(taken(RESPONSE_HEAD + b"no"), (head, len(RESPONSE_HEAD)))
        self.assertEqual(taken(RESPONSE_HEAD, to_head_request=True), (head, len(RESPONSE_HEAD)))
        head = ResponseHead(status=200, reason=b"", headers=(), framing=Framing.LENGTH)
        data = b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"
        self.assertEqual(taken(data), (head, len(data)))

    def test_as_they_came(self) -> None:
        """Where no line concerns the connection but the length, the lines go on as they came, uncut."""
        found = taken(RESPONSE_HEAD)
        assert found is not None
        headers = found[0].headers
        assert isinstance(headers, HeaderBlock)
        self.assertEqual((headers.octets, headers.has_length), (RESPONSE_HEAD.partition(b"\r\n")[2][:-2], True))

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
                RESPONSE_HEAD.replace(b"Content-Length", line + b"\r\nContent-Length"),
                RESPONSE_HEAD.replace(b"X:b", line + b"\r\nX:b"),
                RESPONSE_HEAD[:-2] + line + b"\r\n\r\n",
            ):
                found = taken(data)
                assert found is not None, data
                self.assertEqual((found[0].headers, found[0].keep_alive), (tuple(LINES), keep_alive), data)

    def test_odd_length(self) -> None:
        """A length in another form is forwarded in the gateway's; an invalid one, or two, are refused."""
        for line in (b"content-length:2", b"Content-Length:  2", b"Content-Length: 02", b"CONTENT-LENGTH: 2"):
            found = taken(RESPONSE_HEAD.replace(b"Content-Length: 2", line))
            assert found is not None
            self.assertEqual(found[0].content_length, 2)
            assert isinstance(found[0].headers, HeaderBlock)
            self.assertEqual(found[0].headers.has_length, line.lower() == b"content-length: 2")
        for line in (
            b"Content-Length: a",
            b"Content-Length: 2\r\nContent-Length: 2",
            b"Content-Length: " + b"1" * 19,
        ):
            self.assertIsNone(taken(RESPONSE_HEAD.replace(b"Content-Length: 2", line)), line)

    def test_other(self) -> None:
        """What else is taken is no delimited response, or goes on in our own words."""
        for data, framing, reason in (
            (b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", Framing.NONE, b"Continue"),
            (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Framing.NONE, b"No Content"),
            (b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", Framing.LENGTH, b"OK"),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", Framing.LENGTH, b"OK"),
            (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Framing.LENGTH, b""),
            (b"HTTP/1.1 200  OK\r\nContent-Length: 0\r\n\r\n", Framing.LENGTH, b" OK"),
            (b"HTTP/1.1 200 O\xe4\r\nContent-Length: 0\r\n\r\n", Framing.LENGTH, b"O\xe4"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0 \t\r\n\r\n", Framing.LENGTH, b"OK"),
            (b"HTTP/1.1 200 OK\r\n\r\n", Framing.CLOSE, b"OK"),
        ):
            found = taken(data)
            assert found is not None, data
            self.assertEqual((found[0].framing, found[0].reason, tuple(found[0].headers)), (framing, reason, ()), data)

    def test_refused(self) -> None:
        """Nothing else is taken."""
        for data in (
            b"",
            RESPONSE_HEAD[:-1],
            b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 O\x00\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\r\n b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\x00\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\x7f\r\n\r\n",
        ):
            self.assertIsNone(taken(data), data)

    @given(spoilt(RESPONSE_HEAD + b"no"))
    @example(RESPONSE_HEAD + b"no")
    def test_pieces(self, data: bytes) -> None:
        """A response that comes whole is read as one that comes in pieces."""
        self.assertEqual(read_response(data), read_response(data[:1], data[1:]))

    @given(spoilt(RESPONSE_HEAD + b"no"))
    @example(RESPONSE_HEAD + b"no")
    @example(RESPONSE_HEAD.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"2\r\nno\r\n0\r\n\r\n")
    def test_as_llhttp(self, data: bytes) -> None:
        """What is taken llhttp takes, too, and reads in the same way."""
        assert_responses_agree(data, read_response(data)[0], to_head_request=False)
