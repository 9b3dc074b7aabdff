"""Whether a client's certificate was revoked: from memory, or asked once for all who wait.

Only certificates of verified chains come here. Memory holds proven answers; each is judged again at every use, with the
time and the rules of that use. Three things are told apart: answers (kept while they hold, and renewed ahead of their
end where the certificate is in use), revocations (kept until a newer answer says otherwise), and failures (kept for
seconds, for the one certificate). That the gateway itself could not ask is none of them, and not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from math import inf
from random import Random
from typing import Final, Protocol, TypeAlias, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, FirstError, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.clocks import WallClock
from agwtwisted.core import ocsp
from agwtwisted.core.destinations import Destination, destination
from agwtwisted.core.errors import UnacceptableError
from agwtwisted.core.expiring import Expiring
from agwtwisted.core.ocsp import OcspRequest, ProvenResponse, Rules
from agwtwisted.core.peer import OcspStatus, Peer
from agwtwisted.core.rates import LogRateLimiter
from agwtwisted.core.resources import ClientRevocation, OcspScope, OcspUnavailable, SslProfile, WithoutNocheck
from agwtwisted.core.revocation_status import (
    Good,
    NoAnswer,
    NotAsked,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)
from agwtwisted.core.revoking import concluded
from agwtwisted.core.verification import valid_until
from agwtwisted.deferreds import SingleFlight, log_failure
from agwtwisted.ocsp_client import ResponderRoute
from agwtwisted.ocsp_store import ResponseStore, StoredResponse

T = TypeVar("T")

MAX_ANSWERS: Final = 10_000
"""Certificates whose answers are kept, revoked ones not counted."""

MAX_REVOKED: Final = 1_000_000
"""Revocations that are kept, those used last: more than any CA of clients has, and clients have to come with them, so
that in truth nothing is pushed out here. None ends with its certificate: by a clock that is ahead that would be too
early."""

MAX_AHEAD: Final = 86400.0
"""Seconds by which a responder's clock may be ahead for its revocation to be ordered by it."""

FAILURE_TTL: Final = 10.0
"""Negative-cache lifetime: seconds until a certificate is asked about again after a failure, or an *unknown*."""

REMEMBERED_KEYS: Final = 1024
"""Certificates whose keys are not computed anew, those seen last."""

RENEW_FROM: Final = 0.5
RENEW_TO: Final = 0.8
"""The part of an answer's remaining life after which it is renewed, anywhere between the two."""

MIN_RENEWAL: Final = 5.0
"""Seconds between two renewals at least."""

MAX_DESTINATIONS: Final = 3
"""Responders of one certificate that are asked in turn; the time that there is has to do for all of them."""

_SHOWN: Final = 200
"""Characters of a responder's URL in a line of the log."""

MAX_URLS: Final = 16
"""Responders of one certificate that are looked at."""

Subject: TypeAlias = tuple[bytes, bytes]
"""A certificate and its issuer, in DER."""


class Asker(Protocol):
    """Puts questions to responders: `ocsp_client.OcspClient`."""

    def ask(
        self, request: bytes, route: ResponderRoute, accept: Callable[[bytes], T | Unusable]
    ) -> Deferred[T | NoAnswer]:
        """What `accept` makes of the first usable response; may be cancelled."""


@attrs.define(eq=False)
class _Held:
    """An answer in memory that is no revocation, and what it takes to renew it.

    Past its end it counts for a profile only while that one bridges: its request, put at the end or across it, had no
    answer, and another is put every `FAILURE_TTL` seconds.
    """

    answer: ProvenResponse
    arrived: float  # wall time
    subject: Subject
    profile: SslProfile
    renewal: IDelayedCall | None = None
    used: bool = False
    bridging: dict[str, SslProfile] = attrs.field(factory=dict)


@attrs.frozen
class _Revocation:
    """An answer in memory that is one."""

    answer: ProvenResponse  # its thisUpdate no later than its arrival
    this_update: float  # as it was signed
    arrived: float  # wall time

    def orders(self, now: float) -> float:
        """What the thisUpdate of a newer answer is later than: its own, unless that is still far ahead.

        By a clock that was years ahead no answer would ever be newer.
        """
        return self.this_update if self.this_update <= now + MAX_AHEAD else self.arrived


@attrs.frozen
class _Failure:
    """What became of a request that had no answer, and the wall time of it."""

    status: RevocationStatus
    at: float


