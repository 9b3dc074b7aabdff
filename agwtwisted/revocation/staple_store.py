"""Keeps stapled OCSP responses over restarts: a file for each certificate in the state directory.

A file is an OCSPResponse in DER, which other programs can read. It is not trusted: what is read is verified like a
response that comes from a responder. Without a state directory nothing is kept. Caller: stapling.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.revocation.ocsp import MAX_RESPONSE_BYTES
from agwtwisted.sharing.private_files import make_directory, write_whole
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.threads import in_thread

DIRECTORY: Final = "staples"
"""In the state directory."""

_SUFFIX: Final = ".ocsp"

KEPT_FOR: Final = 30 * 86400.0
"""Seconds after which the file of a certificate that is not in force any more is deleted at a start."""


class StapleStore:
    """The files of one gateway.

    Args:
        reactor: files are written in threads: a slow disk delays no client.
        state_directory: absolute; None: nothing is kept.
    """

    log = Logger()

    def __init__(self, reactor: PosixReactorBase, state_directory: Path | None) -> None:
        self._reactor = reactor
        self._directory = None if state_directory is None else state_directory / DIRECTORY
        self._waiting: dict[bytes, bytes] = {}  # what is to be written next, the newest of each certificate
        self._writing = False
        self._failing = False

    def load(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The responses that were kept by these keys and can be read. It waits for the disk."""
        found: dict[bytes, bytes] = {}
        for key in keys if self._directory is not None else ():
            with suppress(OSError), open(self._file(key), "rb") as file:
                found[key] = file.read(MAX_RESPONSE_BYTES)
        return found

    def load_soon(self, keys: Iterable[bytes]) -> Deferred[dict[bytes, bytes]]:
        """The same, in a thread."""
        asked = tuple(keys)
        if self._directory is None or not asked:
            return succeed({})
        return in_thread(self._reactor, lambda: self.load(asked), "stapled OCSP responses")

    def put(self, key: bytes, response: bytes) -> None:
        """Keeps a response, some time later, in the place of the one before."""
        if self._directory is not None:
            self._waiting[key] = response
            self._write()

    def tidy(self, keys: Iterable[bytes], now: float) -> None:
        """Deletes files that none of these certificates has, and none has had for long. It waits for the disk."""
        if self._directory is None:
            return
        kept = set(map(self._file, keys))
        with suppress(OSError):
            for file in self._directory.glob(f"*{_SUFFIX}"):
                if file not in kept and file.stat().st_mtime < now - KEPT_FOR:
                    file.unlink()

    def _write(self) -> None:
        if self._writing or not self._waiting:
            return
        batch, self._waiting, self._writing = self._waiting, {}, True
        written = in_thread(self._reactor, lambda: self._written(batch), "stapled OCSP responses")
        written.addCallback(self._done)  # type: ignore[unused-awaitable]  # handed on to the log
        log_failure(written, self.log, "keeping stapled OCSP responses")

    def _written(self, batch: dict[bytes, bytes]) -> str:
        """In a thread; returns why it could not be done, empty where it was."""
        directory = self._directory
        if directory is None:
            return ""
        try:
            make_directory(directory)
            for key, response in batch.items():
                write_whole(self._file(key), response)
        except (OSError, AgwError) as error:
            return str(error)
        return ""

    def _done(self, fault: str) -> None:
        self._writing = False
        if fault and not self._failing:
            message = "{directory}: stapled OCSP responses cannot be kept over a restart: {fault}"
            self.log.error(message, directory=str(self._directory), fault=fault)
        self._failing = bool(fault)
        self._write()

    def _file(self, key: bytes) -> Path:
        """Its place; only where there is a directory."""
        return (self._directory or Path()) / f"{key.hex()}{_SUFFIX}"
