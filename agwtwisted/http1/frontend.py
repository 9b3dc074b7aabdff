"""HTTP/1.1 towards clients: one exchange after the other on one wire, each answer in its turn.

What a client sends ahead waits as the bytes that came, one read at most: it is taken apart when its turn has come, and
reading stops until the answer before is through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.exchange.forwarding import LAST_CHUNK, chunk, client_framing, informational_bytes, response_bytes
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http.messages import (
    END,
    NEED_DATA,
    PAUSED,
    Framing,
    RequestHead,
    ResponseHead,
    UnfitRequest,
    is_event_stream,
)
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http.request_reader import RequestEvent, RequestReader
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.resources.resources import Gateway
from agwtwisted.interfaces import Exchange, Exchanges, Session
from agwtwisted.transport.connection import Connection

LOOK = 1.0
"""Seconds between two looks at whether a client that has finished sending is still there."""

MAX_HELD = 65536
"""Bytes kept of what a client sends ahead of the answer to its request for an upgrade; one read may come on top."""

ANSWERS_A_TURN: Final = 32
"""Requests of one connection that are begun in one turn of the reactor: those that the gateway answers by itself follow
each other at once, and the other connections wait meanwhile."""


class Frontend:
    """The receiver of one client's wire, and the `ResponseWriter` of each of its exchanges.

    An error of the gateway's own stays that of the request it met: it is answered with 500 or cut, and the connection
    ends.
    """

    log = Logger()

    def __init__(
        self,
        wire: Connection,
        session: Session,
        exchanges: Exchanges,
        gateway: Gateway,
        parser: RequestParser,
        patience: float | None = None,
    ) -> None:
        """`patience` is how long the first byte may take, in seconds; None: `header_timeout`, with all of the head."""
        self.bytes_sent = 0  # of the answer under way
        self._wire = wire
        self._session = session
        self._exchanges = exchanges
        self._gateway = gateway
        self._deadline = wire.deadline(self._too_late)
        self._reader = RequestReader(parser, max_body_bytes=gateway.max_body_bytes)
        self._next: RequestEvent | None = None  # which was read, and waits for its turn
        self._head_timed = patience is None  # whether the deadline is that of a head
        self._pumping = False
        self._next_turn: IDelayedCall | None = None  # which goes on with the requests that wait
        self._exchange: Exchange | None = None
        self._request: RequestHead | UnfitRequest | None = None  # of the exchange
        self._request_whole = True
        self._body_paused = False
        self._close_after = False
        self._excess = False  # more came after the last request
        self._framing = Framing.NONE
        self.tunnel = False  # whether another protocol is spoken, which the gateway only carries
        self._answer: ResponseHead | None = None  # what the client was told last of the answer under way
        self._on_hold = False
        self._out: list[bytes] = []
        self._idle = (
            gateway.header_timeout if patience is None else patience
        )  # seconds for the next request's first byte
        self._has_asked = False  # and was answered
        self._deadline.set(self._idle)
        wire.bound_sending(gateway.body_timeout, gateway.min_response_rate)

    @property
    def full(self) -> bool:
        """Whether the client takes bytes more slowly than they come."""
        return self._wire.full

    @property
    def endless(self) -> bool:
        """Whether what is under way may go on for ever: another protocol, or server-sent events."""
        head = self._answer
        return self.tunnel or (head is not None and is_event_stream(head))

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when."""
        gateway, wire, at = self._gateway, self._wire, self._deadline.at
        if wire.busy:  # it does not read
            return Awaited.MORE, now
        if wire.closing:
            return Awaited.REQUEST, 0.0
        if self._exchange is not None:
            waits = not (self._request_whole or self._body_paused or self.tunnel)
            return (Awaited.MORE if waits else Awaited.NOTHING), now
        if self._next is not None or self._reader.unread:
            return Awaited.NOTHING, now
        if self._reader.head_open or self._head_timed:  # the latter before the first request, too
            return Awaited.HEAD, now if at is None else at - gateway.header_timeout
        kind = Awaited.REQUEST if self._has_asked or self._wire.input_ended else Awaited.HEAD
        return kind, now if at is None else at - self._idle

    def drain(self, now: float, quiet: float) -> None:
        """The gateway stops. A request that has come, or comes before the client was `quiet` for so long, is answered.

        That answer is the last, and says so: a connection that is closed between two requests may cut off the next.
        """
        before, self._idle = self._idle, quiet
        if self._exchange is not None or self._has_come() or self._wire.closing:
            return
        at = self._deadline.at
        if self._reader.head_open:
            left = self._gateway.silent_timeout
            if at is None or at > now + left:
                self._deadline.set(left)
            return
        left = quiet if at is None else at - before + quiet - now
        if left > 0:
            self._deadline.set(left)
        else:
            self._too_late()

    def finish(self) -> None:
        """No further request, not even one that has come: closes now if none is under way, else after its answer."""
        if self._exchange is None:
            self._close()

    def hold(self) -> None:
        """No further request is begun until `go_on`; one under way goes on."""
        self._on_hold = True

    def go_on(self) -> None:
        """Requests are begun again."""
        self._on_hold = False
        self._pump()
        self._watch()

    # -- from the wire

    def received(self, data: bytes) -> None:
        """Bytes of the client."""
        reader = self._reader
        try:
            if self.tunnel:
                if self._exchange is not None:
                    self._exchange.body(data)
            elif reader.done:
                self._excess = True
                self._steer()
            else:
                reader.feed(data)
                self._pump()
                self._watch(len(data))
        except Exception:
            self._broken()

    def drained(self) -> None:
        """The client takes bytes again."""
        try:
            if self._exchange is not None:
                self._exchange.client_drained()
            self._pump()
            self._watch()
        except Exception:
            self._broken()

    def finished(self) -> None:
        """The client sends no more: what it has asked for whole is answered (RFC 8446 section 6.1)."""
        try:
            self._close_if_answered()
        except Exception:
            self._broken()

    def ended(self, reason: str) -> None:
        """The client is gone."""
        self._deadline.stop()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            try:
                if self._wire.failed:
                    exchange.broken()
                else:
                    exchange.client_lost()
            except Exception:
                self.log.failure("Unexpected error while a client leaves")
                exchange.broken()

    # -- requests

    def _has_come(self) -> bool:
        """Whether something of the client waits for its turn."""
        return self._next is not None or self._reader.unread > 0

    def _next_event(self) -> RequestEvent | None:
        """What the client has sent, if its turn has come; None where there is nothing."""
        event = self._next
        if event is None:
            try:
                event = self._reader.next_event()
            except Exception:
                self.log.failure("Unexpected error while reading requests")
                event = self._reader.give_up()  # what was read before stands
            if event is NEED_DATA or event is PAUSED:
                return None
            self._next = event
        if not self._may_take(event):
            return None
        self._next = None
        return event

    def _pump(self) -> None:
        """Hands on what was read, in order, until a request has to wait: for an answer, or for the next turn."""
        if self._pumping or self._next_turn is not None:
            return
        try:
            self._pumping = True
            most = ANSWERS_A_TURN
            try:
                while not self._wire.closing and (event := self._next_event()) is not None:
                    if self._exchange is None:
                        if not most:
                            self._next = event
                            self._next_turn = self._wire.next_turn(self._go_on_in_turn)
                            break
                        most -= 1
                    self._take(event)
                    if self._exchange is not None and self._request_whole:
                        break  # what follows waits for the answer
            finally:
                self._pumping = False
            if self._exchange is not None:
                self._exchange.flush()
            self._steer()
            if self._wire.input_ended:
                self._close_if_answered()
        except Exception:
            self._broken()

    def _go_on_in_turn(self) -> None:
        self._next_turn = None
        self._pump()
        try:
            self._watch()
        except Exception:
            self._broken()

    def _may_take(self, event: RequestEvent) -> bool:
        """Whether an event's turn has come: a request waits for the answer before it, and for a client that reads."""
        if isinstance(event, bytes) or event is END:
            return True
        if self._exchange is None:
            return not self._wire.full and not self._on_hold
        return not self._request_whole  # what came after the head is unfit

    def _take(self, event: RequestEvent) -> None:
        exchange = self._exchange
        if isinstance(event, RequestHead):
            self._begin(event)
        elif isinstance(event, bytes):
            if exchange is not None:
                exchange.body(event)
        elif isinstance(event, UnfitRequest):
            if exchange is None:
                self._begin(event)
            else:
                exchange.refuse(event.status, event.error_info)
        else:
            self._request_whole = True
            if exchange is not None:
                exchange.body_complete()

    def _begin(self, request: RequestHead | UnfitRequest) -> None:
        self._head_timed = False
        self._request = request
        self._request_whole = isinstance(request, RequestHead) and request.framing is Framing.NONE
        if not self._request_whole:
            self._deadline.clear()  # it was the head's
        self._close_after = not request.keep_alive
        self.bytes_sent = 0
        exchange = self._exchange = self._exchanges.exchange(request, self, self._session)
        exchange.begin()

    def _steer(self) -> None:
        """Reads on, or not."""
        reader, wire = self._reader, self._wire
        unread = reader.unread
        waits = self._next is not None or (unread and (unread >= MAX_HELD or not reader.upgrading))
        if waits or self._body_paused or self._excess:
            wire.pause()
        elif wire.paused:
            wire.resume()

    def _watch(self, came: int = 0) -> None:
        """Sets the deadline for what the client has to send next; the bytes of a body that `came` put it off."""
        if self._wire.input_ended:
            return  # nothing more is due from the client
        if self._exchange is not None:
            if self._request_whole or self._body_paused:
                self._deadline.clear()
            else:
                gateway = self._gateway
                rate, most = gateway.min_body_rate, gateway.body_timeout
                self._deadline.postpone(came / rate if rate else came * most, most)
        elif self._reader.head_open and not self._head_timed and not self._wire.full:
            self._head_timed = True
            self._deadline.set(self._gateway.header_timeout)

    def _too_late(self) -> None:
        try:
            self._end_wait()
        except Exception:
            self._broken()

    def _end_wait(self) -> None:
        if self._wire.input_ended and not self._wire.closing:
            self._look()
        elif self._exchange is not None:
            if not self._request_whole:
                self._exchange.refuse(408, ErrorInfo.INVALID_REQUEST)
        elif self._wire.full:  # it is to read before it may ask again, and the wire sees to that
            self._deadline.set(self._gateway.idle_timeout)
        elif self._reader.head_open:
            self._next = self._reader.late()
            self._pump()
        elif self._wire.has_arrived() and not self._head_timed:
            # It may just have asked again, which shows in this turn or the next; empty lines win it no more than this.
            self._head_timed = True
            self._deadline.set(self._gateway.header_timeout)
        else:
            self._close()

    def _close_if_answered(self) -> None:
        """Ends the connection of a client that sends no more, once it has its answers.

        A request that is not whole, and another protocol, end with it.
        """
        if self._wire.closing or (self._next is not None and (self._exchange is None or self._request_whole)):
            return
        unfinished = not self._request_whole and isinstance(self._request, RequestHead)
        if self._exchange is None or self.tunnel or unfinished:
            self._deadline.clear()
            self._wire.end()
        else:
            self._deadline.set(LOOK)

    def _look(self) -> None:
        """Lets go of a client that has finished sending, and has reset the connection since."""
        if self._wire.is_reset():
            self._wire.abort()
        else:
            self._deadline.set(LOOK)

    # -- the way back, as interfaces.ResponseWriter says

    def informational(self, status: int, reason: bytes, headers: Sequence[Header]) -> None:
        """Sends a 1xx other than 101 ahead of the response; HTTP/1.0 knows none (RFC 9110 section 15.2)."""
        if self._request is not None and self._request.version == b"1.1":
            self._out.append(informational_bytes(status, reason, headers))
            self.flush()

    def head(self, head: ResponseHead, *, last: bool = False) -> None:
        """Sends the head of the response; the `last` one ends the connection."""
        request = self._request
        if request is None:
            return
        framing = client_framing(head, version=request.version, to_head_request=request.method == b"HEAD")
        if last or framing is Framing.CLOSE or not self._request_whole or self._is_last():
            self._close_after = True
        self._framing, self._answer = framing, head
        self._out.append(response_bytes(head, framing, keep_alive=not self._close_after, version=request.version))

    def _is_last(self) -> bool:
        """Whether no request is to follow: while the gateway stops one that has come already is answered, too."""
        session = self._session
        return session.draining and (session.expelled or not self._has_come())

    def body(self, data: bytes) -> None:
        """Sends a piece of the body, or of what a tunnel carries."""
        if self._framing is Framing.CHUNKED:
            data = chunk(data)
        self._out.append(data)

    def end(self) -> None:
        """The response is whole: sends the rest of it."""
        if self._framing is Framing.CHUNKED:
            self._out.append(LAST_CHUNK)
        self.flush()

    def release(self) -> None:
        """The exchange is over: the connection takes the next request, or closes."""
        self._exchange = self._request = self._answer = None
        self._framing = Framing.NONE
        try:
            if self._close_after or self.tunnel or self._session.expelled:
                unread = self._has_come() or (self._session.draining and self._wire.has_arrived())
                self._close(linger=not self._request_whole or self._wire.paused or unread)
            else:
                self._await_next()
        except Exception:
            self._broken()

    def abort(self) -> None:
        """The response cannot be completed: the connection ends so that the client sees it cut."""
        try:
            self.flush()
        finally:
            self._exchange = None
            self._deadline.stop()
            self._wire.abort()

    def flush(self) -> None:
        """Sends what was given since the last flush."""
        out = self._out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            self._out = []
            self.bytes_sent += len(data)
            self._wire.write(data)

    def pause_body(self) -> None:
        """Stops the request's body: waiting for it is not the client's fault."""
        if not self._body_paused:
            self._body_paused = True
            self._watch()
            self._steer()

    def resume_body(self) -> None:
        """Lets the request's body flow on."""
        if self._body_paused:
            self._body_paused = False
            self._watch()
            self._steer()

    def switch(self, protocol: bytes, headers: Sequence[Header]) -> None:
        """Sends a 101; from now on both directions carry bytes of the new protocol."""
        lines = [*headers, (b"Connection", b"upgrade"), (b"Upgrade", protocol)]
        self._out.append(informational_bytes(101, b"Switching Protocols", lines))
        self.tunnel = True
        self.flush()
        held = self._reader.take_unread()
        if held and self._exchange is not None:
            self._exchange.body(held)
        self._steer()
        if self._wire.input_ended:
            self._close_if_answered()

    # -- between requests

    def _await_next(self) -> None:
        self._has_asked = True
        self._body_paused = False
        if not self._session.draining:
            self._idle = self._gateway.idle_timeout
        self._deadline.set(self._idle)
        self._reader.next_request()
        if self._has_come():
            self._pump()
        elif not self._pumping:
            self._steer()
            if self._wire.input_ended:
                self._close_if_answered()
        self._watch()

    def _broken(self) -> None:
        """Ends the connection after an error of the gateway's own, with an answer where a request is under way."""
        self.log.failure("Unexpected error while serving a client")
        try:
            if self._exchange is None and self._has_come() and not self._wire.closing:
                self._next = None
                self._begin(UnfitRequest(status=500, error_info=ErrorInfo.INTERNAL_ERROR))
            elif self._exchange is not None:
                self._exchange.broken()
            else:
                self.abort()
        except Exception:
            self.log.failure("Unexpected error while answering with 500")
            self.abort()

    def _close(self, *, linger: bool = False) -> None:
        self._deadline.stop()
        self._wire.close(linger=linger and not self._wire.input_ended)
