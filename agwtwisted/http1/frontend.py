"""HTTP/1.1 towards clients: one exchange after the other on one connection, each answer in its turn.

The frontend pulls: `received` feeds the reader, and one loop, `_advance`, takes one event after the other out of it for
as long as its turn has come. What a client sends ahead waits in the reader as the bytes that came, one read at most:
reading stops until the answer before is through. What an exchange calls meanwhile changes the `Phase` and no more: the
loop sees it, or is begun again where it rests. Nothing is taken apart twice, and nothing re-enters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.http.messages import NEED_DATA, PAUSED, Framing, RequestHead, UnfitRequest, is_event_stream
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http.request_reader import RequestEvent, RequestReader
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.http1.client_deadlines import ClientDeadlines
from agwtwisted.http1.phases import BODY, IDLE, TUNNEL, UNFIT, WHOLE, Phase
from agwtwisted.http1.response_writer import Http1ResponseWriter
from agwtwisted.interfaces import NO_EXCHANGE, ConnectionSession, Exchange, RequestHandling
from agwtwisted.transport.connection import Connection

LOOK: Final = 1.0  # seconds between two looks at whether a client that has finished sending is still there

MAX_HELD: Final = 65536
"""Bytes kept of what a client sends ahead of the answer to its request for an upgrade; one read may come on top."""

ANSWERS_A_TURN: Final = 32
"""Requests of one connection that are begun in one turn of the reactor: those that the gateway answers by itself follow
each other at once, and the other connections wait meanwhile."""

_NO_BODY: Final = Framing.NONE


class Frontend:
    """The receiver of one client's connection, and the `WriterOwner` of its response writer.

    A defect of the gateway stays that of the request it met: it is answered with 500 or cut, and the connection ends.
    """

    log = Logger()

    def __init__(
        self,
        connection: Connection,
        session: ConnectionSession,
        handling: RequestHandling,
        first_byte: float | None = None,
    ) -> None:
        """`first_byte` is how long that may take, in seconds; None: `header_timeout`, with all of the head."""
        self._connection = connection
        self._session = session
        self._exchanges = handling.exchanges
        self._gateway = gateway = handling.gateway
        self._reader = RequestReader(handling.parser, max_body_bytes=gateway.max_body_bytes)
        self._writer = Http1ResponseWriter(connection, self)
        self._deadlines = ClientDeadlines(connection.deadline(self._too_late), gateway, first_byte)
        self._phase: Phase = IDLE
        self.exchange = NO_EXCHANGE
        self._rests = True  # the loop: what it has to see, it is begun again for
        self._next_turn: IDelayedCall | None = None  # which begins the loop again
        self._body_paused = self._on_hold = self._excess = False  # the latter: more came after the last request
        connection.bound_sending(gateway.body_timeout, gateway.min_response_rate)

    # -- from the session, as interfaces.ClientProtocol says

    @property
    def under_way(self) -> Sequence[Exchange]:
        """The exchange that has begun and is not over, if there is one."""
        return () if self._phase is IDLE else (self.exchange,)

    @property
    def endless(self) -> bool:
        """Whether what is under way may go on for ever: another protocol, or server-sent events."""
        head = self._writer.head_sent
        return self._phase is TUNNEL or (head is not None and is_event_stream(head))

    @property
    def may_go_over(self) -> bool:
        """Whether none is under way."""
        return self._phase is IDLE

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when."""
        connection, phase = self._connection, self._phase
        if connection.busy:  # it does not read
            return Awaited.MORE, now
        if connection.closing:
            return Awaited.REQUEST, 0.0
        if phase is not IDLE:
            waits = phase in (BODY, UNFIT) and not self._body_paused
            return (Awaited.MORE if waits else Awaited.NOTHING), now
        if self._reader.unread:
            return Awaited.NOTHING, now
        return self._deadlines.awaited(now, head_open=self._reader.head_open, input_ended=connection.input_ended)

    def drain(self, now: float, quiet: float) -> None:
        """The gateway stops. A request that has come, or comes before the client was `quiet` for so long, is answered.

        That answer is the last, and says so: a connection that is closed between two requests may cut off the next.
        """
        before = self._deadlines.drain(quiet)
        if self._phase is not IDLE or self._reader.unread or self._connection.closing:
            return
        if self._reader.head_open:
            self._deadlines.shorten_head(now)
        elif self._deadlines.shorten_silence(now, before):
            self._too_late()

    def finish(self) -> None:
        """No further request, not even one that has come: closes after the answer under way; now, if it is endless."""
        if self.endless:
            self._connection.abort()
        elif self._phase is IDLE:
            self._close(linger=not self._deadlines.is_due and self._reader.unread > 0)  # right behind an answer

    def hold(self) -> None:
        """No further request is begun until `go_on`, or the session has `settled`; one in progress goes on."""
        self._on_hold = True

    def go_on(self) -> None:
        """Requests are begun again."""
        self._on_hold = False
        self._guarded(self._advance)

    def serve_by(self, handling: RequestHandling) -> None:
        """The next requests are read and answered by this, one whose head has begun included; none is under way."""
        self._exchanges, self._gateway = handling.exchanges, (gateway := handling.gateway)
        self._reader.read_by(handling.parser, gateway.max_body_bytes)
        self._deadlines.count_by(gateway)
        self._connection.bound_sending(gateway.body_timeout, gateway.min_response_rate)

    # -- from the connection

    def received(self, data: bytes) -> None:
        """Bytes of the client."""
        try:
            if self._phase is TUNNEL:
                self.exchange.body(data)
            elif self._reader.done:
                self._excess = True
                self._steer()
            else:
                self._reader.feed(data)
                self._advance(len(data))
        except Exception:
            self._broken(unanswered=True)

    def drained(self) -> None:
        """The client takes bytes again."""
        self.exchange.client_drained()
        self._guarded(self._advance)

    def finished(self) -> None:
        """The client sends no more: what it has asked for whole is answered (RFC 8446 section 6.1)."""
        self._guarded(self._close_if_answered)

    def ended(self, reason: str) -> None:
        """The client is gone."""
        self._deadlines.stop()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        exchange, self.exchange, self._phase = self.exchange, NO_EXCHANGE, IDLE
        (exchange.broken if self._connection.failed else exchange.client_lost)()
        self._writer.detach()

    # -- from the response writer, as its WriterOwner

    def may_continue(self) -> bool:
        """Whether another request may follow: this one is whole, and the client is not to leave with its answer.

        While the gateway stops, one that has come already is answered, too.
        """
        session = self._session
        return self._phase is WHOLE and not (session.draining and (session.expelled or not self._reader.unread))

    def answered(self) -> None:
        """The exchange is over: the connection takes the next request, or closes."""
        before, self._phase, self.exchange = self._phase, IDLE, NO_EXCHANGE
        goes_on = self._writer.keep_alive and before is not TUNNEL and not self._session.expelled
        try:
            if goes_on:
                self._await_next()
            else:
                unread = self._reader.unread or (self._session.draining and self._connection.has_arrived())
                self._close(linger=before in (BODY, UNFIT) or self._connection.paused or bool(unread))
        except Exception:
            self._broken(unanswered=goes_on and self._reader.unread > 0)

    def cut(self) -> None:
        """The response is not whole: the connection ends so that the client sees it cut."""
        self.exchange, self._phase = NO_EXCHANGE, IDLE
        self._deadlines.stop()
        self._connection.abort()

    def pause_body(self) -> None:
        """Stops the request's body: waiting for it is not the client's fault."""
        if not self._body_paused:
            self._body_paused = True
            if not self._connection.input_ended:
                self._deadlines.nothing()
            self._steer()

    def resume_body(self) -> None:
        """Lets the request's body flow on."""
        if self._body_paused:
            self._body_paused = False
            self._watch()
            self._steer()

    def switched(self) -> None:
        """From now on both directions carry bytes of another protocol."""
        self._phase = TUNNEL
        if self._session.expelled:  # since the request was begun
            self._connection.abort()
            return
        if unread := self._reader.take_unread():
            self.exchange.body(unread)
        self._settle()

    # -- the loop

    def _advance(self, came: int = 0) -> None:
        """Takes what the client has sent, in order, until something has to wait: for an answer, or for the next turn.

        The bytes of a body that `came` earn it time.
        """
        if not self._rests or self._next_turn is not None:
            return
        self._rests = False
        try:
            in_pieces = self._take_all()
        finally:
            self._rests = True
        if in_pieces:
            self.exchange.flush()
        self._settle(came)

    def _settle(self, came: int = 0) -> None:
        """Where the loop rests: whether more is read, and by when it is due."""
        if self._reader.unread or self._connection.paused or self._body_paused or self._excess:
            self._steer()
        if self._connection.input_ended:
            self._close_if_answered()
        elif self._phase is not WHOLE:
            self._watch(came)

    def _take_all(self) -> bool:
        """Hands on what was read; whether the exchange in progress got some of a request that had not come whole."""
        reader, connection = self._reader, self._connection
        begun, in_pieces = 0, False
        while not connection.closing:
            if self._phase is IDLE:
                if (self._on_hold and not self._is_settled()) or connection.full:
                    break
                if begun == ANSWERS_A_TURN:
                    if reader.unread:  # it comes after what has come for others
                        self._next_turn = connection.next_turn(self._go_on_in_turn)
                    break
                begun += 1
            event = reader.next_event()
            if isinstance(event, RequestHead):
                body = b"" if event.framing is _NO_BODY else reader.whole_body()
                in_pieces = body is None
                self._begin(event, BODY if body is None else WHOLE, body)
            elif event is NEED_DATA or event is PAUSED:
                break
            else:
                in_pieces = True
                self._take(event)
            if self._phase is WHOLE:
                break  # what follows waits for the answer
        return in_pieces

    def _take(self, event: RequestEvent) -> None:
        """Hands on more of the request in progress, or a request that is unfit."""
        if isinstance(event, bytes):
            self.exchange.body(event)
        elif not isinstance(event, UnfitRequest):
            self._phase = WHOLE
            self._deadlines.nothing()
            self.exchange.body_complete()
        elif self._phase is IDLE:
            self._begin(event, UNFIT)
        else:
            self.exchange.refuse(event.status, event.error_info)

    def _go_on_in_turn(self) -> None:
        self._next_turn = None
        self._guarded(self._advance)

    def _begin(self, request: RequestHead | UnfitRequest, phase: Phase, body: bytes | None = b"") -> None:
        self._phase = phase
        self._deadlines.head_whole()
        self._writer.begin(request)
        exchange = self.exchange = self._exchanges.exchange(request, self._writer, self._session)
        exchange.begin(body)

    def _await_next(self) -> None:
        """A request was answered, and another one may follow it."""
        self._body_paused = False
        if self._on_hold and not self._is_settled() and self._connection.closing:
            return
        self._deadlines.next_request(draining=self._session.draining)
        self._reader.next_request()
        if self._reader.unread:
            self._advance()
        elif self._rests and (self._connection.paused or self._connection.input_ended):
            self._settle()

    def _is_settled(self) -> bool:
        """Whether what a request was held for is over."""
        self._on_hold = not self._session.settled()
        return not self._on_hold

    # -- what is read, and by when

    def _steer(self) -> None:
        """Reads on, or not."""
        reader, connection = self._reader, self._connection
        unread = reader.unread
        waits = unread and (not reader.upgrading or unread >= MAX_HELD)
        if waits or self._body_paused or self._excess:
            connection.pause()
        elif connection.paused:
            connection.resume()

    def _watch(self, came: int = 0) -> None:
        """Sets the deadline for what the client has to send next; the bytes of a body that `came` put it off."""
        if self._connection.input_ended:
            return  # nothing more is due from the client
        if self._phase is IDLE:
            if self._reader.head_open and not self._connection.full:
                self._deadlines.head_begun()
        elif self._phase is BODY and not self._body_paused:
            self._deadlines.body(came)

    def _too_late(self) -> None:
        self._guarded(self._end_wait)

    def _end_wait(self) -> None:
        """What the client should have sent, or a time to look at it, is over."""
        if self._connection.input_ended and not self._connection.closing:
            self._connection.abort() if self._connection.is_reset() else self._deadlines.again_in(LOOK)
        elif self._phase is BODY:
            self.exchange.refuse(408, ErrorInfo.INVALID_REQUEST)
        elif self._phase is not IDLE:
            return
        elif self._connection.full:  # it is to read before it may ask again, and the connection sees to that
            self._deadlines.again_in(self._gateway.idle_timeout)
        elif self._reader.head_open:
            self._begin(self._reader.late(), UNFIT)
        elif self._connection.has_arrived() and not self._deadlines.is_of_head:
            # It may just have asked again, which shows in this turn or the next; empty lines win it no more than this.
            self._deadlines.head()
        else:
            self._close()

    def _close_if_answered(self) -> None:
        """Ends the connection of a client that sends no more, once it has its answers.

        A request that is not whole, and another protocol, end with it.
        """
        if self._connection.closing or (self._phase is IDLE and self._reader.unread):
            return
        if self._phase in (WHOLE, UNFIT):
            self._deadlines.again_in(LOOK)
        else:
            self._deadlines.nothing()
            self._connection.end()

    def _close(self, *, linger: bool = False) -> None:
        self._deadlines.stop()
        self._connection.close(linger=linger and not self._connection.input_ended)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Does something of the gateway's own accord, or at the word of another stage."""
        try:
            step()
        except Exception:
            self._broken(unanswered=self._reader.unread > 0)

    def _broken(self, *, unanswered: bool) -> None:
        """Ends the connection after a defect of the gateway, with an answer where a request is in progress."""
        self.log.failure("Unexpected error while serving a client")
        try:
            if self.exchange is not NO_EXCHANGE:
                self.exchange.broken()
            elif (unanswered or self._phase is not IDLE) and not self._connection.closing:
                self._begin(self._reader.give_up(), UNFIT)
            else:
                self.cut()
        except Exception:
            self.log.failure("Unexpected error while answering with 500")
            self.cut()
