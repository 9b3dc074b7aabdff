"""The two clocks: a monotonic one for waits, and the system's, which can be set, for validity.

The system's clock is set by people, by NTP after a boot with a wrong time, by a virtual machine that was resumed. A
deadline that ran on it would last an hour too long after an hour back, and end everything under way after an hour
forward. The reactor therefore counts monotonically: its `seconds` mean nothing but their differences. Whether a
certificate or an answer is valid is asked of a `WallClock`, which also says when the system's clock was set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.transport.spread_calls import SpreadCalls

system_time: Final = time.time
"""Seconds since 1970, as the system has them."""

monotonic_time: Final = time.monotonic
"""Seconds by the clock that cannot be set, the same in all processes of the system."""

LOOK: Final = 1.0
"""Seconds between two looks whether the system's clock was set."""

STEP: Final = 1.0
"""Seconds by which the two clocks must have moved apart for it to count as set."""

NOTIFIED_AT_ONCE: Final = 128
"""Subscribers that are called in one turn of the reactor after a step: there may be one for each connection."""


def processor_seconds() -> float:
    """CPU time that this thread has taken: for work that is bounded, however busy the machine is."""
    return time.thread_time()


def monotonic_microseconds() -> int:
    """CLOCK_MONOTONIC, as other programs of this machine read it too."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class WallClock(Service):
    """The system's time, in seconds since 1970, and word of its steps; `seconds` needs no started service."""

    name = "wall clock"
    log = Logger()

    def __init__(self, clock: IReactorTime, seconds: Callable[[], float] = system_time) -> None:
        """`clock` is the one that cannot be set, `seconds` the one that can."""
        self.seconds = seconds
        self._clock = clock
        self._offset = 0.0  # of the one from the other, when it was last looked at with a result
        self._timer: IDelayedCall | None = None
        self._subscribers: dict[Callable[[], None], None] = {}
        self._calls = SpreadCalls(clock, NOTIFIED_AT_ONCE, self._failed)

    def subscribe(self, stepped: Callable[[], None]) -> Callable[[], None]:
        """Has `stepped` called after every step of the system's clock; returns what ends that."""

        def unsubscribe() -> None:
            self._subscribers.pop(stepped, None)
            self._calls.discard(stepped)

        self._subscribers[stepped] = None
        return unsubscribe

    def startService(self) -> None:
        """Looks for steps from now on."""
        super().startService()
        self._offset = self.seconds() - self._clock.seconds()
        self._timer = self._clock.callLater(LOOK, self._tick)

    def stopService(self) -> None:
        """Looks no more."""
        super().stopService()
        self._calls.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = self._clock.callLater(LOOK, self._tick)
        self._look()

    def _look(self) -> None:
        # The process may have been stopped between the readings: what counts is what they say at the very least.
        before, now, after = self._clock.seconds(), self.seconds(), self._clock.seconds()
        forward, back = now - after - self._offset, self._offset - (now - before)
        if max(forward, back) < STEP:
            return
        self._offset = now - after
        self.log.warn(
            "The system's clock was set {direction} by {seconds:.0f} s: validity is judged again",
            direction="forward" if forward > 0 else "back",
            seconds=max(forward, back),
        )
        self._calls.add(self._subscribers)

    def _failed(self) -> None:
        self.log.failure("Unexpected error after a step of the system's clock")


def count_monotonically(reactor: Any) -> bool:
    """Makes a reactor wait by a time that cannot be set; whether it does now.

    Twisted's reactors take the system's time by default, and may be given another one as long as nothing is scheduled.
    One with a time of its own is left as it is.
    """
    if getattr(reactor, "seconds", None) is time.monotonic:
        return True
    if getattr(reactor, "seconds", None) is not ReactorBase.seconds or reactor.getDelayedCalls():
        return False
    reactor.seconds = time.monotonic
    return True
