"""A deadline that is cheap to move, because it is moved far more often than missed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """Calls `missed` once its time has come, unless it was moved or cleared before; the called function may change.

    Moving it costs a clock reading: the timer that runs already is left to find the new time when it fires.
    A connection moves its deadline with every request, so this is on the hot path.
    """

    __slots__ = ("_clock", "_timer", "_timer_at", "at", "missed")

    def __init__(self, clock: IReactorTime, missed: Callable[[], None]) -> None:
        self.missed = missed
        self._clock = clock
        self.at: float | None = None
        """When it is, on its clock; None while there is none. One that is set may be put later here, never earlier."""
        self._timer: IDelayedCall | None = None
        self._timer_at = 0.0

    def set(self, seconds: float) -> None:
        """Puts the deadline `seconds` from now."""
        at = self.at = self._clock.seconds() + seconds
        if self._timer is None:
            self._start(seconds, at)
        elif at < self._timer_at:
            self._timer.cancel()
            self._start(seconds, at)

    def postpone(self, seconds: float, at_most: float) -> None:
        """Puts the deadline `seconds` later, but not beyond `at_most` from now; one that was not set is put there.

        A sender gets time for each byte this way, and its credit is bounded.
        """
        at = self.at
        if at is None or at + seconds > self._clock.seconds() + at_most:
            self.set(at_most)
        else:
            self.at = at + seconds  # not before the timer that runs

    def clear(self) -> None:
        """There is no deadline until the next `set`; the timer may still run, in vain."""
        self.at = None

    def stop(self) -> None:
        """No deadline, and no timer left behind."""
        self.at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """The same for good: what was called leads no longer back to the owner of this."""
        self.stop()
        self.missed = _nothing

    def _start(self, seconds: float, at: float) -> None:
        self._timer_at = at
        self._timer = self._clock.callLater(seconds, self._fired)

    def _fired(self) -> None:
        self._timer = None
        if self.at is None:
            return
        left = self.at - self._clock.seconds()
        if left > 0:
            self._start(left, self.at)
        else:
            self.at = None
            self.missed()


def _nothing() -> None:
    """Nothing is waited for."""
