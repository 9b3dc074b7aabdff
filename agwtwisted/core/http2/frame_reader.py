"""Frames from bytes: a reader that is fed and asked, as `core.http.request_reader` is.

It checks all that a frame shows by itself and by the frame before it: RFC 9113 sections 3.4, 4, 6 and 6.10. Whether its
stream is one that may have it is the business of who asks.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from agwtwisted.core.http.messages import METHODS
from agwtwisted.core.http2.codes import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_HEAD,
    FRAME_SIZE_ERROR,
    HAS_PRIORITY,
    HEADERS,
    LARGEST_STREAM,
    LEAST_MAX_FRAME_SIZE,
    PADDED,
    PREFACE,
    PROTOCOL_ERROR,
    SETTINGS,
    WINDOW_UPDATE,
    FrameKind,
    kind_name,
)
from agwtwisted.core.http2.frame_values import (
    ConnectionFault,
    DataFrame,
    Frame,
    HeadersFrame,
    IgnoredFrame,
    WindowUpdateFrame,
)
from agwtwisted.core.http2.payloads import (
    PAYLOADS,
    depends_on_itself,
    off_stream,
    self_dependency,
    wrong_length,
)

MAX_CONTINUATIONS: Final = 8
"""CONTINUATION frames of one header block at most (CVE-2024-27316): each can have 16 KiB."""

# Length and type are read as one number: half the time of four fields.
_HEAD: Final = Struct(">IBI").unpack_from
_NUMBER: Final = Struct(">I").unpack_from

_HEADERS_FLAGS: Final = END_HEADERS | PADDED | HAS_PRIORITY
_WINDOW_UPDATE: Final = 4 << 8 | WINDOW_UPDATE


class _OpenBlock:
    """A header block that is not whole."""

    __slots__ = ("end_stream", "parts", "size", "stream")

    def __init__(self, stream: int, part: bytes, end_stream: bool) -> None:
        self.stream = stream
        self.parts = [part]
        self.size = len(part)
        self.end_stream = end_stream


class FrameReader:
    """Reads what one client sends: `feed` it, and ask for the `next_frame` until there is none.

    A frame is handed on once it is whole, a header block once all its frames are. What is kept is one frame, one header
    block, and what was fed since `next_frame` last gave None. After a `ConnectionFault` nothing more is read.

    Args:
        max_block: bytes of a header block, as HPACK has encoded it, at most.
        max_continuations: frames of one, HEADERS not counted, at most.
        max_frame_size: what was announced to the client as MAX_FRAME_SIZE.
    """

    __slots__ = (
        "_ahead",
        "_at",
        "_begun",
        "_block",
        "_data",
        "_done",
        "_fault",
        "_max_block",
        "_max_continuations",
        "_ordered",
        "_preface",
        "_too_long",
    )

    def __init__(
        self,
        *,
        max_block: int,
        max_continuations: int = MAX_CONTINUATIONS,
        max_frame_size: int = LEAST_MAX_FRAME_SIZE,
    ) -> None:
        self._max_block = max_block
        self._max_continuations = max_continuations
        self._too_long = max_frame_size + 1 << 8  # of a frame's first four octets: its length, then its type
        self._data = b""  # what was fed, unread from `_at` on
        self._at = 0
        self._ahead = bytearray()  # what was fed after it
        self._preface = PREFACE  # what of it has not come
        self._ordered = True  # whether the next frame must be a certain one: SETTINGS, or a CONTINUATION
        self._begun = False  # whether the first SETTINGS have come
        self._block: _OpenBlock | None = None
        self._done = False
        self._fault: ConnectionFault | None = None  # which ended it, and was not handed on

    @property
    def begun(self) -> bool:
        """Whether the preface is whole, with the SETTINGS that end it."""
        return self._begun

    @property
    def block_open(self) -> bool:
        """Whether a header block has begun and is not whole, after None from `next_frame`."""
        kind = self._data[self._at + 3 : self._at + 4]  # of a frame that is not whole; in `_data`, where it began
        return self._block is not None or (kind == b"\x01" and not self._preface)

    @property
    def done(self) -> bool:
        """Whether no further frame is read."""
        return self._done

    @property
    def unread(self) -> int:
        """Bytes that were fed and not handed on; after None from `next_frame`, those of a frame that is not whole."""
        return len(self._data) - self._at + len(self._ahead)

    def feed(self, data: bytes) -> None:
        """Takes what came; what comes when the reader is `done` is dropped."""
        if self._preface:
            data = self._behind_preface(data)
        if self._done:
            return
        if self._at == len(self._data) and not self._ahead:
            self._data, self._at = data, 0
        else:  # gathered, and joined once there is enough of it: many small pieces cost no more than a large one
            self._ahead += data

    def next_frame(self) -> Frame | ConnectionFault | None:
        """What comes next of what was fed; None when that is no whole frame."""
        data, at = self._data, self._at
        begin = at + FRAME_HEAD
        if begin > len(data):
            return self._later(FRAME_HEAD)
        word, flags, stream = _HEAD(data, at)
        end = begin + (word >> 8)
        if word >= self._too_long:
            return self._end(ConnectionFault(FRAME_SIZE_ERROR, f"a frame of {word >> 8} bytes"))
        if end > len(data):
            return self._later(end - at)
        self._at = end
        stream &= LARGEST_STREAM
        kind = word & 0xFF
        if self._ordered:
            return self._next_ordered(kind, flags, stream, begin, end)
        # The usual ones: most frames of most connections are of these three forms.
        if kind == HEADERS:
            if flags & _HEADERS_FLAGS == END_HEADERS and stream and end - begin <= self._max_block:
                return HeadersFrame(stream, data[begin:end], flags & END_STREAM == END_STREAM)
        elif kind == DATA:
            if stream and not flags & PADDED:
                return DataFrame(stream, data[begin:end], end - begin, flags & END_STREAM == END_STREAM)
        elif word == _WINDOW_UPDATE:
            increment = _NUMBER(data, begin)[0] & LARGEST_STREAM
            if increment:
                return WindowUpdateFrame(stream, increment)
        return self._next_unusual(kind, flags, stream, begin, end)

    # -- what was fed

    def _behind_preface(self, data: bytes) -> bytes:
        """What follows the preface (RFC 9113 section 3.4)."""
        size = min(len(data), len(self._preface))
        if data[:size] != self._preface[:size]:
            came = PREFACE[: -len(self._preface)] + data
            is_http1 = came.partition(b" ")[0] in METHODS or b" HTTP/1" in came
            what = "a request of HTTP/1 where HTTP/2 was agreed" if is_http1 else "no preface of HTTP/2"
            self._fault = self._end(ConnectionFault(PROTOCOL_ERROR, what))
        self._preface = self._preface[size:]
        return data[size:]

    def _later(self, needed: int) -> Frame | ConnectionFault | None:
        """Where `needed` bytes do not lie in one piece: joins what came; None unless that is enough."""
        if self._at:
            self._data, self._at = self._data[self._at :], 0
        if self._ahead and len(self._data) + len(self._ahead) >= needed:
            self._data += self._ahead
            self._ahead = bytearray()
            return self.next_frame()
        fault, self._fault = self._fault, None
        return fault

    def _end(self, fault: ConnectionFault) -> ConnectionFault:
        """Nothing more is read."""
        self._done = True
        self._preface = self._data = b""
        self._at = 0
        self._ahead = bytearray()
        self._block = None
        return fault

    # -- frames whose turn it is, or is not

    def _next_ordered(
        self, kind: FrameKind, flags: int, stream: int, begin: int, end: int
    ) -> Frame | ConnectionFault | None:
        """Where RFC 9113 says which frame must come: SETTINGS first (section 3.4), CONTINUATION (section 6.10)."""
        block = self._block
        if block is not None:
            if kind == CONTINUATION and stream == block.stream:
                return self._continue(block, flags, begin, end)
            return self._end(ConnectionFault(PROTOCOL_ERROR, f"{kind_name(kind)} within a header block"))
        if kind != SETTINGS or flags & ACK:
            return self._end(ConnectionFault(PROTOCOL_ERROR, f"{kind_name(kind)} before the first SETTINGS"))
        found = self._next_unusual(kind, flags, stream, begin, end)
        self._begun = not self._done
        self._ordered = False
        return found

    def _next_unusual(
        self, kind: FrameKind, flags: int, stream: int, begin: int, end: int
    ) -> Frame | ConnectionFault | None:
        found: Frame | ConnectionFault | None
        if kind in PAYLOADS:
            found = PAYLOADS[kind](self._data, flags, stream, begin, end)
        elif kind == HEADERS:
            found = self._headers(flags, stream, begin, end)
        elif kind == DATA:
            found = self._data_frame(flags, stream, begin, end)
        elif kind == CONTINUATION:
            found = ConnectionFault(PROTOCOL_ERROR, "CONTINUATION outside a header block")
        else:
            found = IgnoredFrame(kind, end - begin)
        return self._end(found) if isinstance(found, ConnectionFault) else found

    # -- DATA and header blocks

    def _data_frame(self, flags: int, stream: int, begin: int, end: int) -> DataFrame | ConnectionFault:
        if not stream:
            return off_stream(DATA)
        inside = self._without_padding(DATA, flags, begin, end)
        if isinstance(inside, ConnectionFault):
            return inside
        return DataFrame(stream, self._data[inside[0] : inside[1]], end - begin, bool(flags & END_STREAM))

    def _headers(self, flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault | None:
        if not stream:
            return off_stream(HEADERS)
        inside = self._without_padding(HEADERS, flags, begin, end)
        if isinstance(inside, ConnectionFault):
            return inside
        begin, end = inside
        if flags & HAS_PRIORITY:
            if end - begin < 5:
                return wrong_length(HEADERS)
            if depends_on_itself(self._data, begin, stream):
                return self_dependency(HEADERS)
            begin += 5
        if end - begin > self._max_block:
            return self._block_too_long()
        part, end_stream = self._data[begin:end], bool(flags & END_STREAM)
        if flags & END_HEADERS:
            return HeadersFrame(stream, part, end_stream)
        self._block, self._ordered = _OpenBlock(stream, part, end_stream), True
        return self.next_frame()

    def _continue(self, block: _OpenBlock, flags: int, begin: int, end: int) -> Frame | ConnectionFault | None:
        """A CONTINUATION where it belongs."""
        block.size += end - begin
        if block.size > self._max_block:
            return self._end(self._block_too_long())
        if len(block.parts) > self._max_continuations:
            return self._end(ConnectionFault(ENHANCE_YOUR_CALM, f"more than {self._max_continuations} CONTINUATION"))
        block.parts.append(self._data[begin:end])
        if flags & END_HEADERS:
            self._block, self._ordered = None, False
            return HeadersFrame(block.stream, b"".join(block.parts), block.end_stream, len(block.parts))
        return self.next_frame()

    def _without_padding(self, kind: FrameKind, flags: int, begin: int, end: int) -> tuple[int, int] | ConnectionFault:
        """Where what is not padding begins and ends (RFC 9113 section 6.1); what the padding is does not matter."""
        if not flags & PADDED:
            return begin, end
        if begin == end:
            return wrong_length(kind)
        padding = self._data[begin]
        if padding >= end - begin:
            return ConnectionFault(PROTOCOL_ERROR, f"{kind_name(kind)} with more padding than it is long")
        return begin + 1, end - padding

    def _block_too_long(self) -> ConnectionFault:
        return ConnectionFault(ENHANCE_YOUR_CALM, f"a header block of more than {self._max_block} bytes")
