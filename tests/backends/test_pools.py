"""Pools of servers behind HTTP listeners."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from tempfile import NamedTemporaryFile
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.pools import Backends
from agwtwisted.backends.server_pools import PolicyPool
from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.affinity import cookie_value
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.backends.health import Health, HealthState
from agwtwisted.core.resources.backend_pools import (
    BackendAddressPool,
    LoadDistributionAlgorithm,
    LoadDistributionPolicy,
    LoadDistributionTarget,
)
from agwtwisted.core.resources.resources import BackendHttpSettings, Probe, Protocol
from agwtwisted.core.sections.backend_keys import backend_address
from agwtwisted.tls import system_roots
from tests.identities import admitted
from tests.wires import Network


class BackendsTests(SynchronousTestCase):
    """Pools of servers."""

    def setUp(self) -> None:
        self.network = Network()
        self.backends = Backends(self.network, affinity_key=b"key")  # type: ignore[arg-type]

    def pool(self, *hosts: str, of: str = "p", under: str = "s", **settings: Any) -> Pool[Server]:
        """The pool of this name with servers on these hosts, under the settings of that name."""
        pool = BackendAddressPool(name=of, backend_addresses=tuple(map(backend_address, hosts)))
        return self.backends.pool(pool, BackendHttpSettings(name=under, **settings))

    def test_shared(self) -> None:
        """A server is one for its settings, whichever pool names it, however often; of other settings it is another."""
        first = self.pool("a", "b", "a:80")
        self.assertEqual([server.name for server in first.servers], [b"a:80", b"b:80"])
        self.assertIs(self.pool("a", "b"), first)
        self.assertIs(self.pool("a:80", of="q").servers[0], first.servers[0])
        self.assertIsNot(self.pool("a:80", "b", under="t", port=81).servers[0], first.servers[0])
        self.assertIsNot(self.backends.server_to_probe("b", 80, BackendHttpSettings(name="s")), first.servers[1])

    def test_turns(self) -> None:
        """The servers of a pool take turns, by the algorithm of the settings."""
        for algorithm, expected in zip(LoadDistributionAlgorithm, ("abab", "abbb", "bbbb"), strict=True):
            self.setUp()
            pool = self.pool("a", "b", load_distribution_algorithm=algorithm)
            busy = pool.order(admitted())
            asked = [next(busy).host, *(next(pool.order(admitted())).host for _ in range(3))]
            self.assertEqual("".join(asked), expected)

    def test_health(self) -> None:
        """A server that goes down loses its turn in every pool that it is in."""
        pools = self.pool("a", "b"), self.pool("b", of="q")
        down = pools[1].servers[0]
        self.assertIs(next(pools[1].order(admitted())), down)
        down.found(Health().failed(0, 1))
        self.assertEqual([[server.host for server in pool.order(admitted())] for pool in pools], [["a"], []])
        for server in pools[0].servers:
            server.found(server.health.succeeded(1))
            self.assertIn(server, pools[0].order(admitted()))

    def asked(self, pool: Pool[Server], most: int = 9) -> str:
        """The hosts of the servers whose turn it is, for so many requests, each once."""
        return "".join(sorted({next(pool.order(admitted())).host for _ in range(most)}))

    def test_min_servers(self) -> None:
        """So many servers count as healthy: those that are, else those of which the least bad is known."""
        pool = self.pool("a", "b", "c", probe=Probe(min_servers=2))
        a, b, c = pool.servers
        self.assertEqual(self.asked(pool), "abc")  # none was probed yet
        for server in (a, b, c):
            server.found(server.health.succeeded(1))
        self.assertEqual(self.asked(pool), "abc")
        a.found(a.health.failed(2, 1, refused=True))
        self.assertEqual((self.asked(pool), a.kept), ("bc", False))  # two are healthy
        b.found(b.health.failed(3, 1))
        self.assertEqual((self.asked(pool), b.kept), ("bc", True))  # it answers, at least
        c.found(c.health.failed(4, 1))
        self.assertEqual([server.kept for server in (a, b, c)], [False, True, True])
        self.assertEqual([each.health.state for each in (a, b, c)], [HealthState.DOWN] * 3)
        self.assertEqual(self.asked(pool), "bc")
        self.assertEqual({server.host for server in pool.order(admitted())}, {"b", "c"} | {"a"})  # refusing: tried last
        a.found(a.health.succeeded(5))
        self.assertEqual((self.asked(pool), c.kept, b.kept), ("ab", False, True))
        b.found(b.health.succeeded(6))
        self.assertEqual((self.asked(pool), b.kept), ("ab", False))

    def test_min_servers_at_the_start(self) -> None:
        """Servers that no probe has asked yet are asked, with those that count as healthy."""
        pool = self.pool("a", "b", "c", probe=Probe(min_servers=3))
        pool.servers[0].found(Health().failed(0, 1))
        self.assertEqual(self.asked(pool), "abc")

    def test_min_servers_and_operators(self) -> None:
        """A server that an operator drains does not count as healthy: another one does."""
        pool = self.pool("a", "b", probe=Probe(min_servers=1))
        for server in pool.servers:
            server.found(Health().failed(0, 1))
        self.assertEqual(self.asked(pool), "a")
        pool.servers[0].drain_for_operator(True)
        self.assertEqual(self.asked(pool), "b")
        pool.servers[0].drain_for_operator(False)
        self.assertEqual(self.asked(pool), "a")

    def test_min_servers_of_two_pools(self) -> None:
        """What counts as healthy in one pool does not take turns from healthy servers of another one."""
        probe = Probe(min_servers=1)
        both, one = self.pool("a", "b", probe=probe), self.pool("b", of="q", probe=probe)
        for server in both.servers:
            server.found(server.health.succeeded(1))
        both.servers[1].found(Health().failed(2, 1))
        self.assertEqual((self.asked(both), self.asked(one)), ("a", "b"))

    def test_affinity(self) -> None:
        """Only where the settings say so; the values are those of the key, of one server under one settings."""
        self.assertIsNone(self.pool("a").affinity)
        pool = self.pool("a", "b", under="t", cookie_based_affinity=True, affinity_cookie_name="Own")
        assert pool.affinity
        [(_, line)] = pool.affinity.lines(pool.servers[1], (), secure=False)
        self.assertEqual(line, b"Own=%b; Path=/" % cookie_value(b"key", "t", "b", "80"))
        self.assertEqual([server.host for server in pool.order(admitted(), [(b"Cookie", line)])], ["b", "a"])

    def policy(self, algorithm: LoadDistributionAlgorithm, **pools: tuple[int, str]) -> PolicyPool[Server]:
        """The servers of a policy over pools of these names, each with the weight and the hosts of its servers."""
        targets = tuple(
            LoadDistributionTarget(
                name=name,
                weight_per_server=weight,
                backend_address_pool=BackendAddressPool(
                    name=name, backend_addresses=tuple(map(backend_address, hosts))
                ),
            )
            for name, (weight, hosts) in pools.items()
        )
        policy = LoadDistributionPolicy(name="canary", load_distribution_algorithm=algorithm, targets=targets)
        return self.backends.policy(policy, BackendHttpSettings(name="s", cookie_based_affinity=True))

    def test_policy(self) -> None:
        """The servers of all pools take turns by their weights; they are the same as those of the pools."""
        for algorithm in (LoadDistributionAlgorithm.ROUND_ROBIN, LoadDistributionAlgorithm.LEAST_CONNECTIONS):
            self.setUp()
            found = self.policy(algorithm, old=(3, "ab"), new=(1, "c"))
            asked = [next(found.pool.order(admitted())) for _ in range(14)]
            self.assertEqual(Counter(server.host for server in asked), {"a": 6, "b": 6, "c": 2})
            self.assertEqual([found.names[server] for server in found.pool.servers], ["old", "old", "new"])
            self.assertIs(self.pool("c", of="new").servers[0], found.pool.servers[2])

    def test_policy_by_address(self) -> None:
        """A client has its server, whichever way it came to the policy."""
        found = self.policy(LoadDistributionAlgorithm.IP_HASH, old=(3, "abcdefgh"), new=(1, "ijkl"))
        led = {number: next(found.pool.order(admitted(address=f"192.0.2.{number}"))) for number in range(100)}
        self.assertGreater(len({*led.values()}), 6)
        gone = led[0]
        gone.found(Health().failed(0, 1))
        for number, server in led.items():
            again = next(found.pool.order(admitted(address=f"192.0.2.{number}")))
            self.assertEqual(again is server, server is not gone)

    def test_policy_of_equal_weights(self) -> None:
        """Where all weights are equal turns are taken as in one pool."""
        found = self.policy(LoadDistributionAlgorithm.ROUND_ROBIN, old=(7, "ab"), new=(7, "c"))
        self.assertEqual("".join(next(found.pool.order(admitted())).host for _ in range(6)), "abcabc")

    def test_policy_with_a_server_in_two_pools(self) -> None:
        """It counts for the first one, with the sum of its weights."""
        found = self.policy(LoadDistributionAlgorithm.ROUND_ROBIN, old=(1, "ab"), new=(2, "b"))
        self.assertEqual(
            [(server.host, found.names[server]) for server in found.pool.servers], [("a", "old"), ("b", "old")]
        )
        self.assertEqual(Counter(next(found.pool.order(admitted())).host for _ in range(8)), {"a": 2, "b": 6})

    def test_policy_hears_of_health_and_drains(self) -> None:
        """What happens to a server of one of its pools counts for the policy from the next request on."""
        found = self.policy(LoadDistributionAlgorithm.ROUND_ROBIN, old=(2, "a"), new=(1, "b"))
        first, second = found.pool.servers
        self.pool("b", of="new").servers[0].found(Health().failed(0, 1))
        self.assertEqual([server.host for server in found.pool.order(admitted())], ["a"])
        second.found(second.health.succeeded(1))
        first.drain_for_operator(True)
        self.assertEqual({next(found.pool.order(admitted())).host for _ in range(4)}, {"b"})

    def test_policy_with_affinity(self) -> None:
        """A cookie leads to its server in whichever pool, also one that the pool itself has set."""
        found = self.policy(LoadDistributionAlgorithm.ROUND_ROBIN, old=(9, "a"), new=(1, "b"))
        alone = self.backends.pool(
            BackendAddressPool(name="new", backend_addresses=(backend_address("b"),)),
            BackendHttpSettings(name="s", cookie_based_affinity=True),
        )
        assert alone.affinity
        [(_, line)] = alone.affinity.lines(alone.servers[0], (), secure=False)
        self.assertEqual([server.host for server in found.pool.order(admitted(), [(b"Cookie", line)])], ["b", "a"])

    def test_policy_taken_over(self) -> None:
        """The next configuration goes on with what is in progress, and the old one hears of nothing any more."""
        pools = {"old": (1, "a"), "new": (2, "b")}
        before = self.policy(LoadDistributionAlgorithm.LEAST_CONNECTIONS, **pools)
        kept = [before.pool.order(admitted()) for _ in range(3)]
        self.assertEqual(sorted(next(order).host for order in kept), ["a", "b", "b"])
        previous = self.backends
        self.backends = Backends(self.network, affinity_key=b"key", previous=previous)  # type: ignore[arg-type]
        after = self.policy(LoadDistributionAlgorithm.LEAST_CONNECTIONS, **pools | {"old": (100, "a")})
        self.backends.take_over(previous)
        more = [after.pool.order(admitted()) for _ in range(9)]
        self.assertEqual({next(order).host for order in more}, {"a"})
        after.pool.servers[0].found(Health().failed(0, 1))
        self.assertEqual([server.host for server in after.pool.order(admitted())], ["b"])

    def test_drained_by_operator(self) -> None:
        """A server that an operator has taken out has no turn; where all are out there is none to ask."""
        for algorithm in LoadDistributionAlgorithm:
            self.setUp()
            pool = self.pool("a", "b", load_distribution_algorithm=algorithm)
            first, second = pool.servers
            second.found(second.health.succeeded(1))
            second.drain_for_operator(True)
            self.assertEqual([server.host for server in pool.order(admitted())], ["a"])
            first.drain_for_operator(True)
            self.assertEqual([*pool.order(admitted())], [])
            second.drain_for_operator(False)
            self.assertEqual([server.host for server in pool.order(admitted())], ["b"])

    def test_bound_to_drained(self) -> None:
        """A client that its cookie binds to a server which is out goes there still, and no other does."""
        pool = self.pool("a", "b", cookie_based_affinity=True)
        pool.servers[1].drain_for_operator(True)
        assert pool.affinity
        [(_, line)] = pool.affinity.lines(pool.servers[1], (), secure=False)
        self.assertEqual(next(pool.order(admitted(), [(b"Cookie", line)])).host, "b")
        self.assertEqual([server.host for server in pool.order(admitted())], ["a"])

    def test_taken_over(self) -> None:
        """The next configuration takes the servers that are the same, with their cookies; closing the old one leaves
        them alone.
        """
        old = self.pool("a", "b", cookie_based_affinity=True)
        assert old.affinity
        lines = [old.affinity.lines(server, (), secure=True) for server in old.servers]
        previous = self.backends
        self.backends = Backends(self.network, affinity_key=b"key", previous=previous)  # type: ignore[arg-type]
        pool = self.pool("b", "c", cookie_based_affinity=True, request_timeout=7.0)
        self.backends.take_over(previous)
        assert pool.affinity
        self.assertIs(pool.servers[0], old.servers[1])
        self.assertEqual(pool.affinity.lines(pool.servers[0], (), secure=True), lines[1])
        pool.servers[0].found(Health().failed(0, 1))
        previous.close_idle()
        self.assertEqual(self.network.timers(), [30.0])
        self.backends.close_idle()
        self.assertEqual(self.network.timers(), [])

    def test_nothing_left(self) -> None:
        """Nothing of the previous backends is referenced by the next ones, nor by the servers that they take."""
        self.pool("a", "b", protocol=Protocol.HTTPS)
        first = self.backends
        previous = weakref.ref(first)
        self.backends = Backends(self.network, previous=first)  # type: ignore[arg-type]
        kept = self.pool("a", protocol=Protocol.HTTPS).servers[0]
        self.backends.take_over(first)
        del first
        gc.collect()
        self.assertIsNone(previous())
        self.assertEqual(self.backends._contexts._kept, {})
        kept._dialer._make_room()

    def test_other_trust(self) -> None:
        """A server is another one where the roots of the system, which its settings trust, may be others by now."""
        with NamedTemporaryFile() as file, mock.patch.object(system_roots, "FILES", (file.name,)):
            self.setUp()
            pools = [
                self.pool("a", under=under, protocol=protocol) for under, protocol in zip("st", Protocol, strict=True)
            ]
            file.write(b"changed")
            file.flush()
            self.backends = Backends(self.network, previous=self.backends)  # type: ignore[arg-type]
            for number, (under, protocol) in enumerate(zip("st", Protocol, strict=True)):
                server = self.pool("a", under=under, protocol=protocol).servers[0]
                self.assertEqual(server is pools[number].servers[0], protocol is Protocol.HTTP)

    def test_key_of_its_own(self) -> None:
        """Without a key a random one is made."""
        values = set()
        for _ in range(2):
            self.backends = Backends(self.network)  # type: ignore[arg-type]
            pool = self.pool("a", cookie_based_affinity=True)
            assert pool.affinity
            values.add(pool.affinity.lines(pool.servers[0], (), secure=False))
        self.assertEqual(len(values), 2)
