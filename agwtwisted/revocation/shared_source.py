"""A source of signed answers that gateways share: what one of them has been answered the others need not ask for.

Of a store nothing is believed that its reader does not prove for itself, by the rules of its own profile: the issuer's
signature, the certificate it is about, its time. One gateway asks about a certificate, by a lease; the others wait for
its answer a while, and then ask for themselves. Callers: what puts the gateway together; the answers of responders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Final, Protocol

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.imported import ImportedAnswer
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.ocsp import OcspRequest, OcspRules, ProvenResponse
from agwtwisted.core.revocation.profiles import rules_of
from agwtwisted.core.revocation.status import Good, NoAnswer, Unusable
from agwtwisted.core.verification.judging import valid_until
from agwtwisted.operations.counters import SharedStoreCounters
from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED, SharedKnowledge
from agwtwisted.revocation.sources import AnswerSource
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.deferreds import log_failure

REVOKED: Final = "revoked"
"""The topic: the key of a certificate that is revoked, whose answer is stored."""

MAX_WAIT: Final = 2.0
"""Seconds for which the answer of another gateway is waited for; half of the profile's timeout, if that is less."""

FIRST_LOOK, LAST_LOOK = 0.02, 0.25
"""Seconds until it is looked for again: doubled each time."""

KEY_BYTES: Final = 32
"""Of the key of a certificate, as `ocsp.key_of` makes it."""

REVOKED_TTL: Final = 400 * 86400.0
"""Seconds for which a revocation is stored at most; its certificate ends before, as a rule."""


class SharedSource:
    """As `sources.AnswerSource` says.

    Args:
        source: asks responders.
        shared: what other gateways have been answered.
        clock: monotonic.
        wall: by which answers are judged.
        counters: of where answers came from.
    """

    log = Logger()

    def __init__(
        self,
        source: AnswerSource,
        shared: SharedKnowledge,
        clock: IReactorTime,
        wall: WallClock,
        counters: SharedStoreCounters,
    ) -> None:
        self._source = source
        self._shared = shared
        self._clock = clock
        self._wall = wall
        self._counters = counters

    def learn(
        self,
        subject: Subject,
        profile: SslProfile,
        *,
        newer_than: float = -inf,
        trace: Callable[[str], None] | None = None,
    ) -> Deferred[ProvenResponse | NoAnswer]:
        """As `sources.AnswerSource` says; where each step is traced a responder is asked, and the answer shared."""
        request = None if self._shared is NOTHING_SHARED else OcspRequest.of(*subject)
        if request is None or isinstance(request, Unusable):
            return self._source.learn(subject, profile, trace=trace)
        if trace is not None or not self._shared.is_usable:  # a revocation is announced once it is
            return Deferred.fromCoroutine(self._ask(ocsp.key_of(*subject), subject, profile, trace))
        return Deferred.fromCoroutine(self._learn(request, subject, profile, newer_than))

    def shared_answers(self, key: bytes) -> Deferred[list[bytes]]:
        """What is stored about a certificate by its key, not proven: a revocation, and the last other answer."""
        name = key.hex()
        stored = gatherResults([self._shared.get(_revoked(name)), self._shared.get(_answer(name))], consumeErrors=True)
        return stored.addCallback(lambda values: [value for value in values if value])

    async def _learn(
        self, request: OcspRequest, subject: Subject, profile: SslProfile, newer_than: float
    ) -> ProvenResponse | NoAnswer:
        key = ocsp.key_of(*subject)
        until = self._clock.seconds() + min(MAX_WAIT, profile.ocsp_timeout / 2)
        pause, outcome = FIRST_LOOK, "hit"
        while self._shared.is_usable:
            found = await self._found(key, request, rules_of(profile), newer_than)
            if found is not None:
                self._counters.answers[outcome] += 1
                return found
            if self._clock.seconds() >= until:
                break
            if await self._shared.lease(key.hex(), _lease_of(profile)):
                return await self._ask_for_all(key, subject, profile)
            outcome = "waited"
            await deferLater(self._clock, pause)
            pause = min(2 * pause, LAST_LOOK)
        return await self._ask(key, subject, profile)

    async def _found(
        self, key: bytes, request: OcspRequest, rules: OcspRules, newer_than: float
    ) -> ProvenResponse | None:
        """What another gateway was answered, as far as it counts here and is news."""
        values = await self.shared_answers(key)
        proven = [each for value in values if (each := self._believed(value, request, rules)) is not None]
        newest = max(proven, key=lambda answer: (answer.this_update, answer.is_revoked), default=None)
        return newest if newest is not None and newest.this_update > newer_than else None

    def _believed(self, response: bytes, request: OcspRequest, rules: OcspRules) -> ProvenResponse | None:
        """What a stored response proves by the rules of its reader; it counts from when it was signed."""
        answer = ocsp.prove(response, request)
        if isinstance(answer, Unusable) or ocsp.signer_fault(answer, rules):
            return None
        status = ocsp.status_at(answer, rules, self._wall.seconds(), arrived=answer.this_update)
        return answer if answer.is_revoked or isinstance(status, Good) else None

    async def _ask_for_all(self, key: bytes, subject: Subject, profile: SslProfile) -> ProvenResponse | NoAnswer:
        """Asks a responder while the others wait."""
        over = self._clock.seconds() + _lease_of(profile)
        try:
            return await self._ask(key, subject, profile)
        finally:
            if self._clock.seconds() < over:  # else another may have the lease by now
                log_failure(self._shared.release(key.hex()), self.log, "releasing a lease")

    async def _ask(
        self, key: bytes, subject: Subject, profile: SslProfile, trace: Callable[[str], None] | None = None
    ) -> ProvenResponse | NoAnswer:
        """Asks a responder, and lets the others know."""
        self._counters.answers["asked"] += 1
        answer = await self._source.learn(subject, profile, trace=trace)
        if isinstance(answer, ProvenResponse):
            self._share(key, answer, subject, rules_of(profile))
        return answer

    def _share(self, key: bytes, answer: ProvenResponse, subject: Subject, rules: OcspRules) -> None:
        now = self._wall.seconds()
        if answer.is_revoked:
            ttl = min(max(valid_until(subject[:1]) - now, 0.0) + rules.clock_skew, REVOKED_TTL)
            self._shared.announce(_revoked(key.hex()), answer.response, ttl, topic=REVOKED, news=key)
        elif not answer.is_unknown:
            ttl = ocsp.end_of(answer, rules) - now
            log_failure(self._shared.put(_answer(key.hex()), answer.response, ttl), self.log, "sharing an answer")


