"""`agw reload`: what it prints of a reload; of a running gateway: tests/end_to_end."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import reload
from agwtwisted.cli.control import ControlAnswer
from tests.cli.calls import Called, call

IN_FORCE: dict[str, Any] = {
    "outcome": "in_force",
    "generation": 4,
    "fingerprint": "0123456789abcdef",
    "seconds": 0.1,
    "added": ["listener a"],
    "changed": ["gateway"],
    "removed": ["listener \x1b[31mb"],
    "warnings": ["WARNING w"],
}
REJECTED = {"outcome": "rejected", "generation": 3, "fingerprint": "f", "problems": ["ERROR a\x1b", "ERROR b"]}


class ReloadTests(SynchronousTestCase):
    """The text, and the exit status."""

    def reload(self, status: int, members: dict[str, Any], *words: str) -> Called:
        """What `agw reload` does where it is answered so."""
        with mock.patch.object(reload, "ask", return_value=ControlAnswer(status, members)) as asked:
            done = call("reload", *words)
        self.assertEqual((asked.call_args.args[1:], asked.call_args.kwargs), (("/reload",), {"method": "POST"}))
        self.assertEqual(done.err, "")
        return done

    def test_in_force(self) -> None:
        """Warnings first, then what is in force and what has changed; nothing that a terminal would obey."""
        done = self.reload(200, IN_FORCE)
        self.assertEqual(done.status, 0)
        self.assertEqual(
            done.out,
            "WARNING w\ngeneration 4 (0123456789ab) is in force\n  added: listener a\n  changed: gateway\n"
            "  removed: listener \\x1b[31mb\n",
        )

    def test_nothing_changed(self) -> None:
        """A reload that changes nothing says so."""
        done = self.reload(200, {**IN_FORCE, "added": [], "changed": [], "removed": [], "warnings": []})
        self.assertEqual(done.out, "generation 4 (0123456789ab) is in force\n  nothing changed\n")

    def test_rejected(self) -> None:
        """Every problem, and what stays in force; exit status 1."""
        done = self.reload(422, REJECTED)
        self.assertEqual((done.status, done.out), (1, "ERROR a\\x1b\nERROR b\nrejected: generation 3 stays in force\n"))
        done = self.reload(403, {"error": "no"})
        self.assertEqual((done.status, done.out), (1, "no\nrejected: generation ? stays in force\n"))

    def test_forms(self) -> None:
        """As JSON, and not at all; the exit status is the same."""
        done = self.reload(422, REJECTED, "--json")
        self.assertEqual((done.status, done.out.splitlines()[1]), (1, '  "outcome": "rejected",'))
        self.assertEqual(self.reload(422, REJECTED, "-q"), Called(1, "", ""))
        self.assertEqual(self.reload(200, IN_FORCE, "-q"), Called(0, "", ""))

    def test_interrupted(self) -> None:
        """A signal that came before the answer."""
        with mock.patch.object(reload, "ask", return_value=None):
            self.assertEqual(call("reload"), Called(130, "", ""))
