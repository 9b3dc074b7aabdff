"""`agw`, which is `python -m agwtwisted`."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.__main__ import BROKEN_PIPE, main
from agwtwisted._version import VERSION
from tests import running


class MainTests(SynchronousTestCase):
    """Commands and what they answer."""

    def setUp(self) -> None:
        self.configuration = Path(self.mktemp()) / "gw.ini"

    def run_main(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of a call."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                status = main(arguments)
            except SystemExit as end:  # argparse has said what is wrong
                status = int(end.code or 0)
        return status, out.getvalue(), err.getvalue()

    def test_writes_certificates_beside_the_configuration(self) -> None:
        """`demo --certificates` makes them at its first call, and keeps them at its second."""
        for done in ("made", "kept"):
            status, out, _ = self.run_main("demo", "--certificates", "--config", str(self.configuration))
            self.assertEqual((status, out), (0, f"{self.configuration.parent / 'pki'}: demo certificates {done}\n"))
        self.assertTrue((self.configuration.parent / "pki" / "server.pem").exists())

    def test_says_why_it_does_not_run(self) -> None:
        """What is wrong is one line on standard error, without a traceback, and a status of 1."""
        foreign = self.configuration.parent / "pki" / "server.pem"
        foreign.parent.mkdir(parents=True)
        foreign.write_text("somebody's own")
        status, out, err = self.run_main("demo", "--certificates", "--config", str(self.configuration))
        expected = f"{foreign} is not a demo certificate and stays unchanged; move it away first\n"
        self.assertEqual((status, out, err), (1, "", expected))

    def test_needs_a_command(self) -> None:
        """Without a command, or with one that there is not, the usage is shown and the status is 2."""
        for arguments in ((), ("dance",)):
            status, _, err = self.run_main(*arguments)
            self.assertEqual(status, 2)
            self.assertIn("usage: agw", err)

    def test_broken_pipe(self) -> None:
        """Where nothing reads what is printed, the command ends without a traceback."""
        read, write = os.pipe()
        os.close(read)
        words = [running.PYTHON, "-P", "-m", "agwtwisted", "deploy", "systemd"]
        with open(write, "wb") as output:
            done = subprocess.run(words, stdout=output, stderr=subprocess.PIPE, env=running.environment(), check=False)
        self.assertEqual((done.returncode, done.stderr), (BROKEN_PIPE, b""))

    def test_version(self) -> None:
        """`--version` is the package's."""
        self.assertEqual(self.run_main("--version"), (0, f"agwtwisted {VERSION}\n", ""))

    def test_deploy(self) -> None:
        """`deploy systemd` prints the files of the installation, one or all, or writes them."""
        status, out, err = self.run_main("deploy", "systemd", "agwgateway.service")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("\nType=notify-reload\n", out)
        status, out, err = self.run_main("deploy", "systemd", "--out", str(self.configuration.parent))
        self.assertEqual((status, err), (0, ""))
        self.assertIn(str(self.configuration.parent / "agwgateway.service"), out.splitlines())
        status, out, err = self.run_main("deploy", "systemd", "agwgateway.service.d")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("no file 'agwgateway.service.d' here; there are agwgateway.logrotate, agwgateway.service", err)
