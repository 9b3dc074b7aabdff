"""Exchanges of clients that are turned away: each request is answered with a page, and none is routed.

For whatever hands out exchanges: `exchange.HttpExchanges` for a client that is turned away, and `connections` for one
that speaks HTTP where TLS is wanted.
"""

from __future__ import annotations

from functools import partial

from twisted.logger import Logger

from agwtwisted.core.http.messages import RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo, Page
from agwtwisted.core.operations.records import AccessRecord, client_members, render
from agwtwisted.exchange.context import ExchangeContext
from agwtwisted.interfaces import ResponseWriter, Session


class PlainHttpAnswers:
    """Exchanges for clients that speak HTTP on a port that wants TLS."""

    def __init__(self, exchanges: ExchangeContext) -> None:
        self._exchanges = exchanges

    def exchange(self, request: RequestHead | UnfitRequest, writer: ResponseWriter, session: Session) -> PageExchange:
        """One request's exchange, to be begun."""
        page = self._exchanges.plain_http()
        return PageExchange(self._exchanges, request, writer, session, page, ErrorInfo.HTTP_TO_HTTPS_PORT)


class PageExchange:
    """One request that is answered with one page, whatever it asks for: the connection's last, as interfaces.Exchange.

    Args:
        exchanges: what the page looks like, and the access log.
        request: which may be an unfit one.
        writer: the way back.
        session: whose client is turned away.
        page: the answer.
        error_info: the access log's word for it.
    """

    log = Logger()

    def __init__(
        self,
        exchanges: ExchangeContext,
        request: RequestHead | UnfitRequest,
        writer: ResponseWriter,
        session: Session,
        page: Page,
        error_info: ErrorInfo,
    ) -> None:
        self._exchanges = exchanges
        self._request = request
        self._writer = writer
        self._client = session.client
        self._listener = session.listener
        self._page = page
        self._error_info = error_info
        self._trace_id = exchanges.trace_id()
        self._began = self._answered = exchanges.clock.seconds()
        self._head: ResponseHead | None = None
        self._over = False

    def begin(self) -> None:
        """Sends the page; the exchange is over when this returns."""
        try:
            self._answer(self._page)
        except Exception:
            self.log.failure("Unexpected error while refusing a request")
            self.broken()

    def body(self, data: bytes) -> None:
        """Ignored: the request was answered."""

    def body_complete(self) -> None:
        """Ignored: the request was answered."""

    def flush(self) -> None:
        """Nothing is kept back."""

    def refuse(self, status: int, error_info: ErrorInfo) -> None:
        """Ignored: the request was answered."""

    def client_drained(self) -> None:
        """Nothing waits for the client."""

    def client_lost(self) -> None:
        """The client left while the page was sent."""
        self._error_info = ErrorInfo.CLIENT_CLOSED_REQUEST
        self._end(499)

    def broken(self) -> None:
        """An error of the gateway's own, which is in its log already: 500, or a cut where the answer has begun."""
        if self._over:
            return
        self._error_info = ErrorInfo.INTERNAL_ERROR
        try:
            if self._head is None:
                self._answer(self._exchanges.standard(500))
                return
        except Exception:
            self.log.failure("Unexpected error while answering a request with 500")
        try:
            self._end(500 if self._head is None else self._head.status)
        finally:
            self._writer.abort()

    def _answer(self, page: Page) -> None:
        exchanges, writer = self._exchanges, self._writer
        page = exchanges.shown(page, self._listener)
        head = exchanges.page_head(page)
        writer.head(head, last=True)
        self._head = head
        self._answered = exchanges.clock.seconds()
        if self._request.method != b"HEAD":
            writer.body(page.body)
        writer.end()
        try:
            self._end(page.status)
        finally:
            writer.release()

    def _end(self, status: int) -> None:
        if self._over:
            return
        self._over = True
        log = self._exchanges.access_log
        if log.enabled:
            now, sent = self._exchanges.clock.seconds(), self._writer.bytes_sent
            log.write_later(partial(self._line, status, now, log.timestamp(), sent))

    def _line(self, status: int, now: float, timestamp: bytes, sent_bytes: int) -> bytes:
        """The line of the access log."""
        request, exchanges, head = self._request, self._exchanges, self._head
        record = AccessRecord(
            timestamp=timestamp,
            frame=exchanges.frame(self._listener, None),
            client=client_members(self._client, names_refused=exchanges.gateway.log_refused_certificates),
            method=request.method,
            target=request.target,
            rewritten_target=request.target,
            version=request.version,
            original_host=request.authority,
            host=request.authority,
            user_agent=request.user_agent,
            status=status,
            content_type=b"" if head is None else b"text/html",
            received_bytes=request.size,
            sent_bytes=sent_bytes,
            client_response_time=now - self._answered,
            time_taken=now - self._began,
            transaction_id=self._trace_id,
            error_info=self._error_info,
        )
        return render(record, exchanges.gateway.log_query)
