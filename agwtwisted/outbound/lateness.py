"""How late the reactor is, and timeouts that do not count that time.

A busy reactor runs timers late and reads late what has arrived. A timeout for another program must leave out the time
in which this process did not read. Caller: `cold_client`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TICK: Final = 0.05
"""Seconds between two measurements, while anything is being timed."""

MAX_LATENESS: Final = 30.0
"""Seconds by which a fair timeout is extended at most."""

NEGLIGIBLE: Final = 0.001
"""A remaining time in seconds that counts as none."""


class Lateness:
    """The sum of the seconds by which measurements came late."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._users = 0
        self._timer: IDelayedCall | None = None
        self._due = 0.0
        self._sum = 0.0

    @property
    def total(self) -> float:
        """The sum by now, an overdue measurement included; it never falls, and grows only while it is measured."""
        return self._sum + (0.0 if self._timer is None else max(self._clock.seconds() - self._due, 0.0))

    def begin(self) -> None:
        """Measures until `end` was called as often as this."""
        self._users += 1
        if self._timer is None:
            self._measure_later()

    def end(self) -> None:
        """One user less."""
        self._users -= 1
        if not self._users and self._timer is not None:
            self._sum = self.total
            self._timer.cancel()
            self._timer = None

    def _measure_later(self) -> None:
        self._due = self._clock.seconds() + TICK
        self._timer = self._clock.callLater(TICK, self._measure)

    def _measure(self) -> None:
        self._sum = self.total
        self._measure_later()


class FairTimeout:
    """A timeout of `seconds` in which the process listened; begins when it is made.

    Args:
        clock: monotonic.
        lateness: what is added, up to `MAX_LATENESS`; None: nothing.
    """

    def __init__(self, clock: IReactorTime, lateness: Lateness | None, seconds: float) -> None:
        self.is_over = False
        self.is_exhausted = False  # the lateness was more than is added: the timeout says nothing about the other side
        self._clock = clock
        self._lateness = lateness
        self._end = clock.seconds() + seconds
        self._late_at_first = 0.0 if lateness is None else lateness.total
        self._timer: IDelayedCall | None = None
        self._give_up = _nothing

    def start(self, give_up: Callable[[], None]) -> None:
        """Has `give_up` called at the end of the time, until `stop`.

        The reactor gets one more turn at the end, as it may not have read yet what arrived in time.
        """
        self._give_up = give_up
        if self._lateness is not None:
            self._lateness.begin()
        self._timer = self._clock.callLater(self._left(), self._due)

    def stop(self) -> None:
        """Calls nothing any more."""
        self._give_up = _nothing
        if self._lateness is not None:
            self._lateness.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        left = self._left()
        self._timer = self._clock.callLater(left, self._due if left else self._over)

    def _over(self) -> None:
        self._timer = None
        self.is_over = True
        self._give_up()

    def _left(self) -> float:
        """Seconds, extended by the lateness."""
        late = 0.0 if self._lateness is None else self._lateness.total - self._late_at_first
        self.is_exhausted = late > MAX_LATENESS
        left = self._end + min(late, MAX_LATENESS) - self._clock.seconds()
        return left if left > NEGLIGIBLE else 0.0


def _nothing() -> None:
    """Nothing waits for it."""
