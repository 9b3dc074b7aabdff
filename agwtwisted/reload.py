"""Reloads: another configuration takes the place of the one in force, whole, or everything stays as it was.

One at a time. A reload reads and judges in a thread, has its target prepare all that the new configuration needs, and
commits, in one turn of the reactor, what cannot fail any more. Whatever is wrong ends it before that.

What is reloaded is no concern of this module: a `ReloadTarget` is the service of one process, or that of a parent whose
workers prepare and commit together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.arm_files import NO_ARGUMENTS, ArmArguments
from agwtwisted.core.base.errors import ConfigError, Problem
from agwtwisted.core.operations.status import LastReload
from agwtwisted.core.plan.changes import Changes, changes_of, fixed_problems, with_changed
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.loading import NO_FILES, Files, Loaded, changed_lists, load_files, loaded_of, plan_of
from agwtwisted.transport.clocks import system_time
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.threads import considerate, in_thread

T = TypeVar("T")

SAID_AT_ONCE: Final = 100
"""Problems or warnings of one reload that get lines in the log; all are in the answer."""


class Prepared(Protocol):
    """All that another configuration needs, made and begun nowhere: one of these is called, once."""

    @property
    def warnings(self) -> Sequence[str]:
        """What is unwise about it on this machine, each in one line."""

    def commit(self) -> None:
        """Puts it in force, before this returns; cannot fail. Other processes follow."""

    def settled(self) -> Deferred[None]:
        """Fires once it is in force in every process, after the commit; never fails. May be cancelled."""

    def cancel(self) -> None:
        """Gives it up: everything stays as it was."""


class ReloadTarget(Protocol):
    """What a configuration is in force in."""

    def prepare(self, loaded: Loaded) -> Deferred[Prepared]:
        """Prepares another configuration, and changes nothing yet; fails with `ConfigError`.

        May be cancelled, and leaves nothing behind then.
        """


class ConfigurationSource(Protocol):
    """Where configurations come from. Both methods run in a thread, and raise `ConfigError`."""

    def load(self) -> Loaded:
        """The configuration as its files have it now."""

    def reread(self, files: Files) -> Loaded:
        """The configuration with the same main text, and the files that it names as they are now."""


@attrs.frozen
class FileSource:
    """A configuration file.

    Args:
        file: its path, absolute: a daemon has another working directory.
        now: returns the time (aware) at which certificates have expired.
        check: raises `ConfigError` for what this process cannot have.
        may_be_empty: whether a configuration is taken that serves nothing.
        arm: what the command line says about a file that is an ARM document.
    """

    file: str
    now: Callable[[], datetime]
    check: Callable[[Loaded], None] = lambda _: None
    may_be_empty: bool = False
    arm: ArmArguments = NO_ARGUMENTS

    def load(self) -> Loaded:
        """The configuration as its files have it now."""
        return self._checked(load_files(self.file, self.now(), may_be_empty=self.may_be_empty, arm=self.arm))

    def reread(self, files: Files) -> Loaded:
        """The configuration with the same main text, and the files that it names as they are now."""
        read = files.reread()
        return self._checked(loaded_of(plan_of(read, self.now()), read))

    def _checked(self, loaded: Loaded) -> Loaded:
        self.check(loaded)
        return loaded


@attrs.frozen(kw_only=True)
class Reloaded:
    """A configuration that is in force now; where nothing has `changes`, the one that was."""

    generation: int  # 1 is that of the start
    fingerprint: str  # of its plan
    changes: Changes
    warnings: tuple[str, ...]  # each one line
    seconds: float  # that it took


@attrs.frozen(kw_only=True)
class Rejected:
    """A configuration that was not taken: the one that was in force still is."""

    generation: int
    fingerprint: str
    problems: tuple[str, ...]  # each one line, with file and line of the file; warnings are among them
    findings: tuple[Problem, ...] = attrs.field(default=(), repr=False)  # the same as values, where it was not taken


ReloadOutcome: TypeAlias = Reloaded | Rejected


class _Kind(Enum):
    """What is read for a reload."""

    ALL = "the configuration"
    FILES = "the files of the configuration"


@attrs.frozen(eq=False)
class ReloadCandidate:
    """A configuration that is to be put in force, and is in no file yet.

    Args:
        value: what it is, as the log has it.
        load: makes it; runs in a thread, and raises `ConfigError`.
    """

    value: str
    load: Callable[[], Loaded]


@attrs.frozen
class _Next:
    """A configuration that was loaded, and what it changes."""

    loaded: Loaded
    changes: Changes


class Reloads:
    """The reloads of one gateway, one after the other.

    Those that are asked for while one is under way are one, afterwards: it reads what is there then.

    Args:
        in_force: what the gateway was started with.
        source: gives other configurations.
        target: puts them in force.
        reactor: runs it.
        wall: the time, in seconds since 1970, for the status.
    """

    log = Logger()

    def __init__(
        self,
        in_force: Loaded,
        source: ConfigurationSource,
        target: ReloadTarget,
        reactor: Any,
        wall: Callable[[], float] = system_time,
    ) -> None:
        self.generation = 1
        self.last: LastReload | None = None  # None: there was none
        self.in_force = in_force
        self.since = wall()  # from when on, in seconds since 1970
        self.outcomes: Counter[str] = Counter()  # how many there were: in_force, unchanged, rejected
        self._source = source
        self._target = target
        self._reactor = reactor
        self._wall = wall
        self._said = frozenset(map(_text, in_force.plan.config.warnings))
        self._prepared_warnings: tuple[str, ...] = ()
        self._waiting: dict[_Kind | ReloadCandidate, list[Deferred[ReloadOutcome]]] = {}
        self._running = False
        self._awaited: Deferred[Any] | None = None
        self._stopped = False
        self._subscribers: list[tuple[Callable[[], None], Callable[[ReloadOutcome], None]]] = []

    def subscribe(self, begun: Callable[[], None], ended: Callable[[ReloadOutcome], None]) -> None:
        """Has these called when a reload begins, whatever asked for it, and when it has ended."""
        self._subscribers.append((begun, ended))

    @property
    def followed(self) -> Mapping[str, SourceFile]:
        """The files that are to be followed now, as they were read: the same mapping until others are in force."""
        in_force = self.in_force
        return in_force.files.named if in_force.plan.gateway.watch_files else NO_FILES.named

    def reload(self) -> Deferred[ReloadOutcome]:
        """Reads everything anew; fires with what came of it, and never fails. Nothing is lost if it is cancelled."""
        return self._ask(_Kind.ALL)

    def reload_files(self) -> Deferred[ReloadOutcome]:
        """The same with the main text that is in force: only the files that it names are read."""
        return self._ask(_Kind.FILES)

    def take(self, candidate: ReloadCandidate) -> Deferred[ReloadOutcome]:
        """Puts a candidate in force, or nothing; fires as `reload` does, before the next reload begins."""
        return self._ask(candidate)

    def stop(self) -> None:
        """The gateway stops: what is under way changes nothing, and no further one begins."""
        self._stopped = True
        waiting, self._waiting = self._waiting, {}
        for waiters in waiting.values():
            self._answer(waiters, self._rejected((STOPPING,)))
        if self._awaited is not None:
            self._awaited.cancel()

    def _ask(self, kind: _Kind | ReloadCandidate) -> Deferred[ReloadOutcome]:
        if self._stopped:
            self.log.warn("No reload of {what}: {reason}", what=kind.value, reason=STOPPING)
            return succeed(self._rejected((STOPPING,)))
        asked: Deferred[ReloadOutcome] = Deferred()
        self._waiting.setdefault(kind, []).append(asked)
        if not self._running:
            self._running = True
            log_failure(Deferred.fromCoroutine(self._run()), self.log, "reloading")
        return asked

    async def _run(self) -> None:
        try:
            while self._waiting:
                kind = next(iter(self._waiting))
                waiters = self._waiting.pop(kind)
                for begun, _ in self._subscribers:
                    begun()
                outcome = await self._outcome(kind)
                problems = outcome.problems if isinstance(outcome, Rejected) else ()
                self.outcomes[_word_for(outcome)] += 1
                self.last = LastReload(at=self._wall(), problems=problems)
                for _, ended in self._subscribers:
                    ended(outcome)
                self._answer(waiters, outcome)
        finally:
            self._running = False

    def _answer(self, waiters: list[Deferred[ReloadOutcome]], outcome: ReloadOutcome) -> None:
        for waiter in waiters:
            if not waiter.called:  # those that were cancelled
                waiter.callback(outcome)

    async def _outcome(self, kind: _Kind | ReloadCandidate) -> ReloadOutcome:
        """What comes of one reload; a defect is logged, and rejects it."""
        begun = self._reactor.seconds()
        try:
            with considerate():
                return await self._reloaded(kind, begun)
        except ConfigError as error:
            rejected = attrs.evolve(self._rejected(error.lines), findings=error.problems)
            _forget_frames(error)
        except CancelledError:
            rejected = self._rejected((STOPPING,))
        except Exception as defect:
            self.log.failure("Unexpected error while reloading")
            rejected = self._rejected((f"ERROR a defect of the gateway: {type(defect).__name__}",))
        self._say(self.log.error, rejected.problems)
        self.log.error(
            "Reload of {what} rejected: generation {generation} stays in force",
            what=kind.value,
            generation=self.generation,
        )
        return rejected

    async def _reloaded(self, kind: _Kind | ReloadCandidate, begun: float) -> Reloaded:
        following = await self._step(in_thread(self._reactor, partial(self._read, kind, self.in_force), "reload"))
        plan, loaded = self.in_force.plan, following.loaded
        self._warn(loaded)
        warnings = tuple(map(str, loaded.plan.config.warnings))
        if loaded.plan != plan or loaded.lists != self.in_force.lists:
            warnings += await self._put_in_force(loaded)
            plan = loaded.plan
        # Where nothing changed, lines may have moved: the text of the next reload is that of this one.
        self.in_force = attrs.evolve(loaded, plan=plan)
        reloaded = Reloaded(
            generation=self.generation,
            fingerprint=plan.fingerprint,
            changes=following.changes,
            warnings=warnings,
            seconds=self._reactor.seconds() - begun,
        )
        self._log_reloaded(reloaded, kind)
        return reloaded

    async def _put_in_force(self, loaded: Loaded) -> tuple[str, ...]:
        """Has the target prepare a configuration, and commits it; returns what is unwise about it on this machine."""
        prepared = await self._step(self._target.prepare(loaded))
        warnings = tuple(prepared.warnings)
        self._say(self.log.warn, [each for each in warnings if each not in self._prepared_warnings])
        self._prepared_warnings = warnings
        prepared.commit()
        self.generation += 1
        self.in_force, self.since = loaded, self._wall()
        with suppress(CancelledError):  # the gateway stops: it is in force all the same
            await self._step(prepared.settled())
        return warnings

    def _log_reloaded(self, reloaded: Reloaded, kind: _Kind | ReloadCandidate) -> None:
        """Says what is in force now. Files that were touched, and hold what they held, are no news."""
        is_news = reloaded.changes or kind is not _Kind.FILES
        (self.log.info if is_news else self.log.debug)(
            "Reload of {what}: generation {generation} ({fingerprint}) is in force after {seconds:.3f} s; {changes}",
            what=kind.value,
            generation=reloaded.generation,
            fingerprint=reloaded.fingerprint[:12],
            seconds=reloaded.seconds,
            changes=str(reloaded.changes),
        )

    async def _step(self, step: Deferred[T]) -> T:
        """Waits for what `stop` may end."""
        self._awaited = step
        try:
            return await step.addErrback(_frameless)
        finally:
            self._awaited = None

    def _read(self, kind: _Kind | ReloadCandidate, in_force: Loaded) -> _Next:
        """In the thread: what is there now, and what it changes."""
        if isinstance(kind, ReloadCandidate):
            loaded = kind.load()
        else:
            loaded = self._source.load() if kind is _Kind.ALL else self._source.reread(in_force.files)
        lists = changed_lists(in_force, loaded)
        if loaded.plan == in_force.plan:
            return _Next(loaded, with_changed(Changes(), lists, loaded.plan))
        fixed = fixed_problems(in_force.plan, loaded.plan)
        if fixed:
            raise ConfigError((*fixed, *loaded.plan.config.warnings))
        return _Next(loaded, with_changed(changes_of(in_force.plan, loaded.plan), lists, loaded.plan))

    def _warn(self, loaded: Loaded) -> None:
        """Logs the warnings that were not there before: of what has changed, or has expired meanwhile."""
        warnings = {_text(each): str(each) for each in loaded.plan.config.warnings}
        self._say(self.log.warn, [said for text, said in warnings.items() if text not in self._said])
        self._said = frozenset(warnings)

    def _say(self, level: Callable[..., None], lines: Sequence[str]) -> None:
        for line in lines[:SAID_AT_ONCE]:
            level("{line}", line=line)
        if len(lines) > SAID_AT_ONCE:
            level("and {more} more", more=len(lines) - SAID_AT_ONCE)

    def _rejected(self, problems: tuple[str, ...]) -> Rejected:
        return Rejected(generation=self.generation, fingerprint=self.in_force.plan.fingerprint, problems=problems)


STOPPING: Final = "the gateway is stopping"


def _word_for(outcome: ReloadOutcome) -> str:
    if isinstance(outcome, Rejected):
        return "rejected"
    return "in_force" if outcome.changes else "unchanged"


def _frameless(failure: Failure) -> Failure:
    """Of a configuration that is not taken, the problems are kept."""
    if failure.check(ConfigError) is not None:
        _forget_frames(failure.value)
        failure.cleanFailure()
    return failure


def _forget_frames(error: BaseException | None) -> None:
    """An error holds the frames that it came through, and those hold it.

    All that was made of a configuration, private keys included, would stay until the garbage collector comes by.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _text(warning: Problem) -> tuple[str, str]:
    """What a warning says, wherever it stands in its file."""
    return warning.section, warning.message
