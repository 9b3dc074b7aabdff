"""A lock on a state directory, for what only one process may do in it at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP, ETIMEDOUT
from pathlib import Path
from threading import Event
from typing import Final

PAUSE: Final = 0.01
"""Seconds until it is tried again to lock a directory that another process has locked."""

ATTEMPTS: Final = 1000
"""After so many it is an error: ten seconds are more than any process has the lock that is not stopped."""

_WITHOUT_LOCKS: Final = (EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP)


@contextmanager
def locked(directory: Path, *, together: bool = False) -> Iterator[None]:
    """Runs its block while no other process, nor thread, has this lock; for moments alone, since they wait.

    It is on the directory itself, so that no file is left behind, and the kernel frees it with the process. On a file
    system that knows no locks (some of the network) the block runs without.

    Args:
        directory: which is to be locked.
        together: with others that say so, and without those that do not.

    Raises:
        OSError: the directory cannot be opened, or another process does not unlock it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, directory, fcntl.LOCK_SH if together else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path, kind: int) -> None:
    pause = Event()
    for _ in range(ATTEMPTS):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            pause.wait(PAUSE)
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
            return
        else:
            return
    raise OSError(ETIMEDOUT, "locked by another process", str(directory))
