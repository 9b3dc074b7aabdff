"""CRLs as a source of revocation status: the operator's files, what is stored, and what certificates' points publish.

Lists count for all profiles alike, since each is proven by the issuer of the certificates that it is about; a profile
says only from where, and within which bounds, one is fetched. A list that is in force stays so until a newer one of its
kind is proven, whatever becomes of its file or its server. Caller: the revocation service, as one of its sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import TypeAlias

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http.destinations import destination
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.operations.list_states import ListState
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.crl import ProvenCrl
from agwtwisted.core.revocation.crl_status import CrlRules, CrlSubject, validity_fault
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.profiles import ProfilesInForce
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    NoAnswer,
    RevocationStatus,
    Revoked,
    Unusable,
)
from agwtwisted.core.revocation.status_facts import StatusFacts
from agwtwisted.interfaces import NO_SIBLINGS, Siblings
from agwtwisted.revocation.crl_complaints import CrlComplaints
from agwtwisted.revocation.crl_facts import list_facts, list_states
from agwtwisted.revocation.crl_files import NO_CRL_FILES, ReadCrlFiles
from agwtwisted.revocation.crl_following import CrlFilesFollower
from agwtwisted.revocation.crl_import import BroughtList, ListImport
from agwtwisted.revocation.crl_knowledge import RULES, CrlKnowledge
from agwtwisted.revocation.crl_places import answer_of, places_of, rules_of
from agwtwisted.revocation.crl_proving import ListProver, proven
from agwtwisted.revocation.crl_renewals import CrlRenewals, Retries
from agwtwisted.revocation.crl_retrieval import LIST, CrlRetrieval, ListPlace
from agwtwisted.revocation.crl_store import ListStore, StoredList, name_of
from agwtwisted.revocation.crl_waiting import WaitingLists
from agwtwisted.revocation.held_lists import HeldList
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.deferreds import SingleFlight, log_failure

_Flight: TypeAlias = tuple[str, object]
"""A list that is fetched: the name under which it is stored, and the rules by which it is."""


class CrlLists:
    """Lists of revoked certificates, as `sources.StatusSource`.

    Args:
        reactor: runs the timers, and is reached from threads.
        wall: the time by which lists are judged.
        retrieval: gets lists.
        store: is read at the start.
        random: spreads renewals.
        siblings: other workers, which let this one know what they have stored.
    """

    log = Logger()
    kind = RevocationSource.CRL

    def __init__(
        self,
        reactor: PosixReactorBase,
        wall: WallClock,
        retrieval: CrlRetrieval,
        store: ListStore,
        random: Random,
        *,
        siblings: Siblings = NO_SIBLINGS,
    ) -> None:
        self.files = NO_CRL_FILES  # those in force
        self.knowledge = CrlKnowledge(reactor, wall.seconds)
        self._wall = wall
        self._retrieval = retrieval
        self._store = store
        self._profiles = ProfilesInForce()
        self._prover = ListProver(reactor)
        self._waiting = WaitingLists(self.knowledge, self._prover, self._take_of_file)
        self._renewals = CrlRenewals(reactor, wall, random, self._renew)
        self._retries: Retries[_Flight] = Retries(reactor)
        self._in_vain: Retries[_Flight] = Retries(reactor)  # lists that came, and do not cover the client's certificate
        self._flights: SingleFlight[_Flight, NoAnswer | None] = SingleFlight(goes_on=True)
        self._follower = CrlFilesFollower(reactor, self.adopt)
        self._import = ListImport(self.knowledge.lists, self._accept, retrieval.keep, wall.seconds)
        self._complaints = CrlComplaints(reactor.seconds)
        self._unsubscribe: Callable[[], None] = lambda: None
        siblings.subscribe(LIST, self._heard)

    def use(self, profiles: Iterable[SslProfile]) -> None:
        """These profiles name CRLs from now on: by their rules lists are fetched and renewed."""
        self._profiles.use(profiles)

    def follow(self, follows: bool) -> None:
        """Whether the files in force are taken anew when they change (`watch_files`)."""
        self._follower.follow(follows)

    def adopt(self, files: ReadCrlFiles) -> None:
        """These files are in force from now on. What was read of others goes on to count, until a newer list does."""
        self.files = files
        read = files.files.values()
        for each in read:
            for held in each.proven:
                self._take_of_file(held)
        unproven = [unproven for each in read for unproven in each.unproven]
        self._complaints.wait_for_issuers(unproven)
        self._waiting.use(unproven)
        self._follower.use(files)

    def start(self) -> None:
        """Takes up what an earlier process has stored; may wait for the disk, and takes seconds for large lists."""
        for stored in self._store.load():
            found = proven(stored.data, stored.issuer)
            if isinstance(found, Unusable):
                self.log.warn("A stored CRL is not used ({url}): {reason}", url=stored.url, reason=found.reason)
            else:
                self.knowledge.take(HeldList(crl=found, stored=stored))
        self._waiting.prove_at_once()
        self._renewals.start()
        self._follower.start()
        self._unsubscribe = self._wall.subscribe(self._renewals.reschedule)

    def stop(self) -> Deferred[None]:
        """Cancels every download."""
        self._unsubscribe()
        self._follower.stop()
        self._renewals.stop()
        self._retries.clear()
        self._in_vain.clear()
        self._flights.cancel()
        self._waiting.stop()
        self.knowledge.stop()
        return succeed(None)

    # -- what is known

    def known(self, subject: Subject, profile: SslProfile) -> RevocationStatus | None:
        """The known status of a certificate; None where a list has to be proven or fetched first."""
        about = self.knowledge.about(*subject)
        if isinstance(about, Unusable):
            return about
        if self._waiting.is_new(subject[1]):  # a list of these may have it, whatever older ones say
            return None
        status = self._status(about, profile)
        self._used(about, profile)
        if isinstance(status, Good) or (isinstance(status, Revoked) and self._wall.seconds() < status.until):
            return status
        if self.knowledge.unproven_of(subject[1]):
            return None
        places = places_of(about, subject[1], profile)
        failures = [self._failure(place) for place in places.open]
        if None in failures:
            return None
        of_places = [each for each in failures if each is not None]
        return self._complaints.about(subject, answer_of(status, of_places, places), of_places)

    def status(self, subject: Subject, profile: SslProfile) -> Deferred[RevocationStatus]:
        """The status of a certificate, known or asked for; may be cancelled."""
        known = self.known(subject, profile)
        return succeed(known) if known is not None else Deferred.fromCoroutine(self._ask(subject, profile))

    def revoked(self, subject: Subject) -> Revoked | None:
        """That a certificate is revoked, by a list of whatever age; None where no list in force has it."""
        if not self.knowledge.lists:  # for clients of profiles that read no lists
            return None
        about = self.knowledge.about(*subject)
        return None if isinstance(about, Unusable) else self.knowledge.revoked(about)

    def watch(self, subjects: Iterable[Subject], profile: SslProfile, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called when one of these certificates becomes known as revoked; returns what ends that."""
        return self.knowledge.watch(subjects, call, at_once=self.kind in profile.verify_client_revocation)

    def _used(self, about: CrlSubject, profile: SslProfile) -> None:
        """A client came with a certificate of this issuer: its lists are renewed by the rules of a profile in force."""
        for held in self.knowledge.lists.of_issuer(about.issuer_key):
            if held.used and held.profile:
                continue
            held.used = True
            self.knowledge.lists.use(held)
            if self._profiles.named(held.profile) is None and self._profiles.named(profile.name) is not None:
                held.profile = profile.name
            self._schedule(held)

    # -- from an operator

    def states(self, most: int) -> list[ListState]:
        """The lists in force, at most so many."""
        return list_states(self.knowledge.lists, self._renewals.left, self._wall.seconds(), most)

    def facts(self, subject: Subject, profile: SslProfile) -> StatusFacts:
        """What is known about a certificate without asking, by which list, and when that is renewed."""
        about = self.knowledge.about(*subject)
        if isinstance(about, Unusable):
            return StatusFacts(status=about)
        lists = self.knowledge.lists.of_issuer(about.issuer_key)
        return list_facts(lists, about, self._status(about, profile), self._renewals.left, self._wall.seconds())

    def ask(self, subject: Subject, profile: SslProfile, trace: Callable[[str], None]) -> Deferred[RevocationStatus]:
        """What lists say about a certificate once all that it names were asked for, whatever is known."""
        return Deferred.fromCoroutine(self._ask_now(subject, profile, trace))

    async def _ask_now(self, subject: Subject, profile: SslProfile, trace: Callable[[str], None]) -> RevocationStatus:
        about = self.knowledge.about(*subject)
        if isinstance(about, Unusable):
            return about
        await self._waiting.prove(subject[1])
        places = places_of(about, subject[1], profile)
        for each in places.hindrances:
            trace(each)
        failures = list[NoAnswer]()
        for place in places.open:
            failure = await self._fetch(place)
            trace(
                f"{place.destination.url[:200]}: {'the newest list is in force' if failure is None else failure.reason}"
            )
            failures += () if failure is None else (failure,)
        return answer_of(self._status(about, profile), failures, places)

    def take(self, data: bytes, issuers: Iterable[bytes] = ()) -> Deferred[list[BroughtList]]:
        """Takes lists that were brought here, in DER or PEM, and lets the other workers know.

        Args:
            data: of a file.
            issuers: certificates in DER that may have signed them, besides the CAs of `crl_files`' profiles and those
                of lists in force.

        Fails with `CrlFileError` where there is no list in it.
        """
        those = (*issuers, *self.files.issuers, *self.knowledge.issuers())
        return Deferred.fromCoroutine(self._import.take(data, those))

    # -- asking

    async def _ask(self, subject: Subject, profile: SslProfile) -> RevocationStatus:
        about = self.knowledge.about(*subject)
        if isinstance(about, Unusable):
            return about
        shortage = await self._waiting.prove(subject[1])
        places = places_of(about, subject[1], profile)
        failures = list[NoAnswer](() if shortage is None else (shortage,))
        for place in places.open:
            status = self._status(about, profile)
            if isinstance(status, Good) or (isinstance(status, Revoked) and self._wall.seconds() < status.until):
                return status
            failure = self._failure(place) or await self._fetch(place)
            status = self._status(about, profile)
            if failure is None and isinstance(status, Unusable):
                self._came_in_vain(place, status)
            failures += () if failure is None else (failure,)
        self._used(about, profile)
        return self._complaints.about(subject, answer_of(self._status(about, profile), failures, places), failures)

    def _failure(self, place: ListPlace) -> NoAnswer | None:
        """Why a place has no list for a certificate without a status; None where it is worth asking."""
        return self._retries.failure(_flight(place)) or self._in_vain.failure(_flight(place))

    def _came_in_vain(self, place: ListPlace, status: Unusable) -> None:
        """A list is in force and does not cover a certificate: else each client would have it downloaded again."""
        if self._in_vain.failure(_flight(place)) is None:
            self._in_vain.failed(_flight(place), status, partial(self._again, place, status))

    def _again(self, place: ListPlace, status: Unusable) -> None:
        self._in_vain.failed(_flight(place), status, partial(self._again, place, status))
        self._retry(place)

    def _status(self, about: CrlSubject, profile: SslProfile) -> Good | Revoked | Unusable:
        return self.knowledge.status(about, CrlRules(clock_skew=profile.ocsp_clock_skew))

    def _fetch(self, place: ListPlace) -> Deferred[NoAnswer | None]:
        """The newest list of a place, once for all who wait for it; None once it is in force. May be cancelled.

        It goes on when the last client leaves: a large list may take longer than a client waits.
        """
        flight = _flight(place)
        return self._flights.join(flight, lambda: Deferred.fromCoroutine(self._fetched(flight, place)))

    async def _fetched(self, flight: _Flight, place: ListPlace) -> NoAnswer | None:
        held = self._held(place)
        known = None if held is None else held.stored
        is_valid = held is not None and not validity_fault(held.crl, RULES, self._wall.seconds())
        accept = partial(self._accept, profile=place.profile)
        try:
            failure = await self._retrieval.newest(place, known, accept, unconditionally=not is_valid)
        except Exception:  # a defect must not stand for a failure of the server, which clients would get from now on
            self._retries.forget(flight)
            raise
        held = self._held(place)
        if failure is None and held is not None and (fault := validity_fault(held.crl, RULES, self._wall.seconds())):
            failure = Unusable(fault)  # a server took a list for the newest that has expired
        if failure is None or isinstance(failure, CouldNotAsk):
            self._retries.forget(flight)
        else:
            self._retries.failed(flight, failure, partial(self._retry, place))
        if held is not None:
            held.problem = "" if failure is None else failure.reason
            self._schedule(held)
        if failure is not None:
            self._complaints.not_fetched(place.destination.url, failure)
        return failure

    def _accept(self, stored: StoredList, profile: str = "") -> Deferred[NoAnswer | None]:
        return Deferred.fromCoroutine(self._accepted(stored, profile))

    async def _accepted(self, stored: StoredList, profile: str) -> NoAnswer | None:
        """Takes in a list that has come, or says why it does not count."""
        await self._waiting.prove(stored.issuer)
        same = self.knowledge.lists.same_as(stored)
        crl = await self._prover.prove(stored.data, stored.issuer) if same is None else same.crl
        if not isinstance(crl, ProvenCrl):
            return crl
        is_known = same is not None and not stored.url  # brought here, and in force already
        fault = validity_fault(crl, RULES, self._wall.seconds())
        if not is_known and self._take(HeldList(crl=crl, stored=stored, profile=profile)) is None:
            return Unusable(fault or "the CRL is older than another one")
        return Unusable(fault) if fault else None

    def _held(self, place: ListPlace) -> HeldList | None:
        return self.knowledge.lists.fetched_from(place.destination.url, place.issuer)

    def _take(self, held: HeldList) -> HeldList | None:
        """Puts a list in force, and renews it from now on; None where a newer one of its kind is there."""
        taken = self.knowledge.take(held)
        if taken is not None:
            self._renewals.cancel(taken)
            self._schedule(taken)
        return taken

    def _take_of_file(self, held: HeldList) -> None:
        taken = self._take(held)
        if taken is None:
            message = "{file}: a CRL is not used: it is older than one that is in force, or not valid yet"
            self.log.warn(message, file=held.file)
        elif fault := validity_fault(taken.crl, RULES, self._wall.seconds()):
            self.log.warn("{file}: {fault}: no certificate counts as good by it", file=taken.file, fault=fault)

    def _heard(self, payload: bytes) -> None:
        """Another worker has stored a list: it is proven here as well, and counts at once."""
        name = payload.decode("ascii")
        self._retrieval.heard(name)
        log_failure(Deferred.fromCoroutine(self._take_stored(name)), self.log, "taking a CRL of another worker")

    async def _take_stored(self, name: str) -> None:
        stored = await self._retrieval.stored(name)
        if stored is not None and self.knowledge.lists.same_as(stored) is None:
            await self._accepted(stored, "")

    def shared(self, name: str) -> Deferred[None] | None:
        """Another gateway has stored the list of this name: one in force is replaced by it; None: none is."""
        self._retrieval.heard(name)
        held = next((each for each in self.knowledge.lists if name_of(each.url, each.stored.issuer) == name), None)
        if held is None:
            return None
        accept = partial(self._accept, profile=held.profile)
        known = attrs.evolve(held.stored, url=held.url)  # one of a file that took its place has none
        return Deferred.fromCoroutine(self._retrieval.take_shared(known, accept))

    # -- renewing

    def _schedule(self, held: HeldList) -> None:
        if held.url and held.profile:
            self._renewals.schedule(held)

    def _renew(self, held: HeldList) -> None:
        """Fetches a list again, if a client used it since the last time, or is connected with a certificate of it."""
        if self.knowledge.lists.get(held.crl.key) is not held:
            return
        profile = self._profiles.named(held.profile)
        if profile is None or not (held.used or self.knowledge.is_watched(held.crl.issuer_key)):
            held.used = False
            return
        held.used = False
        try:
            where = destination(held.url)
        except UnacceptableError:
            return
        rules = rules_of(profile)
        self._retry(ListPlace(destination=where, issuer=held.stored.issuer, rules=rules, profile=profile.name))

    def _retry(self, place: ListPlace) -> None:
        log_failure(self._fetch(place), self.log, "renewing a CRL")


def _flight(place: ListPlace) -> _Flight:
    return place.name, place.rules
