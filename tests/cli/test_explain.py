"""`agw explain` as a command; what it says is in tests/explaining."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.calls import call


class ExplainTests(SynchronousTestCase):
    """Its exit status."""

    def test_nothing_to_explain(self) -> None:
        """A configuration that is not there is an error, and no refusal."""
        done = call("explain", "--config", "none.ini", "--listener", "a", "client.pem")
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("none.ini cannot be read", done.err)
