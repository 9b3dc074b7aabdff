"""What an exchange does: the actions of `core.exchange.states`, each with what its event brought.

Called by the driver alone, the subclass in `exchange.exchange`. An action that asks a question returns the answer, an
event and what that brings, where it is known at once. Attributes without a value in the class exist in the states that
use them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.backends.upstream import Server
from agwtwisted.core.exchange import states as on
from agwtwisted.core.exchange.attempts import KEPT_BODY
from agwtwisted.core.exchange.decisions import Forwarded
from agwtwisted.core.exchange.states import Event, ExchangeAction
from agwtwisted.core.http.messages import (
    Framing,
    RequestHead,
    ResponseHead,
    UnfitRequest,
    WholeResponse,
    asks_for,
    is_event_stream,
)
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import Admitted, Client
from agwtwisted.core.rules.rewriting import Bad
from agwtwisted.exchange.context import ExchangeContext, Lost, OwnAnswer
from agwtwisted.exchange.deciding import Decide
from agwtwisted.exchange.forwarding import NOT_FORWARDED, ForwardedRequest
from agwtwisted.exchange.record import ExchangeRecord
from agwtwisted.interfaces import BackendConnection, ExchangeDriver, ResponseWriter, Session
from agwtwisted.transport.deferreds import log_failure

HEAD_TIMEOUT: Final = 0.1
"""Seconds that the head of a chunked response waits for its first chunk, which mostly comes with it.

