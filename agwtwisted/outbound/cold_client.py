"""The HTTP client of the gateway's own questions: one for OCSP, CRLs and staples of a process.

Literal checked, literal connected to; every byte counted; one time for everything; connections kept for the next
request; one redirect.
"""

from __future__ import annotations

from typing import Final

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, TCPTimedOutError
from twisted.internet.error import TimeoutError as ConnectTimedOut
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.backends.connecting import UntrustedError
from agwtwisted.core.http.destinations import Destination
from agwtwisted.core.http.service_urls import ProxyAddress
from agwtwisted.outbound.addresses import AddressRefusedError, is_permitted, permit_unresolved
from agwtwisted.outbound.connector import Connector, Waits
from agwtwisted.outbound.exchange import OutboundConnection
from agwtwisted.outbound.fetching import AddressRules, Fetched, FetchProblem, NotFetched, OutboundRequest, Sink
from agwtwisted.outbound.incoming import IncomingResponse
from agwtwisted.outbound.kept_connections import KeptConnections
from agwtwisted.outbound.lateness import FairTimeout, Lateness
from agwtwisted.outbound.proxy_tunnel import ProxyError
from agwtwisted.outbound.redirects import is_redirect, redirected
from agwtwisted.outbound.requests import octets_of
from agwtwisted.outbound.shortages import descriptor_shortage

_PROXY_AUTHENTICATION_REQUIRED: Final = 407


@attrs.frozen(kw_only=True)
class _Bounds:
    """What one fetch may take."""

    timeout: FairTimeout
    most: int
    into: Sink | None


