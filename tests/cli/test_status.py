"""`agw status`: what it prints of the status; of a running gateway: tests/end_to_end."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.status import status_text
from tests.cli.answered import PIPE, STATUS, on_terminal
from tests.cli.calls import call


class StatusTests(SynchronousTestCase):
    """The text, and the exit status."""

    def test_text(self) -> None:
        """One line each, aligned."""
        self.assertEqual(
            status_text(STATUS, PIPE).splitlines(),
            [
                "gateway        running, agwtwisted 1, process 9",
                "started        2026-01-01T00:00:00Z, 1 d 2 h ago",
                "configuration  generation 4 (0123456789ab)",
                "last reload    none",
                "connections    7",
                "  [::]:443     7 connections",
                "  worker 0     process 10, 7 connections, 1 restart",
            ],
        )

    def test_last_reload(self) -> None:
        """How it ended, when, and every problem."""
        last = {"at": "2026-01-01T00:00:00Z", "outcome": "rejected", "problems": ["ERROR a\x1b"]}
        text = status_text({**STATUS, "last_reload": last}, PIPE)
        self.assertIn("last reload    rejected at 2026-01-01T00:00:00Z; ERROR a\\x1b\n", text)
        last = {"at": "2026-01-01T00:00:00Z", "outcome": "in_force", "problems": []}
        text = status_text({**STATUS, "last_reload": last}, PIPE)
        self.assertIn("last reload    in force at 2026-01-01T00:00:00Z\n", text)

    def test_terminal(self) -> None:
        """On a terminal the phase has its color, and long lines go on below."""
        text = status_text(STATUS, on_terminal(40, color=True))
        self.assertIn("gateway        \x1b[32mrunning, agwtwisted 1,\x1b[0m\n               \x1b[32mprocess 9", text)

    def test_no_gateway(self) -> None:
        """Where no gateway answers the exit status is 2, and one line says where that was."""
        place = str(Path(self.mktemp()).absolute())
        done = call("status", "--config", place)
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn(f"{place} cannot be read", done.err)
