"""Plain heads: what the patterns take they cut as llhttp does, and what is odd in any way they leave to it."""

from __future__ import annotations

import attrs
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.heads import request_lines, response_lines
from agwtwisted.core.messages import HeaderNames
from agwtwisted.core.reading import Mark, RequestEvent, RequestReader, ResponseEvent, ResponseReader

REQUEST = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nX:b\r\nEmpty:\r\nTabbed:\t c d\t e\r\n\r\n"
RESPONSE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX:b\r\nEmpty:\r\nTabbed:\t c d\t e\r\n\r\n"
LINES = [(b"X", b"b"), (b"Empty", b""), (b"Tabbed", b"c d\t e")]


def read_request(*pieces: bytes) -> tuple[list[RequestEvent], bool]:
    """What a reader makes of a request, but for its size, in which llhttp does not count all white space."""
    reader = RequestReader(HeaderNames(), max_header_bytes=1000, max_body_bytes=1000)
    for piece in pieces:
        reader.feed(piece)
    return [event if isinstance(event, bytes | Mark) else attrs.evolve(event, size=0) for event in reader.events], (
        reader.done
    )


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
        self.assertEqual(request_lines(REQUEST), (b"GET", b"/a?b=c", [(b"Host", b"a"), *LINES]))

    def test_other(self) -> None:
        """Everything else is left to llhttp, whatever that says to it."""
        host = b"Host: a\r\n\r\n"
        for data in (
            b"",
            REQUEST[:-1],
            REQUEST + b"G",
            REQUEST + REQUEST,
            b"\r\n" + REQUEST,
            b"POST / HTTP/1.1\r\n" + host,
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
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
            b"GET / HTTP/1.1\r\n: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n",
            b"GET / HTTP/1.1\r\nH\xe4: a\r\n\r\n",
        ):
            self.assertIsNone(request_lines(data), data)

    @given(spoilt(REQUEST))
    @example(REQUEST)
    def test_as_llhttp(self, data: bytes) -> None:
        """A request that comes whole is read as one that comes in two pieces, which llhttp reads."""
        self.assertEqual(read_request(data), read_request(data[:1], data[1:]))


class ResponseTests(SynchronousTestCase):
    """Responses."""

    def test_plain(self) -> None:
        """Status, reason, lines, and where the body begins; the reason may be empty."""
        expected = (404, b"Not Found", [(b"Content-Length", b"2"), *LINES], len(RESPONSE))
        self.assertEqual(response_lines(RESPONSE + b"no"), expected)
        self.assertEqual(response_lines(b"HTTP/1.1 200 \r\nX: a\r\n\r\n"), (200, b"", [(b"X", b"a")], 23))

    def test_other(self) -> None:
        """Everything else is left to llhttp, whatever that says to it."""
        for data in (
            b"",
            RESPONSE[:-1],
            b"HTTP/1.1 100 Continue\r\nX: a\r\n\r\n",
            b"HTTP/1.1 600 OK\r\nX: a\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nX: a\r\n\r\n",
            b"HTTP/1.1 200\r\nX: a\r\n\r\n",
            b"HTTP/1.1  200 OK\r\nX: a\r\n\r\n",
            b"HTTP/1.1 200  OK\r\nX: a\r\n\r\n",
            b"HTTP/1.1 200 O\xe4\r\nX: a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\nX: a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\n\r\n",
            b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\x00\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\t\r\n\r\n",
        ):
            self.assertIsNone(response_lines(data), data)

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
