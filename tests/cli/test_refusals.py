"""`agw refusals`: the last ones, and why."""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import refusals
from agwtwisted.cli.control import ControlAnswer
from agwtwisted.cli.refusals import refusals_text
from tests.cli.answered import PIPE, REFUSALS, SHOWN, answered, on_terminal
from tests.cli.calls import Called, call


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


class ExplainTests(SynchronousTestCase):
    """`agw refusals explain`."""

    def explain(self, status: int, members: dict[str, object], *words: str) -> Called:
        """What it does where it is answered so."""
        with mock.patch.object(refusals, "ask", return_value=ControlAnswer(status, members)) as asked:
            done = call("refusals", "explain", "0-7", *words)
        self.assertEqual(asked.call_args.kwargs, {"method": "POST", "body": {"refusal": "0-7"}})
        return done

    def test_verdict(self) -> None:
        """The text of the steps; the exit status has the verdict."""
        members = {"accepted": False, "text": "1. FAILED \x1b\nrefused", "steps": []}
        self.assertEqual(self.explain(200, members), Called(1, "1. FAILED \\x1b\nrefused\n", ""))
        self.assertEqual(self.explain(200, {**members, "accepted": True}).status, 0)
        self.assertEqual(self.explain(404, {"error": "no refusal 0-7"}), Called(1, "", "no refusal 0-7\n"))
        self.assertIn('"accepted": false', self.explain(200, members, "--json").out)
