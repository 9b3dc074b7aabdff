"""Stores signed OCSP responses in an SQLite file that outlives the process.

The file may be that of several processes: a revocation that one of them has stored is replaced by no response of
another one that does not know of it. Callers import it where there is a state directory: it brings a library.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import ClassVar, Final

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from agwtwisted.revocation.ocsp_store import FILE, MAX_PENDING, StoredResponse, chosen
from agwtwisted.sharing.directory_lock import locked

VERSION: Final = 1

MAX_REVOKED: Final = 1_000_000
"""Revocations that are stored, those of the certificates that are valid longest."""

_STORE: Final = (
    "INSERT INTO responses VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE"
    " SET response = excluded.response, revoked = excluded.revoked, until = excluded.until"
    " WHERE excluded.revoked OR NOT responses.revoked OR ?"
)

_FORGET: Final = "DELETE FROM responses WHERE NOT revoked AND (length(?1) = 0 OR instr(response, ?1) > 0)"

_FORGET_REVOKED: Final = (
    "DELETE FROM responses WHERE key IN (SELECT key FROM responses WHERE revoked ORDER BY until DESC LIMIT -1 OFFSET ?)"
)


@attrs.frozen
class _Forget:
    """Among the responses that are to be written: those before it with this in them are not wanted any more."""

    needle: bytes


class SqliteStore:
    """A file in the state directory, written by a thread of its own, so that a slow disk delays no client.

    No defect of the file stops the gateway: a damaged one is set aside, one that cannot be written is logged, and
    everything goes on from memory. There may be `most_revoked` revocations, and none is deleted for its age: a clock
    that was ahead for an hour must not lose them.
    """

    log: ClassVar[Logger] = Logger()
    outlives_process = True

    def __init__(
        self,
        directory: Path,
        seconds: Callable[[], float],
        call_from_thread: Callable[..., object],
        *,
        most_revoked: int = MAX_REVOKED,
    ) -> None:
        """The directory is made, for its owner alone, where it is not there; raises OSError where that fails."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = directory.absolute() / FILE  # a daemon changes its directory
        self._seconds = seconds
        self._most_revoked = most_revoked
        self._call_from_thread = call_from_thread
        self._queue: SimpleQueue[StoredResponse | _Forget | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped: Deferred[None] | None = None
        self._failing = False
        self._unwritten: list[StoredResponse | _Forget] = []  # revocations, and what is to be forgotten
        if directory.stat().st_mode & 0o077:
            self.log.warn("{directory} is accessible to other users: chmod 700 it", directory=str(directory))

    def load(self, now: float, most: int) -> list[StoredResponse]:
        """As ResponseStore says; at the start, so that it may wait for the disk."""
        try:
            try:
                with self._opened() as database:
                    return self._loaded(database, now, most)
            except sqlite3.OperationalError:  # busy, or not to be opened: not the file's fault
                raise
            except sqlite3.DatabaseError:
                return self._anew(now, most)
        except (sqlite3.Error, OSError) as error:
            message = "{path} cannot be read, earlier responses are lost: {error}"
            self.log.error(message, path=str(self._path), error=str(error))
            return []

    def start(self) -> None:
        """As ResponseStore says: after a daemon's fork, which no thread survives."""
        # A daemon thread: a disk that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="OCSP responses", daemon=True)
        self._thread.start()

    def put(self, stored: StoredResponse) -> None:
        """As ResponseStore says."""
        if self._queue.qsize() < MAX_PENDING:
            self._queue.put(stored)

    def forget(self, needle: bytes) -> None:
        """As ResponseStore says."""
        self._queue.put(_Forget(needle))

    def stop(self) -> Deferred[None]:
        """As ResponseStore says."""
        if self._thread is None:
            return succeed(None)
        stopped = self._stopped = Deferred()
        self._queue.put(None)
        return stopped

    def _loaded(self, database: sqlite3.Connection, now: float, most: int) -> list[StoredResponse]:
        found = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise sqlite3.DatabaseError(*found)
        database.execute(_FORGET_REVOKED, [self._most_revoked])
        rows = database.execute("SELECT key, response, revoked, until FROM responses").fetchall()
        kept = [
            StoredResponse(key=key, response=response, is_revoked=bool(revoked), until=until)
            for key, response, revoked, until in rows
        ]
        return chosen(kept, now, most)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The database, made where it is not there.

        It is made, and set aside, by one process while no other has it open: SQLite finds the journal by the name of
        the file, so that an old file, still open, would take the journal of a new one for its own.

        Raises:
            sqlite3.Error: it cannot be opened or made.
            OSError: the directory cannot be locked.
        """
        with locked(self._path.parent, together=True), closing(self._connected()) as database:
            if _is_made(database):
                yield database
                return
        with locked(self._path.parent), closing(self._connected()) as database:
            _make(database)
            yield database

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5, isolation_level=None)

    def _anew(self, now: float, most: int) -> list[StoredResponse]:
        """Sets a damaged file aside and begins another, unless another process has done so meanwhile."""
        with locked(self._path.parent):
            try:
                with closing(self._connected()) as database:
                    if not _is_made(database):
                        _make(database)
                    return self._loaded(database, now, most)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                self._set_aside(error)
        return []

    def _set_aside(self, error: sqlite3.Error) -> None:
        aside = self._path.with_suffix(".damaged")
        self._path.replace(aside)
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).unlink()
        message = "{path} is damaged ({error}): set aside as {aside}"
        self.log.error(message, path=str(self._path), error=str(error), aside=str(aside))
        with closing(self._connected()) as database:
            _make(database)

    # -- the thread

    def _run(self) -> None:
        try:
            self._write_all()
        finally:
            self._call_from_thread(self._thread_ended)

    def _write_all(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._batch()
            self._write(batch)

    def _batch(self) -> tuple[list[StoredResponse | _Forget], bool]:
        """What came since the last batch, at least one response, and whether it was the last."""
        batch: list[StoredResponse | _Forget] = []
        while (stored := self._queue.get()) is not None:
            batch.append(stored)
            if self._queue.empty() or len(batch) == MAX_PENDING:
                return batch, False
        return batch, True

    def _write(self, batch: list[StoredResponse | _Forget]) -> None:
        """One transaction; the file is not kept open, so that it may be removed or replaced.

        Revocations that cannot be written are tried again with the next batch, as far as they may wait at all.
        """
        batch = [*self._unwritten, *batch]
        try:
            with self._opened() as database, database:
                database.execute("BEGIN IMMEDIATE")  # no other process can write between this and the commit
                for step in batch:
                    if isinstance(step, _Forget):
                        database.execute(_FORGET, [step.needle])
                    else:
                        database.execute(_STORE, _row(step))
                database.execute("DELETE FROM responses WHERE NOT revoked AND until <= ?", [self._seconds()])
        except (sqlite3.Error, OSError) as error:
            kept = [each for each in batch if isinstance(each, _Forget) or each.is_revoked]
            self._unwritten = kept[-MAX_PENDING:]
            if not self._failing:
                self._log_error("{path} cannot be written, new responses will be lost at a restart: {error}", error)
            self._failing = True
        else:
            self._failing = False
            self._unwritten = []

    def _log_error(self, message: str, error: sqlite3.Error | OSError) -> None:
        self._call_from_thread(self.log.error, message, path=str(self._path), error=str(error))

    def _thread_ended(self) -> None:
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        if self._stopped is not None:
            self._stopped.callback(None)


def _is_made(database: sqlite3.Connection) -> bool:
    """Whether a file has what `_make` makes. Raises sqlite3.DatabaseError where it is of another version."""
    database.execute("PRAGMA synchronous = NORMAL")
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise sqlite3.DatabaseError(f"version {version} is of another version of the gateway")
    return bool(version == VERSION and database.execute("PRAGMA journal_mode").fetchone() == ("wal",))


def _make(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS responses (key BLOB PRIMARY KEY, response BLOB NOT NULL,"
        " revoked INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID, STRICT"
    )
    database.execute(f"PRAGMA user_version = {VERSION}")


def _row(stored: StoredResponse) -> tuple[bytes, bytes, int, float, int]:
    """The values for `_STORE`."""
    may_replace = stored.is_newer_than_revocation
    return stored.key, stored.response, int(stored.is_revoked), stored.until, int(may_replace)
