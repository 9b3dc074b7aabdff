"""Where the elements of DER stand within bytes that are too many to be copied (X.690 section 8.1, 10.1).

`der` hands out the contents of elements; of a list of a million certificates that would be copies of all of it at every
level. Here elements are positions. Unlike `der`, only DER is read: lengths are definite, and in their shortest form.
Caller: the readers of certificate revocation lists.
"""

from __future__ import annotations

from typing import Protocol, overload

from agwtwisted.core.base.values import value
from agwtwisted.core.certificates.der import DerError


class Octets(Protocol):
    """Bytes that need not be in memory: `bytes`, or a file that is mapped (`mmap`)."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, index: int, /) -> int: ...

    @overload
    def __getitem__(self, index: slice, /) -> bytes: ...

    def __buffer__(self, flags: int, /) -> memoryview: ...


@value
class Span:
    """An element: its identifier octet, where it begins, and where its contents begin and end."""

    tag: int
    at: int
    start: int
    end: int


def span_at(data: Octets, at: int, limit: int) -> Span:
    """The element at a position, which ends at `limit` or before; `limit` is at most the length of the data.

    Raises:
        DerError: truncated, a tag number above 30, a length that is indefinite or not in its shortest form.
    """
    start, length = header_at(data, at, limit)
    if start + length > limit:
        raise DerError("truncated")
    return Span(data[at], at, start, start + length)


def header_at(data: Octets, at: int, limit: int) -> tuple[int, int]:
    """Where the contents of the element at a position begin, and how many octets they have, here or not.

    Raises:
        DerError: as `span_at`.
    """
    if at + 2 > limit:
        raise DerError("truncated")
    length, start = data[at + 1], at + 2
    if data[at] & 0x1F == 0x1F:
        raise DerError("a tag number above 30")
    if length < 0x80:
        return start, length
    octets = data[start : min(start + (length & 0x7F), limit)]
    return start + len(octets), _long_length(octets, length & 0x7F)


def child_spans(data: Octets, parent: Span, most: int) -> tuple[Span, ...]:
    """The elements that fill an element, without going into them.

    Raises:
        DerError: as `span_at`, or more than `most`.
    """
    found: list[Span] = []
    position = parent.start
    while position < parent.end:
        if len(found) == most:
            raise DerError(f"more than {most} elements")
        found.append(span_at(data, position, parent.end))
        position = found[-1].end
    return tuple(found)


def _long_length(octets: bytes, count: int) -> int:
    """A length of 128 or more; `count` octets were announced for it."""
    if len(octets) < count:
        raise DerError("truncated")
    length = int.from_bytes(octets, "big")
    if not count or octets[0] == 0 or length < 0x80:
        raise DerError("a length that is indefinite, or not in its shortest form")
    return length
