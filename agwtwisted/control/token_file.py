"""The token of the control API on TCP: in a file that its owner alone can read, made at the first start."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

from agwtwisted.core.base.errors import AgwError
from agwtwisted.sharing.directory_lock import locked

BYTES: Final = 32
"""Random bytes of a token that is made here."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{32,512}=*")
"""What a bearer token is made of (RFC 6750, section 2.1), and no less than cannot be guessed."""

_MOST: Final = 1024


class TokenFileError(AgwError):
    """A file that holds no token, or one that others can read; the message says what to do."""


def token_of(path: str) -> str:
    """The token in a file, which is made where there is none.

    Raises:
        TokenFileError: others can read the file or write it, or it has no token.
        OSError: it can be neither read nor made.
    """
    try:
        return read_token(path)
    except FileNotFoundError:
        return _made(path)


def read_token(path: str) -> str:
    """The token in a file that is there; raises as `token_of` does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check(path, status)
        text = file.read(_MOST).decode("latin-1").strip()
    if _TOKEN.fullmatch(text) is None:
        raise TokenFileError(
            f"{path} has no token: one line of at least 32 letters, digits or ._~+/-; remove the file to have one made"
        )
    return text


def _check(path: str, status: os.stat_result) -> None:
    """Raises TokenFileError where others than this user and root have to do with the file."""
    if not stat.S_ISREG(status.st_mode):
        raise TokenFileError(f"{path} is no regular file")
    if status.st_mode & 0o077:
        mode = status.st_mode & 0o7777
        raise TokenFileError(f"{path} can be read or written by other users (mode {mode:04o}): chmod 600 {path}")
    if status.st_uid not in (0, os.geteuid()):
        raise TokenFileError(f"{path} belongs to another user")


def _made(path: str) -> str:
    """Written beside its place and moved there, so that a reader finds a whole token or none; of several processes
    that begin at once the first one makes it.
    """
    place = Path(path)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    with locked(place.parent):
        with suppress(FileNotFoundError):
            return read_token(path)
        beside = place.with_name(f"{place.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            # It begins with a letter: what begins with a dash, some programs take for an option.
            file.write(f"t{token_urlsafe(BYTES)}\n")
            file.flush()
            os.fsync(descriptor)
        beside.rename(place)
    return read_token(path)
