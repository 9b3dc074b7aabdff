"""What the workers of a gateway count together, those that have ended included: a sum that never goes back.

The parent keeps what each worker has reported last. An answer of a worker is such a report; between two answers a
worker reports by itself, and at its end. What a worker that is killed has counted since its last report is lost: no one
has seen it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import partial
from typing import Final

from agwtwisted.core.operations.kept_names import KeptNames
from agwtwisted.core.operations.measurements import Measurements, merged

NOTHING: Final = Measurements({})

ACCEPTED: Final = "agw_connections_accepted"
CLOSED: Final = "agw_connections_closed"


class WorkerCounts:
    """Measurements of workers, by index. What comes from a worker is reported at once, before it is said to end."""

    def __init__(self) -> None:
        self._serving: dict[int, Measurements] = {}
        self._ended = NOTHING
        self._names = KeptNames()

    def began(self, index: int) -> None:
        """There is a worker, which has counted nothing."""
        self._serving[index] = NOTHING

    def reported(self, index: int, measurements: Measurements) -> None:
        """What a worker has counted so far."""
        if index in self._serving:
            self._serving[index] = measurements

    def ended(self, index: int) -> None:
        """A worker has ended: what it had counted counts on, and its connections are closed."""
        samples = self._serving.pop(index, NOTHING).counted().samples
        if ACCEPTED in samples:
            samples = {**samples, CLOSED: samples[ACCEPTED]}
        self._ended = merged([self._ended, Measurements(samples)])

    def use(self, names: Iterable[tuple[str, str]], now: float) -> None:
        """These names of the configuration are in force from now on, on a monotonic clock."""
        self._names.use(names, now)

    def all_together(self, answered: Container[int], now: float) -> Measurements:
        """The sum over all workers that there have been, where those with these indexes have just reported.

        Of the others it is what they have reported last, without what they had at that moment.
        """
        self._ended = self._ended.of_names(partial(self._names.keeps, now=now))
        serving = (each if index in answered else each.counted() for index, each in self._serving.items())
        return merged([self._ended, *serving])
