"""Measurements as text for Prometheus: its own format (0.0.4), or OpenMetrics 1.0.0, as the scraper asks for.

By prometheus_client's exposition. It takes a tenth of a second for ten thousand lines, so that a gateway that serves
has it done in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.measurements import Measurements, Sample, Samples
from agwtwisted.core.operations.metric_kinds import FamilyKind, MetricFamily

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of Prometheus's own format (its page "Exposition formats")."""

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""That of OpenMetrics (its specification, section "Content type")."""


def render(measurements: Measurements, accept: str = "") -> tuple[str, bytes]:
    """The media type and the text, in the format that the header Accept prefers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(measurements))
    if prefers_openmetrics(accept):
        return OPENMETRICS, generate_openmetrics(registry)
    return TEXT, generate_latest(registry)


def prefers_openmetrics(accept: str) -> bool:
    """Whether a header Accept ranks OpenMetrics at least as high as any plain text (RFC 9110 section 12.5.1)."""
    weights: dict[str, float] = {}
    for each in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in each.split(";"))
        weights[media_type] = max(weights.get(media_type, 0.0), _weight(parameters))
    openmetrics = weights.get("application/openmetrics-text", 0.0)
    return openmetrics > 0.0 and openmetrics >= weights.get("text/plain", 0.0)


def _weight(parameters: list[str]) -> float:
    for each in parameters:
        name, _, value = each.partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


class _Collector(Collector):
    """What prometheus_client asks for metrics."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements

    def collect(self) -> Iterator[Metric]:
        """Each family that has samples, in the order of the table."""
        samples = self._measurements.samples
        return (_metric(family, samples[name]) for name, family in FAMILIES.items() if samples.get(name))


def _metric(family: MetricFamily, samples: Samples) -> Metric:
    match family.kind:
        case FamilyKind.COUNTER:
            counter = CounterMetricFamily(family.name, family.meaning, labels=family.labels)
            for labels, sample in samples.items():
                counter.add_metric(labels, _number(sample))
            return counter
        case FamilyKind.GAUGE:
            gauge = GaugeMetricFamily(family.name, family.meaning, labels=family.labels)
            for labels, sample in samples.items():
                gauge.add_metric(labels, _number(sample))
            return gauge
        case FamilyKind.HISTOGRAM:
            histogram = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
            bounds = [*map(str, family.bounds), "+Inf"]
            for labels, sample in samples.items():
                *counts, total = _numbers(sample)
                buckets = list(zip(bounds, accumulate(counts), strict=True))
                histogram.add_metric(labels, buckets, total)
            return histogram


def _number(sample: Sample) -> float:
    if isinstance(sample, tuple):
        raise ValueError("a histogram's sample in a family that is none")
    return sample


def _numbers(sample: Sample) -> tuple[float, ...]:
    if not isinstance(sample, tuple):
        raise ValueError("a number as the sample of a histogram")
    return sample
