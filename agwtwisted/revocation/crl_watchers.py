"""Which clients are connected with certificates of which issuer, and which of them a new list has.

A list replaces another one as a whole, so every watched certificate of its issuer is looked up in it, some in each turn
of the reactor. A certificate is read once there is a list at all: most gateways have none. Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.core.revocation.memory import Subject
from agwtwisted.revocation.watchers import RevocationWatchers

LOOKED_UP_PER_TURN: Final = 256
"""Certificates that are looked up in one turn of the reactor: a millisecond for all of them."""

SORTED_PER_TURN: Final = 32
"""Certificates that are read in one turn: two milliseconds."""

Watched = tuple[bytes, bytes]
"""The key of an issuer, and the serial number of a certificate of it."""


class CrlWatchers:
    """Callbacks by certificate, and the certificates by issuer.

    Args:
        clock: runs the timers.
        read: what lists know a certificate by; None where it cannot be read.
        is_revoked: whether a list that is in force now has a certificate.
    """

    def __init__(
        self,
        clock: IReactorTime,
        read: Callable[[Subject], Watched | None],
        is_revoked: Callable[[Watched, Subject], bool],
    ) -> None:
        self._clock = clock
        self._read = read
        self._is_revoked = is_revoked
        self._watchers = RevocationWatchers(clock)
        self._by_issuer: dict[bytes, dict[Subject, bytes]] = {}
        self._sorted: dict[Subject, Watched] = {}
        self._unsorted: dict[Subject, None] = {}
        self._replaced: dict[bytes, Iterator[tuple[Subject, bytes]] | None] = {}  # None: not begun
        self._timer: IDelayedCall | None = None

    def watches(self, issuer: bytes) -> bool:
        """Whether any client is known to be connected with a certificate of this issuer."""
        return issuer in self._by_issuer

    def issuers(self) -> list[bytes]:
        """A certificate of each issuer, in DER."""
        return list(dict.fromkeys(subject[1] for subject in (*self._sorted, *self._unsorted)))

    def watch(self, subjects: Iterable[Subject], call: Callable[[], None], *, sort: bool) -> Callable[[], None]:
        """Has `call` called once a list has one of these certificates that did not; returns what ends that.

        With `sort` they are read now, else once there is a list.
        """
        those = tuple(subjects)
        unwatch = self._watchers.watch(those, call)
        for subject in those:
            if subject not in self._sorted:
                self._unsorted[subject] = None
                if sort:
                    self._sort(subject)

        def unwatch_and_forget() -> None:
            unwatch()
            for subject in those:
                if subject not in self._watchers:
                    self._forget(subject)

        return unwatch_and_forget

    def replaced(self, issuer: bytes) -> None:
        """Another list of this issuer is in force: its certificates are looked up, from the first one on."""
        if self._sorted or self._unsorted:
            self._replaced[issuer] = None
            if self._timer is None:
                self._look()

    def stop(self) -> None:
        """Calls nothing more, and leaves no timer."""
        self._replaced.clear()
        self._watchers.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Reads, or looks up, some; the rest in the next turns."""
        self._timer = None
        if self._unsorted:
            for subject in list(islice(self._unsorted, SORTED_PER_TURN)):
                self._sort(subject)
            self._go_on()
            return
        issuer, subjects = next(iter(self._replaced.items()))
        if subjects is None:
            subjects = self._replaced[issuer] = iter(tuple(self._by_issuer.get(issuer, {}).items()))
        some = list(islice(subjects, LOOKED_UP_PER_TURN))
        if len(some) < LOOKED_UP_PER_TURN:
            del self._replaced[issuer]
        self._go_on()
        for subject, serial in some:
            if self._is_revoked((issuer, serial), subject):
                self._watchers.notify(subject)

    def _go_on(self) -> None:
        if self._replaced:
            self._timer = self._clock.callLater(0, self._look)

    def _sort(self, subject: Subject) -> None:
        del self._unsorted[subject]
        watched = self._read(subject)
        if watched is not None:
            issuer, serial = self._sorted[subject] = watched
            self._by_issuer.setdefault(issuer, {})[subject] = serial

    def _forget(self, subject: Subject) -> None:
        self._unsorted.pop(subject, None)
        watched = self._sorted.pop(subject, None)
        if watched is not None:
            subjects = self._by_issuer[watched[0]]
            del subjects[subject]
            if not subjects:
                del self._by_issuer[watched[0]]
