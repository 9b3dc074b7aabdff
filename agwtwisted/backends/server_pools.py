"""Servers and the pools of them, each made once: what backends of HTTP and of L4 have in common.

A server is one for each content of the settings under which it is spoken to. So what is known of a server, and the
connections to it, belong to what the settings say and not to their name alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.plan.fingerprints import Fingerprints
from agwtwisted.core.resources.resources import BackendAddressPool, BackendHttpSettings, BackendSettings

T = TypeVar("T", bound=Target)
B = TypeVar("B", BackendHttpSettings, BackendSettings)


class ServerPools(Generic[T, B]):
    """The servers and pools of one configuration, in which each name of a pool or of settings means one.

    Args:
        new_server: makes a server of a host, a port and the settings.
        new_pool: makes a pool of servers, under the settings.
    """

    def __init__(self, new_server: Callable[[str, int, B], T], new_pool: Callable[[tuple[T, ...], B], Pool[T]]) -> None:
        self._new_server: Callable[[str, int, B], T] = new_server
        self._new_pool: Callable[[tuple[T, ...], B], Pool[T]] = new_pool
        self._fingerprints = Fingerprints()
        self._servers: dict[tuple[str, str, int], T] = {}  # by the fingerprint of the settings, host and port
        self._pools: dict[tuple[str, str], Pool[T]] = {}

    def __iter__(self) -> Iterator[T]:
        """Every server that was made."""
        return iter(self._servers.values())

    def pool(self, pool: BackendAddressPool, settings: B) -> Pool[T]:
        """The servers of a pool under these settings."""
        found = self._pools.get((pool.name, settings.name))
        if found is None:
            found = self._pools[pool.name, settings.name] = self._made(pool, settings)
        return found

    def server(self, host: str, port: int, settings: B) -> T:
        """A server under these settings."""
        key = (self._fingerprints.of(settings), host, port)
        server = self._servers.get(key)
        if server is None:
            server = self._servers[key] = self._new_server(host, port, settings)
        return server

    def _made(self, pool: BackendAddressPool, settings: B) -> Pool[T]:
        addresses = [(each.host, each.port or settings.port) for each in pool.backend_addresses]
        servers = tuple(dict.fromkeys(self.server(*address, settings) for address in addresses))
        made = self._new_pool(servers, settings)
        for server in servers:
            server.subscribe(made.changed)
        return made
