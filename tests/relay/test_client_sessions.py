"""Clients of L4 listeners, from the open gate to the line in the log."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.backends.health import Health, HealthState
from agwtwisted.core.listening.proxy_protocol import ALPN, SSL, HeaderReader, ProxyHeader, split
from agwtwisted.relay.backends import DRAIN_TIMEOUT, RelayServer
from agwtwisted.relay.client_sessions import CONNECT_TIMEOUT, RelaySession
from agwtwisted.relay.session import Relay
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.early import MAX_EARLY
from tests import clients
from tests.clients import client_context, device
from tests.memory import kept_after
from tests.relays import Check, Stand, text
from tests.servers import Server, root, server_context
from tests.wires import READ, Line

ONE = "mqtt strict"
TCP = "tcp tcp"
SERVERS = "\n[trusted_root_certificate servers]\nfile = pki/servers.pem\n"
TWO_SERVERS = "127.0.0.1, 127.0.0.2"
ADDRESSES = ["192.0.2.7:50000", "127.0.0.1:40000"]


def _failing() -> Deferred[None]:
    failing: Deferred[None] = Deferred()
    failing.errback(ZeroDivisionError())
    return failing


class SessionTests(SynchronousTestCase):
    """A client and its backend."""

    def test_tcp(self) -> None:
        """Without TLS the bytes go to and fro, and the session is logged when both are gone."""
        stand = Stand(text(TCP))
        client = stand.dial()
        backend: Line = stand.backend().line
        client.send(b"question")
        self.assertEqual(backend.take(), b"question")
        backend.send(b"the answer")
        self.assertEqual(client.take(), b"the answer")
        stand.network.advance(2.5)
        client.hang_up()
        self.assertEqual(stand.log.lines, [])
        backend.hang_up()
        stand.network.advance(0)
        expected = {
            "listenerName": "tcp",
            "ruleName": "tcp",
            "backendPoolName": "brokers",
            "backendSettingName": "mqtt",
            "clientIP": "192.0.2.7",
            "clientPort": 50000,
            "protocol": "TCP",
            "receivedBytes": 8,
            "sentBytes": 10,
            "sessionTime": 2.5,
            "upstreamSentBytes": 8,
            "upstreamReceivedBytes": 10,
            "upstreamSessionTime": 2.5,
            "serverRouted": "127.0.0.1:1883",
            "serverStatus": "200",
            "sslEnabled": "off",
            "sslProtocol": "",
            "sslCipher": "",
            "sslClientVerify": "NONE",
            "sessionEnd": "client closed",
            "clientCertificateOmitted": False,
        }
        self.assertLessEqual(expected.items(), stand.record.items())
        self.assertTrue(stand.nothing_is_left())

    def test_tls(self) -> None:
        """With TLS the backend gets the plain bytes, and the log the client's certificate."""
        stand = Stand(text(ONE))
        client = stand.shake_hands(client_context(device()), "mqtt.example")
        client.say(b"question")
        backend: Line = stand.backend().line
        self.assertEqual(backend.take(), b"question")
        backend.send(b"answer")
        client.talk()
        self.assertEqual(client.received, b"answer")
        backend.hang_up()
        client.talk()
        self.assertTrue(client.closed)
        client.line.hang_up()
        stand.network.advance(0)
        expected = {
            "sslEnabled": "on",
            "sslProtocol": "TLSv1.3",
            "sslClientVerify": "SUCCESS",
            "sslClientCertificateFingerprint": clients.certificate_fingerprint(device()),
            "serverName": "mqtt.example",
            "sentBytes": 6,
            "sessionEnd": "backend closed",
        }
        self.assertLessEqual(expected.items(), stand.record.items())
        self.assertTrue(stand.nothing_is_left())

    def test_sites(self) -> None:
        """The server name chooses the listener, its profile and its rule; an unknown name ends in an alert."""
        stand = Stand(text("a strict a.example", "b - *.b.example"))
        stand.shake_hands(name="x.b.example").line.hang_up()
        stand.shake_hands(client_context(device()), "a.example").line.hang_up()
        self.assertEqual([record["listenerName"] for record in stand.log.records], ["b", "a"])
        self.assertIsNotNone(stand.shake_hands(name="a.example").error)
        self.assertIsNotNone(stand.shake_hands(name="c.example").error)

    def test_protocols(self) -> None:
        """A listener that says what its servers speak agrees on the first of it that the client offers (ALPN)."""
        stand = Stand(text("a - a.example; alpn_protocols = h2, http/1.1", "b - b.example; alpn_protocols = mqtt"))
        for name, offered, chosen in (
            ("a.example", [b"http/1.1", b"h2"], b"h2"),
            ("a.example", [b"http/1.1"], b"http/1.1"),
            ("a.example", [], b""),
            ("b.example", [b"h2", b"mqtt"], b"mqtt"),
        ):
            client = stand.shake_hands(client_context(protocols=offered), name)
            self.assertEqual((client.established, client.tls.get_alpn_proto_negotiated()), (True, chosen))

    def test_other_protocols(self) -> None:
        """A client that offers none of these is turned away, and no server hears of it."""
        stand = Stand(text("a - a.example; alpn_protocols = h2"))
        client = stand.shake_hands(client_context(protocols=[b"http/1.1"]), "a.example")
        self.assertIn("no application protocol", str(client.error))
        self.assertEqual(stand.backend().attempts, 0)

    def test_protocol_of_the_server(self) -> None:
        """A server over TLS is offered what the client has agreed on, and nothing where that is nothing."""
        settings = "protocol = Tls\ntrusted_root_certificates = servers"
        configuration = text("a - a.example; alpn_protocols = h2, mqtt", settings=settings) + SERVERS
        for offered, expected in (([b"mqtt", b"h2"], b"h2"), ([b"mqtt"], b"mqtt"), ([], None)):
            stand = Stand(configuration, files=clients.files(servers_pem=root().pem))
            stand.shake_hands(client_context(protocols=offered), "a.example")
            server = Server(
                stand.network, stand.backend().line, server_context(protocols=[b"http/1.1", b"mqtt", b"h2"])
            )
            server.talk()
            self.assertEqual(server.tls.get_alpn_proto_negotiated() or None, expected)

    def test_protocol_offers(self) -> None:
        """Without that, a client's ALPN is ignored: the protocols of the backends are unknown."""
        stand = Stand(text("mqtt -"))
        client = stand.shake_hands(client_context(protocols=[b"mqtt", b"h2"]))
        self.assertEqual((client.established, client.tls.get_alpn_proto_negotiated()), (True, b""))

    def test_what_the_backend_says_first(self) -> None:
        """A backend that speaks first is heard, though the client has said nothing."""
        stand = Stand(text(TCP))
        client = stand.dial()
        stand.backend().line.send(b"220 ready")
        self.assertEqual(client.take(), b"220 ready")

    def test_no_log(self) -> None:
        """Without an access log nothing is made for it."""
        stand = Stand(text(TCP))
        stand.log.enabled = False
        client = stand.dial()
        client.crash()
        stand.backend().line.hang_up()
        stand.network.advance(0)
        self.assertEqual(stand.log.lines, [])
        self.assertTrue(stand.nothing_is_left())


