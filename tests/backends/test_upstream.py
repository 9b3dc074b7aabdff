"""Connections to backends: one request at a time, and used again only when nothing speaks against it."""

from __future__ import annotations

import attrs
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionLost, ConnectionRefusedError, DNSLookupError
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.connecting import Dialer, UnreachableError
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.resolver import resolver_of
from agwtwisted.backends.upstream import IDLE_TIMEOUT, MAX_IDLE, Server, UpstreamConnection
from agwtwisted.core.backends.health import Health
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.resources import BackendHttpSettings
from agwtwisted.tls.backend_contexts import ClientCertificateError
from agwtwisted.transport.outbox import Outbox
from tests import pki, servers
from tests.http_backends import OK, PARSER, SWITCH, TIMEOUT, User
from tests.servers import https, own
from tests.wires import READ, Backend, Line, Network

DRAIN = 25.0
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.backend: Backend = self.network.backend(9000)
        self.server = Server(self.network, "127.0.0.1", 9000, drain_timeout=DRAIN)  # type: ignore[arg-type]
        self.user = User()

    def connected(self) -> UpstreamConnection:
        """A new connection."""
        connecting = self.server.connect(TIMEOUT)
        self.network.advance(0)
        return self.successResultOf(connecting)

    def begun(self, *, whole: bool = True, head: bool = False) -> UpstreamConnection:
        """A new connection with a request on its way."""
        connection = self.connected()
        self.ask(connection, whole=whole, head=head)
        return connection

    def ask(self, connection: UpstreamConnection, *, whole: bool = True, head: bool = False) -> None:
        """Sends a request over a connection."""
        connection.start(self.user, PARSER, REQUEST if whole else b"", timeout=TIMEOUT, to_head_request=head)
        if not whole:
            connection.write(REQUEST)

    @property
    def line(self) -> Line:
        """The backend's end."""
        return self.backend.line


class ConnectTests(_Case):
    """New connections."""

    def test_port(self) -> None:
        """A connection knows the gateway's port, for the log."""
        connection = self.connected()
        self.assertEqual(connection.local_port, self.line.port)
        self.assertFalse(connection.used)

    def test_refused(self) -> None:
        """No server listens."""
        self.backend.refusing = True
        connecting = self.server.connect(TIMEOUT)
        self.network.advance(0)
        self.failureResultOf(connecting, ConnectionRefusedError)

    def test_silent(self) -> None:
        """No server answers in time."""
        self.backend.silent = True
        connecting = self.server.connect(TIMEOUT)
        self.network.advance(TIMEOUT - 1)
        self.assertNoResult(connecting)
        self.network.advance(1)
        self.failureResultOf(connecting, ConnectError)
        self.assertEqual(self.network.timers(), [])

    def _named(self, *addresses: str) -> Deferred[UpstreamConnection]:
        self.network.names["app.example"] = list(addresses)
        server = Server(self.network, "app.example", 9000)  # type: ignore[arg-type]
        connecting = server.connect(TIMEOUT)
        self.network.advance(0)
        return connecting

    def test_names(self) -> None:
        """The addresses of a name are tried in order."""
        self.network.backend(9000, "192.0.2.1").refusing = True
        self.successResultOf(self._named("192.0.2.1", "127.0.0.1"))
        self.assertEqual(len(self.backend.lines), 1)

    def test_no_address(self) -> None:
        """A name that does not resolve is a server that does not answer."""
        self.failureResultOf(self._named(), DNSLookupError)

    def test_all_addresses_in_time(self) -> None:
        """All addresses together have the time of one attempt."""
        self.network.backend(9000, "192.0.2.1").silent = True
        self.network.backend(9000, "192.0.2.2").silent = True
        connecting = self._named("192.0.2.1", "192.0.2.2", "127.0.0.1")
        self.network.advance(TIMEOUT)
        self.failureResultOf(connecting)
        self.network.advance(TIMEOUT)
        self.assertEqual((self.backend.lines, self.network.timers()), ([], []))

    def test_cancelled(self) -> None:
        """Who no longer wants the connection gets CancelledError, and no other address is tried."""
        self.network.backend(9000, "192.0.2.1").silent = True
        connecting = self._named("192.0.2.1", "127.0.0.1")
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.network.advance(TIMEOUT)
        self.assertEqual((self.backend.attempts, self.network.timers()), (0, []))


