"""Files of the state directory that are there whole or not at all, whenever the process ends: written beside their
place, synced, and moved there.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from agwtwisted.core.base.errors import AgwError

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644

_BESIDE: Final = ".new"


class PrivateFileError(AgwError):
    """A file with a secret that others than its owner can read or write; the message says what to do."""


def read_private(path: Path, *, most: int = -1, may_be_link: bool = False) -> bytes:
    """A file with a secret; raises OSError where there is none, and PrivateFileError.

    Args:
        path: of the file.
        most: bytes that are read of it; -1: all of them.
        may_be_link: whether a symbolic link at its place is followed.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags if may_be_link else flags | os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PrivateFileError(f"{path} is no regular file")
        if status.st_mode & 0o077:
            mode = status.st_mode & 0o7777
            raise PrivateFileError(f"{path} can be read or written by other users (mode {mode:04o}): chmod 600 {path}")
        if status.st_uid not in (0, os.geteuid()):
            raise PrivateFileError(f"{path} belongs to another user")
        return file.read(most)


def make_directory(path: Path) -> None:
    """A directory for its owner alone, where there is none yet.

    Raises:
        PrivateFileError: one is there in which another user may put other files in the place of these, as a CA that
            clients then trust.
        OSError: it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()):
        raise PrivateFileError(f"{path} belongs to another user, who could exchange the files in it")
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise PrivateFileError(f"{path} can be written by every user, who could exchange the files in it: chmod o-w")


def write_beside(path: Path, data: bytes, mode: int = PRIVATE) -> Path:
    """Writes a file under another name in the same directory, and has it on the disk; returns that name.

    One that was left there by a process that ended is replaced.
    """
    beside = path.with_name(path.name + _BESIDE)
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:  # of a disk that is full this would take the rest
        beside.unlink(missing_ok=True)
        raise
    return beside


def sync_directory(directory: Path) -> None:
    """Has the names in a directory on the disk; some file systems, as those of shared folders, cannot be asked to."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Writes a file, or replaces it: a reader finds the one or the other, and so does the next start."""
    write_beside(path, data, mode).replace(path)
    sync_directory(path.parent)
