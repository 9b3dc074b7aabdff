"""Starts and stops the gateway, in stages: what is shared, one generation, and the sockets that lead to its ports."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, gatherResults
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.generation import Generation
from agwtwisted.listening.listener import ListeningSocket
from agwtwisted.shared import Shared
from agwtwisted.transport.clocks import system_time

LOG_SHARE = 0.1
"""The part of `drain_timeout` that is left for the access log."""


class GatewayService(MultiService):
    """The whole gateway. Stops in stages: listeners, probes, exchanges, backend connections, revocation, access log.

    Args:
        shared: whose clocks and access log are started first and stopped last.
        generation: the configuration in force. Its first probes go out before the first request comes.
        listeners: one for each of its ports.
    """

    log = Logger()

    def __init__(self, shared: Shared, generation: Generation, listeners: list[ListeningSocket]) -> None:
        super().__init__()
        self.setName("agwgateway")
        self.shared = shared
        self.generation = generation
        self.listeners = listeners
        self._drains_without_limit = False
        # In this order they start.
        for child in (shared.wall, shared.access_log, shared.revocation, generation.prober, *listeners):
            child.setServiceParent(self)

    def drain_without_limit(self) -> None:
        """Has the next stop wait for the last connection, however long that takes."""
        self._drains_without_limit = True

    @property
    def drain_limit(self) -> float | None:
        """Seconds that a stop takes at most; None: there is no limit."""
        return None if self._drains_without_limit else self.generation.plan.gateway.drain_timeout

    def stopService(self) -> Deferred[None]:
        """Drains: no new connections, exchanges in progress finish, the log is flushed last; fires when all is done."""
        self.running = 0
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        shared, generation = self.shared, self.generation
        seconds = shared.reactor.seconds
        drain_timeout = generation.plan.gateway.drain_timeout
        end = seconds() + drain_timeout
        await gatherResults([listener.stopService() for listener in self.listeners])
        generation.drain()
        generation.prober.stopService()
        if self._drains_without_limit:
            await generation.when_empty()
            end = seconds() + drain_timeout
        else:
            await self._all_gone(generation, drain_timeout * (1 - LOG_SHARE))
        generation.close()
        shared.resolver.stop()
        shared.wall.stopService()
        left = max((end - seconds()) / 2, 0.1)
        await self._in_time(shared.revocation.stopService(), left, "OCSP responses could not be stored in time")
        left = max(end - seconds(), 0.1)
        await self._in_time(shared.access_log.stopService(), left, "the access log could not be written in time")

    async def _all_gone(self, generation: Generation, seconds: float) -> None:
        """Waits for the last connection; those that are still there when the time is over are aborted."""
        late = f"drain_timeout is over for the last {generation.connections} connections"
        if not await self._in_time(Deferred.fromCoroutine(generation.when_empty()), seconds, late):
            generation.abort()
            await generation.when_empty()

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
    room: int | None = None,
) -> GatewayService:
    """The gateway's tree of services, to be started.

    Args:
        plan: of a valid configuration.
        reactor: everything runs on it.
        sockets: a bound one for each of `plan.addresses`.
        seconds: as `Shared.make` has it.
        room: the same.

    Raises:
        OSError: the access log cannot be opened, or the state directory not made.
        AgwError: OpenSSL does not take a certificate.
    """
    shared = Shared.make(plan, reactor, seconds=seconds, room=room)
    generation = Generation.make(plan, shared)
    listeners = [
        ListeningSocket(reactor, sockets[address], port, shared.limits) for address, port in generation.ports.items()
    ]
    return GatewayService(shared, generation, listeners)
