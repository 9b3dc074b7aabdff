"""OCSP as a source of revocation status: which responders are asked about a certificate, and what their answers prove.

Responders: the operator's own, else those that the certificate names. Caller: the revocation service.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.resources.resources import OcspRequestMethod, SslProfile
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.ocsp import OcspRequest, OcspRules, ProvenResponse
from agwtwisted.core.revocation.profiles import rules_of
from agwtwisted.core.revocation.responders import responders_of
from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, Unreachable, Unusable
from agwtwisted.operations.counters import RevocationCounters
from agwtwisted.revocation.ocsp_client import ResponderRoute

T = TypeVar("T")

_SHOWN: Final = 200
"""Characters of a responder's URL in a line of the log."""


class Asker(Protocol):
    """Sends requests to responders: `ocsp_client.OcspClient`."""

    def ask(
        self,
        request: bytes,
        route: ResponderRoute,
        accept: Callable[[bytes], T | Unusable],
        *,
        trace: Callable[[str], None] | None = None,
    ) -> Deferred[T | NoAnswer]:
        """What `accept` makes of the first usable response; may be cancelled.

        `trace` is called with a line about each responder that was asked; None: nothing is.
        """


class OcspSource:
    """Asks responders about certificates.

    Args:
        asker: sends the requests.
        wall: the time by which responses are judged, in seconds since 1970.
        ticks: that of a monotonic clock, for the rate of log lines.
        counters: of what becomes of questions; None: nothing is counted.
    """

    log = Logger()

    def __init__(
        self,
        asker: Asker,
        wall: Callable[[], float],
        ticks: Callable[[], float],
        counters: RevocationCounters | None = None,
    ) -> None:
        self._ticks = ticks
        self._counters = RevocationCounters() if counters is None else counters
        self._asker = asker
        self._wall = wall
        self._limiter = LogRateLimiter(ticks)

    def learn(
        self,
        subject: Subject,
        profile: SslProfile,
        *,
        newer_than: float = -inf,
        trace: Callable[[str], None] | None = None,
    ) -> Deferred[ProvenResponse | NoAnswer]:
        """As `sources.AnswerSource` says; a responder has nothing older than what it says now."""
        return Deferred.fromCoroutine(self._learn(subject, profile, trace))

    async def _learn(
        self, subject: Subject, profile: SslProfile, trace: Callable[[str], None] | None
    ) -> ProvenResponse | NoAnswer:
        request = OcspRequest.of(*subject)
        answer: ProvenResponse | NoAnswer = (
            request if isinstance(request, Unusable) else await self._counted(request, profile, trace)
        )
        if not isinstance(answer, ProvenResponse):
            self._complain(answer, subject, profile)
        return answer

    async def _counted(
        self, request: OcspRequest, profile: SslProfile, trace: Callable[[str], None] | None
    ) -> ProvenResponse | NoAnswer:
        """The answer, or why there is none; counted, and so is that nothing waits for it any more."""
        began, outcome = self._ticks(), "cancelled"
        try:
            answer = await self._ask(request, profile, trace)
            outcome = outcome_of(answer)
            return answer
        finally:
            self._counters.asked(outcome, self._ticks() - began)

    def _ask(
        self, request: OcspRequest, profile: SslProfile, trace: Callable[[str], None] | None
    ) -> Deferred[ProvenResponse | NoAnswer]:
        rules = rules_of(profile)

        def accept(response: bytes) -> ProvenResponse | Unusable:
            return _acceptable(response, request, rules, self._wall())

        return self._asker.ask(request.der, route_of(request, profile), accept, trace=trace)

    def _complain(self, failure: NoAnswer, subject: Subject, profile: SslProfile) -> None:
        """Logs why there is no answer, and about which certificate, a few times a minute for each reason."""
        omitted = self._limiter.admit(failure.reason)
        if omitted is not None:
            self.log.warn(
                "No OCSP response about the certificate {certificate}{responders}: {reason}{omitted}",
                certificate=ocsp.fingerprint(subject[0]),
                responders=_responders(subject, profile),
                reason=failure.reason,
                omitted=f" ({omitted} more like it since)" if omitted else "",
            )


def _acceptable(response: bytes, request: OcspRequest, rules: OcspRules, now: float) -> ProvenResponse | Unusable:
    """What a response proves, if the profile that asked believes it now."""
    answer = ocsp.prove(response, request)
    if isinstance(answer, Unusable):
        return answer
    if fault := ocsp.signer_fault(answer, rules):  # that of a revocation, too: other profiles ask for themselves
        return Unusable(fault)
    status = ocsp.status_at(answer, rules, now)
    return status if isinstance(status, Unusable) else answer


def outcome_of(answer: ProvenResponse | NoAnswer) -> str:
    """The word for what became of a question."""
    match answer:
        case ProvenResponse():
            return "revoked" if answer.is_revoked else "unknown" if answer.is_unknown else "good"
        case Unusable():
            return "unusable"
        case Unreachable():
            return "unreachable"
        case CouldNotAsk():
            return "could_not_ask"


def route_of(request: OcspRequest, profile: SslProfile) -> ResponderRoute:
    """Which responders to ask: the operator's, else the usable ones of the certificate, each once."""
    asked = (each.destination for each in responders_of(request, profile))
    return ResponderRoute(
        destinations=tuple(each for each in asked if each is not None),
        timeout=profile.ocsp_timeout,
        open_networks=profile.ocsp_allowed_networks,
        open_ports=profile.ocsp_allowed_ports,
        is_operators=bool(profile.ocsp_responder_url),
        by_get=profile.ocsp_request_method is OcspRequestMethod.AUTO,
    )


def _responders(subject: Subject, profile: SslProfile) -> str:
    """The URLs of the responders of a certificate, for a message: in parentheses; empty where there are none."""
    request = OcspRequest.of(*subject)
    destinations = () if isinstance(request, Unusable) else route_of(request, profile).destinations
    urls = [each.url[:_SHOWN] for each in destinations]
    return f" ({', '.join(urls)})" if urls else ""
