"""Chunked bodies: what comes of them however they arrive, what is refused, and llhttp's opinion of all that."""

from __future__ import annotations

import contextlib
import re
import tracemalloc
from collections.abc import Iterable
from unittest import mock

import httptools
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.chunks import LONGEST_SIZE_LINE, ChunkedBody

TAKEN = {
    "one": (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    "none": (b"0\r\n\r\n", b""),
    "of one byte": (b"1\r\na\r\n" * 5 + b"0\r\n\r\n", b"aaaaa"),
    "small ones of all sizes": (
        b"".join(b"%x\r\n%b\r\n" % (size, b"b" * size) for size in range(1, 20)) + b"0\r\n\r\n",
        b"b" * sum(range(1, 20)),
    ),
    "in capitals": (b"A\r\n0123456789\r\n1F\r\n" + bytes(31) + b"\r\n0\r\n\r\n", b"0123456789" + bytes(31)),
    "ends of lines as data": (b"2\r\n\r\n\r\n1\r\n\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n\n0\r\n\r\n"),
    "leading zeros": (b"0003\r\nabc\r\n000\r\n\r\n", b"abc"),
    "extensions": (b'3;a=b;c="d;\\"e";f\r\nabc\r\n0;g\r\n\r\n', b"abc"),
    "trailers": (b"1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n", b"a"),
}
"""Bodies, and their data."""

REFUSED = {
    "no size": (b"\r\nabc\r\n", b""),
    "no number": (b"x\r\n", b""),
    "a sign": (b"+1\r\na\r\n", b""),
    "a blank": (b"1 \r\na\r\n", b""),
    "17 digits": (b"1" * 17 + b"\r\na\r\n", b""),
    "LF alone": (b"1\na\r\n", b""),
    "LF alone behind the data": (b"1\r\na\n1\r\n", b"a"),
    "more than the size": (b"1\r\nab\r\n", b"a"),
    "more than the size after small ones": (b"1\r\na\r\n" * 3 + b"1\r\nab\r\n", b"aaaa"),
    "an extension without a name": (b"1;\r\na\r\n", b""),
    "an extension with a quote that does not end": (b'1;a="b\r\na\r\n', b""),
    "a control character in an extension": (b"1;a\0\r\na\r\n", b""),
    "a long extension": (b"1;" + b"a" * LONGEST_SIZE_LINE + b"\r\na\r\n", b""),
    "a trailer without a colon": (b"0\r\nX\r\n\r\n", b""),
    "a folded trailer": (b"0\r\nX: y\r\n z\r\n\r\n", b""),
    "NUL in a trailer": (b"0\r\nX: \0\r\n\r\n", b""),
    "trailers too long": (b"0\r\nX: " + b"y" * 200 + b"\r\n\r\n", b""),
    "trailers without end": (b"0\r\nX: " + b"y" * 300, b""),
    "too many trailers": (b"0\r\n" + b"X:\r\n" * 11 + b"\r\n", b""),
    "too many trailers without end": (b"0\r\n" + b"X:\r\n" * 12, b""),
}
"""Bodies that are none, and the data that came before that was clear."""


TOKENS = b'1.a.|1.|3.|abc|.|\r|\n|0.|0|A|f|;|=|"|\\| |\t|\0|\x80|X: y.|10.|1;a=b.|2.bb.'.replace(b".", b"\r\n").split(
    b"|"
)


def body(*, blanks: bool = False) -> ChunkedBody:
    """One with small bounds."""
    return ChunkedBody(max_trailer_bytes=200, max_trailer_lines=10, blanks=blanks)


def read(pieces: Iterable[bytes]) -> tuple[bytes, bool, bool, bytes]:
    """What is read of these pieces: the data, whether it is whole, whether it has a problem, and what is left over."""
    reading, data, left = body(), b"", b""
    for piece in pieces:
        if reading.done or reading.problem:
            left += piece
        else:
            data += reading.feed(b"before" + piece, len(b"before"))
            left = piece[len(piece) - reading.unread :]
    return data, reading.done, bool(reading.problem), left if reading.done else b""


def single(data: bytes) -> list[bytes]:
    """The same, byte by byte."""
    return [data[at : at + 1] for at in range(len(data))]


class _Told:
    """What llhttp reads."""

    def __init__(self) -> None:
        self.body = b""
        self.done = False

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self.body += data

    def on_message_complete(self) -> None:
        """The body is whole."""
        self.done = True


def told_by_llhttp(data: bytes) -> _Told:
    """What llhttp makes of a chunked body."""
    told = _Told()
    parser = httptools.HttpRequestParser(told)
    parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    with contextlib.suppress(httptools.HttpParserError):
        parser.feed_data(data)
    return told


class ChunkTests(SynchronousTestCase):
    """One body."""

    def test_taken(self) -> None:
        """Each of these is read the same in one piece and in many, and what follows it is left over."""
        for name, (data, expected) in TAKEN.items():
            for follows in (b"", b"GET / HTTP/1.1\r\n", b"0\r\n\r\n"):
                for pieces in ([data + follows], single(data + follows), [data, follows]):
                    self.assertEqual(read(pieces), (expected, True, False, follows), name)

    def test_refused(self) -> None:
        """Each of these has a problem, however it comes, and the data before it is what is handed on."""
        for name, (data, expected) in REFUSED.items():
            for pieces in ([data], single(data)):
                self.assertEqual(read(pieces), (expected, False, True, b""), name)

    def test_is_clear_at_once(self) -> None:
        """What cannot become a size is refused before its line is whole."""
        for start in (b"x", b"1x", b"1;\n", b"-"):
            reading = body()
            reading.feed(start)
            self.assertTrue(reading.problem, start)

    def test_in_one_piece(self) -> None:
        """The data of all chunks of a read comes as one piece, whatever their sizes."""
        reading = body()
        self.assertEqual(
            reading.feed(b"1\r\na\r\n2\r\nbc\r\n10\r\n0123456789abcdef\r\n3\r\nde"), b"abc0123456789abcdefde"
        )

    def test_framing(self) -> None:
        """What is no data is counted: sizes, ends of lines, extensions, trailers."""
        for pieces in ([b"1;x\r\na\r\n0\r\nX: y\r\n\r\n"], single(b"1;x\r\na\r\n0\r\nX: y\r\n\r\n")):
            reading = body()
            for piece in pieces:
                reading.feed(piece)
            self.assertEqual(reading.framing, len(b"1;x\r\n\r\n0\r\nX: y\r\n\r\n"))

    def test_work_for_a_line_in_pieces(self) -> None:
        """A line that comes byte by byte is not read from its start for each: a peer could make that thousands."""
        for line in (b"5;" + b"a" * 3000, b"5" + b";a=b" * 700, b'5;a="' + b" " * 3000, b"0" * 3000):
            reading = body()
            looked_at = 0

            def match(data: bytes, at: int, pattern: re.Pattern[bytes] = reading._size_line) -> re.Match[bytes] | None:
                nonlocal looked_at
                looked_at += len(data) - at
                return pattern.match(data, at)

            reading._size_line = mock.Mock(match=match)
            for piece in single(line):
                reading.feed(piece)
            self.assertEqual(reading.problem, "")
            self.assertLess(looked_at, 100)

    def test_work_for_what_follows(self) -> None:
        """What follows a body is not copied: that may be a read full of further ones."""
        for data in (b"1\r\na\r\n0\r\n\r\n", b"1\r\na\r\n0\r\nX: y\r\n\r\n"):
            follows = bytes(1 << 20)
            all_of_it = data + follows
            reading = body()
            tracemalloc.start()
            try:
                reading.feed(all_of_it)
                most = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            self.assertEqual((reading.done, reading.unread), (True, len(follows)))
            self.assertLess(most, 100_000)

    def test_lines_of_trailers_in_pieces(self) -> None:
        """They are counted as they come."""
        for line in (b"X: y\r\n", b"\n"):
            reading = body()
            reading.feed(b"0\r\n")
            for _ in range(11):
                self.assertEqual(reading.problem, "")
                reading.feed(line)
            self.assertEqual(reading.problem, "there are too many trailers")

    def test_trailers(self) -> None:
        """The names of trailers are announced."""
        reading = body()
        reading.feed(b"0\r\nX: y\r\nContent-Length: 1\r\n\r\n")
        self.assertEqual(reading.trailer_names, (b"X", b"Content-Length"))

    def test_blanks(self) -> None:
        """Where it is asked for, blanks around a size are none of its value, and mean nothing elsewhere."""
        for data, fits in (
            (b"3  \r\nabc\r\n0 \r\n\r\n", True),
            (b"3\t;x\r\nabc\r\n0\r\n\r\n", True),
            (b" \t3\r\nabc\r\n  0\t\r\n\r\n", True),
            (b"3 \r\nabc \r\n0\r\n\r\n", False),
            (b"  \r\nabc\r\n0\r\n\r\n", False),
            (b"3\x0b\r\nabc\r\n0\r\n\r\n", False),
            (b"3 \nabc\r\n0\r\n\r\n", False),
            (b"0x3 \r\nabc\r\n0\r\n\r\n", False),
            (b"3 x\r\nabc\r\n0\r\n\r\n", False),
            (b"1 2\r\nabc\r\n0\r\n\r\n", False),
        ):
            for pieces in ([data], single(data)):
                reading = body(blanks=True)
                told = b"".join([reading.feed(piece) for piece in pieces if not reading.problem])
                self.assertEqual((told, reading.done), (b"abc", True) if fits else (told, False), data)
                self.assertEqual(bool(reading.problem), not fits, data)

    def test_blanks_without_end(self) -> None:
        """They are bounded as the rest of the line is."""
        reading = body(blanks=True)
        for _ in range(LONGEST_SIZE_LINE // 100 + 1):
            reading.feed(b" " * 100)
        self.assertTrue(reading.problem)

    def test_blanks_of_a_client(self) -> None:
        """Where it is not asked for they are a problem, in any pieces."""
        for data in (b" 3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"3\t\r\nabc\r\n0\r\n\r\n"):
            for pieces in ([data], single(data)):
                self.assertEqual(read(pieces)[:3], (b"", False, True), data)

    @given(st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=3)), max_size=12), st.booleans())
    def test_takes_nothing_that_llhttp_refuses(self, tokens: list[bytes], ends: bool) -> None:
        """A body that is whole here is whole to llhttp with the same data; and it is the same in any pieces."""
        data = b"".join(tokens) + (b"0\r\n\r\n" if ends else b"")
        whole = read([data])
        self.assertEqual(whole, read(single(data)))
        if whole[1]:
            told = told_by_llhttp(data)
            self.assertEqual((told.body, told.done), (whole[0], True))