def share_brought(shared: SharedKnowledge, imported: ImportedAnswer, rules: OcspRules, now: float) -> None:
    """Lets other gateways have an answer that an operator has brought to this one.

    Args:
        shared: the store.
        imported: what is proven.
        rules: by which it counts.
        now: in seconds since 1970.
    """
    answer, key, what = imported.answer, imported.key, "sharing an answer that was brought"
    if not isinstance(answer, ProvenResponse) or answer.is_unknown:
        return
    if answer.is_revoked:
        shared.announce(_revoked(key.hex()), answer.response, REVOKED_TTL, topic=REVOKED, news=key)
    else:
        stored = shared.put(_answer(key.hex()), answer.response, ocsp.end_of(answer, rules) - now)
        log_failure(stored, SharedSource.log, what)


class Hearer(Protocol):
    """Who has use for news of revocations: `heard_answers.HeardAnswers`."""

    def concerns(self, key: bytes) -> bool:
        """Whether it matters that this certificate is said to be revoked."""

    def take_shared(self, key: bytes, responses: Iterable[bytes]) -> None:
        """Takes up what is stored about it, as far as it proves something."""


def hear_revocations(shared: SharedKnowledge, source: SharedSource, hearer: Hearer) -> None:
    """Has what gateways publish as revoked looked up and passed on, where it matters."""

    def heard(key: bytes) -> Deferred[None] | None:
        if len(key) != KEY_BYTES or not hearer.concerns(key):
            return None
        return source.shared_answers(key).addCallback(lambda responses: hearer.take_shared(key, responses))

    shared.subscribe(REVOKED, heard)


def _answer(name: str) -> str:
    return f"ocsp:{name}"


def _revoked(name: str) -> str:
    return f"revoked:{name}"


def _lease_of(profile: SslProfile) -> float:
    """Seconds in which a responder has answered, or will not."""
    return profile.ocsp_timeout + 1.0
