"""What a connection of HTTP/2 sends, and what of it waits: for the client's windows, its turn, or the connection.

Everything of one turn of the reactor leaves in one write: a run of TLS records. Control frames and HEADERS go in the
order in which they are given, ahead of the DATA that waits; DATA is sent as `core.http2.schedule` has it, in pieces, as
far as the windows allow it and the connection takes it.

What waits is bounded by `core.http2.send_bounds`. Control frames wait only while the client does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from agwtwisted.core.http2.budgets import CUT_FRAME
from agwtwisted.core.http2.codes import (
    DEFAULT_WINDOW,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LEAST_MAX_FRAME_SIZE,
    MAX_FRAME_SIZE,
    SettingPair,
)
from agwtwisted.core.http2.frames import data_head, headers
from agwtwisted.core.http2.header_codec import FieldList
from agwtwisted.core.http2.priorities import UNSIGNALLED, EarlyPriorities, Priority, priority_of
from agwtwisted.core.http2.schedule import Schedule
from agwtwisted.core.http2.send_bounds import MAX_CONTROL, MAX_HEADS, STREAM_SHARE, is_full
from agwtwisted.core.http2.windows import SendWindow
from agwtwisted.core.listening.stream_places import BacklogShare
from agwtwisted.http2.stream_queue import NO_OWNER, FieldEncoder, Http2SenderOwner, StreamQueue
from agwtwisted.transport.connection import Connection

PIECE: Final = LEAST_MAX_FRAME_SIZE
"""Octets of DATA that a stream sends before others have their turn: what every client takes in one frame."""

_BATCH: Final = 128 * 1024
"""Octets of DATA that are given to the connection at once."""


class Http2Sender:
    """The sending side of one connection.

    Args:
        connection: to write to.
        encoder: makes the header blocks.
        owner: of the streams; forgotten with `stop`.
    """

    __slots__ = (
        "_call",
        "_connection",
        "_control",
        "_early",
        "_encoder",
        "_events",
        "_heads",
        "_initial_window",
        "_max_frame",
        "_out",
        "_out_size",
        "_overflow",
        "_owner",
        "_queues",
        "_schedule",
        "_waking",
        "_window",
        "backlog",
        "frames",
        "full",
        "queued",
        "sent",
    )

    def __init__(self, connection: Connection, encoder: FieldEncoder, owner: Http2SenderOwner) -> None:
        self.queued = 0  # octets of DATA of all streams
        self.sent = 0  # the same of those that were sent
        self.frames = 0  # of DATA that were sent; those that a window cut short, from `CUT_FRAME` on
        self.full = False  # the connection takes no more
        self.backlog = BacklogShare()  # of what waits on all connections
        self._connection = connection
        self._encoder = encoder
        self._owner: Http2SenderOwner = owner
        self._window = SendWindow()
        self._initial_window = DEFAULT_WINDOW
        self._max_frame = PIECE
        self._out: list[bytes | memoryview] = []  # frames that leave with the next write
        self._out_size = 0  # octets of DATA among them
        self._control = 0  # octets of control frames among them, since the connection is full
        self._heads = 0  # the same of header blocks
        self._overflow = False  # they were too many
        self._queues: dict[int, StreamQueue] = {}
        self._schedule: Schedule[StreamQueue] = Schedule()  # the queues with data and a window
        self._early = EarlyPriorities()
        self._events: list[tuple[Callable[[int], None], int]] = []  # what the owner is to hear at the end of the turn
        self._waking = False  # the end of the turn is asked for
        self._call: IDelayedCall | None = None  # that does so between two turns

    # -- what a stream sends

    def answer(self, stream: int, fields: FieldList, body: bytes) -> int:
        """Sends a whole answer at once, if nothing is in its way; returns the octets of its header block.

        0: it was not sent, and is to be sent through a queue. No call of the owner follows.
        """
        size = len(body)
        if (
            self.full
            or self._schedule.count
            or size > PIECE
            or size > self._window.size
            or size > self._initial_window
            or stream in self._queues
        ):
            return 0
        octets = self.send_fields(stream, fields, not size)
        if size:
            self._out += (data_head(stream, size, True), body)
            self._window.size -= size
            self.sent += size
            self.frames += 1
            self._out_size += size
            if self._out_size > _BATCH:
                self._write()
        if self._early.fields:
            self._early.take(stream)
        return octets

    def open(self, stream: int, priority: Priority = UNSIGNALLED) -> StreamQueue:
        """The queue of a stream, with the priority that its request has; what PRIORITY_UPDATE said counts before it."""
        queue = self._queues.get(stream)
        if queue is None:
            early = self._early.take(stream)
            queue = StreamQueue(self, stream, self._initial_window, priority if early is None else priority_of(early))
            self._queues[stream] = queue
        elif queue.priority is UNSIGNALLED:
            queue.reprioritize(priority)
        return queue

    def drop(self, stream: int) -> None:
        """A stream is over, with all that waits of it; nothing where it has no queue."""
        queue = self._queues.get(stream)
        if queue is not None:
            queue.drop()

    def control(self, frame: bytes) -> None:
        """Sends frames that are no DATA, ahead of all DATA that waits."""
        if self.full:
            self._control += len(frame)
            if self._control > MAX_CONTROL:
                self._overflow = True
                self._wake()
                return
        self._out.append(frame)
        self._wake()

    # -- what the client says

    def window_update(self, stream: int, increment: int) -> bool:
        """The client takes more: of an open stream, or (0) of all; False: more than a window may be."""
        if not stream:
            if self._schedule.count:
                self._wake()  # at the end of the turn the window is wider
            return self._window.change(increment)
        queue = self.open(stream)
        if not queue.window.change(increment):
            return False
        self._admit(queue)
        return True

    def settings(self, values: Iterable[SettingPair]) -> bool:
        """The client's SETTINGS, which are checked; False: a window becomes larger than one may be."""
        window = self._initial_window
        for name, value in values:
            if name == INITIAL_WINDOW_SIZE:
                window = value  # the last one counts: each would be work for every stream
            elif name == HEADER_TABLE_SIZE:
                self._encoder.resize(value)
            elif name == MAX_FRAME_SIZE:
                self._max_frame = value
        return window == self._initial_window or self._change_windows(window)

    def prioritize(self, stream: int, field: bytes, *, is_open: bool) -> None:
        """PRIORITY_UPDATE of a stream that is open or may be opened later (RFC 9218 section 7.1)."""
        if is_open:
            self.open(stream).reprioritize(priority_of(field))
        else:
            self._early.note(stream, field)

    # -- the connection

    @property
    def behind(self) -> bool:
        """Whether as many heads wait as may: no further request is to be begun."""
        return self._heads > MAX_HEADS

    @property
    def blocked(self) -> bool:
        """Whether the connection's window keeps back what is queued."""
        return self._window.size <= 0 and self.queued > 0

    def drained(self) -> None:
        """The connection takes bytes again."""
        self.full = False
        self._heads = 0  # they leave now
        self._wake()

    def flush(self) -> None:
        """Gives the connection all that need not wait for a window: it is going to be closed."""
        if not self.full:
            self._write()
        elif self._out:
            self._give()

    def stop(self) -> None:
        """The connection is gone."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        for queue in tuple(self._queues.values()):
            queue.drop()
        self.backlog.count(0)
        self._out.clear()
        self._events.clear()
        self._overflow = False
        self._owner = NO_OWNER

    # -- from a queue, as stream_queue.StreamsSender says

    def send_fields(self, stream: int, fields: FieldList, end: bool) -> int:
        """As `StreamsSender` says."""
        block = self._encoder.encode(fields)
        self._out.append(headers(stream, block, end, self._max_frame))
        if self.full:
            self._heads += len(block)
        if not self._waking:
            self._wake()
        return len(block)

    def send_last(self, queue: StreamQueue, last: bytes) -> None:
        """As `StreamsSender` says."""
        self._out.append(last)
        self._events.append((self._sent, queue.stream))
        self._wake()

    def waits(self, queue: StreamQueue, octets: int) -> None:
        """As `StreamsSender` says. What is large is not kept for the end of the turn."""
        self.queued += octets
        self._admit(queue)
        if queue.queued > STREAM_SHARE:
            if queue.scheduled and not self.full:
                self._write()
            queue.full = self.backlog.crowded or is_full(queue.queued, self.queued)
        self._wake()

    def reprioritize(self, queue: StreamQueue, priority: Priority) -> None:
        """As `StreamsSender` says."""
        if queue.scheduled:
            self._schedule.remove(queue)
            queue.priority = priority
            self._schedule.add(queue)
        else:
            queue.priority = priority

    def forget(self, queue: StreamQueue) -> None:
        """As `StreamsSender` says."""
        if queue.scheduled:
            self._schedule.remove(queue)
            queue.scheduled = False
        self.queued -= queue.queued
        self.backlog.count(self.queued)
        self._queues.pop(queue.stream, None)

    # -- how

    def _change_windows(self, size: int) -> bool:
        """SETTINGS_INITIAL_WINDOW_SIZE: what every stream may send changes by as much (RFC 9113 section 6.9.2)."""
        change, self._initial_window = size - self._initial_window, size
        fits = True
        for queue in self._queues.values():
            fits = queue.window.change(change) and fits
            self._admit(queue)
        return fits

    def _admit(self, queue: StreamQueue) -> None:
        """Puts a queue into the schedule, or takes it out, as its data and its window are."""
        ready = queue.queued > 0 and queue.window.size > 0
        if ready == queue.scheduled:
            return
        queue.scheduled = ready
        if ready:
            self._schedule.add(queue)
            self._wake()
        else:
            self._schedule.remove(queue)

    def _wake(self) -> None:
        """Has all be sent at the end of the turn, or in the next one where none is under way."""
        if self._waking:
            return
        self._waking = True
        if self._connection.turn >= 0:
            self._connection.at_end_of_turn(self._end_turn)
        else:
            self._call = self._connection.next_turn(self._end_turn)

    def _end_turn(self) -> None:
        self._call = None
        try:
            self._send_turn()
        except Exception:
            self._owner.sending_broken()
        self._waking = False
        if self.queued != self.backlog.octets:  # most answers never wait
            self.backlog.count(self.queued)

    def _send_turn(self) -> None:
        """Writes, and calls the owner, who may have more to be written."""
        events = self._events
        while True:
            if not self.full:
                self._write()
                if self.queued:
                    self._look_for_stalled()
            if self._overflow:
                self._overflow = False
                self._owner.control_overflow()
            if not events:
                break
            for call, stream in events:  # which grows, and is cleared where the connection ends
                call(stream)
            events.clear()

    def _write(self) -> None:
        """Gives the connection what there is, until that is all, or the connection is full."""
        while True:
            if self._schedule.count:
                self._fill()
            if not self._out:
                return
            self._give()
            if self.full or not self._schedule.count or self._window.size <= 0:
                return

    def _give(self) -> None:
        out = self._out
        data = b"".join(out)
        out.clear()
        self._out_size = self._control = self._heads = 0
        self._connection.write(data)
        self.full = self._connection.full

    def _fill(self) -> None:
        """Moves frames of DATA to what is written, one stream after the other, or many of one that is alone."""
        schedule, window, out = self._schedule, self._window, self._out
        while schedule.count and window.size > 0 and self._out_size < _BATCH:
            queue = schedule.take()
            size = 0 if schedule.count else queue.take_whole(PIECE, min(_BATCH - self._out_size, window.size), out)
            size = size or queue.take(min(PIECE, window.size), out)
            window.size -= size
            self._out_size += size
            self.queued -= size
            self.sent += size
            self.frames += size // PIECE or int(size >= CUT_FRAME or not queue.queued)
            if queue.queued and queue.window.size > 0:
                schedule.add(queue)
            else:
                queue.scheduled = False
            if queue.full and queue.queued <= STREAM_SHARE:
                queue.full = False
                self._events.append((self._owner.stream_drained, queue.stream))
            if not queue.queued:
                self._emptied(queue)

    def _emptied(self, queue: StreamQueue) -> None:
        if queue.stalled:
            queue.stalled = False
            self._events.append((self._owner.stream_flowing, queue.stream))
        if queue.over:
            self._events.append((self._sent, queue.stream))

    def _sent(self, stream: int) -> None:
        """Until the owner hears of its end the stream is open for it, and may be dropped."""
        if self._queues.pop(stream, None) is not None:
            self._owner.stream_sent(stream)

    def _look_for_stalled(self) -> None:
        """All that could be sent was: what is left waits for a window."""
        blocked = self._window.size <= 0
        for queue in self._queues.values():
            if queue.queued and not queue.stalled and (blocked or queue.window.size <= 0):
                queue.stalled = True
                queue.compact()
                self._events.append((self._owner.stream_stalled, queue.stream))
