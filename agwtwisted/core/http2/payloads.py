"""What the payload of a frame may be, by its type: RFC 9113 section 6, and RFC 9218 section 7.1.

DATA, HEADERS and CONTINUATION are read by `core.http2.frame_reader`: their order matters, and they come in parts.
Frames whose length is wrong end the connection, also those for which RFC 9113 would end a stream alone: section 5.4.1
allows it, no client sends them, and resets that a client can order are a means of attack (CVE-2025-8671).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final, TypeAlias

from agwtwisted.core.http2.codes import (
    ACK,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME_SIZE,
    LARGEST_STREAM,
    LARGEST_WINDOW,
    LEAST_MAX_FRAME_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    NO_RFC7540_PRIORITIES,
    PADDED,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    FrameKind,
    SettingPair,
    kind_name,
)
from agwtwisted.core.http2.frame_values import (
    ConnectionFault,
    Frame,
    GoAwayFrame,
    IgnoredFrame,
    PingAck,
    PingFrame,
    PriorityUpdateFrame,
    ResetFrame,
    SettingsAck,
    SettingsFrame,
    StreamFault,
    WindowUpdateFrame,
)

MAX_SETTINGS: Final = 32
"""Settings in one frame at most: there are eight, and each has its work (CVE-2020-11080)."""

PayloadReader: TypeAlias = Callable[[bytes, int, int, int, int], Frame | ConnectionFault]
"""From the octets that have the payload, its flags, its stream, and where the payload begins and ends."""

_NUMBER: Final = Struct(">I").unpack_from
_TWO_NUMBERS: Final = Struct(">II").unpack_from
_SETTINGS: Final = Struct(">HI").iter_unpack

_RANGES: Final = {
    HEADER_TABLE_SIZE: (0, (1 << 32) - 1, PROTOCOL_ERROR),
    ENABLE_PUSH: (0, 1, PROTOCOL_ERROR),
    MAX_CONCURRENT_STREAMS: (0, (1 << 32) - 1, PROTOCOL_ERROR),
    INITIAL_WINDOW_SIZE: (0, LARGEST_WINDOW, FLOW_CONTROL_ERROR),
    MAX_FRAME_SIZE: (LEAST_MAX_FRAME_SIZE, LARGEST_FRAME_SIZE, PROTOCOL_ERROR),
    MAX_HEADER_LIST_SIZE: (0, (1 << 32) - 1, PROTOCOL_ERROR),
    ENABLE_CONNECT_PROTOCOL: (0, 1, PROTOCOL_ERROR),
    NO_RFC7540_PRIORITIES: (0, 1, PROTOCOL_ERROR),
}
"""Of each setting that is known: its least and its largest value, and the error that another one is."""


def off_stream(kind: FrameKind) -> ConnectionFault:
    """A frame on stream 0 that must not be there, or on another one that must."""
    return ConnectionFault(PROTOCOL_ERROR, f"{kind_name(kind)} on a stream that it cannot be on")


def wrong_length(kind: FrameKind) -> ConnectionFault:
    """A frame whose length its type does not allow."""
    return ConnectionFault(FRAME_SIZE_ERROR, f"{kind_name(kind)} of a wrong length")


def without_padding(
    kind: FrameKind, octets: bytes, flags: int, begin: int, end: int
) -> tuple[int, int] | ConnectionFault:
    """Where what is not padding begins and ends (RFC 9113 section 6.1); what the padding is does not matter.

    Of the payload, which is from `begin` to `end`, no more is looked at than its first octet.
    """
    if not flags & PADDED:
        return begin, end
    if begin == end:
        return wrong_length(kind)
    padding = octets[begin]
    if padding >= end - begin:
        return ConnectionFault(PROTOCOL_ERROR, f"{kind_name(kind)} with more padding than it is long")
    return begin + 1, end - padding


def depends_on_itself(octets: bytes, begin: int, stream: int) -> bool:
    """Whether the priority that stands here says so; the exclusive bit does not count."""
    return bool((_NUMBER(octets, begin)[0] & LARGEST_STREAM) == stream)


def self_dependency(kind: FrameKind) -> ConnectionFault:
    """RFC 7540 section 5.3.1 has this; RFC 9113 leaves priorities alone, but no client ever sends it."""
    return ConnectionFault(PROTOCOL_ERROR, f"{kind_name(kind)} has a stream depend on itself")


def _priority(octets: bytes, _flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault:
    """Deprecated: checked and ignored (RFC 9113 section 6.3)."""
    if not stream:
        return off_stream(PRIORITY)
    if end - begin != 5:
        return wrong_length(PRIORITY)
    if depends_on_itself(octets, begin, stream):
        return self_dependency(PRIORITY)
    return IgnoredFrame(PRIORITY, 5)


def _rst_stream(octets: bytes, _flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault:
    if not stream:
        return off_stream(RST_STREAM)
    if end - begin != 4:
        return wrong_length(RST_STREAM)
    return ResetFrame(stream, _NUMBER(octets, begin)[0])


def _settings(octets: bytes, flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault:
    if stream:
        return off_stream(SETTINGS)
    if flags & ACK:
        return wrong_length(SETTINGS) if end > begin else SettingsAck()
    if (end - begin) % 6:
        return wrong_length(SETTINGS)
    if end - begin > 6 * MAX_SETTINGS:
        return ConnectionFault(ENHANCE_YOUR_CALM, f"SETTINGS with more than {MAX_SETTINGS} values")
    return _checked(tuple(_SETTINGS(octets[begin:end])))


def _checked(values: tuple[SettingPair, ...]) -> SettingsFrame | ConnectionFault:
    """The settings that are known, unless one has a value that it cannot have."""
    for identifier, value in values:
        if identifier in _RANGES:
            least, largest, code = _RANGES[identifier]
            if not least <= value <= largest:
                return ConnectionFault(code, f"SETTINGS with the value {value} for 0x{identifier:x}")
    return SettingsFrame(tuple([each for each in values if each[0] in _RANGES]))


def _push_promise(_octets: bytes, _flags: int, _stream: int, _begin: int, _end: int) -> ConnectionFault:
    """RFC 9113 section 8.4: clients cannot push."""
    return ConnectionFault(PROTOCOL_ERROR, "PUSH_PROMISE from a client")


def _ping(octets: bytes, flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault:
    if stream:
        return off_stream(PING)
    if end - begin != 8:
        return wrong_length(PING)
    return PingAck(octets[begin:end]) if flags & ACK else PingFrame(octets[begin:end])


def _goaway(octets: bytes, _flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault:
    if stream:
        return off_stream(GOAWAY)
    if end - begin < 8:
        return wrong_length(GOAWAY)
    last_stream, code = _TWO_NUMBERS(octets, begin)
    return GoAwayFrame(last_stream & LARGEST_STREAM, code)


def _window_update(octets: bytes, _flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault:
    if end - begin != 4:
        return wrong_length(WINDOW_UPDATE)
    increment = _NUMBER(octets, begin)[0] & LARGEST_WINDOW
    if increment:
        return WindowUpdateFrame(stream, increment)
    reason = "WINDOW_UPDATE of 0"
    return StreamFault(stream, PROTOCOL_ERROR, reason) if stream else ConnectionFault(PROTOCOL_ERROR, reason)


def _priority_update(octets: bytes, _flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault:
    if stream:
        return off_stream(PRIORITY_UPDATE)
    if end - begin < 4:
        return wrong_length(PRIORITY_UPDATE)
    prioritized = _NUMBER(octets, begin)[0] & LARGEST_STREAM
    if not prioritized:
        return ConnectionFault(PROTOCOL_ERROR, "PRIORITY_UPDATE for stream 0")
    return PriorityUpdateFrame(prioritized, octets[begin + 4 : end])


PAYLOADS: Final[dict[FrameKind, PayloadReader]] = {
    PRIORITY: _priority,
    RST_STREAM: _rst_stream,
    SETTINGS: _settings,
    PUSH_PROMISE: _push_promise,
    PING: _ping,
    GOAWAY: _goaway,
    WINDOW_UPDATE: _window_update,
    PRIORITY_UPDATE: _priority_update,
}
"""The reader of each type that is known here, but for DATA, HEADERS and CONTINUATION."""
