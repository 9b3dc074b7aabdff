"""A command that asks a gateway: what it prints, and how it ends."""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import asking
from agwtwisted.cli.control import ControlAnswer
from tests.cli.calls import call
from tests.cli.test_control import STATUS


class ShowTests(SynchronousTestCase):
    """What is printed of an answer."""

    def status(self, answer: ControlAnswer | None, *words: str) -> tuple[int, str]:
        """Exit status and output of `agw status` where this is answered."""
        with mock.patch.object(asking, "ask", return_value=answer):
            done = call("status", *words)
        self.assertEqual(done.err, "")
        return done.status, done.out

    def test_text(self) -> None:
        """For people, text."""
        status, out = self.status(ControlAnswer(200, STATUS))
        self.assertEqual((status, out.splitlines()[0]), (0, "gateway        running, agwtwisted 1, process 9"))

    def test_json(self) -> None:
        """For programs, what came."""
        status, out = self.status(ControlAnswer(200, {"a": 1, **STATUS}), "--json")
        self.assertEqual((status, out.splitlines()[:2]), (0, ["{", '  "a": 1,']))

    def test_quiet(self) -> None:
        """Nothing where that is wanted, in either form; the exit status is the same."""
        refused = ControlAnswer(503, {"error": "no"})
        self.assertEqual(self.status(refused), (1, "no\n"))
        self.assertEqual(self.status(refused, "--quiet"), (1, ""))
        self.assertEqual(self.status(refused, "--quiet", "--json"), (1, ""))

    def test_interrupted(self) -> None:
        """A signal that came before the answer: a shell's status for it."""
        self.assertEqual(self.status(None), (130, ""))
