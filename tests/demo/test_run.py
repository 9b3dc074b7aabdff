"""The demonstration as a whole: started as its users start it, tried with what it prints, ended as they end it."""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.demo import run
from agwtwisted.demo.attempts import ATTEMPTS, Attempt
from agwtwisted.demo.certificates import DemoError
from tests import running
from tests.programs import needs

DEMO = (running.PYTHON, "-m", "agwtwisted", "demo", "--config", "conf/gw.ini")
READY = "Ctrl-C ends"


DRIVER = """
import sys
from pathlib import Path
from agwtwisted.cli.program import main
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import (Config, HttpListener, Protocol)
from agwtwisted.core.tls.policies import TlsPolicy
from agwtwisted.demo import run

policy = TlsPolicy(
    name="any", min_version="TLSv1_2", max_version="TLSv1_3", tls12_cipher_suites=(), tls13_cipher_suites=()
)
listener = HttpListener(name="plain", address="127.0.0.1", port=int(sys.argv[1]), protocol=Protocol.HTTP)
config = Config(gateway=Gateway(ssl_policy=policy, drain_timeout=0), http_listeners=(listener,))
run.load = lambda path, now: Plan.of(config)
run.AFTER_DRAIN = float(sys.argv[2])
sys.executable = str(Path("python").absolute())
sys.exit(main(["demo"]))
"""
"""The demonstration with another gateway: the script `twistd` beside what it takes for its interpreter."""

STUBBORN = """
import signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: print("goes on", flush=True))
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
server = socket.create_server(("127.0.0.1", int(open("port").read())))
while True:
    server.accept()
"""
"""A gateway that accepts, and does not end when it is asked to."""


class ChildTests(SynchronousTestCase):
    """What becomes of a gateway that does not behave."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        (self.directory / "conf").mkdir(parents=True)
        (self.directory / "conf" / "gw.ini").touch()
        (self.directory / "python").symlink_to(running.PYTHON)
        [self.port] = running.free_ports(1)
        (self.directory / "port").write_text(str(self.port))

    def start(self, twistd: str, after_drain: float) -> AbstractContextManager[running.Running]:
        """The demonstration, with this as its gateway."""
        (self.directory / "twistd").write_text(twistd)
        driver = (running.PYTHON, "-c", DRIVER, str(self.port), str(after_drain))
        return running.running(self.directory, *driver)

    def test_ends_with_its_gateway(self) -> None:
        """A gateway that ends by itself ends the demonstration, which says so and has failed."""
        with self.start("import sys; sys.exit(7)", after_drain=60) as demo:
            status, printed = demo.ended()
        self.assertEqual(status, 1)
        self.assertIn("The gateway ended, with exit status 7.", printed)

    def test_kills_after_the_drain(self) -> None:
        """A gateway that is not gone some time after its drain_timeout is killed."""
        with self.start(STUBBORN, after_drain=0.01) as demo:
            demo.read_until(READY)
            status, printed = demo.end(signal.SIGTERM)
        self.assertEqual(status, 0, printed)
        self.assertNotIn("Traceback", printed)

    def test_kills_at_the_second_signal(self) -> None:
        """Who asks twice does not wait for the drain."""
        with self.start(STUBBORN, after_drain=running.PATIENCE) as demo:
            demo.read_until(READY)
            demo.signal(signal.SIGINT)
            demo.read_until("goes on")
            status, printed = demo.end(signal.SIGINT)
        self.assertEqual(status, 0, printed)
        self.assertNotIn("Traceback", printed)
        self.assertNotIn("interrupted", printed)  # a gateway that got the terminal's SIGINT, too, would not drain


class OwnDirectoryTests(SynchronousTestCase):
    """Without a checkout: the configuration that the package has."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "demo"

    def test_kept(self) -> None:
        """A directory that was chosen gets the demo's configuration, which stays, and is not replaced."""
        with run.own_directory(self.directory) as configuration:
            self.assertEqual(configuration.read_text(), (running.ROOT / "conf" / "gw.ini").read_text())
        configuration.write_text("edited")
        with run.own_directory(self.directory) as configuration:
            self.assertEqual(configuration.read_text(), "edited")

    def test_removed(self) -> None:
        """Otherwise it is a directory for temporary files, and goes at the end."""
        with run.own_directory(None) as configuration:
            self.assertTrue(configuration.is_file())
            self.assertEqual(configuration.parent.stat().st_mode & 0o077, 0)
        self.assertFalse(configuration.parent.exists())

    def test_cannot_be_written(self) -> None:
        """A place where nothing can be written is an error with its reason."""
        self.directory.parent.mkdir(parents=True)
        self.directory.write_text("a file")
        with self.assertRaises(DemoError) as caught, run.own_directory(self.directory):
            pass
        self.assertIn(f"{self.directory} cannot be written: File exists", str(caught.exception))

    def test_certificates_alone(self) -> None:
        """They are made where one says, and nowhere where one does not."""
        with contextlib.redirect_stdout(io.StringIO()):
            run.only_certificates(None, self.directory)
        self.assertTrue((self.directory / "pki" / "client.pem").exists())
        with self.assertRaises(DemoError) as caught, mock.patch.object(run, "CHECKOUT", Path("nowhere")):
            run.only_certificates(None, None)
        self.assertIn("--config or --directory", str(caught.exception))
        with self.assertRaises(DemoError) as caught:
            run.only_certificates(Path("gw.ini"), self.directory)
        self.assertIn("give one of them", str(caught.exception))


