"""How late the reactor is: busy with others, it calls what is due, and reads what has come, some time after.

Whoever judges another by the time that it takes has to leave out the time in which nobody listened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TICK: Final = 0.05
"""Seconds between two looks, while anybody watches."""


class Lateness:
    """The seconds by which looks came late, all together."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._watchers = 0
        self._timer: IDelayedCall | None = None
        self._due = 0.0
        self._sum = 0.0

    @property
    def total(self) -> float:
        """What it comes to by now, the look that is due included; it only grows, and only while it is watched."""
        return self._sum + (0.0 if self._timer is None else max(self._clock.seconds() - self._due, 0.0))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Somebody watches."""
        self._watchers += 1
        if self._timer is None:
            self._look_later()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers and self._timer is not None:
                self._sum = self.total
                self._timer.cancel()
                self._timer = None

    def _look_later(self) -> None:
        self._due = self._clock.seconds() + TICK
        self._timer = self._clock.callLater(TICK, self._look)

    def _look(self) -> None:
        self._sum = self.total
        self._look_later()
