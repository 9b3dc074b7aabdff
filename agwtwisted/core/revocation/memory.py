"""What is known about the revocation of certificates: proven answers, revocations and failures, each bounded.

Three things are kept apart: answers that are no revocations (kept while they hold), revocations (kept until a newer
answer says otherwise), and failures (kept for seconds, for one certificate and profile). That the gateway itself could
not ask is none of them, and not kept. Every answer is judged again at every use, with the time and the rules of that
use. Certificates are known by the key of `ocsp.key_of`. Caller: the revocation service.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.base.expiring import Expiring
from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.ocsp import ProvenResponse
from agwtwisted.core.revocation.profiles import ProfileKey, profile_key, rules_of
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    NoAnswer,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)

MAX_ANSWERS: Final = 10_000
"""Certificates whose answers are kept, revoked ones not counted."""

MAX_REVOKED: Final = 1_000_000
"""Revocations that are kept, those used last: more than any CA of clients has, and clients have to come with them, so
that nothing is evicted in practice. None ends with its certificate: by a clock that is ahead it would end too early."""

MAX_AHEAD: Final = 86400.0
"""Seconds by which a responder's clock may be ahead for its revocation to be ordered by it."""

FAILURE_TTL: Final = 10.0
"""Negative-cache lifetime: seconds until a certificate is asked about again after a failure, or an *unknown*."""

MAX_FORGOTTEN: Final = 64
"""Orders of operators to forget answers that count for those of other gateways, too: the last ones."""

Subject: TypeAlias = tuple[bytes, bytes]
"""A certificate and its issuer, in DER."""


@attrs.frozen(kw_only=True)
class Forgotten:
    """Which answers are to be forgotten: all, or those about certificates with a serial number, and an issuer."""

    serial: int | None = None
    issuer: str = ""  # its name as text (RFC 2253); empty: any

    def is_meant(self, subject: Subject) -> bool:
        """Whether an answer about this certificate is."""
        if self.serial is None:
            return True
        certificate = certificate_of(subject[0])
        if certificate is None or int.from_bytes(certificate.serial, "big", signed=True) != self.serial:
            return False
        return not self.issuer or relative_names(certificate.issuer).decode("utf-8", "replace") == self.issuer

    @property
    def needle(self) -> bytes:
        """What every response about the serial number has in it: the DER of that; empty: nothing in particular."""
        if self.serial is None:
            return b""
        size = ((self.serial if self.serial >= 0 else ~self.serial).bit_length() + 8) // 8
        return der.encoded(der.INTEGER, self.serial.to_bytes(size, "big", signed=True))


@attrs.define(eq=False)
class HeldAnswer:
    """An answer in memory that is no revocation, and what it takes to renew it.

    Past its end it counts only for the profiles that it bridges: those whose request, sent at the end or across it, had
    no answer. They ask again every `FAILURE_TTL` seconds.
    """

    answer: ProvenResponse
    arrived: float  # wall time
    subject: Subject
    profile: str  # the name of the one by whose rules it is renewed
    used: bool = False  # since it was last renewed
    bridging: set[ProfileKey] = attrs.field(factory=set)


@attrs.frozen
class _Revocation:
    """An answer in memory that is one."""

    answer: ProvenResponse  # its thisUpdate no later than its arrival
    this_update: float  # as it was signed
    arrived: float  # wall time

    def orders(self, now: float) -> float:
        """What the thisUpdate of a newer answer must exceed: its own, unless that is still far ahead.

        By a clock that was years ahead no answer would ever be newer.
        """
        return self.this_update if self.this_update <= now + MAX_AHEAD else self.arrived


@attrs.frozen
class _Failure:
    """Why a certificate is not asked about again now, and the wall time of that."""

    status: RevocationStatus
    at: float


class News(Enum):
    """What an answer changed."""

    NONE = auto()  # nothing: it is older than what is known, or says *unknown*
    GOOD = auto()  # the certificate is held as good
    REVOKED = auto()  # the certificate is known as revoked, which it was not before
    STILL_REVOKED = auto()  # a newer answer says *revoked* again


