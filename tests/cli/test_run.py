"""`agw run`: the gateway in the foreground."""

from __future__ import annotations

import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.cli.calls import call

AGW = (running.PYTHON, "-P", "-m", "agwtwisted")


class RunTests(SynchronousTestCase):
    """The program."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.file = running.configuration(self.directory)
        self.assertEqual(call("demo", "--certificates", "--config", str(self.file)).status, 0)

    def test_serves_and_ends(self) -> None:
        """From any directory it listens, Ctrl-C ends it as SIGINT ends a program, and no file is left behind."""
        elsewhere = self.directory / "elsewhere"
        elsewhere.mkdir()
        with running.running(elsewhere, *AGW, "run", "--config", str(self.file)) as gateway:
            gateway.read_until("is ready in")
            status, printed = gateway.end(signal.SIGINT)
        self.assertEqual(status, -signal.SIGINT, printed)
        self.assertIn("Main loop terminated", printed)
        self.assertNotIn("Traceback", printed)
        self.assertEqual(list(elsewhere.iterdir()), [])

    def test_log(self) -> None:
        """The log is on standard error: standard output is the access log's, where that is `-`."""
        words = ("sh", "-c", '"$@" >/dev/null', "sh", *AGW, "run", "--config", str(self.file))
        with running.running(self.directory, *words) as gateway:
            gateway.read_until("is ready in")
            gateway.end(signal.SIGTERM)

    def test_interrupted_start(self) -> None:
        """Ctrl-C while it starts ends it at once, without a traceback."""
        # More than any system has descriptors for: the warning is printed before anything else.
        self.file.write_text(self.file.read_text().replace("max_connections = 1000 ", "max_connections = 10000000 "))
        with running.running(self.directory, *AGW, "run", "--config", str(self.file)) as gateway:
            gateway.read_until("WARNING")
            status, printed = gateway.end(signal.SIGINT)
        self.assertEqual(status, -signal.SIGINT, printed)
        self.assertNotIn("Traceback", printed)
