"""The control socket as a file: its owner's alone, and one gateway's at a time.

A lock beside it says whether a gateway has it: the system lets go of that with the process, so a socket without a lock
is stale. Where another gateway has it, as in an upgrade, it is taken once that one ends.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IProtocolFactory
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.control.accepting import AGAIN, Acceptor

_BACKLOG: Final = 64
LONGEST_PATH: Final = 107
"""Bytes of a path (sun_path of unix(7), without its end)."""


class ControlSocket(Service):
    """Serves on a Unix socket.

    Args:
        reactor: runs it.
        path: of the socket; its directory is made if it is missing, and is its owner's alone then.
        factory: makes the protocol of each connection.
    """

    _log = Logger()

    def __init__(self, reactor: PosixReactorBase, path: str, factory: IProtocolFactory) -> None:
        self.setName("control socket")
        self._reactor = reactor
        self.path = os.path.abspath(path)  # a daemon has another working directory
        self._factory = factory
        self._lock = -1
        self._bound: socket.socket | None = None
        self._acceptor: Acceptor | None = None
        self._timer: IDelayedCall | None = None

    def open(self) -> bool:
        """Takes the socket, if it has not yet; False: another gateway has it. Raises OSError where it cannot."""
        if self._bound is None and self._locked():
            try:
                self._bound = _bound(self.path)
            except OSError:
                self._let_go()
                raise
        return self._bound is not None

    def startService(self) -> None:
        """Serves, from when the socket can be had."""
        super().startService()
        if not self._serve():
            self._log.warn("The control socket {path} is another gateway's: waiting for its end", path=self.path)

    def stopService(self) -> None:
        """Removes the socket: another gateway may have it."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._acceptor is not None:
            self._acceptor.stop()
            self._acceptor = None
        self._let_go()

    def _serve(self) -> bool:
        self._timer = None
        try:
            taken = self.open()
        except OSError as error:
            self._log.error("The control socket {path} cannot be made: {reason}", path=self.path, reason=reason(error))
            return True
        if taken and self._bound is not None:
            self._acceptor = Acceptor(self._reactor, self._bound, self._factory)
            self._acceptor.start()
            ControlSocket._log.info("Control socket {path}", path=self.path)
        else:
            self._timer = self._reactor.callLater(AGAIN, self._serve)
        return taken

    def _locked(self) -> bool:
        if len(os.fsencode(self.path)) > LONGEST_PATH:
            raise OSError(0, f"is too long for a socket: at most {LONGEST_PATH} bytes")
        Path(self.path).parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(f"{self.path}.lock", flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _let_go(self) -> None:
        if self._bound is not None:
            self._bound.close()
            self._bound = None
            with suppress(OSError):
                os.unlink(self.path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def reason(error: OSError) -> str:
    """What an error says, without its number and path."""
    return error.strerror or str(error)


def _bound(path: str) -> socket.socket:
    """A listening socket, in the place of a stale one, that only its owner can reach from its first moment on."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(0, "is no socket")
        os.unlink(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(bound.fileno(), 0o600)  # the mode that bind(2) makes the file with, less the umask
        bound.bind(path)
        bound.listen(_BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound
