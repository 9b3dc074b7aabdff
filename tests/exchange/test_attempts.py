"""One request on its way to some backend: where it is sent, and whether it is sent again."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.pools import Backends
from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.balancing import LeastConnections, Order
from agwtwisted.core.backends.health import Health, HealthState
from agwtwisted.core.exchange.attempts import KEPT_BODY
from agwtwisted.core.http.messages import Framing, RequestHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.resources import BackendHttpSettings
from agwtwisted.exchange.attempts import Attempts
from agwtwisted.interfaces import BackendConnection
from tests.http_backends import OK, PARSER, TIMEOUT, User
from tests.wires import Backend, Network

GET = RequestHead(method=b"GET", target=b"/", version=b"1.1", host="a", authority=b"a", headers=())
PUT = attrs.evolve(GET, method=b"PUT", framing=Framing.CHUNKED)
POST = attrs.evolve(GET, method=b"POST", framing=Framing.LENGTH, content_length=3)


def in_turn(*servers: Server) -> Order[Server]:
    """These servers, in this order."""
    yield from servers


class _User(User):
    """Lets its attempts go on, as an exchange does."""

    attempts: Attempts

    def __init__(self, failures: list[tuple[int, ErrorInfo]]) -> None:
        super().__init__()
        self._failures = failures

    def connected(self, connection: BackendConnection) -> None:
        """A server gets the request."""
        assert connection is self.attempts.connection

    def failed(self, status: int, error_info: ErrorInfo) -> None:
        """No server can be connected to."""
        self._failures.append((status, error_info))

    def response_lost(self, reason: str, *, timed_out: bool) -> None:
        """Another attempt, or none."""
        server = self.attempts.again(timed_out=timed_out)
        if server is None:
            super().response_lost(reason, timed_out=timed_out)
        else:
            self.attempts.repeat(server)


class _Attempts(Attempts):
    """Sends a head that a test knows."""

    def head_for(self, server: Server) -> bytes:
        """Names the server."""
        return b"head for %b\r\n" % server.name


class _Case(SynchronousTestCase):
    """A pool of two servers, the first on port 1."""

    def setUp(self) -> None:
        self.network = Network()
        self.backends = Backends(self.network)  # type: ignore[arg-type]
        self.one: Backend = self.network.backend(1)
        self.two: Backend = self.network.backend(2)
        self.failures: list[tuple[int, ErrorInfo]] = []
        self.user = _User(self.failures)

    def servers(self, *ports: int) -> tuple[Server, ...]:
        """The servers on these ports, in this order."""
        addresses = tuple(BackendAddress(host="127.0.0.1", port=port) for port in ports)
        pool = BackendAddressPool(name=str(ports), backend_addresses=addresses)
        return self.backends.pool(pool, BackendHttpSettings(name="s")).servers

    def ask(self, request: RequestHead = GET, *ports: int, stays: bool = False, body: bytes | None = None) -> Attempts:
        """A request to the servers, begun."""
        self.user = _User(self.failures)
        order = in_turn(*self.servers(*(ports or (1, 2))))
        attempts = self.user.attempts = _Attempts(request, None, order, PARSER, TIMEOUT, self.user)
        attempts.stays = stays
        attempts.start()
        attempts.flush()
        self.network.advance(0)
        return attempts

    def down(self, port: int, *, refusing: bool = True) -> None:
        """A server is known to be down."""
        [server] = self.servers(port)
        server.found(Health(state=HealthState.DOWN, refused=refusing))

    def warmed(self, backend: Backend, port: int) -> None:
        """Leaves an idle connection to one server."""
        self.ask(GET, port)
        backend.line.send(OK)
        backend.line.take()
        assert self.user.ended


class WayTests(_Case):
    """Which server gets it."""

    def test_sent(self) -> None:
        """The head is rendered for the server that gets it."""
        attempts = self.ask()
        self.assertEqual(self.one.line.take(), b"head for 127.0.0.1:1\r\n")
        self.assertEqual(attempts.server, self.servers(1)[0])
        self.one.line.send(OK)
        self.assertEqual(self.user.ended, 1)

    def test_whole(self) -> None:
        """A body that came with the head leaves with it, without a flush, and again over another connection."""
        self.warmed(self.one, 1)
        put = attrs.evolve(PUT, framing=Framing.LENGTH, content_length=3)
        order = in_turn(*self.servers(1))
        self.user = _User(self.failures)
        attempts = self.user.attempts = _Attempts(put, b"abc", order, PARSER, TIMEOUT, self.user)
        attempts.start()
        self.assertEqual(self.one.line.take(), b"head for 127.0.0.1:1\r\nabc")
        self.one.line.hang_up()
        self.network.advance(0)
        self.assertEqual((len(self.one.lines), self.one.line.take()), (2, b"head for 127.0.0.1:1\r\nabc"))

    def test_idle_connection(self) -> None:
        """An idle connection is used, and no new one opened."""
        self.warmed(self.one, 1)
        self.ask()
        self.assertEqual((len(self.one.lines), self.one.line.take()), (1, b"head for 127.0.0.1:1\r\n"))

    def test_refused(self) -> None:
        """A server that does not listen got nothing: the next one is asked, whatever the method."""
        self.one.refusing = True
        attempts = self.ask(POST)
        attempts.body(b"abc")
        attempts.body_complete()
        attempts.flush()
        self.assertEqual(self.two.line.take(), b"head for 127.0.0.1:2\r\nabc")

    def test_refused_is_told(self) -> None:
        """Who watches a server learns that it refused a connection, not that it was silent."""
        told: list[str] = []
        for server in self.servers(1, 2):
            server.when_refused = lambda server=server: told.append(server.name.decode())  # type: ignore[misc]
        self.one.refusing, self.two.silent = True, True
        self.ask()
        self.network.advance(TIMEOUT)
        self.assertEqual((told, self.failures), (["127.0.0.1:1"], [(502, ErrorInfo.UPSTREAM_NO_LIVE)]))

    def test_refused_and_idle(self) -> None:
        """The next one is asked over an idle connection where there is one."""
        self.warmed(self.two, 2)
        self.one.refusing = True
        self.ask()
        self.assertEqual((len(self.two.lines), self.two.line.take()), (1, b"head for 127.0.0.1:2\r\n"))

    def test_silent(self) -> None:
        """So is the next when one does not answer in time."""
        self.one.silent = True
        self.ask()
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.assertEqual(self.two.line.take(), b"head for 127.0.0.1:2\r\n")

    def test_back_again(self) -> None:
        """A request that is refused is tried where refusals were all that was known, and its server is probed soon."""
        told: list[str] = []
        self.one.refusing = True
        self.down(2)
        [server] = self.servers(2)
        server.when_reached = lambda: told.append("reached")
        self.ask(POST)
        self.assertEqual((self.two.line.take(), told), (b"head for 127.0.0.1:2\r\n", ["reached"]))

    def test_each_once(self) -> None:
        """Where all refuse each is asked once, whatever is known of it."""
        self.one.refusing = self.two.refusing = True
        self.down(2)
        self.ask()
        self.assertEqual((self.one.attempts, self.two.attempts), (1, 1))
        self.assertEqual(self.failures, [(502, ErrorInfo.UPSTREAM_NO_LIVE)])

    def test_not_after_silence(self) -> None:
        """A request that a silent server has kept waiting does not try one that is down as well."""
        self.one.silent = True
        self.down(2)
        self.ask()
        self.network.advance(TIMEOUT)
        self.assertEqual((self.two.attempts, self.failures), (0, [(502, ErrorInfo.UPSTREAM_NO_LIVE)]))

    def test_nobody(self) -> None:
        """When no server can be connected to, each having been tried once, that is the answer."""
        self.one.refusing = self.two.refusing = True
        self.ask()
        self.assertEqual(self.failures, [(502, ErrorInfo.UPSTREAM_NO_LIVE)])
        self.assertEqual((self.one.attempts, self.two.attempts), (1, 1))

    def test_empty_pool(self) -> None:
        """So it is for a pool without servers."""
        self.user = _User(self.failures)
        _Attempts(GET, b"", in_turn(), PARSER, TIMEOUT, self.user).start()
        self.assertEqual(self.failures, [(502, ErrorInfo.UPSTREAM_NO_LIVE)])

    def test_defect(self) -> None:
        """What breaks while the request is sent is logged, and its client gets an answer at once."""
        Attempts(GET, b"", in_turn(*self.servers(1)), PARSER, TIMEOUT, self.user).start()
        self.network.advance(0)
        self.assertEqual((self.failures, self.user.broken_count), ([], 1))
        self.assertEqual(len(self.flushLoggedErrors(NotImplementedError)), 1)

    def test_cancelled_while_connecting(self) -> None:
        """No server gets the request once the response is not wanted."""
        self.one.silent = True
        attempts = self.ask()
        attempts.cancel()
        self.network.advance(10 * TIMEOUT)
        self.assertEqual((self.two.attempts, self.failures, self.network.timers()), (0, [], []))

    def test_order_ends(self) -> None:
        """The order is closed with the request: its server is no longer busy with it."""
        balancer: LeastConnections[Server] = LeastConnections()
        balancer.use(self.servers(1, 2))
        self.user = _User(self.failures)
        attempts = self.user.attempts = _Attempts(GET, b"", balancer.order(), PARSER, TIMEOUT, self.user)
        attempts.start()
        self.assertEqual(next(balancer.order()).port, 2)
        attempts.cancel()
        self.network.advance(0)
        self.assertEqual([next(balancer.order()).port for _ in range(2)], [2, 1])

    def test_cancelled(self) -> None:
        """A request under way is taken from its server, once."""
        attempts = self.ask()
        attempts.cancel()
        attempts.cancel()
        self.network.advance(0)
        self.assertEqual((self.one.line.reset, self.two.attempts, self.user.lost), (True, 0, []))


class BodyTests(_Case):
    """What is sent of the body."""

    def test_chunked(self) -> None:
        """Pieces of unknown length become chunks."""
        attempts = self.ask(PUT)
        self.assertTrue(attempts.body(b"abc"))
        attempts.body_complete()
        attempts.flush()
        self.assertEqual(self.one.line.take(), b"head for 127.0.0.1:1\r\n3\r\nabc\r\n0\r\n\r\n")

    def test_while_connecting(self) -> None:
        """Before there is a connection a little is kept, then no more wanted; all of it is sent, once."""
        self.one.silent = True
        attempts = self.ask(attrs.evolve(POST, content_length=KEPT_BODY + 1))
        self.assertTrue(attempts.body(bytes(KEPT_BODY)))
        self.assertFalse(attempts.body(b"x"))
        attempts.body_complete()
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.assertEqual(len(self.two.line.take()), len(b"head for 127.0.0.1:2\r\n") + KEPT_BODY + 1)
        self.assertEqual(self.user.drained, 1)

    def test_whole_before_the_connection(self) -> None:
        """A request that was whole before the connection was there has its deadline too."""
        self.one.refusing = True
        attempts = self.ask(POST)
        attempts.body(b"abc")
        attempts.body_complete()
        attempts.flush()
        self.network.advance(TIMEOUT)
        self.assertEqual(self.user.lost, [True])

    def test_back_pressure(self) -> None:
        """A server that does not read stops the body; it flows on when drained."""
        attempts = self.ask(PUT)
        self.one.line.stall(0)
        while attempts.body(bytes(KEPT_BODY)):
            pass
        drained = self.user.drained
        self.one.line.read()
        self.assertEqual(self.user.drained, drained + 1)


class RepeatTests(_Case):
    """Sending it again."""

    def _idle_one_dies(self, request: RequestHead, *ports: int, body: bytes = b"") -> Attempts:
        self.warmed(self.one, 1)
        self.one.line.take()
        attempts = self.ask(request, *ports)
        if body:
            attempts.body(body)
        self.one.line.hang_up()
        return attempts

    def test_idle_connection_was_dead(self) -> None:
        """A connection that the server had closed: what may be repeated goes to another one, once."""
        self._idle_one_dies(GET, 1, 2)
        self.assertEqual((self.two.line.take(), self.user.lost), (b"head for 127.0.0.1:2\r\n", []))
        self.two.line.hang_up()
        self.assertEqual((self.user.lost, self.one.attempts), ([False], 1))

    def test_over_a_new_connection(self) -> None:
        """Another idle connection may be as dead as the first: the second attempt opens a new one."""
        self.warmed(self.two, 2)
        self._idle_one_dies(GET, 1, 2)
        self.assertEqual((len(self.two.lines), self.two.line.take()), (2, b"head for 127.0.0.1:2\r\n"))

    def test_stays(self) -> None:
        """A request that is bound to its server stays there, over a new connection; the next is for when that fails."""
        self.warmed(self.one, 1)
        self.ask(GET, 1, 2, stays=True)
        self.one.line.hang_up()
        self.assertEqual((len(self.one.lines), self.one.line.take()), (2, b"head for 127.0.0.1:1\r\n"))
        self.warmed(self.one, 1)
        self.ask(GET, 1, 2, stays=True)
        self.one.refusing = True
        self.one.line.hang_up()
        self.assertEqual(self.two.line.take(), b"head for 127.0.0.1:2\r\n")

    def test_stays_no_longer(self) -> None:
        """A bound server too slow to answer is not asked twice either."""
        self.ask(GET, 1, 2, stays=True)
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.assertEqual((self.two.line.take(), self.user.lost), (b"head for 127.0.0.1:2\r\n", []))

    def test_went_down(self) -> None:
        """A server that went down is not asked again: another one is, or none."""
        for ports, count in (((1, 2), 1), ((1,), 0)):
            for stays in (True, False):
                self.setUp()
                self.warmed(self.one, 1)
                attempts = self.ask(GET, *ports, stays=stays)
                assert attempts.server is not None
                attempts.server.found(Health().failed(0, 1))
                self.one.line.hang_up()
                self.assertEqual((len(self.one.lines), self.two.attempts), (1, count))
                self.assertEqual(self.user.lost, [] if count else [False])
                self.backends.close_idle()

    def test_others_are_down(self) -> None:
        """The same server is asked again rather than one that is down; that one only if it refuses, too."""
        self.warmed(self.one, 1)
        self.down(2)
        self.ask(GET, 1, 2)
        self.one.line.hang_up()
        self.assertEqual((len(self.one.lines), self.two.attempts), (2, 0))
        self.one.line.send(OK)
        self.assertEqual(self.user.ended, 1)
        self.ask(GET, 1, 2)
        self.one.refusing = True
        self.one.line.hang_up()
        self.assertEqual(self.two.line.take(), b"head for 127.0.0.1:2\r\n")

    def test_only_server(self) -> None:
        """Where there is no other, to the same one over a new connection."""
        self._idle_one_dies(GET, 1)
        self.assertEqual((len(self.one.lines), self.one.line.take()), (2, b"head for 127.0.0.1:1\r\n"))

    def test_not_a_post(self) -> None:
        """What may not be repeated is not (RFC 9110 section 9.2.2)."""
        for request in (POST, attrs.evolve(GET, method=b"PATCH"), attrs.evolve(GET, upgrade=b"websocket")):
            self.setUp()
            self._idle_one_dies(request, 1, 2)
            self.assertEqual((self.user.lost, self.two.attempts), ([False], 0))

    def test_body_is_sent_again(self) -> None:
        """The body so far is sent again, and the rest behind it."""
        attempts = self._idle_one_dies(PUT, 1, 2, body=b"abc")
        attempts.body(b"d")
        attempts.body_complete()
        attempts.flush()
        self.assertEqual(self.two.line.take(), b"head for 127.0.0.1:2\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")

    def test_body_is_forgotten(self) -> None:
        """A body that was too large to keep is not sent again in part."""
        self._idle_one_dies(PUT, 1, 2, body=bytes(KEPT_BODY + 1))
        self.assertEqual((self.user.lost, self.two.attempts), ([False], 0))

    def test_body_too_large_while_connecting_again(self) -> None:
        """A body that outgrows what is kept while the second connection is made is still sent whole."""
        self.two.silent = True
        attempts = self._idle_one_dies(PUT, 1, 2, body=b"abc")
        attempts.body(bytes(KEPT_BODY))
        self.assertEqual(self.two.attempts, 1)
        self.network.advance(TIMEOUT)
        self.assertEqual(self.failures, [(502, ErrorInfo.UPSTREAM_NO_LIVE)])

    def test_new_connection(self) -> None:
        """A server that closes a new connection had its chance."""
        self.ask()
        self.one.line.hang_up()
        self.assertEqual((self.user.lost, self.two.attempts), ([False], 0))

    def test_answer_had_begun(self) -> None:
        """After a byte of an answer nothing is repeated."""
        self.warmed(self.one, 1)
        self.ask(GET, 1, 2)
        self.one.line.send(b"H")
        self.one.line.hang_up()
        self.assertEqual((self.user.lost, self.two.attempts), ([False], 0))

    def test_timed_out(self) -> None:
        """A server too slow to answer: another one is asked, once (the product's rule)."""
        self.ask()
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.assertEqual((self.two.line.take(), self.user.lost), (b"head for 127.0.0.1:2\r\n", []))
        self.network.advance(TIMEOUT)
        self.assertEqual((self.user.lost, self.one.attempts), ([True], 1))

    def test_timed_out_twice(self) -> None:
        """A third server is not asked."""
        self.ask(GET, 1, 2, 3)
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.network.advance(TIMEOUT)
        self.assertEqual((self.user.lost, self.network.backend(3).attempts), ([True], 0))

    def test_timed_out_and_others_are_down(self) -> None:
        """The client hears that the server was too slow, rather than that another one refused."""
        self.down(2)
        self.ask()
        self.network.advance(TIMEOUT)
        self.assertEqual((self.user.lost, self.two.attempts, self.failures), ([True], 0, []))

    def test_timed_out_alone(self) -> None:
        """One that is too slow is not asked twice, nor is a POST."""
        self.ask(GET, 1)
        self.network.advance(TIMEOUT)
        self.assertEqual((self.user.lost, self.one.attempts), ([True], 1))
        attempts = self.ask(attrs.evolve(POST, framing=Framing.NONE), 1, 2)
        self.network.advance(TIMEOUT)
        self.assertEqual((self.user.lost, self.two.attempts), ([True], 0), attempts)
