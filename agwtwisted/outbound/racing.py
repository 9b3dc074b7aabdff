"""The first of several attempts that succeeds, each begun a little after the one before (RFC 8305 section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")

ATTEMPT_DELAY: Final = 0.25
"""Seconds after which the next attempt begins while the one before is under way: "Connection Attempt Delay"."""


def first_of(attempts: Sequence[Callable[[], Deferred[T]]], clock: IReactorTime) -> Deferred[T]:
    """The result of the first attempt that succeeds, after which the others are cancelled; may be cancelled.

    Fails as the one that failed first, once all have.

    Args:
        attempts: at least one; each is begun once the one before has failed, or after `ATTEMPT_DELAY`.
        clock: time.
    """
    if len(attempts) == 1:
        return attempts[0]()
    return _Race(attempts, clock).won


class _Race(Generic[T]):
    def __init__(self, attempts: Sequence[Callable[[], Deferred[T]]], clock: IReactorTime) -> None:
        self.won: Deferred[T] = Deferred(lambda _: self._end())
        self._to_come = list(attempts)
        self._clock = clock
        self._under_way: list[Deferred[T]] = []
        self._timer: IDelayedCall | None = None
        self._over = False
        self._failure: Failure | None = None
        self._next()

    def _next(self) -> None:
        self._stop_timer()
        attempt = self._to_come.pop(0)()
        self._under_way.append(attempt)
        attempt.addCallbacks(self._succeeded, self._failed, callbackArgs=(attempt,), errbackArgs=(attempt,))  # type: ignore[unused-awaitable]  # all is handled there
        if self._to_come and self._timer is None and not self._over:
            self._timer = self._clock.callLater(ATTEMPT_DELAY, self._late)

    def _late(self) -> None:
        self._timer = None
        self._next()

    def _succeeded(self, result: T, attempt: Deferred[T]) -> None:
        self._under_way.remove(attempt)
        self._end()
        self.won.callback(result)

    def _failed(self, failure: Failure, attempt: Deferred[T]) -> None:
        self._under_way.remove(attempt)
        if self._over:
            failure.trap(CancelledError)
            return
        self._failure = self._failure or failure
        if self._to_come:
            self._next()
        elif not self._under_way:
            self._end()
            self.won.errback(self._failure)

    def _end(self) -> None:
        self._over = True
        self._stop_timer()
        for attempt in tuple(self._under_way):
            attempt.cancel()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
