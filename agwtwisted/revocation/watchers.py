"""Which connections are affected when a certificate becomes known as revoked, and calling them a few at a time.

One certificate may have thousands of connections, and each of them is judged again and closed: all in one turn of the
reactor would hold up every other client. Caller: the revocation service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

CALLS_PER_TURN: Final = 64
"""Connections that are called in one turn of the reactor: some ten milliseconds for all of them."""


class RevocationWatchers:
    """Callbacks by certificate."""

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._watchers: dict[bytes, set[Callable[[], None]]] = {}
        self._pending: dict[Callable[[], None], None] = {}  # in the order in which they are called
        self._left = CALLS_PER_TURN  # until the next turn, which comes only when it is needed
        self._timer: IDelayedCall | None = None
        self._calling = False

    def __contains__(self, key: bytes) -> bool:
        return key in self._watchers

    def watch(self, keys: Iterable[bytes], call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called once one of these certificates becomes known as revoked; returns what ends that."""
        watched = tuple(keys)
        for key in watched:
            self._watchers.setdefault(key, set()).add(call)

        def unwatch() -> None:
            self._pending.pop(call, None)
            for key in watched:
                watchers = self._watchers.get(key, set())
                watchers.discard(call)
                if not watchers:
                    self._watchers.pop(key, None)

        return unwatch

    def notify(self, key: bytes) -> None:
        """Calls all who watch a certificate: the first ones now, the others in the next turns of the reactor."""
        self._pending.update(dict.fromkeys(self._watchers.get(key, ())))
        if self._timer is None and not self._calling:
            self._call_some()

    def stop(self) -> None:
        """Calls nothing more."""
        self._pending.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _call_some(self) -> None:
        self._calling = True
        while self._pending and self._left:
            call = next(iter(self._pending))
            del self._pending[call]
            self._left -= 1
            try:
                call()
            except Exception:  # a defect of one connection must not keep the others from being judged
                self.log.failure("Unexpected error while a connection is judged again for a revocation")
        self._calling = False
        if self._pending:
            self._timer = self._clock.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._timer = None
        self._left = CALLS_PER_TURN
        self._call_some()
