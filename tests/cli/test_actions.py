"""Actions on a running gateway: one request, and one line."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.answered import answered


class ActionTests(SynchronousTestCase):
    """What is printed."""

    def test_outcome(self) -> None:
        """The outcome in words, with the numbers that belong to it, escaped; or the answer as JSON."""
        members = {"outcome": "not_there", "left_over": "\x1b"}
        done, _ = answered(members, "clients", "close", "1-\x1b")
        self.assertEqual(done.out, "connection 1-\\x1b: not there, left over \\x1b\n")
        done, _ = answered({"outcome": "drained", "missing_workers": []}, "backends", "drain", "a", "b", "h:1")
        self.assertEqual((done.out, done.err), ("a b h:1: drained\n", ""))
        done, _ = answered({"outcome": "drained", "missing_workers": [2]}, "backends", "drain", "a", "b", "h:1")
        self.assertEqual(done.out, "a b h:1: drained\n")
        self.assertIn("without worker 2", done.err)
        done, _ = answered(members, "clients", "close", "1-2", "--json")
        self.assertEqual(done.out, '{\n  "outcome": "not_there",\n  "left_over": "\\u001b"\n}\n')
