"""Probing in the parent of workers: the servers of a configuration, and their probes, without a port or a client.

What is found comes to the workers by `backends.shared_health`. A reload prepares the next servers with the workers, and
takes over those that stay the same, with their health and the times of their probes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random, SystemRandom
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.backends.health import Prober
from agwtwisted.backends.http_probe import http_watches
from agwtwisted.backends.operator_drains import OperatorDrains, PlacedPools, pools_in_force
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.resolver import Resolver
from agwtwisted.backends.server_pools import ServerKey
from agwtwisted.backends.shared_health import HealthPublisher
from agwtwisted.backends.system_resolver import SystemResolver
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.plan.plan import Plan
from agwtwisted.interfaces import Siblings
from agwtwisted.operations.events import Events
from agwtwisted.relay.backends import RelayBackends
from agwtwisted.relay.probe import relay_watches


@attrs.frozen(kw_only=True, eq=False)
class ProbedServers:
    """Those of one configuration. Nothing is probed before its prober is started."""

    backends: Backends
    relay_backends: RelayBackends
    prober: Prober

    def items(self) -> Iterator[tuple[ServerKey, Target]]:
        """Every server, with what it is known by."""
        yield from self.backends.items()
        yield from self.relay_backends.items()

    @property
    def pools(self) -> Mapping[str, PlacedPools]:
        """Every pool, by the kind of the settings."""
        return pools_in_force(self.backends, self.relay_backends)

    def take_over(self, previous: ProbedServers) -> None:
        """Goes on with the servers that stay the same, and with their probes."""
        self.backends.take_over(previous.backends)
        self.relay_backends.take_over(previous.relay_backends)
        self.prober.take_over(previous.prober)


class SharedProbes(Service):
    """Probes for all workers.

    Args:
        plan: the configuration in force.
        reactor: connects.
        siblings: the workers.

    Raises:
        AgwError: OpenSSL does not take a certificate.
    """

    def __init__(self, plan: Plan, reactor: PosixReactorBase, siblings: Siblings) -> None:
        self.setName("probes of all workers")
        self._reactor = reactor
        self._resolver = Resolver(reactor, SystemResolver(reactor).look_up)
        self._random = Random(SystemRandom().getrandbits(128))  # noqa: S311 - spreads probes
        self.publisher = HealthPublisher(siblings)
        self._events: Events | None = None
        self.servers = self._made(plan, None)
        self.drains = OperatorDrains(siblings, publishes=True)
        self.drains.use(self.servers.pools)

    def publish_to(self, events: Events) -> None:
        """What happens to servers is an event there from now on."""
        self._events = events
        self.drains.changed = events.drained

    def _moved(self, server: str, before: HealthState, after: HealthState, reason: str) -> None:
        if self._events is not None:
            self._events.moved(server, before, after, reason)

    def startService(self) -> None:
        """Probes, and publishes what is found."""
        super().startService()
        self.servers.prober.startService()
        self.publisher.use(self.servers.items())

    def stopService(self) -> None:
        """Probes no more: the workers keep the last health."""
        super().stopService()
        self.servers.prober.stopService()
        self.publisher.use(())
        self.servers.backends.close_idle()
        self.servers.relay_backends.stop()
        self._resolver.stop()

    def prepare(self, plan: Plan) -> ProbedServers:
        """The servers of another configuration, of which nothing is begun. Raises AgwError."""
        return self._made(plan, self.servers)

    def commit(self, servers: ProbedServers) -> None:
        """These are probed from now on."""
        previous, self.servers = self.servers, servers
        servers.take_over(previous)
        self.drains.use(servers.pools)
        previous.prober.stopService()
        if self.running:
            servers.prober.startService()
            self.publisher.use(servers.items())

    def _made(self, plan: Plan, previous: ProbedServers | None) -> ProbedServers:
        reactor: Any = self._reactor
        backends = Backends(reactor, self._resolver, previous=None if previous is None else previous.backends)
        relay_backends = RelayBackends(
            reactor, self._resolver, previous=None if previous is None else previous.relay_backends
        )
        watches = [
            *http_watches(reactor, backends, plan.routes),
            *relay_watches(reactor, relay_backends, plan.relay_routes),
        ]
        prober = Prober(watches, self._random, self._moved)
        return ProbedServers(backends=backends, relay_backends=relay_backends, prober=prober)
