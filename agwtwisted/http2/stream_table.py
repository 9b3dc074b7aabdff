"""The streams of one connection: which begin, which wait, and what a frame means on one that is over.

A stream is in the table from its HEADERS until all of its answer has left, and so long it counts as concurrent. What it
sends before it is begun waits with it; its window bounds that.
"""

from __future__ import annotations

from typing import Final

from agwtwisted.core.http.messages import RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http2.budgets import STREAM_ERROR
from agwtwisted.core.http2.codes import (
    FLOW_CONTROL_ERROR,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
    ErrorCode,
)
from agwtwisted.core.http2.field_rules import MalformedRequest
from agwtwisted.core.http2.frame_values import ConnectionFault, DataFrame, HeadersFrame
from agwtwisted.core.http2.header_codec import Fields
from agwtwisted.core.http2.request_bodies import NO_BODY, AbsentBody, BodyFault, RequestBody
from agwtwisted.core.http2.stream_states import IDLE
from agwtwisted.core.http2.windows import STREAM_WINDOW, ReceiveWindow
from agwtwisted.http2.closed_streams import ClosedStreams
from agwtwisted.http2.credit import Credit
from agwtwisted.http2.deadlines import StreamDeadlines
from agwtwisted.http2.sending import Http2Sender
from agwtwisted.http2.spending import Spending
from agwtwisted.http2.streams import CLOSED, OVER, TUNNEL, WAITING, Http2Stream
from agwtwisted.http2.table_owner import NO_TABLE_OWNER, TableOwner
from agwtwisted.http2.waiting_requests import WaitingRequests, unserved
from agwtwisted.interfaces import ConnectionSession, Exchange, RequestHandling

_MALFORMED: Final = (400, ErrorInfo.INVALID_REQUEST)


