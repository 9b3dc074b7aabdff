"""`agw configuration`: what is in force."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.answered import CONFIGURATION, answered
from tests.cli.calls import call


class ConfigurationTests(SynchronousTestCase):
    """The text, and its parts."""

    def test_text(self) -> None:
        """Which one it is, and its warnings, escaped."""
        done, asked = answered(CONFIGURATION, "configuration")
        self.assertEqual(asked.call_args.args[1], "/configuration")
        self.assertEqual(
            done.out.splitlines(),
            [
                "file        /etc/gw.ini",
                "generation  2 (0123456789ab), since 2026-01-01T00:00:00Z",
                "files       1 file, with their SHA-256 by --json",
                "WARNING \\x1b[31mw",
            ],
        )

    def test_parts(self) -> None:
        """The text of the file, or the report; what a terminal would obey is escaped, lines and tabs stay."""
        done, _ = answered(CONFIGURATION, "configuration", "--text")
        self.assertEqual(done.out, "[gateway]\n\tx = \\x1b[31m\n")
        done, _ = answered(CONFIGURATION, "configuration", "--report")
        self.assertEqual(done.out, "Listeners\n  a\n")
        self.assertEqual(call("configuration", "--text", "--report").status, 2)
