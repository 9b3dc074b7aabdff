"""What a client's frames say, as values: `core.http2.frame_reader` hands them on, one after the other."""

from __future__ import annotations

from typing import TypeAlias

from agwtwisted.core.base.values import value
from agwtwisted.core.http2.codes import ErrorCode, FrameKind, SettingPair


@value
class HeadersFrame:
    """A header block, whole, for the HPACK decoder: of a request, or the trailers of one.

    Every one has to be decoded, whatever becomes of its stream: the decoder's table depends on it.
    """

    stream: int
    block: bytes
    end_stream: bool
    frames: int = 1  # HEADERS and CONTINUATION that it came in


@value
class DataFrame:
    """A part of a body."""

    stream: int
    data: bytes  # without padding
    size: int  # what it costs of both windows: with padding (RFC 9113 section 6.1), which the first part has all of
    end_stream: bool
    part: bool = False  # of a frame of more than 1 KiB that comes slowly: it says nothing about how short frames are


@value
class ResetFrame:
    """RST_STREAM."""

    stream: int
    code: ErrorCode


@value
class SettingsFrame:
    """SETTINGS that have to be acknowledged: those that are known, in their order; a later one of a name counts."""

    values: tuple[SettingPair, ...]


@value
class SettingsAck:
    """The client has applied the SETTINGS that were sent to it."""


@value
class PingFrame:
    """PING that has to be answered."""

    data: bytes


@value
class PingAck:
    """The answer to a PING."""

    data: bytes


@value
class GoAwayFrame:
    """The client begins no more streams; its debug data is left out."""

    last_stream: int
    code: ErrorCode


@value
class WindowUpdateFrame:
    """Credit for a stream, or with stream 0 for the connection; never 0."""

    stream: int
    increment: int


@value
class PriorityUpdateFrame:
    """PRIORITY_UPDATE: a Priority field value for a stream, which may not have begun (RFC 9218 section 7.1)."""

    stream: int
    value: bytes


@value
class IgnoredFrame:
    """A frame that means nothing here: PRIORITY, which RFC 9113 deprecates, or one of a type that is not known."""

    kind: FrameKind
    size: int  # of its payload


@value
class StreamFault:
    """A stream error: the stream is reset with this code, and the connection goes on (RFC 9113 section 5.4.2).

    On a stream that is idle it is a connection error: no RST_STREAM may be sent for one.
    """

    stream: int
    code: ErrorCode
    reason: str


@value
class ConnectionFault:
    """A connection error: GOAWAY with this code, and nothing more is read (RFC 9113 section 5.4.1)."""

    code: ErrorCode
    reason: str  # for the log; a constant text and numbers, nothing that came from the client


Frame: TypeAlias = (
    HeadersFrame
    | DataFrame
    | ResetFrame
    | SettingsFrame
    | SettingsAck
    | PingFrame
    | PingAck
    | GoAwayFrame
    | WindowUpdateFrame
    | PriorityUpdateFrame
    | IgnoredFrame
    | StreamFault
)
