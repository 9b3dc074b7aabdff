"""When lists are asked for again: ahead of their end, at a random time; and, after a failure, ever less often.

Caller: the CRL source, which decides whether a list is still worth a request.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import Final, Generic, TypeVar

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.core.revocation.status import NoAnswer
from agwtwisted.revocation.held_lists import HeldList
from agwtwisted.revocation.renewals import MIN_RENEWAL, RENEW_FROM, RENEW_TO
from agwtwisted.transport.clocks import WallClock

K = TypeVar("K", bound=Hashable)

LOOKED_FOR_EVERY: Final = 3600.0
"""Seconds after which a newer list is looked for at most where the server says if there is none: a CA that revokes
certificates publishes a list before the last one ends."""

FIRST_RETRY: Final = 10.0
LAST_RETRY: Final = 60.0
"""Seconds from a failure to the next try: twice as many after each failure, up to the second."""


class CrlRenewals:
    """A timer for each list that is to be renewed.

    Args:
        clock: runs the timers.
        wall: by which lists end.
        random: spreads the renewals, so that not all processes and gateways ask at once.
        due: is called when it is time.
    """

    def __init__(self, clock: IReactorTime, wall: WallClock, random: Random, due: Callable[[HeldList], None]) -> None:
        self._clock = clock
        self._wall = wall
        self._random = random
        self._due = due
        self._running = False
        self._timers: dict[bytes, tuple[HeldList, IDelayedCall]] = {}

    def start(self) -> None:
        """Takes timers from now on."""
        self._running = True

    def stop(self) -> None:
        """Cancels all timers, and takes no more."""
        self._running = False
        for held, _ in tuple(self._timers.values()):
            self.cancel(held)

    def schedule(self, held: HeldList) -> None:
        """Starts the timer of a list, unless it runs, or the list ends too soon for one."""
        if held.crl.key in self._timers or not self._running:
            return
        delay = (held.crl.next_update - self._wall.seconds()) * self._random.uniform(RENEW_FROM, RENEW_TO)
        if held.stored.validators:
            delay = min(delay, LOOKED_FOR_EVERY * self._random.uniform(RENEW_TO, 1.0))
        if delay >= MIN_RENEWAL:
            self._timers[held.crl.key] = held, self._clock.callLater(delay, self._fired, held)

    def cancel(self, held: HeldList) -> None:
        """Cancels the timer of a list of this kind."""
        timer = self._timers.pop(held.crl.key, None)
        if timer is not None:
            timer[1].cancel()

    def left(self, held: HeldList) -> float | None:
        """Seconds until a list is renewed; None where that is not planned."""
        timer = self._timers.get(held.crl.key)
        return None if timer is None else timer[1].getTime() - self._clock.seconds()

    def reschedule(self) -> None:
        """The wall clock was set: what is left of a list's life has changed."""
        for held, _ in tuple(self._timers.values()):
            self.cancel(held)
            self.schedule(held)

    def _fired(self, held: HeldList) -> None:
        del self._timers[held.crl.key]
        self._due(held)


@attrs.define(eq=False)
class _Failed:
    """Something that could not be had, and when it is tried again."""

    failure: NoAnswer
    delay: float
    timer: IDelayedCall | None
    wanted: bool = False  # since the last try


class Retries(Generic[K]):
    """What failed, and is tried again while no client waits for it: clients get the failure meanwhile.

    Otherwise each of them would wait until the server has been given up again. What no client wants is forgotten.

    Args:
        clock: runs the timers.
        most: failures that are kept; the oldest go first.
    """

    def __init__(self, clock: IReactorTime, most: int = 1024) -> None:
        self._clock = clock
        self._most = most
        self._failed: dict[K, _Failed] = {}

    def failure(self, key: K) -> NoAnswer | None:
        """Why something cannot be had now; None where it is worth asking. It counts as wanted."""
        failed = self._failed.get(key)
        if failed is None:
            return None
        failed.wanted = True
        return failed.failure

    def failed(self, key: K, failure: NoAnswer, retry: Callable[[], None]) -> None:
        """It failed; `retry` is called when it is time for the next try, if any client wanted it meanwhile."""
        before = self._failed.pop(key, None)
        if before is not None and before.timer is not None:
            before.timer.cancel()
        delay = FIRST_RETRY if before is None else min(2 * before.delay, LAST_RETRY)
        while len(self._failed) >= self._most:
            self.forget(next(iter(self._failed)))
        timer = self._clock.callLater(delay, self._fired, key, retry)
        self._failed[key] = _Failed(failure, delay, timer)

    def forget(self, key: K) -> None:
        """It is there, or not wanted any more."""
        failed = self._failed.pop(key, None)
        if failed is not None and failed.timer is not None:
            failed.timer.cancel()

    def clear(self) -> None:
        """Forgets all, and leaves no timer."""
        for key in tuple(self._failed):
            self.forget(key)

    def _fired(self, key: K, retry: Callable[[], None]) -> None:
        failed = self._failed[key]
        failed.timer = None
        if failed.wanted:
            failed.wanted = False
            retry()
        else:
            del self._failed[key]
