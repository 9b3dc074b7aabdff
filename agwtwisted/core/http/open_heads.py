"""Heads that do not lie whole in one read: gathered as octets, and bounded while they arrive."""

from __future__ import annotations

import re
from typing import Final

import attrs

from agwtwisted.core.http.heads import (
    FIRST_LINE,
    HEADER_LINES,
    REQUEST_LINE_BEGUN,
    STATUS_LINE,
    STATUS_LINE_BEGUN,
)

_HEAD_END: Final = b"\r\n\r\n"
_NOT_EMPTY: Final = re.compile(rb"[^\r\n]")
_LONE_CR: Final = re.compile(rb"\r[^\n]")

_SHORT: Final = 32
"""Octets in which a first line shows that it is none."""


@attrs.frozen
class StartLine:
    """The grammar of a head's first line: of a whole one, and of what may become one."""

    whole: re.Pattern[bytes]
    begun: re.Pattern[bytes]


OF_REQUESTS: Final = StartLine(whole=FIRST_LINE, begun=REQUEST_LINE_BEGUN)
OF_RESPONSES: Final = StartLine(whole=STATUS_LINE, begun=STATUS_LINE_BEGUN)


class OpenHead:
    """The octets of one head, as far as they came; it begins with none of an empty line.

    After each `take`, `whole` says whether its end has come, and `faulty` that it can become none that is taken: its
    octets say why. No octet is looked at again because another one came, but for those of a line with its end.

    Args:
        start_line: the grammar of the first line.
        longest_start_line: octets of it at most.
        max_bytes, max_lines: of the header lines.
    """

    __slots__ = (
        "_checked",
        "_lines",
        "_longest",
        "_max_bytes",
        "_max_lines",
        "_start",
        "_start_line",
        "faulty",
        "octets",
        "whole",
    )

    def __init__(self, start_line: StartLine, *, longest_start_line: int, max_bytes: int, max_lines: int) -> None:
        self.octets = bytearray()
        self.whole = False
        self.faulty = False
        self._start_line = start_line
        self._longest = longest_start_line
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._start = 0  # where the header lines begin; 0: the first line is not whole
        self._checked = 0  # up to where they are whole and sound
        self._lines = 0  # how many those are

    def take(self, data: bytes, at: int) -> int:
        """Takes more of the head from a place of `data`; returns where that ends."""
        octets = self.octets
        before = len(octets)
        end = _end_of_head(data, at, bytes(octets[-3:]))
        octets += data[at:end]
        self.whole = octets.endswith(_HEAD_END)
        self.faulty = not self.whole and self._is_faulty(before)
        return end

    def _is_faulty(self, before: int) -> bool:
        """Looks at what came behind the first `before` octets."""
        octets = self.octets
        if not self._start:
            if before < _SHORT and self._start_line.begun.match(octets) is None:
                return True
            if octets.find(b"\n", before) < 0:
                return len(octets) > self._longest or self._has_lone_cr(before)
            line = self._start_line.whole.match(octets)
            if line is None or line.end() > self._longest:
                return True
            self._start = self._checked = line.end()
        if octets.find(b"\n", max(before, self._checked)) >= 0 and not self._check_lines():
            return True
        return (
            len(octets) - self._start > self._max_bytes + 1  # the CR of the empty line at the end may be there
            or self._lines > self._max_lines
            or self._has_lone_cr(before)
        )

    def _check_lines(self) -> bool:
        """Looks at the lines that became whole; False where one is not sound."""
        octets, begin = self.octets, self._checked
        matched = HEADER_LINES.match(octets, begin)
        if matched is not None:
            self._checked = matched.end()
        self._lines += octets.count(b"\n", begin, self._checked)
        return octets.find(b"\n", self._checked) < 0

    def _has_lone_cr(self, before: int) -> bool:
        return _LONE_CR.search(self.octets, max(0, before - 1)) is not None


def _end_of_head(data: bytes, at: int, before: bytes) -> int:
    """Where the empty line ends that ends a head; the end of the data where there is none.

    Args:
        data: what came.
        at: where reading goes on.
        before: the last bytes, three at most, that were read before these.
    """
    if before:
        found = (before + data[at : at + 3]).find(_HEAD_END)
        if found >= 0:
            return at + found + 4 - len(before)
    found = data.find(_HEAD_END, at)
    return len(data) if found < 0 else found + 4


def behind_empty_lines(data: bytes, at: int) -> int:
    """Where something begins: empty lines ahead of a message mean nothing (RFC 9112 section 2.2)."""
    found = _NOT_EMPTY.search(data, at)
    return len(data) if found is None else found.start()
