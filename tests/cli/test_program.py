"""A call of `agw` that does not end as it should: standard output that takes nothing, files that are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import deploy
from agwtwisted.cli.program import BROKEN_PIPE, INTERRUPTED
from tests import running
from tests.cli.calls import call

AGW = (running.PYTHON, "-P", "-m", "agwtwisted")


class OutputTests(SynchronousTestCase):
    """Programs whose standard output does not take what they print."""

    def ended(self, output: int | None, *words: str, **environment: str) -> tuple[int, str]:
        """Exit status, and what was on standard error."""
        done = subprocess.run(
            [*AGW, *words],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env={**running.environment(), **environment},
            check=False,
            timeout=running.PATIENCE,
        )
        return done.returncode, done.stderr

    def test_closed_pipe(self) -> None:
        """Where nothing reads any more, the command ends without a word, as SIGPIPE would end it."""
        read, write = os.pipe()
        os.close(read)
        with open(write, "wb") as output:
            self.assertEqual(self.ended(output.fileno(), "deploy", "systemd"), (BROKEN_PIPE, ""))

    def test_full_disk(self) -> None:
        """A disk that is full is one line, for an answer and for the help."""
        expected = (2, "agw: standard output: No space left on device\n")
        for words in (["deploy", "systemd"], ["--help"]):
            with open("/dev/full", "wb") as output:
                self.assertEqual(self.ended(output.fileno(), *words), expected)

    def test_closed_streams(self) -> None:
        """Where a stream was closed before the start, what is printed is dropped, and there is nothing to read."""
        for stream, words in ((1, ["deploy", "systemd"]), (0, ["log", "-"])):
            close = f"import os, sys; os.close({stream}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
            done = subprocess.run(
                [sys.executable, "-c", close, *AGW[1:], *words],
                capture_output=True,
                env=running.environment(),
                check=False,
                timeout=running.PATIENCE,
            )
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_other_encoding(self) -> None:
        """Characters that the encoding of standard output does not have are escaped."""
        status, err = self.ended(None, "dançe", PYTHONIOENCODING="ascii")
        self.assertEqual(status, 2)
        self.assertIn("no command 'dan\\xe7e'", err)


class StatusTests(SynchronousTestCase):
    """What a command ends with."""

    def test_missing_file(self) -> None:
        """An error of the system that a command does not expect is one line with the file's name."""
        file = Path(self.mktemp())
        file.touch()
        done = call("reference", str(file / "pages"))
        self.assertEqual((done.status, done.out, done.err), (2, "", f"agw: {file}/pages: Not a directory\n"))

    def test_unexpected_error(self) -> None:
        """So is one whose file has a name that a terminal would obey."""
        error = PermissionError(13, "Permission denied", "\x1b[31m")
        with mock.patch.object(deploy, "deploy", side_effect=error):
            done = call("deploy", "systemd")
        self.assertEqual((done.status, done.err), (2, "agw: \\x1b[31m: Permission denied\n"))

    def test_interrupted(self) -> None:
        """Ctrl-C ends it without a word."""
        with mock.patch.object(deploy, "deploy", side_effect=KeyboardInterrupt):
            done = call("deploy", "systemd")
        self.assertEqual((done.status, done.out, done.err), (INTERRUPTED, "", ""))

    def test_ended_by_a_text(self) -> None:
        """What the gateway's start says in place of an exit status is on standard error, with exit status 1."""
        with mock.patch.object(deploy, "deploy", side_effect=SystemExit("ERROR gw.ini no")):
            done = call("deploy", "systemd")
        self.assertEqual((done.status, done.out, done.err), (1, "", "ERROR gw.ini no\n"))
        with mock.patch.object(deploy, "deploy", side_effect=SystemExit):
            self.assertEqual(call("deploy", "systemd").status, 0)
