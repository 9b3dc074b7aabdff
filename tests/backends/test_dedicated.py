"""Connections that are kept for one client."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.dedicated import DedicatedConnections
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.upstream import IDLE_TIMEOUT, Server, UpstreamConnection
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.backends.health import Health
from agwtwisted.core.plan.descriptors import DEDICATED
from agwtwisted.core.plan.server_identity import ServerIdentity
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.resources import BackendHttpSettings
from tests.http_backends import OK, PARSER, TIMEOUT, User
from tests.identities import admitted
from tests.wires import Network

DRAIN = 30.0


class DedicatedTests(SynchronousTestCase):
    """One client with connections to servers on ports 1, 2 and so on."""

    def setUp(self) -> None:
        self.network = Network()
        self.backends = Backends(self.network)  # type: ignore[arg-type]
        self.dedicated = DedicatedConnections()
        self.pool = self.pool_of(1, 2)

    def pool_of(self, *ports: int, name: str = "p", backends: Backends | None = None) -> Pool[Server]:
        """The pool of the servers on these ports."""
        addresses = tuple(BackendAddress(host="127.0.0.1", port=port) for port in ports)
        for port in ports:
            self.network.backend(port)
        pool = BackendAddressPool(name=name, backend_addresses=addresses)
        settings = BackendHttpSettings(name="s", dedicated_backend_connection=True)
        return (backends or self.backends).pool(pool, settings)

    def ask(self, server: Server, dedicated: DedicatedConnections | None = None) -> UpstreamConnection:
        """A request that has its response, over a connection of a client's own."""
        dedicated = self.dedicated if dedicated is None else dedicated
        connection = dedicated.take(server, "a")
        if connection is None:
            connecting = server.connect(TIMEOUT, "a", dedicated)
            self.network.advance(0)
            connection = self.successResultOf(connecting)
        self.begin(connection)
        self.network.backend(server.port).line.send(OK)
        return connection

    def begin(self, connection: UpstreamConnection) -> None:
        """A request that is under way."""
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.start(User(), PARSER, request, timeout=TIMEOUT, to_head_request=False)

    def open(self, server: Server) -> int:
        """How many connections a server has, whoever uses them."""
        self.network.advance(0)
        return server.connections + server.idle_connections

    def test_own(self) -> None:
        """The next request of the client has the same connection; another client has another, and none is shared."""
        server = self.pool.servers[0]
        first = self.ask(server)
        self.assertIs(self.ask(server), first)
        other = DedicatedConnections()
        self.assertIsNot(self.ask(server, other), first)
        self.assertIsNone(server.take("a"))
        self.assertEqual((self.open(server), server.idle_connections), (2, 2))

    def test_closed_with_the_client(self) -> None:
        """When the client goes its connections end, and those that are in use then end with their response."""
        one, two = self.pool.servers
        self.ask(one)
        connection = self.ask(two)
        self.assertIs(self.dedicated.take(two, "a"), connection)
        self.begin(connection)
        self.dedicated.close()
        self.assertEqual((self.open(one), self.open(two)), (0, 1))
        self.network.backend(2).line.send(OK)
        self.assertEqual(self.open(two), 0)

    def test_for_as_long_as_the_client(self) -> None:
        """The time of shared idle connections does not count."""
        first = self.ask(self.pool.servers[0])
        self.network.advance(2 * IDLE_TIMEOUT)
        self.assertIs(self.dedicated.take(self.pool.servers[0], "a"), first)

    def test_closed_by_the_server(self) -> None:
        """A connection that the server closes, or sends a byte on, is forgotten."""
        server = self.pool.servers[0]
        for end in (lambda: self.network.backend(1).line.hang_up(), lambda: self.network.backend(1).line.send(b"x")):
            self.ask(server)
            end()
            self.network.advance(0)
            self.assertIsNone(self.dedicated.take(server, "a"))
            self.assertEqual((self.dedicated._kept, server._of_clients), ({}, set()))

    def test_stays(self) -> None:
        """A client stays at the server that it has a connection to, as long as that may be asked."""
        one, two = self.pool.servers
        self.assertIsNone(self.dedicated.server(self.pool))
        self.ask(two)
        self.assertIs(self.dedicated.server(self.pool), two)
        for _ in range(3):
            self.assertIs(next(self.pool.order(admitted(), (), self.dedicated.server(self.pool))), two)
        two.found(Health().failed(0, 1))
        self.assertIs(next(self.pool.order(admitted(), (), two)), two)  # it is drained
        self.network.advance(DRAIN)
        self.assertIsNot(next(self.pool.order(admitted(), (), two), one), two)

    def test_drained(self) -> None:
        """When a server that went down has had its time the connections of clients to it are cut."""
        server = self.pool.servers[0]
        self.ask(server)
        server.found(Health().failed(0, 1))
        self.ask(server)
        self.assertEqual(self.open(server), 1)
        self.network.advance(DRAIN)
        self.assertEqual((self.open(server), self.dedicated._kept), (0, {}))

    def test_down(self) -> None:
        """A connection to a server that is down and was drained is not kept."""
        server = self.pool.servers[0]
        server.found(Health().failed(0, 1))
        self.network.advance(DRAIN)
        self.ask(server)
        self.assertEqual((self.open(server), self.dedicated._kept), (0, {}))

    def test_bounded(self) -> None:
        """Of many servers those that were asked last have a connection."""
        pool = self.pool_of(*range(1, DEDICATED + 4), name="many")
        for server in pool.servers:
            self.ask(server)
        self.assertEqual([self.open(server) for server in pool.servers], [0] * 3 + [1] * DEDICATED)

    def test_other_name(self) -> None:
        """A connection on which the server has proven another name than the request needs is closed."""
        server = self.pool.servers[0]
        connection = self.ask(server)
        connection.identity = ServerIdentity(**dict.fromkeys((each.name for each in attrs.fields(ServerIdentity)), ""))
        self.assertIsNone(self.dedicated.take(server, "a"))
        self.assertEqual(self.open(server), 0)

    def test_reloaded(self) -> None:
        """A server that goes on keeps the client's connection; of one that is removed it ends."""
        one, two = self.pool.servers
        kept = self.ask(one)
        self.ask(two)
        previous, self.backends = self.backends, Backends(self.network, previous=self.backends)  # type: ignore[arg-type]
        pool = self.pool_of(1)
        self.backends.take_over(previous)
        self.assertEqual(self.open(two), 0)
        self.assertEqual([*self.dedicated._kept], [one])
        self.assertIs(self.dedicated.take(pool.servers[0], "a"), kept)
