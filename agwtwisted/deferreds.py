"""What to do with a Deferred nobody waits for, and how to wait until nothing is left."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T", bound=Hashable)


def log_failure(deferred: Deferred[Any], log: Logger, while_doing: str) -> None:
    """Logs what goes wrong in a Deferred that nobody waits for; a cancellation is nothing wrong."""

    def failed(failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            log.failure("Unexpected error while {while_doing}", failure, while_doing=while_doing)

    deferred.addErrback(failed)  # type: ignore[unused-awaitable]  # this is where it is handled


class Members(Generic[T]):
    """A set that tells when it has become empty."""

    def __init__(self) -> None:
        self._members: set[T] = set()
        self._waiting: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: T) -> None:
        """Takes a member in."""
        self._members.add(member)

    def discard(self, member: T) -> None:
        """Lets a member go, and tells those who wait when it was the last."""
        self._members.discard(member)
        while self._waiting and not self._members:  # whoever is told may cancel the others
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