class AheadTests(_Case):
    """What was read before the request was sent is no answer to it: both may happen in one turn of the reactor."""

    def setUp(self) -> None:
        super().setUp()
        self.outbox = Outbox()
        dialer = Dialer(self.network, "127.0.0.1", 9000, resolver_of(self.network), outbox=self.outbox)  # type: ignore[arg-type]
        self.server = Server(self.network, "127.0.0.1", 9000, dialer)  # type: ignore[arg-type]
        self.connection = self.begun()
        self.line.send(OK)
        self.user = User()

    def test_in_the_turn(self) -> None:
        """It ends the connection, as if it had come while that was idle, and the user gets nothing of it."""
        self.outbox.open = True
        self.ask(self.connection)
        self.line.send(OK)
        self.outbox.close()
        self.assertEqual((self.user.heads, self.user.data, len(self.user.lost)), ([], b"", 1))
        self.assertFalse(self.connection.begun)
        self.assertTrue(self.line.reset)

    def test_in_the_next(self) -> None:
        """An answer comes in a later turn, or when the request went at once, and more of that may be written then."""
        for at_once in (False, True):
            self.setUp()
            self.outbox.open = not at_once
            self.ask(self.connection, whole=False)
            if not at_once:
                self.outbox.close()
            self.outbox.open = True
            self.connection.write(b"more")
            self.line.send(OK)
            self.outbox.close()
            self.assertEqual((self.user.data, self.user.lost), (b"ok", []))


class ResponseTests(_Case):
    """The events that the user gets."""

    def test_whole(self) -> None:
        """A response in one read is one event, and one in several has a flush after each."""
        connection = self.begun()
        self.assertEqual(self.line.take(), REQUEST)
        self.line.send(OK)
        self.assertEqual((self.user.heads[0].status, self.user.data, self.user.ended), (200, b"ok", 1))
        self.assertEqual((self.user.flushes, self.user.lost), (0, []))
        self.ask(connection)
        self.line.send(OK[:-1])
        self.line.send(OK[-1:])
        self.assertEqual((self.user.data, self.user.ended, self.user.flushes), (b"okok", 2, 2))

    def test_byte_by_byte(self) -> None:
        """However it comes."""
        self.begun()
        for byte in OK:
            self.line.send(bytes((byte,)))
        self.assertEqual((self.user.data, self.user.ended), (b"ok", 1))

    def test_until_the_end(self) -> None:
        """A response that ends with the connection is whole then."""
        self.begun()
        self.line.send(b"HTTP/1.1 200 OK\r\n\r\nok")
        self.assertEqual(self.user.ended, 0)
        self.line.hang_up()
        self.assertEqual((self.user.data, self.user.ended, self.user.lost), (b"ok", 1, []))

    def test_cut(self) -> None:
        """Any other is lost, whether it had begun or not."""
        for part in (b"", b"HTTP/1.1 200 OK\r\nContent-Le", OK[:-1]):
            self.setUp()
            connection = self.begun()
            self.line.send(part)
            self.assertEqual(connection.begun, bool(part))
            self.line.hang_up()
            self.assertEqual((self.user.ended, self.user.lost), (0, [False]))
            self.assertEqual(self.network.timers(), [])

    def test_garbage(self) -> None:
        """What is no response is lost, and the connection ends."""
        self.begun()
        self.line.send(b"SSH-2.0\r\n")
        self.assertEqual((self.user.lost, self.line.reset), ([False], True))

    def test_cancelled(self) -> None:
        """There are no more events, and the backend sees the connection close."""
        connection = self.begun()
        connection.cancel()
        self.line.send(OK)
        self.assertEqual((self.user.heads, self.user.lost, self.line.reset), ([], [], True))
        self.assertEqual((self.server.take(), self.network.timers()), (None, []))

    def test_lost_while_it_is_read(self) -> None:
        """A user that cancels on the head gets no other event of the same read."""
        connection = self.begun()
        self.user.response_head = lambda head: connection.cancel()  # type: ignore[method-assign]
        self.line.send(OK[:-1])
        self.assertEqual((self.user.data, self.user.ended), (b"", 0))


