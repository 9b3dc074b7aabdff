"""One request over HTTP/2: it hands the request to its exchange, and is the `ResponseWriter` of the answer.

What a stream means for its connection (windows, when it is forgotten, what is read next) is its `StreamOwner`'s
business: the stream table. What an exchange calls changes a stream and no more: nothing here calls the exchange back
from within such a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, Protocol

from agwtwisted.core.http.header_lines import Header, value_of
from agwtwisted.core.http.messages import (
    Framing,
    RequestHead,
    ResponseHead,
    UnfitRequest,
    WholeResponse,
    is_event_stream,
)
from agwtwisted.core.http2.codes import INTERNAL_ERROR, NO_ERROR, ErrorCode
from agwtwisted.core.http2.frame_values import DataFrame
from agwtwisted.core.http2.header_codec import FieldList
from agwtwisted.core.http2.priorities import UNSIGNALLED, Priority, merged, priority_of
from agwtwisted.core.http2.request_bodies import ANY_LENGTH, AbsentBody, BodyFault, RequestBody
from agwtwisted.core.http2.responses import ResponseBlocks, informational_fields
from agwtwisted.core.http2.send_bounds import read_size
from agwtwisted.core.http2.websockets import looks_open, tunnel_fields
from agwtwisted.http2.sending import Http2Sender
from agwtwisted.http2.stream_queue import StreamQueue
from agwtwisted.interfaces import NO_EXCHANGE, Exchange

_NO_BODY, _LENGTH = Framing.NONE, Framing.LENGTH  # before Python 3.12 each look at a member of an Enum costs a call


class StreamPhase(Enum):
    """Where a stream stands; what becomes of its DATA."""

    WAITING = "its request has not begun: DATA is kept"
    RUNNING = "its exchange takes DATA"
    UPGRADING = "a tunnel was asked for, and the answer is open: DATA is kept"
    TUNNEL = "another protocol is spoken, which the gateway only carries"
    OVER = "its exchange is over: DATA is dropped"


# The same as above.
WAITING, RUNNING, UPGRADING, TUNNEL, OVER = StreamPhase


class NoQueue:
    """Of a stream that has sent nothing yet, or sends nothing any more: takes what it is given, and drops it."""

    full = blocked = False
    sent = queued = 0

    def fields(self, fields: FieldList, *, end: bool = False, reset: ErrorCode | None = None) -> int:
        """Nothing is sent."""
        return 0

    def data(self, data: bytes) -> None:
        """Nothing is sent."""

    def end(self, reset: ErrorCode | None = None) -> None:
        """There is nothing to end."""

    def cut(self, code: ErrorCode) -> None:
        """There is nothing to cut."""


NO_QUEUE: Final = NoQueue()
CLOSED: Final = NoQueue()


class StreamOwner(Protocol):
    """What a stream asks of the connection that it is on."""

    blocks: ResponseBlocks  # makes the header blocks of answers

    @property
    def count(self) -> int:
        """How many streams are open."""

    @property
    def expelled(self) -> bool:
        """Whether the client is trusted no more, so that no tunnel is opened."""

    def consumed(self, stream: Http2Stream, size: int) -> None:
        """So many octets of its DATA were handed on: their room in both windows is free again."""

    def later(self, stream: Http2Stream) -> None:
        """Has it `go_on`, soon, but not from within this call."""

    def wants(self, stream: Http2Stream) -> None:
        """Whether its body is wanted is another question now."""

    def over(self, stream: Http2Stream, *, sent: bool) -> None:
        """Its exchange is over; unless all was `sent`, some of the answer may still have to leave."""


class Http2Stream:
    """A stream of a client's.

    Args:
        number: its identifier.
        body: of the request: NO_BODY where END_STREAM came with the head.
        owner: the table that it is in.
        sender: takes its frames.
    """

    __slots__ = (
        "_fields",
        "_out",
        "_owner",
        "_request",
        "_sender",
        "body_of_request",
        "bytes_sent",
        "exchange",
        "head_sent",
        "lingers",
        "number",
        "phase",
        "queue",
    )

    _request: RequestHead | UnfitRequest

    def __init__(self, number: int, body: RequestBody | AbsentBody, owner: StreamOwner, sender: Http2Sender) -> None:
        self.number = number
        self.body_of_request = body
        self.phase = WAITING
        self.exchange: Exchange = NO_EXCHANGE
        self.bytes_sent = 0
        self.head_sent: ResponseHead | None = None
        self.lingers = False  # the answer is whole before the request, whose rest is let come, and dropped
        self._owner = owner
        self._sender = sender
        self.queue: StreamQueue | NoQueue = NO_QUEUE
        self._fields = b""  # of an answer whose head has not left
        self._out: list[bytes] = []

    @property
    def endless(self) -> bool:
        """Whether what is in progress may go on for ever: another protocol, or server-sent events."""
        head = self.head_sent
        return self.phase is TUNNEL or (head is not None and is_event_stream(head))

    @property
    def awaits_body(self) -> bool:
        """Whether the client has to send more of a body that is wanted."""
        body = self.body_of_request
        return self.phase is RUNNING and not (body.whole or body.paused)

    # -- the request, from the table

    def begin(self, request: RequestHead | UnfitRequest, exchange: Exchange, max_body_bytes: int) -> BodyFault | None:
        """Its turn has come; what of the body is there already is handed on, unless something is wrong with it."""
        self._request, self.exchange = request, exchange
        self.phase = RUNNING
        body = self.body_of_request
        if isinstance(request, UnfitRequest) or isinstance(body, AbsentBody):
            exchange.begin(b"")
            return None
        if request.upgrade:
            self.phase = UPGRADING
        exchange.begin(None)
        fault = body.expect(_length_of(request), max_body_bytes) if self.phase is RUNNING else None
        if fault is None:
            self.go_on()
        return fault

    def data(self, frame: DataFrame) -> BodyFault | None:
        """DATA of a stream that is neither half-closed nor over."""
        body, data = self.body_of_request, frame.data
        if isinstance(body, AbsentBody):
            raise AssertionError("the stream is half-closed")
        fault = body.add(data, frame.size, end=frame.end_stream)
        if fault is not None:
            if self.phase is RUNNING and not body.paused:  # what came before the fault counts, as if it had come alone
                self._hand_on(body.take())
            return fault
        if frame.size > len(data):
            self._owner.consumed(self, frame.size - len(data))
        is_first = not body.held
        body.hold(data)
        if body.enough:
            self.go_on()
        elif is_first:
            self._owner.later(self)
        return None

    def go_on(self) -> None:
        """Hands on what was kept, if it is wanted now."""
        body = self.body_of_request
        if isinstance(body, RequestBody) and self.phase in (RUNNING, TUNNEL) and not body.paused:
            self._hand_on(body.take())
            self._complete(body)

    def _hand_on(self, data: bytes) -> None:
        if data:
            self.exchange.body(data)
            self._owner.consumed(self, len(data))

    def _complete(self, body: RequestBody) -> None:
        """The end of the body, once, where it has come, and all before it was handed on: in a tunnel the client's FIN.

        A backend that was full of the last piece has the body flow on behind it. A second end would be the beginning of
        the next request on its connection.
        """
        if not body.whole or body.held or body.ended:
            return
        body.ended = True
        self._owner.wants(self)
        if self.phase is TUNNEL:
            self.exchange.client_lost()
            self.end()
            self.release()
        elif self.phase is RUNNING and self._request_has_body:
            self.exchange.body_complete()

    @property
    def _request_has_body(self) -> bool:
        request = self._request
        return isinstance(request, RequestHead) and request.framing is not _NO_BODY

    def close(self) -> Exchange:
        """The stream is closed: nothing more is sent on it. Returns the exchange that has to know, or NO_EXCHANGE."""
        self.phase = OVER
        self.lingers = False
        self._sender.drop(self.number)
        self._fields, self._out, self.queue = b"", [], CLOSED
        exchange, self.exchange = self.exchange, NO_EXCHANGE
        return exchange

    # -- the answer, as interfaces.ResponseWriter says

    @property
    def full(self) -> bool:
        """Whether the client takes bytes more slowly than they come."""
        return self.queue.full

    @property
    def read_size(self) -> int:
        """The most that one read of a backend may bring for this stream, in bytes; 0: as much as is usual."""
        return read_size(self._owner.count)

    def misleads(self, head: ResponseHead) -> bool:
        """Whether a tunnel would open that there is not: by any 2xx, and by a 101 that proves no consent of the server.

        Nor is one opened for a client that was expelled meanwhile: nothing would end it.
        """
        request = self._request
        if not isinstance(request, RequestHead):
            return False
        if head.status == 101:
            return self._owner.expelled or tunnel_fields(request, head.headers) is None
        return looks_open(request, head)

    def informational(self, status: int, reason: bytes, headers: Sequence[Header]) -> None:
        """Sends a 1xx other than 101 ahead of the response."""
        self._send_fields(informational_fields(status, headers))

    def switch(self, protocol: bytes, headers: Sequence[Header]) -> None:
        """Opens the tunnel with a 200 (RFC 8441 section 5)."""
        request = self._request
        fields = tunnel_fields(request, headers) if isinstance(request, RequestHead) else None
        if fields is None:
            raise AssertionError("a tunnel to which the server has not agreed")
        self.phase = TUNNEL
        self._send_fields(fields)
        self._owner.later(self)

    def head(self, head: ResponseHead, *, last: bool = False) -> None:
        """Sends the head of the response; the `last` one is that of its stream, as all are."""
        self.head_sent = head
        self._fields = self._owner.blocks.block(head)

    def body(self, data: bytes) -> None:
        """Sends a piece of the body, or of what a tunnel carries."""
        self._out.append(data)

    def whole(self, head: ResponseHead, response: WholeResponse) -> None:
        """Sends this head, and the body of the response."""
        self.head(head)
        if body := response.body:
            self._out.append(body)

    def flush(self) -> None:
        """Sends what was given since the last flush."""
        if self._fields:
            fields, self._fields = self._fields, b""
            self._send_fields(fields)
            self._follow_backend()
        out = self._out
        if out:
            self._out = []
            self._send_data(out[0] if len(out) == 1 else b"".join(out))

    def end(self) -> None:
        """The response is whole: sends the rest of it.

        Of a request that is not whole the stream `lingers`. In a tunnel there is nothing to wait for: RST_STREAM with
        NO_ERROR says that all stands that was sent (RFC 9113 section 8.1).
        """
        whole = self.body_of_request.whole
        self.lingers = not whole and self.phase is not TUNNEL
        if self.queue is NO_QUEUE and self._sent_at_once():
            return
        reset = None if whole or self.lingers else NO_ERROR
        if self._fields and not any(self._out):  # no empty DATA: clients of gRPC read a refusal of fields alone
            fields, self._fields = self._fields, b""
            self.bytes_sent += self._open_queue().fields(fields, end=True, reset=reset)
        else:
            self.flush()
            self.queue.end(reset)

    def _sent_at_once(self) -> bool:
        """The whole answer in one, which most are: whether nothing was in the way."""
        out = self._out
        body = out[0] if len(out) == 1 else b"".join(out)
        octets = self._sender.answer(self.number, self._fields, body)
        if not octets:
            return False
        self.bytes_sent += octets + len(body)
        self._fields, self._out, self.queue = b"", [], CLOSED
        return True

    def release(self) -> None:
        """The exchange is over: what else comes on this stream is dropped. Where it is closed its owner knows that."""
        if self.phase is OVER:
            return
        self.phase = OVER
        self.exchange = NO_EXCHANGE
        self._owner.over(self, sent=self.queue is CLOSED)

    def abort(self) -> None:
        """The response cannot be completed: the stream is reset, and the connection lives."""
        try:
            self.flush()
        finally:
            self._open_queue().cut(INTERNAL_ERROR)
            self.release()

    def pause_body(self) -> None:
        """Stops the request's body: waiting for it is not the client's fault."""
        self._pause(True)

    def resume_body(self) -> None:
        """Lets the request's body flow on."""
        self._pause(False)

    def _pause(self, paused: bool) -> None:
        body = self.body_of_request
        if isinstance(body, RequestBody) and body.paused is not paused:
            body.paused = paused
            self._owner.wants(self)
            if not paused:
                self._owner.later(self)

    def _send_fields(self, fields: FieldList) -> None:
        self.bytes_sent += self._open_queue().fields(fields)

    def _send_data(self, data: bytes) -> None:
        if self.queue is not CLOSED:
            self.bytes_sent += len(data)
            self.queue.data(data)

    def _open_queue(self) -> StreamQueue | NoQueue:
        if self.queue is NO_QUEUE:
            self.queue = self._sender.open(self.number, self._priority())
        return self.queue

    def _priority(self) -> Priority:
        """What the client says of the answer with its request (RFC 9218 section 4)."""
        request = self._request
        field = value_of(request.headers, b"priority") if isinstance(request, RequestHead) else b""
        return priority_of(field) if field else UNSIGNALLED

    def _follow_backend(self) -> None:
        """What the backend says of its response counts before what the client said (RFC 9218 section 8)."""
        head, queue = self.head_sent, self.queue
        field = b"" if head is None else value_of(head.headers, b"priority")
        if field and isinstance(queue, StreamQueue):
            queue.reprioritize(merged(queue.priority, field))


def _length_of(request: RequestHead) -> int:
    """How long the body has to be, or ANY_LENGTH."""
    if request.framing is _LENGTH:
        return request.content_length
    return 0 if request.framing is _NO_BODY else ANY_LENGTH
