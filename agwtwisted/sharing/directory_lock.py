"""A lock on a state directory, for what only one process may do in it at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP
from pathlib import Path
from typing import Final


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Runs its block while no other process, nor thread, has this lock; for moments alone, since they wait.

    It is on the directory itself, so that no file is left behind, and the kernel frees it with the process. On a file
    system that knows no locks (some of the network) the block runs without.

    Raises:
        OSError: the directory cannot be opened.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)


_WITHOUT_LOCKS: Final = (EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP)
