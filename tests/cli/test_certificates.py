"""`agw certificates`: those that end first before the others."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.certificates import certificates_text
from tests.cli.answered import CERTIFICATES, PIPE, SHOWN, answered, on_terminal


class CertificatesTests(SynchronousTestCase):
    """The text."""

    def test_text(self) -> None:
        """Days left, end, kind, name, subject and use of each."""
        lines = certificates_text(CERTIFICATES, PIPE).splitlines()
        self.assertEqual(lines[0].split("  ")[0], "DAYS LEFT")
        row = r"^-1 +2026-02-01T00:00:00Z  ssl_certificate  old +.*  good +http_listener public$"
        self.assertRegex(lines[1], row)
        self.assertIn(SHOWN, lines[1])
        _, asked = answered(CERTIFICATES, "certificates")
        self.assertEqual(asked.call_args.args[1], "/certificates")

    def test_terminals(self) -> None:
        """Those that have ended, and those that end soon, stand out; no line is too long."""
        text = certificates_text(CERTIFICATES, on_terminal(200, color=True))
        self.assertIn("\x1b[31m-1\x1b[0m ", text)
        self.assertIn("\x1b[33m30\x1b[0m ", text)
        self.assertIn("\n31 ", text)
        for width in (40, 80, 200):
            lines = certificates_text(CERTIFICATES, on_terminal(width)).splitlines()
            self.assertLessEqual(max(map(len, lines)), width)
