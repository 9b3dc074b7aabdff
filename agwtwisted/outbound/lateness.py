"""How late the reactor is, and timeouts that do not count that time.

A busy reactor runs timers late and reads late what has arrived. A timeout for another program must leave out the time
in which this process did not read. Caller: the OCSP client.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime

T = TypeVar("T")

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

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measures while the block runs; blocks may overlap."""
        self._users += 1
        if self._timer is None:
            self._measure_later()
        try:
            yield
        finally:
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
        self.is_exhausted = False  # the lateness was more than is added: the timeout says nothing about the other side
        self._clock = clock
        self._lateness = lateness
        self._end = clock.seconds() + seconds
        self._late_at_first = 0.0 if lateness is None else lateness.total

    async def wait_for(self, waiting: Deferred[T]) -> T:
        """The result of `waiting`, which is cancelled at the end of the time. Raises TimeoutError then.

        The reactor gets one more turn at the end, as it may not have read yet what arrived in time.
        """
        timer: IDelayedCall = self._clock.callLater(self._left(), lambda: over())
        timed_out = False

        def over() -> None:
            nonlocal timer
            left = self._left()
            timer = self._clock.callLater(left, over if left else end)

        def end() -> None:
            nonlocal timed_out
            timed_out = True
            waiting.cancel()

        try:
            with nullcontext() if self._lateness is None else self._lateness.measured():
                return await waiting
        except CancelledError:
            if timed_out:
                raise TimeoutError from None
            raise
        finally:
            if timer.active():
                timer.cancel()

    def _left(self) -> float:
        """Seconds, extended by the lateness."""
        late = 0.0 if self._lateness is None else self._lateness.total - self._late_at_first
        self.is_exhausted = late > MAX_LATENESS
        left = self._end + min(late, MAX_LATENESS) - self._clock.seconds()
        return left if left > NEGLIGIBLE else 0.0
