"""A process that may have to be ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.workers.process_handle import ProcessHandle, ending


class ProcessHandleTests(SynchronousTestCase):
    """Ending it."""

    def started(self) -> subprocess.Popen[bytes]:
        """A process that waits to be ended."""
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.addCleanup(process.__exit__, None, None, None)
        self.addCleanup(process.kill)
        return process

    def test_kill(self) -> None:
        """It ends at once; what comes afterwards does nothing."""
        process = self.started()
        handle = ProcessHandle(process.pid)
        handle.kill()
        self.assertEqual(process.wait(60), -signal.SIGKILL)
        handle.kill()
        handle.forget()
        handle.kill()
        self.assertEqual(handle.number, 0)

    def test_without_descriptors(self) -> None:
        """Where the system has no descriptors of processes, the number does."""
        with mock.patch.object(os, "pidfd_open", side_effect=OSError):
            process = self.started()
            handle = ProcessHandle(process.pid)
        handle.kill()
        self.assertEqual(process.wait(60), -signal.SIGKILL)

    def test_none(self) -> None:
        """There may be no process."""
        ProcessHandle(0).kill()
        ProcessHandle(0).forget()

    def test_ending(self) -> None:
        """An exit code is said as an exit status, or as the name of a signal."""
        self.assertEqual(
            [ending(code) for code in (0, 3, -9, -200)], ["exit status 0", "exit status 3", "SIGKILL", "signal 200"]
        )
