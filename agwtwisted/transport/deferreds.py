"""How to log the failure of a Deferred without waiters, to wait until a set is empty, and to share one result among
many waiters.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")


def log_failure(deferred: Deferred[Any], log: Logger, while_doing: str) -> None:
    """Logs the failure of a Deferred without waiters; a cancellation is not a failure."""

    def failed(failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            log.failure("Unexpected error while {while_doing}", failure, while_doing=while_doing)

    deferred.addErrback(failed)  # type: ignore[unused-awaitable]  # this is where it is handled


class TrackedSet(Generic[T]):
    """A set that notifies waiters when it has become empty."""

    def __init__(self) -> None:
        self._members: set[T] = set()
        self.add: Final[Callable[[T], None]] = self._members.add
        """Takes a member in."""
        self._waiting: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len(self._members)

    def discard(self, member: T) -> None:
        """Removes a member, and notifies the waiters if it was the last."""
        self._members.discard(member)
        while self._waiting and not self._members:  # a waiter may cancel the others
            self._waiting.pop(0).callback(None)

    def snapshot(self) -> tuple[T, ...]:
        """The members of this moment."""
        return tuple(self._members)

    def when_empty(self) -> Deferred[None]:
        """Fires once no member is left, at once if there is none now; may be cancelled."""
        deferred: Deferred[None] = Deferred(self._forget)
        if self._members:
            self._waiting.append(deferred)
        else:
            deferred.callback(None)
        return deferred

    def _forget(self, deferred: Deferred[None]) -> None:
        self._waiting.remove(deferred)


class SingleFlight(Generic[T, V]):
    """One request for many waiters: those that come while it is in progress wait for the same result.

    A waiter that is cancelled leaves, and the others wait on; with the last one the question itself is cancelled.

    Args:
        goes_on: the question goes on without waiters, for those who come later.
    """

    def __init__(self, *, goes_on: bool = False) -> None:
        self._goes_on = goes_on
        self._flights: dict[T, _Flight[V]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: T) -> bool:
        return key in self._flights

    def join(self, key: T, start: Callable[[], Deferred[V]]) -> Deferred[V]:
        """The result; `start` begins the request if it is not in progress yet; may be cancelled."""
        flight = self._flights.get(key)
        if flight is not None:
            return flight.waiter(lambda: self._deserted(key, flight))
        begun = self._flights[key] = _Flight()
        waiter = begun.waiter(lambda: self._deserted(key, begun))
        begun.question = start()
        begun.question.addBoth(self._landed, key, begun)  # type: ignore[unused-awaitable]  # fails where nothing waits
        return waiter

    def cancel(self) -> None:
        """Cancels every request; all waiters are notified."""
        for flight in tuple(self._flights.values()):
            if flight.question is not None:
                flight.question.cancel()

    def _landed(self, result: V | Failure, key: T, flight: _Flight[V]) -> Failure | None:
        self._forget(key, flight)
        waiters, flight.waiters = flight.waiters, []
        if not waiters and isinstance(result, Failure) and result.check(CancelledError) is None:
            return result  # Twisted logs it
        for waiter in waiters:
            if waiter.called:  # cancelled by one whose turn came before
                continue
            if isinstance(result, Failure):
                waiter.errback(result)
            else:
                waiter.callback(result)
        return None

    def _deserted(self, key: T, flight: _Flight[V]) -> None:
        if self._goes_on:
            return
        self._forget(key, flight)  # first: a new waiter begins a new request
        if flight.question is not None:
            flight.question.cancel()

    def _forget(self, key: T, flight: _Flight[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


class _Flight(Generic[V]):
    """A request in progress, and who waits for its answer."""

    def __init__(self) -> None:
        self.question: Deferred[V] | None = None
        self.waiters: list[Deferred[V]] = []

    def waiter(self, deserted: Callable[[], None]) -> Deferred[V]:
        """One more; `deserted` is called when it is the last to leave."""

        def leave(waiter: Deferred[V]) -> None:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
                if not self.waiters:
                    deserted()

        waiter: Deferred[V] = Deferred(leave)
        self.waiters.append(waiter)
        return waiter
