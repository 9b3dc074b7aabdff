"""What one stream of HTTP/2 sends, and what of it waits for the client's windows or for its turn."""

from __future__ import annotations

from typing import Final, Protocol

from agwtwisted.core.http2.codes import ErrorCode
from agwtwisted.core.http2.frames import data_head, rst_stream
from agwtwisted.core.http2.header_codec import FieldList
from agwtwisted.core.http2.priorities import Priority
from agwtwisted.core.http2.windows import SendWindow

_SMALL: Final = 4096
"""Pieces smaller than this are joined: a backend that sends single octets would have each kept as an object."""

# How it goes on after what is queued.
_OPEN: Final = 0
_ENDS: Final = 1
_IS_CUT: Final = 2
_OVER: Final = 3


class Http2SenderOwner(Protocol):
    """Whose streams they are; called at the end of a turn, not from within a call of the owner's."""

    def stream_drained(self, stream: int) -> None:
        """A stream was full and is no more."""

    def stream_sent(self, stream: int) -> None:
        """All of a stream was sent, with the END_STREAM or RST_STREAM that it ends with; its queue is gone."""

    def stream_stalled(self, stream: int) -> None:
        """A window of the client's keeps back data of a stream; once, until all that was queued is sent."""

    def stream_flowing(self, stream: int) -> None:
        """All that was queued of a stalled stream is sent."""

    def control_overflow(self) -> None:
        """The client does not read, and has had more to be answered than is kept: the connection is to be ended."""

    def sending_broken(self) -> None:
        """A defect of the gateway, which is being handled: what was to be sent may be lost."""


class _NoOwner:
    """Of a connection that is gone."""

    def stream_drained(self, stream: int) -> None:
        """It is not drained."""

    def stream_sent(self, stream: int) -> None:
        """It is not sent."""

    def stream_stalled(self, stream: int) -> None:
        """It waits for nothing."""

    def stream_flowing(self, stream: int) -> None:
        """It does not flow."""

    def control_overflow(self) -> None:
        """There is nothing to end."""

    def sending_broken(self) -> None:
        """There is nothing to end."""


NO_OWNER: Final = _NoOwner()


class FieldEncoder(Protocol):
    """What makes header blocks: `core.http2.header_codec.HeaderEncoder`."""

    def encode(self, fields: FieldList) -> bytes:
        """The block; each changes what the next one may refer to."""

    def resize(self, table_size: int) -> None:
        """The client keeps no more than so many octets of fields that were sent."""


class StreamsSender(Protocol):
    """What a queue asks of the sender of its connection."""

    def send_fields(self, stream: int, fields: FieldList, end: bool) -> int:
        """Sends a header block; returns its octets."""

    def send_last(self, queue: StreamQueue, last: bytes) -> None:
        """Sends what a queue without data ends with."""

    def waits(self, queue: StreamQueue, octets: int) -> None:
        """So many octets more wait in a queue."""

    def reprioritize(self, queue: StreamQueue, priority: Priority) -> None:
        """Gives a queue this priority."""

    def forget(self, queue: StreamQueue) -> None:
        """A queue is over; nothing of it is sent."""