class EarlyTests(SynchronousTestCase):
    """What a client says before there is a backend."""

    def test_during_the_check(self) -> None:
        """Early bytes, and an early end, wait for the verdict, and nothing of them is lost."""
        check = Check()
        stand = Stand(text(ONE), check_of=check.of)
        client = stand.shake_hands(client_context(device()))
        client.say(b"early ")
        client.say(b"bytes")
        client.tls.shutdown()
        client.talk()
        self.assertEqual(stand.backend().attempts, 0)
        check.answer()
        stand.network.advance(0)
        backend: Line = stand.backend().line
        self.assertEqual((backend.take(), backend.eof), (b"early bytes", True))
        backend.send(b"answer")
        backend.hang_up()
        client.talk()
        self.assertEqual(stand.record["sessionEnd"], "client closed")
        self.assertTrue(stand.nothing_is_left())

    def test_while_connecting(self) -> None:
        """While no backend has accepted, bytes are kept, and reading stops once it is enough."""
        stand = Stand(text(TCP))
        stand.backend().silent = True
        client = stand.dial()
        client.send(bytes(MAX_EARLY - 1))
        client.send(b"x" * READ)
        client.send(b"y" * READ)
        self.assertEqual(client.sent_on, MAX_EARLY - 1 + READ)
        stand.backend().silent = False
        stand.backend().refusing = True
        stand.network.advance(CONNECT_TIMEOUT)
        stand.network.advance(0)
        self.assertEqual(stand.record["serverStatus"], "502")

    def test_one_by_one(self) -> None:
        """What is kept of bytes that come one by one is the bytes, and not an object for each."""
        stand = Stand(text(TCP))
        stand.backend().silent = True
        connection: Any = stand.dial().protocol
        kept = kept_after(lambda: [connection.dataReceived(b"x") for _ in range(MAX_EARLY)])
        self.assertTrue(connection.paused)
        self.assertLess(kept, 2 * MAX_EARLY)

    def test_kept_for_the_second_server(self) -> None:
        """The second server gets all that came while the first one was asked."""
        stand = Stand(text(TCP, addresses=TWO_SERVERS))
        stand.backend().silent = True
        client = stand.dial()
        client.send(b"early")
        stand.network.advance(CONNECT_TIMEOUT)
        stand.network.advance(0)
        self.assertEqual(stand.backend(host="127.0.0.2").line.take(), b"early")


