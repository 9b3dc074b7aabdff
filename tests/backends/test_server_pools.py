"""Servers and pools that are made once."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.server_pools import ServerPools, least_of
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.balancing import Pool, RoundRobin
from agwtwisted.core.backends.health import Health
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.resources import BackendHttpSettings, Probe
from tests.identities import admitted

SETTINGS = BackendHttpSettings(name="s", port=80)


class Server(Target):
    """One that remembers what it was made of."""

    def __init__(self, host: str, port: int, settings: BackendHttpSettings) -> None:
        super().__init__(Clock(), 30.0)
        self.made_of = (host, port, settings)
        self.outdated = False
        self.retired: list[bool] = []

    def retire(self, *, drain: bool) -> None:
        """Notes it."""
        self.retired.append(drain)


def named(name: str, *hosts: str) -> BackendAddressPool:
    """A pool of servers on these hosts, which may have a port."""
    addresses = (each.partition(":") for each in hosts)
    servers = tuple(BackendAddress(host=host, port=int(port) if port else None) for host, _, port in addresses)
    return BackendAddressPool(name=name, backend_addresses=servers)


class ServerPoolsTests(SynchronousTestCase):
    """Each server once, each pool once."""

    def setUp(self) -> None:
        self.pools: ServerPools[Server, BackendHttpSettings] = ServerPools(Server, self.new_pool)

    def new_pool(self, servers: tuple[Server, ...], settings: BackendHttpSettings) -> Pool[Server]:
        """A pool of these."""
        return Pool(servers, RoundRobin(), least=least_of(settings))

    def following(self) -> ServerPools[Server, BackendHttpSettings]:
        """Those of the next configuration."""
        return ServerPools(Server, self.new_pool, self.pools, self.is_current)

    def is_current(self, server: Server, settings: BackendHttpSettings) -> bool:
        """Whether a server may be kept."""
        return not server.outdated

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
            attrs.evolve(SETTINGS, host_name="other.example"),
            attrs.evolve(SETTINGS, name="t"),
            attrs.evolve(SETTINGS, connection_draining_timeout=1.0),
        ):
            self.assertIsNot(self.pools.server("a", 80, other), server)
        self.assertIsNot(self.pools.server("a", 81, SETTINGS), server)
        self.assertEqual(len([*self.pools]), 5)

    def test_other_content(self) -> None:
        """What settings say about requests, pools and probes makes no other server."""
        server = self.pools.server("a", 80, SETTINGS)
        for other in (attrs.evolve(SETTINGS, request_timeout=7.0), attrs.evolve(SETTINGS, probe=Probe(name="p"))):
            self.assertIs(self.pools.server("a", 80, other), server)

    def test_keys(self) -> None:
        """What a server is known by is the same in every process."""
        for pools in (self.pools, self.following()):
            pools.server("a", 80, SETTINGS)
        [[key, _]] = self.pools.items()
        self.assertEqual(key[1:], ("a", 80))
        self.assertEqual([*self.following().items()], [])
        other: ServerPools[Server, BackendHttpSettings] = ServerPools(Server, self.new_pool)
        other.server("a", 80, attrs.evolve(SETTINGS))
        self.assertEqual([key for key, _ in other.items()], [key])

    def test_health(self) -> None:
        """What is found out about a server is news to every pool that it is in."""
        pools = [self.pools.pool(named(name, "a", "b"), SETTINGS) for name in ("p", "q")]
        down, other = pools[0].servers
        self.assertEqual([[*pool.order(admitted())] for pool in pools], [[down, other], [down, other]])
        down.found(Health().failed(0, 1))
        self.assertEqual([[*pool.order(admitted())] for pool in pools], [[other], [other]])

    # -- the next configuration

    def order(self, pool: Pool[Server]) -> list[tuple[str, int]]:
        """Whom a request would be asked of."""
        return [server.made_of[:2] for server in pool.order(admitted())]

    def test_thrown_away(self) -> None:
        """As long as they have not taken over, nothing of the configuration in force changes."""
        pool = self.pools.pool(named("p", "a", "b"), SETTINGS)
        following = self.following()
        new = following.pool(named("p", "b", "c"), SETTINGS)
        self.assertIs(new.servers[0], pool.servers[1])
        self.assertEqual([len(server._subscribers) for server in (*pool.servers, *new.servers)], [1, 1, 1, 0])
        self.assertEqual([*self.pools], [*pool.servers])
        self.assertEqual([server.retired for server in pool.servers], [[], []])

    def test_taken_over(self) -> None:
        """Servers that are the same go on; the others are retired, and drained where nothing leads to them any more."""
        self.pools.pool(named("p", "a", "b", "c"), SETTINGS)
        a, b, c = self.pools
        following = self.following()
        new = following.pool(named("p", "a", "d"), SETTINGS)
        other = following.pool(named("q", "b"), attrs.evolve(SETTINGS, host_name="other.example"))
        following.take_over(self.pools)
        self.assertIs(new.servers[0], a)
        self.assertIsNot(other.servers[0], b)
        self.assertEqual([each.retired for each in (a, b, c)], [[], [False], [True]])
        self.assertEqual([*self.pools], [b, c])
        self.assertIsNot(following.server("c", 80, SETTINGS), c)

    def test_notified(self) -> None:
        """From then on the new pools are notified, and the old ones are not: nothing leads back to them."""
        old = self.pools.pool(named("p", "a", "b"), SETTINGS)
        following = self.following()
        new = following.pool(named("p", "a", "b"), SETTINGS)
        following.take_over(self.pools)
        self.assertEqual([*map(self.order, (old, new))], [[("a", 80), ("b", 80)]] * 2)
        down = new.servers[1]
        self.assertEqual(down._subscribers, [new.changed])
        down.found(Health().failed(0, 1))
        self.assertEqual([*map(self.order, (old, new))], [[("a", 80)], [("a", 80)]])

    def test_turns(self) -> None:
        """A pool of the same settings goes on with its turns; under other settings it begins anew."""
        for settings, first in ((SETTINGS, "b"), (attrs.evolve(SETTINGS, host_name="other.example"), "a")):
            self.setUp()
            next(self.pools.pool(named("p", "a", "b"), SETTINGS).order(admitted()))
            following = self.following()
            new = following.pool(named("p", "a", "b"), settings)
            following.take_over(self.pools)
            self.assertEqual(next(new.order(admitted())).made_of[0], first)

    def test_again(self) -> None:
        """A third one takes from the second; a server that was away is another one when it comes back."""
        a, b = self.pools.pool(named("p", "a", "b"), SETTINGS).servers
        for hosts in ("a", "ab"):
            following = self.following()
            pool = following.pool(named("p", *hosts), SETTINGS)
            following.take_over(self.pools)
            self.pools = following
        self.assertIs(pool.servers[0], a)
        self.assertIsNot(pool.servers[1], b)

    def test_outdated(self) -> None:
        """A server that is spoken to in another way today is another one, though its settings are the same."""
        [a] = self.pools.pool(named("p", "a"), SETTINGS).servers
        a.outdated = True
        following = self.following()
        self.assertIsNot(following.pool(named("p", "a"), SETTINGS).servers[0], a)
        following.take_over(self.pools)
        self.assertEqual(a.retired, [False])

    def test_made_apart(self) -> None:
        """Where they were made without the previous ones, all servers of these are retired."""
        [a] = self.pools.pool(named("p", "a"), SETTINGS).servers
        apart: ServerPools[Server, BackendHttpSettings] = ServerPools(Server, self.new_pool)
        [other] = apart.pool(named("p", "a"), SETTINGS).servers
        apart.take_over(self.pools)
        self.assertEqual((a.retired, other.retired, len(other._subscribers)), ([False], [], 1))

    def test_least_goes_on(self) -> None:
        """The next configuration says how many count as healthy: those that go on are not drained meanwhile."""
        settings = attrs.evolve(SETTINGS, probe=Probe(min_servers=1))
        [server] = self.pools.pool(named("p", "a"), settings).servers
        server.found(Health().failed(0, 1))
        self.assertTrue(server.kept)
        following = self.following()
        self.assertIs(following.pool(named("p", "a"), settings).servers[0], server)
        following.take_over(self.pools)
        self.assertEqual((server.kept, server.draining), (True, False))
        self.pools = following
        last = self.following()
        last.pool(named("p", "a"), SETTINGS)
        last.take_over(following)
        self.assertEqual((server.kept, server.draining, server._keepers), (False, True, []))