class ReuseTests(_Case):
    """Idle connections."""

    def test_reused(self) -> None:
        """After a whole request and a whole response the connection serves the next."""
        connection = self.begun()
        self.line.send(OK)
        self.assertIs(self.server.take(), connection)
        self.assertTrue(connection.used)
        self.ask(connection)
        self.line.send(OK)
        self.assertEqual((self.user.ended, self.user.data, len(self.backend.lines)), (2, b"okok", 1))

    def test_not_reused(self) -> None:
        """Not after a response that does not end by itself, or that is not the last thing said."""
        for response in (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            OK + OK,
            OK + b"x",
            b"HTTP/1.1 204 No Content\r\n\r\nx",
        ):
            self.setUp()
            self.begun()
            self.line.send(response)
            self.assertEqual((self.user.ended, self.server.take(), self.line.reset), (1, None, True), response)
            self.assertEqual(self.network.timers(), [])

    def test_body_behind_head(self) -> None:
        """What follows the head that answers HEAD is no body, and would answer the next request: it is closed."""
        self.begun(head=True)
        self.line.send(OK)
        self.assertEqual((self.user.heads[0].status, self.user.data, self.user.ended), (200, b"", 1))
        self.assertEqual((self.server.take(), self.line.reset), (None, True))

    def test_incomplete_request(self) -> None:
        """Not while the request is not whole."""
        self.begun(whole=False)
        self.line.send(OK)
        self.assertEqual((self.user.ended, self.server.take(), self.line.reset), (1, None, True))

    def test_request_not_sent(self) -> None:
        """Not while some of the request is queued still."""
        connection = self.begun(whole=False)
        self.line.stall(0)
        connection.write(b"x")
        connection.request_complete()
        self.line.send(OK)
        self.assertEqual((self.user.ended, self.server.take(), self.line.reset), (1, None, True))

    def test_byte_while_idle(self) -> None:
        """An unexpected byte ends an idle connection."""
        self.begun()
        self.line.send(OK)
        taken: list[UpstreamConnection | None] = []
        self.network.callLater(0, lambda: taken.append(self.server.take()))  # before the end is told
        self.line.send(b"\r")
        self.assertEqual((taken, self.line.reset), ([None], True))

    def test_closed_while_idle(self) -> None:
        """One that the backend closes is forgotten."""
        self.begun()
        self.line.send(OK)
        self.line.hang_up()
        self.assertEqual((self.server.take(), self.network.timers()), (None, []))

    def test_idle_too_long(self) -> None:
        """One that is not used is closed in time; use starts the time anew."""
        connection = self.begun()
        self.line.send(OK)
        self.network.advance(IDLE_TIMEOUT - 1)
        self.ask(self.server.take() or self.fail("no connection"))
        self.line.send(OK)
        self.network.advance(IDLE_TIMEOUT - 1)
        self.assertFalse(connection.transport.closing)
        taken: list[UpstreamConnection | None] = []
        self.network.callLater(1, lambda: taken.append(self.server.take()))  # before the end is told
        self.network.advance(1)
        self.assertEqual((taken, self.line.eof, self.line.reset), ([None], True, False))

    def test_last_used_first(self) -> None:
        """The connection used last is used next: the others may grow old."""
        first, second = self.begun(), self.begun()
        for line in self.backend.lines:
            line.send(OK)
        self.assertEqual([self.server.take(), self.server.take(), self.server.take()], [second, first, None])

    def test_bound(self) -> None:
        """So many idle connections and no more; the oldest goes."""
        for _ in range(MAX_IDLE + 1):
            self.begun()
        for line in self.backend.lines:
            line.send(OK)
        self.network.advance(0)
        self.assertEqual([line.eof for line in self.backend.lines], [True] + [False] * MAX_IDLE)

    def test_close_idle(self) -> None:
        """At the end all idle ones are closed, those in use are not."""
        backends = Backends(self.network)  # type: ignore[arg-type]
        pool = BackendAddressPool(name="p", backend_addresses=(BackendAddress(host="127.0.0.1"),))
        (self.server,) = backends.pool(pool, BackendHttpSettings(name="s", port=9000)).servers
        self.begun()
        self.line.send(OK)
        self.begun()
        backends.close_idle()
        self.network.advance(0)
        self.assertEqual([line.eof for line in self.backend.lines], [True, False])


