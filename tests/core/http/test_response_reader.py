"""Responses from bytes: what is read, what is not passed on, and whether the connection may be used again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.messages import Framing, Mark, ResponseHead, UnfitResponse
from agwtwisted.core.http.response_reader import ResponseEvent, ResponseReader
from tests.readers import in_one_piece, pulled_response


def ways(data: bytes) -> dict[str, list[bytes]]:
    """The ways in which the same bytes may come."""
    return {"whole": [data], "byte by byte": [data[at : at + 1] for at in range(len(data))]}


class Read:
    """What is read of a response, pieces of its body in_one_piece."""

    def __init__(self, *pieces: bytes, head: bool = False, end: bool = False, lines: int = 100) -> None:
        self.reader = ResponseReader(to_head_request=head, max_header_bytes=1000, max_header_lines=lines)
        self.events: list[ResponseEvent] = []
        self.problem = ""
        for piece in pieces:
            self.feed(piece)
        if end:
            self.reader.end()
            self._pull()

    def feed(self, piece: bytes) -> None:
        """More of it."""
        self.reader.feed(piece)
        self._pull()

    def _pull(self) -> None:
        for event in pulled_response(self.reader):
            if isinstance(event, UnfitResponse):
                assert not self.problem
                self.problem = event.problem
            else:
                self.events.append(event)
        self.events = in_one_piece(self.events)


TOO_LARGE_A_HEAD = "the head of the response is larger than max_header_bytes = 1000"
TOO_MANY_LINES = "the head of the response has more lines than max_header_lines = 10"

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"

UNFIT_RESPONSES = {
    "garbage": b"SSH-2.0-OpenSSH\r\n",
    "LF alone": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a folded line": OK + b"X: a\r\n b\r\n\r\n",
    "CR alone": OK + b"X: a\rb\r\n\r\n",
    "NUL in a value": OK + b"X: a\0b\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\n\r\n",
    "a control character in the reason": b"HTTP/1.1 200 O\x1bK\r\n\r\n",
    "a bad name": OK + b"X(: a\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a list of lengths": OK + b"Content-Length: 1, 1\r\n\r\na",
    "a negative length": OK + b"Content-Length: -1\r\n\r\na",
    "a length of 19 digits": OK + b"Content-Length: 1000000000000000000\r\n\r\na",
    "a length and chunks": OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an empty Transfer-Encoding": OK + b"Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc",
    "an empty Transfer-Encoding without a body": b"HTTP/1.1 204 N\r\nTransfer-Encoding:\r\n\r\n",
    "an empty coding ahead of another": b"HTTP/1.1 100 C\r\nTransfer-Encoding: \r\nTransfer-Encoding: chunked\r\n\r\n",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": OK + b"Transfer-Encoding: identity\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 99 OK\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a 101 to nowhere": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a 101 without Connection": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    "a 101 without Upgrade": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
    "a trailer that changes the framing": OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n",
    "a bad chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a bad response after an interim one": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2 OK\r\n\r\n",
    "a status line too long": b"HTTP/1.1 200 %b\r\nContent-Length: 0\r\n\r\n" % (b"a" * 2020),
    "a head too large": OK + b"X: %b\r\n\r\n" % (b"a" * 1000),
}
"""Responses that are not passed on; the heads of those are whose chunks or trailers are the matter."""


class ResponseTests(SynchronousTestCase):
    """Responses of backends."""

    def assert_read(
        self, data: bytes, body: bytes, *, clean: bool, head: bool = False, end: bool = False
    ) -> ResponseHead:
        """The response is whole, read the same in one piece and in many, and leaves its connection clean or not."""
        for pieces in ways(data).values():
            read = Read(*pieces, head=head, end=end)
            first, *rest = read.events
            self.assertEqual((rest, read.problem), ([*([body] if body else []), Mark.END], ""))
            self.assertEqual((read.reader.whole, read.reader.clean), (True, clean))
        assert isinstance(first, ResponseHead)
        return first

    def test_framings(self) -> None:
        """A delimited response leaves the connection clean, one that ends with it does not."""
        self.assert_read(OK + b"Content-Length: 3\r\n\r\nabc", b"abc", clean=True)
        self.assert_read(EMPTY, b"", clean=True)
        self.assert_read(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n", b"abc", clean=True)
        self.assert_read(OK + b"\r\nabc", b"abc", clean=False, end=True)
        self.assert_read(OK + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc", b"abc", clean=False)
        self.assert_read(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", clean=False)
        kept = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc"
        self.assert_read(kept, b"abc", clean=True)

    def test_without_body(self) -> None:
        """HEAD, 204 and 304 end with their head, whatever it says of a body."""
        for framing in (b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"):
            for status in (b"204 No Content", b"304 Not Modified"):
                self.assert_read(b"HTTP/1.1 " + status + b"\r\n" + framing + b"\r\n", b"", clean=True)
            # Chunks that a backend sends all the same could not be told from nothing.
            self.assert_read(OK + framing + b"\r\n", b"", clean=b"chunked" not in framing, head=True)

    def test_length_of_a_body_not_sent(self) -> None:
        """HEAD and 304 keep the length, 204 has none."""
        framings = []
        for start, head in ((OK, True), (b"HTTP/1.1 304 N\r\n", False), (b"HTTP/1.1 204 N\r\n", False)):
            read = self.assert_read(start + b"Content-Length: 5\r\n\r\n", b"", clean=True, head=head)
            framings.append((read.framing, read.content_length))
        self.assertEqual(framings, [(Framing.LENGTH, 5), (Framing.LENGTH, 5), (Framing.NONE, 0)])

    def test_interim(self) -> None:
        """Interim responses come before the final one, each with its own lines."""
        data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + EMPTY
        for pieces in ways(data).values():
            read = Read(*pieces)
            heads = [(head.status, head.headers) for head in read.events if isinstance(head, ResponseHead)]
            self.assertEqual(heads, [(100, ()), (103, ((b"Link", b"a"),)), (200, ())])
            self.assertTrue(read.reader.clean)

    def test_interim_that_ends_the_connection(self) -> None:
        """A server that says in an interim response that it will close is believed."""
        for start in (b"HTTP/1.1 100 Continue\r\nConnection: close", b"HTTP/1.0 100 Continue"):
            for way, pieces in ways(start + b"\r\n\r\n" + OK + b"Content-Length: 3\r\n\r\nabc").items():
                reader = Read(*pieces).reader
                self.assertEqual((way, reader.whole, reader.clean), (way, True, False))

    def test_interim_heads_are_bounded(self) -> None:
        """The limit of a head is that of all heads of one response."""
        for interim in (
            b"HTTP/1.1 103 E\r\nLink: %b\r\n\r\n" % (b"a" * 100),
            b"HTTP/1.1 100 C\r\n\r\n" * 10,
            b"\r\n" * 99,
        ):
            self.assertEqual(Read(*[interim] * 20).problem, TOO_LARGE_A_HEAD)

    def test_switch(self) -> None:
        """What follows a 101 is held."""
        for data in (SWITCH + b"frame", SWITCH + b"\r\nframe"):
            read = Read(data)
            head, end = read.events
            assert isinstance(head, ResponseHead)
            self.assertEqual((head.status, head.upgrade, end), (101, b"websocket", Mark.END))
            self.assertEqual((read.reader.take_unread(), read.reader.clean), (data[len(SWITCH) :], False))
        self.assertFalse(Read(SWITCH).reader.clean)

    def test_unfit(self) -> None:
        """Each of these is a problem, however it comes; no head of it is passed on unless its body is the problem."""
        for name, data in UNFIT_RESPONSES.items():
            for pieces in ways(data).values():
                read = Read(*pieces)
                self.assertNotEqual(read.problem, "", name)
                self.assertFalse(read.reader.clean or read.reader.whole, name)
                finals = [head for head in read.events if isinstance(head, ResponseHead) and head.status >= 101]
                self.assertEqual(len(finals), int(name in ("a bad chunk", "a trailer that changes the framing")), name)
                read.feed(EMPTY)
                read.reader.end()
                self.assertEqual(pulled_response(read.reader), [], name)

    def test_short(self) -> None:
        """A response that the backend does not finish is a problem, wherever it ends."""
        for whole in (
            OK + b"Content-Length: 3\r\n\r\nabc",
            OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ):
            for size in range(len(whole)):
                read = Read(whole[:size], end=True)
                self.assertEqual((read.problem, read.reader.whole), ("the backend closed the connection", False))

    def test_more_than_the_response(self) -> None:
        """Bytes after the response make the connection unusable, and are dropped."""
        for data, head in (
            (OK + b"Content-Length: 3\r\n\r\nabc", False),
            (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", False),
            (OK + b"Content-Length: 3\r\n\r\n", True),
            (OK + b"Transfer-Encoding: chunked\r\n\r\n", True),
            (b"HTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n", False),
            (b"HTTP/1.1 204 N\r\nContent-Length: 3\r\n\r\n", False),
        ):
            for more in (b"abc", EMPTY, b"0\r\n\r\n", b"0\r\n", b"\0"):
                for pieces in ([data + more], [data, more]):
                    read = Read(*pieces, head=head)
                    self.assertIn(read.events[1:], ([b"abc", Mark.END], [Mark.END]), more)
                    self.assertFalse(read.reader.clean, more)

    def test_counted_bodies(self) -> None:
        """The rest of a body is counted: what follows it spoils the connection, what is missing the response."""
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
        for rest, clean, problem in ((b"defghi", True, ""), (b"defghij", False, ""), (b"defgh", False, "closed")):
            read = Read(head + b"abc", rest[:2], rest[2:], end=True)
            body = b"".join(event for event in read.events if isinstance(event, bytes))
            self.assertEqual((body, read.reader.clean), (b"abc" + rest[:6], clean))
            self.assertIn(problem, read.problem)
            self.assertEqual(bool(read.problem), bool(problem))

    def test_endless(self) -> None:
        """A head, a trailer or a chunk extension without end is a problem; a body is none."""
        chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"
        for start, problem in (
            (b"HTTP/1.1 200 ", TOO_LARGE_A_HEAD),
            (OK + b"X: ", TOO_LARGE_A_HEAD),
            (OK, TOO_LARGE_A_HEAD),
            (chunked + b"0\r\nX: ", "the trailers are too long"),
            (chunked + b"3;", "the chunks of the response have too much overhead"),
        ):
            self.assertEqual(Read(start, *[b"a" * 100] * 50).problem, problem, start)
        for start in (OK + b"\r\n", OK + b"Content-Length: 1000000\r\n\r\n"):
            self.assertEqual(Read(start, *[b"a" * 100] * 50).problem, "")
        self.assertEqual(Read(chunked, *[b"1\r\na\r\n"] * 1000).problem, "")

    def test_lines(self) -> None:
        """The lines of all heads of a response count together; those of trailers by themselves."""
        interim = b"HTTP/1.1 103 E\r\n" + b"X: a\r\n" * 5 + b"\r\n"
        chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
        long = b"X: %b\r\n" % (b"a" * 40)
        for data, problem in (
            (OK + b"Content-Length: 0\r\n" + b"X: a\r\n" * 9 + b"\r\n", ""),
            (OK + b"Content-Length: 0\r\n" + long * 9 + b"\r\n", ""),
            (OK + b"Content-Length: 0\r\n" + long * 10 + b"\r\n", TOO_MANY_LINES),
            (OK + b"Content-Length: 0\r\n" + b"X:\r\n" * 10 + b"\r\n", TOO_MANY_LINES),
            (OK + b"X: \xe9\r\n" * 12, TOO_MANY_LINES),
            (interim + OK + b"Content-Length: 0\r\n" + b"X: a\r\n" * 4 + b"\r\n", ""),
            (interim + OK + b"Content-Length: 0\r\n" + b"X: a\r\n" * 5 + b"\r\n", TOO_MANY_LINES),
            (chunked + b"X: a\r\n" * 10 + b"\r\n", ""),
            (chunked + b"X: a\r\n" * 11 + b"\r\n", "there are too many trailers"),
        ):
            for pieces in ways(data).values():
                read = Read(*pieces, lines=10)
                self.assertEqual((read.problem, read.reader.whole), (problem, not problem), data)

    def test_blanks_around_sizes(self) -> None:
        """Chunk sizes that a server pads with blanks are taken; a coding with a tab behind it is none."""
        chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n 3\t\r\nabc\r\n0 \r\n\r\n"
        self.assert_read(chunked, b"abc", clean=True)
        self.assertNotEqual(Read(chunked.replace(b"chunked", b"chunked\t")).problem, "")

    @given(
        st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([OK, EMPTY, SWITCH, b"\r\n", b"X: y\r\n"]))),
        st.booleans(),
    )
    def test_only_events_come_out(self, pieces: list[bytes], head: bool) -> None:
        """Any bytes give events or a problem, never an exception; one response at most."""
        read = Read(*pieces, head=head, end=True).events
        self.assertLessEqual(read.count(Mark.END), 1)
        finals = [event for event in read if isinstance(event, ResponseHead) and event.status >= 200]
        self.assertLessEqual(len(finals), 1)
