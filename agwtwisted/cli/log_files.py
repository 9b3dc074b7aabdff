"""Lines of a file that grows, across its rotation; whatever is in it, the memory that is used is bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

LONGEST: Final = 1 << 20
"""Bytes of a line that are read; the rest of a longer one is left out."""

CUT: Final = b" (cut off)"
"""What stands behind a line of which the rest is left out."""

PIECE: Final = 1 << 16

KEPT: Final = 64 << 20
"""Bytes of the last lines at most, however many are wanted."""

GRACE: Final = 20
"""How often a file that was renamed is looked at without anything new, before it is closed: the gateway writes to it
until it has opened the new one."""

RENAMED: Final = 4
"""Such files at once; the oldest is closed for a further one."""


class LineReader:
    """The lines of an open file, as far as it has any.

    Args:
        read: gives up to so many of its bytes; none where there are no more for now.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._rest = b""
        self._skips = False  # the rest of a line that is too long

    def lines(self) -> Iterator[bytes]:
        """Those that are whole by now, without their ends."""
        while piece := self._read(PIECE):
            *whole, self._rest = (self._rest + piece).split(b"\n")
            yield from self._unskipped(whole)
            if len(self._rest) > LONGEST:
                if not self._skips:
                    yield self._rest[:LONGEST] + CUT
                self._rest, self._skips = b"", True

    def rest(self) -> Iterator[bytes]:
        """What is left without an end, once nothing more comes."""
        rest, self._rest = self._rest, b""
        if rest and not self._skips:
            yield rest

    def _unskipped(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            if self._skips:
                self._skips = False
            else:
                yield line if len(line) <= LONGEST else line[:LONGEST] + CUT


class LastLines:
    """The last of many lines."""

    def __init__(self, number: int) -> None:
        self._lines: deque[bytes] = deque()
        self._number = number
        self._size = 0

    def add(self, line: bytes) -> None:
        """One more."""
        self._lines.append(line)
        self._size += len(line)
        while len(self._lines) > self._number or self._size > KEPT:
            self._size -= len(self._lines.popleft())

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lines)


def seek_last(file: BinaryIO, number: int) -> None:
    """Has the file read next where its last lines begin, so many of them."""
    position = file.seek(0, os.SEEK_END)
    end = position - 1  # the last line's own end is none before it
    while position > 0:
        position = max(0, position - PIECE)
        file.seek(position)
        piece = file.read(min(PIECE, end - position)) if end > position else b""
        at = len(piece)
        while number and at >= 0:
            at = piece.rfind(b"\n", 0, at)
            number -= at >= 0
        if at >= 0 and not number:
            file.seek(position + at + 1)
            return
        end = position
    file.seek(0)


class FollowedLog:
    """A log that is followed by its name: where another file has it, the one before is read to its end, too.

    Args:
        path: of the log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file: BinaryIO = path.open("rb", buffering=0)
        self._reader = LineReader(self.file.read)
        self._renamed: deque[_Renamed] = deque()

    def new(self) -> Iterator[bytes]:
        """The lines that have come since."""
        self._look()
        for each in tuple(self._renamed):
            yield from each.new()
        while self._renamed and (len(self._renamed) > RENAMED or self._renamed[0].idle > GRACE):
            yield from self._renamed.popleft().end()
        yield from self._reader.lines()

    def rest(self) -> Iterator[bytes]:
        """What is left without an end of a line, where nothing more is waited for."""
        yield from self._reader.rest()

    def close(self) -> None:
        """Closes its files."""
        for each in (self.file, *(before.file for before in self._renamed)):
            each.close()

    def _look(self) -> None:
        """Whether the name is another file's by now, or the file was cut off."""
        own = os.fstat(self.file.fileno())
        try:
            named = os.stat(self._path)
            if (named.st_dev, named.st_ino) != (own.st_dev, own.st_ino):
                opened: BinaryIO = self._path.open("rb", buffering=0)
                self._renamed.append(_Renamed(self.file, self._reader))
                self.file, self._reader = opened, LineReader(opened.read)
            elif own.st_size < self.file.tell():  # `copytruncate` of logrotate
                self.file.seek(0)
                self._reader = LineReader(self.file.read)
        except (FileNotFoundError, PermissionError):
            return  # renamed, and the new one is not there yet, or not whole


class _Renamed:
    """A file that had the log's name."""

    def __init__(self, file: BinaryIO, reader: LineReader) -> None:
        self.file = file
        self.idle = 0  # looks without anything new
        self._reader = reader

    def new(self) -> Iterator[bytes]:
        """The lines that have come since."""
        self.idle += 1
        for line in self._reader.lines():
            self.idle = 0
            yield line

    def end(self) -> Iterator[bytes]:
        """What is left of it; it is closed."""
        yield from self._reader.rest()
        self.file.close()
