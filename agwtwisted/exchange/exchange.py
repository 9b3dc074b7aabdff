"""One request's whole life: who asks, where it goes, what comes back, what the log says.

`core.exchange.states` is the table of what happens when; this module performs its actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.affinity import Affinity
from agwtwisted.core.base.errors import printable
from agwtwisted.core.exchange import states as on
from agwtwisted.core.exchange.attempts import KEPT_BODY
from agwtwisted.core.exchange.decisions import CertificateRequired, Forwarded, Redirected, Unauthenticated, decide
from agwtwisted.core.exchange.forwarding import host_for, request_bytes, rewritten_request_bytes
from agwtwisted.core.exchange.states import Effect, Event, State, StateRow, rows
from agwtwisted.core.http.header_lines import value_of
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead, UnfitRequest, asks_for, is_event_stream
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import Admitted, Client, TurnedAway
from agwtwisted.core.operations.records import AccessRecord, client_members, render
from agwtwisted.core.plan.routing import Action, Site
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.core.rules.rewriting import Bad, rewrite_response
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.exchange.attempts import NO_ATTEMPTS, Attempts
from agwtwisted.exchange.context import ExchangeContext, OwnAnswer
from agwtwisted.exchange.refusing import PageExchange
from agwtwisted.interfaces import BackendConnection, Exchange, ResponseWriter, Session
from agwtwisted.transport.deferreds import log_failure

HEAD_TIMEOUT: Final = 0.1
"""Seconds that the head of a chunked response waits for its first chunk, which mostly comes with it.

Where that turns out to be none the client gets a whole 502, instead of a head and a cut. Without it a stream of events
is not held up: its head says that it has begun.
"""


class HttpExchanges(ExchangeContext):
    """Makes the exchanges of one configuration."""

    def exchange(self, request: RequestHead | UnfitRequest, writer: ResponseWriter, session: Session) -> Exchange:
        """One request's exchange, to be begun; that of a client that is turned away knows no routes."""
        client = session.client
        if isinstance(client, TurnedAway):
            page = self.refusal(client.verdict)
            return PageExchange(self, request, writer, session, page, ErrorInfo.HTTPS_NO_CERT)
        return HttpExchange(self, request, writer, session, client)


