"""The composition root: a configuration and its bound sockets become a tree of services that stops in stages."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from types import FrameType
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, gatherResults
from twisted.logger import Logger

from agwtwisted.backends.affinity_key import load_key
from agwtwisted.backends.health import Prober
from agwtwisted.backends.http_probe import http_watches
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.resolver import Resolver
from agwtwisted.backends.system_resolver import SystemResolver
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.http.messages import HeaderNames
from agwtwisted.core.plan.error_pages import ErrorPages
from agwtwisted.core.plan.plan import Address, Plan, PortPlan
from agwtwisted.core.plan.routing import S
from agwtwisted.core.resources.resources import (
    ClientRevocation,
    HttpListener,
    Listener,
    OddHeaderNames,
)
from agwtwisted.exchange.exchange import HttpExchanges
from agwtwisted.http1.port import HttpPort
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.listener import ListeningSocket, display
from agwtwisted.listening.ports import Port, PortEnvironment
from agwtwisted.operations.access_log import AccessLog
from agwtwisted.relay.backends import RelayBackends
from agwtwisted.relay.port import RelayPort
from agwtwisted.relay.probe import relay_watches
from agwtwisted.revocation.check import check_of
from agwtwisted.revocation.lateness import Lateness
from agwtwisted.revocation.ocsp_client import OcspClient
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.ocsp_store import MemoryStore, ResponseStore, SqliteStore
from agwtwisted.revocation.revocation import Revocation
from agwtwisted.tls.contexts import PortContexts, trusted_variables
from agwtwisted.transport.clocks import WallClock, system_time

_log = Logger()

LOG_SHARE = 0.1
"""The part of `drain_timeout` that is left for the access log."""


def _nothing_more() -> None:
    """Nothing."""


class GatewayService(MultiService):
    """The whole gateway. Stops in stages: listeners, probes, exchanges, backend connections, revocation, access log.

    Args:
        reactor: everything runs on it.
        listeners: one for each port.
        backends: whose idle connections are closed at the end.
        access_log: started first and stopped last.
        revocation: started before any listener, and asked until the last connection is gone.
        prober: started before any listener, so that the first probes go out before the first request comes.
        drain_timeout: seconds that the stop may take in all.
        wall: watched from the start to the end.
        last: is called once the last connection of a client is gone.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        listeners: list[ListeningSocket],
        backends: Backends,
        access_log: AccessLog,
        revocation: Revocation,
        prober: Prober,
        drain_timeout: float,
        *,
        wall: WallClock,
        last: Callable[[], None] = _nothing_more,
    ) -> None:
        super().__init__()
        self.setName("agwgateway")
        self.listeners = listeners
        self.access_log = access_log
        self.revocation = revocation
        self.prober = prober
        self._reactor = reactor
        self._backends = backends
        self._drain_timeout = drain_timeout
        self._last = last
        self._wall = wall
        for child in [wall, access_log, revocation, prober, *listeners]:  # in this order they start
            child.setServiceParent(self)

    def stopService(self) -> Deferred[None]:
        """Drains: no new connections, exchanges under way finish, the log is flushed last; fires when all is done."""
        self.running = 0
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        began = self._reactor.seconds()
        await gatherResults([listener.stopService() for listener in self.listeners])
        for listener in self.listeners:
            listener.port.drain()
        self.prober.stopService()
        await self._all_gone(self._drain_timeout * (1 - LOG_SHARE))
        self._backends.close_idle()
        self._last()
        self._wall.stopService()
        end = began + self._drain_timeout
        left = max((end - self._reactor.seconds()) / 2, 0.1)
        await self._in_time(self.revocation.stopService(), left, "OCSP responses could not be stored in time")
        left = max(end - self._reactor.seconds(), 0.1)
        await self._in_time(self.access_log.stopService(), left, "the access log could not be written in time")

    async def _all_gone(self, seconds: float) -> None:
        """Waits for the last connection; those that are still there when the time is over are aborted."""
        count = sum(len(listener.port.connections) for listener in self.listeners)
        gone = Deferred.fromCoroutine(self._gone())
        if not await self._in_time(gone, seconds, f"drain_timeout is over for the last of {count} connections"):
            for listener in self.listeners:
                listener.port.abort()
            await self._gone()

    async def _gone(self) -> None:
        # One port after the other: none gets another connection.
        for listener in self.listeners:
            await listener.port.connections.when_empty()

    async def _in_time(self, waiting: Deferred[Any], seconds: float, otherwise: str) -> bool:
        try:
            await waiting.addTimeout(seconds, self._reactor)
        except (TimeoutError, CancelledError):
            self.log.warn("{message}", message=otherwise)
            return False
        return True


