"""The file of the access log: on disks that fail or are full, and after a rotation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from errno import ENOSPC
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations import log_writer
from tests import forks
from tests.operations.test_access_log import AccessLogTestCase, lines, read_to_end


class FailingDiskTests(AccessLogTestCase):
    """A disk that refuses."""

    @unittest.skipUnless(Path("/dev/full").exists(), "/dev/full not found")
    async def test_disk_full(self) -> None:
        """A full disk is reported once, lines are counted as lost, and its recovery is reported with their number."""
        self.path.symlink_to("/dev/full")
        log = self.started(batch_bytes=1)
        failing = self.saying("cannot be written")
        for line in lines(3):
            log.write(line)
        self.assertIn("No space left on device", await failing)
        self.path.unlink()
        log.reopen()
        recovered = self.saying("can be written again")
        log.write(b"4\n")
        self.assertEqual(await recovered, f"the access log {self.path} can be written again, 3 lines were lost")
        log.write(b"5\n")
        log.reopen()
        log.write(b"6\n")
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"4\n5\n6\n")
        self.assertEqual(len(self.said), 2)

    @unittest.skipUnless(Path("/dev/full").exists(), "/dev/full not found")
    async def test_disk_full_again(self) -> None:
        """Each failure counts its own lines."""
        self.path.symlink_to("/dev/full")
        log = self.started()
        for line in lines(3):
            log.write(line)
        await log.stopService()
        log.startService()
        log.write(b"4\n")
        await log.stopService()
        self.assertEqual(
            self.said[1::2],
            [f"3 lines of the access log {self.path} were lost", f"1 lines of the access log {self.path} were lost"],
        )

    @unittest.skipUnless(Path("/dev/full").exists(), "/dev/full not found")
    async def test_stop_with_full_disk(self) -> None:
        """A disk that stays full does not hold up the stop, which says what was lost."""
        log = self.started("/dev/full")
        for line in lines(3):
            log.write(line)
        await log.stopService()
        self.assertEqual(len(self.said), 2)
        self.assertEqual(self.said[1], "3 lines of the access log /dev/full were lost")
        self.assertEqual(log.lost_lines, 3)

    async def test_begun_line_is_ended(self) -> None:
        """When a failure cuts a line in two, its rest comes first afterwards: every line in the file is whole."""
        first = self.fifo()
        log = self.started(batch_bytes=100_000)
        failing = self.saying("cannot be written")
        written = lines(1000, width=101)
        for line in written:
            log.write(line)
        read = await deferToThread(os.read, first, 1000)
        os.close(first)
        self.assertIn("Broken pipe", await failing)
        # Nobody reads yet: this line fails as a whole, and so does the opening, which tells that it was tried.
        still_failing = self.saying("cannot be reopened")
        log.write(b"nobody reads this\n")
        log.reopen()
        await still_failing
        second = self.reader()
        rest = deferToThread(read_to_end, second)
        log.write(b"last\n")
        await log.stopService()
        kept = (read + await rest).splitlines(keepends=True)
        self.assertEqual(kept[-1], b"last\n")
        self.assertEqual([line for line in kept[:-1] if line not in set(written)], [])
        lost = 1001 - (len(kept) - 1)
        self.assertGreater(lost, 1)
        self.assertEqual(self.said[-1], f"the access log {self.path} can be written again, {lost} lines were lost")

    async def test_begun_line_is_given_up(self) -> None:
        """A line whose rest cannot be written before the stop counts as lost; the next file does not begin with it."""
        reader = self.fifo()
        log = self.started(batch_bytes=100_000)
        failing = self.saying("cannot be written")
        for line in lines(1000, width=101):
            log.write(line)
        read = await deferToThread(os.read, reader, 1000)
        os.close(reader)
        await failing
        self.path.unlink()
        log.reopen()
        log.write(b"last\n")
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"last\n")
        (lost,) = re.findall(r"again, (\d+) lines", self.said[1])
        self.assertLessEqual(int(lost), 1000 - len(read) // 101)
        self.assertGreater(int(lost), 1)


class _Disk:
    """The module `os` with a disk that has little room: a write takes what fits, the next one nothing."""

    def __init__(self, room: int) -> None:
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: memoryview) -> int:
        """As much as fits."""
        room = self._room - os.fstat(descriptor).st_size
        if room <= 0:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        return os.write(descriptor, data[:room])


_LIMITED = """
import sys
from queue import SimpleQueue
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from twisted.logger import Logger, formatEvent
from agwtwisted.operations.log_writer import LogWriter

