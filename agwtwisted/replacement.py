"""The commit of a reload in one process: another generation takes the place of the one in force.

Everything that can fail is done before: TLS contexts are made (in a thread), new addresses are bound, and all that is
made of the plan. Then assignments follow in one turn of the reactor: a listening socket gets the port of the same
address, so that no connection is refused at any moment; what lives on the old ports is taken over by the new ones.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from agwtwisted.core.listening.stream_places import ENOUGH_PLACES
from agwtwisted.core.operations.staples_in_force import staple_subjects
from agwtwisted.core.plan.descriptors import budget_of, too_few
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.generation import Generation, attempted
from agwtwisted.listening.activation import Binding
from agwtwisted.listening.listener import ListeningSocket
from agwtwisted.listening.retired import RetiredPorts
from agwtwisted.loading import placed
from agwtwisted.operations.log_writer import LogFile, log_file
from agwtwisted.revocation.crl_files import ReadCrlFiles
from agwtwisted.revocation.ocsp_store import OpenedStore
from agwtwisted.shared import Shared
from agwtwisted.tls.plan_contexts import make_contexts
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.threads import in_thread

_log = Logger()


class RunningService(Protocol):
    """The service of a gateway, whose generation is replaced. It is the parent of what runs, as Twisted has it."""

    shared: Shared
    generation: Generation
    sockets: dict[Address, ListeningSocket]
    retired: RetiredPorts
    descriptors: int | None
    stops: bool
    binding: Binding


class Replacement:
    """A generation that is to take the place of the one in force, as `reload.Prepared` says.

    Args:
        service: where it does.
        plan: what it is made from.
        sockets: of new addresses, where they are bound already.
    """

    def __init__(self, service: RunningService, plan: Plan, sockets: Mapping[Address, socket.socket]) -> None:
        self.warnings: tuple[str, ...] = ()
        self._service = service
        self._parent: Any = service
        self._plan = plan
        self._sockets = dict(sockets)
        self._room: int | None = None
        self._places: float = ENOUGH_PLACES
        self._log: LogFile | None = None  # the same goes on
        self._store: OpenedStore | None = None
        self._crl_files: ReadCrlFiles | None = None
        self._generation = service.generation  # until there is the next one

    async def prepared(self) -> Replacement:
        """Itself, once all is made; raises `ConfigError`, and has nothing left behind then.

        What may wait for a disk or takes long is done in a thread.
        """
        try:
            with placed(self._plan):
                await self._service.retired.all_closed()  # an address that went a moment ago may have come back
                self._bind()
                await self._make()
        except BaseException:
            self.cancel()
            raise
        return self

    def _bind(self) -> None:
        self._service.binding.check(self._plan.addresses)
        for address in self._plan.addresses:
            if address not in self._service.sockets and address not in self._sockets:
                self._sockets[address] = self._service.binding.bind(address)

    async def _make(self) -> None:
        service, plan, shared = self._service, self._plan, self._service.shared
        await shared.staples.prepare(staple_subjects(plan))
        made = await in_thread(shared.reactor, self._made, "generation")
        self._generation, self._store, self._crl_files = made
        path = plan.gateway.access_log
        if path != service.generation.plan.gateway.access_log:
            self._log = await in_thread(shared.reactor, partial(log_file, path), "access log file", LogFile.close)
        if service.descriptors is not None:
            found = budget_of(plan, service.descriptors)
            self._room, self._places = found.room, found.streams
            self.warnings = tuple(map(str, too_few(plan, found)))

    def _made(self) -> tuple[Generation, OpenedStore | None, ReadCrlFiles]:
        """In a thread: none of it needs the reactor, or changes anything of the generation in force."""
        shared, previous = self._service.shared, self._service.generation
        contexts = make_contexts(self._plan, shared.variables_of, previous.contexts)
        generation = Generation.make(self._plan, shared, contexts=contexts, previous=previous)
        return generation, shared.opened_store(self._plan), shared.read_crl_files(self._plan)

    def cancel(self) -> None:
        """Closes what was bound; everything stays as it was."""
        for bound in self._sockets.values():
            bound.close()
        if self._log is not None:
            self._log.close()

    def commit(self) -> None:
        """Puts the generation in force. What fails is a defect, and in the log: the rest is done all the same.

        A service that stops has let go of all addresses: it takes no new ones.
        """
        if self._service.stops:
            self.cancel()
            return
        service, following, previous = self._service, self._generation, self._service.generation
        listeners = service.sockets
        service.generation = following
        for address, port in following.ports.items():
            if address in listeners:
                listeners[address].port = port
        attempted(
            partial(service.shared.use, self._plan, self._store, self._crl_files)
        )  # clients are judged again by it
        following.take_over(previous)
        attempted(partial(service.shared.drains.use, following.pools))
        for step in (self._limit, self._watch, self._listen, self._retire, self._write):
            attempted(partial(step, previous))

    def settled(self) -> Deferred[None]:
        """At once: there is no other process."""
        return succeed(None)

    def _limit(self, previous: Generation) -> None:
        shared = self._service.shared
        shared.limits.change(self._plan.gateway, self._room)
        shared.places.change(self._places)
        shared.own_ports.clear()
        shared.own_ports.update(port for _, port in self._plan.addresses)

    def _watch(self, previous: Generation) -> None:
        _disown(previous.prober)
        self._generation.prober.setServiceParent(self._parent)

    def _listen(self, previous: Generation) -> None:
        service = self._service
        reactor, limits = service.shared.reactor, service.shared.limits
        for address, bound in self._sockets.items():
            listener = ListeningSocket(reactor, bound, self._generation.ports[address], limits)
            service.sockets[address] = listener
            attempted(partial(listener.setServiceParent, self._parent))

    def _retire(self, previous: Generation) -> None:
        service = self._service
        drain_timeout = self._plan.gateway.drain_timeout
        for address in previous.ports.keys() - self._generation.ports.keys():
            listener = service.sockets.pop(address)
            attempted(partial(service.retired.close, listener, drain_timeout))

    def _write(self, previous: Generation) -> None:
        if self._log is not None:
            self._service.shared.access_log.change(self._log)


def _disown(child: Service) -> None:
    """Stops a service, which is no longer one of the gateway's."""
    stopped = child.disownServiceParent()
    if stopped is not None:
        log_failure(stopped, _log, "stopping a part of the gateway")
