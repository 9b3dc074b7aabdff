"""OCSP as a source of revocation status: answers from memory, or by one request for all who wait for it.

It joins the parts: the memory says what is known, a source is asked for what is not, renewals ask again ahead
of an answer's end, watchers are called when a certificate becomes known as revoked, and the store keeps answers across
restarts. Caller: the revocation service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from random import Random
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.operations.revocation_state import KnownAnswers, NextRenewal
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.imported import ImportedAnswer
from agwtwisted.core.revocation.memory import (
    MAX_ANSWERS,
    Forgotten,
    HeldAnswer,
    News,
    RevocationMemory,
    Subject,
)
from agwtwisted.core.revocation.ocsp import OcspRequest, ProvenResponse
from agwtwisted.core.revocation.profiles import ProfileKey, ProfilesInForce, profile_key, rules_of
from agwtwisted.core.revocation.status import Good, NoAnswer, RevocationStatus, Revoked, Unknown, Unusable
from agwtwisted.core.revocation.status_facts import StatusFacts
from agwtwisted.core.verification.judging import valid_until
from agwtwisted.interfaces import NO_SIBLINGS, Siblings
from agwtwisted.operations.counters import RevocationCounters
from agwtwisted.revocation.heard_answers import HeardAnswers
from agwtwisted.revocation.ocsp_facts import ocsp_facts
from agwtwisted.revocation.ocsp_import import taken
from agwtwisted.revocation.ocsp_store import OpenedStore, ResponseStore, StoredResponse
from agwtwisted.revocation.renewals import Renewals
from agwtwisted.revocation.sources import AnswerSource
from agwtwisted.revocation.unproven import ANSWER, UnprovenResponses, payload_of
from agwtwisted.revocation.watchers import RevocationWatchers
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.deferreds import SingleFlight, log_failure

REMEMBERED_KEYS: Final = 1024
"""Certificates whose keys are not computed anew, those seen last."""


class OcspAnswers:
    """The status of certificates as their OCSP responders have it; a `sources.StatusSource`.

    Args:
        clock: runs the timers; monotonic.
        wall: the time by which answers are judged.
        source: is asked for answers.
        store: keeps signed responses across restarts.
        random: spreads renewals, so that certificates which came together are not renewed together.
        siblings: other workers, which are let know what this one has learnt, and are listened to.
        shares: whether other gateways let this one know of revocations, by `heard`.
        counters: count what is known and what is asked; None: in vain.
    """

    kind: Final = RevocationSource.OCSP
    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: WallClock,
        source: AnswerSource,
        store: ResponseStore,
        random: Random,
        *,
        max_answers: int = MAX_ANSWERS,
        siblings: Siblings = NO_SIBLINGS,
        shares: bool = False,
        counters: RevocationCounters | None = None,
    ) -> None:
        self.counters = RevocationCounters() if counters is None else counters
        self.seconds = wall.seconds
        self._is_running = False
        self._ticks = clock.seconds
        self._wall = wall
        self._source = source
        self._store = store
        self._max_answers = max_answers
        self._profiles = ProfilesInForce()
        self._renewals = Renewals(clock, wall, random, self._profiles, self._renew)
        self._watchers = RevocationWatchers(clock)
        self._memory = RevocationMemory(max_answers, self._renewals.cancel)
        self._unproven = UnprovenResponses(max_answers)  # of an earlier process, or of siblings
        self._siblings = siblings
        self._is_let_know = shares or siblings is not NO_SIBLINGS
        self.heard = HeardAnswers(
            self._memory, self._profiles, self._unproven, self._prove, lambda each: self._store.put(each), wall.seconds
        )
        """What other workers and gateways know."""
        self._flights: SingleFlight[tuple[bytes, ProfileKey], RevocationStatus] = SingleFlight(goes_on=True)
        self._unsubscribe: Callable[[], None] = _nothing
        self._key_of = lru_cache(REMEMBERED_KEYS)(ocsp.key_of)
        siblings.subscribe(ANSWER, self.heard.heard)

    def start(self) -> None:
        """Takes up what an earlier process has learnt."""
        self._is_running = True
        for stored in self._store.load(self.seconds(), self._max_answers):
            self._unproven.put(stored)
        self._store.start()
        self._renewals.start()
        self._unsubscribe = self._wall.subscribe(self._renewals.reschedule)

    def stop(self) -> Deferred[None]:
        """Cancels every request; fires once everything that was learnt is stored."""
        self._is_running = False
        self._unsubscribe()
        self._flights.cancel()
        self._renewals.stop()
        self._watchers.stop()
        self._memory.clear()
        return self._store.stop()

    def use(self, profiles: Iterable[SslProfile]) -> None:
        """These profiles are in force from now on: by their rules answers are renewed, and for no other profile.

        What is known stays: every answer is judged by the profile that it is used for.
        """
        changed = self._profiles.use(profiles)
        if changed:
            self._renewals.changed(changed)

    def keep_in(self, opened: OpenedStore) -> None:
        """What is learnt is stored there from now on, and what is there counts, as at a start."""
        for stored in opened.responses:
            if stored.key not in self._unproven:
                self._unproven.put(stored)
        self._store = opened.store
        self._store.start()

    @property
    def is_stored(self) -> bool:
        """Whether what is learnt outlives the process."""
        return self._store.outlives_process

    @property
    def max_answers(self) -> int:
        """How many answers are kept that are no revocations."""
        return self._max_answers

    def watch(self, subjects: Iterable[Subject], profile: SslProfile, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called when one of these certificates becomes known as revoked; returns what ends that.

        The calls for one certificate are spread over turns of the reactor when they are many.
        """
        watched = {self._key_of(*subject): (subject, profile.name) for subject in subjects}
        unwatch = self._watchers.watch(watched, call)
        return self.heard.watch(watched, unwatch, self._watchers) if self._is_let_know else unwatch

    def known(self, subject: Subject, profile: SslProfile) -> RevocationStatus | None:
        """The known status of a certificate; None where a source has to be asked."""
        key = self._key_of(*subject)
        known = self._known(key, subject, profile)
        if known is None:
            return None
        self.counters.cache_hits += 1
        return self._used(known, key, profile)

    def revoked(self, subject: Subject) -> Revoked | None:
        """That a certificate is revoked, where that is the last word about it, however old."""
        key = self._key_of(*subject)
        if key in self._unproven:
            self._prove_any(key, subject)
        return self._memory.revoked(key, self.seconds())

    def status(self, subject: Subject, profile: SslProfile) -> Deferred[RevocationStatus]:
        """The status of a certificate, known or asked for; may be cancelled."""
        known = self.known(subject, profile)
        if known is not None:
            return succeed(known)
        key = self._key_of(*subject)
        asked = self._flights.join((key, profile_key(profile)), lambda: self._asked(key, subject, profile))
        return asked.addCallback(self._used, key, profile)

    # -- from an operator

    @property
    def profiles(self) -> tuple[SslProfile, ...]:
        """Those that ask, without what they trust."""
        return self._profiles.all()

    @property
    def answers(self) -> KnownAnswers:
        """What is in memory."""
        good, revoked, unknown = self._memory.counts()
        return KnownAnswers(good=good, revoked=revoked, unknown=unknown, unproven=len(self._unproven))

    def next_renewals(self, most: int) -> list[NextRenewal]:
        """The answers that are asked for again first."""
        now, found = self.seconds(), self._renewals.next(most)
        return [
            NextRenewal(subject=held.subject, next_update=held.answer.next_update or now + left, renewal=now + left)
            for held, left in found
        ]

    def forget(self, forgotten: Forgotten) -> int:
        """Forgets answers, in memory and where they are stored, but no revocation; returns how many were in memory."""
        self._unproven.forget(forgotten.needle)
        self._store.forget(forgotten.needle)
        return self._memory.forget(forgotten, self.seconds())

    def facts(self, subject: Subject, profile: SslProfile) -> StatusFacts:
        """What is known about a certificate without asking, how old that is, and when it is asked for again."""
        key = self._key_of(*subject)
        self._known(key, subject, profile)  # what is stored is proven now that the certificate is at hand
        times = {"now": self.seconds(), "ticks": self._ticks()}
        return ocsp_facts(self._memory, self._renewals, key, profile, **times)

    def ask(self, subject: Subject, profile: SslProfile, trace: Callable[[str], None]) -> Deferred[RevocationStatus]:
        """What a source says about a certificate now, whatever is known; it counts as if a client had come."""
        return Deferred.fromCoroutine(self._asked_now(subject, profile, trace))

    async def _asked_now(self, subject: Subject, profile: SslProfile, trace: Callable[[str], None]) -> RevocationStatus:
        key = self._key_of(*subject)
        with self.heard.asking(key, subject, profile):
            found = await self._source.learn(subject, profile, trace=trace)
        self._settled(key, found, subject, profile)
        return ocsp.status_at(found, rules_of(profile), self.seconds()) if isinstance(found, ProvenResponse) else found

    def take(self, imported: ImportedAnswer) -> str:
        """Keeps an answer that was brought here, until its certificate is seen, or uses it for one that is at hand.

        Returns:
            Why it changes nothing; empty: it is kept.
        """
        stored = taken(imported, self._memory, self._unproven, self.seconds())
        if isinstance(stored, str):
            return stored
        self._store.put(stored)
        self._siblings.publish(ANSWER, payload_of(stored))
        self.heard.take_up(stored)
        return ""

    # -- what is known

    def _used(self, status: RevocationStatus, key: bytes, profile: SslProfile) -> RevocationStatus:
        """Notes that a client came with this certificate, so that its answer is renewed."""
        held = self._memory.held(key, self.seconds())
        if held is not None:
            held.used = True
            if self._profiles.named(held.profile) is None:  # it is gone, and this one uses its answer
                held.profile = profile.name
            self._renewals.schedule(key, held)  # where the renewal was due while no client used it
        return status

    def _known(self, key: bytes, subject: Subject, profile: SslProfile) -> RevocationStatus | None:
        if key in self._unproven:
            for stored in self._unproven.pop(key):
                self._prove(stored, subject, profile)
        return self._memory.status(key, profile, now=self.seconds(), ticks=self._ticks())

    def _prove_any(self, key: bytes, subject: Subject) -> None:
        """Takes up what is said of a certificate of a client whose profile need not list OCSP; no profile need."""
        profile = self._profiles.named_or_any("")
        for stored in self._unproven.pop(key):
            self._prove(stored, subject, profile)

    def _prove(
        self, stored: StoredResponse, subject: Subject, profile: SslProfile, *, arrived: float | None = None
    ) -> News:
        """Takes up a response if it proves something now that its issuer is at hand. None: it arrived once signed."""
        request = OcspRequest.of(*subject)
        answer = request if isinstance(request, Unusable) else ocsp.prove(stored.response, request)
        if isinstance(answer, Unusable):
            return News.NONE
        arrived = answer.this_update if arrived is None else arrived
        return self._take(stored.key, answer, subject, profile, arrived=arrived)

    # -- asking

    def _asked(self, key: bytes, subject: Subject, profile: SslProfile) -> Deferred[RevocationStatus]:
        return Deferred.fromCoroutine(self._ask(key, subject, profile))

    async def _ask(self, key: bytes, subject: Subject, profile: SslProfile) -> RevocationStatus:
        """Asks the source; the result is what is known after it."""
        newer_than = self._memory.newest_of(key, subject, self.seconds())
        with self.heard.asking(key, subject, profile):
            found = await self._source.learn(subject, profile, newer_than=newer_than)
        return self._settled(key, found, subject, profile)

    def _settled(
        self, key: bytes, found: ProvenResponse | NoAnswer, subject: Subject, profile: SslProfile
    ) -> RevocationStatus:
        """What is known after a request that found this."""
        failure = self._learn(key, found, subject, profile) if isinstance(found, ProvenResponse) else found
        if failure is not None:
            return self._failed(key, failure, profile)
        known = self._known(key, subject, profile)
        # None where there is only a revocation whose own time is over.
        return known if known is not None else self._failed(key, Unusable("the response has expired"), profile)

    def _learn(
        self, key: bytes, answer: ProvenResponse, subject: Subject, profile: SslProfile
    ) -> Unknown | Unusable | None:
        """Takes in an answer that came now, and stores it; what it is instead where it is no news."""
        was_revoked = self._memory.is_revoked(key, self.seconds())
        if self._take(key, answer, subject, profile, arrived=self.seconds()) is News.NONE:
            return Unknown() if answer.is_unknown else Unusable("the response is older than another")
        until = ocsp.end_of(answer, rules_of(profile))
        if answer.is_revoked:
            until = valid_until(subject[:1])  # thereafter it is refused for its age
        stored = StoredResponse(
            key=key,
            response=answer.response,
            is_revoked=answer.is_revoked,
            until=until,
            is_newer_than_revocation=was_revoked,
        )
        self._store.put(stored)
        self._siblings.publish(ANSWER, payload_of(stored))
        return None

    def _take(
        self, key: bytes, answer: ProvenResponse, subject: Subject, profile: SslProfile, *, arrived: float
    ) -> News:
        """Puts an answer into memory, and does what follows from it."""
        news = self._memory.learn(key, answer, subject, profile, arrived=arrived, now=self.seconds())
        held = self._memory.held(key, self.seconds())
        if news is News.GOOD and held is not None:
            self._renewals.schedule(key, held)
        elif news is News.REVOKED:
            self.log.info("The certificate {certificate} is revoked", certificate=ocsp.fingerprint(subject[0]))
            self._watchers.notify(key)
        return news

    def _failed(self, key: bytes, failure: Unknown | NoAnswer, profile: SslProfile) -> RevocationStatus:
        """What is known after a request that brought no news."""
        now, bridges = self.seconds(), self._is_running
        status = self._memory.failed(key, failure, profile, now=now, ticks=self._ticks(), bridges=bridges)
        held = self._memory.held(key, now)
        if isinstance(status, Good) and held is not None:  # it bridges, and is asked for again meanwhile
            self._renewals.schedule(key, held)
        return status

    # -- renewing

    def _renew(self, key: bytes, held: HeldAnswer) -> None:
        """Asks again, if a client used the certificate since the last time, or is connected with it."""
        if not held.used and key not in self._watchers:
            held.bridging.clear()
            return
        held.used = False
        held.bridging = {each for each in held.bridging if self._profiles.same(each) is not None}
        asking = (self._profiles.named(held.profile), *map(self._profiles.same, held.bridging))
        for profile in dict.fromkeys(asking):
            if profile is not None:
                self._ask_again(key, held, profile)

    def _ask_again(self, key: bytes, held: HeldAnswer, profile: SslProfile) -> None:
        asked = self._flights.join((key, profile_key(profile)), lambda: self._asked(key, held.subject, profile))
        asked.addCallback(lambda _: self._renewed(key, held))  # type: ignore[unused-awaitable]  # handed on to the log
        log_failure(asked, self.log, "renewing an OCSP response")

    def _renewed(self, key: bytes, held: HeldAnswer) -> None:
        """Where nothing newer came there may be time for another try."""
        if self._memory.held(key, self.seconds()) is held and key not in self._renewals:
            held.used = True
            self._renewals.schedule(key, held)


def _nothing() -> None:
    """Nothing was subscribed to."""
