"""Rows of the tables of metrics."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.metric_kinds import DURATIONS, FamilyKind, counter, gauge, histogram


class RowTests(SynchronousTestCase):
    """What makes a row."""

    def test_kinds(self) -> None:
        """A row has its kind, its unit by the end of its name, and a histogram bounds; queries see counters' ending."""
        rows = (counter("agw_sent_bytes", (), "a"), gauge("agw_open", (), "b"), histogram("agw_wait_seconds", (), "c"))
        self.assertEqual([each.kind for each in rows], [FamilyKind.COUNTER, FamilyKind.GAUGE, FamilyKind.HISTOGRAM])
        self.assertEqual([each.unit for each in rows], ["bytes", "", "seconds"])
        self.assertEqual([each.bounds for each in rows], [(), (), DURATIONS])
        self.assertEqual([each.shown_name for each in rows], ["agw_sent_bytes_total", "agw_open", "agw_wait_seconds"])
