"""Sends an OCSP request to the responders of a route, in order, until one gives a usable response.

Each request has one connection and one deadline over all of it; a redirect is followed once. What a response proves is
decided by the caller, the OCSP source; when a request may be sent, by the throttle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from hashlib import sha256
from itertools import islice
from typing import TypeVar, cast

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError, TCPTimedOutError
from twisted.internet.error import TimeoutError as ConnectTimedOut
from twisted.internet.posixbase import PosixReactorBase
from twisted.web._newclient import ParseError, RequestGenerationFailed, RequestTransmissionFailed
from twisted.web.client import ResponseFailed

from agwtwisted.backends.reactor_resolver import ReactorResolver
from agwtwisted.core.http.destinations import Destination, Network, PortRange
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.operations.revocation_state import ResponderState
from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, Unreachable, Unusable
from agwtwisted.outbound.fetching import AddressRules
from agwtwisted.outbound.lateness import FairTimeout, Lateness
from agwtwisted.revocation.ocsp_http import BadResponseError, RedirectError, post
from agwtwisted.revocation.responder_connection import (
    AddressRefusedError,
    ResponderConnection,
    descriptor_shortage,
)
from agwtwisted.revocation.responder_throttle import NotSent, Outcome, ResponderThrottle

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class ResponderRoute:
    """Which responders to ask, in order, and within which limits.

    The operator's own destinations are asked at any address. The address rules are for those that certificates name,
    and for redirects.
    """

    destinations: tuple[Destination, ...]
    timeout: float  # seconds for all destinations together, without the time in the throttle's queue
    open_networks: tuple[Network, ...]
    open_ports: tuple[PortRange, ...]
    is_operators: bool = False


@attrs.frozen
class _Result:
    """The body of a response, or why there is none, and what that says about the responder."""

    value: bytes | Unreachable | CouldNotAsk
    outcome: Outcome


class OcspClient:
    """Asks responders.

    Args:
        reactor: resolves and connects.
        own_ports: those that the gateway listens on, so that it does not ask itself.
        lateness: the reactor's, which extends timeouts; None: it is never late.
    """

    def __init__(
        self, reactor: PosixReactorBase, *, own_ports: Container[int] = (), lateness: Lateness | None = None
    ) -> None:
        self._reactor = reactor
        self._lateness = lateness
        self._own_ports = own_ports
        self._throttle = ResponderThrottle(reactor)
        self._resolver = ReactorResolver(reactor)

    @property
    def waiting(self) -> int:
        """How many questions wait for their turn at a responder."""
        return self._throttle.waiting

    def responders(self, most: int, offset: float) -> list[ResponderState]:
        """Those that were asked last, at most so many; `offset` leads from the clock to seconds since 1970."""
        states = islice(self._throttle.states(), most)
        return [_dated(state, cast("tuple[str, int]", name), offset) for name, state in states]

    def ask(
        self,
        request: bytes,
        route: ResponderRoute,
        accept: Callable[[bytes], T | Unusable],
        trace: Callable[[str], None] | None = None,
    ) -> Deferred[T | NoAnswer]:
        """What `accept` makes of the first response that it does not find unusable; else why there is none.

        Each destination gets an equal share of the time that is left. Cancelling closes the connection.

        Args:
            request: an OCSPRequest in DER.
            route: which responders are asked, and within which limits.
            accept: judges a response.
            trace: called with a line about each responder that was asked; None: nothing is.
        """
        return Deferred.fromCoroutine(self._ask(request, route, accept, trace or _untraced))

    async def _ask(
        self,
        request: bytes,
        route: ResponderRoute,
        accept: Callable[[bytes], T | Unusable],
        trace: Callable[[str], None],
    ) -> T | NoAnswer:
        failures: list[NoAnswer] = []
        left = route.timeout
        for index, responder in enumerate(route.destinations):
            share = max(left / (len(route.destinations) - index), 0.0)

            async def send(responder: Destination = responder, share: float = share) -> _Result:
                nonlocal left
                began = self._reactor.seconds()
                try:
                    return await self._exchange(request, responder, route, share)
                finally:
                    left -= min(self._reactor.seconds() - began, share)

            response = await self._throttled(request, responder, send)
            answer = accept(response) if isinstance(response, bytes) else response
            if not isinstance(answer, Unusable | Unreachable | CouldNotAsk):
                trace(f"{responder.url}: answers")
                return answer
            trace(f"{responder.url}: {answer.reason}")
            failures.append(answer)
        return max(reversed(failures), key=_weight, default=Unreachable("the certificate names no responder"))

    async def _throttled(
        self, request: bytes, destination: Destination, send: Callable[[], Awaitable[_Result]]
    ) -> bytes | Unreachable | CouldNotAsk:
        """The response to a request, sent once the throttle gives a slot; its time begins there."""
        responder, key = (destination.host, destination.port), sha256(request).digest()
        sent = await self._throttle.send(responder, key, send, lambda result: result.outcome, _error_of)
        match sent:
            case NotSent.CIRCUIT_OPEN:
                return Unreachable("the responder did not answer a moment ago", was_asked=False)
            case NotSent.NO_SLOT:
                return CouldNotAsk("too many OCSP requests wait for the responder")
            case _Result():
                return sent.value

    async def _exchange(
        self, request: bytes, destination: Destination, route: ResponderRoute, seconds: float
    ) -> _Result:
        """One request and its response, which may come from where the responder redirects to."""
        timeout = FairTimeout(self._reactor, self._lateness, seconds)
        rules = AddressRules(networks=route.open_networks, ports=route.open_ports, own_ports=self._own_ports)
        first = await self._hop(request, destination, None if route.is_operators else rules, timeout)
        if isinstance(first, _Result):
            return first
        is_same = (first.host, first.port) == (destination.host, destination.port)
        second = await self._hop(request, first, None if route.is_operators and is_same else rules, timeout)
        if not isinstance(second, _Result):
            return _Result(Unreachable("the responder redirects more than once"), Outcome.ANSWERED)
        return attrs.evolve(second, outcome=Outcome.ANSWERED)  # the responder answered, by the redirect

    async def _hop(
        self, request: bytes, destination: Destination, rules: AddressRules | None, timeout: FairTimeout
    ) -> _Result | Destination:
        """One request over one connection: its response, or where it is to be had instead."""
        connection = ResponderConnection(self._reactor, destination, rules, self._resolver)
        try:
            posted = post(self._reactor, connection, destination, request, connection.abort)
            response = await timeout.wait_for(posted)
            if connection.abort_reason:  # without a length, Twisted's client takes what came for the whole body
                return _Result(Unreachable(connection.abort_reason), Outcome.ANSWERED)
            return _Result(response, Outcome.ANSWERED)
        except RedirectError as redirect:
            return redirect.destination
        except BadResponseError as error:
            return _Result(Unreachable(connection.abort_reason or str(error)), Outcome.ANSWERED)
        except AddressRefusedError as error:
            return _Result(Unreachable(str(error)), Outcome.INCONCLUSIVE)
        except TimeoutError:
            return _timed_out(connection, timeout)
        except MemoryError:
            return _Result(CouldNotAsk("out of memory"), Outcome.INCONCLUSIVE)
        except _FAILURES as error:
            return _failed(connection, error)
        finally:
            connection.abort()


def _dated(state: ResponderState, name: tuple[str, int], offset: float) -> ResponderState:
    host, port = name
    last = None if state.last_failure is None else state.last_failure + offset
    return attrs.evolve(state, address=f"{bracketed(host)}:{port}", last_failure=last)


def _error_of(result: _Result) -> str:
    """Why a result is no response, as far as it is about the responder."""
    return result.value.reason if isinstance(result.value, Unreachable) else ""


def _timed_out(connection: ResponderConnection, timeout: FairTimeout) -> _Result:
    if connection.is_queued:
        return _Result(CouldNotAsk("too many names are being looked up"), Outcome.INCONCLUSIVE)
    if timeout.is_exhausted:
        return _Result(CouldNotAsk("the gateway is too busy to read responses in time"), Outcome.INCONCLUSIVE)
    return _Result(Unreachable("no response in time"), Outcome.TIMED_OUT)


def _failed(connection: ResponderConnection, error: Exception) -> _Result:
    if shortage := connection.shortage or descriptor_shortage():
        return _Result(CouldNotAsk(shortage), Outcome.INCONCLUSIVE)
    return _Result(Unreachable(connection.abort_reason or _words(error)), _outcome_of(error))


_FAILURES = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    ParseError,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    SSL.Error,
    ValueError,
)
"""Everything that Twisted's endpoints and HTTP client fail with."""


def _outcome_of(error: Exception) -> Outcome:
    """What a failed connection says about a responder: that it refuses connections, or only that it did not answer."""
    cause = _cause(error)
    if isinstance(cause, DNSLookupError):
        return Outcome.REFUSED
    is_late = isinstance(cause, ConnectTimedOut | TCPTimedOutError)
    return Outcome.REFUSED if isinstance(cause, ConnectError) and not is_late else Outcome.TIMED_OUT


def _cause(error: BaseException) -> BaseException:
    """The first failure; Twisted wraps it in lists of failures."""
    reasons = getattr(error, "reasons", None)
    return _cause(reasons[0].value) if reasons else error


def _words(error: Exception) -> str:
    """What went wrong, on one line."""
    cause = _cause(error)
    if isinstance(cause, ParseError):
        return "the responder does not speak HTTP"
    return str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__


def _weight(failure: NoAnswer) -> int:
    """Which of several failures is reported: one of our own first, then one that is about this very request."""
    if isinstance(failure, CouldNotAsk):
        return 2
    return 0 if isinstance(failure, Unreachable) and not failure.was_asked else 1


def _untraced(_: str) -> None:
    """Nothing wants to know."""
