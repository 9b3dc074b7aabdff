"""How many clients there may be, and how long each may take."""

from __future__ import annotations

import select
import signal
from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import Line, wait_until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class LimitTests(SynchronousTestCase):
    """A gateway for each test, with limits of its own: a plain and a strict door."""

    def setUp(self) -> None:
        self.backend = Backend()
        self.addCleanup(self.backend.close)

    def start(self, **limits: object) -> Gateway:
        """A gateway with these limits."""
        self.plain, self.strict = running.free_ports(2)
        text = gateway.gateway_section(**limits) + gateway.PROFILES + gateway.pool("app", self.backend.port)
        text += gateway.door("plain", self.plain, protocol="Http") + gateway.door("strict", self.strict, "strict")
        entered = gateway.running_gateway(text)
        started = entered.__enter__()
        self.addCleanup(entered.__exit__, None, None, None)
        return started

    def connect(self, source: str = "") -> Line:
        """A connection to the plain door."""
        line = clients.plain(self.plain, source)
        self.addCleanup(line.close)
        return line

    def served(self, *lines: Line) -> list[Line]:
        """Those of the connections on which an answer waits."""
        return [line for line in lines if select.select([line.socket], [], [], 0)[0]]

    def test_connections(self) -> None:
        """Of many clients that come at once all are served in turn: those that have their answer give way to others."""
        started = self.start(max_connections=2)
        started.signal(signal.SIGSTOP)
        lines = [self.connect() for _ in range(6)]
        for line in lines:
            line.send(GET)
        started.signal(signal.SIGCONT)
        for line in lines:
            self.assertEqual(line.response().status, 200)
        self.assertEqual(self.backend.received.count(b"GET / "), 6)
        self.assertGreaterEqual(len(self.served(*lines)), 4)  # which are closed

    def test_connections_of_all_ports(self) -> None:
        """Connections of every port count together, and an idle one makes room on any of them."""
        started = self.start(max_connections=1)
        call = started.call(self.strict, "ecdsa")
        with closing(clients.encrypted(call)) as first:
            first.send(GET)
            self.assertEqual(first.response().status, 200)
            second = self.connect()
            second.send(GET)
            self.assertEqual(second.response().status, 200)
            self.assertEqual(first.rest(), b"")

    def test_connections_of_one_address(self) -> None:
        """An address that has as many connections as it may gets no further one; others do, and so does it later."""
        self.start(max_connections_per_address=2)
        mine, other = clients.fresh_source(), clients.fresh_source()
        lines = [self.connect(mine) for _ in range(2)]
        for line in lines:
            line.send(GET)
            self.assertEqual(line.response().status, 200)
        self.assertEqual(self.connect(mine).rest(), b"")
        stranger = self.connect(other)
        stranger.send(GET)
        self.assertEqual(stranger.response().status, 200)
        lines[0].close()
        wait_until(lambda: self.asked(mine), "the address may have another one")

    def asked(self, source: str) -> bool:
        """Whether a new connection of the address is served."""
        with closing(clients.plain(self.plain, source)) as line:
            try:
                line.send(GET)
                return line.head() is not None
            except OSError:
                return False

    def test_silent_handshakes(self) -> None:
        """Clients that open a connection and send nothing, or little, do not lock others out, and are closed in
        time.
        """
        started = self.start(max_handshakes=2, handshake_timeout=3, silent_timeout=1)
        silent = [clients.plain(self.strict), clients.plain(self.strict)]
        silent[1].send(b"\x16\x03\x01\x02\x00")
        answer = clients.by_python(started.call(self.strict, "ecdsa"))
        self.assertEqual(answer.status, 200)
        for line in silent:
            self.assertEqual(line.rest(), b"")
            line.close()
        started.record(handshakeError="the handshake took too long")  # of the two, the one that said something

    def test_slow_heads_and_bodies(self) -> None:
        """A head that does not become whole in time, however it trickles, is answered 408; so is a body that stops."""
        self.start(header_timeout=2, body_timeout=2, idle_timeout=2)
        idle = self.connect()
        idle.send(GET)
        self.assertEqual(idle.response().status, 200)
        stopped = self.connect()
        stopped.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
        trickling = self.connect()
        trickling.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        while not self.served(trickling):
            trickling.send(b"X: a\r\n")
            select.select([trickling.socket], [], [], 0.05)
        self.assertEqual(trickling.response().status, 408)
        self.assertEqual(stopped.response().status, 408)
        self.assertEqual(idle.rest(), b"")
        self.assertNotIn(b"X: a", self.backend.received)

    def test_large_chains(self) -> None:
        """A client that sends more certificates than it may is refused."""
        started = self.start(max_client_chain_bytes=3000)
        call = started.call(self.strict, "long")
        chain = b"".join([gateway.certificates()["ecdsa"].chain_pem, *[gateway.certificates()["stranger"].pem] * 80])
        (started.directory / "long.pem").write_bytes(chain)
        (started.directory / "long.key").write_bytes(gateway.certificates()["ecdsa"].key_pem)
        with self.assertRaises((OSError, AssertionError)), closing(clients.encrypted(call)) as line:
            line.send(GET)
            line.response()
        self.assertEqual(self.backend.received, b"")
        self.assertEqual(started.record(clientIP=call.source)["handshakeError"], "the handshake is too long")
        self.assertEqual(clients.by_python(started.call(self.strict, "ecdsa")).status, 200)