class ConnectTests(SynchronousTestCase):
    """Finding a server."""

    def test_turns(self) -> None:
        """Servers take turns, and each has the port of the settings, or its own."""
        stand = Stand(text(TCP, addresses="127.0.0.1, 127.0.0.2:1884"))
        for _ in range(4):
            stand.dial()
        self.assertEqual((stand.backend().attempts, stand.backend(1884, "127.0.0.2").attempts), (2, 2))

    def test_next_server(self) -> None:
        """A server that refuses, or does not answer in time, is passed over; the log says why, a few times."""
        for how in ("refusing", "silent"):
            stand = Stand(text(TCP, addresses=TWO_SERVERS))
            setattr(stand.backend(), how, True)
            with capturedLogs() as logs:
                client = stand.dial()
                stand.network.advance(CONNECT_TIMEOUT if how == "silent" else 0)
                stand.network.advance(0)
            backend: Line = stand.backend(host="127.0.0.2").line
            client.send(b"x")
            self.assertEqual(backend.take(), b"x")
            [line] = [formatEvent(event) for event in logs]
            self.assertTrue(line.startswith("No connection to 127.0.0.1:1883: "), line)
            client.hang_up()
            backend.hang_up()
            stand.network.advance(0)
            self.assertEqual(stand.record["serverRouted"], "127.0.0.2:1883")

    def test_nobody(self) -> None:
        """Where no server can be reached the client is closed, with close_notify, and 502 in the log."""
        stand = Stand(text(ONE, addresses=TWO_SERVERS))
        for host in ("127.0.0.1", "127.0.0.2"):
            stand.backend(host=host).refusing = True
        client = stand.shake_hands(client_context(device()))
        client.talk()
        self.assertTrue(client.closed)
        record = stand.record
        self.assertEqual((record["serverStatus"], record["sessionEnd"]), ("502", "no backend reachable"))
        self.assertEqual(record["serverRouted"], "")
        self.assertTrue(stand.nothing_is_left())

    def test_empty_pool(self) -> None:
        """So it is with a pool that has no server."""
        stand = Stand(text(TCP, addresses=""))
        client = stand.dial()
        self.assertTrue(client.eof)
        self.assertEqual(stand.record["serverStatus"], "502")

    def test_deadline(self) -> None:
        """All servers together have `timeout` seconds."""
        hosts = [f"127.0.0.{number}" for number in range(1, 21)]
        stand = Stand(text(TCP, addresses=", ".join(hosts)))
        for host in hosts:
            stand.backend(host=host).silent = True
        stand.dial()
        for _ in range(12):
            self.assertEqual(stand.log.lines, [])
            stand.network.advance(CONNECT_TIMEOUT)
            stand.network.advance(0)
        self.assertEqual((stand.record["serverStatus"], stand.record["sessionTime"]), ("502", 60.0))
        self.assertEqual(sum(stand.backend(host=host).attempts for host in hosts), 12)
        self.assertTrue(stand.nothing_is_left())

    def test_client_leaves(self) -> None:
        """A client that is gone while a server is asked ends the attempt."""
        stand = Stand(text(TCP, addresses=TWO_SERVERS))
        stand.backend().silent = True
        client = stand.dial()
        client.crash()
        stand.network.advance(0)
        self.assertEqual((stand.record["sessionEnd"], stand.record["serverRouted"]), ("client cut off", ""))
        self.assertEqual(stand.backend(host="127.0.0.2").attempts, 0)
        self.assertTrue(stand.nothing_is_left())

    def test_defect(self) -> None:
        """A defect of ours while connecting closes the client, and is in both logs."""
        stand = Stand(text(TCP))
        self.patch(RelayServer, "dial", lambda *_, **__: _failing())
        client = stand.dial()
        stand.network.advance(0)
        self.assertTrue(client.eof)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((stand.record["serverStatus"], stand.record["sessionEnd"]), ("500", "internal error"))

    def test_defects_elsewhere(self) -> None:
        """So is one before a server is dialed, while both are joined, and after the client was judged again."""
        for owner, name in ((Pool, "order"), (RelaySession, "_dial_next"), (RelaySession, "_connected")):
            with self.subTest(place=name):
                stand = Stand(text(TCP))
                patch = self.patch(owner, name, lambda *_: 1 / 0)
                client = stand.dial()
                patch.restore()
                self.assert_defect(stand, client)
        for judged in (True, False):
            stand = Stand(text(TCP))
            client = stand.dial()
            [session] = {each for each in stand.port._sessions.values() if isinstance(each, RelaySession)}
            where = (Relay, "go_on") if judged else (Connection, "write")
            patch = self.patch(*where, lambda *_: 1 / 0)
            if judged:
                session.renewed(session.client)
            else:
                client.send(b"question")
            patch.restore()
            self.assert_defect(stand, client)

    def assert_defect(self, stand: Stand, client: Line) -> None:
        """The session is over, logged as the gateway's own error, and nothing is left of it."""
        stand.network.advance(0)
        client.hang_up()
        for line in stand.backend().lines:
            line.hang_up()
        stand.network.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((stand.record["serverStatus"], stand.record["sessionEnd"]), ("500", "internal error"))
        self.assertTrue(stand.nothing_is_left())


