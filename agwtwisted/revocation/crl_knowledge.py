"""What the lists in memory say about certificates: no question is asked here, and no client waits.

Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.revocation.crl_status import CrlRules, CrlSubject, status_of
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.status import Good, Revoked, Unusable
from agwtwisted.revocation.crl_files import UnprovenList
from agwtwisted.revocation.crl_watchers import CrlWatchers, Watched
from agwtwisted.revocation.held_lists import MAX_LISTS, HeldList, HeldLists

REMEMBERED_SUBJECTS: Final = 1024
"""Certificates that are not read anew, those seen last."""

RULES: Final = CrlRules()
"""For what no profile asks; whether a certificate is revoked does not depend on them."""


class CrlKnowledge:
    """Lists in force, lists that wait for their issuers, and who is to hear of revocations.

    Args:
        clock: runs the timers.
        seconds: the time by which lists are judged, since 1970.
        most: lists in memory.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, seconds: Callable[[], float], most: int = MAX_LISTS) -> None:
        self.lists = HeldLists(most)
        self.about = lru_cache(REMEMBERED_SUBJECTS)(CrlSubject.of)
        """A certificate, by it and its issuer, as lists are asked about it."""
        self._seconds = seconds
        self.unproven: tuple[UnprovenList, ...] = ()
        """Lists that wait for their issuers."""
        self._tried: dict[bytes, None] = {}  # issuers, in DER; those tried last at the end
        self._watchers = CrlWatchers(clock, self._watched, self._has)

    def stop(self) -> None:
        """Calls nothing more, and leaves no timer."""
        self._watchers.stop()

    def status(self, about: CrlSubject, rules: CrlRules = RULES) -> Good | Revoked | Unusable:
        """What the lists in force say about a certificate now."""
        held = self.lists.of_issuer(about.issuer_key)
        return status_of([each.crl for each in held], about, rules, self._seconds())

    def revoked(self, about: CrlSubject) -> Revoked | None:
        """That a certificate is revoked, by a list of whatever age; most are in none, which the tables say at once."""
        if self._is_in_none(about.issuer_key, about.serial):
            return None
        status = self.status(about)
        return status if isinstance(status, Revoked) else None

    def watch(self, subjects: Iterable[Subject], call: Callable[[], None], *, at_once: bool) -> Callable[[], None]:
        """Has `call` called when one of these certificates becomes known as revoked; returns what ends that.

        `at_once` says that they were asked about here already, so that it costs little to read them.
        """
        return self._watchers.watch(subjects, call, sort=at_once)

    def is_watched(self, issuer: bytes) -> bool:
        """Whether a client is connected with a certificate of this issuer."""
        return self._watchers.watches(issuer)

    def take(self, held: HeldList) -> HeldList | None:
        """Puts a list in force, unless a newer one of its kind is, or one that does not have to come into force first:
        None then. Returns the one that is in force.
        """
        before = self.lists.get(held.crl.key)
        if before is held:
            return held
        if before is not None:
            is_early = held.crl.this_update > self._seconds() + RULES.clock_skew
            if is_early or held.crl.is_older_than(before.crl):
                return None
            held.profile, held.used, held.url = held.profile or before.profile, before.used, held.url or before.url
        dropped = self.lists.put(held)
        if before is not None and before.crl is held.crl:  # it came again
            return held
        self._say(held, "is in force")
        if dropped is not None:
            self._say(dropped, "had to go: there are too many lists")
        self._watchers.replaced(held.crl.issuer_key)
        return held

    def wait_for_issuers(self, unproven: Iterable[UnprovenList]) -> None:
        """These lists are proven once a client comes whose chain has their issuer, and no others."""
        self.unproven = tuple(unproven)
        self._tried.clear()

    def unproven_of(self, issuer: bytes) -> tuple[UnprovenList, ...]:
        """The waiting lists that may be of an issuer (its certificate in DER), unless they were tried."""
        if not self.unproven or issuer in self._tried:
            return ()
        certificate = certificate_of(issuer)
        return tuple(each for each in self.unproven if certificate is not None and each.head.may_be_of(certificate))

    def tried(self, issuer: bytes, those: tuple[UnprovenList, ...]) -> None:
        """All of those waiting lists that may be of an issuer were tried; says nothing about others that wait now."""
        if those is not self.unproven:
            return
        if len(self._tried) >= REMEMBERED_SUBJECTS:
            del self._tried[next(iter(self._tried))]
        self._tried[issuer] = None

    def issuers(self) -> tuple[bytes, ...]:
        """Certificates (in DER) of the issuers that are at hand without a client: of lists, and of who is connected."""
        of_lists = (held.stored.issuer for held in self.lists)
        return tuple(dict.fromkeys((*of_lists, *self._watchers.issuers())))

    @property
    def waiting(self) -> int:
        """How many lists wait for their issuers."""
        return len(self.unproven)

    def _watched(self, subject: Subject) -> Watched | None:
        about = self.about(*subject)
        return None if isinstance(about, Unusable) else (about.issuer_key, about.serial)

    def _has(self, watched: Watched, subject: Subject) -> bool:
        """Whether a certificate that is watched is revoked; only one that is in a list is read anew."""
        if self._is_in_none(*watched):
            return False
        about = self.about(*subject)
        return isinstance(about, CrlSubject) and self.revoked(about) is not None

    def _is_in_none(self, issuer: bytes, serial: bytes) -> bool:
        return all(each.crl.table.find(serial) is None for each in self.lists.of_issuer(issuer))

    def _say(self, held: HeldList, what: str) -> None:
        crl = held.crl
        self.log.info(
            "The CRL {number}of {issuer} {what}: {entries} certificates, until {end} ({origin})",
            number="" if crl.number is None else f"{crl.number} ",
            issuer=relative_names(crl.issuer).decode("utf-8", "replace"),
            what=what,
            entries=len(crl.table),
            end=utc_text(crl.next_update),
            origin=held.origin,
        )
