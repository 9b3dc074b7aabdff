"""Starts and stops the gateway, in stages: what is shared, one generation, and the sockets that lead to its ports."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, gatherResults
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.answers.happenings import Happenings
from agwtwisted.answers.of_gateway import AnswerMembers, GatewayAnswers
from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.operations.status import GatewayStatus, ListenerStatus
from agwtwisted.core.plan.descriptors import budget_of
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.generation import Generation
from agwtwisted.listening.activation import OWN_SOCKETS, Binding
from agwtwisted.listening.listener import ListeningSocket
from agwtwisted.listening.retired import RetiredPorts
from agwtwisted.loading import NO_FILES, Files, Loaded
from agwtwisted.operations.events import Events
from agwtwisted.operations.followed_files import FollowedFiles
from agwtwisted.reload import ConfigurationSource, Prepared, ReloadOutcome, Reloads
from agwtwisted.replacement import Replacement
from agwtwisted.shared import ALONE, Shared, WorkerPlace
from agwtwisted.tls.grown_buffers import GrownBuffers
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.transport.clocks import system_time

LOG_SHARE = 0.1
"""The part of `drain_timeout` that is left for the access log."""


class _NoSource:
    """Of a gateway that was not started from a file."""

    def load(self) -> Loaded:
        """There is nothing to load."""
        raise ConfigError([Problem(place=Place(file=""), message="this gateway was not started from a file")])

    def reread(self, files: Files) -> Loaded:
        """The same."""
        return self.load()


NO_SOURCE: Final[ConfigurationSource] = _NoSource()


class GatewayService(MultiService):
    """The whole gateway. Stops in stages: listeners, probes, exchanges, backend connections, revocation, access log.

    Args:
        shared: whose clocks and access log are started first and stopped last.
        generation: the configuration in force. Its first probes go out before the first request comes.
        listeners: one for each of its ports.
        source: gives the configurations of reloads.
        files: what the one in force was read from.
        descriptors: how many this process may have; None: enough.
        binding: gives the sockets of new addresses.
    """

    log = Logger()

    def __init__(
        self,
        shared: Shared,
        generation: Generation,
        listeners: Mapping[Address, ListeningSocket],
        *,
        source: ConfigurationSource = NO_SOURCE,
        files: Files = NO_FILES,
        descriptors: int | None = None,
        binding: Binding = OWN_SOCKETS,
    ) -> None:
        super().__init__()
        self.setName("agwgateway")
        self.shared = shared
        self.generation = generation
        self.sockets = dict(listeners)
        self.descriptors = descriptors
        self.binding = binding
        self.retired = RetiredPorts(shared.reactor)
        self.reloads = Reloads(
            Loaded(plan=generation.plan, files=files, lists=shared.crl_lists.files.signatures),
            *(source, self, shared.reactor, shared.wall.seconds),
        )
        self.answers = GatewayAnswers(self)
        shared.drains.use(generation.pools)
        self._happenings = Happenings(
            *(shared.reactor, shared.wall.seconds, lambda: shared.events), self.reloads, self.answers.configuration
        )
        if shared.place.is_alone:
            shared.drains.changed = shared.events.drained
        self._drains_without_limit = False
        self._leaves_sockets = False
        self.followed = FollowedFiles(shared.reactor, self._followed_files, self.reloads.reload_files)
        self._grown_buffers = GrownBuffers(shared.reactor)
        self.stops = False
        """Whether it has been asked to stop."""
        # In this order they start.
        stages = (shared.wall, shared.access_log, shared.revocation, shared.staples, generation.prober)
        for child in (*stages, *listeners.values()):
            child.setServiceParent(self)
        self.followed.setServiceParent(self)
        self._grown_buffers.setServiceParent(self)
        if shared.place.is_alone:
            self._happenings.setServiceParent(self)

    def startService(self) -> None:
        """Starts all of it; the store that gateways share is not waited for."""
        super().startService()
        self.shared.knowledge.start()

    def drain_without_limit(self) -> None:
        """Has the next stop wait for the last connection, however long that takes."""
        self._drains_without_limit = True

    def leave_sockets(self) -> None:
        """Has the next stop leave the listening sockets as they are, for the next process that serves them."""
        self._leaves_sockets = True

    @property
    def events(self) -> Events:
        """What happens in this process."""
        return self.shared.events

    @property
    def drain_limit(self) -> float | None:
        """Seconds that a stop takes at most; None: there is no limit."""
        return None if self._drains_without_limit else self.generation.plan.gateway.drain_timeout

    @property
    def listeners(self) -> list[ListeningSocket]:
        """One for each port in force."""
        return list(self.sockets.values())

    @property
    def connections(self) -> int:
        """How many connections of clients there are."""
        return self.generation.connections + self.retired.connections

    def reload(self) -> Deferred[ReloadOutcome]:
        """Takes the configuration as its files have it now, or nothing of it."""
        return self.reloads.reload()

    def reopen(self) -> None:
        """Lines of the access log from now on go to the file that has its path now."""
        self.shared.access_log.reopen()

    def status(self) -> GatewayStatus:
        """The gateway at this moment; its phase is known to what starts and stops it."""
        reloads = self.reloads
        return GatewayStatus(
            generation=reloads.generation,
            fingerprint=reloads.in_force.plan.fingerprint,
            connections=self.connections,
            listeners=tuple(
                ListenerStatus(address=address, port=port, connections=listener.port.clients)
                for (address, port), listener in self.sockets.items()
            ),
            last_reload=reloads.last,
        )

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[AnswerMembers]:
        """The answer of this process to a question of the control API.

        Fails with `QuestionError` where the arguments do not do.
        """
        return self.answers.ask(question, arguments)

    def measurements(self) -> Measurements:
        """The metrics of this process now."""
        return self.answers.measurements()

    def prepare(self, loaded: Loaded, sockets: Mapping[Address, socket.socket] | None = None) -> Deferred[Prepared]:
        """As `reload.ReloadTarget` says; `sockets` are those of new addresses, where they are bound already."""
        return Deferred.fromCoroutine(Replacement(self, loaded.plan, sockets or {}).prepared())

    def _followed_files(self) -> Mapping[str, SourceFile]:
        """Those that this process follows; a worker follows none, its parent does."""
        return self.reloads.followed if self.shared.place.is_alone else NO_FILES.named

    def stopService(self) -> Deferred[None]:
        """Drains: no new connections, exchanges in progress finish, the log is flushed last; fires when all is done."""
        self.running = 0
        self.followed.stopService()
        self._grown_buffers.stopService()
        self._happenings.stopService()
        self.stops = True
        self.reloads.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        shared, generation = self.shared, self.generation
        seconds = shared.reactor.seconds
        drain_timeout = generation.plan.gateway.drain_timeout
        end = seconds() + drain_timeout
        if self._leaves_sockets:
            for listener in self.listeners:
                listener.leave()
        await gatherResults([*(each.stopService() for each in self.listeners), self.retired.all_closed()])
        generation.drain()
        self.retired.drain()
        generation.prober.stopService()
        if self._drains_without_limit:
            await self._when_empty()
            end = seconds() + drain_timeout
        else:
            await self._all_gone(drain_timeout * (1 - LOG_SHARE))
        generation.close()
        shared.resolver.stop()
        shared.wall.stopService()
        shared.staples.stopService()
        shared.events.stop()
        left = max((end - seconds()) / 2, 0.1)
        await self._in_time(shared.revocation.stopService(), left, "OCSP responses could not be stored in time")
        shared.cold_client.stop()
        await shared.knowledge.stop()
        left = max(end - seconds(), 0.1)
        await self._in_time(shared.access_log.stopService(), left, "the access log could not be written in time")

    async def _all_gone(self, seconds: float) -> None:
        """Waits for the last connection; those that are still there when the time is over are aborted."""
        late = f"drain_timeout is over for the last {self.connections} connections"
        if not await self._in_time(Deferred.fromCoroutine(self._when_empty()), seconds, late):
            self.generation.abort()
            self.retired.abort()
            await self._when_empty()

    async def _when_empty(self) -> None:
        await self.generation.when_empty()
        await self.retired.when_empty()

    async def _in_time(self, waiting: Deferred[Any], seconds: float, otherwise: str) -> bool:
        try:
            await waiting.addTimeout(seconds, self.shared.reactor)
        except (TimeoutError, CancelledError):
            self.log.warn("{message}", message=otherwise)
            return False
        return True


def build(
    plan: Plan,
    reactor: PosixReactorBase,
    sockets: Mapping[Address, socket.socket],
    *,
    seconds: Callable[[], float] = system_time,
    source: ConfigurationSource = NO_SOURCE,
    files: Files = NO_FILES,
    descriptors: int | None = None,
    binding: Binding = OWN_SOCKETS,
    place: WorkerPlace = ALONE,
    contexts: Mapping[Address, PortContexts] | None = None,
) -> GatewayService:
    """The gateway's tree of services, to be started.

    Args:
        plan: of a valid configuration.
        reactor: everything runs on it.
        sockets: a bound one for each of `plan.addresses`.
        seconds: as `Shared.make` has it.
        source: gives the configurations of reloads.
        files: what the plan was read from.
        descriptors: how many this process may have; None: enough.
        binding: gives the sockets of addresses that a reload adds.
        place: of this process among those of its gateway.
        contexts: those of the ports with TLS, where they are made already.

    Raises:
        OSError: the access log cannot be opened, or the state directory not made.
        AgwError: OpenSSL does not take a certificate.
    """
    found = None if descriptors is None else budget_of(plan, descriptors)
    room = None if found is None else found.room
    shared = Shared.make(plan, reactor, seconds=seconds, room=room, place=place)
    if found is not None:
        shared.places.change(found.streams)
    generation = Generation.make(plan, shared, contexts=contexts)
    listeners = {
        address: ListeningSocket(reactor, sockets[address], port, shared.limits)
        for address, port in generation.ports.items()
    }
    return GatewayService(
        shared, generation, listeners, source=source, files=files, descriptors=descriptors, binding=binding
    )
