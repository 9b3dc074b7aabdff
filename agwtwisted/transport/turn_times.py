"""How long the turns of a reactor take: while one lasts, everything else waits."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

from agwtwisted.core.operations.metric_kinds import TURNS
from agwtwisted.transport.outbox import ITurns

SHORT: Final = TURNS[0]
"""Seconds of a turn that counts as short: nearly all are, and cost next to nothing to count."""

WINDOW: Final = 60.0
"""Seconds whose longest turn is known; the window before it counts, too."""


class TurnTimes:
    """The turns of one reactor, which adds short ones by itself to `short` and `short_seconds`."""

    __slots__ = ("_counts", "_end", "_longest", "_previous", "_total", "short", "short_seconds")

    def __init__(self) -> None:
        self.short = 0
        self.short_seconds = 0.0
        self._counts = [0] * (len(TURNS) + 1)
        self._total = 0.0
        self._end = 0.0  # of the window
        self._longest = self._previous = 0.0

    def add(self, seconds: float, now: float) -> None:
        """A turn that ends now, and was not short."""
        self._counts[bisect_left(TURNS, seconds)] += 1
        self._total += seconds
        self._turn_page(now)
        self._longest = max(self._longest, seconds)

    @property
    def sample(self) -> tuple[float, ...]:
        """As `core.operations.measurements` has it."""
        first, *others = self._counts
        return (first + self.short, *others, self._total + self.short_seconds)

    def longest(self, now: float) -> float:
        """The longest turn of the last one or two windows, in seconds; 0 where all of them were short."""
        self._turn_page(now)
        return max(self._longest, self._previous)

    def _turn_page(self, now: float) -> None:
        if now >= self._end:
            self._previous = self._longest if now < self._end + WINDOW else 0.0
            self._longest, self._end = 0.0, now + WINDOW


def turn_times_of(reactor: Any) -> TurnTimes:
    """Those of a reactor; of one that does not measure its turns there are none."""
    return ITurns(reactor).turn_times if ITurns.providedBy(reactor) else TurnTimes()
