"""Probes HTTP servers: a GET over a new connection, and a check of the response.

A probe resolves, connects and verifies as requests do, so that requests can reach a server that answers it. Caller: the
generation, which builds the gateway.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import TimeoutError as ConnectionTimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from agwtwisted.backends.health import Probing, Watch, connection_problem, watches
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.upstream import Server, UpstreamConnection
from agwtwisted.core.backends.health import LOOKED_AT, TIMED_OUT, ProbeFinding
from agwtwisted.core.exchange.response_parser import ResponseParser
from agwtwisted.core.http.messages import ResponseHead, WholeResponse
from agwtwisted.core.plan.probing import HttpProbe, http_probe
from agwtwisted.core.resources.backend_pools import BackendAddressPool
from agwtwisted.core.resources.resources import BackendHttpSettings

MAX_HEAD_BYTES: Final = 32768
"""Of the response to a probe; the product's limit for headers."""

_PARSER: Final = ResponseParser(max_header_bytes=MAX_HEAD_BYTES)


def http_watches(
    clock: IReactorTime, backends: Backends, routes: Iterable[tuple[BackendAddressPool, BackendHttpSettings]]
) -> list[Watch]:
    """A watch for every server that a route leads to, under the settings of the route."""
    servers = ((server, settings) for pool, settings in routes for server in backends.pool(pool, settings).servers)
    return watches(clock, servers, partial(_probing, clock, backends))


def _probing(clock: IReactorTime, backends: Backends, server: Server, settings: BackendHttpSettings) -> Probing:
    probe = http_probe(settings, server.host, server.port)
    at = backends.server_to_probe(server.host, probe.port, settings)
    return Probing(
        name=f"{server.name.decode()} ({settings.name})",
        ask=lambda: ask(at, probe, clock),
        interval=probe.interval,
        threshold=probe.unhealthy_threshold,
        probe=probe,
    )


def ask(server: Server, probe: HttpProbe, clock: IReactorTime) -> Deferred[str]:
    """Probes a server over a new connection; fires with its problem, empty when there is none.

    `server` is an object of its own, to which no request goes: probes share no connections with requests, and are not
    cut when the server goes down.
    """
    asking = Deferred.fromCoroutine(_ask(server, probe))
    return asking.addTimeout(probe.timeout, clock).addErrback(_unanswered, probe)


async def _ask(server: Server, probe: HttpProbe) -> str:
    connection = await server.connect_to_probe(probe.timeout, probe.server_name)
    answer = _Answer(connection)
    connection.start(answer, _PARSER, probe.request(), timeout=probe.timeout, to_head_request=False)
    await answer.whole
    return answer.problem or probe.match.problem(answer.status, answer.body)


def _unanswered(failure: Failure, probe: HttpProbe) -> str:
    if failure.check(TimeoutError, ConnectionTimeoutError):
        return ProbeFinding(f"no answer within {probe.timeout:g} s", TIMED_OUT)
    return connection_problem(failure)


class _Answer:
    """The response to one probe, as interfaces.UpstreamUser says; `whole` fires once enough of it has come."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self.whole: Deferred[None] = Deferred(lambda _: connection.cancel())
        self.problem = ""
        self.status = 0
        self.body = b""
        self._connection = connection

    def response_whole(self, response: WholeResponse) -> None:
        """Takes the status, and the body as far as it is looked at."""
        self.status, self.body = response.head.status, response.body
        self._connection.transport.close()
        self._done()

    def response_head(self, head: ResponseHead) -> None:
        """Takes the status; that of an interim response is replaced by the next."""
        self.status = head.status

    def response_body(self, data: bytes) -> None:
        """Takes a piece of the body, as far as it is looked at."""
        self.body += data
        if len(self.body) >= LOOKED_AT:
            self._connection.cancel()
            self._done()

    def response_end(self) -> None:
        """Closes the connection at the end of the response."""
        self._connection.transport.close()
        self._done()

    def response_flush(self) -> None:
        """Does nothing."""

    def response_lost(self, reason: str, *, timed_out: bool) -> None:
        """The rest of the response is lost."""
        self.problem = ProbeFinding(reason, f"{TIMED_OUT} {reason}" if timed_out else reason)
        self._done()

    def upstream_drained(self) -> None:
        """Does nothing: the request is sent."""

    def broken(self) -> None:
        """A defect of the gateway counts as a problem of the server, so that it is seen."""
        self.problem = "internal error of the gateway"
        self._done()

    def _done(self) -> None:
        if not self.whole.called:
            self.whole.callback(None)