class HttpExchange:
    """One exchange of an admitted client: `Exchange` of a client protocol, and `AttemptsUser` of its way to a backend.

    Its methods are events, and raise nothing: what goes wrong in any action is an error of the gateway's own, which
    `_fail` turns into an answer. What an attribute without a value here is for exists only in the states that use it.
    """

    log = Logger()

    # What most exchanges never change, or only once, is the class's: an object with few attributes is soon made.
    _row: _Row  # the state, with all that may happen in it
    _site: Site | None = None
    _action: Action | None = None
    _forwarded: Forwarded | None = None
    _attempts: Attempts = NO_ATTEMPTS
    _judging: Deferred[Client] | None = None
    _head_timer: IDelayedCall | None = None
    _held_body: bytearray  # while the client is judged
    _held_head: ResponseHead
    _connection: BackendConnection
    _affinity: Affinity[Server] | None = None
    _body_whole = False
    _host = b""  # that the backend was told
    _head: ResponseHead | None = None  # that the client got
    _server_status: int | None = None  # of the backend's answer, whatever the client got
    _upstream_port: int | None = None
    _error_info = ErrorInfo.NO_ERROR
    _body_size = 0
    _recorded = False

    def __init__(
        self,
        exchanges: ExchangeContext,
        request: RequestHead | UnfitRequest,
        writer: ResponseWriter,
        session: Session,
        client: Admitted,
    ) -> None:
        self._exchanges = exchanges
        self._request = request
        self._writer = writer
        self._session = session
        self._client = client
        self._seen: Client = client  # the client as the path of the request takes it
        self._trace_id = exchanges.trace_id()
        self._began = exchanges.clock.seconds()
        self._answered = self._began

    # -- what happens

    def _on(self, event: Event, what: Any = None) -> None:
        """The one place where events are handled, and errors of the gateway's own are caught."""
        try:
            self._row, actions = self._row[event]
            for perform in actions:
                perform(self, what)
        except Exception:
            self._fail()

    def _fail(self) -> None:
        """An error of the gateway's own: 500, or a cut where the answer has begun, and a line in the access log."""
        self.log.failure("Unexpected error while serving a request")
        if self._recorded:
            return
        self._row = _ROWS[on.OVER]
        try:
            self._answer_defect()
        except Exception:
            self.log.failure("Unexpected error while answering a request with 500")
            self._error_info = ErrorInfo.INTERNAL_ERROR
            try:
                self._record(500 if self._head is None else None)
            finally:
                self._writer.abort()

    # -- from the client protocol, as interfaces.Exchange says

    def begin(self) -> None:
        """Decides what becomes of the request."""
        self._exchanges.running.add(self)
        self._on(on.BEGUN)

    def body(self, data: bytes) -> None:
        """A piece of the request's body, or of what a tunnel carries."""
        self._on(on.BODY, data)

    def body_complete(self) -> None:
        """The request's body is whole."""
        self._on(on.BODY_END)

    def flush(self) -> None:
        """Sends on what came with this read."""
        self._on(on.FLUSH)

    def refuse(self, status: int, error_info: ErrorInfo) -> None:
        """What came after the head is unfit, or did not come: the request is taken back."""
        self._on(on.UNFIT, OwnAnswer(status, error_info))

    def client_drained(self) -> None:
        """The client takes bytes again."""
        self._on(on.CLIENT_DRAINED)

    def client_lost(self) -> None:
        """The client is gone: the backend need not go on."""
        self._on(on.CLIENT_LOST)

    def broken(self) -> None:
        """An error of the gateway's own, which is in its log already."""
        self._on(on.DEFECT)

    # -- from the backend, as interfaces.AttemptsUser says

    def connected(self, connection: BackendConnection) -> None:
        """A server gets the request."""
        self._on(on.CONNECTED, connection)

    def failed(self, status: int, error_info: ErrorInfo) -> None:
        """No server can be connected to."""
        self._on(on.NO_SERVER, OwnAnswer(status, error_info))

    def response_head(self, head: ResponseHead) -> None:
        """A head came: of an interim response, or of the response."""
        self._on(on.INTERIM if head.status < 200 and head.status != 101 else on.RESPONSE_HEAD, head)

    def response_body(self, data: bytes) -> None:
        """A piece of the body came."""
        self._on(on.RESPONSE_BODY, data)

    def response_flush(self) -> None:
        """Sends on what came with this read."""
        self._on(on.RESPONSE_FLUSH)

    def response_end(self) -> None:
        """The response is whole."""
        self._on(on.RESPONSE_END)

    def response_lost(self, reason: str, *, timed_out: bool) -> None:
        """There will be no response, or no rest of it."""
        self._on(on.RESPONSE_LOST, _Lost(reason, timed_out))

    def upstream_drained(self) -> None:
        """The backend takes bytes again."""
        self._on(on.BACKEND_DRAINED)

    # -- actions: where it goes

    def _decide(self, strict: Client | None) -> None:
        request = self._request
        if isinstance(request, UnfitRequest):
            self._on(on.OWN_ANSWER, OwnAnswer(request.status, request.error_info))
        else:
            self._route(request, strict)

    def _route(self, request: RequestHead, strict: Client | None) -> None:
        session = self._session
        site = session.sites.select(request.host)
        if site is None:
            status, error_info = (404, ErrorInfo.INVALID_HOST) if request.host else (400, ErrorInfo.HTTP_NO_HOST_HEADER)
            self._on(on.OWN_ANSWER, OwnAnswer(status, error_info))
        elif site.profile is not session.profile or (
            site.listener.require_server_name_indication and not self._client.connection.server_name
        ):
            # The connection was judged by another profile than this host asks for (RFC 9110 section 15.5.20).
            self._on(on.OWN_ANSWER, OwnAnswer(421, ErrorInfo.INVALID_HOST, last=True))
        else:
            self._site = site
            self._decide_for(request, site, strict)

    def _decide_for(self, request: RequestHead, site: Site, strict: Client | None) -> None:
        decision = decide(site, request, self._client, strict)
        if isinstance(decision, CertificateRequired):
            self._on(on.ASK_CLIENT)
            return
        self._action = decision.action
        self._seen = decision.client
        if isinstance(decision, Forwarded):
            self._on(on.FORWARD, decision)
        elif isinstance(decision, Redirected):
            location = [(b"Location", decision.location)]
            self._on(on.OWN_ANSWER, OwnAnswer(decision.status, ErrorInfo.NO_ERROR, headers=location))
        elif isinstance(decision, Unauthenticated):
            page = self._exchanges.refusal(decision.client.verdict)
            self._on(on.OWN_ANSWER, OwnAnswer(page.status, ErrorInfo.HTTPS_NO_CERT, page))
        else:
            self._on(on.OWN_ANSWER, OwnAnswer(decision.status, decision.error_info))

    def _judge_client(self, _: None) -> None:
        self._held_body = bytearray()
        judging = self._judging = self._session.strict_client()
        judged = judging.addCallbacks(self._judged, self._not_judged)
        log_failure(judged, self.log, "judging a client certificate for a path")

    def _judged(self, strict: Client) -> None:
        if self._judging is not None:  # else the client left
            self._judging = None
            current = self._session.client  # turned away meanwhile, it is turned away here, too
            self._on(on.CLIENT_JUDGED, strict if isinstance(current, Admitted) else current)
            self._on(on.HELD_BODY)

    def _not_judged(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self.log.failure("Unexpected error while judging a client", failure)
            self._on(on.DEFECT)

    def _hold_body(self, data: bytes) -> None:
        """Stops the client late, or it would not be noticed that it has left."""
        self._body_size += len(data)
        self._held_body += data
        if self._body_size >= KEPT_BODY:
            self._writer.pause_body()

    def _hold_end(self, _: None) -> None:
        self._body_whole = True

    def _send_held_body(self, _: None) -> None:
        attempts, held = self._attempts, self._held_body
        del self._held_body
        may_send = attempts.body(bytes(held)) if held else True
        if self._body_whole:
            attempts.body_complete()
        attempts.flush()
        if may_send:
            self._writer.resume_body()

    # -- actions: on the way to a backend

    def _dial(self, decision: Forwarded) -> None:
        request, exchanges, action = self._request, self._exchanges, decision.action
        pool, settings = action.pool, action.settings
        if pool is None or settings is None or not isinstance(request, RequestHead):
            raise AssertionError("an action without a redirect has a pool")
        self._forwarded = decision
        servers = exchanges.backends.pool(pool, settings)
        if servers.affinity is not None:
            self._affinity = servers.affinity
        attempts = self._attempts = Attempts(
            request,
            servers.order(decision.client, request.headers),
            self._head_for,
            timeout=settings.request_timeout,
            max_header_bytes=exchanges.gateway.max_header_bytes,
            max_header_lines=exchanges.gateway.max_header_lines,
            stays=servers.affinity is not None,
            user=self,
        )
        attempts.start()

    def _head_for(self, server: Server) -> bytes:
        """The head that a server gets."""
        request, forwarded = self._request, self._forwarded
        if not isinstance(request, RequestHead) or forwarded is None or forwarded.action.settings is None:
            raise AssertionError("only what is forwarded has a head for a server")
        session = self._session
        host = self._host = host_for(forwarded.action.settings, request, server.host)
        identity, address = session.identity(forwarded.action, forwarded.client), session.address
        rewritten = forwarded.request
        if rewritten is None:
            return request_bytes(request, host, identity, address, self._trace_id)
        self._host = rewritten.host or host
        return rewritten_request_bytes(request, rewritten, host, identity, address, self._trace_id)

    def _dial_again(self, server: Server) -> None:
        self._attempts.repeat(server)

    def _take_connection(self, connection: BackendConnection) -> None:
        self._connection = connection

    def _send_body(self, data: bytes) -> None:
        self._body_size += len(data)
        if not self._attempts.body(data):
            self._writer.pause_body()

    def _send_end(self, _: None) -> None:
        self._attempts.body_complete()

    def _flush_request(self, _: None) -> None:
        self._attempts.flush()

    def _resume_body(self, _: None) -> None:
        self._writer.resume_body()

    def _try_again(self, lost: _Lost) -> None:
        self._upstream_port = self._connection.local_port
        server = self._attempts.again(timed_out=lost.timed_out)
        if server is not None:
            self._on(on.REPEATED, server)
        else:
            self._on(on.GIVEN_UP, self._answer_to(lost))

    # -- actions: the answer

    def _send_interim(self, head: ResponseHead) -> None:
        self._writer.informational(head.status, head.reason, head.headers)

    def _read_head(self, head: ResponseHead) -> None:
        if self._affinity is not None:
            head = self._bound(head, self._affinity)
        if head.status == 101:
            self._read_switch(head)
            return
        self._server_status = head.status
        rewritten = self._rewritten(head)
        if isinstance(rewritten, Bad):
            self._on(on.BAD_HEAD, OwnAnswer(rewritten.status, rewritten.error_info))
        elif rewritten.framing is Framing.CHUNKED and not is_event_stream(rewritten):
            self._on(on.CHUNKED_HEAD, rewritten)
        else:
            self._on(on.ANSWER_HEAD, rewritten)

    def _read_switch(self, head: ResponseHead) -> None:
        """The backend speaks another protocol from now on, if the client asked for it (RFC 9110 section 7.8)."""
        if isinstance(self._request, RequestHead) and asks_for(self._request, head.upgrade):
            self._on(on.SWITCHED, head)
        else:
            self._on(on.BAD_HEAD, OwnAnswer(502, ErrorInfo.UPSTREAM_CLOSED_CONNECTION))

    def _rewritten(self, head: ResponseHead) -> ResponseHead | Bad:
        """The response's head as the rules make it that have seen the request."""
        request, forwarded = self._request, self._forwarded
        if forwarded is None or forwarded.request is None or not isinstance(request, RequestHead):
            return head
        received, sent = request.size + self._body_size, self._writer.bytes_sent
        context = Context(request, forwarded.client, received_bytes=received, sent_bytes=sent)
        return rewrite_response(forwarded.request, head, context)

    def _bound(self, head: ResponseHead, affinity: Affinity[Server]) -> ResponseHead:
        """The response as it goes on: with the cookies that lead its client back to the server, if it lacks them."""
        site, server = self._site, self._attempts.server
        if site is None or server is None or not isinstance(self._request, RequestHead):
            return head
        secure = site.listener.protocol is Protocol.HTTPS
        lines = affinity.lines(server, self._request.headers, secure=secure)
        return attrs.evolve(head, headers=(*head.headers, *lines)) if lines else head

    def _send_head(self, head: ResponseHead) -> None:
        self._writer.head(head)
        self._head_sent(head)

    def _head_sent(self, head: ResponseHead) -> None:
        self._head = head
        self._answered = self._exchanges.clock.seconds()

    def _hold_head(self, head: ResponseHead) -> None:
        self._held_head = head

    def _await_chunk(self, _: None) -> None:
        if self._head_timer is None:
            self._head_timer = self._exchanges.clock.callLater(HEAD_TIMEOUT, self._no_chunk)

    def _no_chunk(self) -> None:
        self._head_timer = None
        self._on(on.NO_CHUNK)

    def _send_held_head(self, _: object) -> None:
        self._stop_waiting()
        self._send_head(self._held_head)

    def _stop_waiting(self) -> None:
        """Neither a chunk nor a verdict is awaited any more."""
        timer, judging = self._head_timer, self._judging
        if timer is not None:
            self._head_timer = None
            timer.cancel()
        if judging is not None:
            self._judging = None
            judging.cancel()

    def _send_response(self, data: bytes) -> None:
        self._writer.body(data)

    def _flush_response(self, _: None) -> None:
        writer = self._writer
        writer.flush()
        if writer.full:
            self._connection.pause()

    def _resume_response(self, _: None) -> None:
        self._connection.resume()

    def _switch(self, head: ResponseHead) -> None:
        self._server_status = head.status
        self._head_sent(head)
        self._writer.switch(head.upgrade, head.headers)
        if self._row.state is on.TUNNELLING:  # a client that sends no more is gone by now
            self._connection.tunnel()

    def _send_tunnelled(self, data: bytes) -> None:
        self._body_size += len(data)
        connection = self._connection
        connection.write(data)
        if connection.full:
            self._writer.pause_body()

    # -- actions: the end

    def _answer(self, answer: OwnAnswer) -> None:
        exchanges = self._exchanges
        self._error_info = answer.error_info
        page = exchanges.shown(answer.page or exchanges.standard(answer.status), self._listener)
        head = exchanges.page_head(page, answer.headers)
        self._writer.head(head, last=answer.last)
        self._head_sent(head)
        if self._request.method != b"HEAD":
            self._writer.body(page.body)
        self._end_answer()

    def _answer_to(self, lost: _Lost) -> OwnAnswer:
        status = 504 if lost.timed_out else 502
        self._complain(lost, f"the client gets {status}")
        return OwnAnswer(status, lost.error_info)

    def _answer_lost(self, lost: _Lost) -> None:
        self._upstream_port = self._connection.local_port
        self._attempts.finished()
        self._answer(self._answer_to(lost))

    def _answer_defect(self, _: None = None) -> None:
        answer = OwnAnswer(500, ErrorInfo.INTERNAL_ERROR, last=True)
        if self._head is None:
            self._answer(answer)
        else:
            self._cut(answer)

    def _complete(self, _: None) -> None:
        self._upstream_port = self._connection.local_port
        self._attempts.finished()
        self._end_answer()

    def _end_answer(self) -> None:
        self._writer.end()
        try:
            self._record(None)
        finally:
            self._writer.release()

    def _cut(self, why: OwnAnswer | _Lost) -> None:
        self._error_info = why.error_info
        try:
            self._record(None)
        finally:
            self._writer.abort()

    def _cut_lost(self, lost: _Lost) -> None:
        self._upstream_port = self._connection.local_port
        self._attempts.finished()
        self._complain(lost, "the answer is cut")
        self._cut(lost)

    def _leave(self, _: None) -> None:
        is_tunnel = self._head is not None and self._head.status == 101
        if not is_tunnel:
            self._error_info = ErrorInfo.CLIENT_CLOSED_REQUEST
        self._record(None if is_tunnel else 499)

    def _complain(self, lost: _Lost, outcome: str) -> None:
        """Logs what is wrong with a server: a few times a minute each, whatever its clients do."""
        server = self._attempts.server
        if server is None:
            return
        name = server.name.decode()
        left_out = self._exchanges.complaints.admit(name)
        if left_out is not None:
            message = "{server}: {reason}; {outcome}" + (" ({left_out} complaints left out before)" if left_out else "")
            reason = printable(lost.reason)
            self.log.warn(message, server=name, reason=reason, outcome=outcome, left_out=left_out)

    def _record(self, status: int | None) -> None:
        """Releases all that the exchange holds, and has its line written to the access log."""
        if self._recorded:
            return
        self._recorded = True
        exchanges, attempts = self._exchanges, self._attempts
        server, self._attempts = attempts.server, NO_ATTEMPTS
        try:
            attempts.cancel()
            self._stop_waiting()
        finally:
            exchanges.running.discard(self)
            if exchanges.access_log.enabled:
                log, now, sent = exchanges.access_log, exchanges.clock.seconds(), self._writer.bytes_sent
                log.write_later(partial(self._line, status, server, now, log.timestamp(), sent))

    @property
    def _listener(self) -> str:
        """The name of the listener whose request this is."""
        return self._session.listener if self._site is None else self._site.listener.name

    def _line(self, status: int | None, server: Server | None, now: float, timestamp: bytes, sent_bytes: int) -> bytes:
        """The line of the access log. It is made later: what might be another by then is given, all else is over."""
        request, exchanges, head = self._request, self._exchanges, self._head
        rewritten = None if self._forwarded is None else self._forwarded.request
        record = AccessRecord(
            timestamp=timestamp,
            frame=exchanges.frame(self._listener, self._action),
            client=client_members(self._seen, names_refused=exchanges.gateway.log_refused_certificates),
            method=request.method,
            target=request.target,
            rewritten_target=request.target if rewritten is None else rewritten.target,
            version=request.version,
            original_host=request.authority,
            host=self._host or request.authority,
            user_agent=request.user_agent,
            status=status or (0 if head is None else head.status),
            content_type=b"" if head is None else value_of(head.headers, b"content-type"),
            received_bytes=request.size + self._body_size,
            sent_bytes=sent_bytes,
            client_response_time=now - self._answered,
            time_taken=now - self._began,
            transaction_id=self._trace_id,
            server_routed=b"" if server is None else server.name,
            server_status=self._server_status,
            server_response_latency=None if self._server_status is None else self._answered - self._began,
            upstream_source_port=self._upstream_port,
            error_info=self._error_info,
        )
        return render(record, exchanges.gateway.log_query)


@attrs.frozen
class _Lost:
    """How a response was lost."""

    reason: str
    timed_out: bool

    @property
    def error_info(self) -> ErrorInfo:
        """The access log's code."""
        return ErrorInfo.UPSTREAM_TIMED_OUT if self.timed_out else ErrorInfo.UPSTREAM_CLOSED_CONNECTION


_Perform: TypeAlias = Callable[[HttpExchange, Any], None]
_Row: TypeAlias = StateRow[_Perform]

_PERFORM: Final[Mapping[Effect, _Perform]] = {
    action: getattr(HttpExchange, f"_{action.name.lower()}") for action in on.ACTIONS
}
_ROWS: Final[Mapping[State, _Row]] = rows(_PERFORM)
HttpExchange._row = _ROWS[on.DECIDING]