class Revocation(Service):
    """What is known about certificates, and how to learn more.

    Args:
        clock: what is waited by.
        wall: what answers are judged by.
        asker: asks responders.
        store: keeps signed responses across restarts.
        random: spreads renewals, so that certificates which came together are not renewed together.
    """

    name = "revocation"
    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: WallClock,
        asker: Asker,
        store: ResponseStore,
        random: Random,
        *,
        max_answers: int = MAX_ANSWERS,
    ) -> None:
        self.seconds = wall.seconds
        self._clock = clock
        self._wall = wall
        self._asker = asker
        self._store = store
        self._random = random
        self._max_answers = max_answers
        self._held: Expiring[bytes, _Held] = Expiring(max_answers, self._let_go)
        self._revoked: Expiring[bytes, _Revocation] = Expiring(MAX_REVOKED)
        self._failures: Expiring[tuple[bytes, str], _Failure] = Expiring(max_answers)
        self._stored: dict[bytes, bytes] = {}  # responses of another process, not looked at yet
        self._flights: SingleFlight[tuple[bytes, str], RevocationStatus] = SingleFlight()
        self._watchers: dict[bytes, set[Callable[[], None]]] = {}
        self.fail_open_count = 0  # without a status, by ocsp_unavailable = Allow
        self._complaints = LogRateLimiter(clock.seconds)
        self._unsubscribe: Callable[[], None] = _nothing
        self._key_of = lru_cache(REMEMBERED_KEYS)(ocsp.key_of)

    def startService(self) -> None:
        """Takes up what an earlier process has learnt."""
        super().startService()
        for stored in self._store.load(self.seconds(), self._max_answers):
            self._stored[stored.key] = stored.response
        self._store.start()
        self._unsubscribe = self._wall.subscribe(self._stepped)

    def stopService(self) -> Deferred[None]:
        """Asks nobody any more; fires once everything that was learnt is stored."""
        self.running = 0
        self._unsubscribe()
        self._flights.cancel()
        self._held.clear()
        return self._store.stop()

    def watch(self, peer: Peer, profile: SslProfile, told: Callable[[], None]) -> Callable[[], None]:
        """Has `told` called when a certificate of this client becomes known as revoked; returns what ends that."""
        keys = [self._key_of(*subject) for subject in subjects(peer, profile)]
        for key in keys:
            self._watchers.setdefault(key, set()).add(told)

        def unwatch() -> None:
            for key in keys:
                watchers = self._watchers.get(key, set())
                watchers.discard(told)
                if not watchers:
                    self._watchers.pop(key, None)

        return unwatch

    def check(self, profile: SslProfile | None) -> RevocationCheck | None:
        """How clients of a profile are judged further; None where the profile does not ask for it."""
        if profile is None or profile.verify_client_revocation is not ClientRevocation.OCSP:
            return None
        return RevocationCheck(self, profile)

    def known(self, subject: Subject, profile: SslProfile) -> RevocationStatus | None:
        """What is known of a certificate; None where a responder has to be asked."""
        key = self._key_of(*subject)
        known = self._known(key, subject, profile)
        return None if known is None else self._used(known, key)

    def status(self, subject: Subject, profile: SslProfile) -> Deferred[RevocationStatus]:
        """What is known of a certificate, or what becomes known when a responder is asked; may be cancelled."""
        known = self.known(subject, profile)
        if known is not None:
            return succeed(known)
        key = self._key_of(*subject)
        asked = self._flights.join((key, profile.name), lambda: self._asked(key, subject, profile))
        return asked.addCallback(self._used, key)

    # -- what is known

    def _used(self, status: RevocationStatus, key: bytes) -> RevocationStatus:
        """Remembers that a client came with this certificate, so that what is known of it is renewed."""
        held = self._held.get(key, self.seconds())
        if held is not None:
            held.used = True
            if held.renewal is None:  # it had its turn when nobody used it
                self._renew_later(key, held)
        return status

    def _known(self, key: bytes, subject: Subject, profile: SslProfile) -> RevocationStatus | None:
        """The status for which nobody need be asked now."""
        now = self.seconds()
        if key in self._stored:
            self._restore(key, subject, profile)
        failure = self._failures.get((key, profile.name), self._clock.seconds())
        revoked = self._revoked.get(key, now)
        if revoked is not None:
            status = ocsp.status_at(revoked.answer, _rules(profile), now)
            asked_lately = failure is not None or (isinstance(status, Revoked) and now < status.until)
            return status if asked_lately else None
        held = self._held.get(key, now)
        if held is not None:
            arrived = now if profile.name in held.bridging else held.arrived
            status = ocsp.status_at(held.answer, _rules(profile), now, arrived=arrived)
            if isinstance(status, Good):
                return status
            if failure is not None and failure.at < ocsp.end_of(held.answer, _rules(profile)) <= now:
                return None  # what failed ahead of the end is no reason not to ask at the end
        return None if failure is None else failure.status

    def _restore(self, key: bytes, subject: Subject, profile: SslProfile) -> None:
        """Takes up a stored response, now that its issuer is at hand."""
        response = self._stored.pop(key)
        request = OcspRequest.of(*subject)
        if isinstance(request, OcspRequest):
            answer = ocsp.prove(response, request)
            if isinstance(answer, ProvenResponse):
                self._keep(key, answer, subject, profile, arrived=answer.this_update)

    # -- asking

    def _asked(self, key: bytes, subject: Subject, profile: SslProfile) -> Deferred[RevocationStatus]:
        return Deferred.fromCoroutine(self._ask(key, subject, profile))

    async def _ask(self, key: bytes, subject: Subject, profile: SslProfile) -> RevocationStatus:
        """Puts the request; the answer is what is known after it."""
        found = await self._found(subject, profile)
        failure: RevocationStatus | None
        if isinstance(found, ProvenResponse):
            failure = self._learn(key, found, subject, profile)
        else:
            self._complain(found, subject, profile)
            failure = found
        if failure is not None:
            return self._failed(key, failure, profile)
        known = self._known(key, subject, profile)
        # Nothing where there is only a revocation whose own time is over.
        return known if known is not None else self._failed(key, Unusable("the response has expired"), profile)

    def _failed(self, key: bytes, failure: RevocationStatus, profile: SslProfile) -> RevocationStatus:
        """What is known when a request had no answer, or none that is news."""
        now = self.seconds()
        held, revoked = self._held.get(key, now), self._revoked.get(key, now)
        if isinstance(failure, NotAsked):
            if held is not None:
                held.bridging.pop(profile.name, None)
        elif not isinstance(failure, Unreachable) or failure.was_asked:
            self._failures.put((key, profile.name), _Failure(failure, now), self._clock.seconds() + FAILURE_TTL)
        if revoked is not None:
            return ocsp.status_at(revoked.answer, _rules(profile), now)
        if held is not None and isinstance(failure, Unusable | Unreachable):
            return self._bridged(key, held, profile) or failure
        return failure

    def _bridged(self, key: bytes, held: _Held, profile: SslProfile) -> Good | None:
        """What an answer says that is over, as far as the clock's skew goes; it is asked for again meanwhile."""
        now = self.seconds()
        if now < ocsp.end_of(held.answer, _rules(profile)):
            return None  # it is not over: the request was one of a renewal
        status = ocsp.status_at(held.answer, _rules(profile), now, arrived=now)
        if not isinstance(status, Good) or not self.running:
            return None
        held.bridging[profile.name] = profile
        held.used = True
        if held.renewal is None:
            self._renew_later(key, held)
        return status

    async def _found(self, subject: Subject, profile: SslProfile) -> ProvenResponse | NoAnswer:
        request = OcspRequest.of(*subject)
        if isinstance(request, Unusable):
            return request
        rules = _rules(profile)

        def accept(response: bytes) -> ProvenResponse | Unusable:
            answer = ocsp.prove(response, request)
            if isinstance(answer, Unusable):
                return answer
            if fault := ocsp.signer_fault(answer, rules):  # of a revocation, too, where this profile alone has asked
                return Unusable(fault)
            status = ocsp.status_at(answer, rules, self.seconds())
            return status if isinstance(status, Unusable) else answer

        return await self._asker.ask(request.der, route_of(request, profile), accept)

    def _complain(self, failure: NoAnswer, subject: Subject, profile: SslProfile) -> None:
        """Says why there is no answer, and of whom, a few times a minute for each reason."""
        omitted = self._complaints.admit(failure.reason)
        if omitted is not None:
            self.log.warn(
                "No OCSP answer about the certificate {certificate}{responders}: {reason}{omitted}",
                certificate=ocsp.fingerprint(subject[0]),
                responders=_asked(subject, profile),
                reason=failure.reason,
                omitted=f" ({omitted} more like it since)" if omitted else "",
            )

    # -- learning

    def _learn(
        self, key: bytes, answer: ProvenResponse, subject: Subject, profile: SslProfile
    ) -> Unknown | Unusable | None:
        """Takes in an answer that a responder gave now; what it is instead where it is no news."""
        if not self._keep(key, answer, subject, profile, arrived=self.seconds()):
            return Unknown() if answer.is_unknown else Unusable("the response is older than another")
        self._failures.discard((key, profile.name))
        until = ocsp.end_of(answer, _rules(profile))
        if answer.is_revoked:
            until = valid_until(subject[:1])  # thereafter it is refused for its age
        stored = StoredResponse(key=key, response=answer.response, is_revoked=answer.is_revoked, until=until)
        self._store.put(stored)
        return None

    def _keep(
        self, key: bytes, answer: ProvenResponse, subject: Subject, profile: SslProfile, *, arrived: float
    ) -> bool:
        """Whether an answer is news: not older than what is known, and good or revoked."""
        now = self.seconds()
        revoked, held = self._revoked.get(key, now), self._held.get(key, now)
        counts = held is not None and not ocsp.signer_fault(held.answer, _rules(profile))
        # One that came ahead of its thisUpdate was signed before it arrived, by a clock that may be right by now.
        if held is not None and counts and min(held.answer.this_update, held.arrived, now) > answer.this_update:
            return False
        if answer.is_revoked:
            if revoked is not None and revoked.orders(now) > answer.this_update:
                return False
            kept = attrs.evolve(answer, response=b"", this_update=min(answer.this_update, now))
            self._revoked.put(key, _Revocation(kept, answer.this_update, now), inf)
            self._held.discard(key)
            if revoked is None:
                self._tell(key, subject)
            return True
        if answer.is_unknown:
            self._held.discard(key)
            return False
        if revoked is not None and answer.this_update <= revoked.orders(now):
            return False
        self._revoked.discard(key)
        self._hold(key, _Held(answer, arrived, subject, profile))
        return True

    def _tell(self, key: bytes, subject: Subject) -> None:
        """Connections with this certificate are to look again."""
        self.log.info("The certificate {certificate} is revoked", certificate=ocsp.fingerprint(subject[0]))
        for told in tuple(self._watchers.get(key, ())):
            try:
                told()
            except Exception:  # a defect of one connection is none of the others
                self.log.failure("Unexpected error while a connection is told of a revocation")

    # -- renewing

    def _hold(self, key: bytes, held: _Held) -> None:
        self._held.put(key, held, ocsp.last_end_of(held.answer, _rules(held.profile)))
        self._renew_later(key, held)

    def _renew_later(self, key: bytes, held: _Held) -> None:
        left = ocsp.end_of(held.answer, _rules(held.profile)) - self.seconds()
        delay = FAILURE_TTL if held.bridging else left * self._random.uniform(RENEW_FROM, RENEW_TO)
        if self.running and delay >= MIN_RENEWAL:
            held.renewal = self._clock.callLater(delay, self._renew, key, held)

    def _renew(self, key: bytes, held: _Held) -> None:
        """Asks ahead of the end, if anybody used the certificate since the last time, or is connected with it."""
        held.renewal = None
        if not held.used and key not in self._watchers:
            held.bridging.clear()
            return
        held.used = False
        for profile in tuple({held.profile.name: held.profile, **held.bridging}.values()):
            self._ask_again(key, held, profile)

    def _ask_again(self, key: bytes, held: _Held, profile: SslProfile) -> None:
        asked = self._flights.join((key, profile.name), lambda: self._asked(key, held.subject, profile))
        asked.addCallback(lambda _: self._renewed(key, held))  # type: ignore[unused-awaitable]  # handed on to the log
        log_failure(asked, self.log, "renewing an OCSP response")

    def _renewed(self, key: bytes, held: _Held) -> None:
        """Where nothing newer came there may be time for another try."""
        if self._held.get(key, self.seconds()) is held and held.renewal is None:
            held.used = True
            self._renew_later(key, held)

    def _stepped(self) -> None:
        """The system's clock was set: what is left of an answer's life is not what it was."""
        for held in self._held.values():
            if held.renewal is not None:
                held.renewal.cancel()
                held.renewal = None
                self._renew_later(self._key_of(*held.subject), held)

    def _let_go(self, key: bytes, held: _Held) -> None:
        if held.renewal is not None:
            held.renewal.cancel()
            held.renewal = None