class DeadlineTests(_Case):
    """A backend's silence is bounded while it is its turn."""

    def test_silence(self) -> None:
        """From the end of the request on, and from each byte of the response."""
        self.begun()
        for byte in OK[:5]:
            self.network.advance(TIMEOUT - 1)
            self.line.send(bytes((byte,)))
        self.assertEqual(self.user.lost, [])
        self.network.advance(TIMEOUT)
        self.assertEqual((self.user.lost, self.line.reset), ([True], True))
        self.assertEqual(self.network.timers(), [])

    def test_told_twice(self) -> None:
        """A second notice that the request is complete gives the backend no more time."""
        connection = self.begun()
        self.network.advance(TIMEOUT - 1)
        connection.request_complete()
        self.network.advance(1)
        self.assertEqual(self.user.lost, [True])

    def test_request_under_way(self) -> None:
        """While the request comes it is not the backend's turn."""
        self.begun(whole=False)
        self.network.advance(10 * TIMEOUT)
        self.assertEqual(self.user.lost, [])

    def test_backend_that_does_not_read(self) -> None:
        """A backend that does not take the request is timed out, one that reads on is not."""
        for reads in (False, True):
            self.setUp()
            connection = self.begun(whole=False)
            self.line.stall(0)
            while not connection.full:
                connection.write(bytes(READ))
            self.network.advance(TIMEOUT - 1)
            if reads:
                self.line.read()
                self.assertEqual(self.user.drained, 1)
            self.network.advance(10 * TIMEOUT)
            self.assertEqual(self.user.lost, [] if reads else [True])

    def test_slow_client(self) -> None:
        """A response that is paused has no deadline, whatever happens to the request meanwhile."""
        connection = self.begun(whole=False)
        self.line.send(OK[:-2])
        connection.pause()
        connection.request_complete()
        self.network.advance(10 * TIMEOUT)
        self.assertEqual(self.user.lost, [])
        connection.resume()
        self.network.advance(TIMEOUT)
        self.assertEqual(self.user.lost, [True])

    def test_pause(self) -> None:
        """A paused response is not read on."""
        connection = self.begun()
        connection.pause()
        self.line.send(OK)
        self.assertEqual(self.user.heads, [])
        connection.resume()
        self.network.advance(0)
        self.assertEqual(self.user.ended, 1)