Where there is none the client gets a whole 502, instead of a head and a cut. A stream of events has begun by its head.
"""

_CHUNKED: Final = Framing.CHUNKED  # before Python 3.12 each look at a member of an Enum costs a call

NextEvent: TypeAlias = tuple[Event, Any]
"""To a question: an event, and what it brings."""


class ExchangeActions(ExchangeDriver):
    """The actions of one exchange, and what it holds meanwhile. A subclass is the driver.

    Args:
        context: what all exchanges of a configuration share.
        request: may be an unfit one.
        writer: the way back to the client.
        session: what all requests of the connection share.
        decide: says what becomes of the request.
    """

    log = Logger()

    ended = False  # whether all is released, and the line of the access log written
    _attempts: ForwardedRequest = NOT_FORWARDED  # it has the exchange, so that the exchange gives it up at its end
    _judging: Deferred[Client] | None = None
    _head_timer: IDelayedCall | None = None
    _body: bytes | None  # of the request, where it came with the head
    _connection: BackendConnection
    _held_body: bytearray  # while the client is judged
    _held_body_whole = False
    _held_head: ResponseHead

    def __init__(
        self,
        context: ExchangeContext,
        request: RequestHead | UnfitRequest,
        writer: ResponseWriter,
        session: Session,
        decide: Decide,
    ) -> None:
        self.record = ExchangeRecord(context, request, session.client, session.listener)
        self._context = context
        self._request = request
        self._writer = writer
        self._session = session
        self._decide = decide

    @property
    def backend(self) -> bytes:
        """The server that is asked, as host:port; empty: none is."""
        server = self._attempts.server
        return b"" if server is None else server.name

    # -- where it goes

    def decide(self, strict: Client | None) -> NextEvent:
        """DECIDE."""
        outcome = self._decide(self._request, self.record, strict)
        if isinstance(outcome, Forwarded):
            return on.FORWARD, outcome
        return (on.OWN_ANSWER, outcome) if isinstance(outcome, OwnAnswer) else (on.ASK_CLIENT, None)

    def judge_client(self, _: None) -> None:
        """JUDGE_CLIENT."""
        self._held_body = bytearray()
        judging = self._judging = self._session.strict_client()
        log_failure(judging.addCallbacks(self._judged, self.not_judged), self.log, "judging a client")

    def _judged(self, strict: Client) -> None:
        if self._judging is not None:  # else the client left
            self._judging = None
            current = self._session.client  # turned away meanwhile, it is turned away here, too
            self.judged(strict if isinstance(current, Admitted) else current)

    def hold_body(self, data: bytes) -> None:
        """HOLD_BODY: stops the client late, or it would not be noticed that it has left."""
        self.record.body_size += len(data)
        self._held_body += data
        if len(self._held_body) >= KEPT_BODY:
            self._writer.pause_body()

    def hold_end(self, _: None) -> None:
        """HOLD_END."""
        self._held_body_whole = True

    def send_held_body(self, _: None) -> None:
        """SEND_HELD_BODY."""
        attempts, held = self._attempts, bytes(self._held_body)
        del self._held_body
        may_send = not held or attempts.body(held)
        if self._held_body_whole:
            attempts.body_complete()
        attempts.flush()
        if may_send:
            self._writer.resume_body()

    # -- on the way to a backend

    def dial(self, decision: Forwarded) -> NextEvent | None:
        """DIAL."""
        if not isinstance(self._request, RequestHead):
            raise AssertionError("only a fit request is forwarded")
        forwarded = self._attempts = ForwardedRequest(
            self._context, self._request, self._body, self._session, self.record, decision, self
        )
        connection = forwarded.start()
        return None if connection is None else (on.CONNECTED, connection)

    def dial_again(self, server: Server) -> None:
        """DIAL_AGAIN."""
        self._attempts.repeat(server)

    def take_connection(self, connection: BackendConnection) -> None:
        """TAKE_CONNECTION."""
        self._connection = connection
        if (read_size := self._writer.read_size) != connection.read_size:  # the request before had another
            connection.bound_reads(read_size)

    def send_body(self, data: bytes) -> None:
        """SEND_BODY."""
        self.record.body_size += len(data)
        if not self._attempts.body(data):
            self._writer.pause_body()

    def send_end(self, _: None) -> None:
        """SEND_END."""
        self._attempts.body_complete()

    def flush_request(self, _: None) -> None:
        """FLUSH_REQUEST."""
        self._attempts.flush()

    def resume_body(self, _: None) -> None:
        """RESUME_BODY."""
        self._writer.resume_body()

    def try_again(self, lost: Lost) -> NextEvent:
        """TRY_AGAIN."""
        self.record.upstream_port = self._connection.local_port
        server = self._attempts.again(timed_out=lost.timed_out)
        return (on.GIVEN_UP, self._answer_to(lost)) if server is None else (on.REPEATED, server)

    # -- the answer

    def send_interim(self, head: ResponseHead) -> None:
        """SEND_INTERIM."""
        self._writer.informational(head.status, head.reason, head.headers)

    def read_whole(self, response: WholeResponse) -> NextEvent:
        """READ_WHOLE."""
        self._release_connection()
        event, head = self.read_head(response.head)
        return (on.WHOLE_ANSWER, (head, response)) if event is on.ANSWER_HEAD else (event, head)

    def read_head(self, head: ResponseHead) -> NextEvent:
        """READ_HEAD."""
        forwarded = self._attempts
        if forwarded.affinity is not None:
            head = forwarded.bound(head, forwarded.affinity, forwarded.server)
        if head.status == 101 or (forwarded.asks_upgrade and self._writer.misleads(head)):
            return self._read_switch(head)
        self.record.server_status = head.status
        if forwarded.rules_saw_it:
            rewritten = forwarded.rewritten(head, self._writer.bytes_sent)
            if isinstance(rewritten, Bad):
                return on.BAD_HEAD, OwnAnswer(rewritten.status, rewritten.error_info)
            head = rewritten
        if head.framing is _CHUNKED and not is_event_stream(head):
            return on.CHUNKED_HEAD, head
        return on.ANSWER_HEAD, head

    def _read_switch(self, head: ResponseHead) -> NextEvent:
        """The backend speaks another protocol from now on, if the client asked for it (RFC 9110 section 7.8)."""
        request = self._request
        if isinstance(request, RequestHead) and asks_for(request, head.upgrade) and not self._writer.misleads(head):
            return on.SWITCHED, head
        return on.BAD_HEAD, OwnAnswer(502, ErrorInfo.UPSTREAM_CLOSED_CONNECTION)

    def send_head(self, head: ResponseHead) -> None:
        """SEND_HEAD."""
        self._writer.head(head)
        self.record.answer_begun(head)

    def hold_head(self, head: ResponseHead) -> None:
        """HOLD_HEAD."""
        self._held_head = head

    def await_chunk(self, _: None) -> None:
        """AWAIT_CHUNK."""
        if self._head_timer is None:
            self._head_timer = self._context.clock.callLater(HEAD_TIMEOUT, self.no_chunk)

    def send_held_head(self, _: object) -> None:
        """SEND_HELD_HEAD."""
        self._stop_waiting()
        self.send_head(self._held_head)

    def send_response(self, data: bytes) -> None:
        """SEND_RESPONSE."""
        self._writer.body(data)

    def flush_response(self, _: None) -> None:
        """FLUSH_RESPONSE."""
        writer = self._writer
        writer.flush()
        if writer.full:
            self._connection.pause()

    def resume_response(self, _: None) -> None:
        """RESUME_RESPONSE."""
        if (read_size := self._writer.read_size) != self._connection.read_size:
            self._connection.bound_reads(read_size)
        self._connection.resume()

    def switch(self, head: ResponseHead) -> None:
        """SWITCH."""
        self.record.server_status = head.status
        self.record.answer_begun(head)
        self._writer.switch(head.upgrade, head.headers)
        if not self.ended:  # a client that sends no more is gone by now
            self._connection.tunnel()

    def send_tunnelled(self, data: bytes) -> None:
        """SEND_TUNNELLED."""
        self.record.body_size += len(data)
        connection = self._connection
        connection.write(data)
        if connection.full:
            self._writer.pause_body()

    # -- the end

    def answer(self, answer: OwnAnswer) -> None:
        """ANSWER."""
        context, record, writer = self._context, self.record, self._writer
        record.error_info = answer.error_info
        page = context.shown(answer.page or context.standard(answer.status), record.listener)
        head = context.page_head(page, answer.headers)
        writer.head(head, last=answer.last)
        record.answer_begun(head)
        if self._request.method != b"HEAD":
            writer.body(page.body)
        self._end_answer()

    def answer_lost(self, lost: Lost) -> None:
        """ANSWER_LOST."""
        self._release_connection()
        self.answer(self._answer_to(lost))

    def _answer_to(self, lost: Lost) -> OwnAnswer:
        status = 504 if lost.timed_out else 502
        self._complain(lost, f"the client gets {status}")
        return OwnAnswer(status, lost.error_info)

    def answer_defect(self, _: None) -> None:
        """ANSWER_DEFECT."""
        answer = OwnAnswer(500, ErrorInfo.INTERNAL_ERROR, last=True)
        if self.record.head is None:
            self.answer(answer)
        else:
            self.cut(answer)

    def send_whole(self, answer: tuple[ResponseHead, WholeResponse]) -> None:
        """SEND_WHOLE."""
        self._writer.whole(*answer)
        self.record.answer_begun(answer[0])
        self._end_answer()

    def complete(self, _: None) -> None:
        """COMPLETE."""
        self._release_connection()
        self._end_answer()

    def _release_connection(self) -> None:
        """The response is whole, or lost: its connection is another's."""
        self.record.upstream_port = self._connection.local_port
        self._attempts.connection = None

    def _end_answer(self) -> None:
        self._writer.end()
        try:
            self._end(None)
        finally:
            self._writer.release()

    def cut(self, why: OwnAnswer | Lost) -> None:
        """CUT."""
        self.record.error_info = why.error_info
        try:
            self._end(None)
        finally:
            self._writer.abort()

    def cut_lost(self, lost: Lost) -> None:
        """CUT_LOST."""
        self._release_connection()
        self._complain(lost, "the answer is cut")
        self.cut(lost)

    def leave(self, _: None) -> None:
        """LEAVE."""
        head = self.record.head
        if head is not None and head.status == 101:
            self._end(None)
        else:
            self.record.error_info = ErrorInfo.CLIENT_CLOSED_REQUEST
            self._end(499)

    def abandon(self) -> None:
        """Not even an answer to an error can be sent."""
        self.record.error_info = ErrorInfo.INTERNAL_ERROR
        try:
            self._end(500 if self.record.head is None else None)
        finally:
            self._writer.abort()

    def _complain(self, lost: Lost, outcome: str) -> None:
        server = self._attempts.server
        if server is not None:
            self._context.complain(server.name.decode(), lost, outcome)

    def _end(self, status: int | None) -> None:
        """Releases all that the exchange holds, and has its line written to the access log."""
        if self.ended:
            return
        self.ended = True
        attempts, self._attempts = self._attempts, NOT_FORWARDED
        try:
            attempts.cancel()
            if self._head_timer is not None or self._judging is not None:
                self._stop_waiting()
        finally:
            server = attempts.server
            if server is not None:
                self.record.asked(server)
            self.record.write(status, self._writer.bytes_sent)

    def _stop_waiting(self) -> None:
        """Neither a chunk nor a verdict is awaited any more."""
        timer, judging = self._head_timer, self._judging
        if timer is not None:
            self._head_timer = None
            if timer.active():
                timer.cancel()
        if judging is not None:
            self._judging = None
            judging.cancel()


Perform: TypeAlias = Callable[[ExchangeActions, Any], NextEvent | None]

# Each action is the method of its name.
PERFORM: Final[Mapping[ExchangeAction, Perform]] = {
    action: getattr(ExchangeActions, action.name.lower()) for action in on.ACTIONS
}
