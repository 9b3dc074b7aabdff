"""What is known of one exchange, what it counts, and the line of the access log that it becomes.

Filled by `exchange.deciding` and `exchange.actions` while the exchange lasts; after `write` nothing changes it.
"""

from __future__ import annotations

from typing import Final

from agwtwisted.backends.upstream import Server
from agwtwisted.core.http.header_lines import value_of
from agwtwisted.core.http.messages import RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import Client
from agwtwisted.core.operations.records import ClientMembers, RecordFrame, client_members, render
from agwtwisted.core.plan.actions import Action
from agwtwisted.core.plan.routing import Site
from agwtwisted.exchange.context import ActionRoute, ExchangeContext
from agwtwisted.operations.counters import BackendCounters

_NO_ERROR: Final = ErrorInfo.NO_ERROR  # before Python 3.12 each look at a member of an Enum costs a call


class ExchangeRecord:
    """The record of one exchange for the access log and the metrics: an `AccessRecord` and a `CountedExchange`.

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
    route: ActionRoute | None = None  # of the action, where that forwards
    pool = ""  # of a load distribution policy, that of the server that was asked last
    server_status: int | None = None  # of the backend's answer, whatever the client got
    upstream_port: int | None = None
    body_size = 0  # of the request, in bytes
    error_info = _NO_ERROR

    # What is known at the end, as `AccessRecord` says.
    timestamp: bytes
    status: int
    sent_bytes: int
    received_bytes: int
    time_taken: float
    client_response_time: float
    server_response_latency: float | None = None
    frame: RecordFrame
    members: ClientMembers
    content_type = b""

    def __init__(
        self, context: ExchangeContext, request: RequestHead | UnfitRequest, client: Client, listener: str
    ) -> None:
        self.client = client
        self.listener = listener
        self.trace_id = context.trace_ids.pop() if context.trace_ids else context.trace_id()
        self.request = request
        self._context = context
        self._began = self._answered = context.clock.seconds()

    def answer_begun(self, head: ResponseHead) -> None:
        """The head of the answer goes to the client."""
        self.head = head
        self._answered = self._context.clock.seconds()

    def asked(self, server: Server) -> None:
        """This server was asked last."""
        self.server_name = server.name
        if self.route is not None and self.route.pools:
            self.pool = self.route.pools.get(server, "")

    def backend(self, server: Server) -> BackendCounters:
        """What counts the servers of the pool that a server is asked for."""
        pool = "" if self.route is None else self.route.pools.get(server, "")
        return self._context.route(self.listener, self.action, pool).counters.backend

    def write(self, status: int | None, bytes_sent: int) -> None:
        """The exchange is over: it is counted, and has its line, soon; `status` is one that the client did not get."""
        context, head, now = self._context, self.head, self._context.clock.seconds()
        log = context.access_log
        self.status = status or (0 if head is None else head.status)
        self.sent_bytes = bytes_sent
        self.time_taken, self.client_response_time = now - self._began, now - self._answered
        self.timestamp = log.timestamp()
        log.write_later(self.line)

    def line(self) -> bytes:
        """Counts it, and makes the line, if there is to be one: later, so that what might be another by then is known.

        Both with those of others: the counters of all, touched between other work for each, cost thrice as much.
        """
        context, request, head = self._context, self.request, self.head
        route = self.route
        if route is None or self.pool:
            route = context.route(self.listener, self.action, self.pool)
        self.received_bytes = request.size + self.body_size
        if self.server_status is not None:
            self.server_response_latency = self._answered - self._began
        route.counters.count(self)
        if not context.access_log.enabled:
            return b""
        gateway = context.gateway
        self.frame = route.frame
        self.members = client_members(self.client, names_refused=gateway.log_refused_certificates)
        self.host = self.host or request.authority
        if head is not None:
            self.content_type = value_of(head.headers, b"content-type")
        return render(self, gateway.log_query)