class HealthTests(SynchronousTestCase):
    """Servers that go down."""

    def setUp(self) -> None:
        self.stand = Stand(text(TCP, addresses=TWO_SERVERS))
        self.servers = self.stand.pool("brokers", "mqtt").servers
        for server in self.servers:
            server.found(Health(state=HealthState.UP))

    def test_new_sessions(self) -> None:
        """No session goes to a server that is down; where all are, clients are refused at once."""
        self.servers[0].found(Health(state=HealthState.DOWN))
        for _ in range(2):
            self.stand.dial()
        self.assertEqual(self.stand.backend().attempts, 0)
        self.servers[1].found(Health(state=HealthState.DOWN))
        self.assertTrue(self.stand.dial().eof)
        self.assertEqual(self.stand.record["serverStatus"], "502")

    def test_drained(self) -> None:
        """A session with a server that goes down has half a minute, and is cut off then."""
        client = self.stand.dial()
        backend: Line = self.stand.backend().line
        self.servers[0].found(Health(state=HealthState.DOWN))
        self.stand.network.advance(DRAIN_TIMEOUT - 1)
        client.send(b"x")
        self.assertEqual(backend.take(), b"x")
        self.stand.network.advance(1)
        self.stand.network.advance(0)
        self.assertTrue(client.reset and backend.reset)
        self.assertEqual(self.stand.record["sessionEnd"], "backend is down")
        self.assertTrue(self.stand.nothing_is_left())

    def test_ends_by_itself(self) -> None:
        """A session that ends meanwhile is not cut off any more."""
        client = self.stand.dial()
        self.servers[0].found(Health(state=HealthState.DOWN))
        client.hang_up()
        self.stand.backend().line.hang_up()
        self.stand.network.advance(DRAIN_TIMEOUT)
        self.assertEqual(self.stand.record["sessionEnd"], "client closed")
        self.assertTrue(self.stand.nothing_is_left())

    def test_refused(self) -> None:
        """A connection that is refused counts for the server's health, one that is not answered does not."""
        told: list[str] = []
        for server in self.servers:
            server.when_refused = lambda: told.append("refused")
        self.stand.backend().refusing = True
        self.stand.backend(host="127.0.0.2").silent = True
        self.stand.dial()
        self.stand.network.advance(CONNECT_TIMEOUT)
        self.stand.network.advance(0)
        self.assertEqual(told, ["refused"])

    def test_refusing(self) -> None:
        """A client whose server refuses is brought to one that had only refused; each is tried once."""
        told: list[str] = []
        self.servers[0].found(Health(state=HealthState.DOWN, refused=True))
        self.servers[0].when_reached = lambda: told.append("reached")
        self.stand.backend(host="127.0.0.2").refusing = True
        self.stand.dial().send(b"x")
        self.assertEqual((self.stand.backend().line.take(), told), (b"x", ["reached"]))
        self.servers[1].found(Health(state=HealthState.DOWN, refused=True))
        self.stand.backend().refusing = True
        client = self.stand.dial()
        self.stand.network.advance(0)
        self.assertTrue(client.eof)
        self.assertEqual([self.stand.backend(host=host).attempts for host in ("127.0.0.1", "127.0.0.2")], [2, 2])


