"""The little of ASN.1's encodings that certificates need: elements one after another (X.690).

It reads DER, and the BER that OpenSSL accepts: lengths that are not minimal, indefinite lengths, constructed strings.
OpenSSL has verified such certificates, and nginx serves them. Certificates come from unverified clients, so no function
recurses on its own, and the work is linear: the caller goes into a constructed element one level at a time.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from agwtwisted.core.base.errors import AgwError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31

CONSTRUCTED: Final = 0x20
"""The bit of an identifier octet that says that there are elements within."""

MAX_ELEMENTS: Final = 1024
"""Elements side by side; a name with more is not one that a person gave."""

MAX_IDENTIFIER_OCTETS: Final = 64
"""Octets of an object identifier; the longest in use have about twenty."""

MAX_PIECES: Final = 5
"""Levels of pieces of a string within pieces, as in OpenSSL."""

_END_OF_CONTENTS: Final = b"\0\0"


class DerError(AgwError):
    """Bytes that are not the encoding they should be."""


class Element(NamedTuple):
    """One element: its identifier octet (class, constructed bit and number) and its contents."""

    tag: int
    content: bytes


_made: Final = tuple.__new__  # what the class itself does for it in Python: a certificate has dozens


def elements(data: bytes, most: int = MAX_ELEMENTS) -> tuple[Element, ...]:
    """The elements that fill `data`, one after the other, without going into them.

    Raises:
        DerError: truncated, a tag number above 30, or more than `most`.
    """
    found: list[Element] = []
    position, size = 0, len(data)
    while position < size:
        if len(found) == most:
            raise DerError(f"more than {most} elements")
        tag, start = data[position], position + 2
        if start <= size and (length := data[position + 1]) < 0x80 and tag & 0x1F != 0x1F:  # as nearly all are
            end = after = start + length
            if end > size:
                raise DerError("truncated")
        else:
            start, end, after = _bounds(data, position)
        found.append(_made(Element, (tag, data[start:end])))
        position = after
    return tuple(found)


def only_element(data: bytes, tag: int) -> bytes:
    """The contents of the single element that `data` is, which has this identifier octet.

    Raises:
        DerError: as `elements`, and for another tag or for bytes after the element.
    """
    found = elements(data)
    if len(found) != 1 or found[0][0] != tag:
        raise DerError(f"not a single element with tag 0x{tag:02x}")
    return found[0][1]


def first_element(data: bytes) -> Element:
    """The element that `data` begins with; what follows it does not count, as nowhere in OpenSSL's extensions.

    Raises:
        DerError: there is none.
    """
    start, end, _ = _bounds(data, 0)
    return _made(Element, (data[0], data[start:end]))


def first_encoding(data: bytes) -> bytes:
    """The whole encoding of the element that `data` begins with, as it stands there.

    Raises:
        DerError: there is none.
    """
    return data[: _bounds(data, 0)[2]]


def first_of(data: bytes, tag: int) -> bytes:
    """The contents of the element that `data` begins with, which has this identifier octet.

    Raises:
        DerError: there is none, or one with another tag.
    """
    start, end, _ = _bounds(data, 0)
    if data[0] != tag:
        raise DerError(f"not an element with tag 0x{tag:02x}")
    return data[start:end]


def encoded(tag: int, content: bytes) -> bytes:
    """The DER of an element."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = (size.bit_length() + 7) // 8
    return bytes((tag, 0x80 | octets)) + size.to_bytes(octets, "big") + content


def string_octets(element: Element, nesting: int = MAX_PIECES) -> bytes:
    """The contents of a string, whole or in pieces (X.690 section 8.21).

    Raises:
        DerError: pieces that cannot be read, or within too many others.
    """
    if not element.tag & CONSTRUCTED:
        return element.content
    if not nesting:
        raise DerError("a constructed string within a constructed string")
    return b"".join([string_octets(piece, nesting - 1) for piece in elements(element.content)])


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
            raise DerError("an arc of an object identifier has leading zeros")
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _bounds(data: bytes, position: int) -> tuple[int, int, int]:
    """Where the contents of the element at `position` begin and end, and where the next element begins."""
    start, length = _header(data, position)
    if length is None:
        end = _end_of_contents(data, start)
        return start, end, end + len(_END_OF_CONTENTS)
    end = start + length
    if end > len(data):
        raise DerError("truncated")
    return start, end, end


def _header(data: bytes, position: int) -> tuple[int, int | None]:
    """Where the contents of the element at `position` begin, and their length; None: the length is indefinite."""
    start = position + 2
    if start > len(data):
        raise DerError("truncated")
    if data[position] & 0x1F == 0x1F:
        raise DerError("a tag number above 30")
    length = data[position + 1]
    if length < 0x80:
        return start, length
    if length == 0x80:
        if not data[position] & CONSTRUCTED:
            raise DerError("end-of-contents octets without an element before them")
        return start, None
    encoded_length = data[start : start + (length & 0x7F)]
    if len(encoded_length) < length & 0x7F:
        raise DerError("truncated")
    return start + len(encoded_length), int.from_bytes(encoded_length, "big")


def _end_of_contents(data: bytes, position: int) -> int:
    """Where the end mark stands of the contents that begin at `position` (X.690 section 8.1.5)."""
    waiting = 1  # end marks that are to come
    while True:
        if data.startswith(_END_OF_CONTENTS, position):
            waiting -= 1
            if not waiting:
                return position
            position += len(_END_OF_CONTENTS)
            continue
        start, length = _header(data, position)
        position = start + (length or 0)
        waiting += length is None
        if position > len(data):
            raise DerError("truncated")
