"""Responses that come whole: which are taken for that, and what a client gets of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.exchange.forwarding import response_bytes
from agwtwisted.core.exchange.response_parser import REMEMBERED_HEADS, ResponseParser
from agwtwisted.core.http.messages import END, Framing, WholeResponse
from agwtwisted.core.http.response_reader import events_of
from tests.core.http.test_response_reader import UNFIT_RESPONSES
from tests.memory import kept_after

LINE = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 2\r\n"


class ResponseParserTests(SynchronousTestCase):
    """A parser for many responses."""

    def setUp(self) -> None:
        self.parser = ResponseParser(max_header_bytes=1000, max_header_lines=10)

    def whole(self, octets: bytes) -> WholeResponse:
        """The response that these octets are."""
        found = self.parser.whole(octets)
        assert found is not None
        return found

    def test_as_it_came(self) -> None:
        """A head without anything of the connection passes with its body by the same octets."""
        for status, body in ((b"200 OK", b"ok"), (b"404 Not Found", b"no"), (b"302 ", b"--")):
            octets = b"HTTP/1.1 %b\r\nX: y \r\ncontent-length: 2\r\nDate: today\r\n\r\n%b" % (status, body)
            found = self.whole(octets)
            self.assertIs(found.message, octets)
            self.assertEqual((found.head.status, found.body), (int(status[:3]), body))
            self.assertEqual(list(found.head.headers), [(b"X", b"y"), (b"Date", b"today")])

    def test_rendered(self) -> None:
        """What concerned only the backend's connection is left out, once for all responses with this head."""
        head = LINE + b"Connection: keep-alive\r\n" + LENGTH + b"Keep-Alive: timeout=5\r\nX: y\r\n\r\n"
        for body in (b"ok", b"ko"):
            found = self.whole(head + body)
            self.assertEqual(found.message, b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\n" + body)
            self.assertEqual(found.body, body)
        self.assertIs(self.whole(head + b"ok").head, self.whole(head + b"ko").head)
        for octets in (b"\r\n" + LINE + LENGTH + b"\r\nok", b"HTTP/1.1 200\r\n" + LENGTH + b"\r\nok"):
            self.assertIn(
                self.whole(octets).message, (LINE + LENGTH + b"\r\nok", b"HTTP/1.1 200 \r\n" + LENGTH + b"\r\nok")
            )

    def test_empty(self) -> None:
        """A body may be empty."""
        self.assertEqual(self.whole(LINE + b"Content-Length: 0\r\n\r\n").body, b"")

    def test_not_whole(self) -> None:
        """Not what is short or long, ends otherwise, never has a body, or ends its connection."""
        for octets in (
            b"",
            LINE,
            LINE + LENGTH + b"\r\n",
            LINE + LENGTH + b"\r\no",
            LINE + LENGTH + b"\r\nokHTTP/1.1",
            b"HTTP/1.1 100 Continue\r\n\r\n" + LINE + LENGTH + b"\r\nok",
            b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n" + LENGTH + b"\r\nok",
            b"HTTP/1.1 304 Not Modified\r\n" + LENGTH + b"\r\nok",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n",
            LINE + b"\r\nok",
            LINE + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            LINE + b"Connection: close\r\n" + LENGTH + b"\r\nok",
            b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\nok",
            LINE + LENGTH + LENGTH + b"\r\nok",
            LINE + LENGTH + 10 * b"X: y\r\n" + b"\r\nok",
            LINE + LENGTH + b"X: %b\r\n\r\nok" % bytes(1000).replace(b"\0", b"x"),
            *UNFIT_RESPONSES.values(),
        ):
            self.assertIsNone(self.parser.whole(octets), octets)

    def test_memory(self) -> None:
        """Heads that never come again take no more room than they may."""

        def read() -> object:
            for number in range(2000):
                self.whole(LINE + b"X: %d\r\n" % number + LENGTH + b"Y: %b\r\n\r\nok" % (b"y" * 500))
            return self.parser

        self.assertLess(kept_after(read), REMEMBERED_HEADS)

    @given(
        st.sampled_from(
            [b"HTTP/1.1 200 OK", b"HTTP/1.1 204 N", b"HTTP/1.1 304 N", b"HTTP/1.0 200 OK", b"HTTP/1.1 200"]
        ),
        st.lists(
            st.sampled_from(
                [
                    LENGTH,
                    b"content-length: 02\r\n",
                    b"Connection: close\r\n",
                    b"Connection: X\r\n",
                    b"X: y\r\n",
                    b"X:\t z \r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"Keep-Alive: 5\r\n",
                    b"bad line\r\n",
                ]
            ),
            max_size=4,
        ),
        st.sampled_from([b"", b"o", b"ok", b"ok!"]),
    )
    def test_as_read(self, line: bytes, lines: list[bytes], body: bytes) -> None:
        """What is taken for whole is what a reader reads of it, and what would be sent of that."""
        octets = b"%b\r\n%b\r\n%b" % (line, b"".join(lines), body)
        found = self.parser.whole(octets)
        reader = self.parser.reader(to_head_request=False)
        reader.feed(octets)
        events = events_of(reader)
        if found is not None:
            self.assertEqual(events, [found.head, *([found.body] if found.body else []), END])
            self.assertTrue(reader.clean)
            rendered = response_bytes(found.head, Framing.LENGTH, keep_alive=True, version=b"1.1")
            self.assertEqual(found.message, rendered + found.body)