class StreamQueue:
    """What one stream sends.

    Args:
        sender: of its connection.
        stream: its number.
        window: octets that it may send to begin with.
        priority: how it stands beside the others.
    """

    __slots__ = (
        "_at",
        "_behind",
        "_ending",
        "_pieces",
        "_sender",
        "full",
        "priority",
        "queued",
        "scheduled",
        "sent",
        "stalled",
        "stream",
        "window",
    )

    def __init__(self, sender: StreamsSender, stream: int, window: int, priority: Priority) -> None:
        self.stream = stream
        self.priority = priority
        self.window = SendWindow(window)
        self.queued = 0  # octets of DATA
        self.sent = 0
        self.full = False  # its source is to stop until `Http2SenderOwner.stream_drained`
        self.stalled = False  # as `Http2SenderOwner.stream_stalled` says
        self.scheduled = False
        self._sender = sender
        self._pieces: list[bytes] = []
        self._at = 0  # octets of the first piece that were sent
        self._ending = _OPEN
        self._behind = b""  # what is sent after all of it

    @property
    def blocked(self) -> bool:
        """Whether the stream's own window keeps back what is queued."""
        return self.queued > 0 and self.window.size <= 0

    @property
    def over(self) -> bool:
        """Whether nothing of it is to be sent any more."""
        return self._ending == _OVER

    # -- from its stream

    def fields(self, fields: FieldList, *, end: bool = False, reset: ErrorCode | None = None) -> int:
        """Sends a header block, ahead of all DATA that waits, with END_STREAM at the `end`; returns its octets.

        A `reset` follows such an end as `end` says.
        """
        size = self._sender.send_fields(self.stream, fields, end)
        if end:
            self._ending = _OVER
            self._sender.send_last(self, b"" if reset is None else rst_stream(self.stream, reset))
        return size

    def data(self, data: bytes) -> None:
        """Sends octets of the body in their turn."""
        size = len(data)
        if not size or self._ending != _OPEN:
            return
        pieces = self._pieces
        if size < _SMALL and pieces and len(pieces[-1]) < _SMALL:
            pieces[-1] += data
        else:
            pieces.append(data)
        self.queued += size
        self._sender.waits(self, size)

    def end(self, reset: ErrorCode | None = None) -> None:
        """The body is whole: the last DATA has END_STREAM.

        RST_STREAM with the code `reset` follows, if one is given: so ends an answer that is whole before its request
        (RFC 9113 section 8.1).
        """
        behind = b"" if reset is None else rst_stream(self.stream, reset)
        self._end(_ENDS, data_head(self.stream, 0, True), behind)

    def cut(self, code: ErrorCode) -> None:
        """The body is not whole: what is queued is sent as the windows let it, and RST_STREAM with this code then."""
        self._end(_IS_CUT, b"", rst_stream(self.stream, code))

    def drop(self) -> None:
        """Forgets all that waits: the stream is over. An RST_STREAM of it is sent by `Http2Sender.control`."""
        self._ending = _OVER
        self._sender.forget(self)
        self._pieces.clear()
        self.queued = 0

    def reprioritize(self, priority: Priority) -> None:
        """From now on it stands so beside the others."""
        self._sender.reprioritize(self, priority)

    # -- from its sender

    def take(self, limit: int, out: list[bytes | memoryview]) -> int:
        """Moves a frame of at most `limit` octets of DATA to `out`, with what follows the last; returns the octets."""
        size = min(limit, self.queued, self.window.size)
        last = size == self.queued
        out.append(data_head(self.stream, size, last and self._ending == _ENDS))
        self._move(size, out)
        self.window.size -= size
        self.queued -= size
        self.sent += size
        if last and self._ending != _OPEN:
            self._ending = _OVER
            if self._behind:
                out.append(self._behind)
        return size

    def take_whole(self, limit: int, room: int, out: list[bytes | memoryview]) -> int:
        """Moves frames of `limit` octets to `out`, as many as have room and lie in one piece; returns the octets.

        The last octet that is queued stays, since its frame may end the stream.
        """
        piece, at = self._pieces[0], self._at
        count = min(room, self.window.size, len(piece) - at - 1) // limit
        if count <= 0:
            return 0
        head, view, size = data_head(self.stream, limit, False), memoryview(piece), count * limit
        for begin in range(at, at + size, limit):
            out += (head, view[begin : begin + limit])
        self._at = at + size
        self.window.size -= size
        self.queued -= size
        self.sent += size
        return size

    def compact(self) -> None:
        """Lets go of the octets of a piece that were sent: the rest may wait for long."""
        if self._at:
            self._pieces[0] = self._pieces[0][self._at :]
            self._at = 0

    def _move(self, size: int, out: list[bytes | memoryview]) -> None:
        pieces, at = self._pieces, self._at
        while size:
            piece = pieces[0]
            end = at + size
            if end < len(piece):
                out.append(memoryview(piece)[at:end])
                at = end
                break
            out.append(memoryview(piece)[at:] if at else piece)
            size -= len(piece) - at
            at = 0
            del pieces[0]
        self._at = at

    def _end(self, ending: int, last: bytes, behind: bytes) -> None:
        if self._ending != _OPEN:
            return
        if self.queued:
            self._ending, self._behind = ending, behind
        else:
            self._ending = _OVER
            self._sender.send_last(self, last + behind)
