"""The little DER that names need: elements one after another, strictly read (X.690).

Certificates come from strangers, so nothing here recurses and nothing is read twice; whoever goes into a
constructed element does so one level at a time.
"""

from __future__ import annotations

from typing import Final

import attrs

from agwtwisted.core.errors import AgwError

OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31

MAX_ELEMENTS: Final = 1024
"""Elements side by side; a name with more is not one that a person gave."""

MAX_IDENTIFIER_OCTETS: Final = 64
"""Octets of an object identifier; the longest in use have about twenty."""


class DerError(AgwError):
    """Bytes that are not the DER they should be."""


@attrs.frozen
class Element:
    """One element: its identifier octet (class, constructed bit and number) and its contents."""

    tag: int
    content: bytes


def elements(data: bytes) -> tuple[Element, ...]:
    """The elements that fill `data`, one after the other, without going into them.

    Raises:
        DerError: truncated, a length that is indefinite or not the shortest, a tag number above 30, or more than
            `MAX_ELEMENTS`.
    """
    found: list[Element] = []
    position = 0
    while position < len(data):
        if len(found) == MAX_ELEMENTS:
            raise DerError(f"more than {MAX_ELEMENTS} elements")
        start, end = _content_bounds(data, position)
        found.append(Element(data[position], data[start:end]))
        position = end
    return tuple(found)


def only_element(data: bytes, tag: int) -> bytes:
    """The contents of the single element that `data` is, which has this identifier octet.

    Raises:
        DerError: as `elements`, and for another tag or for bytes after the element.
    """
    match elements(data):
        case (Element(tag=found, content=content),) if found == tag:
            return content
        case _:
            raise DerError(f"not a single element with tag 0x{tag:02x}")


def object_identifier(content: bytes) -> str:
    """The dotted form of an object identifier's contents (X.690 section 8.19).

    Raises:
        DerError: empty, truncated, an arc not in its shortest form, or longer than `MAX_IDENTIFIER_OCTETS`.
    """
    if not content or content[-1] & 0x80 or len(content) > MAX_IDENTIFIER_OCTETS:
        raise DerError("not an object identifier")
    arcs: list[int] = []
    arc = 0
    for octet in content:
        if octet == 0x80 and not arc:
            raise DerError("an arc of an object identifier begins with zeros")
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _content_bounds(data: bytes, position: int) -> tuple[int, int]:
    """Where the contents of the element at `position` begin and end (X.690 sections 8.1 and 10.1)."""
    if data[position] & 0x1F == 0x1F:
        raise DerError("a tag number above 30")
    start = position + 2
    if start > len(data):
        raise DerError("truncated")
    length = data[position + 1]
    if length & 0x80:
        octets = length & 0x7F
        encoded = data[start : start + octets]
        length = int.from_bytes(encoded, "big")
        start += octets
        # The octets needed, counted back from the value: fewer octets would have done, or none were given at all.
        if not 0 < octets <= 4 or len(encoded) < octets or length < max(0x80, 1 << 8 * (octets - 1)):
            raise DerError("a length that is not DER")
    if start + length > len(data):
        raise DerError("truncated")
    return start, start + length
