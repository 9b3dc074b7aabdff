"""`agwtwisted.operations.trials`: what is tried, and that nothing is left behind."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations import trials
from agwtwisted.operations.trials import try_access_log, try_directory, try_socket


class Trials(SynchronousTestCase):
    """A directory in which things are tried."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def there(self) -> list[str]:
        """All that is in it."""
        return sorted(str(each.relative_to(self.directory)) for each in self.directory.rglob("*"))

    def refused(self, attempt: Callable[[], None]) -> int | None:
        """The error of the system for which an attempt fails; what was there is there, and nothing else."""
        before = self.there()
        error = self.assertRaises(OSError, attempt)
        self.assertEqual(self.there(), before)
        return error.errno

    def full(self) -> mock._patch[mock.MagicMock]:
        """Has no disk any room."""
        return mock.patch.object(trials.os, "fsync", side_effect=OSError(errno.ENOSPC, "No space left on device"))


class AccessLogTests(Trials):
    """The file of the access log."""

    def test_usable(self) -> None:
        """Standard output, a file that is there, one that can be made, a link to it, and a device."""
        log = self.directory / "access.log"
        (self.directory / "link.log").symlink_to(log)
        for path in ("-", str(log), str(self.directory / "link.log"), os.devnull):
            try_access_log(path)
        self.assertEqual(self.there(), ["link.log"])
        log.write_bytes(b"lines\n")
        try_access_log(str(log))
        self.assertEqual(log.read_bytes(), b"lines\n")

    def test_unusable(self) -> None:
        """No directory, a directory in its place, a file in the place of its directory, no permission, no room."""
        log = self.directory / "access.log"
        log.touch()
        self.assertEqual(self.refused(lambda: try_access_log(str(self.directory / "none" / "a.log"))), errno.ENOENT)
        self.assertEqual(self.refused(lambda: try_access_log(str(self.directory))), errno.EISDIR)
        self.assertEqual(self.refused(lambda: try_access_log(str(log / "a.log"))), errno.ENOTDIR)
        with self.full():
            self.assertEqual(self.refused(lambda: try_access_log(str(self.directory / "new.log"))), errno.ENOSPC)
        full = mock.Mock(f_blocks=1, f_bavail=0)
        with mock.patch.object(trials.os, "statvfs", return_value=full):
            self.assertEqual(self.refused(lambda: try_access_log(str(log))), errno.ENOSPC)

    def test_pipe(self) -> None:
        """A pipe without a reader holds nothing up, and one with a reader does not end for it."""
        pipe = str(self.directory / "pipe")
        os.mkfifo(pipe)
        try_access_log(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        writer = os.open(pipe, os.O_WRONLY)
        try_access_log(pipe)
        os.write(writer, b"on")
        os.close(writer)
        self.assertEqual(os.read(reader, 9), b"on")
        with mock.patch.object(trials.os, "access", return_value=False):
            self.assertEqual(self.refused(lambda: try_access_log(pipe)), errno.EACCES)


class DirectoryTests(Trials):
    """The state directory."""

    def test_usable(self) -> None:
        """One that is there, with what is in it, and one that can be made, with those above it."""
        (self.directory / "key").touch()
        try_directory(self.directory, "key", "other")
        try_directory(self.directory / "a" / "b")
        try_directory(self.directory / "a", parents=False)
        self.assertEqual(self.there(), ["key"])

    def test_unusable(self) -> None:
        """A file in its place, a file in it that cannot be written, no directory above it, no room."""
        (self.directory / "key").touch()
        self.assertEqual(self.refused(lambda: try_directory(self.directory / "key")), errno.ENOTDIR)
        self.assertEqual(self.refused(lambda: try_directory(self.directory / "key" / "a")), errno.ENOTDIR)
        self.assertEqual(self.refused(lambda: try_directory(self.directory / "a" / "b", parents=False)), errno.ENOENT)
        with mock.patch.object(trials.os, "access", return_value=False):
            self.assertEqual(self.refused(lambda: try_directory(self.directory, "key")), errno.EACCES)
        with self.full():
            self.assertEqual(self.refused(lambda: try_directory(self.directory / "a" / "b")), errno.ENOSPC)


class SocketTests(Trials):
    """The control socket."""

    def test_usable(self) -> None:
        """A new one, a stale one that stays, and one whose directory has to be made."""
        place = f"/tmp/agw-{os.getpid()}.sock"
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(place)
        self.addCleanup(os.unlink, place)
        try_socket(place, 107)
        self.assertTrue(os.path.exists(place))
        try_socket(str(self.directory / "run" / "c.sock"), 1000)
        self.assertEqual(self.there(), [])

    def test_unusable(self) -> None:
        """A path that is too long, something else in its place, a directory two levels away."""
        (self.directory / "file").touch()
        self.assertEqual(self.refused(lambda: try_socket("/" + "x" * 107, 107)), errno.ENAMETOOLONG)
        self.assertEqual(self.refused(lambda: try_socket(str(self.directory / "file"), 1000)), errno.EEXIST)
        self.assertEqual(self.refused(lambda: try_socket(str(self.directory / "a/b/c"), 1000)), errno.ENOENT)
