"""One request's whole life: who asks, where it goes, what comes back, what the log says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.affinity import Affinity
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.base.errors import printable
from agwtwisted.core.exchange.decisions import CertificateRequired, Forwarded, Redirected, Unwelcome, decide
from agwtwisted.core.exchange.forwarding import host_for, request_bytes, rewritten_request_bytes
from agwtwisted.core.http.header_lines import Header, value_of
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead, UnfitRequest, asks_for, is_event_stream
from agwtwisted.core.http.pages import ErrorInfo, Page
from agwtwisted.core.identity.peer import Peer
from agwtwisted.core.operations.records import AccessRecord, render
from agwtwisted.core.plan.routing import Action, Site
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.core.rules.rewriting import Bad, rewrite_response
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.verification.verdicts import admits
from agwtwisted.exchange.dispatch import KEPT_BODY, Dispatch
from agwtwisted.exchange.serving import Serving
from agwtwisted.interfaces import Reply, Session
from agwtwisted.transport.deferreds import log_failure

HEAD_PATIENCE: Final = 0.1
"""Seconds that the head of a chunked response waits for its first chunk, which mostly comes with it.

Where that turns out to be none the client gets a whole 502, instead of a head and a cut. Without it a stream of events
is not held up: its head says that it has begun.
"""


class HttpExchanges(Serving):
    """Makes the exchanges of one configuration."""

    def exchange(self, request: RequestHead | UnfitRequest, reply: Reply, session: Session) -> HttpExchange:
        """One request's exchange, to be begun."""
        return HttpExchange(self, request, reply, session)


