"""Servers and the pools of them, each made once: what backends of HTTP and of L4 have in common.

A server is one for each content of the settings under which it is spoken to. So what is known of a server, and the
connections to it, belong to what the settings say and not to their name alone, and outlive a configuration where the
next one says the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar

import attrs

from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.plan.fingerprints import Fingerprints
from agwtwisted.core.plan.server_settings import of_server
from agwtwisted.core.resources.backend_pools import BackendAddressPool, LoadDistributionPolicy
from agwtwisted.core.resources.resources import BackendHttpSettings, BackendSettings

T = TypeVar("T", bound=Target)
B = TypeVar("B", BackendHttpSettings, BackendSettings)

ServerKey: TypeAlias = tuple[str, str, int]
"""What a server is known by: the fingerprint of what settings say about servers, its host and its port."""


def least_of(settings: BackendHttpSettings | BackendSettings) -> int:
    """How many servers of each pool count as healthy under these settings, whatever their probes find."""
    return 0 if settings.probe is None else settings.probe.min_servers


@attrs.frozen(eq=False)
class PolicyPool(Generic[T]):
    """The servers of a load distribution policy."""

    pool: Pool[T]  # all of them
    names: Mapping[T, str]  # of the pool that each server counts for
    settings: str  # their fingerprint


NewPolicyPool: TypeAlias = Callable[[Mapping[T, int], LoadDistributionPolicy, B], Pool[T]]
"""Makes the pool of a policy's servers, which come with their weights, under the settings."""


class ServerPools(Generic[T, B]):
    """The servers and pools of one configuration, in which each name of a pool or of settings means one.

    Args:
        new_server: makes a server of a host, a port and the settings.
        new_pool: makes a pool of servers, under the settings.
        previous: those of the configuration in force, whose servers are taken where they are the same. Nothing of them
            changes, and no pool is notified of anything, before `take_over`. None: there are none.
        is_current: whether a server of these is spoken to as the settings say today.
    """

    def __init__(
        self,
        new_server: Callable[[str, int, B], T],
        new_pool: Callable[[tuple[T, ...], B], Pool[T]],
        previous: ServerPools[T, B] | None = None,
        is_current: Callable[[T, B], bool] = lambda _server, _settings: True,
    ) -> None:
        self._new_server: Callable[[str, int, B], T] = new_server
        self._new_pool: Callable[[tuple[T, ...], B], Pool[T]] = new_pool
        self._is_current: Callable[[T, B], bool] = is_current
        self._kept: Mapping[ServerKey, T] = {} if previous is None else previous._servers
        self._in_force = previous is None
        self._fingerprints = Fingerprints()
        self._settings: dict[int, tuple[B, str]] = {}  # by identity; the value is kept, and its identity with it
        self._servers: dict[ServerKey, T] = {}
        self._pools: dict[tuple[str, str], Pool[T]] = {}
        self._settings_of: dict[tuple[str, str], str] = {}  # the fingerprint, by the names of pool and settings
        self._policies: dict[tuple[str, str], PolicyPool[T]] = {}  # by the names of policy and settings

    def __iter__(self) -> Iterator[T]:
        """Every server that was made, or taken."""
        return iter(self._servers.values())

    def items(self) -> Iterable[tuple[ServerKey, T]]:
        """The same, with what each is known by, in this process as in any other."""
        return self._servers.items()

    def placed(self) -> Iterable[tuple[tuple[str, str], Pool[T]]]:
        """Every pool that was made, by the names of pool and settings."""
        return self._pools.items()

    def pool(self, pool: BackendAddressPool, settings: B) -> Pool[T]:
        """The servers of a pool under these settings."""
        found = self._pools.get((pool.name, settings.name))
        if found is None:
            found = self._pools[pool.name, settings.name] = self._made(pool, settings)
            self._settings_of[pool.name, settings.name] = self._fingerprint(settings)
        return found

    def policy(self, policy: LoadDistributionPolicy, settings: B, new_pool: NewPolicyPool[T, B]) -> PolicyPool[T]:
        """The servers of all pools of a policy under these settings: the same as those of its pools.

        One that is in several of these counts for the first one, with the sum of its weights.
        """
        found = self._policies.get((policy.name, settings.name))
        if found is None:
            weights: Counter[T] = Counter()
            pools: dict[T, str] = {}
            for target in policy.targets:
                for server in self.pool(target.backend_address_pool, settings).servers:
                    weights[server] += target.weight_per_server
                    pools.setdefault(server, target.backend_address_pool.name)
            pool = new_pool(dict(weights), policy, settings)
            found = self._policies[policy.name, settings.name] = PolicyPool(pool, pools, self._fingerprint(settings))
            if self._in_force:
                self._subscribe(pool)
        return found

    def server(self, host: str, port: int, settings: B) -> T:
        """A server under these settings."""
        key = (self._fingerprint(settings), host, port)
        server = self._servers.get(key)
        if server is None:
            kept = self._kept.get(key)
            is_same = kept is not None and self._is_current(kept, settings)
            server = kept if kept is not None and is_same else self._new_server(host, port, settings)
            self._servers[key] = server
        return server

    def take_over(self, previous: ServerPools[T, B]) -> None:
        """Takes the place of those of the configuration before: servers and pools that are the same go on.

        Servers that are no more are retired. They are all that the previous ones have from now on, for the requests
        that are under way there.
        """
        self._kept = {}
        previous._withdraw()
        if not self._in_force:
            self._in_force = True
            for pool in self._every_pool():
                self._subscribe(pool)
        for names, pool in self._pools.items():
            if previous._settings_of.get(names) == self._settings_of[names]:
                pool.take_over(previous._pools[names])
        for names, policy in self._policies.items():
            before = previous._policies.get(names)
            if before is not None and before.settings == policy.settings:
                policy.pool.take_over(before.pool)
        previous._servers = {key: each for key, each in previous._servers.items() if self._servers.get(key) is not each}
        addresses = {(host, port) for _, host, port in self._servers}
        for pool in previous._every_pool():
            pool.release()
        for (_, *address), server in previous._servers.items():
            server.retire(drain=tuple(address) not in addresses)

    def _every_pool(self) -> Iterator[Pool[T]]:
        yield from self._pools.values()
        yield from (each.pool for each in self._policies.values())

    def _withdraw(self) -> None:
        """Servers report nothing here any more."""
        for pool in self._every_pool():
            pool.not_notified()
            for server in pool.servers:
                server.unsubscribe(pool.changed)

    def _subscribe(self, pool: Pool[T]) -> None:
        for server in pool.servers:
            server.subscribe(pool.changed)
        pool.changed()

    def _fingerprint(self, settings: B) -> str:
        found = self._settings.get(id(settings))
        if found is None:
            found = self._settings[id(settings)] = settings, self._fingerprints.of(of_server(settings))
        return found[1]

    def _made(self, pool: BackendAddressPool, settings: B) -> Pool[T]:
        addresses = [(each.host, each.port or settings.port) for each in pool.backend_addresses]
        servers = tuple(dict.fromkeys(self.server(*address, settings) for address in addresses))
        made = self._new_pool(servers, settings)
        if self._in_force:
            self._subscribe(made)
        return made