@attrs.frozen(eq=False)
class RevocationCheck:
    """Judges trusted clients of an SSL profile further, as `gate.Check` says."""

    revocation: Revocation
    profile: SslProfile

    def __call__(self, peer: Peer) -> Peer | Deferred[Peer]:
        """The peer with its final verdict, at once where nobody need be asked; may be cancelled."""
        those = subjects(peer, self.profile)
        known = [status for subject in those if (status := self.revocation.known(subject, self.profile)) is not None]
        if len(known) == len(those):
            return self._judged(peer, known)
        asked = [self.revocation.status(subject, self.profile) for subject in those]
        if len(asked) == 1:
            return asked[0].addCallback(lambda status: self._judged(peer, [status]))
        gathered = gatherResults(asked, consumeErrors=True).addErrback(_first)
        return gathered.addCallback(lambda statuses: self._judged(peer, self._now(those, statuses)))

    def _now(self, those: tuple[Subject, ...], statuses: list[RevocationStatus]) -> list[RevocationStatus]:
        """The statuses as memory has them now: while one was asked for, another may have become a worse one."""
        return [
            self.revocation.known(subject, self.profile) or status
            for subject, status in zip(those, statuses, strict=True)
        ]

    def watch(self, peer: Peer, told: Callable[[], None]) -> Callable[[], None]:
        """As `Revocation.watch`."""
        return self.revocation.watch(peer, self.profile, told)

    def _judged(self, peer: Peer, statuses: list[RevocationStatus]) -> Peer:
        allow = self.profile.ocsp_unavailable is OcspUnavailable.ALLOW
        judged = concluded(peer, statuses, allow=allow, now=self.revocation.seconds())
        if judged.ocsp_status is OcspStatus.UNAVAILABLE_ALLOWED and peer.certificate is not None:
            self.revocation.fail_open_count += 1
            self.revocation.log.warn(
                "{address} is let in although the status of its certificate {certificate} is not to be had"
                " ([ssl_profile {profile}] ocsp_unavailable = Allow; {count} so far)",
                count=self.revocation.fail_open_count,
                address=peer.address,
                certificate=peer.certificate.fingerprint.decode(),
                profile=self.profile.name,
            )
        return judged


