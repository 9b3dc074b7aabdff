"""Lines to the access log: taken at once, written by a thread of its own, never waited for.

The reactor collects lines in a list and hands the list over as a whole, so a line costs no lock and no wake-up. The
thread alone touches the file: a disk that is slow or full holds up nothing but the log.
"""

from __future__ import annotations

import os
import select
import stat
import threading
from collections.abc import Callable
from enum import Enum
from queue import SimpleQueue
from typing import Any, ClassVar, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.operations.records import timestamp
from agwtwisted.transport.clocks import system_time

_STANDARD_OUTPUT: Final = "-"
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK

_MODE: Final = 0o640
"""The permissions of a new file, as far as the umask leaves them."""

_MOST: Final = 0o660
"""What of an earlier file's permissions a new one gets at most: nothing is for everybody."""

UNMADE: Final = 64
"""Lines that are made together at most: meanwhile nothing else is done."""


class ThreadedClock(Protocol):
    """What the log needs of a reactor: IReactorTime and IReactorFromThreads."""

    def seconds(self) -> float:
        """The time."""

    def callLater(  # noqa: N802
        self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object
    ) -> IDelayedCall:
        """Calls in `delay` seconds."""

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: N802
        """Calls in the reactor's thread."""


class AccessLog(Service):
    """The access log: a file, standard output (path ``-``, descriptor 1), or nothing (None).

    Lines end with their newline. Those written while the service does not run are kept, as far as there is room.
    """

    name = "access log"
    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        path: str | None,
        clock: ThreadedClock,
        *,
        wall: Callable[[], float] = system_time,
        max_buffer_bytes: int = 8 * 1024 * 1024,
        batch_bytes: int = 256 * 1024,
        delay: float = 0.05,
    ) -> None:
        """A batch is handed over at `batch_bytes`, or `delay` seconds after its first line.

        `clock` is the reactor; `wall` tells the time that stands in the lines, in seconds since 1970.
        """
        self.enabled = path is not None
        self._path = path
        self._clock = clock
        self._wall = wall
        self._max_buffer_bytes = max_buffer_bytes
        self._batch_bytes = batch_bytes
        self._delay = delay
        self._unmade: list[Callable[[], bytes]] = []
        self._lines: list[bytes] = []
        self._lines_bytes = 0
        self._taken_bytes = 0
        self._overflowed = 0
        self._call: IDelayedCall | None = None
        self._orders: SimpleQueue[list[bytes] | _Order] = SimpleQueue()
        self._writer = _Writer(path or os.devnull, self._orders, clock.callFromThread, self._log)
        self._thread: threading.Thread | None = None
        self._stopping: list[Deferred[None]] = []
        self._second = -1
        self._timestamp = b""

    def timestamp(self) -> bytes:
        """The time as records show it, rendered once a second."""
        second = int(self._wall())
        if second != self._second:
            self._second, self._timestamp = second, timestamp(second)
        return self._timestamp

    def write(self, line: bytes) -> None:
        """Takes a line, at once; when the buffer is full it is lost, which is counted and reported later."""
        if self.enabled:
            self._make()  # what came before stands before it
            self._take(line)

    def write_later(self, line: Callable[[], bytes]) -> None:
        """The same of a line that is made with others, soon: one by one, between other work, each costs more."""
        if not self.enabled:
            return
        self._unmade.append(line)
        if len(self._unmade) >= UNMADE:
            self._make()
        elif self._call is None and self.running:
            self._call = self._clock.callLater(self._delay, self._tick)

    def _make(self) -> None:
        unmade, self._unmade = self._unmade, []
        for line in unmade:
            try:
                made = line()
            except Exception:
                self._log.failure("Unexpected error while a line of the access log is made")
            else:
                self._take(made)

    def _take(self, line: bytes) -> None:
        size = len(line)
        if self._held_bytes() + size > self._max_buffer_bytes:
            self._overflowed += 1
        else:
            self._lines.append(line)
            self._lines_bytes += size
            self._taken_bytes += size
        if self._lines_bytes >= self._batch_bytes:
            self._put()
        elif self._call is None and self.running:
            self._call = self._clock.callLater(self._delay, self._tick)

    def open(self) -> None:
        """Opens the file, if it is not open yet: early, so that a wrong path stops the start. Raises OSError."""
        if self.enabled:
            self._writer.open()

    def reopen(self) -> None:
        """Lines from now on go to the file that has the path now: after a log rotation."""
        if self.enabled and self.running:
            self._hand_over()
            self._orders.put(_Order.REOPEN)

    def startService(self) -> None:
        """Starts the writer: a thread does not survive the fork of a daemon, so not before. Raises OSError."""
        assert self._thread is None, "the access log was started before it had stopped"
        self.open()
        super().startService()
        if self.enabled:
            # A daemon thread: a disk that hangs for ever must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()
            self._hand_over()

    def stopService(self) -> Deferred[None]:
        """Writes all that was taken and ends the writer; fires when that is done, however slow the disk.

        Whoever will not wait so long cancels the Deferred; the writer goes on while the process lives.
        """
        was_running = self.running
        super().stopService()
        if self._thread is None:
            return succeed(None)
        if was_running:
            if self._call is not None:
                self._call.cancel()
                self._call = None
            self._hand_over()
            self._orders.put(_Order.STOP)
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        return stopped

    def _held_bytes(self) -> int:
        """What is in memory: the writer alone counts up what it is done with, so no lock is needed."""
        return self._taken_bytes - self._writer.done_bytes

    def _hand_over(self) -> None:
        """Gives the writer all that there is."""
        self._make()
        self._put()

    def _put(self) -> None:
        """Gives it all lines as one batch."""
        if self._lines:
            self._orders.put(self._lines)
            self._lines, self._lines_bytes = [], 0

    def _tick(self) -> None:
        """Hands over what is there; looks again later while a full buffer has not become half empty."""
        self._hand_over()
        self._call = None
        if not self._overflowed:
            return
        if self._held_bytes() <= self._max_buffer_bytes // 2:
            self._report_overflow()
        else:
            self._call = self._clock.callLater(self._delay, self._tick)

    def _report_overflow(self) -> None:
        """Says once what was lost since the last time."""
        if self._overflowed:
            self._log.warn(
                "{lines} lines of the access log {path} were lost: it could not be written fast enough",
                lines=self._overflowed,
                path=self._path,
            )
            self._overflowed = 0

    def _run(self) -> None:
        """The thread."""
        try:
            self._writer.run()
        finally:
            self._clock.callFromThread(self._ended)

    def _ended(self) -> None:
        """The thread wrote its last line."""
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        self._report_overflow()
        stopping, self._stopping = self._stopping, []
        for stopped in stopping:
            stopped.callback(None)