class TunnelTests(_Case):
    """After a 101."""

    def _switched(self, more: bytes = b"") -> UpstreamConnection:
        connection = self.begun()
        self.user.response_head = lambda head: connection.tunnel()  # type: ignore[method-assign]
        self.line.take()
        self.line.send(SWITCH + more)
        return connection

    def test_both_ways(self) -> None:
        """Bytes are handed on as they come, the first ones with the 101 itself."""
        connection = self._switched(b"early")
        self.line.send(OK)
        connection.write(b"frame")
        self.assertEqual((self.user.data, self.user.ended), (b"early" + OK, 0))
        self.assertEqual(self.line.take(), b"frame")

    def test_backend_leaves(self) -> None:
        """A tunnel that the backend closes has ended, and is not used again."""
        self._switched()
        self.line.hang_up()
        self.assertEqual((self.user.ended, self.user.lost, self.server.take()), (1, [], None))
        self.assertEqual(self.network.timers(), [])

    def test_client_leaves(self) -> None:
        """What the client sent last still arrives."""
        connection = self._switched()
        self.line.stall(0)
        connection.write(bytes(1000))
        connection.cancel()
        self.line.read()
        self.assertEqual((len(self.line.received), self.line.eof, self.line.reset), (1000, True, False))
        self.assertEqual(self.user.ended, 0)

    def test_silence(self) -> None:
        """A tunnel in which neither says anything ends in time; bytes of either renew it."""
        connection = self._switched()
        self.network.advance(TIMEOUT - 1)
        connection.write(b"frame")
        self.network.advance(TIMEOUT - 1)
        self.line.send(b"frame")
        self.network.advance(TIMEOUT - 1)
        self.assertEqual(self.user.ended, 0)
        self.network.advance(1)
        self.assertEqual((self.user.ended, self.user.lost), (1, []))


class CutTests(_Case):
    """A response that ends with its connection."""

    def test_reset(self) -> None:
        """After a reset it is unknown whether the response was complete: it is lost."""
        self.begun()
        self.line.send(b"HTTP/1.1 200 OK\r\n\r\nok")
        self.line.connectionLost(Failure(ConnectionLost()))
        self.assertEqual((self.user.data, self.user.ended, self.user.lost), (b"ok", 0, [False]))


