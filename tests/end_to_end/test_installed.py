"""What is installed, seen from outside; `.ci/run` runs this against the wheel alone."""

from __future__ import annotations

import os
import signal
import unittest
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted._version import VERSION
from tests import running
from tests.programs import needs

GATEWAY = (running.TWISTD, "--nodaemon", "--pidfile=", "agwgateway", "--config", "conf/gw.ini")
CURL = ("curl", "--silent", "--show-error", "--cacert", "conf/pki/root.pem")


class InstalledTests(SynchronousTestCase):
    """twistd and the gateway's plugin, in a directory that holds a configuration and nothing else."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.configuration = running.configuration(self.directory)
        made = running.call(self.directory, running.PYTHON, "-m", "agwtwisted", "demo", "--certificates")
        self.assertEqual(made.returncode, 0, made.stderr)

    def test_twistd_lists_it(self) -> None:
        """`twistd --help` names the gateway."""
        done = running.call(self.directory, running.TWISTD, "--help")
        self.assertIn("agwgateway", done.stdout)
        self.assertEqual(done.returncode, 0)

    def test_takes_the_configuration(self) -> None:
        """`--check` takes conf/gw.ini as it stands, and starts nothing."""
        done = running.call(self.directory, *GATEWAY, "--check")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("ERROR", done.stdout + done.stderr)

    def test_says_what_is_wrong(self) -> None:
        """`--check` of a file with a wrong line ends with status 1, and names file and line."""
        text = self.configuration.read_text()
        self.configuration.write_text(text + "\n[http_listener wrong]\nprt = 1\n")
        done = running.call(self.directory, *GATEWAY, "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"gw.ini:{len(text.splitlines()) + 3}", done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stdout + done.stderr)

    def test_files_for_systemd(self) -> None:
        """The files for systemd are installed, too."""
        done = running.call(self.directory, running.PYTHON, "-m", "agwtwisted", "deploy", "systemd", "--out", "etc")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("\nExecReload=", (self.directory / "etc" / "agwgateway.service").read_text())

    @unittest.skipUnless("AGW_PYTHON" in os.environ, "not the wheel")
    def test_has_a_command(self) -> None:
        """The program `agw` is installed."""
        done = running.call(self.directory, str(Path(running.PYTHON).with_name("agw")), "--version")
        self.assertEqual((done.returncode, done.stdout), (0, f"agwtwisted {VERSION}\n"), done.stderr)

    @needs("curl")
    def test_serves_and_ends(self) -> None:
        """Started by twistd it lets the right client in and the others not, and SIGTERM ends it by that signal."""
        with running.running(self.directory, *GATEWAY) as gateway:
            self.assertEqual(self.ask("strict-http400", "--retry", "60", "--retry-connrefused"), (0, "400"))
            admitted = self.ask("strict", "--cert", "conf/pki/client.pem")
            self.assertEqual(admitted, (0, "502"))  # nobody listens at the backend's address
            status, _ = self.ask("strict")
            self.assertIn(status, running.REFUSED)
            status, printed = gateway.end(signal.SIGTERM)
        self.assertEqual(status, -signal.SIGTERM, printed)
        self.assertNotIn("Traceback", printed)

    def ask(self, listener: str, *options: str) -> tuple[int, str]:
        """curl's exit status, and the status of the response."""
        url = f"https://localhost:{running.port_after(self.configuration, f'http_listener {listener}]')}/"
        done = running.call(self.directory, *CURL, *options, "-o", "body", "-w", "%{http_code}", url)
        return done.returncode, done.stdout