class RevalidationTests(SynchronousTestCase):
    """A verdict has an end, and bad news comes at any time."""

    def setUp(self) -> None:
        self.check = Check()
        self.stand = Stand(text(ONE), check_of=self.check.of)
        self.client: Server = self.stand.shake_hands(client_context(device()))
        self.check.answer(seconds=100)
        self.stand.network.advance(0)
        self.backend: Line = self.stand.backend().line

    def keep_alive(self, seconds: float) -> None:
        """Time goes by, and the session is not idle."""
        while seconds > 0:
            step = min(seconds, 30)
            self.stand.network.advance(step)
            self.backend.send(b".")
            self.client.talk()
            seconds -= step

    def test_good(self) -> None:
        """At the end of its verdict a client is held until it was judged again, and goes on."""
        self.keep_alive(100)
        self.assertEqual(len(self.check.asked), 2)
        self.client.say(b"held")
        self.assertEqual(self.backend.take(), b"")
        self.check.answer(seconds=10**6)
        self.client.talk()
        self.assertEqual(self.backend.take(), b"held")

    def test_revoked(self) -> None:
        """Refused now, both connections close at once, and the log says so."""
        self.keep_alive(99)
        self.check.watching[0]()
        self.check.answer(good=False)
        self.stand.network.advance(0)
        self.assertTrue(self.client.line.reset and self.backend.reset)
        expected = {
            "serverStatus": "200",
            "sessionEnd": "client certificate refused",
            "sslClientVerify": "FAILED:certificate revoked",
            "ocspStatus": "revoked",
        }
        self.assertLessEqual(expected.items(), self.stand.record.items())
        self.assertEqual(self.check.watching, [])
        self.assertTrue(self.stand.nothing_is_left())

    def test_client_leaves_meanwhile(self) -> None:
        """A client that leaves while it is judged again ends the question."""
        self.keep_alive(100)
        self.client.line.crash()
        self.backend.hang_up()
        self.stand.network.advance(0)
        self.assertEqual(self.check.cancelled, 1)
        self.assertTrue(self.stand.nothing_is_left())

    def test_while_connecting(self) -> None:
        """A client that is refused while a server is asked never gets there."""
        check = Check()
        stand = Stand(text(ONE), check_of=check.of)
        stand.backend().silent = True
        client = stand.shake_hands(client_context(device()))
        check.answer()
        client.say(b"early")
        check.watching[0]()
        check.answer(good=False)
        client.talk()
        self.assertTrue(client.closed)
        self.assertEqual(stand.record["serverStatus"], "403")
        self.assertTrue(stand.nothing_is_left())

    def test_held_when_the_server_answers(self) -> None:
        """A backend that accepts while its client is judged again gets nothing of it before."""
        check = Check()
        stand = Stand(text(ONE), check_of=check.of)
        client = stand.shake_hands(client_context(device()))
        client.say(b"early")
        check.answer()  # the server answers in the next turn
        check.watching[0]()
        stand.network.advance(0)
        backend: Line = stand.backend().line
        self.assertEqual(backend.take(), b"")
        check.answer(seconds=10**6)
        self.assertEqual(backend.take(), b"early")


