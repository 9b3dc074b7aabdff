"""What all exchanges of one configuration share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from wsgiref.handlers import format_date_time

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from agwtwisted.backends.pools import Backends
from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.http import pages
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.messages import Framing, ResponseHead
from agwtwisted.core.http.pages import ErrorInfo, Page
from agwtwisted.core.operations.records import RecordFrame
from agwtwisted.core.plan.error_pages import NO_ERROR_PAGES, ErrorPages
from agwtwisted.core.plan.routing import Action
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.verification.verdicts import Missing, Refusing
from agwtwisted.operations.access_log import AccessLog


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
    ) -> None:
        self.gateway = gateway
        self.error_pages = error_pages
        self.backends = backends
        self.clock = clock
        self.wall = wall
        self.access_log = access_log
        self._complaints = LogRateLimiter(clock.seconds)
        self._random = random
        self._frames: dict[tuple[str, Action | None], RecordFrame] = {}

    def complain(self, server: str, lost: Lost, outcome: str) -> None:
        """Logs what is wrong with a server: a few times a minute each, whatever its clients do."""
        left_out = self._complaints.admit(server)
        if left_out is not None:
            message = "{server}: {reason}; {outcome}" + (" ({left_out} complaints left out before)" if left_out else "")
            reason = printable(lost.reason)
            self.log.warn(message, server=server, reason=reason, outcome=outcome, left_out=left_out)

    def trace_id(self) -> bytes:
        """32 hex digits: the product's form of a transaction id."""
        return b"%032x" % self._random.getrandbits(128)

    def standard(self, status: int) -> Page:
        """The plain page of a status."""
        return pages.standard(status, server=self.gateway.server_header)

    def plain_http(self) -> Page:
        """For HTTP on a port that wants TLS."""
        return pages.plain_http(server=self.gateway.server_header)

    def refusal(self, verdict: Refusing) -> Page:
        """What a client reads whose certificate is missing or not accepted."""
        server = self.gateway.server_header
        if isinstance(verdict, Missing):
            return pages.no_certificate(server=server)
        return pages.certificate_error(verdict.reason, server=server)

    def shown(self, page: Page, listener: str) -> Page:
        """The page, or the operator's own for its status."""
        own = self.error_pages.page(listener, page.status)
        return page if own is None else attrs.evolve(page, body=own)

    def page_head(self, page: Page, more: Sequence[Header] = ()) -> ResponseHead:
        """The head of one of our own pages, with these headers too."""
        server = self.gateway.server_header.encode()
        headers: list[Header] = [(b"Server", server)] if server else []
        headers.append((b"Date", format_date_time(self.wall()).encode()))
        headers += [(b"Content-Type", b"text/html"), *more]
        return ResponseHead(
            status=page.status,
            reason=page.phrase,
            headers=tuple(headers),
            framing=Framing.LENGTH,
            content_length=len(page.body),
        )

    def frame(self, listener: str, action: Action | None) -> RecordFrame:
        """The part of an access record that is the same for all requests with one action."""
        frame = self._frames.get((listener, action))
        if frame is None:
            names = {}
            if action is not None:
                names = {
                    "rule": action.rule,
                    "backend_pool": action.pool.name if action.pool else "",
                    "backend_setting": action.settings.name if action.settings else "",
                }
            frame = self._frames[listener, action] = RecordFrame.from_names(listener=listener, **names)
        return frame
