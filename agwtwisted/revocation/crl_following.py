"""Follows the files of an operator's lists: those that were replaced are taken without a reload of the configuration.

A list changes daily, and nothing else with it. Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.core.base.errors import SectionError
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.operations.followed_files import FollowedFiles, signature_of
from agwtwisted.revocation.crl_files import NO_CRL_FILES, ReadCrlFile, ReadCrlFiles, read_crl_file
from agwtwisted.revocation.crl_proving import pause
from agwtwisted.transport.threads import considerate, in_thread


class CrlFilesFollower:
    """Looks at files as long as it runs.

    Args:
        reactor: runs the timers, and is reached from threads.
        taken: is called with all files once some have changed.
    """

    log = Logger()

    def __init__(self, reactor: PosixReactorBase, taken: Callable[[ReadCrlFiles], None]) -> None:
        self._reactor = reactor
        self._taken = taken
        self._files = NO_CRL_FILES
        self._follows = False
        self._followed: Mapping[str, SourceFile] = {}
        self._service = FollowedFiles(reactor, lambda: self._followed, self._reread, in_thread)

    def start(self) -> None:
        """Begins to look."""
        self._service.startService()

    def stop(self) -> None:
        """Looks no more."""
        if self._service.running:
            self._service.stopService()

    def follow(self, follows: bool) -> None:
        """Whether files are looked at."""
        self._follows = follows
        self.use(self._files)

    def use(self, files: ReadCrlFiles) -> None:
        """These are in force."""
        self._files = files
        self._followed = files.followed if self._follows else {}

    def _reread(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._take())

    async def _take(self) -> None:
        before = self._files
        with considerate():
            files, problems = await in_thread(self._reactor, partial(reread, before), "crl_files")
        for problem in problems:
            self.log.error("{problem}: the lists that were read before stay in force", problem=problem)
        if self._files is before:  # else a reload was faster
            self._taken(files)


def reread(before: ReadCrlFiles) -> tuple[ReadCrlFiles, list[str]]:
    """The files with what has changed of them read anew, and what is wrong with those that are not taken."""
    files, problems = dict[str, ReadCrlFile](), list[str]()
    for path, known in before.files.items():
        signature = signature_of(path)
        files[path] = known
        if signature is None or signature == known.signature:
            continue
        try:
            files[path] = read_crl_file(path, before, pause)
        except SectionError as error:
            problems.append(str(error))
            files[path] = attrs.evolve(known, signature=signature)
    return attrs.evolve(before, files=files), problems
