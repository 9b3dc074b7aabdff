"""Files that are whole, and their owner's alone."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.sharing.private_files import (
    PUBLIC,
    PrivateFileError,
    make_directory,
    read_private,
    write_beside,
    write_whole,
)


class PrivateFilesTests(SynchronousTestCase):
    """Reading and writing."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name) / "file"

    def test_modes(self) -> None:
        """A file has its mode, whatever the umask is, and is replaced whole."""
        self.addCleanup(os.umask, os.umask(0o077))
        for data, mode in ((b"one", PUBLIC), (b"two", 0o600)):
            write_whole(self.path, data, mode)
            self.assertEqual((self.path.read_bytes(), stat.S_IMODE(self.path.stat().st_mode)), (data, mode))
        self.assertEqual([each.name for each in self.path.parent.iterdir()], ["file"])

    def test_directories_of_others(self) -> None:
        """A directory in which other users may exchange files is not taken; one with the sticky bit is, as /tmp."""
        directory = self.path.parent
        for mode, is_taken in ((0o755, True), (0o1777, True), (0o777, False)):
            directory.chmod(mode)
            if is_taken:
                make_directory(directory)
            else:
                with self.assertRaisesRegex(PrivateFileError, "can be written by every user"):
                    make_directory(directory)
        directory.chmod(0o700)
        if os.geteuid() == 0:  # what root has is taken
            os.chown(directory, 65534, -1)
        self.patch(os, "geteuid", lambda: 4242)
        with self.assertRaisesRegex(PrivateFileError, "belongs to another user"):
            make_directory(directory)

    def test_full_disk(self) -> None:
        """What could not be written whole is not left beside the file, which stays as it was."""
        write_whole(self.path, b"one")

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        self.patch(os, "fsync", full)
        self.assertRaises(OSError, write_whole, self.path, b"two")
        self.assertEqual([(each.name, each.read_bytes()) for each in self.path.parent.iterdir()], [("file", b"one")])

    def test_left_behind(self) -> None:
        """What a process that ended has left beside the file is replaced, a symbolic link too, and not followed."""
        other = self.path.with_name("other")
        other.write_bytes(b"other")
        self.path.with_name("file.new").symlink_to(other)
        write_beside(self.path, b"new")
        self.assertEqual((other.read_bytes(), self.path.exists()), (b"other", False))

    def test_refused(self) -> None:
        """A secret that others can read, or that is no regular file, is not read."""
        write_whole(self.path, b"secret")
        self.assertEqual(read_private(self.path), b"secret")
        for mode in (0o640, 0o604, 0o620):
            self.path.chmod(mode)
            self.assertIn("chmod 600", str(self.assertRaises(PrivateFileError, read_private, self.path)))
        link = self.path.with_name("link")
        link.symlink_to(self.path)
        self.assertRaises(OSError, read_private, link)
        pipe = self.path.with_name("pipe")
        os.mkfifo(pipe, 0o600)
        self.assertIn("no regular file", str(self.assertRaises(PrivateFileError, read_private, pipe)))

    def test_no_sync(self) -> None:
        """Where the names in a directory cannot be synced they are not; any other failure is one."""
        fsync = os.fsync
        for number, is_error in ((errno.EINVAL, False), (errno.EIO, True)):

            def refusing(descriptor: int, number: int = number) -> None:
                if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    raise OSError(number, "refused")
                fsync(descriptor)

            self.patch(os, "fsync", refusing)
            if is_error:
                self.assertRaises(OSError, write_whole, self.path, b"2")
            else:
                write_whole(self.path, b"1")
            self.assertTrue(self.path.exists())

    def test_directory(self) -> None:
        """A directory is made with those above it; one that is there stays as it is."""
        deep = self.path / "a"
        make_directory(deep)
        self.assertEqual(stat.S_IMODE(deep.stat().st_mode), 0o700)
        deep.chmod(0o750)
        make_directory(deep)
        self.assertEqual(stat.S_IMODE(deep.stat().st_mode), 0o750)
