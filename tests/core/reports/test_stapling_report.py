"""What `--check` says of stapled OCSP responses."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.reports.stapling_report import table
from tests import servers
from tests.core.revocation.test_stapling import ISSUER, MUST_STAPLE, SITE


class StaplingReportTests(SynchronousTestCase):
    """The table."""

    def test_rows(self) -> None:
        """A certificate with a responder has a row, and one that demands a staple, with the reason why it has none."""
        plain = ISSUER.issue_server("a.example")
        demanding = ISSUER.issue_server("a.example", extra=(MUST_STAPLE,))
        self.assertEqual(table([servers.own(plain)]), "")
        text = table(map(servers.own, (SITE, plain, demanding)))
        rows = [line.split() for line in text.splitlines()[2:]]
        self.assertEqual(rows[0], ["own", "http://ocsp.example/", "no"])
        self.assertEqual(rows[1], ["own", "none:", "it", "names", "no", "OCSP", "responder", "yes"])
        self.assertEqual(len(rows), 2)
