"""Responses while they come: what is taken, how much of it, and when it is whole."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.outbound.fetching import Fetched, FetchProblem, NotFetched
from agwtwisted.outbound.incoming import MAX_HEAD_BYTES, IncomingResponse

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Collecting:
    """A sink; without room it takes nothing more."""

    def __init__(self, room: int = 1000) -> None:
        self.data = b""
        self.room = room

    def write(self, data: bytes) -> None:
        """Takes a piece."""
        if len(self.data) + len(data) > self.room:
            raise OSError(28, "No space left on device")
        self.data += data


class IncomingTests(SynchronousTestCase):
    """One reply after the other."""

    def problem(self, data: bytes, *, most: int = 100, cut: bool | None = None) -> FetchProblem:
        """Why there is no response in what came; `cut`: the connection ends with it."""
        reply = IncomingResponse(most, None)
        reply.take(data)
        if cut is not None:
            reply.end(cut=cut)
        assert isinstance(reply.result, NotFetched), reply.result
        self.assertEqual((reply.result.was_answered, reply.reusable), (True, False))
        return reply.result.problem

    def test_byte_by_byte(self) -> None:
        """A response may come in any pieces; interim ones are passed over; the connection may be used again."""
        reply = IncomingResponse(100, None)
        whole = b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b'ETag: "1"\r\nContent-Length: 5\r\n\r\nhello'
        for at in range(len(whole)):
            self.assertIsNone(reply.result)
            reply.take(whole[at : at + 1])
        assert isinstance(reply.result, Fetched)
        self.assertEqual((reply.result.body, reply.result.header(b"etag"), reply.reusable), (b"hello", b'"1"', True))

    def test_framings(self) -> None:
        """A body ends with its length, its last chunk, or the connection; only a delimited one leaves it usable."""
        for data, reusable in (
            (OK + b"Content-Length: 2\r\n\r\nhi", True),
            (CHUNKED + b"1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", True),
            (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", False),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", False),
            (OK + b"Content-Length: 2\r\n\r\nhi!", False),
            (OK + b"\r\nhi", False),
        ):
            reply = IncomingResponse(100, None)
            reply.take(data)
            reply.end(cut=False)
            assert isinstance(reply.result, Fetched), data
            self.assertEqual((reply.result.body, reply.reusable), (b"hi", reusable), data)

    def test_most(self) -> None:
        """So many bytes may come and not one more: announced, in chunks, or until the connection ends."""
        for size, fits in ((100, True), (101, False)):
            body = b"x" * size
            for data in (
                OK + b"Content-Length: %d\r\n\r\n" % size + body,
                CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, body),
                OK + b"\r\n" + body,
            ):
                reply = IncomingResponse(100, None)
                reply.take(data)
                reply.end(cut=False)
                self.assertIsInstance(reply.result, Fetched if fits else NotFetched)
        self.assertIs(self.problem(OK + b"Content-Length: 101\r\n\r\n"), FetchProblem.TOO_LARGE)

    def test_every_byte_is_counted(self) -> None:
        """Heads, interim ones, and what frames chunks count too."""
        endless = (
            OK + b"X: y\r\n" * MAX_HEAD_BYTES,
            b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_HEAD_BYTES,
            CHUNKED + b"1;" + b"x" * 2 * MAX_HEAD_BYTES,
        )
        for data in endless:
            self.assertIs(self.problem(data), FetchProblem.TOO_LARGE, data[:30])
        reply = IncomingResponse(10 * MAX_HEAD_BYTES, None)
        reply.take(CHUNKED)
        for _ in range(6 * MAX_HEAD_BYTES):
            reply.take(b"1\r\nx\r\n")
        assert isinstance(reply.result, NotFetched)
        self.assertIs(reply.result.problem, FetchProblem.TOO_LARGE)

    def test_unfit(self) -> None:
        """What is not HTTP, another protocol and a Content-Encoding are no responses."""
        for data in (
            b"\x16\x03\x01\x00\x05hello\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n",
            OK + b"Content-Length: ten\r\n\r\n",
            OK + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
            CHUNKED + b"nonsense\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        ):
            self.assertIs(self.problem(data), FetchProblem.BAD_RESPONSE, data)

    def test_truncated(self) -> None:
        """A response that ends before its end is none."""
        for data in (b"HTTP/1.1 2", OK, OK + b"Content-Length: 9\r\n\r\nx", CHUNKED + b"5\r\nhe"):
            self.assertIs(self.problem(data, cut=False), FetchProblem.CLOSED)
        self.assertIs(self.problem(OK + b"\r\nhello", cut=True), FetchProblem.CLOSED)

    def test_nothing(self) -> None:
        """A connection that ends before any byte is no answer, and the request may be sent again."""
        reply = IncomingResponse(100, None)
        reply.end(cut=True)
        assert isinstance(reply.result, NotFetched)
        self.assertEqual((reply.result.problem, reply.result.was_answered), (FetchProblem.CLOSED, False))
        reply.again()
        reply.take(OK + b"Content-Length: 0\r\n\r\n")
        self.assertIsInstance(reply.result, Fetched)

    def test_other_statuses(self) -> None:
        """Their bodies are not waited for; without one the connection may be used again."""
        for data, reusable in (
            (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", True),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", True),
            (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", True),
            (b"HTTP/1.1 404 Not Found\r\nContent-Length: 5000000\r\n\r\n", False),
            (b"HTTP/1.1 500 Oh\r\n\r\n", False),
        ):
            reply = IncomingResponse(100, None)
            reply.take(data)
            assert isinstance(reply.result, Fetched), data
            self.assertEqual((reply.result.body, reply.reusable), (b"", reusable), data)

    def test_sink(self) -> None:
        """A sink takes the body of a response with status 200 alone; where it cannot, that is the outcome."""
        sink = Collecting()
        reply = IncomingResponse(100, sink)
        for data in (OK + b"Content-Length: 5\r\n\r\n", b"he", b"llo"):
            reply.take(data)
        assert isinstance(reply.result, Fetched)
        self.assertEqual((sink.data, reply.result.body), (b"hello", b""))
        reply = IncomingResponse(100, sink)
        reply.take(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
        self.assertEqual(sink.data, b"hello")
        reply = IncomingResponse(100, Collecting(3))
        reply.take(OK + b"Content-Length: 5\r\n\r\nhello")
        assert isinstance(reply.result, NotFetched)
        self.assertEqual(
            (reply.result.problem, reply.result.reason),
            (FetchProblem.SINK, "the response cannot be kept: No space left on device"),
        )
