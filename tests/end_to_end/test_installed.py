"""What is installed, seen from outside; `.ci/run` runs this against the wheel alone."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted._version import VERSION
from tests import running
from tests.programs import needs

AGW = (running.PYTHON, "-m", "agwtwisted")
GATEWAY = (running.TWISTD, "--nodaemon", "--pidfile=", "agwgateway", "--config", "conf/gw.ini")
CURL = ("curl", "--silent", "--show-error", "--cacert", "conf/pki/root.pem")


class InstalledTests(SynchronousTestCase):
    """twistd and the gateway's plugin, in a directory that holds a configuration and nothing else."""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="agw-"))  # short: the path of a control socket has a limit
        self.addCleanup(shutil.rmtree, self.directory)
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

    @needs("curl")
    def test_first_gateway(self) -> None:
        """What `agw init` prints works as it stands: a client is accepted, and another one refused."""
        backend, port = running.free_ports(2)
        made = self.directory / "first gateway"
        words = (*AGW, "init", str(made), "--port", str(port))
        printed = running.call(self.directory, *words)
        self.assertEqual((printed.returncode, printed.stderr), (0, ""))
        configuration = made / "gw.ini"
        configuration.write_text(configuration.read_text().replace("127.0.0.1:9000", f"127.0.0.1:{backend}"))
        commands = [line.strip() for line in printed.stdout.splitlines() if line.startswith("   ")]
        server, gateway, accepted, refused = (shlex.split(line.replace(":9000", f":{backend}")) for line in commands)
        checked = running.call(self.directory, *AGW, "check", "--config", str(configuration))
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        with running.running(self.directory, *server) as first, running.running(self.directory, *gateway) as second:
            first.read_until("Ctrl-C ends it")
            second.read_until("is ready in")
            done = running.call(self.directory, *accepted)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["headers"]["X-Client-Certificate-Verification"], "SUCCESS")
            done = running.call(self.directory, *refused)
            self.assertIn(done.returncode, running.REFUSED)
            self.assertIn("alert unknown ca", done.stderr)

    def test_demo_without_a_checkout(self) -> None:
        """The demo's own configuration is installed, too: what `agw demo` runs where there is no conf/gw.ini."""
        done = running.call(self.directory, *AGW, "demo", "--certificates", "--directory", "try")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        packaged = self.directory / "try" / "gw.ini"
        self.assertEqual(packaged.read_text(), (running.ROOT / "conf" / "gw.ini").read_text())
        shutil.copy(self.configuration, packaged)  # on other ports
        with running.running(self.directory, *AGW, "demo", "--directory", "try") as demo:
            printed = demo.read_until("Ctrl-C ends")
            self.assertIn(f" {self.directory}/try/pki/client.pem https://localhost", "\n".join(printed))
            status, _ = demo.end(signal.SIGINT)
        self.assertEqual(status, 0)

    def ask(self, listener: str, *options: str) -> tuple[int, str]:
        """curl's exit status, and the status of the response."""
        url = f"https://localhost:{running.port_after(self.configuration, f'http_listener {listener}]')}/"
        done = running.call(self.directory, *CURL, *options, "-o", "body", "-w", "%{http_code}", url)
        return done.returncode, done.stdout
