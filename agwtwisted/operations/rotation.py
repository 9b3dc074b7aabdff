"""Opens a log again whose file a program such as logrotate has renamed."""

from __future__ import annotations

import os
import stat
from typing import Final

LOG_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""Of os.open. Without blocking: a pipe without a reader is an error."""

LOG_MODE: Final = 0o640
"""The permissions of a first file, as far as the umask leaves them."""


def kept_permissions(before: int) -> int:
    """What a new file gets of the mode of an earlier one: nothing for other users."""
    return stat.S_IMODE(before) & 0o660


def open_again(path: str, before: int) -> int:
    """The descriptor of the file that the path names now.

    One that is missing is made with the permissions of the earlier file, whatever the umask is: a daemon's is another
    than that of its start. One that the rotating program has made keeps its own.

    Args:
        path: of the log.
        before: the mode of the earlier file.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, LOG_FLAGS | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, LOG_FLAGS, LOG_MODE)
    try:
        os.fchmod(descriptor, kept_permissions(before))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
