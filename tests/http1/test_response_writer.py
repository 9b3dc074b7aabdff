"""Responses as bytes of HTTP/1.1, on a connection and for an owner that only note their events."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.exchange.response_parser import ResponseParser
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead
from agwtwisted.http1.response_writer import Http1ResponseWriter

GET = RequestHead(method=b"GET", target=b"/", version=b"1.1", host="a", authority=b"a", headers=())
OK = ResponseHead(status=200, reason=b"OK", headers=(), framing=Framing.LENGTH, content_length=2)
CHUNKED = attrs.evolve(OK, framing=Framing.CHUNKED, content_length=0)


class Wire:
    """Takes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.full = False
        self.broken = False

    def write(self, data: bytes) -> None:
        """Takes it, or does not."""
        if self.broken:
            raise ZeroDivisionError
        self.written.append(data)


class Owner:
    """Notes its events; another request may follow where `continues` says so."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.continues = True

    def may_continue(self) -> bool:
        """As a test says."""
        return self.continues

    def __getattr__(self, name: str) -> Any:
        return lambda: self.told.append(name)


class Http1ResponseWriterTests(SynchronousTestCase):
    """What is written, when, and what it means for the connection."""

    def setUp(self) -> None:
        self.connection, self.owner = Wire(), Owner()
        self.writer = Http1ResponseWriter(self.connection, self.owner)  # type: ignore[arg-type]
        self.writer.begin(GET)

    def assert_written(self, *pieces: bytes) -> None:
        """These were written since this was asked last."""
        self.assertEqual(self.connection.written, [*pieces])
        self.connection.written.clear()

    def test_one_write(self) -> None:
        """Head and body leave with the flush, and are counted then."""
        self.writer.head(OK)
        self.writer.body(b"ok")
        self.assert_written()
        self.assertEqual(self.writer.bytes_sent, 0)
        self.writer.end()
        self.assert_written(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.assertEqual(self.writer.bytes_sent, 40)
        self.writer.flush()
        self.assert_written()

    def test_chunks(self) -> None:
        """A body whose length is not known before becomes chunks, and its end the last one."""
        self.writer.head(CHUNKED)
        self.writer.body(b"ok")
        self.writer.end()
        self.assert_written(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")

    def test_keep_alive(self) -> None:
        """The connection goes on unless request, exchange, owner or framing are against it."""
        for request, head, last, continues, keep_alive in (
            (GET, OK, False, True, True),
            (attrs.evolve(GET, keep_alive=False), OK, False, True, False),
            (GET, OK, True, True, False),
            (GET, OK, False, False, False),
            (attrs.evolve(GET, version=b"1.0"), CHUNKED, False, True, False),
        ):
            self.setUp()
            self.owner.continues = continues
            self.writer.begin(request)
            self.writer.head(head, last=last)
            self.assertEqual(self.writer.keep_alive, keep_alive)
            self.writer.flush()
            self.assertEqual(b"Connection: close" in self.connection.written[0], not keep_alive)

    def test_whole(self) -> None:
        """A whole response passes as it came unless its head, the request or the connection is against it."""
        octets = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nok"
        came = ResponseParser(max_header_bytes=1000).whole(octets)
        assert came is not None
        changed = attrs.evolve(came.head, headers=((b"X", b"z"),))
        for request, head, continues, line in (
            (GET, changed, True, b""),
            (attrs.evolve(GET, version=b"1.0"), came.head, True, b"Connection: keep-alive\r\n"),
            (attrs.evolve(GET, keep_alive=False), came.head, True, b"Connection: close\r\n"),
            (GET, came.head, False, b"Connection: close\r\n"),
        ):
            self.setUp()
            self.owner.continues = continues
            self.writer.begin(request)
            self.writer.whole(head, came)
            self.writer.end()
            value = b"z" if head is changed else b"y"
            self.assert_written(b"HTTP/1.1 200 OK\r\nX: %b\r\nContent-Length: 2\r\n%b\r\nok" % (value, line))
            self.assertIs(self.writer.head_sent, head)
        self.setUp()
        self.writer.whole(came.head, came)
        self.assert_written()
        self.writer.end()
        self.assertIs(self.connection.written[0], octets)
        self.assertEqual((self.writer.bytes_sent, self.writer.head_sent), (len(octets), came.head))

    def test_informational(self) -> None:
        """An interim response leaves at once, and not to HTTP/1.0."""
        for version, count in ((b"1.1", 1), (b"1.0", 0)):
            self.writer.begin(attrs.evolve(GET, version=version))
            self.writer.informational(103, b"Early Hints", [(b"Link", b"</a>")])
            self.assert_written(*[b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"] * count)

    def test_switch(self) -> None:
        """The lines of a 101 are written here, behind those of the backend; then bytes go as they are."""
        self.writer.switch(b"websocket", [(b"Sec-WebSocket-Accept", b"x")])
        self.assert_written(
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: upgrade\r\n"
            b"Upgrade: websocket\r\n\r\n"
        )
        self.assertEqual(self.owner.told, ["switched"])
        self.writer.body(b"frame")
        self.writer.flush()
        self.assert_written(b"frame")

    def test_release(self) -> None:
        """After an answer nothing is known of it, and a head that is given then goes nowhere."""
        self.writer.head(CHUNKED)
        self.assertIs(self.writer.head_sent, CHUNKED)
        self.writer.end()
        self.writer.release()
        self.assertEqual((self.owner.told, self.writer.head_sent), (["answered"], None))
        self.connection.written.clear()
        self.writer.head(OK)
        self.writer.flush()
        self.assert_written()

    def test_abort(self) -> None:
        """What was given is sent before the connection is cut, which it is even if that fails."""
        self.writer.head(OK)
        self.writer.abort()
        self.assert_written(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        self.writer.head(OK)
        self.connection.broken = True
        with self.assertRaises(ZeroDivisionError):
            self.writer.abort()
        self.assertEqual(self.owner.told, ["cut", "cut"])

    def test_back_pressure(self) -> None:
        """Whether the client reads is the connection's to say; the request's body is the owner's to stop."""
        self.connection.full = True
        self.assertTrue(self.writer.full)
        self.writer.pause_body()
        self.writer.resume_body()
        self.assertEqual(self.owner.told, ["pause_body", "resume_body"])

    def test_detach(self) -> None:
        """Detached, it leads back to nothing: its owner is free without the garbage collector."""
        self.writer.detach()
        with self.assertRaises(AttributeError):
            self.writer.pause_body()
