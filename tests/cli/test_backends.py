"""`agw backends`: servers with their health; drain and undrain."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.backends import backends_text
from tests.cli.answered import BACKENDS, PIPE, SHOWN, answered, on_terminal
from tests.cli.calls import call


class BackendsTests(SynchronousTestCase):
    """The text."""

    def test_text(self) -> None:
        """A row for each server, with its health and last probe."""
        lines = backends_text(BACKENDS, PIPE).splitlines()
        self.assertEqual(
            lines[0],
            "POOL  SETTINGS  SERVER         HEALTH   SINCE                 REQUESTS  CONNECTIONS  LAST PROBE",
        )
        self.assertEqual(
            lines[1],
            "app   plain     10.0.0.4:8080  Up       2026-01-01T00:00:00Z  1000      3, 2 idle    "
            "Success. Received 200 status code.",
        )
        self.assertTrue(lines[2].endswith(SHOWN))
        self.assertRegex(lines[3], r"Unknown  -  .* -$")

    def test_terminals(self) -> None:
        """Health has its color; narrow terminals get no line that is too long."""
        text = backends_text(BACKENDS, on_terminal(200, color=True))
        self.assertIn("\x1b[32mUp\x1b[0m ", text)
        self.assertIn("\x1b[31mDown\x1b[0m ", text)
        for width in (40, 80, 200):
            lines = backends_text(BACKENDS, on_terminal(width)).splitlines()
            self.assertLessEqual(max(map(len, lines)), width)


class ActionTests(SynchronousTestCase):
    """Drain and undrain."""

    def test_asks(self) -> None:
        """Each is one request about the server that is named, and one line about what came of it."""
        for action in ("drain", "undrain"):
            done, asked = answered({"outcome": f"{action}ed", "connections": 3}, "backends", action, "a/b", "s", "h:80")
            self.assertEqual((done.status, done.err), (0, ""))
            self.assertEqual(done.out, f"a/b s h:80: {action}ed, connections 3\n")
            self.assertEqual(asked.call_args.args[1], f"/backends/a%2Fb/s/h%3A80/{action}")
            self.assertEqual(asked.call_args.kwargs, {"method": "POST", "body": None})

    def test_options(self) -> None:
        """Options may stand before the action or behind it."""
        for words in (["backends", "--control", "x", "drain"], ["backends", "drain", "--control", "x"]):
            _, asked = answered({"outcome": "drained"}, *words, "a", "b", "c")
            self.assertEqual(asked.call_args.args[0].control, "x")

    def test_refused(self) -> None:
        """A server that there is not: exit status 1, and the reason."""
        done, _ = answered({"error": "no server c"}, "backends", "drain", "a", "b", "c", status=404)
        self.assertEqual((done.status, done.out, done.err), (1, "", "no server c\n"))

    def test_unknown(self) -> None:
        """An action that there is not has a suggestion."""
        done = call("backends", "drian", "a", "b", "c")
        self.assertEqual(done.status, 2)
        self.assertIn("agw backends: error: no action 'drian'; did you mean 'drain'?", done.err)
