"""One request and its response: what happens, in the order of `core.exchange.states`.

This module is the driver: each method of `HttpExchange` is an event, the table says what follows, `exchange.actions`
does it. Errors of the gateway's own end here, whatever action they were in.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.exchange import states as on
from agwtwisted.core.exchange.states import Event, StateRow, rows
from agwtwisted.core.http.messages import RequestHead, ResponseHead, UnfitRequest, WholeResponse
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import Client, TurnedAway
from agwtwisted.exchange.actions import PERFORM, ExchangeActions, Perform
from agwtwisted.exchange.context import ExchangeContext, Lost, OwnAnswer
from agwtwisted.exchange.deciding import plain_http, route, turn_away, unauthenticated
from agwtwisted.interfaces import BackendConnection, ResponseWriter, Session

_ROWS: Final = rows(PERFORM)
_DECIDING: Final = _ROWS[on.DECIDING]
_OVER: Final = _ROWS[on.OVER]


class HttpExchanges(ExchangeContext):
    """Makes the exchanges of one configuration."""

    def exchange(self, request: RequestHead | UnfitRequest, writer: ResponseWriter, session: Session) -> HttpExchange:
        """One request's exchange, to be begun; that of a client that is turned away knows no routes."""
        session.requests += 1
        session.host = request.authority
        client = session.client
        if isinstance(client, TurnedAway):
            return HttpExchange(self, request, writer, session, turn_away(unauthenticated(self, client, last=True)))
        return HttpExchange(self, request, writer, session, route(self, session, client))


@attrs.frozen
class PlainHttpExchanges:
    """Makes the exchanges of clients that speak HTTP on a port that wants TLS: all get one page."""

    context: ExchangeContext

    def exchange(self, request: RequestHead | UnfitRequest, writer: ResponseWriter, session: Session) -> HttpExchange:
        """One request's exchange, to be begun."""
        return HttpExchange(self.context, request, writer, session, turn_away(plain_http(self.context)))


class HttpExchange(ExchangeActions):
    """One exchange: the `Exchange` of a client protocol, and the `AttemptsUser` of its way to a backend."""

    log = Logger()

    _row: StateRow[Perform] = _DECIDING

    @property
    def is_over(self) -> bool:
        """Whether it was answered, cut or given up."""
        return self._row is _OVER

    def _on(self, event: Event, what: Any = None) -> None:
        """Handles an event, and those that answer the questions of its actions; nothing is raised."""
        try:
            while True:
                self._row, steps = self._row[event]
                answer = None
                for perform in steps:
                    answer = perform(self, what)
                if answer is None:
                    return
                event, what = answer
        except Exception:
            self._fail()

    def _fail(self) -> None:
        """A defect of the gateway: 500, or a cut where the answer has begun, and a line in the access log."""
        self.log.failure("Unexpected error while serving a request")
        if self.ended:
            return
        self._row = _OVER
        try:
            self.answer_defect(None)
        except Exception:
            self.log.failure("Unexpected error while answering a request with 500")
            self.abandon()

    # -- from the client protocol, as interfaces.Exchange says

    def begin(self, body: bytes | None) -> None:
        """Decides what becomes of the request; `body` is all of its body, None: that comes."""
        if body:
            self.record.body_size = len(body)
        self._body = body
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
        """A defect of the gateway, which is in its log already."""
        self._on(on.DEFECT)

    # -- from the backend, as interfaces.AttemptsUser says

    def connected(self, connection: BackendConnection) -> None:
        """A server gets the request."""
        self._on(on.CONNECTED, connection)

    def failed(self, status: int, error_info: ErrorInfo) -> None:
        """No server can be connected to."""
        self._on(on.NO_SERVER, OwnAnswer(status, error_info))

    def response_whole(self, response: WholeResponse) -> None:
        """The response came whole."""
        self._on(on.RESPONSE_WHOLE, response)

    def response_head(self, head: ResponseHead) -> None:
        """A head came: of an interim response, or of the response."""
        self._on(on.INTERIM if head.status < 200 and head.status != 101 else on.RESPONSE_HEAD, head)

    def response_body(self, data: bytes) -> None:
        """A piece of the body came."""
        self._on(on.RESPONSE_BODY, data)

    def response_flush(self) -> None:
        """Sends on what came with this read."""
        if self._row is not _OVER:  # each response ends with this, mostly behind its end
            self._on(on.RESPONSE_FLUSH)

    def response_end(self) -> None:
        """The response is whole."""
        self._on(on.RESPONSE_END)

    def response_lost(self, reason: str, *, timed_out: bool) -> None:
        """There will be no response, or no rest of it."""
        self._on(on.RESPONSE_LOST, Lost(reason, timed_out))

    def upstream_drained(self) -> None:
        """The backend takes bytes again."""
        self._on(on.BACKEND_DRAINED)

    # -- from what the actions wait for

    def judged(self, strict: Client) -> None:
        """The client as a Strict profile takes it."""
        self._on(on.CLIENT_JUDGED, strict)
        self._on(on.HELD_BODY)

    def not_judged(self, failure: Failure) -> None:
        """An error while the client was judged; a cancellation is the end of the exchange."""
        if failure.check(CancelledError) is None:
            self.log.failure("Unexpected error while judging a client", failure)
            self._on(on.DEFECT)

    def no_chunk(self) -> None:
        """A held head has waited long enough."""
        self._on(on.NO_CHUNK)