class RevocationMemory:
    """Answers, revocations and failures. `now` is wall time, `ticks` that of a monotonic clock, both in seconds."""

    def __init__(self, max_answers: int, dropped: Callable[[bytes, HeldAnswer], None]) -> None:
        """`dropped` is called with every held answer that goes, also when a newer one takes its place."""
        self._held: Expiring[bytes, HeldAnswer] = Expiring(max_answers, dropped)
        self._revoked: Expiring[bytes, _Revocation] = Expiring(MAX_REVOKED)
        self._failures: Expiring[tuple[bytes, ProfileKey], _Failure] = Expiring(max_answers)
        self._forgotten: deque[tuple[Forgotten, float]] = deque(maxlen=MAX_FORGOTTEN)  # and when

    def held(self, key: bytes, now: float) -> HeldAnswer | None:
        """The answer about a certificate, if it is known and no revocation."""
        return self._held.get(key, now)

    def is_revoked(self, key: bytes, now: float) -> bool:
        """Whether the last word about a certificate is that it is revoked."""
        return self._revoked.get(key, now) is not None

    def revocation(self, key: bytes, now: float) -> ProvenResponse | None:
        """The answer that a certificate is revoked; None where the last word is another."""
        found = self._revoked.get(key, now)
        return None if found is None else found.answer

    def supersedes(self, key: bytes, answer: ProvenResponse, now: float) -> bool:
        """Whether an answer that is no revocation is newer than one that is known."""
        found = self._revoked.get(key, now)
        return found is not None and answer.this_update > found.orders(now)

    def revoked(self, key: bytes, now: float) -> Revoked | None:
        """That a certificate is revoked, where that is the last word about it, however old."""
        answer = self.revocation(key, now)
        if answer is None:
            return None
        until = answer.this_update if answer.next_update is None else answer.next_update
        return Revoked(answer.revoked_at, answer.reason, until)

    def newest_of(self, key: bytes, subject: Subject, now: float) -> float:
        """What the thisUpdate of another gateway's answer about a certificate must exceed; minus infinity: nothing.

        That is the thisUpdate of the last word about it, as it was signed, and the time at which an operator had it
        forgotten.
        """
        held, revoked = self._held.get(key, now), self._revoked.get(key, now)
        times = [at for forgotten, at in self._forgotten if forgotten.is_meant(subject)]
        times += [] if held is None else [held.answer.this_update]
        times += [] if revoked is None else [revoked.orders(now)]
        return max(times, default=-inf)

    def counts(self) -> tuple[int, int, int]:
        """How many certificates are held as good, known as revoked, and unknown to their issuers a moment ago."""
        unknown = sum(isinstance(failure.status, Unknown) for failure in self._failures.values())
        return len(self._held), len(self._revoked), unknown

    def forget(self, forgotten: Forgotten, now: float) -> int:
        """Forgets held answers about certificates that are meant, and every failure; returns how many answers.

        Revocations stay: they end by a newer answer alone.
        """
        self._forgotten.append((forgotten, now))
        meant = [key for key, held in self._held.items() if forgotten.is_meant(held.subject)]
        for key in meant:
            self._held.discard(key)
        self._failures.clear()
        return len(meant)

    def clear(self) -> None:
        """Forgets the held answers."""
        self._held.clear()

    def status(self, key: bytes, profile: SslProfile, *, now: float, ticks: float) -> RevocationStatus | None:
        """The status of a certificate; None where a source has to be asked."""
        rules = rules_of(profile)
        revoked = self._revoked.get(key, now)
        held = None if revoked is not None else self._held.get(key, now)
        if held is not None:
            status = ocsp.status_at(held.answer, rules, now, arrived=_arrival(held, profile, now))
            if isinstance(status, Good):
                return status
        failure = self._failures.get((key, profile_key(profile)), ticks)
        if revoked is not None:
            status = ocsp.status_at(revoked.answer, rules, now)
            asked_lately = failure is not None or (isinstance(status, Revoked) and now < status.until)
            return status if asked_lately else None
        if failure is not None and held is not None and failure.at < ocsp.end_of(held.answer, rules) <= now:
            return None  # a failure ahead of the end is no reason not to ask at the end
        return None if failure is None else failure.status

    def learn(
        self, key: bytes, answer: ProvenResponse, subject: Subject, profile: SslProfile, *, arrived: float, now: float
    ) -> News:
        """Takes an answer in, unless an answer that is known is newer."""
        held, revoked = self._held.get(key, now), self._revoked.get(key, now)
        if held is not None and _is_newer(held, answer, profile, now):
            return News.NONE
        if answer.is_revoked:
            news = self._learn_revoked(key, answer, revoked, now)
        elif answer.is_unknown:
            self._held.discard(key)
            news = News.NONE
        elif revoked is not None and answer.this_update <= revoked.orders(now):
            news = News.NONE
        else:
            self._revoked.discard(key)
            until = ocsp.last_end_of(answer, rules_of(profile))
            self._held.put(key, HeldAnswer(answer, arrived, subject, profile.name), until)
            news = News.GOOD
        if news is not News.NONE:
            self._failures.discard((key, profile_key(profile)))
        return news

    def _learn_revoked(self, key: bytes, answer: ProvenResponse, known: _Revocation | None, now: float) -> News:
        if known is not None and known.orders(now) > answer.this_update:
            return News.NONE
        kept = attrs.evolve(answer, response=b"", this_update=min(answer.this_update, now))
        self._revoked.put(key, _Revocation(kept, answer.this_update, now), inf)
        self._held.discard(key)
        return News.REVOKED if known is None else News.STILL_REVOKED

    def failed(
        self, key: bytes, failure: Unknown | NoAnswer, profile: SslProfile, *, now: float, ticks: float, bridges: bool
    ) -> RevocationStatus:
        """The status of a certificate after a request that brought no news.

        `bridges`: whether an answer that is over may count on, within the clock's skew, since it is asked for again.
        Only then the status can be *good*.
        """
        held, revoked = self._held.get(key, now), self._revoked.get(key, now)
        if isinstance(failure, CouldNotAsk):
            if held is not None:
                held.bridging.discard(profile_key(profile))
        elif not isinstance(failure, Unreachable) or failure.was_asked:
            self._failures.put((key, profile_key(profile)), _Failure(failure, now), ticks + FAILURE_TTL)
        if revoked is not None:
            return ocsp.status_at(revoked.answer, rules_of(profile), now)
        if held is not None and bridges and isinstance(failure, Unusable | Unreachable):
            return _bridged(held, profile, now) or failure
        return failure


def _arrival(held: HeldAnswer, profile: SslProfile, now: float) -> float:
    """When an answer counts as arrived: a bridging one is judged as if it came now."""
    return now if held.bridging and profile_key(profile) in held.bridging else held.arrived


def _is_newer(held: HeldAnswer, answer: ProvenResponse, profile: SslProfile, now: float) -> bool:
    """Whether a held answer that counts for the profile is newer than another answer.

    One that arrived ahead of its thisUpdate was signed before it arrived, by a clock that may be right by now.
    """
    if ocsp.signer_fault(held.answer, rules_of(profile)):
        return False
    return min(held.answer.this_update, held.arrived, now) > answer.this_update


def _bridged(held: HeldAnswer, profile: SslProfile, now: float) -> Good | None:
    """What an answer that is over says on, as far as the clock's skew goes; it bridges the profile from now on."""
    rules = rules_of(profile)
    if now < ocsp.end_of(held.answer, rules):
        return None  # it is not over: the request was one of a renewal
    status = ocsp.status_at(held.answer, rules, now, arrived=now)
    if not isinstance(status, Good):
        return None
    held.bridging.add(profile_key(profile))
    held.used = True
    return status
