"""Sends an OCSP request to the responders of a route, in order, until one gives a usable response.

By GET where the request is short enough for caches (RFC 5019 section 5), else by POST (RFC 6960 appendix A). What a
response proves is decided by the caller, the OCSP source; when a request may be sent, by the throttle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from hashlib import sha256
from itertools import islice
from typing import Final, TypeVar, cast

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.base.expiring import Expiring
from agwtwisted.core.http.destinations import Destination, Network, PortRange
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.operations.revocation_state import ResponderState
from agwtwisted.core.revocation.ocsp import MAX_RESPONSE_BYTES
from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, Unreachable, Unusable
from agwtwisted.outbound.fetching import AddressRules, Fetched, Fetcher, FetchProblem, NotFetched, OutboundRequest
from agwtwisted.revocation import ocsp_requests
from agwtwisted.revocation.responder_throttle import NotSent, Outcome, ResponderThrottle

T = TypeVar("T")

POST_ALONE: Final = 3600.0
"""Seconds for which a responder that took a POST where it had not taken a GET is asked by POST alone."""

MAX_POST_ALONE: Final = 1024
"""Responders of which that is remembered."""

_NO_GET: Final = (400, 403, 404, 405, 414, 501)
"""What responders answer that take no GET."""


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
    by_get: bool = True  # where the request is short enough


@attrs.frozen
class _Result:
    """The body of a response, or why there is none, and what that says about the responder."""

    value: bytes | Unreachable | CouldNotAsk
    outcome: Outcome


class OcspClient:
    """Asks responders.

    Args:
        clock: time.
        fetcher: sends requests.
        own_ports: those that the gateway listens on, so that it does not ask itself.
    """

    def __init__(self, clock: IReactorTime, fetcher: Fetcher, *, own_ports: Container[int] = ()) -> None:
        self._clock = clock
        self._fetcher = fetcher
        self._own_ports = own_ports
        self._throttle = ResponderThrottle(clock)
        self._post_alone: Expiring[tuple[str, int], bool] = Expiring(MAX_POST_ALONE)

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

        Each destination gets an equal share of the time that is left. Cancelling ends the request.

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
                began = self._clock.seconds()
                try:
                    return await self._exchange(request, responder, route, share)
                finally:
                    left -= min(self._clock.seconds() - began, share)

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
        """One request and its response; where the responder takes no GET, a second one by POST."""
        began, name = self._clock.seconds(), (destination.host, destination.port)
        rules = AddressRules(
            networks=route.open_networks,
            ports=route.open_ports,
            own_ports=self._own_ports,
            chosen_by_operator=route.is_operators,
        )

        def fetch(asked: OutboundRequest, time: float) -> Deferred[Fetched | NotFetched]:
            return self._fetcher.fetch(asked, rules, time, most=MAX_RESPONSE_BYTES)

        asks_by_get = route.by_get and self._post_alone.get(name, began) is None
        by_get = ocsp_requests.by_get(destination, request) if asks_by_get else None
        if by_get is not None:
            found = await fetch(by_get, seconds)
            if isinstance(found, NotFetched) or found.status not in _NO_GET:
                return _result_of(found)
        now = self._clock.seconds()
        found = await fetch(ocsp_requests.by_post(destination, request), seconds - (now - began))
        if by_get is not None and isinstance(found, Fetched) and found.status == 200:
            self._post_alone.put(name, True, now + POST_ALONE)
        return _result_of(found)


def _untraced(_: str) -> None:
    """Nothing is to be said."""


def _dated(state: ResponderState, name: tuple[str, int], offset: float) -> ResponderState:
    host, port = name
    last = None if state.last_failure is None else state.last_failure + offset
    return attrs.evolve(state, address=f"{bracketed(host)}:{port}", last_failure=last)


def _error_of(result: _Result) -> str:
    """Why a result is no response, as far as it is about the responder."""
    return result.value.reason if isinstance(result.value, Unreachable) else ""


def _result_of(found: Fetched | NotFetched) -> _Result:
    """What came, and what it says about the responder."""
    if isinstance(found, NotFetched):
        return _Result(CouldNotAsk(found.reason) if found.is_ours else Unreachable(found.reason), _outcome_of(found))
    fault = ocsp_requests.fault_of(found.status, found.header(b"content-type"))
    return _Result(Unreachable(fault) if fault else found.body, Outcome.ANSWERED)


def _outcome_of(found: NotFetched) -> Outcome:
    """What it says about the responder that nothing was fetched."""
    if found.was_answered:
        return Outcome.ANSWERED
    if found.is_ours or found.problem is FetchProblem.ADDRESS_REFUSED:
        return Outcome.INCONCLUSIVE
    return Outcome.REFUSED if found.problem is FetchProblem.REFUSED else Outcome.TIMED_OUT


def _weight(failure: NoAnswer) -> int:
    """Which of several failures is reported: one of our own first, then one that is about this very request."""
    if isinstance(failure, CouldNotAsk):
        return 2
    return 0 if isinstance(failure, Unreachable) and not failure.was_asked else 1