class DemonstrationTests(SynchronousTestCase):
    """`agw demo`."""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="agw-"))  # short: the path of a control socket has a limit
        self.addCleanup(shutil.rmtree, self.directory)
        self.configuration = running.configuration(self.directory)

    def port_after(self, words: str) -> int:
        """The first port that the configuration names after the words."""
        return running.port_after(self.configuration, words)

    @needs("curl")
    def test_does_what_it_prints(self) -> None:
        """Every printed command, run as it stands in any directory, has the outcome that is printed above it."""
        elsewhere = Path(self.mktemp())
        elsewhere.mkdir()
        with running.running(self.directory, *DEMO) as demo:
            printed = demo.read_until(READY)
            self.assertNotIn("WARNING", "\n".join(printed))
            commands = [shlex.split(line) for line in printed if line.startswith("   curl ")]
            for attempt, words in zip(ATTEMPTS, commands, strict=True):
                with self.subTest(attempt.title):
                    self.assertIn(f"{attempt.title}: {attempt.expectation}", "\n".join(printed))
                    self.check(attempt, running.call(elsewhere, *words))

    def check(self, attempt: Attempt, done: subprocess.CompletedProcess[str]) -> None:
        """Whether curl ended and printed as the attempt says."""
        told = f"{done.args}\n{done.stdout}\n{done.stderr}"
        if attempt.status is None:
            self.assertIn(done.returncode, running.REFUSED, told)
            self.assertIn(attempt.shows, done.stderr, told)
            return
        self.assertEqual(done.returncode, 0, told)
        self.assertRegex(done.stdout, rf"\AHTTP/1\.1 {attempt.status} ", told)
        self.assertIn(attempt.shows, done.stdout, told)
        if attempt.hides:
            self.assertNotIn(attempt.hides, done.stdout, told)

    def test_ends_by_a_signal(self) -> None:
        """Ctrl-C, SIGTERM and a terminal that is gone end gateway and backend, with status 0 and no traceback."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name), running.running(self.directory, *DEMO) as demo:
                demo.read_until(READY)
                status, printed = demo.end(number)
                self.assertEqual(status, 0, printed)
                self.assertNotIn("Traceback", printed)
                for words in ("[http_listener strict]", "[backend_address_pool"):
                    socket.create_server(("127.0.0.1", self.port_after(words))).close()

    def test_names_a_listener_that_cannot_listen(self) -> None:
        """A port of the gateway that is in use is named, with its listener, and nothing is started."""
        port = self.port_after("[http_listener strict]")
        with socket.create_server(("127.0.0.1", port)):
            done = running.call(self.directory, *DEMO)
        self.assertEqual(done.returncode, 1, done.stderr)
        expected = f"listener strict: cannot listen on 127.0.0.1:{port}: Address already in use\n"
        self.assertEqual(done.stderr, expected)

    def test_names_a_backend_that_cannot_listen(self) -> None:
        """A port of the demo backend that is in use is named too."""
        port = self.port_after("[backend_address_pool")
        with socket.create_server(("127.0.0.1", port)):
            done = running.call(self.directory, *DEMO)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"demo backend: cannot listen on 127.0.0.1:{port}:", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_reports_a_configuration_that_is_not_taken(self) -> None:
        """A wrong line is reported with file and line, as the gateway itself reports it."""
        text = self.configuration.read_text()
        self.configuration.write_text(text + "\n[http_listener wrong]\nprt = 1\n")
        done = running.call(self.directory, *DEMO)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"conf/gw.ini:{len(text.splitlines()) + 3}", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_reports_a_missing_configuration(self) -> None:
        """Without a configuration file there is one line that names it, and no certificates are made."""
        done = running.call(self.directory, *DEMO[:-1], "elsewhere/gw.ini")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("elsewhere/gw.ini", done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse((self.directory / "elsewhere").exists())