def build(
    plan: Plan,
    reactor: Any,
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
        seconds: the time by which validity is judged and that the log shows, since 1970. What waits, waits by the
            reactor's, which need not have anything to do with it.
        room: client connections for which there are descriptors, as `core.plan.descriptors` has it; None: enough.

    Raises:
        OSError: the access log cannot be opened, or the state directory not made.
        AgwError: OpenSSL does not take a certificate.
    """
    config, gateway = plan.config, plan.gateway
    wall = WallClock(reactor, seconds)
    access_log = AccessLog(gateway.access_log, reactor, wall=seconds)
    access_log.open()
    resolver = Resolver(reactor, SystemResolver(reactor).look_up)
    backends, relay_backends = _backends(plan, reactor, resolver)
    # For trace ids and the spread of renewals, which are no secret: no system call for each.
    random = Random(SystemRandom().getrandbits(128))  # noqa: S311
    pages = ErrorPages(config.custom_errors)
    exchanges = HttpExchanges(gateway, backends, reactor, access_log, random, pages, wall=seconds)
    revocation = _revocation(plan, reactor, wall, random)
    limits = Limits(gateway, reactor, room=room)
    variables_of = trusted_variables()
    limiter = LogRateLimiter(reactor.seconds)

    environment = PortEnvironment(
        gateway=gateway,
        limits=limits,
        clock=reactor,
        wall=wall,
        access_log=access_log,
        limiter=limiter,
        check_of=partial(check_of, revocation),
    )

    def contexts(port: PortPlan[S]) -> PortContexts | None:
        if not port.encrypted:
            return None
        return PortContexts.of(port.sites, max_depth=gateway.max_client_chain_depth, variables_of=variables_of)

    ports: dict[Address, Port[Any]] = {}
    for address, http_port in plan.http_ports.items():
        header_names = HeaderNames(
            plan.identifying_headers,
            reject_odd=gateway.header_names is OddHeaderNames.REJECT,
            tell_dropped=partial(_warn_of_dropped, display(*address)),
        )
        ports[address] = HttpPort(http_port, contexts(http_port), environment, exchanges=exchanges, names=header_names)
    for address, relay_port in plan.relay_ports.items():
        ports[address] = RelayPort(relay_port, contexts(relay_port), environment, backends=relay_backends)
    listeners = [ListeningSocket(reactor, sockets[address], port, limits) for address, port in ports.items()]
    relay_routes = ((rule.backend_address_pool, rule.backend_settings) for rule in config.routing_rules)
    watches = [*http_watches(reactor, backends, plan.routes), *relay_watches(reactor, relay_backends, relay_routes)]
    prober = Prober(watches, random)
    return GatewayService(
        *(reactor, listeners, backends, access_log, revocation, prober, gateway.drain_timeout),
        wall=wall,
        last=relay_backends.stop,
    )


def _affinity_key(plan: Plan) -> bytes:
    """The key of the affinity cookies; empty where none outlives the process, or none is set at all."""
    directory = plan.gateway.state_directory
    is_used = any(settings.cookie_based_affinity for _, settings in plan.routes)
    return load_key(Path(directory)) if directory is not None and is_used else b""


def _backends(plan: Plan, reactor: Any, resolver: Resolver) -> tuple[Backends, RelayBackends]:
    """Those of HTTP and those of L4, with what the settings of each need."""
    backends = Backends(reactor, resolver, affinity_key=_affinity_key(plan))
    relay_backends = RelayBackends(reactor, resolver)
    for _, settings in plan.routes:
        backends.prepare(settings)
    for relay_rule in plan.config.routing_rules:
        relay_backends.prepare(relay_rule.backend_settings)
    return backends, relay_backends


def _revocation(plan: Plan, reactor: Any, wall: WallClock, random: Random) -> Revocation:
    config, gateway = plan.config, plan.gateway
    store: ResponseStore = MemoryStore()
    every: tuple[HttpListener | Listener, ...] = (*config.http_listeners, *config.listeners)
    if gateway.state_directory is not None and any(map(_asks_responders, every)):
        store = SqliteStore(Path(gateway.state_directory), wall.seconds, reactor.callFromThread)
    own_ports = frozenset(listener.port for listener in every)
    client = OcspClient(reactor, own_ports=own_ports, lateness=Lateness(reactor))
    source = OcspSource(client, wall.seconds, reactor.seconds)
    return Revocation(reactor, wall, source, store, random)


def _asks_responders(listener: HttpListener | Listener) -> bool:
    profile = listener.ssl_profile
    return profile is not None and profile.verify_client_revocation is ClientRevocation.OCSP


def _warn_of_dropped(address: str, name: bytes, count: int) -> None:
    """Says that a request header does not reach the backends, which its sender may not know."""
    _log.warn(
        "{address}: request header {name!r} dropped ({count} times so far): a name may hold A-Z, a-z, 0-9, -",
        address=address,
        name=name,
        count=count,
    )


def reopen_on_signal(reactor: Any, reopen: Callable[[], None]) -> None:
    """Has SIGUSR1 reopen the access log, beside what it does already (twistd may rotate its own log by it)."""
    earlier = signal.getsignal(signal.SIGUSR1)

    def reopen_log(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(reopen)
        if callable(earlier):
            earlier(number, frame)

    signal.signal(signal.SIGUSR1, reopen_log)


def stop_on_hangup(reactor: Any) -> None:
    """Has SIGHUP end the gateway as SIGTERM does: by the system's own way it would be gone at once.

    One that is ignored, since the program was started by nohup, stays so.
    """
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: reactor.callFromThread(_stop, reactor))


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()


def end_at_once_on_signal() -> None:
    """Gives SIGTERM and SIGINT back to the system: a second one ends the draining process without a word."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
