"""Chunked bodies taken apart (RFC 9112 section 7.1): the data of all chunks of one read in one piece.

A chunk of one byte costs neither an object that is kept nor a piece of its own, so the work follows the bytes that
came, not the number of chunks. Nothing is taken that llhttp refuses, which the tests ask, but for blanks around sizes.
"""

from __future__ import annotations

import re
from typing import Final

# Groups are not possessive: early releases of Python 3.11 have a defect in those that fail late. Each group here begins
# with an octet that nothing else can begin with in its place, so that nothing is tried again all the same.

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = rb'"(?:[\t\x20!#-\[\]-~\x80-\xff]|\\[\t\x20-~\x80-\xff])*"'
_SIZE: Final = rb"(0++(?![0-9A-Fa-f])|0*+[1-9A-Fa-f][0-9A-Fa-f]{0,15}+)"
_EXTENSIONS: Final = rb"(?:;%b(?:=(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED)

_SIZE_LINE: Final = re.compile(_SIZE + _EXTENSIONS + rb"\r\n")
_SIZE_LINE_WITH_BLANKS: Final = re.compile(rb"[\t ]*+" + _SIZE + rb"[\t ]*+" + _EXTENSIONS + rb"\r\n")
_BEGUN_SIZE_LINE: Final = re.compile(rb"[0-9A-Fa-f]++[\t ]*+(?:;[^\r\n]*+)?\r?")
_MORE_OF_EXTENSION: Final = re.compile(rb"[^\r\n]*+\r?")
_MORE_OF_SIZE: Final = re.compile(rb"[0-9A-Fa-f]++")
_BEGUN_SIZE_LINE_WITH_BLANKS: Final = re.compile(rb"[\t ]*+(?:%b)?" % _BEGUN_SIZE_LINE.pattern)


def _digit(size: int) -> bytes:
    return b"%x" % size if size < 10 else b"[%x%X]" % (size, size)


_SMALL: Final = b"|".join(rb"%b\r\n.{%d}\r\n" % (_digit(size), size) for size in range(1, 16))
_SMALL_CHUNK: Final = re.compile(_SMALL, re.DOTALL)
_SMALL_CHUNKS: Final = re.compile(b"(?:%b)+" % _SMALL, re.DOTALL)
_SINGLE_BYTES: Final = re.compile(rb"(?:1\r\n.\r\n){2,}", re.DOTALL)

_TRAILERS: Final = re.compile(rb"(?:%b:[\t\x20-\x7e\x80-\xff]*+\r\n)*\r\n" % _TOKEN)

_TRAILERS_END: Final = b"\r\n\r\n"

LONGEST_SIZE_LINE: Final = 4096
"""Octets of the line that begins a chunk, its extensions included."""


