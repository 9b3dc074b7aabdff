"""A command that asks a gateway: what it prints, and how it ends."""

from __future__ import annotations

import json
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import asking
from agwtwisted.cli.asking import path, query
from tests.cli.answered import ANSWERS, STATUS, answered
from tests.cli.calls import call


class ShowTests(SynchronousTestCase):
    """What is printed of an answer."""

    def test_json(self) -> None:
        """For programs, what came, of every command; nothing else is on standard output."""
        for command, members in ANSWERS.items():
            with self.subTest(command):
                done, _ = answered(members, command, "--json")
                self.assertEqual((done.status, done.err), (0, ""))
                self.assertEqual(done.out, json.dumps(members, indent=2) + "\n")

    def test_refused(self) -> None:
        """A gateway that refuses to answer: exit status 1, and its reason on standard error, or as JSON."""
        refused = {"error": "not \x1b[31mnow"}
        for command in ANSWERS:
            with self.subTest(command):
                done, _ = answered(refused, command, status=503)
                self.assertEqual((done.status, done.out, done.err), (1, "", "not \\x1b[31mnow\n"))
                done, _ = answered(refused, command, "--json", status=503)
                self.assertEqual((done.status, json.loads(done.out), done.err), (1, refused, ""))
        done, _ = answered({}, "status", status=500)
        self.assertEqual(done.err, "the gateway answers with status 500\n")

    def test_quiet(self) -> None:
        """Nothing where that is wanted, in either form; the exit status is the same."""
        for words in (["--quiet"], ["--quiet", "--json"]):
            done, _ = answered(STATUS, "status", *words)
            self.assertEqual((done.status, done.out, done.err), (0, "", ""))

    def test_missing_worker(self) -> None:
        """Workers that did not answer are named on standard error: the answer is without their part."""
        done, _ = answered({**STATUS, "missing_workers": [1, 2]}, "status", "--json")
        self.assertEqual(done.status, 0)
        self.assertEqual(done.err, "WARNING without worker 1, 2, which has not answered in time\n")

    def test_interrupted(self) -> None:
        """A signal that came before the answer: a shell's status for it."""
        with mock.patch.object(asking, "ask", return_value=None):
            done = call("status")
        self.assertEqual((done.status, done.out, done.err), (130, "", ""))


class TargetTests(SynchronousTestCase):
    """Paths and queries of requests."""

    def test_path(self) -> None:
        """Segments are percent-encoded, so that each stays one."""
        self.assertEqual(path("backends", "a/b", "[::1]:80", "drain"), "/backends/a%2Fb/%5B%3A%3A1%5D%3A80/drain")

    def test_query(self) -> None:
        """What is not given is left out."""
        self.assertEqual(query(limit=3, after=None, search="a&b"), "?limit=3&search=a%26b")
        self.assertEqual(query(after=None), "")
