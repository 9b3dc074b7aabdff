"""What is known of one exchange, what it counts, and the line of the access log that it becomes.

Filled by `exchange.deciding` and `exchange.actions` while the exchange lasts; after `write` nothing changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from agwtwisted.backends.upstream import Server
from agwtwisted.core.http.header_lines import value_of
from agwtwisted.core.http.messages import RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import Client
from agwtwisted.core.operations.records import AccessRecord, client_members, render
from agwtwisted.core.plan.actions import Action
from agwtwisted.core.plan.routing import Site
from agwtwisted.exchange.context import ExchangeContext, RecordedRoute
from agwtwisted.operations.counters import BackendCounters

_NO_ERROR: Final = ErrorInfo.NO_ERROR  # before Python 3.12 each look at a member of an Enum costs a call


class ExchangeRecord:
    """The record of one exchange for the access log and the metrics.

    Args:
        context: what all exchanges share; has the clock and the log.
        request: may be an unfit one.
        client: that asked; replaced by the client as the path of the request takes it.
        listener: the name of the one that the connection selected; replaced by that of the request's host.
    """

    # What many exchanges never change is the class's: an object with few attributes is soon made.
    site: Site | None = None  # that the request's host selected
    action: Action | None = None  # that its path selected
    forwarded_target: bytes | None = None  # where rules have changed it
    host = b""  # that the backend got
    head: ResponseHead | None = None  # that the client got
    server_name = b""  # of the backend server that was asked last
    pools: Mapping[Server, str] = MappingProxyType({})  # of a load distribution policy, by their servers
    pool = ""  # of these, that of the server that was asked last
    server_status: int | None = None  # of the backend's answer, whatever the client got
    upstream_port: int | None = None
    body_size = 0  # of the request, in bytes
    error_info = _NO_ERROR

    def __init__(
        self, context: ExchangeContext, request: RequestHead | UnfitRequest, client: Client, listener: str
    ) -> None:
        self.client = client
        self.listener = listener
        self.trace_id = context.trace_id()
        self._context = context
        self._request = request
        self._began = self._answered = context.clock.seconds()

    def answer_begun(self, head: ResponseHead) -> None:
        """The head of the answer goes to the client."""
        self.head = head
        self._answered = self._context.clock.seconds()

    def asked(self, server: Server) -> None:
        """This server was asked last."""
        self.server_name = server.name
        if self.pools:
            self.pool = self.pools.get(server, "")

    def backend(self, server: Server) -> BackendCounters:
        """What counts the servers of the pool that a server is asked for."""
        return self._context.route(self.listener, self.action, self.pools.get(server, "")).backend

    def write(self, status: int | None, bytes_sent: int) -> None:
        """The exchange is over: it is counted, and has its line, soon; `status` is one that the client did not get."""
        context, head = self._context, self.head
        log = context.access_log
        shown = status or (0 if head is None else head.status)
        log.write_later(partial(self._line, shown, bytes_sent, context.clock.seconds(), log.timestamp()))

    def _line(self, status: int, bytes_sent: int, now: float, timestamp: bytes) -> bytes:
        """Counts it, and makes the line, if there is to be one: later, so that what might be another by then is given.

        Both with those of others: the counters of all, touched between other work for each, cost thrice as much.
        """
        route = self._context.route(self.listener, self.action, self.pool)
        self._count(route, status, bytes_sent, now - self._began)
        if not self._context.access_log.enabled:
            return b""
        request, head, gateway = self._request, self.head, self._context.gateway
        latency = None if self.server_status is None else self._answered - self._began
        record = AccessRecord(
            timestamp=timestamp,
            frame=route.frame,
            client=client_members(self.client, names_refused=gateway.log_refused_certificates),
            method=request.method,
            target=request.target,
            rewritten_target=request.target if self.forwarded_target is None else self.forwarded_target,
            version=request.version,
            original_host=request.authority,
            host=self.host or request.authority,
            user_agent=request.user_agent,
            status=status,
            content_type=b"" if head is None else value_of(head.headers, b"content-type"),
            received_bytes=request.size + self.body_size,
            sent_bytes=bytes_sent,
            client_response_time=now - self._answered,
            time_taken=now - self._began,
            transaction_id=self.trace_id,
            server_routed=self.server_name,
            server_status=self.server_status,
            server_response_latency=latency,
            upstream_source_port=self.upstream_port,
            error_info=self.error_info,
        )
        return render(record, gateway.log_query)

    def _count(self, route: RecordedRoute, status: int, bytes_sent: int, seconds: float) -> None:
        """By the same values as the line, whether there is one or not."""
        bucket = route.requests.ended(status, self._request.size + self.body_size, bytes_sent, seconds)
        if self.error_info is not _NO_ERROR:
            route.listener.errors[self.error_info] += 1
        if self.server_status is not None:
            backend = route.backend
            backend.responded(self.server_name, self.server_status, self._answered - self._began)
            if self.error_info is _NO_ERROR and status != 101:
                last_bytes = backend.last_bytes
                last_bytes.counts[bucket] += 1
                last_bytes.total += seconds
