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
    without_padding,
    wrong_length,
)

LONGEST_WHOLE: Final = 1024
"""Bytes of a DATA frame that is never handed on in parts, however slowly it comes."""

SPARE_CONTINUATIONS: Final = 8
"""CONTINUATION frames of a header block beyond those that the longest one needs (CVE-2024-27316)."""

# Length and type are read as one number: half the time of four fields.
_HEAD: Final = Struct(">IBI").unpack_from
_NUMBER: Final = Struct(">I").unpack_from

_HEADERS_FLAGS: Final = END_HEADERS | PADDED | HAS_PRIORITY
_WITH_PRIORITY: Final = END_HEADERS | HAS_PRIORITY
_WINDOW_UPDATE: Final = 4 << 8 | WINDOW_UPDATE


class _OpenBlock:
    """A header block that is not whole."""

    __slots__ = ("end_stream", "parts", "size", "stream")

    def __init__(self, stream: int, part: bytes, end_stream: bool) -> None:
        self.stream = stream
        self.parts = [part]
        self.size = len(part)
        self.end_stream = end_stream


class _OpenData:
    """A DATA frame that is handed on while it comes."""

    __slots__ = ("end_stream", "left", "padding", "stream", "uncounted")

    def __init__(self, stream: int, end_stream: bool, left: int, padding: int, uncounted: int) -> None:
        self.stream = stream
        self.end_stream = end_stream
        self.left = left  # octets of the body that are to come
        self.padding = padding  # and of padding behind them
        self.uncounted = uncounted  # of padding, for flow control: the first part has them