class HttpExchange:
    """One exchange: the `Exchange` of a frontend and the `UpstreamUser` of a connection to a backend."""

    log = Logger()

    # What most exchanges never change, or only once, is the class's: an object with few attributes is soon made.
    _site: Site | None = None
    _servers: Pool[Server] | None = None
    _action: Action | None = None
    _asking: Deferred[Peer] | None = None
    _held: bytearray | None = None  # of the body, while it is not decided where it goes
    _body_whole = False
    _forwarded: Forwarded | None = None
    _host = b""  # that the backend was told
    _dispatch: Dispatch | None = None
    _unsent: ResponseHead | None = None  # that waits for its first chunk
    _patience: IDelayedCall | None = None
    _head: ResponseHead | None = None  # that the client got
    _server_status: int | None = None  # of the backend's answer, whatever the client got
    _upstream_port: int | None = None
    _error_info = ErrorInfo.NO_ERROR
    _body_size = 0
    _tunnel = False
    _over = False

    def __init__(self, exchanges: Serving, request: RequestHead | UnfitRequest, reply: Reply, session: Session) -> None:
        self._exchanges = exchanges
        self._request = request
        self._reply = reply
        self._session = session
        self._peer = session.peer  # the client as it was admitted, and as it is seen where the request goes
        self._trace_id = exchanges.trace_id()
        self._began = exchanges.clock.seconds()
        self._answered = self._began

    # -- who asks, and where it goes

    def begin(self) -> None:
        """Decides what becomes of the request."""
        self._exchanges.running.add(self)
        request, session = self._request, self._session
        if session.plain_text:
            self._send(self._exchanges.plain_http(), ErrorInfo.HTTP_TO_HTTPS_PORT, close=True)
        elif not admits(session.peer.verdict):
            self._refuse_peer()
        elif isinstance(request, UnfitRequest):
            self._answer(request.status, request.error_info)
        else:
            self._route(request)

    def _refuse_peer(self, *, close: bool = True) -> None:
        """The page that a Strict listener or path shows to a client it does not accept."""
        self._send(self._exchanges.refusal(self._peer.verdict), ErrorInfo.HTTPS_NO_CERT, close=close)

    def _route(self, request: RequestHead) -> None:
        session = self._session
        site = session.sites.select(request.host)
        if site is None:
            if request.host:
                self._answer(404, ErrorInfo.INVALID_HOST)
            else:
                self._answer(400, ErrorInfo.HTTP_NO_HOST_HEADER)
        elif site.profile is not session.profile:
            # The connection was judged by another profile than this host asks for (RFC 9110 section 15.5.20).
            self._answer(421, ErrorInfo.INVALID_HOST, close=True)
        elif site.listener.require_server_name_indication and not session.peer.server_name:
            self._answer(421, ErrorInfo.INVALID_HOST, close=True)
        else:
            self._site = site
            self._decide(request, site, None)

    def _decide(self, request: RequestHead, site: Site, required: Peer | None) -> None:
        decision = decide(site, request, self._session.client, required)
        if isinstance(decision, CertificateRequired):
            self._ask(request, site)
            return
        self._action = decision.action
        self._peer = decision.client.peer
        if isinstance(decision, Forwarded):
            self._forward(request, decision)
        elif isinstance(decision, Redirected):
            page = self._exchanges.standard(decision.status)
            self._send(page, ErrorInfo.NO_ERROR, headers=[(b"Location", decision.location)])
        elif isinstance(decision, Unwelcome):
            self._refuse_peer(close=False)
        else:
            self._answer(decision.status, decision.error_info)

    def _ask(self, request: RequestHead, site: Site) -> None:
        """Has the client judged as the path wants it; what comes of the body meanwhile waits."""
        asking = self._asking = self._session.required()
        asked = asking.addCallback(self._asked, request, site).addErrback(self._broken)
        log_failure(asked, self.log, "judging a client certificate for a path")

    def _asked(self, required: Peer, request: RequestHead, site: Site) -> None:
        if self._asking is None:  # the client left
            return
        self._asking = None
        self._decide(request, site, required)
        if self._dispatch is not None:
            self._release_body(self._dispatch)

    def _release_body(self, dispatch: Dispatch) -> None:
        """Sends on what has waited for the decision."""
        held, self._held = self._held, None
        may_send = dispatch.body(bytes(held)) if held else True
        if self._body_whole:
            dispatch.body_complete()
        dispatch.flush()
        if may_send:
            self._reply.resume_body()

    def _broken(self, failure: Failure) -> None:
        """A defect of ours: the client is not left waiting."""
        self.log.failure("Unexpected error while deciding about a request", failure)
        self.broken()

    def _forward(self, request: RequestHead, decision: Forwarded) -> None:
        self._forwarded = decision
        exchanges, session, action = self._exchanges, self._session, decision.action
        pool, settings = action.pool, action.settings
        if pool is None or settings is None:
            raise AssertionError("an action without a redirect has a pool")

        def head_for(server: Server) -> bytes:
            host = self._host = host_for(settings, request, server.host)
            identity, address = session.identity(action, self._peer), session.address
            rewritten = decision.request
            if rewritten is None:
                return request_bytes(request, host, identity, address, self._trace_id)
            self._host = rewritten.host or host
            return rewritten_request_bytes(request, rewritten, host, identity, address, self._trace_id)

        servers = self._servers = exchanges.backends.pool(pool, settings)
        self._dispatch = Dispatch(
            request,
            servers.order(request.headers),
            head_for,
            timeout=settings.request_timeout,
            max_header_bytes=exchanges.gateway.max_header_bytes,
            max_header_lines=exchanges.gateway.max_header_lines,
            stays=servers.affinity is not None,
            user=self,
            failed=self._answer,
        )
        self._dispatch.start()

    # -- from the frontend

    def body(self, data: bytes) -> None:
        """A piece of the request's body, or of what a tunnel carries."""
        dispatch = self._dispatch
        if dispatch is None:
            self._hold(data)
            return
        self._body_size += len(data)
        if self._tunnel:
            connection = dispatch.connection
            if connection is not None:
                connection.write(data)
                if connection.full:
                    self._reply.pause_body()
        elif not dispatch.body(data):
            self._reply.pause_body()

    def _hold(self, data: bytes) -> None:
        """Keeps what comes while the client is judged; reading stops late, or nobody would notice that it has left."""
        if self._asking is not None:
            self._body_size += len(data)
            if self._held is None:
                self._held = bytearray()
            self._held += data
            if self._body_size >= KEPT_BODY:
                self._reply.pause_body()

    def body_complete(self) -> None:
        """The request's body is whole."""
        self._body_whole = True
        if self._dispatch is not None:
            self._dispatch.body_complete()

    def flush(self) -> None:
        """Sends on what came with this read."""
        if self._dispatch is not None:
            self._dispatch.flush()

    def refuse(self, status: int, error_info: ErrorInfo) -> None:
        """What came after the head is unfit, or did not come: the request is taken back."""
        self._answer(status, error_info)

    def client_drained(self) -> None:
        """The client takes bytes again."""
        if self._dispatch is not None and self._dispatch.connection is not None:
            self._dispatch.connection.resume()

    def client_lost(self) -> None:
        """The client is gone: the backend need not go on."""
        if not self._tunnel:
            self._error_info = ErrorInfo.CLIENT_CLOSED_REQUEST
        self._end(None if self._tunnel else 499)

    def broken(self) -> None:
        """An error of the gateway's own, which is in its log already: 500, or a cut where the answer has begun."""
        if self._over:
            return
        try:
            self._answer(500, ErrorInfo.INTERNAL_ERROR, close=True)
        except Exception:
            self.log.failure("Unexpected error while answering a request with 500")
            self._error_info = ErrorInfo.INTERNAL_ERROR
            try:
                self._end(500 if self._head is None else None)
            finally:
                self._reply.abort()

    # -- from the backend

    def response_head(self, head: ResponseHead) -> None:
        """A head came: of an interim response, or of the response."""
        if head.status < 200 and head.status != 101:
            self._reply.informational(head.status, head.reason, head.headers)
            return
        if self._servers is not None and self._servers.affinity is not None:
            head = self._bind(head, self._servers.affinity)
        if head.status == 101:
            self._switch(head)
        else:
            self._server_status = head.status
            rewritten = self._rewritten(head)
            if isinstance(rewritten, Bad):
                self._answer(rewritten.status, rewritten.error_info)
            elif rewritten.framing is Framing.CHUNKED:
                self._unsent = rewritten
            else:
                self._send_head(rewritten)

    def _send_head(self, head: ResponseHead) -> None:
        self._unsent = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._reply.head(head)
        self._start_answer(head)

    def _await_chunk(self, head: ResponseHead) -> None:
        """Gives the first chunk a little time to follow its head."""
        if is_event_stream(head):
            self._send_head(head)
            self._reply.flush()
        elif self._patience is None:
            self._patience = self._exchanges.clock.callLater(HEAD_PATIENCE, self._no_chunk_yet)

    def _no_chunk_yet(self) -> None:
        self._patience = None
        try:
            if self._unsent is not None:
                self._send_head(self._unsent)
                self._reply.flush()
        except Exception:
            self.log.failure("Unexpected error while sending the head of an answer")
            self.broken()

    def _rewritten(self, head: ResponseHead) -> ResponseHead | Bad:
        """The response's head as the rules make it that have seen the request."""
        request, forwarded = self._request, self._forwarded
        if forwarded is None or forwarded.request is None or not isinstance(request, RequestHead):
            return head
        received, sent = request.size + self._body_size, self._reply.bytes_sent
        context = Context(request, forwarded.client, received_bytes=received, sent_bytes=sent)
        return rewrite_response(forwarded.request, head, context)

    def _bind(self, head: ResponseHead, affinity: Affinity[Server]) -> ResponseHead:
        """The response as it goes on: with the cookies that lead its client back to the server, if it lacks them."""
        request, site, dispatch = self._request, self._site, self._dispatch
        if not isinstance(request, RequestHead) or site is None or dispatch is None or dispatch.server is None:
            return head
        secure = site.listener.protocol is Protocol.HTTPS
        lines = affinity.lines(dispatch.server, request.headers, secure=secure)
        return attrs.evolve(head, headers=(*head.headers, *lines)) if lines else head

    def response_body(self, data: bytes) -> None:
        """A piece of the body came."""
        if self._unsent is not None:
            self._send_head(self._unsent)
        self._reply.body(data)

    def response_flush(self) -> None:
        """Sends on what came with this read."""
        reply, dispatch = self._reply, self._dispatch
        if self._unsent is not None:
            self._await_chunk(self._unsent)
        elif dispatch is not None:
            reply.flush()
            if reply.full and dispatch.connection is not None:
                dispatch.connection.pause()

    def response_end(self) -> None:
        """The response is whole."""
        if self._unsent is not None:
            self._send_head(self._unsent)
        self._note_connection()
        if self._dispatch is not None:
            self._dispatch.connection = None
        self._complete()

    def response_lost(self, reason: str, *, timed_out: bool) -> None:
        """There will be no response, or no rest of it."""
        self._note_connection()
        error_info = ErrorInfo.UPSTREAM_TIMED_OUT if timed_out else ErrorInfo.UPSTREAM_CLOSED_CONNECTION
        if self._head is not None:
            self._complain(reason, "the answer is cut")
            self._error_info = error_info
            self._cut()
        elif self._dispatch is not None and not self._dispatch.lost(timed_out=timed_out):
            status = 504 if timed_out else 502
            self._complain(reason, f"the client gets {status}")
            self._answer(status, error_info)

    def _complain(self, reason: str, outcome: str) -> None:
        """Tells the operator what is wrong with a server: a few times a minute each, whatever its clients do."""
        server = self._dispatch.server if self._dispatch is not None else None
        if server is None:
            return
        name = server.name.decode()
        left_out = self._exchanges.complaints.admit(name)
        if left_out is not None:
            message = "{server}: {reason}; {outcome}" + (" ({left_out} complaints left out before)" if left_out else "")
            self.log.warn(message, server=name, reason=printable(reason), outcome=outcome, left_out=left_out)

    def upstream_drained(self) -> None:
        """The backend takes bytes again."""
        self._reply.resume_body()

    def _switch(self, head: ResponseHead) -> None:
        """The backend speaks another protocol from now on, if the client asked for one (RFC 9110 section 7.8)."""
        dispatch = self._dispatch
        request = self._request
        if dispatch is None or dispatch.connection is None:
            return
        if not isinstance(request, RequestHead) or not asks_for(request, head.upgrade):
            self._answer(502, ErrorInfo.UPSTREAM_CLOSED_CONNECTION)
            return
        self._server_status, self._tunnel = head.status, True
        self._start_answer(head)
        self._reply.switch([*head.headers, (b"Connection", b"upgrade"), (b"Upgrade", head.upgrade)])
        if dispatch.connection is not None:
            dispatch.connection.tunnel()

    # -- the answer

    def _answer(self, status: int, error_info: ErrorInfo, *, close: bool = False) -> None:
        """One of our own pages; when an answer is under way already, it is cut."""
        if self._head is not None:
            self._error_info = error_info
            self._cut()
        else:
            self._send(self._exchanges.standard(status), error_info, close=close)

    def _send(self, page: Page, error_info: ErrorInfo, *, close: bool = False, headers: Sequence[Header] = ()) -> None:
        self._error_info = error_info
        page = self._exchanges.shown(page, self._listener)
        head = self._exchanges.page_head(page, headers)
        self._reply.head(head, close=close)
        self._start_answer(head)
        if self._request.method != b"HEAD":
            self._reply.body(page.body)
        self._complete()

    def _start_answer(self, head: ResponseHead) -> None:
        self._head = head
        self._answered = self._exchanges.clock.seconds()

    def _complete(self) -> None:
        self._reply.end()
        try:
            self._end(None)
        finally:
            self._reply.release()

    def _cut(self) -> None:
        try:
            self._end(None)
        finally:
            self._reply.abort()

    def _end(self, status: int | None) -> None:
        """Whatever came of it, the exchange is over: nothing is asked any more, and the log has its line."""
        if self._over:
            return
        self._over = True
        self._unsent = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        dispatch, self._dispatch = self._dispatch, None
        server = None if dispatch is None else dispatch.server
        asking, self._asking = self._asking, None
        try:
            if dispatch is not None:
                dispatch.cancel()
            if asking is not None:
                asking.cancel()
        finally:
            self._exchanges.running.discard(self)
            exchanges = self._exchanges
            if exchanges.access_log.enabled:
                log, now, sent = exchanges.access_log, exchanges.clock.seconds(), self._reply.bytes_sent
                log.write_later(partial(self._line, status, server, now, log.timestamp(), sent))

    @property
    def _listener(self) -> str:
        """The name of the listener whose request this is."""
        return self._session.listener if self._site is None else self._site.listener.name

    def _note_connection(self) -> None:
        if self._dispatch is not None and self._dispatch.connection is not None:
            self._upstream_port = self._dispatch.connection.local_port

    def _line(self, status: int | None, server: Server | None, now: float, timestamp: bytes, sent_bytes: int) -> bytes:
        """The line of the access log. It is made later: what might be another by then is given, all else is over."""
        request, exchanges, head = self._request, self._exchanges, self._head
        rewritten = None if self._forwarded is None else self._forwarded.request
        record = AccessRecord(
            timestamp=timestamp,
            frame=exchanges.frame(self._listener, self._action),
            client=self._session.frame_of(self._peer),
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