class StreamTable:
    """All streams of a connection.

    Args:
        session: what all requests of the client share.
        sender: of what is sent.
        deadlines: of what is due from the client.
        spending: what the client has spent of its budget.
        owner: is called back, until `end`.
    """

    def __init__(
        self,
        session: ConnectionSession,
        sender: Http2Sender,
        deadlines: StreamDeadlines[Http2Stream],
        spending: Spending,
        owner: TableOwner,
    ) -> None:
        self.open: dict[int, Http2Stream] = {}
        self.closed = ClosedStreams(sender, spending)
        self.waiting = WaitingRequests(session, sender, owner.in_next_turn, spending.clock)
        self.refusing: bool = False  # every further stream
        self.current: Http2Stream | None = None  # whose request or frame is handled
        self._session = session
        self._sender = sender
        self._deadlines = deadlines
        self._spending = spending
        self._owner = owner
        self._credit = Credit(sender)
        self.due: list[Http2Stream] = []  # that take up their bodies
        self._touched: list[Http2Stream] = []  # whose exchanges have got something in this turn
        self._begun = 0

    def serve_by(self, handling: RequestHandling) -> None:
        """Requests that are begun from now on are read and answered by this."""
        self._exchanges, self._translator, self.blocks = handling.exchanges, handling.translator(), handling.blocks()
        self.waiting.places = handling.places
        self._sender.backlog.join(handling.places.backlog, self.waiting.block)
        self._max_body_bytes = handling.gateway.max_body_bytes
        self._max_concurrent = handling.gateway.http2_max_concurrent_streams

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self.open)

    @property
    def expelled(self) -> bool:
        """Whether the client is trusted no more."""
        return self._session.expelled

    # -- frames of the client

    def headers(self, frame: HeadersFrame, fields: Fields) -> ConnectionFault | None:
        """A header block, decoded: of a new request, or trailers of one."""
        number = frame.stream
        stream = self.open.get(number)
        if stream is not None:
            self._trailers(stream, frame, fields)
            return None
        if not self.closed.states.open(number):
            return self.closed.headers(number)
        if self.refusing or len(self.open) >= self._max_concurrent or self.waiting.full:
            self.closed.refuse(number)
            return None
        if not self.open:
            self._deadlines.busy()
        body: RequestBody | AbsentBody = NO_BODY if frame.end_stream else RequestBody(ReceiveWindow(STREAM_WINDOW))
        stream = self.open[number] = Http2Stream(number, body, self, self._sender)
        size = len(frame.block)
        if self.waiting.take_turn():
            self._begin(stream, fields, size)
        else:
            self._wait(stream, fields, size)
        return None

    def data(self, frame: DataFrame) -> ConnectionFault | None:
        """DATA, which uses up both windows whatever becomes of it."""
        if not self._credit.take(frame.size):
            return ConnectionFault(FLOW_CONTROL_ERROR, "more DATA than the connection's window has room for")
        stream = self.open.get(frame.stream)
        self._spending.data(frame, in_tunnel=stream is not None and stream.phase is TUNNEL)
        if stream is None:
            self._credit.dropped(frame.size)
            return self.closed.data(frame.stream)
        if stream.body_of_request.whole:
            self._credit.dropped(frame.size)
            self.fault(stream, STREAM_CLOSED)
        elif stream.phase is OVER:
            self._take_rest(stream, frame.size, end=frame.end_stream)
        else:
            self._take_data(stream, frame)
        return None

    def left(self, number: int) -> ConnectionFault | None:
        """RST_STREAM of the client: nothing that it has asked for on this stream is done any more."""
        stream = self.open.get(number)
        if stream is None:
            return ConnectionFault(PROTOCOL_ERROR, "RST_STREAM on an idle stream") if self.is_idle(number) else None
        exchange = self._take_out(stream)
        self.closed.states.left(number)
        exchange.client_lost()
        self._look_whether_empty()
        return None

    def is_idle(self, number: int) -> bool:
        """Whether frames on this stream come before it was opened."""
        return self.closed.states.of(number) is IDLE

    # -- what becomes of the streams

    def go_on(self) -> None:
        """Begins what waits, as far as it may, and hands on what was kept."""
        while waiting := self.waiting.next():
            self._begin(*waiting[:3], too_late=self.waiting.is_late(waiting))
        self.hand_on()

    def hand_on(self) -> None:
        """Hands on what was kept, as far as it is wanted: what is no DATA comes behind the DATA before it."""
        while self.due:
            stream = self.current = self.due.pop()
            if stream.phase is not OVER:
                self._touched.append(stream)
                stream.go_on()
        self.current = None

    def end_turn(self) -> None:
        """Nothing else came with this read: exchanges send on what they have got."""
        if self.due or self.waiting:
            self.go_on()
        touched = self._touched
        while touched:
            stream = self.current = touched.pop()
            stream.exchange.flush()
            if not stream.body_of_request.whole and stream.awaits_body:
                self._deadlines.body_due(stream)
        self.current = None
        if self.due or self.waiting.held_for_turn:
            self._owner.in_next_turn()
        self.waiting.end_turn()

    def reset(self, stream: Http2Stream, code: ErrorCode, *, unfit: bool = False) -> None:
        """Ends a stream with RST_STREAM; its request was `unfit`, or else counts as left by the client."""
        refusable = unfit and stream.phase is not TUNNEL
        exchange = self._take_out(stream)
        self.closed.reset(stream.number, code)
        if refusable:
            exchange.refuse(*_MALFORMED)
        else:
            exchange.client_lost()
        self._look_whether_empty()

    def fault(self, stream: Http2Stream, code: ErrorCode, *, unfit: bool = False) -> None:
        """The same for a fault of the client, which has its price."""
        self._spending.spend(STREAM_ERROR)
        self.reset(stream, code, unfit=unfit)

    def broken(self, stream: Http2Stream) -> None:
        """A defect of the gateway at this stream, which is in the log: 500, or a cut."""
        stream.exchange.broken()
        if stream.number in self.open and stream.phase is not OVER:
            self.reset(stream, INTERNAL_ERROR)

    def refuse_waiting(self) -> None:
        """Those that wait are not begun any more: the client may ask elsewhere."""
        for stream in self.waiting.clear():
            self.reset(stream, REFUSED_STREAM)

    def cut_endless(self) -> None:
        """Ends at once what may go on for ever."""
        for stream in [each for each in self.open.values() if each.endless]:
            self.reset(stream, INTERNAL_ERROR)

    def end(self, *, by_defect: bool = False) -> None:
        """The connection is over."""
        streams, self.open = list(self.open.values()), {}
        self.waiting.stop()
        self.due.clear()
        self._touched.clear()
        self._owner = NO_TABLE_OWNER  # it leads back here
        for stream in streams:
            exchange = stream.close()
            if by_defect:
                exchange.broken()
            else:
                exchange.client_lost()

    # -- from streams, as `StreamOwner` says

    def consumed(self, stream: Http2Stream, size: int) -> None:
        """So many octets of its DATA were handed on: their room in both windows is free again."""
        body = stream.body_of_request
        if isinstance(body, RequestBody) and (stream.lingers or stream.phase is not OVER) and not body.whole:
            self._credit.consumed(stream.number, body, size)
        else:
            self._credit.dropped(size)

    def later(self, stream: Http2Stream) -> None:
        """Has it go on with its body in the next turn, or at the end of this one."""
        self.due.append(stream)
        if self._owner.rests:
            self._owner.in_next_turn()

    def wants(self, stream: Http2Stream) -> None:
        """Whether its body is wanted is another question now."""
        if stream.awaits_body:
            self._deadlines.body_due(stream)
        else:
            self._deadlines.body_not_due(stream)

    def over(self, stream: Http2Stream, *, sent: bool) -> None:
        """Its exchange is over; unless all was `sent`, some of the answer may still have to leave."""
        self.waiting.ended()
        body = stream.body_of_request
        if isinstance(body, RequestBody):
            self._deadlines.body_not_due(stream)
            self.consumed(stream, len(body.take()))
        if sent and stream.number in self.open:
            self._answered(stream)

    # -- from the sender

    def sent(self, number: int) -> None:
        """All of a stream has left, with its end."""
        if (stream := self.open.get(number)) is None:
            return
        if self._deadlines.watching:
            self._deadlines.forget(stream)
        stream.queue = CLOSED
        self._answered(stream)

    def drained(self, number: int) -> None:
        """A stream takes bytes again."""
        if (stream := self.open.get(number)) is not None:
            self.current = stream
            stream.exchange.client_drained()
            self.current = None

    # -- how

    def _begin(self, stream: Http2Stream, fields: Fields, size: int, *, too_late: bool = False) -> None:
        self.current = stream
        ends_here = isinstance(stream.body_of_request, AbsentBody)
        request = self._translator.request(fields, end_stream=ends_here, size=size)
        self._begun += 1
        self._owner.begun(self._begun)
        if isinstance(request, MalformedRequest):
            self._begin_malformed(stream, size)
        else:
            self._ask(stream, unserved(request) if too_late else request)
        self.current = None

    def _wait(self, stream: Http2Stream, fields: Fields, size: int) -> None:
        self.waiting.add(stream, fields, size)
        if self.refusing:  # since the session was asked whether a request may be begun
            self.refuse_waiting()

    def _ask(self, stream: Http2Stream, request: RequestHead | UnfitRequest) -> None:
        exchange = self._exchanges.exchange(request, stream, self._session)
        if not isinstance(stream.body_of_request, AbsentBody):
            self._touched.append(stream)
        fault = stream.begin(request, exchange, self._max_body_bytes)
        if fault is not None:
            self._judge(stream, fault)

    def _begin_malformed(self, stream: Http2Stream, size: int) -> None:
        """A stream error (RFC 9113 section 8.1.1), and a line in the access log as of any request that is unfit."""
        self._spending.spend(STREAM_ERROR)
        self._take_out(stream)
        self.closed.reset(stream.number, PROTOCOL_ERROR)
        status, error_info = _MALFORMED
        unfit = UnfitRequest(status=status, error_info=error_info, version=b"2.0", size=size)
        stream.begin(unfit, self._exchanges.exchange(unfit, stream, self._session), 0)
        self._look_whether_empty()

    def _take_data(self, stream: Http2Stream, frame: DataFrame) -> None:
        self.current = stream
        touched = self._touched
        if not touched or touched[-1] is not stream:
            touched.append(stream)
        fault = stream.data(frame)
        if self._deadlines.watching:
            self._deadlines.body_came(stream, len(frame.data))
        if fault is not None:
            self._credit.dropped(frame.size)
            self._judge(stream, fault)
        self.current = None

    def _answered(self, stream: Http2Stream) -> None:
        """All of its answer has left; the rest of its request may come: curl 7.88 drops an answer that is reset."""
        self._spending.budget.answered += 1
        is_whole = stream.body_of_request.whole
        if stream.lingers and not is_whole:
            self._deadlines.body_lingers(stream)
            return
        del self.open[stream.number]
        if not is_whole:
            self.closed.states.reset(stream.number)
        self._look_whether_empty()

    def _take_rest(self, stream: Http2Stream, size: int, *, end: bool) -> None:
        """More of a request that was answered: it is dropped."""
        body = stream.body_of_request
        if not (stream.lingers and isinstance(body, RequestBody)):
            self._credit.dropped(size)
            return
        body.window.take(size)  # there is room: all that came before was given back
        self._credit.consumed(stream.number, body, size)
        body.whole = end
        if end and stream.queue is CLOSED:
            del self.open[stream.number]
            self._deadlines.forget(stream)
            self._look_whether_empty()

    def body_late(self, stream: Http2Stream) -> None:
        """The rest of a request has not come in time."""
        if stream.phase is OVER:
            self.reset(stream, NO_ERROR)  # the answer stands (RFC 9113 section 8.1)
        else:
            stream.exchange.refuse(408, ErrorInfo.INVALID_REQUEST)

    def _trailers(self, stream: Http2Stream, frame: HeadersFrame, fields: Fields) -> None:
        if stream.body_of_request.whole:
            self.fault(stream, STREAM_CLOSED)
        elif stream.phase is OVER:
            self._spending.spend(STREAM_ERROR, 0 if stream.lingers and frame.end_stream else 1)
            self._take_rest(stream, 0, end=frame.end_stream)
        elif not frame.end_stream or self._translator.trailers(fields) is not None:
            self.fault(stream, PROTOCOL_ERROR, unfit=True)
        else:
            self._take_data(stream, DataFrame(stream.number, b"", 0, True))

    def _judge(self, stream: Http2Stream, fault: BodyFault) -> None:
        """What is wrong with a body ends its stream, or has it answered."""
        if fault is BodyFault.TOO_LONG:
            stream.exchange.refuse(413, ErrorInfo.INVALID_REQUEST)
        elif fault is BodyFault.OVERDRAWN:
            self.fault(stream, FLOW_CONTROL_ERROR, unfit=True)
        else:
            self.fault(stream, PROTOCOL_ERROR, unfit=True)

    def _take_out(self, stream: Http2Stream) -> Exchange:
        """The stream is closed at once; returns what has to know."""
        self.open.pop(stream.number, None)
        if stream.phase is WAITING:
            self.waiting.remove(stream)
        elif stream.phase is not OVER:
            self.waiting.ended()
        exchange = stream.close()
        self._deadlines.forget(stream)
        body = stream.body_of_request
        if isinstance(body, RequestBody):
            self._credit.forgotten(body)
        return exchange

    def _look_whether_empty(self) -> None:
        if not self.open:
            self._owner.emptied()
