"""Header lines, and how they are held: as pairs, as pairs that are rendered already, or as bytes that nobody cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, overload

Header: TypeAlias = tuple[bytes, bytes]
"""Name and value of one header line, as they came."""

_LENGTH: Final = b"content-length"


class HeaderLines(tuple[Header, ...]):
    """Header lines of a request, with the octets that they are where they go on as they came."""

    octets: bytes

    @classmethod
    def of(cls, headers: Sequence[Header]) -> HeaderLines:
        """The same lines, rendered."""
        lines = cls(headers)
        lines.octets = rendered(headers)
        return lines


def rendered(headers: Sequence[Header]) -> bytes:
    """Header lines as they are sent."""
    return b"".join([b"%b: %b\r\n" % line for line in headers])


class HeaderBlock(Sequence[Header]):
    """Header lines of a response as they came, which nobody cuts as long as nobody looks.

    They are end-to-end ones, but for a Content-Length, which `lines` has and the sequence has not.
    """

    __slots__ = ("_cut", "lines")

    def __init__(self, lines: bytes) -> None:
        """`lines`: whole ones, of no odd kind."""
        self.lines = lines
        self._cut: tuple[Header, ...] | None = None

    def cut(self) -> tuple[Header, ...]:
        """Names and values."""
        if self._cut is None:
            cut = [line.split(b":", 1) for line in self.lines.split(b"\r\n")[:-1]]
            self._cut = tuple([(name, rest.strip(b"\t ")) for name, rest in cut if name.lower() != _LENGTH])
        return self._cut

    def value(self, name: bytes) -> bytes:
        """As `value_of`, without cutting."""
        at = -1 if name == _LENGTH else (b"\n" + self.lines.lower()).find(b"\n%b:" % name)
        if at < 0:
            return b""
        begin = at + len(name) + 1
        return self.lines[begin : self.lines.index(b"\r", begin)].strip(b"\t ")

    def __iter__(self) -> Iterator[Header]:
        return iter(self.cut())

    def __len__(self) -> int:
        return len(self.cut())

    @overload
    def __getitem__(self, index: int) -> Header: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Header, ...]: ...

    def __getitem__(self, index: int | slice) -> Header | tuple[Header, ...]:
        return self.cut()[index]

    def __eq__(self, other: object) -> bool:
        return self.cut() == (other.cut() if isinstance(other, HeaderBlock) else other)

    def __hash__(self) -> int:
        return hash(self.cut())

    def __repr__(self) -> str:
        return repr(self.cut())


def value_of(headers: Sequence[Header], name: bytes) -> bytes:
    """The value of the first header of that name, given in lower case; empty when there is none."""
    if isinstance(headers, HeaderBlock):
        return headers.value(name)
    for line in headers:
        if line[0].lower() == name:
            return line[1]
    return b""
