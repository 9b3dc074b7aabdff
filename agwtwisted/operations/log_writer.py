"""The file of the access log, as its thread writes it: no torn line in it, and a count of what is missing.

Only `access_log` calls it, and but for `LogWriter.open` only from the thread.

Several processes may write one log: one of them at a time, in whole batches. A line that was left unfinished by a
process that was killed is ended by the next one that writes. In a regular file that can be seen; of a pipe it is only
known that the process was writing, so that the next one may write an empty line there.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from queue import SimpleQueue
from typing import Final

import attrs
from twisted.logger import Logger

from agwtwisted.operations.rotation import LOG_FLAGS, LOG_MODE, open_again
from agwtwisted.sharing.memory import BatchLock

_STANDARD_OUTPUT: Final = "-"


def try_to_open(path: str) -> None:
    """Opens the file of an access log, and closes it: for a process that has others write to it. Raises OSError."""
    if path != _STANDARD_OUTPUT:
        os.close(os.open(os.path.abspath(path), LOG_FLAGS, LOG_MODE))


class WriterOrder(Enum):
    """What the writer is asked to do between batches."""

    REOPEN = "reopen"
    STOP = "stop"


@attrs.frozen(kw_only=True)
class LogFile:
    """Where a log is to go on: a file that is open already."""

    path: str | None  # as the configuration has it; None: nowhere
    descriptor: int

    def close(self) -> None:
        """It is not needed; standard output is not ours to close."""
        if self.path != _STANDARD_OUTPUT:
            os.close(self.descriptor)


def log_file(path: str | None) -> LogFile:
    """Opens the file of a log; raises OSError. The null device stands for no file."""
    return LogFile(path=path, descriptor=_opened(_absolute(path or os.devnull)))


class LogWriter:
    """The thread's side: it owns the descriptor. What it has to say is said in the reactor's thread."""

    def __init__(
        self,
        path: str,
        orders: SimpleQueue[list[bytes] | LogFile | WriterOrder],
        call_from_thread: Callable[..., None],
        log: Logger,
        lock: BatchLock | None = None,
    ) -> None:
        """`lock`: held while a batch is written, where other processes write to the log as well."""
        # The working directory may change before the file is reopened.
        self._path = _absolute(path)
        self._orders = orders
        self._call_from_thread = call_from_thread
        self._log = log
        self._lock = lock
        self._descriptor = -1
        self._rest = b""  # of a line whose beginning is in the file: without it the next line would be spoilt too
        self._failing = False
        self._lost = 0
        self.lost_in_all = 0
        self.done_bytes = 0

    def open(self) -> None:
        """Opens the file, if it is not open yet; raises OSError."""
        if self._descriptor < 0:
            self._begin(_opened(self._path))

    def change(self, file: LogFile) -> None:
        """Goes on in another file; from the thread, or while there is none."""
        if self._descriptor >= 0:
            self._let_go()
        self._path = _absolute(file.path or os.devnull)
        self._begin(file.descriptor)

    def run(self) -> None:
        """Writes batch after batch until it is stopped, then closes."""
        try:
            while (order := self._orders.get()) is not WriterOrder.STOP:
                if isinstance(order, list):
                    lines = b"".join(order)
                    self._write_in_turn(lines)
                    self.done_bytes += len(lines)
                elif isinstance(order, LogFile):
                    self.change(order)
                else:
                    self._reopen()
        finally:
            self._close()

    def _opened_anew(self) -> int:
        before = os.fstat(self._descriptor).st_mode
        if self._path == _STANDARD_OUTPUT or not stat.S_ISREG(before):
            return _opened(self._path)
        return open_again(self._path, before)

    def _begin(self, descriptor: int) -> None:
        """Writes to this file from now on; a line that some process left unfinished there is ended first."""
        self._descriptor = descriptor
        is_looked_at = self._lock is None and self._path != _STANDARD_OUTPUT  # with others it is before each batch
        self._rest = b"\n" if is_looked_at and _ends_within_a_line(self._path) else b""

    def _write_in_turn(self, lines: bytes) -> None:
        if self._lock is None:
            self._write(lines)
            return
        try:
            with self._turn(self._lock):
                self._write(lines)
        except OSError as error:  # the lock cannot be had
            self._fail(error, lines.count(b"\n"))

    @contextmanager
    def _turn(self, lock: BatchLock) -> Iterator[None]:
        """While no other process writes. Raises OSError."""
        with lock:
            self._go_on_after_others(lock)
            lock.unfinished = os.getpid()
            yield
            if not self._rest:
                lock.unfinished = 0

    def _go_on_after_others(self, lock: BatchLock) -> None:
        """A line that another process left unfinished is ended first; one of this process may have been, by others."""
        seen = _ends_within_a_line(f"/proc/self/fd/{self._descriptor}")
        is_unfinished = bool(lock.unfinished) if seen is None else seen
        if self._rest and is_unfinished and lock.unfinished == os.getpid():
            return
        self._lose(self._rest not in (b"", b"\n"))
        self._rest = b"\n" if is_unfinished else b""

    def _write(self, lines: bytes) -> None:
        """Writes a batch; when that fails, counts what is not in the file as lost.

        A line that was begun is taken out of the file again, where that can be done; else its rest is kept, and comes
        first afterwards.
        """
        data = self._rest + lines
        written, error = _write_all(self._descriptor, data)
        if error is None:
            self._rest = b""
            self._report_lost("the access log {path} can be written again, {lines} lines were lost")
            return
        begun = data[written - 1 : written] != b"\n" if written else bool(self._rest)
        if begun and self._cut_back(data, written):
            end, self._rest = data.rfind(b"\n", 0, written) + 1, b""
        else:
            end = data.find(b"\n", written) + 1 if begun else written
            self._rest = data[written:end]
        self._fail(error, data.count(b"\n", end))

    def _fail(self, error: OSError, lost: int) -> None:
        """Counts lines that are lost; says so once."""
        self._lose(lost)
        if not self._failing:
            self._failing = True
            self._tell(self._log.error, "the access log {path} cannot be written, lines are lost: {reason}", error)

    def _lose(self, lines: int) -> None:
        self._lost += lines
        self.lost_in_all += lines

    def _cut_back(self, data: bytes, written: int) -> bool:
        """Takes a line, of which only the beginning was written, out of the file; returns whether it is.

        Until there is room again, a reader of the file would take it for a line, and if the process ends before, it
        stays. Only a file that no other process has written to since is touched.
        """
        start = data.rfind(b"\n", 0, written) + 1
        if self._path == _STANDARD_OUTPUT or (self._rest and not start):  # it was begun by an earlier batch
            return False
        try:
            status, end = os.fstat(self._descriptor), os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if not stat.S_ISREG(status.st_mode) or status.st_size != end:
                return False
            os.ftruncate(self._descriptor, end - (written - start))
        except OSError:
            return False
        return True

    def _report_lost(self, message: str) -> None:
        """Says once, after a failure, how many lines were lost."""
        if self._failing:
            self._tell(self._log.warn, message, lines=self._lost)
        self._failing, self._lost = False, 0

    def _reopen(self) -> None:
        """Opens the new file before it lets go of the old one, and keeps the old one when that fails."""
        try:
            descriptor = self._opened_anew()
        except OSError as error:
            self._tell(self._log.error, "the access log {path} cannot be reopened: {reason}", error)
        else:
            self._let_go()
            self._begin(descriptor)

    def _close(self) -> None:
        self._let_go()
        self._descriptor = -1
        self._report_lost("{lines} lines of the access log {path} were lost")

    def _let_go(self) -> None:
        """Ends a line that was begun, or gives it up, and closes the file; standard output is not ours to close."""
        if self._rest and self._lock is None:
            self._write_rest()
        elif self._rest and self._lock is not None:
            with suppress(OSError), self._turn(self._lock):
                self._write_rest()
        self._rest = b""
        if self._path != _STANDARD_OUTPUT:
            try:
                os.close(self._descriptor)
            except OSError as error:
                self._tell(self._log.error, "the access log {path} may be incomplete: {reason}", error)

    def _write_rest(self) -> None:
        written, _ = _write_all(self._descriptor, self._rest)
        if written == len(self._rest):
            self._rest = b""
        self._lose(self._rest not in (b"", b"\n"))

    def _tell(self, level: Callable[..., None], message: str, error: OSError | None = None, lines: int = 0) -> None:
        reason = error.strerror if error is not None else ""
        self._call_from_thread(level, message, path=self._path, reason=reason, lines=lines)


def _absolute(path: str) -> str:
    return path if path == _STANDARD_OUTPUT else os.path.abspath(path)


def _opened(path: str) -> int:
    return 1 if path == _STANDARD_OUTPUT else os.open(path, LOG_FLAGS, LOG_MODE)


def _write_all(descriptor: int, data: bytes) -> tuple[int, OSError | None]:
    """Writes until all is written or an error ends it; answers with the number of bytes written and that error."""
    rest = memoryview(data)
    try:
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                _wait_until_writable(descriptor)
    except OSError as error:
        return len(data) - len(rest), error
    return len(data), None


def _ends_within_a_line(path: str) -> bool | None:
    """Whether a file's last line has no end; None where that cannot be seen."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            return file.read(1) not in (b"\n", b"")
    except OSError:
        return None


def _wait_until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
