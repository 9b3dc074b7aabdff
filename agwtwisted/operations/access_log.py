"""Lines to the access log: taken at once, written by a thread of its own, never waited for.

The reactor collects lines in a list and hands the list over as a whole, so a line costs no lock and no wake-up. The
thread, `log_writer`, alone touches the file: a disk that is slow or full holds up nothing but the log.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ClassVar, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.operations.records import timestamp
from agwtwisted.operations.log_writer import LogFile, LogWriter, WriterOrder
from agwtwisted.sharing.memory import BatchLock
from agwtwisted.transport.clocks import system_time

PIECE: Final = 8
"""Lines that are made together: one by one each costs more, and while they are made nothing else is done."""

HURRY: Final = 64
"""Lines that wait for being made, and are no longer left to it: a quarter of those that wait is made in each turn."""

UNMADE: Final = 512
"""Lines that wait for being made at most: a turn has fewer requests, so that this many are rare."""


class ThreadedClock(Protocol):
    """What the log needs of a reactor: IReactorTime and IReactorFromThreads."""

    def seconds(self) -> float:
        """The time."""

    def callLater(  # noqa: N802
        self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object
    ) -> IDelayedCall:
        """Calls in `delay` seconds."""

    def callFromThread(self, callable: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:  # noqa: N802
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
        clock: Any,
        *,
        wall: Callable[[], float] = system_time,
        max_buffer_bytes: int = 8 * 1024 * 1024,
        batch_bytes: int = 256 * 1024,
        delay: float = 0.05,
        lock: BatchLock | None = None,
    ) -> None:
        """A batch is handed over at `batch_bytes`, or once lines are made, `delay` seconds after the first that waits.

        `clock` is the reactor. It has to be a `ThreadedClock`, which cannot be its annotation: Twisted declares
        `twisted.internet.reactor` without `callFromThread`. `wall` returns the time for the lines, in seconds since
        1970. `lock` is that of the processes that write one log.
        """
        self.enabled = path is not None
        self._path = path
        self._clock: ThreadedClock = clock
        self._wall = wall
        self._max_buffer_bytes = max_buffer_bytes
        self._batch_bytes = batch_bytes
        self._delay = delay
        self._unmade: list[Callable[[], bytes]] = []
        self._lines: list[bytes] = []
        self._lines_bytes = 0
        self._taken_bytes = 0
        self._overflowed_in_all = 0
        self._overflowed = 0
        self._call: IDelayedCall | None = None
        self._orders: SimpleQueue[list[bytes] | LogFile | WriterOrder] = SimpleQueue()
        self._writer = LogWriter(path or os.devnull, self._orders, clock.callFromThread, self._log, lock)
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
            self._take([line])

    def write_later(self, line: Callable[[], bytes]) -> None:
        """The same of a line that is made with others, soon: one by one, between other work, each costs more.

        It is asked for whether the log is enabled or not; an empty one is none.
        """
        unmade, call = self._unmade, self._call
        unmade.append(line)
        if len(unmade) >= UNMADE:
            self._make()
        elif call is None:
            if self.running:
                self._call = self._clock.callLater(self._delay, self._tick)
        elif len(unmade) == HURRY and call.active():
            call.reset(0)

    def make_lines(self) -> None:
        """Makes those that wait: what comes of that is known now."""
        self._make()

    def _make(self, count: int = UNMADE) -> None:
        """Makes the oldest of the lines that wait, which are `UNMADE` at most."""
        unmade = self._unmade[:count]
        del self._unmade[:count]
        lines = []
        for line in unmade:
            try:
                made = line()
            except Exception:
                self._log.failure("Unexpected error while making a line of the access log")
            else:
                if made:
                    lines.append(made)
        if lines:
            self._take(lines)

    def _take(self, lines: list[bytes]) -> None:
        """Those for which there is room."""
        free = self._max_buffer_bytes - self.held_bytes
        taken = 0
        for line in lines:
            size = len(line)
            if taken + size > free:
                self._overflowed += 1
                self._overflowed_in_all += 1
            else:
                self._lines.append(line)
                taken += size
        self._lines_bytes += taken
        self._taken_bytes += taken
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
            self._orders.put(WriterOrder.REOPEN)

    def change(self, file: LogFile) -> None:
        """Lines from now on go to another file, or nowhere; those that were taken are written to the former first."""
        self._hand_over()
        self.enabled, self._path = file.path is not None, file.path
        if self._thread is None and self.enabled and self.running:
            self._begin_thread()
        if self._thread is None:
            self._writer.change(file)
        else:
            self._orders.put(file)

    def startService(self) -> None:
        """Starts the writer: a thread does not survive the fork of a daemon, so not before. Raises OSError."""
        assert self._thread is None, "the access log was started before it had stopped"
        self.open()
        super().startService()
        if self.enabled:
            self._begin_thread()
            self._hand_over()

    def _begin_thread(self) -> None:
        # A daemon thread: a disk that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stopService(self) -> Deferred[None]:
        """Writes all that was taken and ends the writer; fires when that is done, however slow the disk.

        A caller that does not want to wait so long cancels the Deferred; the writer goes on while the process lives.
        """
        was_running = self.running
        super().stopService()
        if was_running:
            if self._call is not None:
                self._call.cancel()
                self._call = None
            self._hand_over()
        if self._thread is None:
            return succeed(None)
        if was_running:
            self._orders.put(WriterOrder.STOP)
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        return stopped

    @property
    def lost_lines(self) -> int:
        """How many lines are not in the file, of all that there were: no room in memory, or an error of the file."""
        return self._overflowed_in_all + self._writer.lost_in_all

    @property
    def held_bytes(self) -> int:
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
        """Makes some of the lines that wait, and the others in the next turns: a request that comes meanwhile would
        wait for all of them. Hands over what is there; looks again later while a full buffer has not become half empty.
        """
        self._make(max(PIECE, len(self._unmade) // 4))
        if self._unmade:
            self._call = self._clock.callLater(0, self._tick)
            return
        self._put()
        self._call = None
        if not self._overflowed:
            return
        if self.held_bytes <= self._max_buffer_bytes // 2:
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
