"""Mutations that keep DER, or frames of HTTP/2, whole: a change deep inside, and every length around it right again.

Bytes changed at random break a length within the first few octets, and nothing behind it is ever reached.
"""

from __future__ import annotations

import random

from agwtwisted.core.certificates.der import DerError, elements
from agwtwisted.core.http2 import codes
from tests.frame_oracle import frame, split
from tests.pki import tlv

_CONSTRUCTED = 0x20
_BIT_STRING, _OCTET_STRING = 0x03, 0x04
_TAGS = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0C,
    0x13,
    0x14,
    0x16,
    0x17,
    0x18,
    0x1C,
    0x1E,
    0x30,
    0x31,
    0x80,
    0x82,
    0x86,
)
_MAX_STEPS = 20


def mutated(data: bytes, chosen: random.Random) -> bytes:
    """The same elements but for one, somewhere; the data unchanged where it is no DER."""
    for _ in range(_MAX_STEPS):
        changed = _within(data, chosen)
        if changed is not None and changed != data:
            return changed
    return data


def mutated_frames(data: bytes, chosen: random.Random) -> bytes:
    """The same frames but for one: dropped, doubled, moved, of another type, stream, flags or with another payload."""
    preface, *parts = split(data)
    if not parts:
        return data
    at = chosen.randrange(len(parts))
    match chosen.randrange(5):
        case 0:
            del parts[at]
        case 1:
            parts[at:at] = [parts[at]] * chosen.choice((1, 1, 9))
        case 2:
            parts.insert(chosen.randrange(len(parts)), parts.pop(at))
        case _:
            parts[at] = _another_frame(parts[at], chosen)
    return preface + b"".join(parts)


def _another_frame(octets: bytes, chosen: random.Random) -> bytes:
    if len(octets) < codes.FRAME_HEAD:
        return octets
    kind, flags, stream = octets[3], octets[4], int.from_bytes(octets[5:9], "big")
    payload = octets[codes.FRAME_HEAD :]
    match chosen.randrange(6):
        case 0:
            kind = chosen.choice((*range(12), 0x10, 0xEE))
        case 1:
            flags ^= chosen.choice((1, 4, 8, 0x20))
        case 2:
            stream = chosen.choice((0, 1, 2, 3, 5, stream + 2, stream | 1 << 31)) & 0xFFFFFFFF
        case 3:
            payload *= chosen.choice((2, 40))
        case _:
            payload = _with_other_octets(payload, chosen)
    return frame(kind, payload, flags=flags, stream=stream)


def _within(data: bytes, chosen: random.Random) -> bytes | None:
    """`data` with one element changed; None where it is not a row of elements."""
    try:
        parts = [(each.tag, each.content) for each in elements(data)]
    except DerError:
        return None
    if not parts:
        return None
    at = chosen.randrange(len(parts))
    tag, content = parts[at]
    deeper = _within(content, chosen) if _may_hold_elements(tag) and chosen.random() < 0.85 else None
    if deeper is not None:
        parts[at] = (tag, deeper)
    else:
        _change(parts, at, chosen)
    return b"".join(tlv(tag, content) for tag, content in parts)


def _may_hold_elements(tag: int) -> bool:
    return bool(tag & _CONSTRUCTED) or tag == _OCTET_STRING


def _change(parts: list[tuple[int, bytes]], at: int, chosen: random.Random) -> None:
    """One element is dropped, doubled, moved, given another tag or other contents."""
    tag, content = parts[at]
    match chosen.randrange(6):
        case 0:
            del parts[at]
        case 1:
            parts.insert(at, parts[at])
        case 2:
            parts.insert(chosen.randrange(len(parts)), parts.pop(at))
        case 3:
            parts[at] = (chosen.choice(_TAGS), content)
        case 4:
            parts[at] = (tag, content[: chosen.randrange(len(content) + 1)])
        case _:
            parts[at] = (tag, _with_other_octets(content, chosen))


def _with_other_octets(content: bytes, chosen: random.Random) -> bytes:
    where = chosen.randrange(len(content) + 1)
    new = chosen.choice((b"\0", b"\xff", b"\r\n", b"\x80", chosen.randbytes(1), chosen.randbytes(3), b"9", b"z" * 70))
    return content[:where] + new + content[where + chosen.randrange(2) :]