class _Order(Enum):
    """What the writer is told between batches."""

    REOPEN = "reopen"
    STOP = "stop"


class _Writer:
    """The thread's side: it owns the descriptor. What it has to say is said in the reactor's thread."""

    def __init__(
        self,
        path: str,
        orders: SimpleQueue[list[bytes] | _Order],
        call_from_thread: Callable[..., None],
        log: Logger,
    ) -> None:
        # The working directory may change before the file is opened anew.
        self._path = path if path == _STANDARD_OUTPUT else os.path.abspath(path)
        self._orders = orders
        self._call_from_thread = call_from_thread
        self._log = log
        self._descriptor = -1
        self._rest = b""  # of a line whose beginning is in the file: without it the next line would be spoilt too
        self._failing = False
        self._lost = 0
        self.done_bytes = 0

    def open(self) -> None:
        """Opens the file, if it is not open yet; raises OSError."""
        if self._descriptor < 0:
            self._begin(self._opened())

    def run(self) -> None:
        """Writes batch after batch until it is told to stop, then closes."""
        try:
            while (order := self._orders.get()) is not _Order.STOP:
                if isinstance(order, list):
                    lines = b"".join(order)
                    self._write(lines)
                    self.done_bytes += len(lines)
                else:
                    self._reopen()
        finally:
            self._close()

    def _opened(self) -> int:
        # Without blocking: a pipe that nobody reads is an error, and one that is full is waited for by the thread.
        return 1 if self._path == _STANDARD_OUTPUT else os.open(self._path, _FLAGS, _MODE)

    def _opened_anew(self) -> int:
        """A new file gets the mode of the one before: a daemon's umask is another than that of its start."""
        before = os.fstat(self._descriptor).st_mode
        if self._path == _STANDARD_OUTPUT or not stat.S_ISREG(before):
            return self._opened()
        try:
            descriptor = os.open(self._path, _FLAGS | os.O_EXCL, 0o600)
        except FileExistsError:  # made by whoever rotates the logs, as it shall be
            return self._opened()
        os.fchmod(descriptor, before & _MOST)
        return descriptor

    def _begin(self, descriptor: int) -> None:
        """Writes to this file from now on; a line that some process left unfinished there is ended first."""
        self._descriptor = descriptor
        self._rest = b"\n" if self._path != _STANDARD_OUTPUT and _ends_within_a_line(self._path) else b""

    def _write(self, lines: bytes) -> None:
        """Writes a batch; when that fails, counts what is not in the file as lost.

        A line that was begun is taken out of the file again, where that can be done; else its rest is kept, and comes
        first afterwards.
        """
        data = self._rest + lines
        written, error = _write_all(self._descriptor, data)
        if error is None:
            self._rest = b""
            self._report_lost("the access log {path} is written again, {lines} lines were lost")
            return
        begun = data[written - 1 : written] != b"\n" if written else bool(self._rest)
        if begun and self._cut_back(data, written):
            end, self._rest = data.rfind(b"\n", 0, written) + 1, b""
        else:
            end = data.find(b"\n", written) + 1 if begun else written
            self._rest = data[written:end]
        self._lost += data.count(b"\n", end)
        if not self._failing:
            self._failing = True
            self._tell(self._log.error, "the access log {path} cannot be written, lines are lost: {reason}", error)

    def _cut_back(self, data: bytes, written: int) -> bool:
        """Takes a line, of which only the beginning was written, out of the file; returns whether it is.

        Until there is room again, whoever reads the file would take it for a line, and if the process ends before, it
        stays. Only a file that nobody else has written to since is touched.
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
            self._tell(self._log.error, "the access log {path} cannot be opened anew: {reason}", error)
        else:
            self._let_go()
            self._begin(descriptor)

    def _close(self) -> None:
        self._let_go()
        self._descriptor = -1
        self._report_lost("{lines} lines of the access log {path} were lost")

    def _let_go(self) -> None:
        """Ends a line that was begun, or gives it up, and closes the file; standard output is not ours to close."""
        if self._rest:
            written, _ = _write_all(self._descriptor, self._rest)
            self._lost += written < len(self._rest) and self._rest != b"\n"
            self._rest = b""
        if self._path != _STANDARD_OUTPUT:
            try:
                os.close(self._descriptor)
            except OSError as error:
                self._tell(self._log.error, "the access log {path} may be incomplete: {reason}", error)

    def _tell(self, level: Callable[..., None], message: str, error: OSError | None = None, lines: int = 0) -> None:
        reason = error.strerror if error is not None else ""
        self._call_from_thread(level, message, path=self._path, reason=reason, lines=lines)


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


def _ends_within_a_line(path: str) -> bool:
    """Whether a file's last line has no end, as far as that can be seen."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            return file.read(1) not in (b"\n", b"")
    except OSError:
        return False


def _wait_until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
