"""The addresses of servers' names, from a cache: looked up when needed, kept for their TTL, and refreshed.

An answer whose TTL is over is still given while it is refreshed (stale while revalidating), and the last good one for
as long as there is no other. Other modules do the lookups. Callers: the modules that connect to backend servers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, TimeoutError, maybeDeferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.backends.dns_client import ResolutionError, ResolvedName
from agwtwisted.backends.reactor_resolver import resolve_by_reactor
from agwtwisted.transport.deferreds import SingleFlight, log_failure

MIN_TTL, MAX_TTL = 1.0, 3600.0
"""Bounds in seconds of the TTL of an answer."""

STALE: Final = 60.0
"""Seconds after its TTL in which an answer is given while it is refreshed; later the new one is waited for."""

RETRY: Final = 5.0
"""Negative-cache lifetime: seconds until a name that did not resolve is looked up again."""

TIMEOUT: Final = 10.0
"""Seconds for one lookup in all."""

MAX_LOOKUPS: Final = 64
"""Names that are looked up at once."""

LookUp: TypeAlias = Callable[[str], Deferred[ResolvedName]]
"""Looks up the addresses of a name; fails with ResolutionError; may be cancelled."""


class _Entry:
    """What the cache has of one name."""

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()  # the last good ones
        self.until = 0.0
        self.problem = ""  # why they were not refreshed
        self.refreshing = False
        self._rotation = 0

    def usable(self, now: float) -> bool:
        """Whether it can be given now: there are addresses, or the negative-cache lifetime is not over."""
        return now < self.until + (STALE if self.addresses else 0.0)

    def rotated(self) -> tuple[str, ...]:
        """The addresses, those of IPv4 first, each family rotated by one at each call (round robin)."""
        first = self._rotation
        self._rotation += 1
        families: tuple[list[str], list[str]] = ([], [])
        for address in self.addresses:
            families[isIPv6Address(address)].append(address)
        return tuple(family[(first + at) % len(family)] for family in families for at in range(len(family)))


class Resolver:
    """A cache of addresses, bounded by the names that the configuration has.

    Args:
        clock: monotonic, for the age of answers.
        look_up: where addresses come from.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, look_up: LookUp) -> None:
        self._clock = clock
        self._look_up = look_up
        self._entries: dict[str, _Entry] = {}
        self._flights: SingleFlight[str, None] = SingleFlight()
        self._room = DeferredSemaphore(MAX_LOOKUPS)

    def addresses(self, name: str) -> Deferred[tuple[str, ...]]:
        """The addresses in the order in which to try them; fails with DNSLookupError where there is none.

        May be cancelled; a lookup in the background goes on then, for the next caller.
        """
        entry = self._entries.setdefault(name, _Entry())
        now = self._clock.seconds()
        if now >= entry.until and not entry.refreshing:
            log_failure(self._refreshed(name), self.log, "resolving a name")
        if entry.usable(now):
            return maybeDeferred(_given, entry, name)
        return self._refreshed(name).addCallback(lambda _: _given(entry, name))

    def stop(self) -> None:
        """Cancels every lookup; those who wait get CancelledError."""
        self._flights.cancel()

    def _refreshed(self, name: str) -> Deferred[None]:
        return self._flights.join(name, lambda: Deferred.fromCoroutine(self._refresh(name)))

    async def _refresh(self, name: str) -> None:
        entry = self._entries[name]
        entry.refreshing = True
        try:
            answer = await Deferred.fromCoroutine(self._looked_up(name)).addTimeout(TIMEOUT, self._clock)
        except CancelledError:
            raise
        except (ResolutionError, TimeoutError) as error:
            reason = str(error) if isinstance(error, ResolutionError) else "no response in time"
            self._keep(entry, name, reason)
        except Exception:
            self.log.failure("Unexpected error while resolving {name}", name=name)
            self._keep(entry, name, "an unexpected error")
        else:
            self._learn(entry, name, answer)
        finally:
            entry.refreshing = False

    async def _looked_up(self, name: str) -> ResolvedName:
        await self._room.acquire()
        try:
            return await self._look_up(name)
        finally:
            self._room.release()

    def _learn(self, entry: _Entry, name: str, answer: ResolvedName) -> None:
        if entry.problem and entry.addresses:
            self.log.info("{name} resolves again", name=name)
        entry.addresses, entry.problem = answer.addresses, ""
        entry.until = self._clock.seconds() + min(max(answer.ttl, MIN_TTL), MAX_TTL)

    def _keep(self, entry: _Entry, name: str, reason: str) -> None:
        if entry.addresses and not entry.problem:
            self.log.warn("{name} does not resolve: {reason}; its last addresses are used", name=name, reason=reason)
        entry.problem = reason
        entry.until = self._clock.seconds() + RETRY


def _given(entry: _Entry, name: str) -> tuple[str, ...]:
    if not entry.addresses:
        raise DNSLookupError(f"{name} does not resolve: {entry.problem}")
    return entry.rotated()


def resolver_of(reactor: PosixReactorBase) -> Resolver:
    """A resolver that asks the reactor alone."""
    return Resolver(reactor, partial(resolve_by_reactor, reactor))
