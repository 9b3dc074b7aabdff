"""Pools of servers behind HTTP listeners."""

from __future__ import annotations

import gc
import weakref
from tempfile import NamedTemporaryFile
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.pools import Backends
from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.affinity import cookie_value
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.backends.health import Health
from agwtwisted.core.resources.resources import (
    BackendAddressPool,
    BackendHttpSettings,
    LoadDistributionAlgorithm,
    Protocol,
)
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
        for algorithm, expected in zip(LoadDistributionAlgorithm, ("abab", "abbb"), strict=True):
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

    def test_affinity(self) -> None:
        """Only where the settings say so; the values are those of the key, of one server under one settings."""
        self.assertIsNone(self.pool("a").affinity)
        pool = self.pool("a", "b", under="t", cookie_based_affinity=True, affinity_cookie_name="Own")
        assert pool.affinity
        [(_, line)] = pool.affinity.lines(pool.servers[1], (), secure=False)
        self.assertEqual(line, b"Own=%b; Path=/" % cookie_value(b"key", "t", "b", "80"))
        self.assertEqual([server.host for server in pool.order(admitted(), [(b"Cookie", line)])], ["b", "a"])

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