class TlsTests(_Case):
    """Servers that are spoken to in TLS."""

    def setUp(self) -> None:
        super().setUp()
        self.backends = Backends(self.network)  # type: ignore[arg-type]
        self.settings = https(servers.root())
        self.server = self.server_of(self.settings)

    def server_of(self, settings: BackendHttpSettings, host: str = "127.0.0.1") -> Server:
        """The only server of a pool."""
        pool = BackendAddressPool(name=host, backend_addresses=(BackendAddress(host=host, port=9000),))
        (server,) = self.backends.pool(pool, settings).servers
        return server

    def meet(self, requested: str = servers.NAME) -> servers.Server:
        """A connection with a request for that host on its way, and the server at its other end."""
        connecting = self.server.connect(TIMEOUT, requested)
        self.network.advance(0)
        peer = servers.Server(self.network, self.line)
        peer.talk()
        self.ask(self.successResultOf(connecting))
        peer.talk()
        return peer

    def idle(self, requested: str = servers.NAME) -> UpstreamConnection:
        """An idle connection, left behind by a request to that host."""
        self.meet(requested).say(OK)
        return self.server._idle[-1]

    def test_whole(self) -> None:
        """A request and its response go through TLS, and the connection serves again."""
        peer = self.meet()
        self.assertEqual((peer.received, peer.names[0]), (REQUEST, servers.NAME))
        peer.say(OK)
        self.assertEqual((self.user.data, self.user.ended), (b"ok", 1))
        connection = self.server.take(servers.NAME)
        assert connection is not None
        self.assertTrue(connection.used)
        self.ask(connection)
        peer.talk()
        self.assertEqual(peer.received, REQUEST * 2)

    def test_until_the_end(self) -> None:
        """A response that ends with the connection is complete if the server sends close_notify, and lost if not."""
        for farewell in (True, False):
            self.setUp()
            peer = self.meet()
            peer.say(b"HTTP/1.1 200 OK\r\n\r\nok")
            if farewell:
                peer.tls.shutdown()
                peer.talk()
            self.line.hang_up()
            self.network.advance(0)
            self.assertEqual((self.user.data, self.user.ended), (b"ok", int(farewell)))
            self.assertEqual(self.user.lost, [] if farewell else [False])

    def test_farewell(self) -> None:
        """An idle connection that is closed ends with close_notify."""
        peer = self.meet()
        peer.say(OK)
        self.backends.close_idle()
        peer.talk()
        self.assertEqual((peer.closed, self.line.eof, self.line.reset), (True, True, False))

    def test_names_are_not_shared(self) -> None:
        """A connection serves only requests for the name that was proven on it; the last used one is used first."""
        app, other, app_too = self.idle(), self.idle("127.0.0.1"), self.idle()
        self.assertIsNone(self.server.take("c.example"))
        self.assertIs(self.server.take("127.0.0.1"), other)
        self.assertIs(self.server.take(servers.NAME), app_too)
        self.assertIs(self.server.take(servers.NAME), app)
        self.assertIsNone(self.server.take(servers.NAME))

    def test_bound(self) -> None:
        """However many names clients come up with, a server has so many idle connections and no more."""
        tls = https(servers.root(), validate_sni=False)
        self.server = self.server_of(attrs.evolve(tls, name="any"))
        for number in range(MAX_IDLE + 1):
            self.idle(f"{number}.example")
        self.assertEqual(len(self.server._idle), MAX_IDLE)
        self.assertIsNone(self.server.take("0.example"))

    def test_said_farewell(self) -> None:
        """A connection whose server has sent close_notify is not used any more, even before its end is known."""
        first, second = self.meet(), self.meet()
        first.say(OK)
        second.say(OK)
        taken: list[UpstreamConnection | None] = []
        self.network.callLater(0, lambda: taken.append(self.server.take(servers.NAME)))  # before the end is told
        second.tls.shutdown()
        second.speak()
        self.assertEqual([connection and connection.transport._socket for connection in taken], [first.line.end])
        self.assertEqual(len(self.server._idle), 0)

    def test_alert(self) -> None:
        """A server that refuses our certificate says so only after the handshake (TLS 1.3); the reason is handed on."""
        reasons: list[str] = []
        self.user.response_lost = lambda reason, *, timed_out: reasons.append(reason)  # type: ignore[method-assign]
        connecting = self.server.connect(TIMEOUT, servers.NAME)
        self.network.advance(0)
        context = servers.server_context(clients=pki.Authority.root(), version=SSL.TLS1_3_VERSION)
        peer = servers.Server(self.network, self.line, context)
        peer.hear()
        self.line.send(peer.flight())
        self.ask(self.successResultOf(connecting))
        peer.talk()
        self.assertEqual(len(reasons), 1)
        self.assertIn("certificate required", reasons[0])

    def test_fixed_name(self) -> None:
        """Where the settings or the pool have a name, every request's connection is the same."""
        self.server = self.server_of(attrs.evolve(self.settings, name="named", host_name=f"{servers.NAME}:1"))
        connection = self.idle("a.example")
        self.assertIs(self.server.take("b.example"), connection)

    def test_settings_are_not_shared(self) -> None:
        """What a server has proven under some settings proves nothing under others; in plain text nothing is proven."""
        lax = attrs.evolve(self.settings, name="lax", validate_sni=False)
        plain = BackendHttpSettings(name="plain")
        self.assertEqual(len({self.server, self.server_of(lax), self.server_of(plain)}), 3)

    def test_probe(self) -> None:
        """The connection of a probe names the server as the probe does, and serves no request."""
        self.server = self.server_of(attrs.evolve(self.settings, name="named", host_name="other.example"))
        connecting = self.server.connect_to_probe(TIMEOUT, servers.NAME)
        self.network.advance(0)
        peer = servers.Server(self.network, self.line)
        peer.talk()
        self.ask(self.successResultOf(connecting))
        peer.talk()
        self.assertEqual(peer.names[0], servers.NAME)
        peer.say(OK)
        self.assertIsNone(self.server.take(servers.NAME))

    def test_prepared(self) -> None:
        """A certificate of ours that cannot be shown is found before the first request needs it."""
        weak = own(servers.root().issue("gateway", key=pki.rsa_key(1024)))
        self.assertRaises(ClientCertificateError, self.backends.prepare, https(client_ssl_certificate=weak))
        self.backends.prepare(BackendHttpSettings(name="plain", client_ssl_certificate=weak))


