"""What a metric is: its kind, its labels, and how the values of several processes become one.

Caller: the tables of metrics, whose rows are made here.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs


class FamilyKind(Enum):
    """How the values of a family move."""

    COUNTER = "counter"  # only up, as long as its labels stay in force
    GAUGE = "gauge"  # up and down
    HISTOGRAM = "histogram"  # how many observations there were up to each bound, and their sum


class Merging(Enum):
    """What the values of several processes are together."""

    SUM = "sum"
    MAX = "max"


@attrs.frozen(kw_only=True)
class MetricFamily:
    """One metric, with all its combinations of labels."""

    name: str  # of a counter without its ending _total
    kind: FamilyKind
    meaning: str
    labels: tuple[str, ...] = ()
    unit: str = ""  # the name's ending: seconds, bytes
    product: str = ""  # the product's metric
    bounds: tuple[float, ...] = ()  # of a histogram, upper ones; the last one, infinity, is not among them
    merging: Merging = Merging.SUM
    of_gateway: bool = False  # whether only the process counts that was started, and no worker

    @property
    def shown_name(self) -> str:
        """The name that queries use; of a histogram with `_bucket`, `_sum` or `_count` behind it."""
        return f"{self.name}_total" if self.kind is FamilyKind.COUNTER else self.name


DURATIONS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bounds of what takes milliseconds to a minute: requests, backends, responders."""

LIFETIMES: Final = (0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Bounds of L4 sessions."""

TURNS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds of turns of the event loop."""

CODES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
"""Classes of statuses, by their first digit; `none`: the client got no status."""


def counter(
    name: str, labels: tuple[str, ...], meaning: str, *, product: str = "", of_gateway: bool = False
) -> MetricFamily:
    """A row for what only grows."""
    unit = next((each for each in ("seconds", "bytes") if name.endswith(f"_{each}")), "")
    return MetricFamily(
        name=name,
        kind=FamilyKind.COUNTER,
        meaning=meaning,
        labels=labels,
        unit=unit,
        product=product,
        of_gateway=of_gateway,
    )


def gauge(
    name: str,
    labels: tuple[str, ...],
    meaning: str,
    *,
    product: str = "",
    of_gateway: bool = False,
    merging: Merging = Merging.SUM,
) -> MetricFamily:
    """A row for what grows and falls."""
    made = counter(name, labels, meaning, product=product, of_gateway=of_gateway)
    return attrs.evolve(made, kind=FamilyKind.GAUGE, merging=merging)


def histogram(
    name: str, labels: tuple[str, ...], meaning: str, bounds: tuple[float, ...] = DURATIONS, *, product: str = ""
) -> MetricFamily:
    """A row for observations."""
    made = counter(name, labels, meaning, product=product)
    return attrs.evolve(made, kind=FamilyKind.HISTOGRAM, bounds=bounds)
