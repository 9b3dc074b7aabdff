"""Makes many calls, a bounded number in each turn of the reactor.

There may be a callback for each connection, and work for each of thousands in one turn would hold up all other clients.
Callers: the wall clock, the watchers and renewals of revocation, and the succession of ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class SpreadCalls:
    """Calls that are made soon, in the order in which they were added, each once.

    Args:
        clock: runs the timer.
        per_turn: calls in one turn of the reactor, however often and for whatever calls are added in it.
        failed: is called in the handler of an exception that a call raises; the other calls are made all the same.
    """

    def __init__(self, clock: IReactorTime, per_turn: int, failed: Callable[[], None]) -> None:
        self._clock = clock
        self._per_turn = per_turn
        self._failed = failed
        self._pending: dict[Callable[[], None], None] = {}
        self._left = per_turn  # until the next turn, which is waited for only when it is needed
        self._timer: IDelayedCall | None = None
        self._calling = False

    def add(self, calls: Iterable[Callable[[], None]]) -> None:
        """Makes calls: the first ones now, the others in the next turns."""
        self._pending.update(dict.fromkeys(calls))
        if self._timer is None and not self._calling:
            self._call_some()

    def discard(self, call: Callable[[], None]) -> None:
        """Does not make a call, if it has not been made."""
        self._pending.pop(call, None)

    def stop(self) -> None:
        """Makes no more calls, and leaves no timer."""
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
            except Exception:
                self._failed()
        self._calling = False
        if self._pending:
            self._timer = self._clock.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._timer = None
        self._left = self._per_turn
        self._call_some()
