"""`agw run`: the gateway in the foreground."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.arm_gateways import gateway
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

    def test_arm_document(self) -> None:
        """A document runs with the options of the command line, and a reload keeps them."""
        [port] = running.free_ports(1)
        file = self.directory / "gateway.json"
        file.write_text(json.dumps(gateway()))
        words = ("--config", str(file), "--port", f"80={port}", "--backend", "app=127.0.0.1:1")
        with running.running(self.directory, *AGW, "run", *words) as process:
            process.read_until(f"Listening on 127.0.0.1:{port}")
            process.read_until("is ready in")
            overlay = "[backend_http_settings plain]\nrequest_timeout = 7\n"
            (self.directory / "gateway.overlay.ini").write_text(overlay)
            process.signal(signal.SIGHUP)
            printed = process.read_until("Reload of the configuration: generation 2")
            self.assertTrue(printed[-1].endswith("changed: backend_http_settings plain"), printed[-1])
            process.end(signal.SIGTERM)

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