class FrameReader:
    """Reads what one client sends: `feed` it, and ask for the `next_frame` until there is none.

    A frame is handed on once it is whole, a header block once all its frames are, and a long DATA frame in parts, as
    they come. What is kept is one frame, one header block, and what was fed since `next_frame` last gave None. After a
    `ConnectionFault` nothing more is read.

    Args:
        max_block: bytes of a header block, as HPACK has encoded it, at most.
        max_frame_size: what was announced to the client as MAX_FRAME_SIZE.
    """

    __slots__ = (
        "_ahead",
        "_at",
        "_begun",
        "_block",
        "_body",
        "_data",
        "_done",
        "_fault",
        "_max_block",
        "_max_continuations",
        "_ordered",
        "_preface",
        "_too_long",
    )

    def __init__(self, *, max_block: int, max_frame_size: int = LEAST_MAX_FRAME_SIZE) -> None:
        self._max_block = 0
        self.allow(max_block)
        self._too_long = max_frame_size + 1 << 8  # of a frame's first four octets: its length, then its type
        self._data = b""  # what was fed, unread from `_at` on
        self._at = 0
        self._ahead = bytearray()  # what was fed after it
        self._preface = PREFACE  # what of it has not come
        # Whether what comes must be one thing: the first SETTINGS, CONTINUATION, the rest of DATA; or nothing more.
        self._ordered = True
        self._begun = False  # whether the first SETTINGS have come
        self._block: _OpenBlock | None = None
        self._body: _OpenData | None = None
        self._done = False
        self._fault: ConnectionFault | None = None  # which ended it, and was not handed on

    @property
    def begun(self) -> bool:
        """Whether the preface is whole, with the SETTINGS that end it."""
        return self._begun

    @property
    def block_open(self) -> bool:
        """Whether a header block has begun and is not whole, after None from `next_frame`."""
        if self._ordered:
            return self._block is not None
        return self._data[self._at + 3 : self._at + 4] == b"\x01"  # HEADERS, which are not whole

    @property
    def done(self) -> bool:
        """Whether no further frame is read."""
        return self._done

    @property
    def unread(self) -> int:
        """Bytes that were fed and not handed on; after None from `next_frame`, those of a frame that is not whole."""
        return len(self._data) - self._at + len(self._ahead)

    def allow(self, max_block: int) -> None:
        """Header blocks may be so long from now on, or as before where that was more: the client may go by it."""
        self._max_block = max(self._max_block, max_block)
        self._max_continuations = SPARE_CONTINUATIONS + self._max_block // LEAST_MAX_FRAME_SIZE

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
        if self._ordered:
            return self._next_ordered()
        data, at = self._data, self._at
        begin = at + FRAME_HEAD
        if begin > len(data):
            return self._later(FRAME_HEAD)
        word, flags, stream = _HEAD(data, at)
        end = begin + (word >> 8)
        if word >= self._too_long:
            return self._end(ConnectionFault(FRAME_SIZE_ERROR, f"a frame of {word >> 8} bytes"))
        stream &= LARGEST_STREAM
        kind = word & 0xFF
        if end > len(data):
            if kind == DATA and end - begin > LONGEST_WHOLE and stream:
                return self._begin_data(flags, stream, begin, end)
            return self._later(end - at)
        self._at = end
        # The usual ones: most frames of most connections are of these four forms.
        if kind == HEADERS:
            usual = flags & _HEADERS_FLAGS
            if usual == END_HEADERS:
                if stream and end - begin <= self._max_block:
                    return HeadersFrame(stream, data[begin:end], flags & END_STREAM == END_STREAM)
            elif (
                usual == _WITH_PRIORITY
                and stream
                and 5 <= end - begin <= self._max_block
                and not depends_on_itself(data, begin, stream)
            ):
                return HeadersFrame(stream, data[begin + 5 : end], flags & END_STREAM == END_STREAM)
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
        if not self._ahead or len(self._data) + len(self._ahead) < needed:
            return None
        self._data += self._ahead
        self._ahead = bytearray()
        return self.next_frame()

    def _end(self, fault: ConnectionFault) -> ConnectionFault:
        """Nothing more is read."""
        self._done = self._ordered = True
        self._preface = self._data = b""
        self._at = 0
        self._ahead = bytearray()
        self._block = self._body = None
        return fault

    # -- what must come, and what comes seldom

    def _next_ordered(self) -> Frame | ConnectionFault | None:
        """Where RFC 9113 says what must come: SETTINGS first (section 3.4), CONTINUATION (section 6.10)."""
        if self._body is not None:
            return self._next_of_data(self._body)
        if self._done:
            fault, self._fault = self._fault, None
            return fault
        while True:
            begin = self._at + FRAME_HEAD
            if begin > len(self._data):
                return self._later(FRAME_HEAD)
            word, flags, stream = _HEAD(self._data, self._at)
            fault = self._out_of_order(word, flags, stream & LARGEST_STREAM)
            if fault is not None:
                return self._end(fault)
            end = begin + (word >> 8)
            if end > len(self._data):
                return self._later(end - self._at)
            self._at = end
            if self._block is None:
                return self._first_settings(flags, stream & LARGEST_STREAM, begin, end)
            whole = self._continue(self._block, flags, begin, end)
            if whole is not None:
                return whole

    def _first_settings(self, flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault | None:
        self._ordered = False
        found = self._next_unusual(SETTINGS, flags, stream, begin, end)
        self._begun = not self._done
        return found

    def _out_of_order(self, word: int, flags: int, stream: int) -> ConnectionFault | None:
        """Whether a frame cannot come here, by its head."""
        kind, size, block = word & 0xFF, word >> 8, self._block
        if word >= self._too_long:
            return ConnectionFault(FRAME_SIZE_ERROR, f"a frame of {size} bytes")
        if block is None:
            if kind == SETTINGS and not flags & ACK:
                return None
            return ConnectionFault(PROTOCOL_ERROR, f"{kind_name(kind)} before the first SETTINGS")
        if kind != CONTINUATION or stream != block.stream:
            return ConnectionFault(PROTOCOL_ERROR, f"{kind_name(kind)} within a header block")
        if len(block.parts) > self._max_continuations:
            return ConnectionFault(ENHANCE_YOUR_CALM, f"more than {self._max_continuations} CONTINUATION")
        return self._too_large(block.size + size)

    def _next_unusual(
        self, kind: FrameKind, flags: int, stream: int, begin: int, end: int
    ) -> Frame | ConnectionFault | None:
        found: Frame | ConnectionFault | None
        if kind in PAYLOADS:
            found = PAYLOADS[kind](self._data, flags, stream, begin, end)
        elif kind == HEADERS:
            found = self._headers(flags, stream, begin, end)
        elif kind == DATA:
            found = self._whole_data(flags, stream, begin, end)
        elif kind == CONTINUATION:
            found = ConnectionFault(PROTOCOL_ERROR, "CONTINUATION outside a header block")
        else:
            found = IgnoredFrame(kind, end - begin)
        return self._end(found) if isinstance(found, ConnectionFault) else found

    # -- header blocks

    def _headers(self, flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault | None:
        if not stream:
            return off_stream(HEADERS)
        inside = without_padding(HEADERS, self._data, flags, begin, end)
        if isinstance(inside, ConnectionFault):
            return inside
        begin, end = inside
        if flags & HAS_PRIORITY:
            if end - begin < 5:
                return wrong_length(HEADERS)
            if depends_on_itself(self._data, begin, stream):
                return self_dependency(HEADERS)
            begin += 5
        fault = self._too_large(end - begin)
        if fault is not None:
            return fault
        part, end_stream = self._data[begin:end], bool(flags & END_STREAM)
        if flags & END_HEADERS:
            return HeadersFrame(stream, part, end_stream)
        self._block, self._ordered = _OpenBlock(stream, part, end_stream), True
        return self._next_ordered()

    def _continue(self, block: _OpenBlock, flags: int, begin: int, end: int) -> HeadersFrame | None:
        """A CONTINUATION where it belongs; None: another one follows."""
        block.parts.append(self._data[begin:end])
        block.size += end - begin
        if not flags & END_HEADERS:
            return None
        self._block, self._ordered = None, False
        return HeadersFrame(block.stream, b"".join(block.parts), block.end_stream, len(block.parts))

    def _too_large(self, size: int) -> ConnectionFault | None:
        """Whether a header block has grown too large."""
        if size <= self._max_block:
            return None
        return ConnectionFault(ENHANCE_YOUR_CALM, f"a header block of more than {self._max_block} bytes")

    # -- DATA

    def _whole_data(self, flags: int, stream: int, begin: int, end: int) -> DataFrame | ConnectionFault:
        if not stream:
            return off_stream(DATA)
        inside = without_padding(DATA, self._data, flags, begin, end)
        if isinstance(inside, ConnectionFault):
            return inside
        return DataFrame(stream, self._data[inside[0] : inside[1]], end - begin, bool(flags & END_STREAM))

    def _begin_data(self, flags: int, stream: int, begin: int, end: int) -> Frame | ConnectionFault | None:
        """A long DATA frame of which not all has come."""
        if flags & PADDED and begin == len(self._data):
            return self._later(FRAME_HEAD + 1)
        inside = without_padding(DATA, self._data, flags, begin, end)
        if isinstance(inside, ConnectionFault):
            return self._end(inside)
        size = inside[1] - inside[0]
        self._at = inside[0]
        self._body = _OpenData(stream, bool(flags & END_STREAM), size, end - inside[1], end - begin - size)
        self._ordered = True
        return self._next_of_data(self._body)

    def _next_of_data(self, body: _OpenData) -> Frame | ConnectionFault | None:
        """What has come of the body, unless that is nothing."""
        if not body.left:
            return self._pass_padding(body)
        at = self._at
        piece = self._data[at : at + body.left]
        if not piece:
            return self._later(1)
        size = len(piece) + body.uncounted
        self._at = at + len(piece)
        body.left -= len(piece)
        body.uncounted = 0
        if not body.left and not body.padding:
            self._body, self._ordered = None, False
        return DataFrame(body.stream, piece, size, body.end_stream and not body.left, True)

    def _pass_padding(self, body: _OpenData) -> Frame | ConnectionFault | None:
        """What follows the padding behind a body that was handed on."""
        passed = min(body.padding, len(self._data) - self._at)
        self._at += passed
        body.padding -= passed
        if body.padding:
            return self._later(1)
        self._body, self._ordered = None, False
        return self.next_frame()