lines = [b"%03d" % number + b"." * 96 + b"\\n" for number in range(31)]
said = lambda level, message, **fields: print(message.format(**fields))
writer = LogWriter(sys.argv[1], SimpleQueue(), said, Logger())
hard = getrlimit(RLIMIT_FSIZE)[1]
setrlimit(RLIMIT_FSIZE, (1050, hard))
writer.open()
writer._write(b"".join(lines[:30]))
setrlimit(RLIMIT_FSIZE, (hard, hard))
writer._write(lines[30])
"""
"""Thirty lines of a hundred bytes into a file that may have 1050, and one more once it may have more."""


class FullDiskTests(AccessLogTestCase):
    """A file with room for some lines and a part of one more: no torn line, and a count that agrees with the file."""

    ROOM = 1050

    def fill(self) -> None:
        """The log's file cannot grow beyond `ROOM` bytes, until `free`."""
        self.disk = self.patch(log_writer, "os", _Disk(self.ROOM))

    def free(self) -> None:
        """There is room again."""
        self.disk.restore()

    async def test_cut_back(self) -> None:
        """While the disk is full the file has whole lines; once there is room it goes on, and the count agrees."""
        self.fill()
        log = self.started(batch_bytes=3000)
        written = lines(31, width=100)
        failing = self.saying("cannot be written")
        for line in written[:30]:
            log.write(line)
        await failing
        full = self.path.read_bytes()
        self.free()
        log.write(written[30])
        await log.stopService()
        self.assertEqual(full, b"".join(written[:10]))
        self.assertEqual(self.path.read_bytes(), full + written[30])
        self.assertEqual(self.said[-1], f"the access log {self.path} can be written again, 20 lines were lost")

    async def test_stop_and_reopen(self) -> None:
        """Neither a stop nor a reopening of the same file on a full disk leaves part of a line, nor a wrong count."""
        for reopen in (False, True):
            with self.subTest(reopen=reopen):
                self.fill()
                self.path.unlink(missing_ok=True)
                self.said.clear()
                log = self.started()
                written = lines(30, width=100)
                for line in written:
                    log.write(line)
                if reopen:
                    log.reopen()
                    log.write(written[0])
                await log.stopService()
                self.free()
                lost = 21 if reopen else 20
                self.assertEqual(self.path.read_bytes(), b"".join(written[:10]))
                self.assertEqual(self.said[-1], f"{lost} lines of the access log {self.path} were lost")

    async def test_others_write(self) -> None:
        """What another process has added since is left alone: the line is ended later."""
        self.fill()
        log = self.started(batch_bytes=3000)
        real = os.fstat

        def fstat(descriptor: int) -> os.stat_result:
            """Something was added in between."""
            self.free()
            with self.path.open("ab") as file:
                file.write(b"+")
            return real(descriptor)

        patch = self.patch(log_writer.os, "fstat", fstat)
        written = lines(30, width=100)
        failing = self.saying("cannot be written")
        for line in written:
            log.write(line)
        await failing
        patch.restore()
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"".join(written)[: self.ROOM] + b"+" + written[10][50:])

    def test_limit_of_the_kernel(self) -> None:
        """So it is where the kernel refuses what goes beyond a limit, in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-c", _LIMITED, str(self.path)], check=True, capture_output=True, text=True, timeout=60
        )
        written = [b"%03d" % number + b"." * 96 + b"\n" for number in range(31)]
        self.assertEqual(self.path.read_bytes(), b"".join((*written[:10], written[30])))
        self.assertIn("can be written again, 20 lines were lost", done.stdout)

    async def test_small_file_system(self) -> None:
        """So it is on a real file system that is full, again and again."""
        mounted = self.directory / "full"
        mounted.mkdir()
        if os.geteuid() or subprocess.call(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mounted)]):
            raise unittest.SkipTest("a file system cannot be mounted")
        self.addCleanup(subprocess.check_call, ["umount", "-l", str(mounted)])
        filler = mounted / "filler"
        path = mounted / "access.log"
        log = self.started(path, batch_bytes=20_000)
        written = lines(3000, width=101)
        for start in (0, 1000, 2000):
            failing = self.saying("cannot be written")
            for line in written[start : start + 990]:
                log.write(line)
            await failing
            self.assertTrue(path.read_bytes().endswith(b"\n"))
            path.rename(filler)  # a rotation, and room again
            filler.unlink()
            log.reopen()
            again = self.saying("written again")
            for line in written[start + 990 : start + 1000]:
                log.write(line)
            self.clock.advance(0.05)
            await again
            kept = path.read_bytes()
            self.assertEqual([line for line in kept.splitlines(keepends=True) if line not in set(written)], [])
        await log.stopService()

    async def test_unfinished_by_another(self) -> None:
        """A line that a process left unfinished when it was killed is ended, and spoils no other."""
        for torn in (b"1\n{torn", b"1\n", b""):
            with self.subTest(torn=torn):
                self.path.write_bytes(torn)
                log = self.started()
                log.write(b"2\n")
                await log.stopService()
                end = b"\n" if torn.endswith(b"torn") else b""
                self.assertEqual((self.path.read_bytes(), self.said), (torn + end + b"2\n", []))


class ReopenTests(AccessLogTestCase):
    """Log rotation."""

    async def test_reopen(self) -> None:
        """Lines of before the call are in the renamed file, lines of after it in the new one."""
        log = self.started()
        log.write(b"1\n")
        self.path.rename(self.directory / "access.log.1")
        log.write(b"2\n")
        log.reopen()
        log.write(b"3\n")
        await log.stopService()
        self.assertEqual((self.directory / "access.log.1").read_bytes(), b"1\n2\n")
        self.assertEqual(self.path.read_bytes(), b"3\n")

    async def test_mode(self) -> None:
        """A new file has the mode of the one before, whatever the umask is by now, and is never readable by other
        users.
        """
        self.addCleanup(os.umask, os.umask(0o022))
        for mode, kept in ((0o640, 0o640), (0o600, 0o600), (0o644, 0o640), (0o666, 0o660)):
            log = self.started()
            self.path.chmod(mode)
            self.path.rename(self.directory / "access.log.1")
            os.umask(0o077)
            log.reopen()
            await log.stopService()
            self.assertEqual(self.path.stat().st_mode & 0o777, kept)

    async def test_mode_of_a_file_that_is_there(self) -> None:
        """A file that was made for it, as logrotate does, keeps its mode."""
        log = self.started()
        self.path.rename(self.directory / "access.log.1")
        self.path.touch()
        self.path.chmod(0o604)
        log.reopen()
        log.write(b"1\n")
        await log.stopService()
        self.assertEqual((self.path.stat().st_mode & 0o777, self.path.read_bytes()), (0o604, b"1\n"))

    async def test_many_times(self) -> None:
        """However often the file changes under load, each line is whole in exactly one of the files, in order."""
        log = self.started(batch_bytes=500)
        written = lines(2000)
        for number, line in enumerate(written):
            log.write(line)
            if number % 100 == 99:
                log.reopen()
                await self.moved(self.directory / f"{number:04}")
        await log.stopService()
        files = sorted(path for path in self.directory.iterdir() if path != self.path)
        kept = [path.read_bytes() for path in (*files, self.path) if path.exists()]
        self.assertEqual(b"".join(kept), b"".join(written))
        self.assertTrue(all(part.endswith(b"\n") for part in kept if part))
        self.assertIn(len(kept), (20, 21))  # the last rename may have come before the writer made another file

    async def moved(self, to: Path) -> None:
        """Renames the file once the writer has made it."""
        while not self.path.exists():
            await deferToThread(lambda: None)
        self.path.rename(to)

    async def test_new_file_cannot_be_opened(self) -> None:
        """Where there is no new file the old one goes on, and a message is logged."""
        log = self.started()
        renamed = self.directory.with_name(self.directory.name + "-renamed")
        self.directory.rename(renamed)
        log.write(b"1\n")
        log.reopen()
        log.write(b"2\n")
        await log.stopService()
        self.assertEqual((renamed / "access.log").read_bytes(), b"1\n2\n")
        self.assertEqual(self.said, [f"the access log {self.path} cannot be reopened: No such file or directory"])

    async def test_working_directory(self) -> None:
        """A relative path stays the same file when the working directory changes."""
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.directory)
        log = self.started("access.log")
        self.path.rename(self.directory / "access.log.1")
        os.chdir("/")
        log.reopen()
        log.write(b"1\n")
        await log.stopService()
        self.assertEqual(self.path.read_bytes(), b"1\n")


WRITERS = """
import re
from queue import SimpleQueue
from twisted.logger import Logger
from agwtwisted.operations.log_writer import LogWriter, WriterOrder

