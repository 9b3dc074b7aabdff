"""Connections that have no session yet when a new configuration takes over."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.identity.revalidation import Answer
from agwtwisted.listening.arrivals import REMOVED
from agwtwisted.listening.ports import Port
from tests.clients import GET, VERSIONS, Client, Gateway, Transport, client_context, device, text
from tests.relays import Check, Stand
from tests.relays import text as relay_text

STRICT, PARTNERS = text("s strict s.example"), text("s partners s.example")
PASSTHROUGH, OPEN = text("s passthrough s.example"), text("s - s.example")
REQUEST = GET.replace(b"localhost", b"s.example")
PROXIED = "accept_proxy_protocol = 10.0.0.0/8"
HEADER = b"PROXY TCP4 192.0.2.9 198.51.100.1 50000 8883\r\n"


def turn(gateway: Gateway) -> None:
    """The turns after a reload."""
    for _ in range(3):
        gateway.reactor.advance(0)


def begun(gateway: Gateway, version: int, *, silent: bool = False) -> Client:
    """A client in the midst of its handshake, or before it."""
    client = gateway.client(client_context(device(), version=version), "s.example")
    if not silent:
        client.give(client.hello())
    return client


class HandshakeTests(SynchronousTestCase):
    """A port takes over while a handshake is under way."""

    def test_goes_on(self) -> None:
        """The handshake goes on, and what follows it is of the new port."""
        for version in VERSIONS:
            gateway = Gateway(STRICT)
            client = begun(gateway, version)
            following = gateway.reloaded(STRICT.replace(":9000", ":9001"))
            client.talk()
            self.assertTrue(client.established)
            client.say(REQUEST)
            self.assertEqual(gateway.reactor.tcpClients[-1][1], 9001)
            self.assertEqual((len(gateway.port.connections), len(following.port.connections)), (0, 1))
            client.lose()
            counts = (len(following.port.connections), len(gateway.limits.connections), len(gateway.limits.handshakes))
            self.assertEqual(counts, (0, 0, 0))

    def test_other_trust(self) -> None:
        """A handshake made by the trust of before admits nothing that the new profile does not trust."""
        for before in (STRICT, PASSTHROUGH, OPEN):
            for version in VERSIONS:
                for silent in (True, False):
                    gateway = Gateway(before)
                    client = begun(gateway, version, silent=silent)
                    following = gateway.reloaded(PARTNERS)
                    turn(gateway)
                    client.talk()
                    client.say(REQUEST) if client.established and not client.closed else None
                    self.assertEqual(gateway.forwarded, 0)
                    self.assertTrue(client.closed, (before, version))
                    self.assertIn(b"HTTP/1.1 400", client.received)
                    self.assertEqual(len(following.port.connections), 0)

    def test_trusted_by_the_new_profile(self) -> None:
        """One that the new profile trusts goes on with its verdict."""
        for version in VERSIONS:
            gateway = Gateway(PASSTHROUGH)
            client = begun(gateway, version)
            following = gateway.reloaded(STRICT)
            client.talk()
            client.say(REQUEST)
            self.assertIn(b"X-Client-Certificate-Verification: SUCCESS", following.backend())

    def test_l4(self) -> None:
        """On L4 it is the same: no server is reached by a client whose CA was removed meanwhile."""
        for version in VERSIONS:
            stand = Stand(relay_text("m strict"))
            line = stand.dial()
            following = stand.reloaded(relay_text("m partners"))
            client = stand.shake_hands(client_context(device(), version=version), "m.example", line=line)
            client.line.hang_up()
            stand.network.advance(0)
            self.assertEqual(stand.backend().attempts, 0)
            self.assertEqual(stand.record["sessionEnd"], "client certificate refused")
            self.assertTrue(following.nothing_is_left())

    def test_failed(self) -> None:
        """One that fails is logged under the name of the listener that it belongs to now, or of the port's first."""
        for following, name in (("s2 strict s.example", "s2"), ("o - o.example", "o")):
            gateway = Gateway(STRICT)
            client = gateway.client(client_context(), "s.example")
            client.give(client.hello())
            gateway.reloaded(text(following))
            client.talk()
            client.lose()
            self.assertEqual(gateway.log.records[-1]["listenerName"], name)
        stand = Stand(relay_text("m strict"))
        line = stand.dial()
        stand.reloaded(relay_text("m2 strict"))
        stand.shake_hands(client_context(), "m.example", line=line).line.hang_up()
        stand.network.advance(0)
        self.assertEqual(stand.record["listenerName"], "m2")

    def test_no_site_any_more(self) -> None:
        """One for a site that was removed ends with the handshake, and with a line in the log."""
        for version in VERSIONS:
            gateway = Gateway(text("s strict s.example", "o - o.example"))
            client = begun(gateway, version)
            gateway.reloaded(text("o - o.example"))
            client.talk()
            client.lose()
            self.assertEqual(client.transport.ended, "aborted")
            self.assertEqual(gateway.log.records[-1]["handshakeError"], REMOVED)

    def test_retired(self) -> None:
        """Where the listener is removed a handshake ends at once, and a client that has said something has a line."""
        for silent in (True, False):
            gateway = Gateway(STRICT)
            client = begun(gateway, VERSIONS[1], silent=silent)
            gateway.port.retire()
            self.assertEqual(client.transport.ended, "aborted")
            client.lose()
            self.assertEqual([each["handshakeError"] for each in gateway.log.records], [REMOVED] * (not silent))
            self.assertEqual(len(gateway.port.connections), 0)

    def test_plain_text(self) -> None:
        """A client that speaks no TLS is answered by the new port."""
        gateway = Gateway(STRICT)
        client = gateway.client()
        following = gateway.reloaded(STRICT)
        client.give(GET)
        self.assertIn(b"HTTP/1.1 400", client.transport.sent)
        self.assertEqual(len(gateway.port.connections), 0)
        client.lose()
        self.assertEqual(len(following.port.connections), 0)


