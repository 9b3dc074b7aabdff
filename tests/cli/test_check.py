"""`agw check`."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.cli.calls import call


class CheckTests(SynchronousTestCase):
    """A configuration with its files."""

    def setUp(self) -> None:
        self.file = running.configuration(Path(self.mktemp()).absolute())
        # More than any system has descriptors for, which is a warning.
        self.file.write_text(self.file.read_text().replace("max_connections = 1000 ", "max_connections = 10000000 "))
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
        """A file that is not there is one line, and another exit status."""
        for words in (["check"], ["run", "--check"]):
            done = call(*words, "-c", "none.ini")
            self.assertEqual(
                (done.status, done.out, done.err),
                (2, "", "ERROR none.ini cannot be read: No such file or directory\n"),
            )

    def test_strict(self) -> None:
        """With --strict a warning is an error, and the report is left out."""
        self.assertIn("WARNING", call("check", "-c", str(self.file)).err)
        done = call("check", "--strict", "-c", str(self.file))
        self.assertEqual((done.status, done.out), (1, ""))
        self.assertIn("valid, but for its warnings (--strict)\n", done.err)

    def test_json(self) -> None:
        """Programs get findings and every key in force, valid or not; nothing goes to standard error."""
        done = call("check", "--json", "-c", str(self.file))
        answer = json.loads(done.out)
        self.assertEqual((done.status, done.err, answer["valid"], answer["problems"]), (0, "", True, []))
        self.assertIn("http_listener strict", answer["configuration"])
        self.assertTrue(answer["report"].startswith("Listeners\n"))
        self.assertEqual({each["severity"] for each in answer["warnings"]}, {"warning"})
        strict = json.loads(call("check", "--json", "--strict", "-c", str(self.file)).out)
        self.assertEqual((strict["valid"], strict["warnings"]), (False, answer["warnings"]))
        self.file.write_text("[gateway]\nfoo = 1\n" + self.file.read_text())
        done = call("check", "--json", "-c", str(self.file))
        answer = json.loads(done.out)
        self.assertEqual((done.status, done.err, answer["configuration"]), (1, "", None))
        self.assertEqual((answer["problems"][0]["line"], answer["problems"][0]["section"]), (2, "gateway"))