BATCH = 50
memory = SharedMemory.create(1, 4)

def writer(path, orders):
    said = []
    made = LogWriter(path, orders, lambda level, message, **values: said.append((message, values)), Logger(),
                     memory.batch_lock())
    made.open()
    made.said = said
    return made

def line(name, number):
    text = b"%d %d " % (name, number)
    return text + b"x" * (number * 37 % 400) + b" end of %d\\n" % number

def batches(name, start, stop):
    for first in range(start, stop, BATCH):
        yield [line(name, number) for number in range(first, min(first + BATCH, stop))]

class Orders:
    # Made as they are wanted.
    def __init__(self, name, start, stop):
        self.rest = batches(name, start, stop)

    def get(self):
        return next(self.rest, WriterOrder.STOP)

def write(path, name, start, stop):
    made = writer(path, Orders(name, start, stop))
    made.run()
    assert not made.said, made.said

def count(data):
    # Numbers of whole lines by writer, in their order, and what is no whole line.
    found, others = {}, []
    for each in data.split(b"\\n"):
        match = re.fullmatch(rb"(\\d+) (\\d+) x* end of (\\d+)", each)
        if match and line(int(match[1]), int(match[2])) == each + b"\\n":
            found.setdefault(int(match[1]), []).append(int(match[2]))
        else:
            others.append(each)
    return found, others
