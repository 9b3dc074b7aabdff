"""Gets the newest list of a distribution point: what another process has stored of it, else by one download for all.

Of all processes that share a store one downloads a list at a time, and the others wait for what it stores. Whether a
list counts is decided by the caller, while the right to download it is still held. Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeAlias

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.core.http.destinations import Destination
from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, Unreachable, Unusable
from agwtwisted.interfaces import NO_SIBLINGS, Siblings
from agwtwisted.operations.counters import ListCounters
from agwtwisted.revocation.crl_download import CrlDownload, Downloaded, DownloadRules, NotModified
from agwtwisted.revocation.crl_store import Lease, ListStore, StoredList, Validators, name_of
from agwtwisted.revocation.crl_turns import DownloadTurns
from agwtwisted.revocation.shared_lists import SharedLists
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.threads import in_thread

LIST: Final = "CRL"
"""The topic: the name of a list that one process has stored."""

LOOK: Final = 0.25
"""Seconds between two looks whether another process has downloaded a list, unless it says so before."""

MAX_GROWTH: Final = 20 * 1000 * 1000
"""Bytes by which a list of another gateway may be longer than the one before it."""

Accept: TypeAlias = Callable[[StoredList], Deferred[NoAnswer | None]]
"""Proves a list and takes it in, or says why it does not count; None: it is taken, or was there already."""


@attrs.frozen(kw_only=True)
class ListPlace:
    """Where the lists of an issuer are: a distribution point, and within which limits it is asked."""

    destination: Destination
    issuer: bytes = attrs.field(repr=False)  # the certificate, in DER
    rules: DownloadRules
    profile: str = ""  # the name of the one whose rules they are

    @property
    def name(self) -> str:
        """Under which its list is stored."""
        return name_of(self.destination.url, self.issuer)


class CrlRetrieval:
    """Gets lists.

    Args:
        reactor: runs the timers, and is reached from threads.
        download: downloads them.
        store: keeps them.
        wall: the time in seconds since 1970.
        siblings: the other processes that share the store, as far as they are of this gateway.
        counters: of what becomes of downloads; None: in vain.
        shared: what other gateways have downloaded; None: nothing is shared.
    """

    log = Logger()

    def __init__(
        self,
        reactor: PosixReactorBase,
        download: CrlDownload,
        store: ListStore,
        wall: Callable[[], float],
        *,
        siblings: Siblings = NO_SIBLINGS,
        counters: ListCounters | None = None,
        shared: SharedLists | None = None,
    ) -> None:
        self._reactor = reactor
        self._download = download
        self._store = store
        self._wall = wall
        self._siblings = siblings
        self._counters = ListCounters() if counters is None else counters
        self._shared = SharedLists(reactor) if shared is None else shared
        self._waiting: dict[str, set[Deferred[None]]] = {}
        self._turns = DownloadTurns(reactor)

    def newest(
        self, place: ListPlace, known: StoredList | None, accept: Accept, *, unconditionally: bool = False
    ) -> Deferred[NoAnswer | None]:
        """Has `accept` take the newest list of a place; None once that is done, or `known` is the newest one.

        Args:
            place: where it is.
            known: the list of this place that counts by now; None: there is none.
            accept: takes it.
            unconditionally: whether the server is to send a list even where it has no newer one.
        """
        return Deferred.fromCoroutine(self._newest(place, known, accept, unconditionally))

    def heard(self, name: str) -> None:
        """Another process has stored the list of this name: who waits for it need not look again."""
        for waiting in tuple(self._waiting.get(name, ())):
            waiting.callback(None)

    def stored(self, name: str) -> Deferred[StoredList | None]:
        """The list that is stored under this name; None where there is none that can be read."""
        return in_thread(self._reactor, partial(self._store.read, name), "CRL store")

    def keep(self, taken: StoredList) -> Deferred[None]:
        """Stores a list that counts, and lets the other processes know; what fails is in the log, and loses nothing."""
        return Deferred.fromCoroutine(self._keep(taken))

    async def _newest(
        self, place: ListPlace, known: StoredList | None, accept: Accept, unconditionally: bool
    ) -> NoAnswer | None:
        """Before its turn nothing is opened: lists that wait take no descriptor."""
        whose = place.profile, (place.destination.host, place.destination.port)
        if not await self._turns.take(*whose, place.rules.seconds):
            return CouldNotAsk("too many CRLs are being downloaded")
        try:
            return await self._of_processes(place, known, accept, unconditionally)
        finally:
            self._turns.give_back(*whose)

    async def _of_processes(
        self, place: ListPlace, known: StoredList | None, accept: Accept, unconditionally: bool
    ) -> NoAnswer | None:
        """A list of another process of this gateway, or one that is got for all of them."""
        end, seen = self._reactor.seconds() + place.rules.seconds, known
        while True:
            lease = await self._leased(place.name)
            try:
                stored = await self.stored(place.name)  # after the lease: its last holder has stored by now
                if stored is not None and (seen is None or stored.data != seen.data):
                    seen = stored
                    if await accept(stored) is None:
                        return None
                if lease is not None:
                    return await self._of_gateways(place, known, accept, unconditionally, end)
            finally:
                _released(lease)
            if self._reactor.seconds() >= end:
                return Unreachable("another process has been downloading the CRL for too long", was_asked=False)
            await self._news_of(place.name)

    async def _of_gateways(
        self, place: ListPlace, known: StoredList | None, accept: Accept, unconditionally: bool, end: float
    ) -> NoAnswer | None:
        """A list of another gateway or, where this one is to get it for all, a download."""
        seen, until = known, min(end, self._reactor.seconds() + place.rules.seconds / 2)
        is_leased = False
        while self._shared.is_usable and not is_leased and self._reactor.seconds() < until:
            found = await self._shared_list(place.destination.url, place.issuer, seen, place.rules.most)
            if found is not None and await self._kept(found, accept) is None:
                return None
            seen = found or seen  # what does not count is not loaded again
            is_leased = await self._shared.lease(place.name, place.rules.seconds)
            if not is_leased:
                await self._news_of(place.name)
        taken: StoredList | None = None
        try:
            downloaded = await self._downloaded(place, known, accept, unconditionally)
            if not isinstance(downloaded, StoredList):
                return downloaded
            taken = downloaded
            return None
        finally:
            sharing = Deferred.fromCoroutine(self._share(place.name, taken, is_leased=is_leased))
            log_failure(sharing, self.log, "sharing a CRL")

    async def _shared_list(self, url: str, issuer: bytes, known: StoredList | None, most: int) -> StoredList | None:
        """The list that gateways share, without validators, unless it is the known one."""
        data = await self._shared.load(name_of(url, issuer), b"" if known is None else known.data, most)
        return None if data is None else StoredList(data=data, issuer=issuer, url=url, fetched=self._wall())

    async def _kept(self, found: StoredList, accept: Accept) -> NoAnswer | None:
        """Has a list taken, and keeps it where it counts."""
        failure = await accept(found)
        if failure is None:
            await self._keep(found)
        return failure

    async def _share(self, name: str, taken: StoredList | None, *, is_leased: bool) -> None:
        """Lets other gateways have a list, and download the next one."""
        try:
            if taken is not None:
                await self._shared.store(name, taken.data)
        finally:
            if is_leased:
                await self._shared.release(name)

    async def take_shared(self, known: StoredList, accept: Accept) -> None:
        """Has a newer list taken than the known one, where other gateways have one, and no other worker takes it."""
        lease = await self._leased(known.name)
        if lease is None:
            return
        try:
            most = len(known.data) + MAX_GROWTH
            found = await self._shared_list(known.url, known.issuer, known, most)
            if found is not None:
                await self._kept(found, accept)
        finally:
            _released(lease)

    async def _downloaded(
        self, place: ListPlace, known: StoredList | None, accept: Accept, unconditionally: bool
    ) -> StoredList | NoAnswer | None:
        """The list that was downloaded and counts; None: the known one is the newest."""
        validators = Validators() if known is None or unconditionally else known.validators
        outcome = "cancelled"
        try:
            found = await self._download.fetch(place.destination, place.rules, validators)
            taken = await self._judged(found, place, accept)
            outcome = _outcome_of(taken)
            return taken
        finally:
            self._counters.downloaded(outcome)

    async def _judged(
        self, found: Downloaded | NotModified | NoAnswer, place: ListPlace, accept: Accept
    ) -> StoredList | NoAnswer | None:
        match found:
            case NotModified():
                return None
            case Downloaded():
                taken = StoredList(
                    data=found.data,
                    issuer=place.issuer,
                    url=place.destination.url,
                    validators=found.validators,
                    fetched=self._wall(),
                )
                return await self._kept(taken, accept) or taken
            case _:
                return found

    async def _keep(self, taken: StoredList) -> None:
        try:
            await in_thread(self._reactor, partial(self._store.put, taken), "CRL store")
        except OSError as error:
            message = "A CRL ({name}) cannot be stored, and will be downloaded again after a restart: {error}"
            self.log.error(message, name=taken.url or taken.name, error=str(error))
        else:
            self._siblings.publish(LIST, taken.name.encode())

    def _leased(self, name: str) -> Deferred[Lease | None]:
        return in_thread(self._reactor, partial(self._store.lease, name), "CRL store", _released)

    async def _news_of(self, name: str) -> None:
        """Waits until another process says that it has stored a list, or it is time for another look."""
        with self._listening(name) as waiting:
            try:
                await waiting.addTimeout(LOOK, self._reactor)
            except TimeoutError:
                return

    @contextmanager
    def _listening(self, name: str) -> Iterator[Deferred[None]]:
        waiting: Deferred[None] = Deferred()
        listeners = self._waiting.setdefault(name, set())
        listeners.add(waiting)
        try:
            yield waiting
        finally:
            listeners.discard(waiting)
            if not listeners:
                self._waiting.pop(name, None)


def _released(lease: Lease | None) -> None:
    if lease is not None:
        lease.release()


def _outcome_of(found: StoredList | NoAnswer | None) -> str:
    """The word for what became of a download."""
    match found:
        case None:
            return "not_modified"
        case StoredList():
            return "new"
        case Unusable():
            return "unusable"
        case Unreachable():
            return "unreachable"
        case CouldNotAsk():
            return "could_not_ask"
