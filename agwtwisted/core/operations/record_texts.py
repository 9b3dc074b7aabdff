"""Texts from outside as they stand in a line of JSON: escaped, in ASCII, and cut where they are too long.

Of a field from outside a line has 2 KB at most: what a client sends must not fill the disk faster than it comes. Only
the modules of records call it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

_PLAIN: Final = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')

MARKED: Final = bytes(byte if byte in _PLAIN else 255 - byte for byte in range(256))
"""By which `bytes.translate` leaves those bytes what they are that stand in a JSON string as they are, and no other."""

_LATIN = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}
"""From what "surrogateescape" makes of bytes that are not UTF-8 to the same bytes as Latin-1."""

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def members(values: Mapping[str, str | int]) -> bytes:
    """The members of a JSON object, without its braces."""
    encoded = _ENCODER.encode(values)
    if len(encoded) > LONGEST_FIELD:
        encoded = _ENCODER.encode({name: cut(each) if isinstance(each, str) else each for name, each in values.items()})
    return encoded[1:-1].encode()


def decoded(raw: bytes) -> str:
    """Bytes from outside as text: UTF-8 where they are, each other byte as the Latin-1 letter of its number."""
    return raw.decode("utf-8", "surrogateescape").translate(_LATIN)


LONGEST_FIELD: Final = 2048
"""Octets of a field in a line, behind which it is cut."""

_WHOLE: Final = re.compile(r"(?:\\ud[89ab]..\\ud[c-f]..|\\u(?!d[89ab])....|\\[^u]|[^\\])*")
_TAIL: Final = re.compile(rb"[\xc0-\xff][\x80-\xbf]{0,2}\Z")


def cut(text: str) -> str:
    """Text that takes `LONGEST_FIELD` octets of a line at most, and behind it, where it was longer, how long it was."""
    dumped = json.dumps(text)[1:-1]
    if len(dumped) <= LONGEST_FIELD:
        return text
    whole = _WHOLE.match(dumped, 0, LONGEST_FIELD)
    begun: str = json.loads(f'"{whole[0] if whole else ""}"')
    return begun + _mark(len(text.encode("utf-8", "surrogatepass")))


def _mark(octets: int) -> str:
    return f"\u2026(of {octets} bytes)"


def field(raw: bytes) -> bytes:
    """Bytes from outside as the inside of a JSON string, cut as by `cut`."""
    if len(raw) <= LONGEST_FIELD:
        whole_field = escaped(raw)
        if len(whole_field) <= LONGEST_FIELD:
            return whole_field
    begun = raw[:LONGEST_FIELD]
    if raw[LONGEST_FIELD : LONGEST_FIELD + 1] >= b"\x80":
        begun = _TAIL.sub(b"", begun)
    whole = _WHOLE.match(escaped(begun).decode("ascii"), 0, LONGEST_FIELD)
    return (whole[0] if whole else "").encode() + json.dumps(_mark(len(raw)))[1:-1].encode()


def escaped(raw: bytes) -> bytes:
    """Bytes from outside as the inside of a JSON string, in ASCII."""
    return json.dumps(decoded(raw))[1:-1].encode() if raw.translate(MARKED) != raw else raw
