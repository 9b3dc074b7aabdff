"""twistd's log in a file, and its rotation by another program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.logger import ILogObserver, LogLevel, capturedLogs, formatEvent
from twisted.python.components import Componentized
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations.program_log import ProgramLog, ProgramLogs


def mode_of(path: Path) -> int:
    """The permissions of a file."""
    return path.stat().st_mode & 0o777


class ProgramLogCase(SynchronousTestCase):
    """A log in a directory of its own."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "twistd.log"
        self.addCleanup(os.umask, os.umask(0o027))

    def opened(self) -> ProgramLog:
        """The log, with a line in it."""
        logs = ProgramLogs({"logfile": str(self.path)})
        logs.install(Componentized())
        log = logs._file
        assert log is not None
        self.addCleanup(lambda: log.closed or log.close())
        log.write("1\n")
        return log


class ReopenTests(ProgramLogCase):
    """After a rotation."""

    def test_moved(self) -> None:
        """A log that was moved goes on in a new file with the old one's permissions, under a daemon's umask too."""
        log = self.opened()
        self.path.rename(self.path.with_suffix(".1"))
        log.write("2\n")
        os.umask(0o077)
        log.reopen()
        log.write("3\n")
        self.assertEqual((self.path.with_suffix(".1").read_text(), self.path.read_text()), ("1\n2\n", "3\n"))
        self.assertEqual(mode_of(self.path), 0o640)

    def test_made_by_another(self) -> None:
        """A file that the rotating program has made keeps its permissions; what it makes later itself has the old."""
        log = self.opened()
        self.path.rename(self.path.with_suffix(".moved"))
        self.path.touch(0o600)
        log.reopen()
        log.write("2\n")
        self.assertEqual((self.path.read_text(), mode_of(self.path)), ("2\n", 0o600))
        log.rotate()
        self.assertEqual((self.path.with_suffix(".log.1").read_text(), mode_of(self.path)), ("2\n", 0o640))

    def test_not_moved(self) -> None:
        """Without a rotation before it, nothing changes."""
        log = self.opened()
        log.reopen()
        log.write("2\n")
        self.assertEqual((self.path.read_text(), mode_of(self.path)), ("1\n2\n", 0o640))

    def test_cannot_be_reopened(self) -> None:
        """A file that cannot be made is reported, and the old one is written on."""
        log = self.opened()
        self.directory.rename(self.directory.with_suffix(".away"))
        with capturedLogs() as events:
            log.reopen()
        [event] = events
        self.assertEqual(event["log_level"], LogLevel.error)
        self.assertIn(f"the log {self.path} cannot be reopened: No such file or directory", formatEvent(event))
        log.write("2\n")
        self.assertEqual((self.directory.with_suffix(".away") / "twistd.log").read_text(), "1\n2\n")

    def test_never_for_others(self) -> None:
        """A log that other users could read is not made so again."""
        os.umask(0)
        log = self.opened()
        self.assertEqual(mode_of(self.path), 0o666)
        self.path.unlink()
        log.reopen()
        self.assertEqual(mode_of(self.path), 0o660)


class OptionsTests(ProgramLogCase):
    """Which of twistd's logs are files."""

    def is_file(self, **options: Any) -> bool:
        """Whether twistd is given a log."""
        application = Componentized()
        logs = ProgramLogs(options)
        logs.install(application)
        if logs._file is not None:
            logs._file.close()
        return application.getComponent(ILogObserver, None) is not None

    def test_files(self) -> None:
        """A file that was named is, and the one that a daemon has without a name."""
        self.assertTrue(self.is_file(logfile=str(self.path), nodaemon=True))
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        self.assertTrue(self.is_file(logfile=None, nodaemon=0))
        self.assertTrue((self.directory / "twistd.log").exists())

    def test_others(self) -> None:
        """Standard output, syslog and an observer of the user's own are not; nor is one without twistd."""
        for options in ({"logfile": None, "nodaemon": 1}, {"logfile": "-", "nodaemon": 1}, {}):
            self.assertFalse(self.is_file(**options))
        for other in ("syslog", "logger"):
            self.assertFalse(self.is_file(logfile=str(self.path), **{other: True}))
        self.assertFalse(self.path.exists())

    def test_nothing_to_reopen(self) -> None:
        """Where it is no file there is nothing to do."""
        ProgramLogs({"nodaemon": True}).reopen()
