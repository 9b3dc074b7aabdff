"""The servers behind HTTP listeners: pools, load balancing within them, and cookie affinity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from secrets import token_bytes
from typing import Final

import attrs
from twisted.internet.posixbase import PosixReactorBase as Reactor

from agwtwisted.backends.connecting import Dialer, Encryption
from agwtwisted.backends.failure_log import ConnectionFailureLog
from agwtwisted.backends.resolver import Resolver, resolver_of
from agwtwisted.backends.server_pools import PolicyPool, ServerKey, ServerPools, least_of
from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.affinity import KEY_BYTES, Affinity, cookie_value
from agwtwisted.core.backends.balancing import Balancer, LeastConnections, Pool, RoundRobin
from agwtwisted.core.backends.weighted_balancing import IpHash, WeightedLeastConnections, WeightedRoundRobin
from agwtwisted.core.plan.server_identity import IdentityRule
from agwtwisted.core.resources.backend_pools import (
    BackendAddressPool,
    LoadDistributionAlgorithm,
    LoadDistributionPolicy,
)
from agwtwisted.core.resources.resources import BackendHttpSettings, Protocol
from agwtwisted.tls.backend_contexts import BackendContexts
from agwtwisted.transport.outbox import NO_OUTBOX, Outbox


def _ip_hash() -> IpHash[Server]:
    return IpHash(lambda server: server.name)


_BALANCERS: Final[Mapping[LoadDistributionAlgorithm, Callable[[], Balancer[Server]]]] = {
    LoadDistributionAlgorithm.ROUND_ROBIN: RoundRobin,
    LoadDistributionAlgorithm.LEAST_CONNECTIONS: LeastConnections,
    LoadDistributionAlgorithm.IP_HASH: _ip_hash,
}
_WEIGHTED_BALANCERS: Final[Mapping[LoadDistributionAlgorithm, Callable[[], Balancer[Server]]]] = {
    LoadDistributionAlgorithm.ROUND_ROBIN: WeightedRoundRobin,
    LoadDistributionAlgorithm.LEAST_CONNECTIONS: WeightedLeastConnections,
    LoadDistributionAlgorithm.IP_HASH: _ip_hash,
}


class IdleReserve:
    """Connections that no exchange uses: what can be done without where descriptors are short.

    It outlives a configuration, as servers do that make room by it.
    """

    def __init__(self) -> None:
        self.servers: Iterable[Server] = ()  # those of the configuration in force

    def close(self) -> None:
        """Closes them."""
        for server in self.servers:
            server.close_idle()


class Backends:
    """The servers behind the gateway, shared by all rules that name them.

    A server is one for each backend settings under which it is spoken to, as at the product: so are its connections
    and its health.

    Args:
        reactor: connects.
        resolver: resolves the names of servers; None: as the reactor does it.
        affinity_key: of the cookies that stand for servers; without one, none outlives these Backends.
        outbox: of the reactor, if its turns end with sending.
        previous: those of the configuration in force. Where servers are the same, these are taken; nothing of it
            changes before `take_over`.
    """

    def __init__(
        self,
        reactor: Reactor,
        resolver: Resolver | None = None,
        *,
        affinity_key: bytes = b"",
        outbox: Outbox = NO_OUTBOX,
        previous: Backends | None = None,
    ) -> None:
        self._resolver = resolver or resolver_of(reactor)
        self._affinity_key = affinity_key or token_bytes(KEY_BYTES)
        self._contexts: BackendContexts = BackendContexts(None if previous is None else previous._contexts)
        self._failures: ConnectionFailureLog = (
            ConnectionFailureLog(reactor.seconds) if previous is None else previous._failures
        )
        self._reserve: IdleReserve = IdleReserve() if previous is None else previous._reserve
        maker = self._maker = _ServerMaker(
            reactor=reactor,
            resolver=self._resolver,
            affinity_key=self._affinity_key,
            contexts=self._contexts,
            failures=self._failures,
            make_room=self._reserve.close,
            outbox=outbox,
        )
        self._servers: ServerPools[Server, BackendHttpSettings] = ServerPools(
            *(maker.new_server, maker.new_pool), None if previous is None else previous._servers, maker.is_current
        )
        if previous is None:
            self._reserve.servers = self._servers

    def pool(self, pool: BackendAddressPool, settings: BackendHttpSettings) -> Pool[Server]:
        """The servers of a pool under these settings."""
        return self._servers.pool(pool, settings)

    def policy(self, policy: LoadDistributionPolicy, settings: BackendHttpSettings) -> PolicyPool[Server]:
        """The servers of all pools of a policy under these settings."""
        return self._servers.policy(policy, settings, self._maker.new_policy_pool)

    def server_to_probe(self, host: str, port: int, settings: BackendHttpSettings) -> Server:
        """A way to a server as requests have it under these settings, but apart from them."""
        return self._maker.new_server(host, port, settings)

    def items(self) -> Iterable[tuple[ServerKey, Server]]:
        """Every server of a pool, with what it is known by."""
        return self._servers.items()

    def placed(self) -> Iterable[tuple[tuple[str, str], Pool[Server]]]:
        """Every pool, by its name and that of the settings."""
        return self._servers.placed()

    def prepare(self, settings: BackendHttpSettings) -> None:
        """Makes now what settings need, rather than with their first request.

        Raises:
            ClientCertificateError: their own certificate is none that can be shown to servers.
        """
        if settings.protocol is Protocol.HTTPS:
            self._contexts.of(settings)

    def take_over(self, previous: Backends) -> None:
        """Takes the place of those of the configuration before, as `ServerPools.take_over` says."""
        self._contexts.settle()
        self._reserve.servers = self._servers
        self._servers.take_over(previous._servers)

    def close_idle(self) -> None:
        """Closes the connections that no exchange uses, and leaves no timer behind, at the end."""
        for server in self._servers:
            server.close_idle()
            server.stop()


@attrs.frozen(kw_only=True, eq=False)
class _ServerMaker:
    """What servers and pools are made with: apart from `Backends`, which are free at once when others take over."""

    reactor: Reactor
    resolver: Resolver
    affinity_key: bytes
    contexts: BackendContexts
    failures: ConnectionFailureLog
    make_room: Callable[[], None]
    outbox: Outbox

    def is_current(self, server: Server, settings: BackendHttpSettings) -> bool:
        """Whether a server is spoken to as the settings say today."""
        return settings.protocol is not Protocol.HTTPS or server.trusts(self.contexts.of(settings))

    def new_pool(self, servers: tuple[Server, ...], settings: BackendHttpSettings) -> Pool[Server]:
        """A pool of these servers, under the settings."""
        balancer = _BALANCERS[settings.load_distribution_algorithm]()
        return Pool(servers, balancer, self._affinity(servers, settings), least=least_of(settings))

    def new_policy_pool(
        self, weights: Mapping[Server, int], policy: LoadDistributionPolicy, settings: BackendHttpSettings
    ) -> Pool[Server]:
        """A pool of the servers of a policy, under the settings; equal weights cost nothing."""
        balancers = _BALANCERS if len({*weights.values()}) < 2 else _WEIGHTED_BALANCERS
        servers = tuple(weights)
        balancer = balancers[policy.load_distribution_algorithm]()
        return Pool(servers, balancer, self._affinity(servers, settings), weights, least_of(settings))

    def new_server(self, host: str, port: int, settings: BackendHttpSettings) -> Server:
        """A server under the settings."""
        encryption = None
        if settings.protocol is Protocol.HTTPS:
            encryption = Encryption(tls=self.contexts.of(settings), rule=IdentityRule.of(settings, host))
        dialer = Dialer(
            *(self.reactor, host, port, self.resolver, encryption),
            outbox=self.outbox,
            make_room=self.make_room,
        )
        drain_timeout = settings.connection_draining_timeout
        return Server(self.reactor, host, port, dialer, self.failures, drain_timeout=drain_timeout)

    def _affinity(self, servers: Sequence[Server], settings: BackendHttpSettings) -> Affinity[Server] | None:
        if not settings.cookie_based_affinity:
            return None
        key = self.affinity_key
        values = {server: cookie_value(key, settings.name, server.host, str(server.port)) for server in servers}
        return Affinity(settings.affinity_cookie_name, values)