class GateTests(SynchronousTestCase):
    """A port takes over while a client waits at the gate."""

    def waiting(self, version: int = VERSIONS[1]) -> tuple[Gateway, Client, Check]:
        """A client whose certificate's status is asked for, and who has sent a request already."""
        check = Check()
        gateway = Gateway(STRICT, check_of=check.of)
        client = gateway.shake_hands(client_context(device(), version=version), "s.example")
        client.say(REQUEST)
        self.assertEqual((gateway.forwarded, len(check.asked)), (0, 1))
        return gateway, client, check

    def test_same_trust(self) -> None:
        """The answer that is awaited counts, and the request goes to the new port."""
        gateway, client, check = self.waiting()
        following = gateway.reloaded(STRICT.replace(":9000", ":9001"), check_of=Check().of)
        turn(gateway)
        self.assertEqual(check.cancelled, 0)
        check.answer()
        self.assertEqual(gateway.reactor.tcpClients[-1][1], 9001)
        client.lose()
        self.assertEqual(len(following.port.connections), 0)

    def test_ca_removed(self) -> None:
        """An answer that the old profile is content with opens no gate: the client is judged by the new one."""
        for version in VERSIONS:
            gateway, client, check = self.waiting(version)
            following = gateway.reloaded(PARTNERS)
            self.assertEqual((check.cancelled, client.received), (1, b""))
            turn(gateway)
            client.talk()
            self.assertEqual(gateway.forwarded, 0)
            self.assertIn(b"self-signed certificate in certificate chain", client.received)
            self.assertTrue(client.closed)
            self.assertEqual(len(following.port.connections), 0)

    def test_other_check(self) -> None:
        """Where the new profile checks, too, the gate stays shut until its check has answered."""
        gateway, _, check = self.waiting()
        other = Check()
        gateway.reloaded(text("s strict s.example", gateway="max_client_chain_depth = 9\n"), check_of=other.of)
        turn(gateway)
        self.assertEqual((gateway.forwarded, check.cancelled, len(other.asked)), (0, 1, 1))
        other.answer()
        self.assertEqual(gateway.forwarded, 1)

    def test_answered_at_once(self) -> None:
        """So it is where the answer of the new profile's check is there when it is asked for."""
        gateway, client, _ = self.waiting()

        class Known(Check):
            """A check that has its answers already."""

            def __call__(self, client: Any) -> Answer:  # type: ignore[override]
                """Good."""
                answer: Deferred[Any] = super().__call__(client)
                self.answer()
                return answer

        following = gateway.reloaded(
            text("s strict s.example", gateway="max_client_chain_depth = 9\n"), check_of=Known().of
        )
        turn(gateway)
        self.assertEqual(gateway.forwarded, 1)
        session: Any = following.port._sessions[client.connection]
        self.assertIs(session.sites, following.port.sites)

    def test_several_reloads(self) -> None:
        """A client that was not judged anew yet when another port takes over is judged once, by the last."""
        gateway, client, _ = self.waiting()
        following = gateway.reloaded(PARTNERS)
        last = following.reloaded(text("s strict s.example", gateway="max_client_chain_depth = 9\n"))
        began: list[Any] = []
        begin = last.port.begin
        last.port.begin = lambda *given: began.append(begin(*given))  # type: ignore[method-assign]
        turn(gateway)
        self.assertEqual((len(began), gateway.forwarded), (1, 1))
        client.lose()

    def test_no_site_any_more(self) -> None:
        """A client whose site was removed, or the whole listener, ends without an answer."""
        for whole in (True, False):
            gateway, client, check = self.waiting()
            if whole:
                gateway.port.retire()
            else:
                gateway.reloaded(text("o - o.example"))
            self.assertEqual((client.transport.ended, gateway.forwarded), ("aborted", 0))
            client.lose()
            self.assertEqual(check.cancelled, 1)

    def test_gone_before_its_turn(self) -> None:
        """A client that leaves before it is judged anew leaves nothing behind."""
        gateway, client, _ = self.waiting()
        following = gateway.reloaded(PARTNERS)
        client.lose()
        turn(gateway)
        self.assertEqual((len(following.port.connections), len(gateway.limits.connections)), (0, 0))

    def test_drain(self) -> None:
        """A client at the gate is let in while the gateway stops, and ends with it."""
        gateway, client, check = self.waiting()
        gateway.port.drain()
        check.answer()
        self.assertEqual(gateway.forwarded, 1)
        gateway, client, check = self.waiting()
        gateway.port.abort()
        self.assertEqual(client.transport.ended, "aborted")

    def test_defect(self) -> None:
        """Where the judgement breaks the connection ends."""
        gateway, client, _ = self.waiting()
        following = Gateway(PARTNERS, before=gateway)
        following.port.judged_anew = _breaks  # type: ignore[method-assign]
        following.port.take_over(gateway.port)
        turn(gateway)
        self.assertEqual((client.transport.ended, gateway.forwarded), ("aborted", 0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


def _breaks(*arguments: Any) -> Any:
    return 1 / 0


class ProxiedTests(SynchronousTestCase):
    """A port takes over while a PROXY header is awaited."""

    def test_goes_on(self) -> None:
        """The header goes on, and the client that it names is the new port's."""
        stand = Stand(relay_text(f"a tcp; {PROXIED}"))
        line = stand.dial(address="10.1.2.3")
        line.send(HEADER[:20])
        following = stand.reloaded(relay_text(f"b tcp; {PROXIED}", settings="").replace("port = 1883", "port = 1884"))
        line.send(HEADER[20:] + b"x")
        self.assertEqual(following.backend(1884).line.take(), b"x")
        self.assertEqual((len(stand.port.connections), len(following.port.connections)), (0, 2))
        line.hang_up()
        following.backend(1884).line.hang_up()
        stand.network.advance(0)
        self.assertEqual((stand.record["listenerName"], stand.record["clientIP"]), ("b", "192.0.2.9"))
        self.assertTrue(following.nothing_is_left())

    def test_others_are_let_in(self) -> None:
        """Where headers are taken from others now, or from none, what was begun by the old rule ends."""
        for now in ("b tcp; accept_proxy_protocol = 10.1.0.0/16", "b tcp"):
            stand = Stand(relay_text(f"a tcp; {PROXIED}"))
            line = stand.dial(address="10.1.2.3")
            line.send(HEADER[:20])
            following = stand.reloaded(relay_text(now))
            stand.network.advance(0)
            self.assertTrue(line.reset)
            self.assertTrue(following.nothing_is_left())

    def test_other_kind(self) -> None:
        """Between L4 and HTTP, and between TLS and none, nothing is handed over."""
        stand, gateway = Stand(relay_text("a tcp")), Gateway(STRICT)
        ports: list[Port[Any]] = [stand.port, Stand(relay_text("m strict")).port, gateway.port]
        speaks = [[one._speaks_as(other) for one in ports] for other in ports]
        self.assertEqual(speaks, [[True, False, False], [False, True, False], [False, False, True]])


class CollectedTests(SynchronousTestCase):
    """What arrivals keep."""

    def test_old_port_is_free(self) -> None:
        """Once its handshake is over a connection keeps nothing of the port that it came to."""
        gateway = Gateway(STRICT)
        client = begun(gateway, VERSIONS[1])
        following = gateway.reloaded(STRICT)
        client.talk()
        kept = weakref.ref(gateway.port)
        del gateway
        gc.collect()
        self.assertIsNone(kept())
        client.say(REQUEST)
        self.assertEqual(following.forwarded, 1)
        self.assertIsInstance(client.transport, Transport)
