"""Heads in pieces: what is kept of them, when they are refused, and how much work a byte is."""

from __future__ import annotations

import re
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http import open_heads
from agwtwisted.core.http.heads import HEADER_LINES
from agwtwisted.core.http.open_heads import OF_REQUESTS, OF_RESPONSES, OpenHead, StartLine, behind_empty_lines

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"


def open_head(start_line: StartLine = OF_REQUESTS) -> OpenHead:
    """One with small bounds."""
    return OpenHead(start_line, longest_start_line=100, max_bytes=50, max_lines=3)


def taken(head: OpenHead, data: bytes) -> int:
    """How many bytes of `data` it takes one by one, until it is whole or faulty."""
    for at in range(len(data)):
        head.take(data[at : at + 1], 0)
        if head.whole or head.faulty:
            return at + 1
    return len(data)


class OpenHeadTests(SynchronousTestCase):
    """One head."""

    def test_whole(self) -> None:
        """It ends behind its empty line, wherever it is cut; what follows is not taken."""
        data = b"before" + REQUEST + b"\r\n\r\nafter"
        for cut in range(len(b"before") + 1, len(b"before" + REQUEST)):
            head = open_head()
            self.assertEqual(head.take(data[:cut], len(b"before")), cut)
            self.assertFalse(head.whole or head.faulty)
            self.assertEqual(head.take(data[cut:], 0), len(b"before" + REQUEST) - cut)
            self.assertEqual((head.whole, head.faulty, bytes(head.octets)), (True, False, REQUEST))

    def test_faulty(self) -> None:
        """It is so with the first octet, or line, that makes it none, and with the one that is too much."""
        for data, size in (
            (b"\x16\x03\x01", 1),
            (b"get / HTTP/1.1\r\n", 1),
            (b"GET\r\n", 4),
            (b"GET / HTTP/1.1\rX", 16),
            (b"GET / HTTP/1.1\n", 15),
            (b"GET / HTCPCP/1.1\r\n", 18),
            (b"GET /" + b"a" * 200, 101),
            (b"GET / HTTP/1.1\r\nA: b\r\nX : y\r\n", 29),
            (b"GET / HTTP/1.1\r\nX: \0\r\n", 22),
            (b"GET / HTTP/1.1\r\nX: a\rb", 22),
            (b"GET / HTTP/1.1\r\nX: a\n", 21),
            (b"GET / HTTP/1.1\r\n" + b"X" * 60, 68),
            (b"GET / HTTP/1.1\r\n" + b"X:\r\n" * 4, 32),
        ):
            head = open_head()
            self.assertEqual((taken(head, data), head.faulty, head.whole), (size, True, False), data)
        for data in (b"GET /" + b"a" * 200 + b" HTTP/1.1\r\n", b"GET " + b" " * 100 + b"/ HTTP/1.1\r\n"):
            head = open_head()
            head.take(data, 0)
            self.assertTrue(head.faulty, data)
        for data, size in ((b"SSH-2.0", 1), (b"HTP", 3), (b"HTTP/1.1 20\r\n", 13)):
            head = open_head(OF_RESPONSES)
            self.assertEqual((taken(head, data), head.faulty), (size, True), data)

    def test_as_long_as_may_be(self) -> None:
        """Lines of the length and number that are allowed are no fault."""
        for lines in (b"X: " + b"a" * 45 + b"\r\n", b"X: y\r\n" * 3):
            head = open_head()
            data = b"GET / HTTP/1.1\r\n" + lines + b"\r\n"
            self.assertEqual((taken(head, data), head.whole), (len(data), True))

    def test_empty_lines(self) -> None:
        """What is ahead of a message is passed over."""
        for data, at, behind in ((b"\r\n\r\nG", 0, 4), (b"a\n\rb", 1, 3), (b"\r\n", 0, 2), (b"", 0, 0)):
            self.assertEqual(behind_empty_lines(data, at), behind)

    def test_work_for_a_first_line(self) -> None:
        """One that comes byte by byte is not looked at from its start for each: the work follows its length."""
        work = {}
        for size in (2000, 8000):
            head = OpenHead(OF_REQUESTS, longest_start_line=9000, max_bytes=9000, max_lines=100)
            pattern = _Counted()
            head._start_line = StartLine(whole=pattern, begun=pattern)  # type: ignore[arg-type]
            taken(head, b"GET /" + b"a" * size)
            self.assertFalse(head.faulty)
            work[size] = pattern.octets
        self.assertEqual(work[2000], work[8000])

    def test_work_for_lines(self) -> None:
        """Lines that come byte by byte are looked at once, each when it is whole."""
        looked_at = 0

        def match(octets: bytes, begin: int, pattern: re.Pattern[bytes] = HEADER_LINES) -> re.Match[bytes] | None:
            nonlocal looked_at
            looked_at += len(octets) - begin
            return pattern.match(octets, begin)

        head = OpenHead(OF_REQUESTS, longest_start_line=100, max_bytes=9000, max_lines=100)
        lines = b"X: %b\r\n" % (b"a" * 80) * 90
        with mock.patch.object(open_heads, "HEADER_LINES", mock.Mock(match=match)):
            taken(head, b"GET / HTTP/1.1\r\n" + lines)
        self.assertEqual((head.faulty, looked_at), (False, len(lines)))


class _Counted:
    """A pattern that counts the octets that it is to look at."""

    def __init__(self) -> None:
        self.octets = 0

    def match(self, octets: bytes) -> object:
        """Takes all."""
        self.octets += len(octets)
        return self
