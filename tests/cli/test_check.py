"""`agw check`."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.cli.calls import call


class CheckTests(SynchronousTestCase):
    """A configuration with its files."""

    def setUp(self) -> None:
        self.file = running.configuration(Path(self.mktemp()).absolute())
        self.assertEqual(call("demo", "--certificates", "--config", str(self.file)).status, 0)

    def test_valid(self) -> None:
        """What it comes to, and exit status 0."""
        done = call("check", "--config", str(self.file))
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("Listeners\n", done.out)
        self.assertTrue(done.out.endswith("the configuration is valid\n"), done.out)

    def test_not_valid(self) -> None:
        """Every problem with its line, on standard error, and exit status 1; the same for `run --check` and `run`."""
        self.file.write_text("[gateway]\nfoo = 1\nbar = 2\n" + self.file.read_text())
        for words in (["check"], ["run", "--check"], ["run"]):
            done = call(*words, "-c", str(self.file))
            self.assertEqual((done.status, done.out), (1, ""))
            self.assertIn("gw.ini:2 ", done.err)
            self.assertIn("gw.ini:3 ", done.err)

    def test_missing(self) -> None:
        """A file that is not there is one line."""
        done = call("check", "-c", "none.ini")
        self.assertEqual(
            (done.status, done.out, done.err), (1, "", "ERROR none.ini cannot be read: No such file or directory\n")
        )
