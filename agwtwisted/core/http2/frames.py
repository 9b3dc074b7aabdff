"""Frames as octets, to be sent: RFC 9113 section 6.

The caller keeps to the windows and to the client's SETTINGS; here a frame is written as it is given.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from agwtwisted.core.http2.codes import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    LEAST_MAX_FRAME_SIZE,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    SettingPair,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

# Length and type are packed as one number: half the time of four fields.
_HEAD: Final = Struct(">IBI").pack
_HEAD_AND_NUMBER: Final = Struct(">IBII").pack
_GOAWAY: Final = Struct(">IBIII").pack
_SETTING: Final = Struct(">HI").pack

_WHOLE: Final = END_HEADERS
_WHOLE_AND_LAST: Final = END_HEADERS | END_STREAM
_RST_STREAM: Final = 4 << 8 | RST_STREAM
_WINDOW_UPDATE: Final = 4 << 8 | WINDOW_UPDATE

SETTINGS_ACK: Final = _HEAD(SETTINGS, ACK, 0)
"""The answer to SETTINGS."""

_PING_ACK: Final = _HEAD(8 << 8 | PING, ACK, 0)
_PING: Final = _HEAD(8 << 8 | PING, 0, 0)


def headers(stream: int, block: bytes, end_stream: bool, max_frame_size: int = LEAST_MAX_FRAME_SIZE) -> bytes:
    """HEADERS with a block that HPACK has encoded, and as many CONTINUATION as it needs; nothing may come between."""
    size = len(block)
    if size <= max_frame_size:
        return _HEAD(size << 8 | HEADERS, _WHOLE_AND_LAST if end_stream else _WHOLE, stream) + block
    parts = [_HEAD(max_frame_size << 8 | HEADERS, END_STREAM if end_stream else 0, stream), block[:max_frame_size]]
    for begin in range(max_frame_size, size, max_frame_size):
        part = block[begin : begin + max_frame_size]
        last = begin + max_frame_size >= size
        parts += (_HEAD(len(part) << 8 | CONTINUATION, END_HEADERS if last else 0, stream), part)
    return b"".join(parts)


def data_head(stream: int, size: int, end_stream: bool) -> bytes:
    """What stands before `size` octets of a body, at most the client's MAX_FRAME_SIZE, to make them one DATA frame."""
    return _HEAD(size << 8 | DATA, END_STREAM if end_stream else 0, stream)


def data(stream: int, octets: bytes, end_stream: bool) -> bytes:
    """One DATA frame without padding."""
    return _HEAD(len(octets) << 8 | DATA, END_STREAM if end_stream else 0, stream) + octets


def rst_stream(stream: int, code: ErrorCode) -> bytes:
    """Ends a stream at once."""
    return _HEAD_AND_NUMBER(_RST_STREAM, 0, stream, code)


def goaway(last_stream: int, code: ErrorCode, debug: bytes = b"") -> bytes:
    """No stream behind `last_stream` was or will be handled."""
    return _GOAWAY(8 + len(debug) << 8 | GOAWAY, 0, 0, last_stream, code) + debug


def settings(values: Iterable[SettingPair]) -> bytes:
    """SETTINGS, in this order."""
    payload = b"".join([_SETTING(identifier, value) for identifier, value in values])
    return _HEAD(len(payload) << 8 | SETTINGS, 0, 0) + payload


def ping(opaque: bytes) -> bytes:
    """A PING with these 8 octets, which its answer brings back."""
    return _PING + opaque


def ping_ack(opaque: bytes) -> bytes:
    """The answer to a PING with these 8 octets."""
    return _PING_ACK + opaque


def window_update(stream: int, increment: int) -> bytes:
    """Credit of 1 to 2^31-1 octets for a stream, or with stream 0 for the connection."""
    return _HEAD_AND_NUMBER(_WINDOW_UPDATE, 0, stream, increment)
