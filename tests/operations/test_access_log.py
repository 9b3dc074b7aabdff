"""The access log, with real files, pipes and threads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from agwtwisted.operations.access_log import HURRY, PIECE, UNMADE, AccessLog
from agwtwisted.operations.log_writer import log_file


class ThreadedTestClock(Clock):
    """A clock that stands still; calls from threads come through the real reactor."""

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: N802
        """Calls in the reactor's thread."""
        reactor.callFromThread(callable, *args, **kwargs)  # type: ignore[attr-defined]


def lines(count: int, *, start: int = 0, width: int = 20) -> list[bytes]:
    """Numbered lines, each `width` bytes long."""
    return [(b"%d " % number).ljust(width - 1, b".") + b"\n" for number in range(start, start + count)]


def _noted(made: list[bytes], line: bytes) -> bytes:
    """Makes a line, and notes it."""
    made.append(line)
    return line


def read_to_end(descriptor: int) -> bytes:
    """Reads until the last writer has closed, and closes; blocks."""
    with open(descriptor, "rb") as pipe:
        return pipe.read()


class AccessLogTestCase(TestCase):
    """A directory, a clock, and what was said to the operator."""

    def setUp(self) -> None:
        """Everything a log needs."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name) / "logs"
        self.directory.mkdir()
        self.path = self.directory / "access.log"
        self.clock = ThreadedTestClock()
        self.said: list[str] = []
        self.awaited: list[tuple[str, Deferred[str]]] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: LogEvent) -> None:
        """Keeps what the log says, and wakes who waits for it."""
        if event.get("log_namespace") != "agwtwisted.operations.access_log.AccessLog":
            return
        text = formatEvent(event)
        self.said.append(text)
        for part, deferred in self.awaited[:]:
            if part in text:
                self.awaited.remove((part, deferred))
                deferred.callback(text)

    def saying(self, part: str) -> Deferred[str]:
        """Fires when a message with these words is logged."""
        deferred: Deferred[str] = Deferred()
        self.awaited.append((part, deferred))
        return deferred

    def started(self, path: Path | str | None = None, **options: Any) -> AccessLog:
        """A log that runs."""
        log = AccessLog(str(path or self.path), self.clock, **options)
        log.startService()
        return log

    def fifo(self) -> int:
        """Makes a pipe of the path; answers with its reading end."""
        os.mkfifo(self.path)
        return self.reader()

    def reader(self) -> int:
        """Opens the pipe for reading, with or without a writer."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(descriptor, True)
        return descriptor


