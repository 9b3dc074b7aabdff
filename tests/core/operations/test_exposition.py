"""The text that Prometheus reads."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.exposition import OPENMETRICS, TEXT, prefers_openmetrics, render
from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.measurements import Measurements, Sample
from agwtwisted.core.operations.metric_kinds import FamilyKind, MetricFamily

ODD = 'quoted " and \\ and \n a line'
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=0.0.4;q=0.25,*/*;q=0.1"
)


def sample_of(family: MetricFamily) -> Sample:
    """Some sample of it."""
    return (*range(len(family.bounds) + 1), 2.5) if family.kind is FamilyKind.HISTOGRAM else 3


EVERY = Measurements(
    {name: {tuple(ODD for _ in family.labels): sample_of(family)} for name, family in FAMILIES.items()}
)


class FormatTests(SynchronousTestCase):
    """What prometheus_client reads of it."""

    def test_text(self) -> None:
        """Every family is read as what it is, with its labels as they were."""
        media_type, text = render(EVERY)
        self.assertEqual(media_type, TEXT)
        found = {each.name: each for each in text_string_to_metric_families(text.decode())}
        self.assertEqual({*found}, {*FAMILIES})
        for name, family in FAMILIES.items():
            self.assertEqual(found[name].type, family.kind.value)
            self.assertEqual(dict.fromkeys(family.labels, ODD), _labels(found[name].samples[0]))

    def test_openmetrics(self) -> None:
        """The same of OpenMetrics, whose reader is strict."""
        media_type, text = render(EVERY, PROMETHEUS)
        self.assertEqual(media_type, OPENMETRICS)
        self.assertTrue(text.endswith(b"# EOF\n"))
        self.assertEqual({each.name for each in openmetrics_families(text.decode())}, {*FAMILIES})

    def test_histogram(self) -> None:
        """Buckets are cumulative, and the count is that of the last one."""
        name = "agw_ocsp_request_duration_seconds"
        counts = [1, 2, *[0] * 13, 4]
        _, text = render(Measurements({name: {(): (*counts, 9.5)}}))
        [family] = text_string_to_metric_families(text.decode())
        samples = {(each.name, each.labels.get("le")): each.value for each in family.samples}
        self.assertEqual(samples[f"{name}_bucket", "0.001"], 1)
        self.assertEqual(samples[f"{name}_bucket", "0.0025"], 3)
        self.assertEqual(samples[f"{name}_bucket", "+Inf"], 7)
        self.assertEqual((samples[f"{name}_count", None], samples[f"{name}_sum", None]), (7, 9.5))

    def test_families_without_samples(self) -> None:
        """Nothing is said of them."""
        self.assertEqual(render(Measurements({"agw_connections": {}}))[1], b"")

    def test_defects(self) -> None:
        """A sample that does not fit its family is a defect, and no text."""
        self.assertRaises(ValueError, render, Measurements({"agw_workers": {(): (1, 2)}}))
        self.assertRaises(ValueError, render, Measurements({"agw_ocsp_request_duration_seconds": {(): 1}}))


class AcceptTests(SynchronousTestCase):
    """Which format a scraper gets."""

    def test_preference(self) -> None:
        """OpenMetrics only for who asks for it, and does not rank plain text higher."""
        for accept, openmetrics in (
            ("", False),
            ("*/*", False),
            ("text/plain", False),
            (PROMETHEUS, True),
            ("application/openmetrics-text", True),
            ("Application/OpenMetrics-Text; Q=0.5, text/plain;q=0.4", True),
            ("application/openmetrics-text;q=0", False),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.9", False),
            ("application/openmetrics-text;q=odd", False),
        ):
            self.assertEqual(prefers_openmetrics(accept), openmetrics, accept)


def _labels(sample: object) -> dict[str, str]:
    labels: dict[str, str] = dict(sample.labels)  # type: ignore[attr-defined]
    labels.pop("le", None)
    return labels
