"""The addresses of a name from the reactor's own resolver: getaddrinfo(3), in one of the reactor's threads.

It knows what only this system knows, but not for how long it holds. Callers: the system resolver, as its last resort,
and the connections to OCSP responders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from twisted.internet.posixbase import PosixReactorBase
from zope.interface import implementer

from agwtwisted.backends.dns_client import ResolutionError, ResolvedName
from agwtwisted.transport.deferreds import SingleFlight

TTL: Final = 30.0
"""Seconds that an answer of a resolver holds that does not say how long it holds."""

MAX_LOOKUPS: Final = 4
"""Names that a `ReactorResolver` looks up at once: the reactor has few threads, and a dead name server keeps one for
long. A lookup that was cancelled counts until its thread is free again."""


def resolve_by_reactor(
    reactor: PosixReactorBase, name: str, done: Callable[[], None] = lambda: None
) -> Deferred[ResolvedName]:
    """The addresses of a name; fails with ResolutionError; may be cancelled.

    `done` is called when the thread is free again, cancelled or not.
    """
    resolution = _Resolution(done)
    reactor.nameResolver.resolveHostName(resolution, name)
    return resolution.complete


class ReactorResolver:
    """Looks names up by the reactor: each once for all who wait for it, a few at a time, without a cache."""

    def __init__(self, reactor: PosixReactorBase) -> None:
        self._reactor = reactor
        self._room = DeferredSemaphore(MAX_LOOKUPS)
        self._flights: SingleFlight[str, tuple[str, ...]] = SingleFlight()
        self._queued: dict[str, list[Callable[[], None]]] = {}

    def addresses(self, name: str, begun: Callable[[], None]) -> Deferred[tuple[str, ...]]:
        """The addresses of a name, none where it has none; may be cancelled.

        `begun` is called once the lookup begins; at once if it is in progress.
        """
        if name not in self._queued and name in self._flights:
            begun()
        else:
            self._queued.setdefault(name, []).append(begun)
        return self._flights.join(name, lambda: Deferred.fromCoroutine(self._look_up(name)))

    async def _look_up(self, name: str) -> tuple[str, ...]:
        try:
            await self._room.acquire()
        finally:
            queued = self._queued.pop(name, [])
        for begun in queued:
            begun()
        try:
            return (await resolve_by_reactor(self._reactor, name, self._room.release)).addresses
        except ResolutionError:
            return ()


@implementer(IResolutionReceiver)
class _Resolution:
    """Collects the addresses of a name."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._addresses: list[str] = []
        self._done = done
        self.complete: Deferred[ResolvedName] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N802, N803
        """Does nothing; a resolution cannot be ended."""

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802
        """Takes one more address."""
        self._addresses.append(address.host)  # type: ignore[attr-defined]

    def resolutionComplete(self) -> None:  # noqa: N802
        """All addresses are there; a name that does not resolve has none."""
        self._done()
        addresses = tuple(dict.fromkeys(self._addresses))
        if self.complete.called:  # it was cancelled
            return
        if addresses:
            self.complete.callback(ResolvedName(addresses=addresses, ttl=TTL))
        else:
            self.complete.errback(ResolutionError("there is no such name, or no address", is_final=True))