def _nothing() -> None:
    """Nothing was subscribed to."""


def subjects(peer: Peer, profile: SslProfile) -> tuple[Subject, ...]:
    """The certificates of a client that are asked about, each with its issuer: the leaf, or all but the root."""
    leaf = () if peer.certificate is None else (peer.certificate.der,)
    chain = (*leaf, *peer.chain_der)
    pairs = tuple(pairwise(chain))
    return pairs if profile.ocsp_scope is OcspScope.CHAIN else pairs[:1]


def route_of(request: OcspRequest, profile: SslProfile) -> ResponderRoute:
    """Whom to ask: the operator's responder, else those of the certificate that are any good, each once."""
    own = profile.ocsp_responder_url
    urls = (own,) if own else tuple(dict.fromkeys(request.responders))[:MAX_URLS]
    return ResponderRoute(
        destinations=tuple(_destinations(urls))[:MAX_DESTINATIONS],
        timeout=profile.ocsp_timeout,
        open_networks=profile.ocsp_allowed_networks,
        open_ports=profile.ocsp_allowed_ports,
        is_operators=bool(own),
    )


def _destinations(urls: Iterable[str]) -> Iterable[Destination]:
    for url in urls:
        try:
            yield destination(url)
        except UnacceptableError:
            continue


def _asked(subject: Subject, profile: SslProfile) -> str:
    """The URLs of the responders of a certificate, for a message: in parentheses; empty where there are none."""
    request = OcspRequest.of(*subject)
    destinations = () if isinstance(request, Unusable) else route_of(request, profile).destinations
    urls = [each.url[:_SHOWN] for each in destinations]
    return f" ({', '.join(urls)})" if urls else ""


def _first(failure: Failure) -> Failure:
    """What really failed, as one certificate alone would have it: a client that left is no defect."""
    failure.trap(FirstError)
    first: Failure = failure.value.subFailure  # type: ignore[union-attr]
    return first


def _rules(profile: SslProfile) -> Rules:
    return Rules(
        clock_skew=profile.ocsp_clock_skew,
        max_age=profile.ocsp_max_age,
        default_age=profile.ocsp_default_age,
        without_nocheck=profile.ocsp_responder_without_nocheck is WithoutNocheck.ALLOW,
    )
