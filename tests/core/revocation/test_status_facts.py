"""What a source knows about one certificate."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.status_facts import NOTHING_KNOWN, SourceReport


class SourceReportTests(SynchronousTestCase):
    """A report."""

    def test_nothing(self) -> None:
        """Where nothing is known and nothing was asked, a report says just that."""
        report = SourceReport(source="OCSP")
        self.assertEqual((report.known, report.now, report.asked), (NOTHING_KNOWN, NOTHING_KNOWN, None))
        self.assertIsNone(NOTHING_KNOWN.status)
