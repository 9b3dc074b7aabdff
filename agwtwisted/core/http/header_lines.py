"""Header lines: `HeaderBlock` holds those of a message as the octets sent on, and as pairs once asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, overload

Header: TypeAlias = tuple[bytes, bytes]
"""Name and value of one header line."""

_LENGTH: Final = b"content-length"


def rendered(headers: Sequence[Header]) -> bytes:
    """Header lines as they are sent."""
    if isinstance(headers, HeaderBlock):
        return headers.octets
    return b"".join([b"%b: %b\r\n" % line for line in headers])


class HeaderBlock(Sequence[Header]):
    """The end-to-end header lines of a request or a response: a sequence of pairs that is cut when it is looked at.

    Most lines are passed on and never looked at. With `has_length` there is a Content-Length among the octets, which
    the sequence leaves out: it frames the message and is no end-to-end header.
    """

    __slots__ = ("_asked", "_pairs", "_value", "has_length", "octets")

    def __init__(self, octets: bytes, has_length: bool = False) -> None:
        """`octets`: whole lines, each of a token, a colon and a value, as `core.http.heads` takes them."""
        self.octets = octets
        self.has_length = has_length
        self._pairs: tuple[Header, ...] | None = None
        self._asked = self._value = b""  # the name that `value` was asked for last, and what it has found

    @classmethod
    def of(cls, headers: Sequence[Header]) -> HeaderBlock:
        """The same lines, which are known as pairs."""
        block = cls(rendered(headers))
        block._pairs = tuple(headers)
        return block

    def pairs(self) -> tuple[Header, ...]:
        """Names and values."""
        pairs = self._pairs
        if pairs is None:
            cut = [line.split(b":", 1) for line in self.octets.split(b"\r\n")[:-1]]
            pairs = tuple([(name, rest.strip(b"\t ")) for name, rest in cut if name.lower() != _LENGTH])
            self._pairs = pairs
        return pairs

    def value(self, name: bytes) -> bytes:
        """As `value_of` says, which finds it again: the lines of a message that comes again are one object."""
        lines = self.octets
        at = -1 if name == _LENGTH else (b"\n" + lines.lower()).find(b"\n%b:" % name)
        begin = at + len(name) + 1
        self._value = b"" if at < 0 else lines[begin : lines.index(b"\r", begin)].strip(b"\t ")
        self._asked = name
        return self._value

    def __iter__(self) -> Iterator[Header]:
        return iter(self.pairs())

    def __len__(self) -> int:
        return len(self.pairs())

    @overload
    def __getitem__(self, index: int) -> Header: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Header, ...]: ...

    def __getitem__(self, index: int | slice) -> Header | tuple[Header, ...]:
        return self.pairs()[index]

    def __eq__(self, other: object) -> bool:
        return self.pairs() == (other.pairs() if isinstance(other, HeaderBlock) else other)

    def __hash__(self) -> int:
        return hash(self.pairs())

    def __repr__(self) -> str:
        return repr(self.pairs())


def value_of(headers: Sequence[Header], name: bytes) -> bytes:
    """The value of the first header of that name, given in lower case; empty when there is none."""
    if isinstance(headers, HeaderBlock):
        return headers._value if headers._asked == name else headers.value(name)
    for line in headers:
        if line[0].lower() == name:
            return line[1]
    return b""