class ProxyHeaderTests(SynchronousTestCase):
    """enable_l4_client_ip_preservation, and what comes ahead of the gateway."""

    def header(self, backend: Line) -> ProxyHeader:
        """The header that a backend got; nothing came after it."""
        found = HeaderReader().feed(backend.take())
        assert isinstance(found, ProxyHeader), found
        return found

    def test_addresses(self) -> None:
        """The backend gets the client's address, and the one that it connected to, ahead of every byte."""
        stand = Stand(text(TCP, settings="enable_l4_client_ip_preservation = true"))
        client = stand.dial()
        backend: Line = stand.backend().line
        header = self.header(backend)
        assert header.source
        assert header.destination
        self.assertEqual([f"{host}:{port}" for host, port in (header.source, header.destination)], ADDRESSES)
        self.assertEqual(header.tlvs, ())
        client.send(b"x")
        self.assertEqual(backend.take(), b"x")
        client.crash()
        backend.hang_up()
        stand.network.advance(0)
        self.assertEqual(stand.record["upstreamSentBytes"], 28 + 1)

    def test_tls(self) -> None:
        """With proxy_protocol_tls it gets the client's TLS and certificate."""
        settings = "enable_l4_client_ip_preservation = true\nproxy_protocol_tls = true"
        stand = Stand(text(ONE, settings=settings))
        stand.shake_hands(client_context(device()), "mqtt.example")
        header = self.header(stand.backend().line)
        authority, ssl = header.tlvs
        self.assertEqual((authority.value, ssl.type), (b"mqtt.example", SSL))
        self.assertIn(device().der, [tlv.value for tlv in split(ssl.value[5:]) or ()])

    def test_protocol(self) -> None:
        """The protocol that was agreed on is among it, where one was."""
        settings = "enable_l4_client_ip_preservation = true\nproxy_protocol_tls = true"
        for offered, expected in (([b"h2"], [b"h2"]), ([], [])):
            stand = Stand(text("a -; alpn_protocols = h2", settings=settings))
            stand.shake_hands(client_context(protocols=offered))
            tlvs = self.header(stand.backend().line).tlvs
            self.assertEqual([tlv.value for tlv in tlvs if tlv.type == ALPN], expected)

    def test_each_server_is_told(self) -> None:
        """The second server gets it as well."""
        settings = "enable_l4_client_ip_preservation = true"
        stand = Stand(text(TCP, addresses=TWO_SERVERS, settings=settings))
        stand.backend().refusing = True
        stand.dial()
        stand.network.advance(0)
        self.assertIsNotNone(self.header(stand.backend(host="127.0.0.2").line).source)

    def test_passed_on(self) -> None:
        """The addresses from a proxy's header are those that the backend gets; its other values are not."""
        listener = "tcp tcp; accept_proxy_protocol = 10.0.0.0/8"
        stand = Stand(text(listener, settings="enable_l4_client_ip_preservation = true"))
        line = stand.dial(address="10.1.2.3")
        line.send(b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 8883\r\nhello")
        stand.network.advance(0)
        backend: Line = stand.backend().line
        data = backend.take()
        reader = HeaderReader()
        header = reader.feed(data)
        assert isinstance(header, ProxyHeader)
        assert header.source
        assert header.destination
        self.assertEqual((str(header.source[0]), str(header.destination[0])), ("2001:db8::7", "2001:db8::1"))
        self.assertEqual((header.tlvs, reader.rest), ((), b"hello"))
        line.hang_up()
        backend.hang_up()
        stand.network.advance(0)
        self.assertEqual((stand.record["clientIP"], stand.record["clientPort"]), ("2001:db8::7", 50000))
        self.assertTrue(stand.nothing_is_left())


STRICT, PARTNERS = text("m strict"), text("m partners")
DEEPER = text("m strict", gateway="max_client_chain_depth = 9\n")
"""A profile that judges otherwise."""


class SuccessionTests(SynchronousTestCase):
    """Sessions when a new configuration takes over."""

    def joined(self, configuration: str = STRICT, **others: Any) -> tuple[Stand, Server, Line]:
        """A client and its server, which have spoken."""
        stand = Stand(configuration, **others)
        client = stand.shake_hands(client_context(device()), "m.example")
        backend = self.spoke(stand, client)
        return stand, client, backend

    def spoke(self, stand: Stand, client: Server) -> Line:
        """The backend's end, which has got a word."""
        client.say(b"before")
        backend: Line = stand.backend().line
        self.assertEqual(backend.take(), b"before")
        return backend

    def turn(self, stand: Stand) -> None:
        """The turns after a reload."""
        for _ in range(4):
            stand.network.advance(0)

    def test_undisturbed(self) -> None:
        """A session whose trust did not change goes on where it is, and counts as the new port's."""
        stand, client, backend = self.joined()
        following = stand.reloaded(
            STRICT.replace("[listener m]", "[listener m2]").replace("listener = m", "listener = m2")
        )
        client.say(b"on")
        self.assertEqual(backend.take(), b"on")
        self.turn(stand)
        client.say(b"and on")
        self.assertEqual(backend.take(), b"and on")
        self.assertEqual((len(stand.port.connections), len(following.port.connections)), (0, 2))
        following.port.abort()
        stand.network.advance(0)
        self.assertEqual((stand.record["listenerName"], stand.record["sessionEnd"]), ("m", "the gateway is stopping"))
        self.assertTrue(following.nothing_is_left())

    def test_ca_removed(self) -> None:
        """A client of a CA that is trusted no more is cut off at once, and no byte of it passes after the commit."""
        for version in clients.VERSIONS:
            stand = Stand(STRICT)
            client = stand.shake_hands(client_context(device(), version=version), "m.example")
            backend = self.spoke(stand, client)
            connection = client.line.protocol
            client.tls.send(b"after")
            late = client.flight()
            following = stand.reloaded(PARTNERS)
            connection.dataReceived(late)  # which had been read in the turn of the commit
            self.assertEqual(backend.received, b"")
            self.turn(stand)
            self.assertEqual((backend.take(), backend.reset, client.line.reset), (b"", True, True))
            self.assertEqual(stand.record["sessionEnd"], "client certificate refused")
            self.assertTrue(following.nothing_is_left())

    def test_held(self) -> None:
        """What had been read is passed on after the verdict, and what follows it, the client's end included."""
        stand, client, backend = self.joined(text("m passthrough"))
        connection = client.line.protocol
        client.tls.send(b"first ")
        late = client.flight()
        stand.reloaded(STRICT)
        connection.dataReceived(late)
        self.assertEqual(backend.received, b"")
        client.tls.send(b"second")
        client.tls.shutdown()
        client.speak()
        self.turn(stand)
        self.assertEqual((backend.take(), backend.eof), (b"first second", True))

    def test_held_with_its_end(self) -> None:
        """The end of a client that was read with its last bytes does not overtake them."""
        stand, client, backend = self.joined(text("m passthrough"))
        connection = client.line.protocol
        client.tls.send(b"last")
        client.tls.shutdown()
        late = client.flight()
        stand.reloaded(STRICT)
        connection.dataReceived(late)
        self.assertEqual((backend.received, backend.eof), (b"", False))
        self.turn(stand)
        self.assertEqual((backend.take(), backend.eof), (b"last", True))

    def test_revocation_switched_on(self) -> None:
        """Where the profile checks revocation now, nothing is passed on until its answer, and unless that is good."""
        for good in (True, False):
            stand, client, backend = self.joined()
            check = Check()
            stand.reloaded(DEEPER, check_of=check.of)
            client.say(b"x")
            self.turn(stand)
            self.assertEqual((backend.take(), len(check.asked)), (b"", 1))
            check.answer(good=good)
            self.turn(stand)
            self.assertEqual((backend.take(), client.line.reset), (b"x", False) if good else (b"", True))

    def test_no_server_yet(self) -> None:
        """One that has no server yet is joined after the new verdict, to a server of the new configuration."""
        described = "enable_l4_client_ip_preservation = true\nproxy_protocol_tls = true\n"
        stand = Stand(text("m passthrough", settings=described))
        stand.backend().silent = True
        client = stand.shake_hands(client_context(device()), "m.example")
        client.say(b"early")
        self.assertEqual(stand.backend().attempts, 1)
        following = stand.reloaded(text("m strict", settings=described).replace("port = 1883", "port = 1884"))
        self.turn(stand)
        sent = stand.backend(1884).line.take()
        self.assertTrue(sent.endswith(b"early"))
        header = HeaderReader().feed(sent)
        assert isinstance(header, ProxyHeader)
        [ssl] = [each.value for each in header.tlvs if each.type == SSL]
        self.assertEqual(ssl[1:5], bytes(4))  # verified
        self.assertEqual(stand.backend().lines, [])
        client.line.crash()
        stand.backend(1884).line.hang_up()
        self.turn(stand)
        self.assertEqual(stand.record["sslClientVerify"], "SUCCESS")
        self.assertTrue(following.nothing_is_left())

    def test_no_server_and_refused(self) -> None:
        """No server is reached for one that is refused, not even by a connection that was about to come."""
        stand = Stand(STRICT)
        stand.backend().silent = True
        client = stand.shake_hands(client_context(device()), "m.example")
        following = stand.reloaded(PARTNERS)
        self.turn(stand)
        client.talk()
        client.line.hang_up()
        self.assertEqual((stand.backend().lines, stand.record["serverStatus"]), ([], "403"))
        self.assertTrue(following.nothing_is_left())

    def test_removed(self) -> None:
        """A session whose listener is removed has drain_timeout."""
        for retire in (True, False):
            stand = Stand(text("m strict m.example", "o - o.example"))
            client = stand.shake_hands(client_context(device()), "m.example")
            backend = self.spoke(stand, client)
            following = stand
            if retire:
                stand.port.retire()
            else:
                following = stand.reloaded(text("o - o.example"))
            self.turn(stand)
            stand.network.advance(29)
            client.say(b"x")
            self.assertEqual(backend.take(), b"x")
            stand.network.advance(1)
            stand.network.advance(0)
            self.assertEqual((backend.reset, client.line.reset), (True, True))
            self.assertEqual(stand.record["sessionEnd"], "listener removed")
            self.assertTrue(following.nothing_is_left())

    def test_back_with_another_profile(self) -> None:
        """A session of a removed listener that is there again ends at once if the profile is another."""
        for profile, kept in (("partners", False), ("strict", True)):
            stand = Stand(text("m strict m.example", "o - o.example"))
            client = stand.shake_hands(client_context(device()), "m.example")
            backend = self.spoke(stand, client)
            following = stand.reloaded(text("o - o.example"))
            self.turn(stand)
            last = following.reloaded(text(f"m {profile} m.example", "o - o.example"))
            if kept:
                client.say(b"x")
            else:
                client.tls.send(b"x")
                client.line.protocol.dataReceived(client.flight())
            self.assertEqual(backend.take(), b"x" if kept else b"")
            self.turn(stand)
            self.assertEqual((backend.reset, client.line.reset), (not kept, not kept))
            stand.network.advance(30)
            stand.network.advance(0)
            self.assertEqual(stand.record["sessionEnd"], "listener removed")
            self.assertTrue(last.nothing_is_left())

    def test_gone_before_its_turn(self) -> None:
        """A client that leaves while it is to be judged leaves nothing behind."""
        stand, client, backend = self.joined()
        following = stand.reloaded(PARTNERS)
        client.line.crash()
        backend.hang_up()
        self.turn(stand)
        self.assertTrue(following.nothing_is_left())

    def test_gone_before_it_is_retired(self) -> None:
        """A client that leaves before its session is retired leaves no timer behind."""
        stand = Stand(text("m strict m.example", "o - o.example"))
        client = stand.shake_hands(client_context(device()), "m.example")
        backend = self.spoke(stand, client)
        following = stand.reloaded(text("o - o.example"))
        client.line.crash()
        backend.hang_up()
        self.turn(stand)
        self.assertTrue(following.nothing_is_left())

    def test_removed_before_its_turn(self) -> None:
        """One that is to be judged by a profile when its listener is removed is judged, and has drain_timeout."""
        for profile, reset in (("partners", True), ("http400", False)):
            stand = Stand(text("m strict m.example", "o - o.example"))
            client = stand.shake_hands(client_context(device()), "m.example")
            backend = self.spoke(stand, client)
            following = stand.reloaded(text(f"m {profile} m.example", "o - o.example"))
            last = following.reloaded(text("o - o.example"))
            self.turn(stand)
            self.assertEqual(client.line.reset, reset)
            if not reset:
                client.say(b"x")
                self.assertEqual(backend.take(), b"x")
                client.line.crash()
                backend.hang_up()
                self.turn(stand)
            self.assertTrue(last.nothing_is_left())

    def test_back_again(self) -> None:
        """A profile that is changed and changed back has the client judged, and held no longer."""
        stand, client, backend = self.joined()
        following = stand.reloaded(PARTNERS)
        following.reloaded(STRICT)
        client.say(b"x")
        self.assertEqual(backend.take(), b"x")

    def test_verdicts_of_the_old_profile(self) -> None:
        """An answer to what was asked by the old profile does not set free what waits for the new one."""
        old, new = Check(), Check()
        stand = Stand(STRICT, check_of=old.of)
        client = stand.shake_hands(client_context(device()), "m.example")
        old.answer(seconds=60)
        backend = self.spoke(stand, client)
        stand.network.advance(59)
        connection = client.line.protocol
        client.tls.send(b"x")
        late = client.flight()
        old.watching[-1]()
        stand.reloaded(DEEPER, check_of=new.of)
        old.answer()
        connection.dataReceived(late)
        self.assertEqual(backend.received, b"")
        self.turn(stand)
        self.assertEqual((backend.take(), len(new.asked)), (b"", 1))
        new.answer()
        self.turn(stand)
        self.assertEqual(backend.take(), b"x")

    def test_defect(self) -> None:
        """Where the judgement breaks, or there is no check for it, the session ends."""
        for broken in ("judged_anew", "check_of"):
            stand, client, backend = self.joined()
            following = Stand(PARTNERS, before=stand)
            setattr(following.port, broken, _breaks)
            following.port.take_over(stand.port)
            self.turn(stand)
            self.assertEqual((backend.reset, client.line.reset), (True, True))
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_plain(self) -> None:
        """A session without TLS goes on."""
        stand = Stand(text(TCP))
        client = stand.dial()
        stand.reloaded(text(TCP))
        self.turn(stand)
        client.send(b"x")
        self.assertEqual(stand.backend().line.take(), b"x")


def _breaks(*arguments: Any) -> Any:
    return 1 / 0
