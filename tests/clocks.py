"""A system's clock that a test may set, beside the one that cannot be set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from agwtwisted.transport.clocks import LOOK, WallClock


class SettableClock(WallClock):
    """A wall clock that goes as the other one does, until it is set; steps are seen once it is started."""

    def __init__(self, clock: Any) -> None:
        self.ahead = 0.0
        self._other = clock
        super().__init__(clock, lambda: clock.seconds() + self.ahead)

    def step(self, seconds: float) -> None:
        """The system's clock is set by so many seconds, which is seen."""
        self.ahead += seconds
        self._other.advance(LOOK)


def turn(clock: Clock) -> None:
    """One turn of a reactor: calls that are due are made, and calls for now that are added meanwhile are not."""
    for call in [each for each in clock.calls if each.getTime() <= clock.seconds()]:
        if call.active():
            clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


class ThreadedReactor(MemoryReactorClock):
    """A reactor in memory in whose thread something can be called; that is at once."""

    def callFromThread(self, call: Callable[..., object], *given: object) -> None:  # noqa: N802
        """Calls it."""
        call(*given)