class ChunkedBody:
    """One chunked body, fed as its bytes come.

    After each `feed`, `done` says whether the body is whole; `unread` octets of what was fed follow it then. `problem`
    says, once it is not empty, what is wrong with the framing, and nothing more is read. `framing` counts the octets
    that were no data.

    Args:
        max_trailer_bytes, max_trailer_lines: of the section behind the last chunk.
        blanks: whether blanks may stand around a chunk's size, as some servers pad it. Of a client they are refused:
            servers behind the gateway might read them in another way.
    """

    # What most bodies never change is the class's: there is one for each.
    done = False
    problem = ""
    unread = 0
    framing = 0
    trailer_names: tuple[bytes, ...] = ()
    _left = 0  # of the data of the chunk that is open
    _closes = False  # the end of line behind a chunk's data is due
    _in_trailers = False
    _trailer_lines = 0  # that came, of trailers that are not whole
    _begun: bytearray | None = None  # a line, or the trailers, as far as they came

    def __init__(self, *, max_trailer_bytes: int, max_trailer_lines: int, blanks: bool = False) -> None:
        self._max_trailer_bytes = max_trailer_bytes
        self._max_trailer_lines = max_trailer_lines
        self._size_line = _SIZE_LINE_WITH_BLANKS if blanks else _SIZE_LINE
        self._begun_size_line = _BEGUN_SIZE_LINE_WITH_BLANKS if blanks else _BEGUN_SIZE_LINE

    def feed(self, data: bytes, at: int = 0) -> bytes:
        """Reads on at a place of `data`; returns the data of all chunks there, as far as it is there and sound."""
        body = b""
        if not self._in_trailers:
            before, begun = 0, self._begun
            if begun is not None:
                if self._line_goes_on(begun, data, at):
                    return b""
                before = len(begun)
                data, at = bytes(begun) + data[at:], 0
                self._begun = None
            body, at = self._read_chunks(data, at, before)
        if self._in_trailers and at < len(data):
            self._read_trailers(data, at)
        return body

    def _line_goes_on(self, begun: bytearray, data: bytes, at: int) -> bool:
        """Takes more of a line with a size, if that is all: one in pieces is not read from its start for each."""
        size = len(data) - at
        more, ends = (_MORE_OF_EXTENSION, b"\r") if b";" in begun else (_MORE_OF_SIZE, b"\r\t ")
        if begun[-1] in ends or len(begun) + size > LONGEST_SIZE_LINE or more.fullmatch(data, at) is None:
            return False
        begun += data[at:]
        self.framing += size
        return True

    def _read_chunks(self, data: bytes, at: int, before: int) -> tuple[bytes, int]:
        """The data of the chunks from a place of `data` on, and where they end; `before` octets were counted before."""
        start = at + before
        pieces: list[bytes] = []
        end = len(data)
        while at < end and not (self.problem or self._in_trailers):
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._closes = not self._left
            elif self._closes:
                at = self._close(data, at)
            else:
                at = self._take_whole(data, at, pieces)
                if at < end and not self._in_trailers:
                    at = self._open(data, at)
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.framing += at - start - len(body)
        return body, at

    def _close(self, data: bytes, at: int) -> int:
        """The end of line behind a chunk's data; returns where reading goes on, as does `_open`."""
        if data.startswith(b"\r\n", at):
            self._closes = False
            return at + 2
        if data[at:] == b"\r":
            self._begun = bytearray(b"\r")
            return len(data)
        self.problem = "a chunk is longer than its size"
        return at

    def _take_whole(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """The chunks that lie here as a whole, up to one that does not."""
        if data[at + 1 : at + 2] == b"\r":  # of one digit
            if (run := _SINGLE_BYTES.match(data, at)) is not None:
                at = run.end()
                pieces.append(run[0][3::6])
            if (run := _SMALL_CHUNKS.match(data, at)) is not None:
                at = run.end()
                pieces.append(b"".join([chunk[3:-2] for chunk in _SMALL_CHUNK.findall(run[0])]))
        size_line = self._size_line.match
        while (line := size_line(data, at)) is not None:
            start = line.end()
            end = start + int(line[1], 16)
            if start - at > LONGEST_SIZE_LINE:
                break
            if end == start:
                self._in_trailers = True
                return start
            if data[end : end + 2] != b"\r\n":
                break
            pieces.append(data[start:end])
            at = end + 2
        return at

    def _open(self, data: bytes, at: int) -> int:
        """The line that begins a chunk of which the end is not there, or is not right."""
        line = self._size_line.match(data, at)
        if line is None:
            return self._begin_line(data, at)
        if line.end() - at > LONGEST_SIZE_LINE:
            self.problem = "a chunk extension is too long"
            return at
        self._left = int(line[1], 16)
        self._in_trailers = not self._left
        return line.end()

    def _begin_line(self, data: bytes, at: int) -> int:
        """The line with a chunk's size is not whole, or none."""
        if len(data) - at > LONGEST_SIZE_LINE:
            self.problem = "a chunk extension is too long or invalid"
        elif self._begun_size_line.fullmatch(data, at) is None:
            self.problem = "an invalid chunk size"
        else:
            self._begun = bytearray(data[at:])
            return len(data)
        return at

    def _read_trailers(self, data: bytes, at: int) -> None:
        begun = self._begun
        if begun is None:
            if data.startswith(b"\r\n", at):  # there are none
                self.framing += 2
                self.unread, self.done = len(data) - at - 2, True
                return
            begun = self._begun = bytearray()
        before = len(begun)
        begun += data[at : at + self._max_trailer_bytes + len(_TRAILERS_END) - before]
        end = 2
        if not begun.startswith(b"\r\n"):
            found = begun.find(_TRAILERS_END, max(0, before - 3))
            if found < 0:
                self.framing += len(begun) - before
                self._trailer_lines += begun.count(b"\n", before)
                self._check_trailers(len(begun), self._trailer_lines)
                return
            end = found + len(_TRAILERS_END)
        self.framing += end - before
        section = bytes(begun[:end])
        self._check_trailers(end - 2, section.count(b"\n") - 1)
        if not self.problem and _TRAILERS.fullmatch(section) is None:
            self.problem = "an invalid trailer line"
        if not self.problem:
            self.trailer_names = tuple(line.partition(b":")[0] for line in section.split(b"\r\n")[:-2])
            self.unread, self.done = len(data) - at - (end - before), True
        self._begun = None

    def _check_trailers(self, size: int, count: int) -> None:
        if size > self._max_trailer_bytes:
            self.problem = "the trailers are too long"
        elif count > self._max_trailer_lines:
            self.problem = "there are too many trailers"
