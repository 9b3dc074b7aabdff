"""Servers and pools that are made once."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.server_pools import ServerPools
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.balancing import Pool, RoundRobin
from agwtwisted.core.backends.health import Health
from agwtwisted.core.resources.resources import BackendAddress, BackendAddressPool, BackendHttpSettings, Probe
from tests.identities import admitted

SETTINGS = BackendHttpSettings(name="s", port=80)


class Server(Target):
    """One that remembers what it was made of."""

    def __init__(self, host: str, port: int, settings: BackendHttpSettings) -> None:
        super().__init__(Clock(), 30.0)
        self.made_of = (host, port, settings)


def named(name: str, *hosts: str) -> BackendAddressPool:
    """A pool of servers on these hosts, which may have a port."""
    addresses = (each.partition(":") for each in hosts)
    servers = tuple(BackendAddress(host=host, port=int(port) if port else None) for host, _, port in addresses)
    return BackendAddressPool(name=name, backend_addresses=servers)


class ServerPoolsTests(SynchronousTestCase):
    """Each server once, each pool once."""

    def setUp(self) -> None:
        self.pools: ServerPools[Server, BackendHttpSettings] = ServerPools(
            Server, lambda servers, _: Pool(servers, RoundRobin())
        )

    def test_made_once(self) -> None:
        """A server that several addresses or pools name is one, a pool is made with its first use."""
        first = self.pools.pool(named("p", "a", "b", "a:80"), SETTINGS)
        self.assertEqual([server.made_of for server in first.servers], [("a", 80, SETTINGS), ("b", 80, SETTINGS)])
        self.assertIs(self.pools.pool(named("p", "a", "b"), SETTINGS), first)
        self.assertIs(self.pools.pool(named("q", "b"), SETTINGS).servers[0], first.servers[1])
        self.assertEqual([*self.pools], [*first.servers])

    def test_by_content(self) -> None:
        """Settings of one name and another content have servers of their own; equal ones have the same."""
        server = self.pools.server("a", 80, SETTINGS)
        self.assertIs(self.pools.server("a", 80, attrs.evolve(SETTINGS)), server)
        for other in (
            attrs.evolve(SETTINGS, request_timeout=7.0),
            attrs.evolve(SETTINGS, name="t"),
            attrs.evolve(SETTINGS, probe=Probe(name="p")),
        ):
            self.assertIsNot(self.pools.server("a", 80, other), server)
        self.assertIsNot(self.pools.server("a", 81, SETTINGS), server)
        self.assertEqual(len([*self.pools]), 5)

    def test_health(self) -> None:
        """What is found out about a server is news to every pool that it is in."""
        pools = [self.pools.pool(named(name, "a", "b"), SETTINGS) for name in ("p", "q")]
        down, other = pools[0].servers
        self.assertEqual([[*pool.order(admitted())] for pool in pools], [[down, other], [down, other]])
        down.found(Health().failed(0, 1))
        self.assertEqual([[*pool.order(admitted())] for pool in pools], [[other], [other]])
