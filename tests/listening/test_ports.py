"""Which clients a port accepts, from which networks, and with which header."""

from __future__ import annotations

from datetime import timedelta

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.proxy_protocol import SIGNATURE
from agwtwisted.listening.ports import QUIET
from tests import pki
from tests.clients import GET, Gateway, Transport, client_context, device, plain, text
from tests.relays import Stand
from tests.relays import text as relay_text
from tests.wires import Line

PAST = pki.NOW - timedelta(days=300)
SITES = text("basic -", "s strict s.example", "h http400 h.example", "p passthrough p.example")


class AcceptTests(SynchronousTestCase):
    """Who is let in."""

    def test_address_limit(self) -> None:
        """One too many of an address is closed at once, and not counted; IPv4 in IPv6 is that address, a /64 is one."""
        gateway = Gateway(SITES.replace("[gateway]\n", "[gateway]\nmax_connections_per_address = 1\n"))
        client = gateway.client(address="192.0.2.7")
        for address in ("192.0.2.7", "::ffff:192.0.2.7"):
            self.assertIsNone(gateway.port.accept(address, 1))
        self.assertEqual(len(gateway.limits.connections), 1)
        self.assertIsNotNone(gateway.port.accept("2001:db8::7", 1))
        self.assertIsNone(gateway.port.accept("2001:db8::8", 1))
        self.assertIsNotNone(gateway.port.accept("2001:db8:0:1::7", 1))
        client.lose()
        self.assertIsNotNone(gateway.port.accept("192.0.2.7", 1))
        self.assertGreater(gateway.port.counters.rejected, 0)

    def test_plain_port(self) -> None:
        """On a plain port requests are read at once, of a client without TLS."""
        gateway = Gateway(plain(SITES))
        connection = gateway.port.accept("192.0.2.7", 1)
        assert connection
        connection.makeConnection(Transport())  # type: ignore[arg-type]
        self.assertEqual(len(gateway.limits.handshakes), 0)
        connection.dataReceived(GET)
        self.assertEqual(gateway.forwarded, 1)
        self.assertNotIn(b"X-Client-Certificate", gateway.backend())

    def test_nothing_counts_before_it_is_whole(self) -> None:
        """A connection that cannot be made is not counted."""
        gateway = Gateway(SITES)
        assert gateway.contexts
        gateway.port._contexts = object()  # type: ignore[assignment]
        with self.assertRaises(AttributeError):
            gateway.port.accept("192.0.2.7", 1)
        self.assertEqual(
            (len(gateway.limits.connections), len(gateway.limits.handshakes), len(gateway.port.connections)), (0, 0, 0)
        )


PROXIED = "accept_proxy_protocol = 10.0.0.0/8, fd00::/8"


def header(source: str = "192.0.2.7", port: int = 50000) -> bytes:
    """A proxy's header."""
    return f"PROXY TCP4 {source} 198.51.100.1 {port} 8883\r\n".encode()