class ColdClient:
    """Sends requests, as `fetching.Fetcher` says.

    Args:
        reactor: resolves and connects.
        lateness: the reactor's, which extends timeouts; None: it is never late.
        proxy: through which all requests go; None: none.
    """

    def __init__(
        self, reactor: PosixReactorBase, *, lateness: Lateness | None = None, proxy: ProxyAddress | None = None
    ) -> None:
        self._reactor = reactor
        self._lateness = lateness
        self._proxy = proxy
        self._connector = Connector(reactor, proxy)
        self._kept = KeptConnections()

    @property
    def kept(self) -> int:
        """How many connections are idle."""
        return len(self._kept)

    def stop(self) -> None:
        """Closes idle connections."""
        self._kept.close()

    def fetch(
        self, request: OutboundRequest, rules: AddressRules, seconds: float, *, most: int, into: Sink | None = None
    ) -> Deferred[Fetched | NotFetched]:
        """As `fetching.Fetcher` says."""
        bounds = _Bounds(timeout=FairTimeout(self._reactor, self._lateness, seconds), most=most, into=into)
        return Deferred.fromCoroutine(self._fetch(request, rules, bounds))

    async def _fetch(self, request: OutboundRequest, rules: AddressRules, bounds: _Bounds) -> Fetched | NotFetched:
        """The response to a request, or to the one that the first is redirected to."""
        first = await self._hop(request, None if rules.chosen_by_operator else rules, bounds)
        if isinstance(first, NotFetched) or not is_redirect(first):
            return first
        asked = request.destination
        to = redirected(first, asked)
        if isinstance(to, str):
            return _bad(to)
        is_same = (to.scheme, to.host, to.port) == (asked.scheme, asked.host, asked.port)
        request = attrs.evolve(request, destination=to)
        second = await self._hop(request, None if rules.chosen_by_operator and is_same else rules, bounds)
        if isinstance(second, NotFetched):
            return attrs.evolve(second, was_answered=True)  # the server answered, by the redirect
        return _bad("the server redirects more than once") if is_redirect(second) else second

    async def _hop(self, request: OutboundRequest, rules: AddressRules | None, bounds: _Bounds) -> Fetched | NotFetched:
        """One request and its response."""
        waits, response, timeout = Waits(), IncomingResponse(bounds.most, bounds.into), bounds.timeout
        timeout.start(waits.give_up)
        try:
            return self._judged(await self._send(request, rules, waits, response))
        except CancelledError:
            if not timeout.is_over:
                raise
            return _timed_out(waits, timeout, was_answered=response.begun)
        except AddressRefusedError as error:
            return NotFetched(problem=FetchProblem.ADDRESS_REFUSED, reason=str(error))
        except MemoryError:
            return _shortage("out of memory")
        except OSError as error:
            return _shortage(f"the gateway cannot open a connection: {error.strerror}")
        except (ConnectError, ProxyError) as error:
            return _not_connected(waits, error)
        finally:
            timeout.stop()

    async def _send(
        self, request: OutboundRequest, rules: AddressRules | None, waits: Waits, response: IncomingResponse
    ) -> Fetched | NotFetched:
        """By a kept connection, if that still lives, else by a new one."""
        if self._proxy is not None:
            permit_unresolved(request.destination, rules)
        octets = octets_of(request, self._proxy if request.destination.scheme == "http" else None)
        place = self._place_of(request.destination)
        kept = self._take(place, request.destination, rules)
        if kept is not None:
            found = await waits.wait(kept.ask(octets, response))
            if response.begun or isinstance(found, Fetched) or found.problem is not FetchProblem.CLOSED:
                return found
            response.again()
        transport, address = await self._connector.connect(request.destination, rules, waits)
        return await waits.wait(OutboundConnection(transport, address, place, self._kept).ask(octets, response))

    def _judged(self, found: Fetched | NotFetched) -> Fetched | NotFetched:
        """A response, unless it is the proxy's own, which wants other credentials (RFC 9110 section 15.5.8)."""
        if self._proxy is None or isinstance(found, NotFetched) or found.status != _PROXY_AUTHENTICATION_REQUIRED:
            return found
        reason = f"outbound_proxy {self._proxy}: it answers with HTTP status {found.status}"
        return NotFetched(problem=FetchProblem.PROXY, reason=reason)

    def _place_of(self, asked: Destination) -> tuple[str, str, int]:
        """What connections may be taken for each other: those to one server, and to a proxy that reads requests."""
        if self._proxy is not None and asked.scheme == "http":
            return "proxy", self._proxy.host, self._proxy.port
        return asked.scheme, asked.host, asked.port

    def _take(
        self, place: tuple[str, str, int], asked: Destination, rules: AddressRules | None
    ) -> OutboundConnection | None:
        """An idle connection whose address these rules allow."""
        return self._kept.take(place, lambda kept: not kept.address or is_permitted(kept.address, asked, rules))


def _bad(reason: str) -> NotFetched:
    return NotFetched(problem=FetchProblem.BAD_RESPONSE, reason=reason, was_answered=True)


def _shortage(reason: str) -> NotFetched:
    return NotFetched(problem=FetchProblem.SHORTAGE, reason=reason)


def _timed_out(waits: Waits, timeout: FairTimeout, *, was_answered: bool) -> NotFetched:
    if waits.is_queued:
        return NotFetched(problem=FetchProblem.QUEUED, reason="too many names are being looked up")
    if timeout.is_exhausted:
        return _shortage("the gateway is too busy to read responses in time")
    return NotFetched(problem=FetchProblem.TIMED_OUT, reason="no response in time", was_answered=was_answered)


def _not_connected(waits: Waits, error: Exception) -> NotFetched:
    if shortage := waits.failed.shortage or descriptor_shortage():
        return _shortage(shortage)
    reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
    return NotFetched(problem=_problem_of(error), reason=reason)


def _problem_of(error: Exception) -> FetchProblem:
    """What a failed connection says about a server: that it refuses connections, or only that it did not answer."""
    if isinstance(error, ProxyError):
        return FetchProblem.PROXY
    if isinstance(error, UntrustedError):
        return FetchProblem.UNTRUSTED
    is_late = isinstance(error, ConnectTimedOut | TCPTimedOutError)
    return FetchProblem.TIMED_OUT if is_late else FetchProblem.REFUSED