class FileTests(AccessLogTestCase):
    """What stands in the file."""

    async def test_nothing_is_lost_on_stop(self) -> None:
        """Lines of before the start and after it are all in the file when the stop is done, in order."""
        written = lines(10_000)
        log = AccessLog(str(self.path), self.clock)
        for line in written[:5000]:
            log.write(line)
        self.assertFalse(self.path.exists())
        log.startService()
        for line in written[5000:]:
            log.write(line)
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"".join(written))
        self.assertEqual(self.said, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_mode(self) -> None:
        """A new file may be read by its owner and group alone."""
        self.addCleanup(os.umask, os.umask(0))
        await self.started().stopService()
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o640)

    async def test_appends(self) -> None:
        """What stood in the file stays."""
        self.path.write_bytes(b"old\n")
        log = self.started()
        log.write(b"new\n")
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"old\nnew\n")

    async def test_starts_again(self) -> None:
        """A stopped log keeps what is written, and writes it when it is started again."""
        log = self.started()
        log.write(b"1\n")
        await log.stopService()
        log.write(b"2\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        log.startService()
        log.write(b"3\n")
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"1\n2\n3\n")

    async def test_every_stop_waits(self) -> None:
        """A second stop fires no earlier than the first, and does not stop a later start."""
        log = self.started()
        log.write(b"1\n")
        order: list[int] = []
        stops = [log.stopService(), log.stopService()]
        for number, stop in enumerate(stops):
            self.assertNoResult(stop)
            stop.addCallback(lambda _, number=number: order.append(number))
        await gatherResults(stops)
        self.assertEqual((order, self.path.read_bytes()), ([0, 1], b"1\n"))
        log.startService()
        log.write(b"2\n")
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"1\n2\n")

    def test_stop_without_start(self) -> None:
        """A log that never ran has nothing to wait for."""
        self.assertIsNone(self.successResultOf(AccessLog(str(self.path), self.clock).stopService()))

    def test_no_log(self) -> None:
        """Without a path nothing is kept, no thread runs, and the stop is immediate."""
        log = AccessLog(None, self.clock)
        self.assertFalse(log.enabled)
        log.startService()
        log.write(b"1\n")
        asked: list[bytes] = []
        log.write_later(lambda: asked.append(b"") or b"")
        log.reopen()
        self.assertEqual((log.held_bytes, asked), (0, []))
        log.make_lines()
        log.write_later(lambda: asked.append(b"") or b"")
        self.assertIsNone(self.successResultOf(log.stopService()))
        self.assertEqual((len(asked), log.held_bytes, self.clock.getDelayedCalls()), (2, 0, []))
        self.assertTrue(log._orders.empty())

    def test_wrong_path(self) -> None:
        """A file that cannot be opened stops the start, and can be found out before it."""
        log = AccessLog(str(self.directory / "missing" / "access.log"), self.clock)
        self.assertRaises(FileNotFoundError, log.open)
        self.assertRaises(FileNotFoundError, log.startService)
        self.assertFalse(log.running)

    def test_pipe_without_reader(self) -> None:
        """A named pipe without a reader is an error, not a start that hangs."""
        os.mkfifo(self.path)
        self.assertRaises(OSError, self.started)

    async def test_opened_early(self) -> None:
        """A file that was opened before the start is the one that is written, even if it was renamed meanwhile."""
        log = AccessLog(str(self.path), self.clock)
        log.open()
        self.path.rename(self.directory / "renamed")
        log.startService()
        log.write(b"1\n")
        await log.stopService()
        self.assertEqual((self.directory / "renamed").read_bytes(), b"1\n")
        self.assertFalse(self.path.exists())

    async def test_standard_output(self) -> None:
        """The path "-" is descriptor 1, which stays open."""
        kept = os.dup(1)
        with self.path.open("wb") as file:
            os.dup2(file.fileno(), 1)
        try:
            log = self.started("-")
            log.write(b"1\n")
            log.reopen()
            await log.stopService()
            os.write(1, b"still open\n")
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        self.assertEqual(self.path.read_bytes(), b"1\nstill open\n")

    async def test_changed(self) -> None:
        """Lines go to another file from a moment on: to none, and to one again; each is whole where it belongs."""
        log = self.started()
        paths = [self.path, None, self.directory / "b.log", self.directory / "c.log"]
        for number, path in enumerate(paths):
            if number:
                log.change(log_file(None if path is None else str(path)))
            log.write(b"%d\n" % number)
            log.write_later(partial(bytes, b"later %d\n" % number))
        self.assertTrue(log.enabled)
        await log.stopService()
        found = [path.read_bytes() for path in paths if path is not None]
        self.assertEqual(found, [b"0\nlater 0\n", b"2\nlater 2\n", b"3\nlater 3\n"])

    async def test_changed_from_nothing(self) -> None:
        """A gateway without a log gets one, with a thread, while it runs."""
        log = AccessLog(None, self.clock)
        log.startService()
        log.write(b"1\n")
        log.change(log_file(str(self.path)))
        log.write(b"2\n")
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"2\n")

    async def test_changed_before_the_start(self) -> None:
        """One that does not run yet goes on in the other file, and closes the one that it had opened."""
        log = AccessLog(str(self.path), self.clock)
        log.open()
        log.write(b"1\n")
        other = self.directory / "b.log"
        log.change(log_file(str(other)))
        log.startService()
        await log.stopService()
        self.assertEqual((self.path.read_bytes(), other.read_bytes()), (b"", b"1\n"))

    def test_changed_in_vain(self) -> None:
        """A file that cannot be opened is found out before anything changes; one that is not needed is closed."""
        with self.assertRaises(FileNotFoundError) as caught:
            log_file(str(self.directory / "missing" / "access.log"))
        self.assertEqual(caught.exception.filename, str(self.directory / "missing" / "access.log"))
        file = log_file(str(self.path))
        file.close()
        with self.assertRaises(OSError):
            os.fstat(file.descriptor)
        log_file("-").close()
        os.fstat(1)

    def test_name(self) -> None:
        """The service is found by its name."""
        root = MultiService()
        log = AccessLog(None, self.clock)
        log.setServiceParent(root)
        self.assertIs(root.getServiceNamed("access log"), log)


