"""The file of the access log: on disks that fail or are full, and after a rotation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest
from errno import ENOSPC
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from agwtwisted.operations import log_writer
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
