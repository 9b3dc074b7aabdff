"""A process that this one may have to end, although it is not its child."""

from __future__ import annotations

import os
import signal
from contextlib import suppress


class ProcessHandle:
    """One process, by a descriptor (pidfd_open(2)): its number may be another process's once it has ended.

    Where the system has no such descriptors, the number has to do.

    Args:
        number: of a process that has not ended, or whose parent has not waited for it; 0: none.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._descriptor = -1
        if number:
            with suppress(OSError):
                self._descriptor = os.pidfd_open(number)

    def kill(self) -> None:
        """Ends it at once; nothing where it has ended."""
        with suppress(OSError):
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            elif self.number:
                os.kill(self.number, signal.SIGKILL)

    def forget(self) -> None:
        """It has ended, and there is nothing to end any more."""
        self.number = 0
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def ending(status: int) -> str:
    """How a process ended, by its exit code as `os.waitstatus_to_exitcode` has it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
