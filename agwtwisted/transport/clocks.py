"""The two clocks: what waits, waits by a time that cannot be set; what is valid, is valid by the system's.

The system's clock is set by people, by NTP after a boot with a wrong time, by a virtual machine that was resumed. A
deadline that ran on it would last an hour too long after an hour back, and end everything under way after an hour
forward. The reactor therefore counts monotonically: its `seconds` mean nothing but their differences. Whether a
certificate or an answer is valid is asked of a `WallClock`, which also says when the system's clock was set.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

system_time: Final = time.time
"""Seconds since 1970, as the system has them."""

LOOK: Final = 1.0
"""Seconds between two looks whether the system's clock was set."""

STEP: Final = 1.0
"""Seconds by which the two clocks must have moved apart for it to count as set."""

TOLD_AT_ONCE: Final = 128
"""Subscribers that are told of a step in one turn of the reactor: there may be one for each connection."""


def processor_seconds() -> float:
    """CPU time that this thread has taken: for work that is bounded, however busy the machine is."""
    return time.thread_time()


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
        self._telling: IDelayedCall | None = None

    def subscribe(self, stepped: Callable[[], None]) -> Callable[[], None]:
        """Has `stepped` called after every step of the system's clock; returns what ends that."""
        self._subscribers[stepped] = None
        return lambda: self._subscribers.pop(stepped, None)

    def startService(self) -> None:
        """Looks for steps from now on."""
        super().startService()
        self._offset = self.seconds() - self._clock.seconds()
        self._timer = self._clock.callLater(LOOK, self._tick)

    def stopService(self) -> None:
        """Looks no more."""
        super().stopService()
        for timer in (self._timer, self._telling):
            if timer is not None:
                timer.cancel()
        self._timer = self._telling = None

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
        if self._telling is not None:
            self._telling.cancel()
        self._tell(iter(tuple(self._subscribers)))

    def _tell(self, subscribers: Iterator[Callable[[], None]]) -> None:
        """Tells some of them now, and the others soon."""
        self._telling = None
        told = 0
        for stepped in islice(subscribers, TOLD_AT_ONCE):
            told += 1
            if stepped in self._subscribers:
                self._tell_one(stepped)
        if told == TOLD_AT_ONCE:
            self._telling = self._clock.callLater(0, self._tell, subscribers)

    def _tell_one(self, stepped: Callable[[], None]) -> None:
        try:
            stepped()
        except Exception:  # a defect of one connection is none of the others
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
