"""Opening a log again after its file was renamed."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations.rotation import open_again


class OpenAgainTests(SynchronousTestCase):
    """The file that the path names now."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def mode_of(self, before: int) -> int:
        """The permissions of the file that is opened, where the earlier one had these."""
        os.close(open_again(str(self.path), before))
        return self.path.stat().st_mode & 0o777

    def test_missing(self) -> None:
        """One that is missing gets the permissions of the earlier file, whatever the umask is, none for others."""
        self.addCleanup(os.umask, os.umask(0o077))
        self.assertEqual(self.mode_of(0o100664), 0o660)

    def test_made(self) -> None:
        """One that the rotating program has made keeps its own, and its content."""
        self.path.write_text("earlier\n")
        self.path.chmod(0o604)
        self.assertEqual(self.mode_of(0o100640), 0o604)
        self.assertEqual(self.path.read_text(), "earlier\n")

    def test_error(self) -> None:
        """Where its permissions cannot be set it is an error, and nothing stays open."""
        before = len(os.listdir("/proc/self/fd"))
        with mock.patch("os.fchmod", side_effect=OSError(1, "not permitted")):
            self.assertRaises(OSError, open_again, str(self.path), 0o100640)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