class BatchTests(AccessLogTestCase):
    """When lines go to the file."""

    async def test_after_the_delay(self) -> None:
        """A lone line is written when its delay is over, and one timer serves all lines until then."""
        reader = self.fifo()
        self.addCleanup(os.close, reader)
        log = self.started()
        log.write(b"1\n")
        log.write(b"2\n")
        (call,) = self.clock.getDelayedCalls()
        self.assertEqual(call.getTime(), 0.05)
        os.set_blocking(reader, False)
        self.assertRaises(BlockingIOError, os.read, reader, 100)
        os.set_blocking(reader, True)
        self.clock.advance(0.05)
        self.assertEqual(await deferToThread(os.read, reader, 100), b"1\n2\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        await log.stopService()

    async def test_made_later(self) -> None:
        """A line that is made later is made once, with the others, and stands where it was given."""
        reader = self.fifo()
        self.addCleanup(os.close, reader)
        log = self.started()
        made: list[bytes] = []
        line = partial(_noted, made)
        log.write(b"1\n")
        log.write_later(partial(line, b"2\n"))
        log.write_later(partial(line, b"3\n"))
        self.assertEqual(made, [])
        log.write(b"4\n")
        self.assertEqual(made, [b"2\n", b"3\n"])
        log.write_later(partial(line, b"5\n"))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0.05)
        self.assertEqual(await deferToThread(os.read, reader, 100), b"1\n2\n3\n4\n5\n")
        self.assertEqual((made, self.clock.getDelayedCalls()), ([b"2\n", b"3\n", b"5\n"], []))
        log.write_later(partial(line, b"6\n"))  # the first after a silence
        self.clock.advance(0.05)
        self.assertEqual(await deferToThread(os.read, reader, 100), b"6\n")
        log.write_later(partial(line, b"7\n"))
        await log.stopService()
        self.assertEqual(await deferToThread(os.read, reader, 100), b"7\n")

    async def test_made_when_many(self) -> None:
        """No more lines than `UNMADE` wait for being made: then all are, and count for the buffer."""
        log = self.started(max_buffer_bytes=2 * UNMADE - 2)
        made: list[bytes] = []
        for number in range(UNMADE):
            self.assertEqual(made, [])
            log.write_later(partial(_noted, made, b"%d\n" % (number % 10)))
        self.assertEqual((len(made), log._overflowed), (UNMADE, 1))
        await log.stopService()
        self.flushLoggedErrors()

    def other_work(self, made: list[bytes], delay: float) -> list[int]:
        """Has other work done in three turns; the returned list gets the number of lines that are made by then."""
        seen: list[int] = []

        def work() -> None:
            seen.append(len(made))
            if len(seen) < 3:
                self.clock.callLater(0, work)

        self.clock.callLater(delay, work)
        return seen

    async def test_made_in_pieces(self) -> None:
        """Lines are made a piece in each turn, so that no request waits for all; all are handed over as one batch."""
        log = self.started()
        made: list[bytes] = []
        for line in lines(2 * PIECE + 1):
            log.write_later(partial(_noted, made, line))
        seen = self.other_work(made, 0.05)
        self.clock.advance(0.05)
        self.assertEqual((seen, self.clock.getDelayedCalls()), ([PIECE, 2 * PIECE, 2 * PIECE + 1], []))
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"".join(lines(2 * PIECE + 1)))

    async def test_made_when_more_wait(self) -> None:
        """Where many lines wait, the next turn begins to make them, and in larger pieces."""
        log = self.started()
        made: list[bytes] = []
        for line in lines(HURRY):
            log.write_later(partial(_noted, made, line))
        seen = self.other_work(made, 0)
        self.clock.advance(0)
        self.assertEqual(seen, [HURRY // 4, 28, 37])
        await log.stopService()
        self.assertEqual(made, lines(HURRY))

    async def test_defect(self) -> None:
        """A line that cannot be made is logged as a defect; the others are written."""
        log = self.started()
        for line in (lambda: b"1\n", lambda: b"%d" % b"", lambda: b"2\n"):
            log.write_later(line)
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"1\n2\n")
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    async def test_at_start(self) -> None:
        """What was written before the start is written at the start."""
        reader = self.fifo()
        self.addCleanup(os.close, reader)
        log = AccessLog(str(self.path), self.clock)
        log.write(b"1\n")
        log.write_later(lambda: b"2\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        log.startService()
        self.assertEqual(await deferToThread(os.read, reader, 100), b"1\n2\n")
        await log.stopService()

    async def test_at_once_when_many(self) -> None:
        """A full batch does not wait for the timer."""
        reader = self.fifo()
        self.addCleanup(os.close, reader)
        log = self.started(batch_bytes=40)
        for line in lines(2):
            log.write(line)
        self.assertEqual(await deferToThread(os.read, reader, 100), b"".join(lines(2)))
        await log.stopService()


class SlowDiskTests(AccessLogTestCase):
    """A pipe that is not read stands for a slow disk."""

    async def test_stop_waits_for_the_disk(self) -> None:
        """However slow the disk, the stop is not done before everything is written; a waiter may give up alone."""
        reader = self.fifo()
        log = self.started()
        written = lines(4000, width=100)
        for line in written:
            log.write(line)
        stop = log.stopService()
        first = await deferToThread(os.read, reader, 1000)
        self.assertNoResult(stop)
        impatient = log.stopService()
        impatient.cancel()
        self.failureResultOf(impatient, CancelledError)
        rest = deferToThread(read_to_end, reader)
        await stop
        self.assertEqual(first + await rest, b"".join(written))

    async def test_bounded(self) -> None:
        """What has no room is lost, line by line, and the stop says how many were; the others are whole."""
        reader = self.fifo()
        log = self.started(max_buffer_bytes=200_000)
        written = lines(6000, width=100)
        for line in written:
            log.write(line)
            self.assertLessEqual(log.held_bytes, 200_000)
        self.assertEqual(self.said, [])
        rest = deferToThread(read_to_end, reader)
        await log.stopService()
        kept = (await rest).splitlines(keepends=True)
        self.assertLess(len(kept), 6000)
        self.assertGreaterEqual(len(kept), 2000)
        self.assertEqual([line for line in kept if line not in set(written)], [])
        self.assertEqual(
            self.said,
            [self.too_slow(6000 - len(kept))],
        )
        self.assertEqual(log.lost_lines, 6000 - len(kept))

    async def test_overflow_is_reported_when_it_is_over(self) -> None:
        """While the buffer is full nothing is said; when it is half empty again, once, what was lost."""
        reader = self.fifo()
        log = self.started(max_buffer_bytes=200_000)
        for line in lines(6000, width=100):
            log.write(line)
        self.clock.advance(0.05)
        self.clock.advance(0.05)
        self.assertEqual((self.said, len(self.clock.getDelayedCalls())), ([], 1))
        read = await self.read_while_time_passes(reader, log._taken_bytes)
        # What was read may not be counted yet, and a line for which there is no room would never arrive.
        while log.held_bytes:
            await deferToThread(os.sched_yield)
        # The last line to arrive: the writer is done with all that came before it.
        log.write(b"last\n")
        await self.read_while_time_passes(reader, 5)
        self.clock.advance(0.05)
        self.assertEqual(
            self.said,
            [self.too_slow(6000 - read.count(b"\n"))],
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])
        os.close(reader)
        await log.stopService()
        self.assertEqual(len(self.said), 1)

    async def read_while_time_passes(self, descriptor: int, count: int) -> bytes:
        """Reads so many bytes; the log hands on what it holds as its clock goes on."""
        reading = deferToThread(self.read_until, descriptor, count)
        while not reading.called:
            self.clock.advance(0.05)
            await deferToThread(os.sched_yield)
        return await reading

    def too_slow(self, lost: int) -> str:
        """The message after an overflow."""
        return f"{lost} lines of the access log {self.path} were lost: it could not be written fast enough"

    @staticmethod
    def read_until(descriptor: int, count: int) -> bytes:
        """Reads so many bytes; blocks."""
        read = b""
        while len(read) < count:
            read += os.read(descriptor, count - len(read))
        return read


class TimestampTests(AccessLogTestCase):
    """The time of a record."""

    def test_once_a_second(self) -> None:
        """The text is made once a second, and anew when the second is another, earlier ones included."""
        wall = Clock()
        log = AccessLog(None, self.clock, wall=wall.seconds)
        wall.advance(10.0)
        first = log.timestamp()
        wall.advance(0.9)
        self.assertIs(log.timestamp(), first)
        wall.advance(0.1)
        self.assertEqual((first, log.timestamp()), (b"1970-01-01T00:00:10+00:00", b"1970-01-01T00:00:11+00:00"))
        wall.rightNow = 5.0
        self.assertEqual(log.timestamp(), b"1970-01-01T00:00:05+00:00")
