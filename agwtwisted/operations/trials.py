"""Whether this process could write where the gateway will: tried, and nothing is left behind.

Callers: the check of a configuration. A gateway that runs meanwhile is not disturbed. Each function raises OSError with
the reason.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from agwtwisted.operations.rotation import LOG_FLAGS

_ROOM: Final = 4096
"""Bytes that are written: a full disk takes none."""


def try_access_log(path: str) -> None:
    """Whether lines could be appended to the file at a path, or it could be made; ``-`` is standard output.

    A pipe is not opened: its reader would take that for the end of the log.
    """
    if path == "-":
        return
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        _try_to_write(Path(os.path.realpath(path)).parent)
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        _try_access(path, os.W_OK)
        return
    os.close(os.open(path, LOG_FLAGS & ~os.O_CREAT))
    space = os.statvfs(path)
    if space.f_blocks and not space.f_bavail:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def try_directory(directory: Path, *files: str, parents: bool = True) -> None:
    """Whether files could be made in a directory, which itself may have to be made.

    Args:
        directory: absolute.
        files: that may be there, and have to be readable and writable then.
        parents: whether those above it may be made, too.
    """
    with _made(directory, parents=parents):
        _try_to_write(directory)
        for file in files:
            with suppress(FileNotFoundError):
                _try_access(str(directory / file), os.R_OK | os.W_OK)


def try_socket(path: str, longest: int) -> None:
    """Whether a Unix socket could be made at a path, in the place of a stale one; its directory may have to be made."""
    if len(os.fsencode(os.path.abspath(path))) > longest:
        raise OSError(errno.ENAMETOOLONG, f"is too long for a socket: at most {longest} bytes", path)
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "is no socket", path)
    try_directory(Path(os.path.abspath(path)).parent, f"{os.path.basename(path)}.lock", parents=False)


@contextmanager
def _made(directory: Path, *, parents: bool) -> Iterator[None]:
    """Runs its block while the directory is there; those that were made for it are removed."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    if not parents:
        missing = missing[:1] if len(missing) < 2 else _nowhere(directory)
    made: list[Path] = []
    try:
        for each in reversed(missing):
            each.mkdir(mode=0o700)
            made.append(each)
        yield
    finally:
        for each in reversed(made):
            each.rmdir()


def _nowhere(directory: Path) -> list[Path]:
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(directory.parent))


def _try_to_write(directory: Path) -> None:
    """In a file without a name, where the file system has such: it is gone even if this process is killed."""
    with TemporaryFile(dir=directory, prefix=".agwtwisted-check-", buffering=0) as file:
        written = file.write(bytes(_ROOM))
        os.fsync(file.fileno())
        if written != _ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def _try_access(path: str, mode: int) -> None:
    os.stat(path)
    if not os.access(path, mode, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
