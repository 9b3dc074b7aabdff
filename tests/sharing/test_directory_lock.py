"""A lock on a directory."""

from __future__ import annotations

import fcntl
import os
from errno import EIO, ENOLCK, ETIMEDOUT
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.sharing import directory_lock
from agwtwisted.sharing.directory_lock import locked


class LockedTests(SynchronousTestCase):
    """What is done in a directory, one at a time."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def is_free(self) -> bool:
        """Whether another could have the lock."""
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def test_locked(self) -> None:
        """It is locked within the block, free after it however it ends, and no file is left behind."""
        with locked(self.directory):
            self.assertFalse(self.is_free())
        self.assertTrue(self.is_free())
        with self.assertRaises(ZeroDivisionError), locked(self.directory):
            raise ZeroDivisionError
        self.assertTrue(self.is_free())
        self.assertEqual(os.listdir(self.directory), [])

    def test_together(self) -> None:
        """Those that say so have it together; any other one waits for all of them, and not for ever."""
        with (
            locked(self.directory, together=True),
            locked(self.directory, together=True),
            mock.patch.object(directory_lock, "ATTEMPTS", 2),
            self.assertRaises(OSError) as caught,
            locked(self.directory),
        ):
            self.fail("locked")
        self.assertEqual((caught.exception.errno, caught.exception.filename), (ETIMEDOUT, str(self.directory)))
        self.assertTrue(self.is_free())

    def test_without_locks(self) -> None:
        """Where the file system has no locks the block runs; another error is one of the start."""
        with mock.patch.object(fcntl, "flock", side_effect=OSError(ENOLCK, "No locks")), locked(self.directory):
            pass
        failing = mock.patch.object(fcntl, "flock", side_effect=OSError(EIO, "I/O error"))
        with failing, self.assertRaises(OSError), locked(self.directory):
            self.fail("not locked")

    def test_not_there(self) -> None:
        """A directory that is not there is an error."""
        with self.assertRaises(OSError), locked(self.directory / "missing"):
            self.fail("not locked")
