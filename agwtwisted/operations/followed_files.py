"""Follows the files that a configuration names: those that were replaced are taken by a reload.

They are looked at about once a second, by their paths: not every file system reports changes (inotify does not on NFS,
and says nothing of a link whose target is another one). What has changed is taken once two looks in a row are equal: a
certificate and its key are written one after the other. It is taken by the same transaction as every reload, which
judges all of it, and so never half of a pair.

Callers: the service of one process, and that of a parent of workers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.sections.sources import Signature, SourceFile
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.threads import in_thread

T = TypeVar("T")

INTERVAL: Final = 1.0
"""Seconds between two looks."""

LATE: Final = 30.0
"""Seconds after which the log says that a look does not come to its end."""


class InThread(Protocol):
    """Calls something in a thread: `transport.threads.in_thread`."""

    def __call__(self, reactor: Any, call: Callable[[], T], name: str, /) -> Deferred[T]:
        """What it returns or raises."""


def signature_of(path: str) -> Signature | None:
    """The signature of the file at a path, all links followed; None where there is none that can be looked at."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class FollowedFiles(Service):
    """Looks at files as long as it runs; one look at a time, in a thread, so that a disk that hangs stops nothing.

    Args:
        reactor: runs the timers, and is reached from the thread.
        in_force: returns the files that are followed now, as they were read, by their paths: the same mapping until
            others are in force; an empty one where none is followed.
        reload: takes them as they are now, or says in the log why not; never fails.
        call_in_thread: calls something in a thread.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        in_force: Callable[[], Mapping[str, SourceFile]],
        reload: Callable[[], Deferred[Any]],
        call_in_thread: InThread = in_thread,
    ) -> None:
        self.setName("followed files")
        self._reactor = reactor
        self._in_force = in_force
        self._reload = reload
        self._in_thread = call_in_thread
        self._files: Mapping[str, SourceFile] = {}
        self._known: Mapping[str, Signature | None] = {}  # of what is in force, or was tried, and is not tried again
        self._changing: Mapping[str, Signature | None] | None = None  # what the last look saw that is not known
        self._timer: IDelayedCall | None = None
        self._turn: Deferred[None] | None = None

    def startService(self) -> None:
        """Begins to look."""
        super().startService()
        self._wait()

    def stopService(self) -> None:
        """Looks no more."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._turn is not None:
            self._turn.cancel()

    def _wait(self) -> None:
        self._timer = self._reactor.callLater(INTERVAL, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._adopt()
        if not self._known:
            self._wait()
            return
        turn = self._turn = Deferred.fromCoroutine(self._look())
        turn.addBoth(self._ended)  # type: ignore[unused-awaitable]  # handed on to the log
        log_failure(turn, self.log, "looking at the files of the configuration")

    def _ended(self, result: object) -> object:
        self._turn = None
        if self.running:
            self._wait()
        return result

    def _adopt(self) -> None:
        """Follows what is in force now."""
        files = self._in_force()
        if files is self._files:
            return
        if len(files) != len(self._files):
            self.log.info("Following {count} files of the configuration", count=len(files))
        self._files, self._changing = files, None
        self._known = {path: file.signature for path, file in files.items()}

    async def _look(self) -> None:
        late = self._reactor.callLater(LATE, self._say_late)
        try:
            seen = await self._in_thread(self._reactor, partial(_signatures, tuple(self._known)), "followed files")
        finally:
            if late.active():
                late.cancel()
        self._adopt()  # another reload may have been faster
        if seen == self._known:
            self._changing = None
        elif seen == self._changing:
            await self._take(seen)
        else:
            self._changing = seen

    async def _take(self, seen: Mapping[str, Signature | None]) -> None:
        """What has changed is quiet. Whatever comes of it, it is not tried again before it changes once more."""
        before, self._known, self._changing = self._known, seen, None
        for path, found in seen.items():
            if found is None and before[path] is not None:
                self.log.warn("{path} is not there any more: what was read of it stays in force", path=path)
        if any(found is not None and found != before[path] for path, found in seen.items()):
            await self._reload()

    def _say_late(self) -> None:
        self.log.warn(
            "The files of the configuration cannot be looked at: the file system has not answered for {seconds:.0f} s;"
            " changes are taken once it does",
            seconds=LATE,
        )


def _signatures(paths: Iterable[str]) -> dict[str, Signature | None]:
    return {path: signature_of(path) for path in paths}
