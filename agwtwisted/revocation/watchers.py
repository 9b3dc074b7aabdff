"""Which connections are affected when a certificate becomes known as revoked, and calling them a few at a time.

One certificate may have thousands of connections, and each of them is judged again and closed: all in one turn of the
reactor would hold up every other client. Caller: the revocation service.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from agwtwisted.transport.spread_calls import SpreadCalls

CALLS_PER_TURN: Final = 64
"""Connections that are called in one turn of the reactor: some ten milliseconds for all of them."""


class RevocationWatchers:
    """Callbacks by certificate."""

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._watchers: dict[Hashable, set[Callable[[], None]]] = {}
        self._calls = SpreadCalls(clock, CALLS_PER_TURN, self._failed)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._watchers

    def watch(self, keys: Iterable[Hashable], call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called once one of these certificates becomes known as revoked; returns what ends that."""
        watched = tuple(keys)
        for key in watched:
            self._watchers.setdefault(key, set()).add(call)

        def unwatch() -> None:
            self._calls.discard(call)
            for key in watched:
                watchers = self._watchers.get(key, set())
                watchers.discard(call)
                if not watchers:
                    self._watchers.pop(key, None)

        return unwatch

    def notify(self, key: Hashable) -> None:
        """Calls all who watch a certificate, many of them spread over turns of the reactor."""
        self._calls.add(self._watchers.get(key, ()))

    def stop(self) -> None:
        """Calls nothing more."""
        self._calls.stop()

    def _failed(self) -> None:
        self.log.failure("Unexpected error while revalidating a connection after a revocation")