class ComplaintTests(_Case):
    """What the log says of servers that are not there."""

    def test_reason(self) -> None:
        """The server and the reason, on one line."""
        with capturedLogs() as events:
            self.server.complain(Failure(UnreachableError("a\nb")))
        self.assertEqual([formatEvent(event) for event in events], ["No connection to 127.0.0.1:9000: a\\nb"])


class RetiredTests(_Case):
    """A server that the configuration in force does not have."""

    def test_retired(self) -> None:
        """Idle connections are closed; what is in progress ends as it would have, and is not pooled again."""
        self.begun()
        self.begun()
        self.backend.lines[0].send(OK)
        self.server.retire(drain=False)
        self.network.advance(0)
        self.assertEqual([line.eof for line in self.backend.lines], [True, False])
        self.line.send(OK)
        self.network.advance(0)
        self.assertEqual((self.user.ended, self.line.eof, self.server.take()), (2, True, None))
        self.assertEqual(self.network.timers(), [])


class DownTests(_Case):
    """A server that is down."""

    def down(self) -> None:
        """It is found down."""
        self.server.found(Health().failed(0, 1))
        self.network.advance(0)

    def test_idle_connections(self) -> None:
        """Idle connections are closed, and those that become idle."""
        self.begun()
        self.begun()
        self.backend.lines[0].send(OK)
        self.down()
        self.assertEqual([line.eof for line in self.backend.lines], [True, False])
        self.line.send(OK)
        self.network.advance(0)
        self.assertEqual((self.user.ended, self.line.eof, self.server.take()), (2, True, None))

    def test_drained(self) -> None:
        """What is under way has its time, then it is cut; no timer is left."""
        self.begun()
        self.down()
        self.network.advance(TIMEOUT - 1)
        self.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        self.network.advance(DRAIN - TIMEOUT)
        self.assertEqual(self.user.lost, [])
        self.network.advance(1)
        self.assertEqual((self.user.lost, self.line.reset), ([False], True))
        self.network.advance(0)
        self.assertEqual(self.network.timers(), [])

    def test_tunnel(self) -> None:
        """An upgraded connection is cut as well."""
        connection = self.begun()
        self.user.response_head = lambda head: connection.tunnel()  # type: ignore[method-assign]
        self.line.send(SWITCH)
        self.down()
        for _ in range(2):
            self.network.advance(DRAIN / 2)
            self.assertEqual(self.user.ended, self.line.reset)
            self.line.send(b"frame")
        self.network.advance(0)
        self.assertEqual((self.user.ended, self.network.timers()), (1, []))

    def test_up_again(self) -> None:
        """A server that is up again in time keeps what is under way."""
        self.begun()
        self.down()
        self.server.found(self.server.health.succeeded(1))
        self.network.advance(0)
        self.assertEqual(self.user.lost, [])
        self.line.send(OK)
        self.assertEqual((self.user.ended, self.server.take() is not None), (1, True))

    def test_idle_after_a_request(self) -> None:
        """A connection between two requests has nothing to be cut."""
        self.begun()
        self.line.send(OK)
        self.down()
        self.network.advance(DRAIN)
        self.assertEqual(self.user.lost, [])

    def test_forgotten(self) -> None:
        """A connection that has ended is not kept to be cut."""
        cut: list[str] = []
        connection = self.begun()
        connection.cut = cut.append  # type: ignore[method-assign]
        self.line.send(OK)
        self.line.hang_up()
        self.down()
        self.network.advance(DRAIN)
        self.assertEqual(cut, [])

    def test_end(self) -> None:
        """At the end of the gateway the timer goes."""
        pool = BackendAddressPool(name="p", backend_addresses=(BackendAddress(host="127.0.0.1"),))
        backends = Backends(self.network)  # type: ignore[arg-type]
        (self.server,) = backends.pool(pool, BackendHttpSettings(name="s", port=9000)).servers
        self.down()
        self.assertEqual(self.network.timers(), [30.0])
        backends.close_idle()
        self.assertEqual(self.network.timers(), [])
