"""The key of the affinity cookies, kept in the state directory so that clients find their server after a restart."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes
from typing import Final

from twisted.logger import Logger

from agwtwisted.core.backends.affinity import KEY_BYTES
from agwtwisted.sharing.directory_lock import locked
from agwtwisted.sharing.private_files import write_whole

FILE: Final = "affinity.key"

_log = Logger()


class AffinityKey:
    """The key of a process, loaded or made when it is first asked for.

    Args:
        directory: where it outlives the process; None: it does not.
        key: that another process of the gateway has loaded or made; empty: none has.
    """

    def __init__(self, directory: Path | None, key: bytes = b"") -> None:
        self._directory = directory
        self._key = key

    def load(self) -> bytes:
        """The key, the same each time; raises OSError as `load_key` does."""
        if not self._key:
            self._key = token_bytes(KEY_BYTES) if self._directory is None else load_key(self._directory)
        return self._key


def load_key(directory: Path) -> bytes:
    """The key of a state directory, made there first where there is none.

    A key that others can read, or that is none, is replaced: clients are then led to a server anew, once. Several
    gateways with copies of one key lead a client to the same server, and so do several processes that begin at once
    with one directory: it is locked meanwhile, and the first of them makes the key.

    Raises:
        OSError: the directory cannot be made, or the key not be written or read.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(directory):
        return _loaded(directory / FILE)


def _loaded(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        with path.open("rb") as file:
            key = file.read(KEY_BYTES + 1)
            mode = os.fstat(file.fileno()).st_mode
        if len(key) == KEY_BYTES and not mode & 0o077:
            return key
        _log.warn(
            "{path} is replaced: {why}",
            path=str(path),
            why="other users can read or write it" if mode & 0o077 else "it is not a key of this gateway",
        )
    return _new_key(path)


def _new_key(path: Path) -> bytes:
    """Whole, or not made: a reader finds a key or none."""
    key = token_bytes(KEY_BYTES)
    write_whole(path, key)
    return key
