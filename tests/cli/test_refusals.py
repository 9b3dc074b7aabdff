"""`agw refusals`: the last ones, and why."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.refusals import refusals_text
from tests.cli.answered import PIPE, REFUSALS, SHOWN, answered, on_terminal


class RefusalsTests(SynchronousTestCase):
    """The text, and what is asked."""

    def test_text(self) -> None:
        """Time, client, reason and subject of each."""
        lines = refusals_text(REFUSALS, PIPE).splitlines()
        self.assertEqual(
            lines[1],
            f"1-7  2026-01-01T00:00:00Z  public    [2001:db8::7]:50001  certificate has expired  {SHOWN}  not-checked",
        )
        self.assertEqual(refusals_text({"refusals": []}, PIPE), "no client was refused")

    def test_asks(self) -> None:
        """The limit is the gateway's to apply."""
        _, asked = answered(REFUSALS, "refusals", "--limit", "7")
        self.assertEqual(asked.call_args.args[1], "/refusals?limit=7")

    def test_terminals(self) -> None:
        """No line is too long."""
        for width in (40, 80, 200):
            lines = refusals_text(REFUSALS, on_terminal(width)).splitlines()
            self.assertLessEqual(max(map(len, lines)), width)
