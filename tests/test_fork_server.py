"""Programs forked from one that has imported everything: what a test sees of them, and what they are given."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests import fork_server, running
from tests.end_to_end.lines import wait_until
from tests.end_to_end.worker_processes import is_alive


class ForkServerTests(SynchronousTestCase):
    """A program in a process of its own."""

    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def start(self) -> fork_server.Forked:
        """`twistd` with a program that waits, as a start of a gateway would."""
        (self.directory / "waits.tac").write_text(WAITS)
        environment = {**running.environment(), "SAID": "said"}
        with (self.directory / "output").open("wb") as output:
            outputs = (output.fileno(),) * 2
            process = fork_server.start(
                "twistd", ["-noy", "waits.tac", "--pidfile="], self.directory, environment, outputs
            )
        self.addCleanup(process.kill)
        return process

    def test_call(self) -> None:
        """Output, errors and exit status are the program's own, one start after the other."""
        for words, status, printed, error in (
            (["--version"], 0, "agwtwisted", ""),
            (["nonsense"], 2, "", "nonsense"),
        ):
            done = fork_server.call("agw", words, self.directory, running.PATIENCE)
            self.assertEqual(done.returncode, status, done)
            self.assertIn(printed, done.stdout)
            self.assertIn(error, done.stderr)

    def test_given(self) -> None:
        """It has the directory, environment, umask and limits of its start, and no descriptors but three."""
        self.addCleanup(os.umask, os.umask(0o027))
        process = self.start()
        process.wait(running.PATIENCE)
        seen = (self.directory / "seen").read_text().splitlines()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(seen, [str(self.directory), "said", "0o27", f"{soft} {hard}", "[0, 1, 2]"])

    def test_ended(self) -> None:
        """Its end is that of a process: the status, or the signal that has ended it; none while it runs."""
        (self.directory / "stay").touch()
        process = self.start()
        self.assertIsNone(process.poll())
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0)
        process.kill()
        self.assertEqual(process.wait(running.PATIENCE), -signal.SIGKILL)
        self.assertEqual(process.poll(), -signal.SIGKILL)
        process.send_signal(signal.SIGTERM)  # there is none any more to get it
        (self.directory / "stay").unlink()
        self.assertEqual(self.start().wait(running.PATIENCE), 3)

    def test_killed(self) -> None:
        """What a test process has started ends with it, though it be killed."""
        words = [sys.executable, "-c", KILLED, str(self.directory)]
        (self.directory / "waits.tac").write_text(WAITS)
        (self.directory / "stay").touch()
        environment = {**running.environment(), "SAID": "said"}
        killed = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=False, timeout=running.PATIENCE)
        self.assertEqual(killed.returncode, -signal.SIGKILL)
        left = int(killed.stdout)
        wait_until(lambda: not is_alive(left), "it has ended")


KILLED = """
import os, signal, sys
from pathlib import Path
from tests import fork_server, running

directory = Path(sys.argv[1])
with open(os.devnull, "wb") as output:
    words = ["-noy", "waits.tac", "--pidfile="]
    print(fork_server.start("twistd", words, directory, running.environment(), (output.fileno(),) * 2).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

WAITS = """
import os, resource, sys, time
from pathlib import Path

umask = os.umask(0)
os.umask(umask)
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
here = [number for number in range(64) if os.path.exists(f"/proc/self/fd/{number}")]
Path("seen").write_text("\\n".join([os.getcwd(), os.environ["SAID"], oct(umask), "%d %d" % limits, str(here)]))
while Path("stay").exists():
    time.sleep(0.01)
sys.exit(3)
"""