class ProxiedTests(SynchronousTestCase):
    """Ports behind a balancer."""

    def stand(self, profile: str = "tcp", gateway: str = "") -> Stand:
        """A port of L4; HTTP ports are the same up to here."""
        return Stand(relay_text(f"a {profile}; {PROXIED}", gateway=gateway))

    def test_listed(self) -> None:
        """The client is who the header says, for the log and the limit of its address."""
        stand = self.stand(gateway="max_connections_per_address = 1")
        lines = [stand.dial(address="10.1.2.3") for _ in range(3)]
        for line, source in zip(lines, ("192.0.2.7", "192.0.2.8", "192.0.2.7"), strict=True):
            line.send(header(source))
        stand.network.advance(0)
        self.assertEqual([line.reset for line in lines], [False, False, True])
        self.assertEqual(stand.limits._by_address, {"192.0.2.7": 1, "192.0.2.8": 1})
        for line in lines[:2]:
            line.crash()
        for line in stand.backend().lines:
            line.hang_up()
        stand.network.advance(0)
        self.assertEqual({record["clientIP"] for record in stand.log.records}, {"192.0.2.7", "192.0.2.8"})
        self.assertTrue(stand.nothing_is_left())

    def test_others(self) -> None:
        """From other networks no connection is accepted, with a header or without; the log says so, a few times."""
        stand = self.stand()
        for address in (
            "192.0.2.7",
            "2001:db8::1",
            "::ffff:192.0.2.7",
            "fe80::1%eth0",
        ):
            self.assertIsNone(stand.port.accept(address, 1))
        self.assertIn("may not send PROXY protocol headers", stand.log.records[0]["handshakeError"])
        for _ in range(100):
            stand.port.accept("192.0.2.7", 1)
        self.assertLess(len(stand.log.lines), 20)
        self.assertTrue(stand.nothing_is_left())

    def test_listed_in_any_spelling(self) -> None:
        """A network is one of addresses, not of their spellings."""
        stand = self.stand()
        for address in ("::ffff:10.1.2.3", "fd00::1"):
            self.assertIsNotNone(stand.port.accept(address, 1))

    def test_mandatory(self) -> None:
        """From a listed network nothing is read without a header."""
        for profile, hello in (("tcp", b"hello"), ("-", b"\x16\x03\x01\x02\x00")):
            stand = self.stand(profile)
            line = stand.dial(address="10.1.2.3")
            line.send(hello)
            stand.network.advance(0)
            self.assertEqual((line.reset, stand.backend().attempts), (True, 0))
            record = stand.record
            self.assertEqual((record["clientIP"], record["listenerName"]), ("10.1.2.3", "a"))
            self.assertTrue(record["handshakeError"].startswith("PROXY protocol: "), record)
            self.assertTrue(stand.nothing_is_left())

    def test_local(self) -> None:
        """A health check of the proxy's own is a connection from the proxy."""
        stand = self.stand(gateway="max_connections_per_address = 1")
        line = stand.dial(address="10.1.2.3", port=4)
        line.send(SIGNATURE + b"\x20\0\0\0")
        stand.network.advance(0)
        self.assertEqual(stand.limits._by_address, {"10.1.2.3": 1})
        line.hang_up()
        stand.backend().line.hang_up()
        stand.network.advance(0)
        self.assertEqual((stand.record["clientIP"], stand.record["clientPort"]), ("10.1.2.3", 4))

    def test_counts(self) -> None:
        """While the header is awaited the connection counts as one, of no address, and as no handshake."""
        stand = self.stand("-", gateway="max_handshakes = 2\nmax_connections = 3")
        line = stand.dial(address="10.1.2.3")
        self.assertEqual((len(stand.limits.connections), len(stand.limits.handshakes)), (1, 0))
        self.assertEqual(stand.limits.connections._by_block, {})
        line.send(header())
        self.assertEqual((len(stand.limits.connections), len(stand.limits.handshakes)), (1, 0))
        self.assertEqual(stand.limits.connections._by_block, {"192.0.2.7": 1})
        self.assertEqual(len(stand.port.connections), 1)
        client = stand.shake_hands(line=line)
        self.assertTrue(client.established)
        self.assertEqual((len(stand.limits.connections), len(stand.limits.handshakes)), (1, 0))

    def test_one_deadline(self) -> None:
        """Header and handshake together have the time of a handshake."""
        stand = self.stand("-", gateway="handshake_timeout = 10\nsilent_timeout = 3")
        line = stand.dial(address="10.1.2.3")
        stand.network.advance(2)
        line.send(header()[:9])
        stand.network.advance(4)
        line.send(header()[9:] + b"\x16")
        stand.network.advance(3.5)
        self.assertFalse(line.reset)
        stand.network.advance(1)
        stand.network.advance(0)
        self.assertTrue(line.reset)
        self.assertTrue(stand.nothing_is_left())

    def test_tls(self) -> None:
        """The TLS handshake follows the header, in the same packet even."""
        stand = self.stand("strict")
        line = stand.dial(address="10.1.2.3")
        line.send(header())
        client = stand.shake_hands(client_context(device()), line=line)
        client.say(b"x")
        self.assertEqual(stand.backend().line.take(), b"x")

    def test_drain(self) -> None:
        """While the gateway stops a header that has begun may become whole; where none comes the connection ends."""
        stand = self.stand()
        silent: Line = stand.dial(address="10.1.2.3")
        begun: Line = stand.dial(address="10.1.2.3")
        slow: Line = stand.dial(address="10.1.2.3")
        begun.send(header()[:9])
        slow.send(header()[:9])
        stand.port.drain()
        begun.send(header()[9:] + b"x")
        self.assertEqual(stand.backend().line.take(), b"x")
        stand.network.advance(QUIET)
        stand.network.advance(0)
        self.assertEqual((silent.reset, slow.reset), (True, False))
        stand.network.advance(stand.port.gateway.silent_timeout)
        stand.network.advance(0)
        self.assertTrue(slow.reset)

    def test_http(self) -> None:
        """On HTTP ports the client of the header is the one that backends get."""
        gateway = Gateway(plain(text(f"basic -; {PROXIED}")))
        protocol = gateway.port.accept("10.1.2.3", 1)
        assert protocol
        protocol.makeConnection(Transport())  # type: ignore[arg-type]
        protocol.dataReceived(header() + GET)
        self.assertIn(b"\r\nX-Forwarded-For: 192.0.2.7:50000\r\n", gateway.backend())


class CountedTests(SynchronousTestCase):
    """How many clients each listener has."""

    def test_by_listener(self) -> None:
        """Clients count for the listener whose name they have asked for, and on a port of one listener for that."""
        gateway = Gateway(text("basic -", "other - other.example"))
        for name in ("", "other.example", "other.example"):
            gateway.shake_hands(name=name)
        self.assertEqual(dict(gateway.port.by_listener()), {"basic": 1, "other": 2})
        alone = Gateway(text("basic -"))
        alone.shake_hands()
        self.assertEqual(dict(alone.port.by_listener()), {"basic": 1})