"""


class ProcessesTests(SynchronousTestCase):
    """One log of several processes."""

    def setUp(self) -> None:
        """A place for the log."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "access.log"

    def run_writers(self, program: str) -> str:
        """What a program prints that writes to this path."""
        return forks.run(WRITERS + program, str(self.path))

    def test_file(self) -> None:
        """200,000 lines that two processes write at once into a file are all whole, and in their order."""
        self.run_writers(
            """
path = sys.argv[1]
all_well(forked(write, path, 1, 0, 100_000), forked(write, path, 2, 0, 100_000))
found, others = count(open(path, "rb").read())
assert others == [b""], others[:3]
assert found == {1: list(range(100_000)), 2: list(range(100_000))}
"""
        )

    def test_pipe(self) -> None:
        """So are they in a pipe, which takes a part of a batch at a time."""
        self.run_writers(
            """
path = sys.argv[1]
os.mkfifo(path)
first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
pids = [forked(write, path, name, 0, 100_000) for name in (1, 2)]
os.set_blocking(first, True)
import select
select.select([first], [], [])
with open(first, "rb") as pipe:
    data = pipe.read()
all_well(*pids)
found, others = count(data)
assert others == [b""], others[:3]
assert found == {1: list(range(100_000)), 2: list(range(100_000))}
"""
        )

    def test_killed(self) -> None:
        """Of a process that is killed at most one line is lost in the middle; no line of the others is touched."""
        for kind in ("file", "pipe"):
            self.run_writers(
                f"""
path, kind = sys.argv[1], {kind!r}
import random
data = []
if kind == "pipe":
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    keep = os.open(path, os.O_WRONLY)
    def read():
        while piece := os.read(reading, 65536):
            data.append(piece)

def forever(name):
    write(path, name, 0, 1_000_000)

chance, killed, start, name = random.Random(4), 0, time.monotonic(), 3
pids = [forked(forever, each) for each in (1, 2, 3)]
if kind == "pipe":
    reader = threading.Thread(target=read)
    reader.start()
stay = pids.pop()
os.kill(stay, signal.SIGKILL), os.waitpid(stay, 0)
while time.monotonic() < start + 0.8 or killed <= 20:
    time.sleep(0.01)
    pid = pids.pop(0)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    killed, name = killed + 1, name + 1
    pids.append(forked(forever, name))
for pid in pids:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
write(path, 1000, 0, 500)
if kind == "pipe":
    os.close(keep)
    reader.join()
else:
    data = [open(path, "rb").read()]
found, others = count(b"".join(data))
torn = [each for each in others if each]
print(killed, len(found), len(torn), len(others), sum(map(len, found.values())))
assert killed > 20 and len(found) > 5
assert found[1000] == list(range(500))
for numbers in found.values():  # none is missing in the midst of those that a process has written
    assert numbers == list(range(len(numbers)))
for each in torn:
    match = re.match(rb"(\\d+) (\\d+) ", each + b" ")
    assert match is None or line(int(match[1]), int(match[2])).startswith(each), each
assert len(torn) <= killed + 3 and len(others) <= killed + 4
"""
            )
            self.path.unlink()

    def test_unfinished_line(self) -> None:
        """What a process leaves within a line is ended by the next one: in a file only where there is something."""
        for leave, expected in ((b"1 half of", b"1 half of\n2 whole\n"), (b"1 whole\n", b"1 whole\n2 whole\n")):
            self.path.write_bytes(b"")
            self.run_writers(
                f"""
def leaves():
    descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
    with memory.batch_lock():
        memory.batch_lock().unfinished = os.getpid()
        os.write(descriptor, {leave!r})
        os.kill(os.getpid(), signal.SIGKILL)

pid = forked(leaves)
os.waitpid(pid, 0)
queue = SimpleQueue()
queue.put([b"2 whole\\n"])
queue.put(WriterOrder.STOP)
writer(sys.argv[1], queue).run()
assert memory.batch_lock().unfinished == 0
"""
            )
            self.assertEqual(self.path.read_bytes(), expected)

    def test_rest_of_a_line(self) -> None:
        """A line that a pipe cut in two goes on if no other has written since; otherwise it has been given up."""
        self.run_writers(
            """
path = sys.argv[1]
os.mkfifo(path)
end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
orders = SimpleQueue()
first, second = writer(path, orders), writer(path, orders)
big = b"1 " + b"x" * 100_000 + b"\\n"

def cut():
    # The pipe takes 65,536 bytes; then its reader is gone.
    thread = threading.Thread(target=first._write_in_turn, args=(big,))
    thread.start()
    while not memory.batch_lock().unfinished:
        pass
    data = b""
    import select, array, fcntl, termios
    size = array.array("i", [0])
    while size[0] < 65_536:
        fcntl.ioctl(end, termios.FIONREAD, size)
    os.close(end)
    thread.join()
    assert memory.batch_lock().unfinished == os.getpid() and first._rest
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)

end = cut()
read = b""
def drain():
    global read
    try:
        while piece := os.read(end, 65_536):
            read += piece
    except BlockingIOError:
        pass
drain()
first._write_in_turn(b"2\\n")
drain()
assert read == big + b"2\\n", read[-100:]

end, read = cut(), b""
drain()
second_process = forked(second._write_in_turn, b"3\\n")
all_well(second_process)
first._write_in_turn(b"4\\n")
drain()
assert read == big[:65_536] + b"\\n3\\n4\\n", read[-100:]

end, read = cut(), b""
drain()
memory.batch_lock().unfinished = 1  # another process has ended that line, and was killed within one of its own
first._write_in_turn(b"5\\n")
drain()
assert read == big[:65_536] + b"\\n5\\n", read[-100:]
"""
        )

    def test_rotation(self) -> None:
        """However often the file changes, each line is whole in exactly one of the files."""
        self.run_writers(
            """
path = sys.argv[1]

def rotating(name):
    queue = SimpleQueue()
    signal.signal(signal.SIGUSR1, lambda *_: queue.put(WriterOrder.REOPEN))
    made = writer(path, queue)
    thread = threading.Thread(target=made.run)
    thread.start()
    for batch in batches(name, 0, 20_000):
        queue.put(batch)
        time.sleep(0.001)
    queue.put(WriterOrder.STOP)
    thread.join()
    assert not made.said, made.said

pids = [forked(rotating, name) for name in (1, 2)]
for number in range(8):
    time.sleep(0.03)
    if os.path.exists(path):
        os.rename(path, path + ".%d" % number)
    for pid in pids:
        os.kill(pid, signal.SIGUSR1)
all_well(*pids)
import glob
whole = {1: [], 2: []}
files = sorted(glob.glob(path + "*"))
assert len(files) > 4
for each in files:
    found, others = count(open(each, "rb").read())
    assert others == [b""], (each, others[:3])
    for name, numbers in found.items():
        whole[name] += numbers
assert {name: sorted(numbers) for name, numbers in whole.items()} == {1: list(range(20_000)), 2: list(range(20_000))}
"""
        )

    def test_no_lock(self) -> None:
        """Where the lock cannot be had the lines are lost, and it is said."""
        said = self.run_writers(
            """
queue = SimpleQueue()
made = writer(sys.argv[1], queue)
for order in ([b"1\\n2\\n"], WriterOrder.STOP):
    queue.put(order)
import fcntl
def refuse(*_):
    raise OSError(37, "No locks available")
fcntl.lockf = refuse
made.run()
print([message.format(**values) for message, values in made.said])
"""
        )
        self.assertIn("access.log cannot be written, lines are lost: No locks available", said)
        self.assertIn("2 lines of the access log", said)
