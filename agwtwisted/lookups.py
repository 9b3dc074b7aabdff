"""The addresses of responders' names, of the reactor's own resolver: a name once for all who need it, a few at a time.

The resolver asks in threads of the reactor, of which there are few, and which a dead name server keeps for long. So
that nobody else goes without one, and it is known which names have been asked about at all, no more names are given to
it at once than it has threads to spare.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredSemaphore

from agwtwisted.deferreds import SingleFlight
from agwtwisted.dns_client import NoAnswerError
from agwtwisted.resolving import ask_reactor

MAX_LOOKUPS: Final = 4
"""Names that the resolver is asked about at once; one that nobody waits for any more counts until it has answered."""


class Lookups:
    """Asks the reactor's resolver."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._room = DeferredSemaphore(MAX_LOOKUPS)
        self._flights: SingleFlight[str, tuple[str, ...]] = SingleFlight()
        self._begun: dict[str, list[Callable[[], None]]] = {}

    def addresses(self, name: str, begun: Callable[[], None]) -> Deferred[tuple[str, ...]]:
        """The addresses of a name, none where it has none; may be cancelled.

        `begun` is called once the resolver is asked, unless that is so already: then it is called at once.
        """
        waiting = self._begun.get(name)
        if waiting is None and name in self._flights:
            begun()
        else:
            self._begun.setdefault(name, []).append(begun)
        return self._flights.join(name, lambda: Deferred.fromCoroutine(self._asked(name)))

    async def _asked(self, name: str) -> tuple[str, ...]:
        try:
            await self._room.acquire()
        finally:
            begun = self._begun.pop(name, [])
        for each in begun:
            each()
        try:
            return (await ask_reactor(self._reactor, name, self._room.release)).addresses
        except NoAnswerError:
            return ()
