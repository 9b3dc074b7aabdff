"""HTTP/2 towards clients: many requests at once on one connection, each on a stream of its own (RFC 9113).

The protocol pulls: `received` feeds the reader of frames, and one loop takes one frame after the other out of it. What
an exchange calls meanwhile changes its stream and no more; what all exchanges of a turn send leaves in one write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.core.http2 import frames
from agwtwisted.core.http2.budgets import CONTINUATION, STREAM_ERROR
from agwtwisted.core.http2.codes import (
    CANCEL,
    COMPRESSION_ERROR,
    DEFAULT_WINDOW,
    ENABLE_CONNECT_PROTOCOL,
    ENHANCE_YOUR_CALM,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    LEAST_MAX_FRAME_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    NO_RFC7540_PRIORITIES,
    SettingPair,
)
from agwtwisted.core.http2.frame_reader import FrameReader
from agwtwisted.core.http2.frame_values import ConnectionFault, DataFrame, HeadersFrame
from agwtwisted.core.http2.header_codec import HeaderCodecError, HeaderDecoder, HeaderEncoder
from agwtwisted.core.http2.send_bounds import UNSENT
from agwtwisted.core.http2.windows import CONNECTION_WINDOW, STREAM_WINDOW
from agwtwisted.core.identity.clients import TurnedAway
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.http2.control_frames import ControlFrames
from agwtwisted.http2.deadlines import StreamDeadlines
from agwtwisted.http2.draining import GOING, ROUND_TRIP, Leave
from agwtwisted.http2.sending import Http2Sender
from agwtwisted.http2.spending import Spending
from agwtwisted.http2.stream_table import StreamTable
from agwtwisted.http2.streams import Http2Stream
from agwtwisted.interfaces import NO_EXCHANGE, ConnectionSession, Exchange, RequestHandling
from agwtwisted.transport.connection import Connection

BLOCKS_A_TURN: Final = 16384
"""Octets of header blocks that are decoded for one connection in one turn of the reactor: the dearest take a third of a
microsecond each. One block may come on top; others have their turn before the rest.
"""

_A_FRAME: Final = 8  # octets that each frame counts for there: those of 64 octets of DATA are many

FIELDS_A_FAULT: Final = 20
"""Fields that cost as much as a stream error, in a list that has more than a request may have."""


class Http2ClientProtocol:
    """The receiver of one client's connection, and what its session knows of it.

    A defect of the gateway stays that of the stream it met: 500, or RST_STREAM; outside a stream it ends the connection
    with GOAWAY.

    Args:
        connection: to the client; ALPN has agreed on h2.
        session: what all its requests share.
        handling: how requests are read and answered.
        clock: time.
    """

    log = Logger()

    def __init__(
        self,
        connection: Connection,
        session: ConnectionSession,
        handling: RequestHandling,
        clock: IReactorTime,
    ) -> None:
        self.rests = True  # the loop
        gateway = handling.gateway
        self._connection = connection
        self._session = session
        self._reader = FrameReader(max_block=2 * gateway.http2_max_header_list)
        self._decoder = HeaderDecoder(2 * gateway.http2_max_header_list)
        self._sender = sender = Http2Sender(connection, HeaderEncoder(), self)
        self._deadlines: StreamDeadlines[Http2Stream] = StreamDeadlines(
            clock, connection.deadline, gateway, sender, self
        )
        self._spending = Spending(clock)
        self._streams = StreamTable(session, sender, self._deadlines, self._spending, self)
        self._leave = Leave(clock, sender, self._last_stream, self._going)
        self._control = ControlFrames(sender, self._streams, self._leave, self._deadlines, self._spending)
        self._answers_one = isinstance(session.client, TurnedAway)
        self._next_turn: IDelayedCall | None = None
        self._settings = _settings(gateway)  # as the client knows them
        self.serve_by(handling)
        # The server's preface (RFC 9113 section 3.4), and the room of the connection.
        sender.control(frames.settings(self._settings) + frames.window_update(0, CONNECTION_WINDOW - DEFAULT_WINDOW))

    # -- from the session, as interfaces.ClientProtocol says

    @property
    def under_way(self) -> Sequence[Exchange]:
        """Those that have begun and are not over, in the order in which they began."""
        return [each.exchange for each in self._streams.open.values() if each.exchange is not NO_EXCHANGE]

    @property
    def endless(self) -> bool:
        """Whether anything under way may go on for ever: another protocol, or server-sent events."""
        return any(each.endless for each in self._streams.open.values())

    @property
    def may_go_over(self) -> bool:
        """Always: what is under way ends as it began."""
        return True

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when."""
        if self._connection.busy:  # it does not read
            return Awaited.MORE, now
        if self._connection.closing:
            return Awaited.REQUEST, 0.0
        return self._deadlines.awaited(now, len(self._streams.open))

    def drain(self, now: float, quiet: float) -> None:
        """The connection ends: the client learns which of its requests were taken, and those are answered."""
        self._leave.announce(quiet)

    def finish(self) -> None:
        """No further request: what waits is refused, what may go on for ever is cut, the others are answered."""
        self._guarded(self._finish)

    def _finish(self) -> None:
        streams = self._streams
        streams.refusing = True
        streams.refuse_waiting()
        streams.cut_endless()
        self._leave.go()

    def hold(self) -> None:
        """No further request is begun until `go_on`, or the session has `settled`; those under way go on."""
        self._streams.waiting.on_hold = True

    def go_on(self) -> None:
        """Requests are begun again."""
        self._streams.waiting.on_hold = False
        self._run(self._streams.end_turn)

    def serve_by(self, handling: RequestHandling) -> None:
        """The next requests are read and answered by this; those under way end as they began."""
        gateway = handling.gateway
        self._streams.serve_by(handling)
        self._reader.allow(2 * gateway.http2_max_header_list)
        self._decoder.allow(2 * gateway.http2_max_header_list)
        before, self._settings = self._settings, _settings(gateway)
        if self._settings != before:
            self._sender.control(frames.settings([each for each in self._settings if each not in before]))
        self._deadlines.count_by(gateway)
        self._max_requests = gateway.http2_max_requests
        self._max_lines = gateway.max_header_lines
        self._connection.bound_sending(gateway.body_timeout, gateway.min_response_rate, unsent=UNSENT)

    # -- from the connection

    def received(self, data: bytes) -> None:
        """Bytes of the client."""
        self._reader.feed(data)
        self._run(self._take_all)

    def drained(self) -> None:
        """The client takes bytes again."""
        self._sender.drained()
        self._run(self._streams.end_turn)

    def finished(self) -> None:
        """The client sends no more, not even credit for what it is to read: the connection is over."""
        self._guarded(self._close)

    def ended(self, reason: str) -> None:
        """The connection is gone."""
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        self._deadlines.stop()
        self._leave.stop()
        self._sender.stop()
        self._streams.end(by_defect=self._connection.failed)
        del self._control, self._deadlines, self._leave, self._streams  # they lead back here

    # -- from the streams, as stream_table.TableOwner says

    def in_next_turn(self) -> None:
        """Has the streams go on then."""
        if self._next_turn is None:
            self._next_turn = self._connection.next_turn(self._go_on_in_turn)

    def _go_on_in_turn(self) -> None:
        self._next_turn = None
        if self._connection.paused:
            self._connection.resume()
            self._run(self._take_all)
        else:
            self._run(self._streams.end_turn)

    def begun(self, count: int) -> None:
        """One more request begins, `count` in all; a client that is turned away gets the answer to one."""
        if self._answers_one:
            self._streams.refusing = True
        if count >= self._max_requests:
            self._leave.announce(ROUND_TRIP)

    def emptied(self) -> None:
        """No stream is open any more."""
        if self._answers_one and self._streams.refusing:
            self._leave.go()
        elif self._leave.state is GOING:
            self._close()
        else:
            self._deadlines.idle()

    # -- from the sender, as sending.Http2SenderOwner says

    def stream_drained(self, number: int) -> None:
        """A stream was full and is no more."""
        self._guarded(lambda: self._streams.drained(number))

    def stream_sent(self, number: int) -> None:
        """All of a stream has left."""
        streams = self._streams
        streams.sent(number)  # which may end the connection
        if streams.waiting:  # for this one, where too much was queued
            self.in_next_turn()

    def stream_stalled(self, number: int) -> None:
        """A window of the client's keeps back data of a stream."""
        stream = self._streams.open.get(number)
        if stream is not None:
            self._deadlines.stalled(stream)

    def stream_flowing(self, number: int) -> None:
        """All that was queued of a stalled stream has left."""
        stream = self._streams.open.get(number)
        if stream is not None:
            self._deadlines.flowing(stream)

    def control_overflow(self) -> None:
        """The client has more to be answered than it reads."""
        self._calm("unread_answers")

    def sending_broken(self) -> None:
        """A defect of the gateway while frames were sent: none may be left out."""
        self.log.failure("Unexpected error while sending to a client of HTTP/2")
        self._connection.abort()

    # -- from the deadlines, as deadlines.DeadlineOwner says

    def body_late(self, stream: Http2Stream) -> None:
        """The body of a request does not come, or too slowly, or is not over soon after the answer."""
        self._guarded(lambda: self._streams.body_late(stream))

    def response_stalled(self, stream: Http2Stream) -> None:
        """The client opens no window for a response, or too slowly."""
        self._guarded(lambda: self._streams.reset(stream, CANCEL))

    def head_late(self) -> None:
        """The preface or the rest of a header block has not come."""
        self._end(ConnectionFault(ENHANCE_YOUR_CALM, "no preface, or no end of a header block, in time"), "late_head")

    def idle_too_long(self) -> None:
        """There was no stream for long enough."""
        self._leave.go()

    # -- the loop

    def _take_all(self) -> None:
        """Takes what the client has sent, in order."""
        connection, streams, next_frame = self._connection, self._streams, self._reader.next_frame
        take_other, spending = self._control.take, self._spending
        room = BLOCKS_A_TURN
        while room > 0 and not connection.closing and (frame := next_frame()) is not None:
            room -= _A_FRAME
            if streams.due and not isinstance(frame, DataFrame):
                self._guarded(streams.hand_on)  # a defect of a stream must not lose this frame
            if isinstance(frame, HeadersFrame):
                room -= len(frame.block)
                fault = self._headers(frame)
            elif isinstance(frame, DataFrame):
                fault = streams.data(frame)
            else:
                fault = take_other(frame)
            if fault is not None:
                self._end(fault)
                return
            if spending.overdrawn:
                self._calm(spending.overdrawn)
                return
        streams.end_turn()
        if room <= 0 and not connection.closing:  # what follows comes after what has come for others
            connection.pause()
            self.in_next_turn()
        elif not connection.closing and (self._reader.block_open or self._deadlines.head_open):
            self._deadlines.head(opened=self._reader.block_open)

    def _headers(self, frame: HeadersFrame) -> ConnectionFault | None:
        try:
            fields = self._decoder.decode(frame.block)
        except HeaderCodecError as error:
            return ConnectionFault(COMPRESSION_ERROR, f"a header block that cannot be decoded: {error}")
        if frame.frames > 1:  # those that a long block needs are free
            self._spending.spend(CONTINUATION, max(frame.frames - 1 - len(frame.block) // LEAST_MAX_FRAME_SIZE, 0))
        if len(fields) > self._max_lines:
            self._spending.spend(STREAM_ERROR, len(fields) // FIELDS_A_FAULT)
        return self._streams.headers(frame, fields)

    # -- the end

    def _last_stream(self) -> int:
        return min(self._streams.closed.states.last, self._leave.last)

    def _end(self, fault: ConnectionFault, kind: str = "") -> None:
        """An error of the connection: nothing of it is served any more (RFC 9113 section 5.4.1)."""
        if not self._connection.closing:
            self._guarded(self._streams.hand_on)
            if fault.code != INTERNAL_ERROR:
                self._session.misused(kind or _kind_of(fault), fault.reason)
            self._sender.control(frames.goaway(self._last_stream(), fault.code, fault.reason.encode()))
            self._close()

    def _calm(self, kind: str) -> None:
        """The client has had the gateway do too much for too little: of this kind most."""
        self._end(ConnectionFault(ENHANCE_YOUR_CALM, f"too many {kind.replace('_', ' ')}"), kind)

    def _going(self) -> None:
        """No further request is taken."""
        self._streams.refusing = True
        if not self._streams.open:
            self._close()

    def _close(self) -> None:
        """Closes, with all that was sent ahead of this; streams that are under way are over."""
        connection = self._connection
        self._deadlines.stop()
        self._leave.stop()
        self._sender.flush()
        connection.close(linger=not connection.input_ended)
        self._streams.end()

    # -- defects

    def _run(self, step: Callable[[], None]) -> None:
        """Has the loop do something; what a defect breaks is one stream, where it met one."""
        if not self.rests:
            return
        self.rests = False
        try:
            while not self._connection.closing:
                try:
                    step()
                    return
                except Exception:
                    self._broken()
        finally:
            self.rests = True

    def _guarded(self, step: Callable[[], None]) -> None:
        """Does something at the word of another stage."""
        try:
            step()
        except Exception:
            self._broken()

    def _broken(self) -> None:
        self.log.failure("Unexpected error while serving a client of HTTP/2")
        stream, self._streams.current = self._streams.current, None
        try:
            if stream is None:
                self._end(ConnectionFault(INTERNAL_ERROR, "internal error"))
            else:
                self._streams.broken(stream)
        except Exception:
            self.log.failure("Unexpected error after an unexpected error")
            self._connection.abort()


def _kind_of(fault: ConnectionFault) -> str:
    return "limit" if fault.code == ENHANCE_YOUR_CALM else "protocol"


def _settings(gateway: Gateway) -> tuple[SettingPair, ...]:
    """What the client is to keep to."""
    return (
        (MAX_CONCURRENT_STREAMS, gateway.http2_max_concurrent_streams),
        (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        (MAX_HEADER_LIST_SIZE, gateway.http2_max_header_list),
        (ENABLE_CONNECT_PROTOCOL, 1),
        (NO_RFC7540_PRIORITIES, 1),
    )
