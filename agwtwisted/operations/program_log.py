"""The gateway's own log in a file (twistd's ``--logfile``), made so that it can be reopened after a rotation.

twistd itself renames the file at SIGUSR1, and does nothing where a program such as logrotate has moved it already. Its
other rotation, at one megabyte, stays.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import IO, Any, cast

from twisted.logger import ILogObserver, Logger, textFileLogObserver
from twisted.python import threadable
from twisted.python.components import Componentized
from twisted.python.logfile import LogFile

from agwtwisted.operations.rotation import kept_permissions, open_again


class ProgramLog(LogFile):
    """A log file that is reopened by its path; a new file has the permissions of the one before."""

    synchronized = ["reopen"]  # noqa: RUF012  # Twisted reads it: with its writes, which come from every thread
    _log = Logger()

    def reopen(self) -> None:
        """Writes to the file that the path names now, which is made if it is missing; else to the old one on."""
        before = os.fstat(self._file.fileno()).st_mode
        try:
            os.close(open_again(self.path, before))
        except OSError as error:
            self._log.error("the log {path} cannot be reopened: {reason}", path=self.path, reason=error.strerror)
            return
        self.defaultMode = None  # the permissions of a file that the rotating program has made stay
        super().reopen()
        self.defaultMode = kept_permissions(before)  # of those that it makes itself


threadable.synchronize(ProgramLog)


class ProgramLogs:
    """Stands in for twistd's making of its log, as far as that is a file.

    Args:
        options: those of twistd. A log that was chosen by ``--logger``, or syslog, stays.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        named = options.get("logfile") or ("" if options.get("nodaemon", True) else "twistd.log")
        other = named == "-" or options.get("logger") or options.get("syslog")
        self._path = "" if other else named
        self._file: ProgramLog | None = None

    def install(self, application: Componentized) -> None:
        """Has twistd log to the file, which is opened."""
        if self._path:
            self._file = ProgramLog.fromFullPath(self._path)
            self._file.defaultMode = stat.S_IMODE(os.stat(self._path).st_mode)
            application.setComponent(ILogObserver, textFileLogObserver(cast(IO[Any], self._file)))

    def reopen(self) -> None:
        """After a rotation; nothing where the log is no file."""
        if self._file is not None:
            self._file.reopen()
