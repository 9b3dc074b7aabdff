"""The parent of workers, under twistd: it binds and keeps the sockets, and acts on signals; it serves no client."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.answers.happenings import Happenings
from agwtwisted.answers.of_parent import ALONE, ParentAnswers
from agwtwisted.backends.affinity_key import AffinityKey
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.operations.staples_in_force import staple_subjects
from agwtwisted.core.operations.status import GatewayStatus, WorkerStatus
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.generation import attempted
from agwtwisted.listening.activation import OWN_SOCKETS, Binding
from agwtwisted.loading import Loaded, placed, try_contexts, try_crl_files
from agwtwisted.operations.events import Events
from agwtwisted.operations.followed_files import FollowedFiles
from agwtwisted.operations.log_writer import try_to_open
from agwtwisted.probes import SharedProbes
from agwtwisted.reload import Prepared, ReloadOutcome, Reloads
from agwtwisted.resource_manager.source import AnySource
from agwtwisted.revocation.crl_store import temporary_directory
from agwtwisted.revocation.unproven import PublishedRevocations
from agwtwisted.shared import parents_stapling
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.transport.clocks import WallClock, system_time
from agwtwisted.workers.sockets import bind_all
from agwtwisted.workers.supervisor import Judged, Supervisor
from agwtwisted.workers.transactions import WorkersReplacement
from agwtwisted.workers.worker_slot import Common

_TURN: Final = 0.1
"""Seconds that a turn waits at most while the workers start before the reactor runs."""


class ParentService(MultiService):
    """A gateway of several processes, as `service.GatewayService` is one of one.

    Args:
        reactor: of this process.
        judged: the configuration of the start.
        supervisor: its workers.
        probes: those of the configuration's servers, for all workers.
        source: gives the configurations of reloads, and the time.
    """

    log = Logger()

    def __init__(
        self,
        reactor: PosixReactorBase,
        judged: Judged,
        supervisor: Supervisor,
        probes: SharedProbes,
        *,
        source: AnySource,
        temporary: Path,
    ) -> None:
        super().__init__()
        self.setName("agwgateway")
        self._reactor = reactor
        self._temporary = temporary
        self._supervisor = supervisor
        self._now = source.now
        self._drains_without_limit = False
        self._probes = probes
        self._revocations = PublishedRevocations(supervisor.siblings)
        self._wall = WallClock(reactor)
        self.staples = parents_stapling(judged.loaded.plan, reactor, self._wall, supervisor.siblings)
        supervisor.present = self._present
        self.reloads = Reloads(judged.loaded, source, self, reactor)
        self._answers = ParentAnswers(
            *(reactor, self.reloads, probes, self.staples, system_time),
            workers=lambda: supervisor.workers,
            counts=supervisor.questions.counts,
        )
        self._followed = FollowedFiles(reactor, self._followed_files, self.reloads.reload_files)
        self._happenings = Happenings(
            *(reactor, system_time, lambda: self.events), self.reloads, self._answers.configuration
        )
        self._happenings.setServiceParent(self)
        self._probes.publish_to(self.events)
        for child in (self._wall, self.staples, self._probes):
            child.setServiceParent(self)
        self._followed.setServiceParent(self)
        self.started: Deferred[None] = Deferred()
        """Fires when all workers serve; fails with `ConfigError` if one cannot."""

    def startService(self) -> None:
        """Starts the spawner and the workers. Where the reactor does not run yet, they serve when this returns.

        Raises ConfigError where one cannot start: twistd ends then, and says why.
        """
        super().startService()
        self.started = self._supervisor.start()
        if not self._reactor.running:
            self._start_now()

    def _start_now(self) -> None:
        outcome = self._waited(self.started)
        if isinstance(outcome, Failure):
            self.log.critical("The gateway cannot start: {reason}", reason=outcome.getErrorMessage())
            self._waited(self._supervisor.stop(0.0))
            outcome.raiseException()

    def _waited(self, deferred: Deferred[Any]) -> Any:
        """The result of what needs the reactor, which does not run yet."""
        outcomes: list[Any] = []
        deferred.addBoth(outcomes.append)  # type: ignore[unused-awaitable]  # always succeeds
        while not outcomes:
            self._reactor.iterate(_TURN)
        return outcomes[0]

    def stopService(self) -> Deferred[None]:
        """Has all workers drain; fires when all processes have ended."""
        self.running = 0
        self._followed.stopService()
        self._happenings.stopService()
        self.reloads.stop()
        return self._supervisor.stop(self.drain_limit).addBoth(self._stopped)

    def _stopped(self, outcome: Any) -> Any:
        self.events.stop()
        self.staples.stopService()
        self._wall.stopService()
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._probes.stopService()  # until here workers forward what is in progress
        return outcome

    def _followed_files(self) -> Mapping[str, SourceFile]:
        return self.reloads.followed

    def _present(self) -> Iterator[tuple[str, bytes]]:
        """What a worker has to hear before it serves."""
        yield from self._probes.publisher.present()
        yield from self._probes.drains.present()
        yield from self._revocations.present()
        yield from self.staples.present()

    def drain_without_limit(self) -> None:
        """Has the next stop wait for the last connection, however long that takes."""
        self._drains_without_limit = True

    @property
    def drain_limit(self) -> float | None:
        """Seconds that a stop takes at most; None: there is no limit."""
        return None if self._drains_without_limit else self.reloads.in_force.plan.gateway.drain_timeout

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """All listening sockets."""
        return self._supervisor.sockets

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        """Each worker."""
        return self._supervisor.workers

    @property
    def connections(self) -> int:
        """How many connections of clients there are."""
        return sum(worker.connections for worker in self.workers)

    def status(self) -> GatewayStatus:
        """The gateway at this moment; its phase is known to what starts and stops it."""
        reloads = self.reloads
        return GatewayStatus(
            generation=reloads.generation,
            fingerprint=reloads.in_force.plan.fingerprint,
            connections=self.connections,
            listeners=self._supervisor.listeners,
            workers=self.workers,
            last_reload=reloads.last,
        )

    @property
    def events(self) -> Events:
        """What happens in all processes."""
        return self._supervisor.questions.events

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The answer of the gateway as a whole, to a question of the control API; fails with `QuestionError`.

        What this process knows itself comes first: an action is taken here before the workers take it.
        """
        return Deferred.fromCoroutine(self._answer(question, arguments))

    async def _answer(self, question: Question, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        own = await self._answers.ask(question, arguments)
        if question in ALONE:
            return own or {}
        if question is Question.METRICS:
            own = {}  # what the workers have reported before is an answer, too
        return await self._supervisor.questions.ask(question, arguments, own, self._answers.completed)

    def reload(self) -> Deferred[ReloadOutcome]:
        """Takes the configuration as its files have it now, or nothing of it."""
        return self.reloads.reload()

    def reopen(self) -> None:
        """Lines of the access log from now on go to the file that has its path now."""
        self._supervisor.reopen()

    def prepare(self, loaded: Loaded) -> Deferred[Prepared]:
        """As `reload.ReloadTarget` says."""
        return Deferred.fromCoroutine(self._prepared(loaded))

    async def _prepared(self, loaded: Loaded) -> _Replacement:
        with placed(loaded.plan):
            servers = self._probes.prepare(loaded.plan)
        replacement = await self._supervisor.prepare(Judged(loaded=loaded, now=self._now()))
        subjects = staple_subjects(loaded.plan)
        await self.staples.prepare(subjects)  # which always succeeds
        use_staples = partial(self.staples.use, subjects)
        return _Replacement(replacement, partial(self._probes.commit, servers), use_staples)


class _Replacement:
    """What is ready in the workers and here, as `reload.Prepared` says."""

    def __init__(self, workers: WorkersReplacement, *steps: Callable[[], None]) -> None:
        self.warnings = workers.warnings
        self._workers = workers
        self._steps = steps

    def commit(self) -> None:
        """Puts it in force: in the workers first, which hear of the health of its servers then, and of staples."""
        self._workers.commit()
        for step in self._steps:
            attempted(step)

    def settled(self) -> Deferred[None]:
        """Fires once all workers have it in force."""
        return self._workers.settled()

    def cancel(self) -> None:
        """Gives it up."""
        self._workers.cancel()


def build_parent(
    loaded: Loaded, reactor: PosixReactorBase, *, count: int, source: AnySource, binding: Binding = OWN_SOCKETS
) -> ParentService:
    """The parent of so many workers, with its sockets bound, to be started.

    Raises:
        ConfigError: a port is busy, the access log cannot be opened, or OpenSSL does not take a certificate.
    """
    plan, gateway = loaded.plan, loaded.plan.gateway
    with placed(plan):
        try_contexts(plan)
        try_crl_files(plan)
        if gateway.access_log is not None:
            try_to_open(gateway.access_log)
        key = AffinityKey(None if gateway.state_directory is None else Path(gateway.state_directory)).load()
        memory = SharedMemory.create(gateway.max_connections, count)
        sockets = bind_all(plan.addresses, count, binding)
    judged = Judged(loaded=loaded, now=source.now())
    common = Common(count=count, memory=memory, affinity_key=key)
    supervisor = Supervisor(reactor, judged, sockets, common, binding)
    probes, temporary = SharedProbes(plan, reactor, supervisor.siblings), temporary_directory(memory)
    return ParentService(reactor, judged, supervisor, probes, source=source, temporary=temporary)
