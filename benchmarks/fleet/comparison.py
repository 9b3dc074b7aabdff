"""Holds what was simulated against what a running gateway did."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from benchmarks.fleet.record import Figures

SEEDS: Final = 5
"""Simulations of a plan, whose mean counts."""

TOLERANCE: Final = 0.10
"""By which a running gateway may differ from the mean of the simulations."""

NEGLIGIBLE: Final = 3.0
"""Events by which it may differ, too: of few each is a large part."""

OVERHEAD: Final = 0.1
"""Seconds that a wait may be longer: small plans have no processor time in them."""

COUNTS: Final[dict[str, Callable[[Figures], float]]] = {
    "connections": lambda one: one.connections,
    "verdict at once": lambda one: one.at_once,
    "questions to the responder": lambda one: one.questions,
    "accepted": lambda one: one.accepted,
    "refused, no status": lambda one: one.unavailable,
    "open connections ended": lambda one: one.ended,
}
WAITS: Final[dict[str, Callable[[Figures], float]]] = {
    "wait, median (s)": lambda one: one.waits.median,
    "wait, 99 % (s)": lambda one: one.waits.p99,
}


@attrs.frozen
class Row:
    """One figure: the mean of the simulations, their extremes, and that of the gateway."""

    name: str
    simulated: float
    least: float
    most: float
    ran: float
    leeway: float

    @property
    def agrees(self) -> bool:
        """Whether the two are near enough."""
        return abs(self.ran - self.simulated) <= max(TOLERANCE * self.simulated, self.leeway)

    def __str__(self) -> str:
        """A line of a table."""
        spread = f"({self.least:.4g}..{self.most:.4g})"
        verdict = "" if self.agrees else "  DIFFERS"
        return f"  {self.name:28} {self.simulated:10.4g} {spread:20} {self.ran:10.4g}{verdict}"


def rows(simulated: Sequence[Figures], ran: Figures) -> list[Row]:
    """Every figure in which the two can differ."""

    def row(name: str, of: Callable[[Figures], float], leeway: float) -> Row:
        values = [of(one) for one in simulated]
        return Row(name, statistics.mean(values), min(values), max(values), of(ran), leeway)

    counts = [row(name, of, NEGLIGIBLE) for name, of in COUNTS.items()]
    return counts + [row(name, of, OVERHEAD) for name, of in WAITS.items()]
