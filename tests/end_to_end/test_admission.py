"""Strangers who take all the room there is, each in another way: an honest client from elsewhere gets its answer."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import Line, wait_until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf"
PROXY = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n"

ROOM = 80
"""Connections that there may be."""

DESCRIPTORS = 192
"""Those that a gateway may have where they are few."""

STRANGERS = 120
"""Those that come."""


def hello() -> bytes:
    """A whole ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def waiting(port: int) -> int:
    """Connections in the backlog of a listening socket, as Linux reports them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    [queues] = [line[4] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"]
    return int(queues.partition(":")[2], 16)


class AdmissionTests(SynchronousTestCase):
    """A gateway with little room, strangers from one address and from many."""

    def setUp(self) -> None:
        self.backend = Backend()
        self.addCleanup(self.backend.close)

    def start(self, **limits: object) -> Gateway:
        """A gateway with these limits, and a door of each kind."""
        self.plain, self.strict, self.proxied, self.l4, self.tcp = running.free_ports(5)
        text = gateway.gateway_section(**limits) + gateway.PROFILES
        text += gateway.pool("app", self.backend.port) + gateway.relay_pool("relay", self.backend.port)
        text += gateway.door("plain", self.plain, protocol="Http") + gateway.door("strict", self.strict, "strict")
        text += gateway.door("proxied", self.proxied, protocol="Http", accept_proxy_protocol="127.0.0.0/8")
        text += gateway.relay_door("l4", self.l4, "strict", to="relay")
        text += gateway.relay_door("tcp", self.tcp, protocol="Tcp", to="relay")
        entered = gateway.running_gateway(text)
        started = entered.__enter__()
        self.addCleanup(entered.__exit__, None, None, None)
        return started

    def strangers(self, port: int, say: Callable[[Line], object], source: str, count: int = STRANGERS) -> None:
        """So many that connect, and say what they say."""
        for _ in range(count):
            line = clients.plain(port, source or clients.fresh_source())
            self.addCleanup(line.close)
            with contextlib.suppress(ConnectionError):  # it had to give way already
                say(line)

    def assert_served(self, started: Gateway) -> None:
        """Honest clients get their answer, on every kind of port."""
        line = clients.plain(self.plain, clients.fresh_source())
        line.send(GET)
        self.assertEqual(line.response().status, 200)
        line.close()
        self.assertEqual(clients.by_python(started.call(self.strict, "ecdsa")).status, 200)
        line = clients.plain(self.proxied, clients.fresh_source())
        line.send(PROXY + GET)
        self.assertEqual(line.response().status, 200)
        line.close()
        self.assertEqual(clients.by_python(started.call(self.l4, "ecdsa")).status, 200)

    def test_connections(self) -> None:
        """Clients that are silent, slow or idle do not lock others out, whatever their addresses."""
        started = self.start(max_connections=ROOM, silent_timeout=1)
        whole = hello()
        ways: tuple[tuple[str, int, Callable[[Line], object]], ...] = (
            ("silent on TLS", self.strict, lambda line: None),
            ("silent on HTTP", self.plain, lambda line: None),
            ("silent on L4", self.l4, lambda line: None),
            ("silent for a balancer", self.proxied, lambda line: None),
            ("silent behind a balancer", self.proxied, lambda line: line.send(PROXY)),
            ("a byte of TLS", self.strict, lambda line: line.send(b"\x16")),
            ("a byte of TLS on L4", self.l4, lambda line: line.send(b"\x16")),
            ("half a record", self.strict, lambda line: line.send(whole[:100])),
            ("a hello, and no more", self.strict, lambda line: line.send(whole)),
            ("a hello on L4, and no more", self.l4, lambda line: line.send(whole)),
            ("half a PROXY header", self.proxied, lambda line: line.send(PROXY[:20])),
            ("half a head", self.plain, lambda line: line.send(GET[:20])),
            ("half a head behind a balancer", self.proxied, lambda line: line.send(PROXY + GET[:20])),
            ("an answer, and no more", self.plain, lambda line: (line.send(GET), line.response())),
            ("refused, and lingers", self.plain, lambda line: (line.send(b"nonsense\r\n\r\n"), line.response())),
        )
        for what, port, say in ways:
            for source in (clients.fresh_source(), ""):
                with self.subTest(what=what, source=source or "many"):
                    self.strangers(port, say, source)
                    wait_until(lambda port=port: not waiting(port), "all were accepted")
                    self.assert_served(started)
        self.assertIn("connections, the limit", started.output)

    def test_one_address(self) -> None:
        """Nor does one address with bodies that do not end, or with L4 sessions in which it never says a word."""
        started = self.start(max_connections=ROOM)
        self.strangers(self.plain, lambda line: line.send(POST), clients.fresh_source(), count=ROOM)
        self.assert_served(started)
        self.strangers(self.tcp, lambda line: None, clients.fresh_source())
        wait_until(lambda: not waiting(self.tcp), "all were accepted")
        self.assert_served(started)

    def test_handshakes(self) -> None:
        """Handshakes that stop after their hello keep others waiting not for long, those of one address not at all."""
        started = self.start(max_handshakes=4, silent_timeout=1)
        whole = hello()
        for source in (clients.fresh_source(), ""):
            self.strangers(self.strict, lambda line: line.send(whole), source, count=12)
            self.assert_served(started)
        errors = {record.get("handshakeError") for record in started.records()}
        self.assertIn("max_handshakes is reached, others waited, and this client was slow", errors)

    def test_descriptors(self) -> None:
        """With few descriptors fewer connections are accepted: each that there is has its server, and it is said."""
        text = gateway.gateway_section() + gateway.pool("app", self.backend.port)
        [self.plain] = running.free_ports(1)
        with gateway.prepared(text + gateway.door("plain", self.plain, protocol="Http")) as started:
            started.prefix = ["/bin/sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh"]
            started.start()
            lines = [clients.plain(self.plain, clients.fresh_source()) for _ in range(20)]
            for _ in range(2 * DESCRIPTORS):
                self.addCleanup(clients.plain(self.plain, clients.fresh_source()).close)
            for line in lines:
                line.send(GET)
            self.assertEqual([line.response().status for line in lines], [200] * 20)
            for line in lines:
                line.close()
            self.assertIn(f"the system's limit is {DESCRIPTORS} (LimitNOFILE", started.output)
            started.stop()
            gateway.assert_no_defect(started.output)
