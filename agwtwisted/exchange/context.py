"""What all exchanges of one configuration share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Final
from wsgiref.handlers import format_date_time

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from agwtwisted.backends.pools import Backends
from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.exchange.response_parser import ResponseParser
from agwtwisted.core.http import pages
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.messages import Framing, ResponseHead
from agwtwisted.core.http.pages import ErrorInfo, Page
from agwtwisted.core.identity.clients import TurnedAway
from agwtwisted.core.operations.records import RecordFrame
from agwtwisted.core.plan.actions import Action
from agwtwisted.core.plan.error_pages import NO_ERROR_PAGES, ErrorPages
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.verification.verdicts import Missing, Refusing
from agwtwisted.operations.access_log import AccessLog
from agwtwisted.operations.counters import BackendCounters, RouteCounters
from agwtwisted.operations.metrics import Metrics
from agwtwisted.operations.refusals import Refusals


@attrs.frozen
class OwnAnswer:
    """An answer that the gateway gives by itself."""

    status: int
    error_info: ErrorInfo
    page: Page | None = None  # None: the plain one of the status
    last: bool = False  # the client's connection serves no further request
    headers: Sequence[Header] = ()


@attrs.frozen
class Lost:
    """How a response was lost."""

    reason: str
    timed_out: bool

    @property
    def error_info(self) -> ErrorInfo:
        """The access log's code."""
        return ErrorInfo.UPSTREAM_TIMED_OUT if self.timed_out else ErrorInfo.UPSTREAM_CLOSED_CONNECTION


@attrs.frozen(kw_only=True, eq=False)
class ActionRoute:
    """What all exchanges with one action have in common: their servers, and where they stand in log and metrics."""

    frame: RecordFrame
    counters: RouteCounters
    servers: Pool[Server] | None  # None: of an action that leads to none
    pools: Mapping[Server, str]  # of a load distribution policy: the pool that each of its servers counts for


NO_POOLS: Final[Mapping[Server, str]] = MappingProxyType({})

TRACE_IDS: Final = 64
"""Trace ids that are made at once: one by one, each costs four times as much."""


class ExchangeContext:
    """The means of a configuration's exchanges: backends, time, log, and the gateway's own pages.

    Args:
        gateway: limits, and what our own pages say.
        backends: where requests go.
        clock: what is waited by, and durations are measured with.
        wall: the time that pages name, in seconds since 1970.
        access_log: takes a line for each of them.
        random: for trace ids.
        error_pages: the operator's own.
        metrics: count them; None: in vain.
        refusals: notes clients that are refused; None: in vain.
    """

    log = Logger()

    def __init__(
        self,
        gateway: Gateway,
        backends: Backends,
        clock: IReactorTime,
        access_log: AccessLog,
        random: Random,
        error_pages: ErrorPages = NO_ERROR_PAGES,
        *,
        wall: Callable[[], float],
        metrics: Metrics | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self.metrics = Metrics() if metrics is None else metrics
        self._refusals = Refusals() if refusals is None else refusals
        self.gateway = gateway
        self.responses = ResponseParser(
            max_header_bytes=gateway.max_header_bytes, max_header_lines=gateway.max_header_lines
        )
        self.error_pages = error_pages
        self.backends = backends
        self.clock = clock
        self.wall = wall
        self.access_log = access_log
        self._complaints = LogRateLimiter(clock.seconds)
        self._random = random
        self.trace_ids: list[bytes] = []  # as `trace_id` gives them; looked at for every request
        self.routes: dict[Action, ActionRoute] = {}  # those of `route` that every request of an action has
        self._routes: dict[tuple[str, Action | None, str], ActionRoute] = {}

    def complain(self, server: str, lost: Lost, outcome: str) -> None:
        """Logs what is wrong with a server: a few times a minute each, whatever its clients do."""
        left_out = self._complaints.admit(server)
        if left_out is not None:
            message = "{server}: {reason}; {outcome}" + (" ({left_out} complaints left out before)" if left_out else "")
            reason = printable(lost.reason)
            self.log.warn(message, server=server, reason=reason, outcome=outcome, left_out=left_out)

    def trace_id(self) -> bytes:
        """32 hex digits: the product's form of a transaction id."""
        ids = self.trace_ids
        if not ids:
            digits = self._random.randbytes(16 * TRACE_IDS).hex().encode()
            ids += [digits[at : at + 32] for at in range(0, len(digits), 32)]
        return ids.pop()

    def standard(self, status: int) -> Page:
        """The plain page of a status."""
        return pages.standard(status, server=self.gateway.server_header)

    def plain_http(self) -> Page:
        """For HTTP on a port that wants TLS."""
        return pages.plain_http(server=self.gateway.server_header)

    def refused(self, stage: str, listener: str, client: TurnedAway) -> None:
        """A client of a listener is turned away: counts it, and notes who it is."""
        self.metrics.listeners[(listener,)].refused(stage, client.verdict)
        self._refusals.note(stage, listener, client, keeps=self.gateway.log_refused_certificates)

    def refusal(self, verdict: Refusing) -> Page:
        """What a client reads whose certificate is missing or not accepted."""
        server = self.gateway.server_header
        if isinstance(verdict, Missing):
            return pages.no_certificate(server=server)
        return pages.certificate_error(verdict.reason, server=server)

    def shown(self, page: Page, listener: str) -> Page:
        """The page, or the operator's own for its status; an answer without a body stays one."""
        own = self.error_pages.page(listener, page.status) if page.body else None
        return page if own is None else attrs.evolve(page, body=own)

    def page_head(self, page: Page, more: Sequence[Header] = ()) -> ResponseHead:
        """The head of one of our own pages, with these headers too."""
        server = self.gateway.server_header.encode()
        headers: list[Header] = [(b"Server", server)] if server else []
        headers.append((b"Date", format_date_time(self.wall()).encode()))
        if page.body:
            headers.append((b"Content-Type", b"text/html"))
        headers += more
        return ResponseHead(
            status=page.status,
            reason=page.phrase,
            headers=tuple(headers),
            framing=Framing.LENGTH,
            content_length=len(page.body),
        )

    def route(self, listener: str, action: Action | None, pool: str = "") -> ActionRoute:
        """What is the same for all requests to a listener with one action, and with a policy, to a server of `pool`."""
        route = self._routes.get((listener, action, pool))
        if route is None:
            route = self._routes[listener, action, pool] = self._route(listener, action, pool)
            if action is not None and not pool:
                self.routes[action] = route
        return route

    def _route(self, listener: str, action: Action | None, pool: str) -> ActionRoute:
        rule = "" if action is None else action.rule
        pool = pool if action is None or action.pool is None else action.pool.name
        settings = "" if action is None or action.settings is None else action.settings.name
        metrics = self.metrics
        servers, pools = self._servers(action)
        return ActionRoute(
            frame=RecordFrame.from_names(listener=listener, rule=rule, backend_pool=pool, backend_setting=settings),
            counters=RouteCounters(
                metrics.requests[listener, rule],
                metrics.listeners[(listener,)],
                metrics.backends[pool, settings] if pool else BackendCounters(),
            ),
            servers=servers,
            pools=pools,
        )

    def _servers(self, action: Action | None) -> tuple[Pool[Server] | None, Mapping[Server, str]]:
        """Those that an action leads to, and the pool that each of a policy's counts for."""
        if action is None or action.settings is None:
            return None, NO_POOLS
        if action.pool is not None:
            return self.backends.pool(action.pool, action.settings), NO_POOLS
        if action.policy is None:
            return None, NO_POOLS
        found = self.backends.policy(action.policy, action.settings)
        return found.pool, found.names
