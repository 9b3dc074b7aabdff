"""What becomes of a connection of HTTP when a new configuration takes over."""

from __future__ import annotations

import gc
import weakref
from base64 import b64encode
from hashlib import sha1
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.live_clients import ClientState
from tests import configurations
from tests.clients import (
    GET,
    VERSIONS,
    Client,
    Gateway,
    Transport,
    client_context,
    device,
    files,
    partner,
    plain,
    stranger,
    text,
)
from tests.http import http2_sessions
from tests.http2_clients import Http2Client, Response
from tests.memory import uncollected
from tests.relays import Check
from tests.requests import parsed

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
"""An answer after which each further request needs a connection of its own, which is counted."""

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"

STRICT = text("s strict s.example")
PARTNERS = text("s partners s.example")
PASSTHROUGH = text("s passthrough s.example")
OPEN = text("s - s.example")


def request(name: str = "s.example", path: str = "/", lines: str = "") -> bytes:
    """A request for a site."""
    return f"GET {path} HTTP/1.1\r\nHost: {name}\r\n{lines}\r\n".encode()


UPGRADE = request(lines="Connection: upgrade\r\nUpgrade: websocket\r\n")
SAFE_UPGRADE = UPGRADE.replace(b"s.example", b"localhost").replace(b" / ", b" /safe/1 ")


class Backend:
    """The connection to a backend that was begun last, or as number so and so."""

    def __init__(self, gateway: Gateway, number: int = -1) -> None:
        _, _, factory, _, _ = gateway.reactor.tcpClients[number]
        self.transport = Transport()
        self.connection: Any = factory.buildProtocol(None)
        self.transport.owner = self.connection
        self.connection.makeConnection(self.transport)

    @property
    def sent(self) -> bytes:
        """What the backend got."""
        return self.transport.sent

    def answers(self, data: bytes) -> None:
        """It sends this."""
        self.connection.dataReceived(data)


def answered(gateway: Gateway, client: Client, asked: bytes, answer: bytes = OK) -> Backend:
    """A request, and its answer, by the last connection to a backend."""
    client.say(asked)
    backend = Backend(gateway)
    backend.answers(answer)
    client.talk()
    return backend


def turn(gateway: Gateway) -> None:
    """The turns after a reload."""
    for _ in range(4):
        gateway.reactor.advance(0)


class MovedTests(SynchronousTestCase):
    """Connections whose trust did not change."""

    def gateway(self, configuration: str = STRICT, **others: Any) -> tuple[Gateway, Client]:
        """A gateway, and a client that has had an answer."""
        gateway = Gateway(configuration, **others)
        client = gateway.shake_hands(client_context(device()), "s.example")
        answered(gateway, client, request())
        self.assertEqual(client.received[-2:], b"ok")
        return gateway, client

    def test_next_request(self) -> None:
        """The next request on an idle connection is the new port's: its limits, rules, names and backends."""
        gateway, client = self.gateway()
        session: Any = client.connection.receiver
        following = gateway.reloaded(STRICT.replace(":9000", ":9001"))
        turn(gateway)
        answered(following, client, request())
        self.assertEqual([dial[1] for dial in gateway.reactor.tcpClients], [9000, 9001])
        self.assertIs(session._session.sites, following.port.sites)
        self.assertIs(session._exchanges, following.exchanges)
        self.assertIs(session._session._port, following.port)
        self.assertEqual((len(gateway.port.connections), len(following.port.connections)), (0, 1))

    def test_at_once(self) -> None:
        """A request that comes before the connection's turn is the new port's, too."""
        gateway, client = self.gateway()
        gateway.reloaded(STRICT.replace(":9000", ":9001"))
        client.say(request())
        self.assertEqual(gateway.reactor.tcpClients[-1][1], 9001)

    def test_under_way(self) -> None:
        """A request under way ends as it began, and the next one, though it has come already, is the new port's."""
        gateway, client = self.gateway()
        client.say(request() + request(path="/next"))
        count = gateway.forwarded
        following = gateway.reloaded(STRICT.replace(":9000", ":9001"))
        turn(gateway)
        self.assertEqual(gateway.forwarded, count)
        session: Any = client.connection.receiver
        self.assertIs(session._session.sites, gateway.port.sites)
        Backend(gateway).answers(OK)
        client.talk()
        self.assertIs(session._session.sites, following.port.sites)
        self.assertEqual(gateway.reactor.tcpClients[-1][1], 9001)
        self.assertEqual(client.received.count(b"HTTP/1.1 200"), 2)
        self.assertNotIn(b"Connection: close", client.received)

    def test_half_a_head(self) -> None:
        """A head that has begun is read by the new port's names and limits, from its beginning."""
        gateway, client = self.gateway()
        half = request(lines="X-Some: 1\r\n" * 12)
        client.say(half[:-9])
        gateway.reloaded(STRICT)
        turn(gateway)
        session: Any = client.connection.receiver
        self.assertTrue(session._reader.head_open)
        client.say(half[-9:])
        self.assertEqual(gateway.forwarded, 2)
        gateway, client = self.gateway()
        client.say(half[:-2])
        gateway.reloaded(STRICT.replace("[gateway]\n", "[gateway]\nmax_header_lines = 10\n"))
        turn(gateway)
        client.talk()
        self.assertIn(b"HTTP/1.1 400", client.received)
        self.assertEqual(gateway.forwarded, 1)

    def test_timeouts(self) -> None:
        """After its next answer a connection may be idle for as long as the new configuration says."""
        gateway, client = self.gateway()
        gateway.reloaded(STRICT.replace("[gateway]\n", "[gateway]\nidle_timeout = 500\n"))
        turn(gateway)
        answered(gateway, client, request())
        gateway.reactor.advance(499)
        client.talk()
        self.assertFalse(client.closed)
        gateway.reactor.advance(2)
        client.talk()
        self.assertTrue(client.closed)

    def test_reading(self) -> None:
        """So has a client to read the next answer in the time that the new configuration gives it."""
        gateway, client = self.gateway()
        gateway.reloaded(STRICT.replace("[gateway]\n", "[gateway]\nbody_timeout = 7\nmin_response_rate = 77\n"))
        turn(gateway)
        connection: Any = client.connection
        self.assertEqual(connection.bounds, (7.0, 77))

    def test_log(self) -> None:
        """The log names the listener that the connection belongs to now."""
        gateway, client = self.gateway()
        gateway.reloaded(text("renamed strict s.example"))
        turn(gateway)
        answered(gateway, client, request())
        client.say(b"nonsense\r\n\r\n")
        self.assertEqual([each["listenerName"] for each in gateway.log.records], ["s", "renamed", "renamed"])

    def test_tunnels(self) -> None:
        """A WebSocket and a stream of events go on undisturbed, and count as the new port's."""
        for answer, asked in ((SWITCHED, UPGRADE), (EVENTS, request())):
            gateway, client = self.gateway()
            backend = answered(gateway, client, asked, answer)
            following = gateway.reloaded(STRICT.replace(":9000", ":9001"))
            turn(gateway)
            backend.answers(b"data: 2\n\n")
            client.talk()
            self.assertTrue(client.received.endswith(b"data: 2\n\n") or b"data: 2\n\n" in client.received)
            if answer is SWITCHED:
                client.say(b"frame")
                self.assertTrue(backend.sent.endswith(b"frame"))
            self.assertEqual(len(following.port.connections), 1)
            client.lose()
            self.assertEqual(len(following.port.connections), 0)

    def test_plain(self) -> None:
        """Connections without TLS go over, too."""
        gateway = Gateway(plain(OPEN))
        connection = gateway.port.accept("192.0.2.7", 1)
        assert connection
        connection.makeConnection(Transport())  # type: ignore[arg-type]
        connection.dataReceived(GET.replace(b"localhost", b"s.example"))
        Backend(gateway).answers(OK)
        following = gateway.reloaded(plain(OPEN).replace(":9000", ":9001"))
        turn(gateway)
        connection.dataReceived(GET.replace(b"localhost", b"s.example"))
        self.assertEqual(gateway.reactor.tcpClients[-1][1], 9001)
        self.assertEqual(len(following.port.connections), 1)

    def test_other_site(self) -> None:
        """Which site a connection belongs to is decided anew by its server name, and 421 follows from the new sites."""
        gateway, client = self.gateway(text("s strict s.example", "o - o.example"))
        gateway.reloaded(text("w strict *.example", "o - o.example"))
        turn(gateway)
        answered(gateway, client, request())
        client.say(request("o.example"))
        self.assertIn(b"HTTP/1.1 421", client.received)
        self.assertEqual([each["listenerName"] for each in gateway.log.records][:2], ["s", "w"])

    def test_several_reloads(self) -> None:
        """A connection with a request under way goes over to the last of several configurations."""
        gateway, client = self.gateway()
        client.say(request())
        backend = Backend(gateway)
        second = gateway.reloaded(STRICT.replace(":9000", ":9001"))
        third = second.reloaded(STRICT.replace(":9000", ":9002"))
        turn(gateway)
        backend.answers(OK)
        answered(third, client, request())
        self.assertEqual([dial[1] for dial in gateway.reactor.tcpClients], [9000, 9000, 9002])

    def test_nothing_is_left_of_a_request(self) -> None:
        """No object of a request that is over waits for the garbage collector, which would hold up all others."""
        gateway, client = self.gateway()
        post = b"POST / HTTP/1.1\r\nHost: s.example\r\nContent-Length: 2\r\n\r\n"
        backends = []
        for pieces in ([request()], [post + b"ok"], [post, b"ok"]):
            with uncollected() as left:
                for piece in pieces:
                    client.say(piece)
                backends.append(Backend(gateway))
                backends[-1].answers(OK)
            self.assertEqual(left, [], pieces)

    def test_drained(self) -> None:
        """Draining the new port drains what it has taken over."""
        gateway, client = self.gateway()
        client.say(request())
        backend = Backend(gateway)
        following = gateway.reloaded(STRICT)
        following.port.drain()
        backend.answers(OK)
        client.talk()
        self.assertIn(b"Connection: close", client.received)
        self.assertTrue(client.closed)
        self.assertEqual(len(following.port.connections), 0)

    def test_old_port_is_free(self) -> None:
        """An idle connection keeps nothing of the port that it came to, over many reloads."""
        gateway, client = self.gateway()
        kept: list[weakref.ref[Any]] = []
        current = gateway
        for _ in range(20):
            kept.append(weakref.ref(current.port))
            kept.append(weakref.ref(current.exchanges))
            kept.append(weakref.ref(current.port.sites.exact["s.example"].actions.default))
            answered(current, client, request())
            current = current.reloaded(STRICT)
            turn(current)
            current.reactor.tcpClients.clear()
        del gateway
        gc.collect()
        self.assertEqual([each() for each in kept], [None] * len(kept))
        answered(current, client, request())
        self.assertEqual(client.received.count(b"HTTP/1.1 200"), 22)


class EndedTests(SynchronousTestCase):
    """Connections that belong nowhere under the new configuration."""

    def client(self, gateway: Gateway) -> Client:
        """A client with a request under way."""
        client = gateway.shake_hands(client_context(device()), "s.example")
        client.say(request())
        return client

    def test_site_removed(self) -> None:
        """The answer under way is the last one of a connection whose site is there no more."""
        gateway = Gateway(text("s strict s.example", "o - o.example"))
        client = self.client(gateway)
        following = gateway.reloaded(text("o - o.example"))
        turn(gateway)
        Backend(gateway).answers(OK)
        client.talk()
        self.assertIn(b"Connection: close", client.received)
        self.assertTrue(client.received.endswith(b"ok"))
        self.assertTrue(client.closed)
        self.assertEqual(len(following.port.connections), 0)
        self.assertEqual([call.getTime() for call in gateway.reactor.getDelayedCalls() if "_too_late" in str(call)], [])

    def test_tunnel_of_a_removed_site(self) -> None:
        """A tunnel of it has drain_timeout."""
        for retired in (True, False):
            gateway = Gateway(text("s strict s.example", "o - o.example"))
            client = gateway.shake_hands(client_context(device()), "s.example")
            backend = answered(gateway, client, UPGRADE, SWITCHED)
            if retired:
                gateway.port.retire()
            else:
                gateway.reloaded(text("o - o.example"))
            turn(gateway)
            self.assertEqual(client.transport.ended, "")
            for seconds in (15, gateway.config.gateway.drain_timeout - 16):
                gateway.reactor.advance(seconds)
                client.say(b"frame%d" % seconds)
                self.assertTrue(backend.sent.endswith(b"frame%d" % seconds))
            gateway.reactor.advance(1)
            self.assertEqual(client.transport.ended, "aborted")
            client.lose()
            self.assertEqual(gateway.port.connections.snapshot(), ())

    def test_back_with_another_profile(self) -> None:
        """What drains when its site is there again ends at once if the profile is another: no request follows."""
        without, others = text("o - o.example"), text("s partners s.example", "o - o.example")
        for profile, kept in ((others, False), (text("s strict s.example", "o - o.example"), True)):
            gateway = Gateway(text("s strict s.example", "o - o.example"))
            tunnel = gateway.shake_hands(client_context(device()), "s.example")
            answered(gateway, tunnel, UPGRADE, SWITCHED)
            client = self.client(gateway)
            client.say(request(path="/next"))
            backend, count = Backend(gateway), gateway.forwarded
            following = gateway.reloaded(without)
            turn(gateway)
            last = following.reloaded(profile)
            turn(gateway)
            self.assertEqual(tunnel.transport.ended, "" if kept else "aborted")
            backend.answers(OK)
            client.talk()
            self.assertEqual((gateway.forwarded, client.closed), (count + kept, not kept))
            self.assertEqual(client.received.count(b"HTTP/1.1 200"), 1)
            for each in (client, tunnel):
                each.lose()
            self.assertEqual(len(last.port.connections), 0)

    def test_gone_before_it_is_expelled(self) -> None:
        """A client that leaves before that leaves no timer behind."""
        gateway = Gateway(text("s strict s.example", "o - o.example"))
        client = self.client(gateway)
        following = gateway.reloaded(text("o - o.example"))
        turn(gateway)
        following.reloaded(text("s partners s.example", "o - o.example"))
        client.lose()
        turn(gateway)
        self.assertEqual([call for call in gateway.reactor.getDelayedCalls() if "_too_late" in str(call)], [])

    def test_gone_before_its_turn(self) -> None:
        """A client that leaves before its connection is retired leaves no timer behind."""
        gateway = Gateway(text("s strict s.example", "o - o.example"))
        client = gateway.shake_hands(client_context(device()), "s.example")
        gateway.reloaded(text("o - o.example"))
        client.lose()
        turn(gateway)
        self.assertEqual(gateway.reactor.getDelayedCalls(), [])

    def test_no_tls_any_more(self) -> None:
        """So it is where the port changes from TLS to none, and with whatever listeners are removed."""
        gateway = Gateway(OPEN)
        client = self.client(gateway)
        following = gateway.reloaded(plain(OPEN))
        Backend(gateway).answers(OK)
        client.talk()
        self.assertIn(b"Connection: close", client.received)
        self.assertTrue(client.closed)
        self.assertEqual((len(gateway.port.connections), len(following.port.connections)), (0, 0))

    def test_counted(self) -> None:
        """Until it is gone it counts as the new port's, and ends with it."""
        gateway = Gateway(OPEN)
        client = self.client(gateway)
        following = gateway.reloaded(plain(OPEN))
        self.assertEqual((len(gateway.port.connections), len(following.port.connections)), (0, 1))
        following.port.abort()
        self.assertEqual(client.transport.ended, "aborted")


class TrustTests(SynchronousTestCase):
    """Clients whose profile changed."""

    def clients(self, configuration: str = STRICT, **others: Any) -> list[tuple[Gateway, Client]]:
        """A client that has had an answer, by TLS 1.2 and 1.3."""
        found = []
        for version in VERSIONS:
            gateway = Gateway(configuration, **others)
            client = gateway.shake_hands(client_context(device(), version=version), "s.example")
            answered(gateway, client, request())
            found.append((gateway, client))
        return found

    def test_ca_removed(self) -> None:
        """A client of a CA that is trusted no more sends no further request, before its turn or after it."""
        for at_once in (True, False):
            for gateway, client in self.clients():
                following = gateway.reloaded(PARTNERS)
                if not at_once:
                    turn(gateway)
                client.say(request()) if not client.closed else None
                client.talk()
                self.assertEqual(gateway.forwarded, 1)
                self.assertEqual((client.closed, client.received.count(b"HTTP/1.1")), (True, 1))
                self.assertEqual((len(following.port.connections), len(gateway.log.lines)), (0, 1))

    def test_nothing_between(self) -> None:
        """Between the commit and the verdict no request is forwarded, not even one that had come before."""
        for gateway, client in self.clients():
            client.say(request() + request(path="/2"))
            count = gateway.forwarded
            gateway.reloaded(PARTNERS)
            Backend(gateway).answers(OK)
            client.talk()
            self.assertEqual(gateway.forwarded, count)
            self.assertEqual((client.closed, client.received.count(b"HTTP/1.1")), (True, 2))
            self.assertEqual(client.transport.ended, "half")  # it lingers, or a reset would overtake the answer

    def test_under_way(self) -> None:
        """An exchange under way ends within drain_timeout, and is the last one."""
        for answers in (True, False):
            for gateway, client in self.clients():
                client.say(request())
                following = gateway.reloaded(PARTNERS)
                turn(gateway)
                gateway.reactor.advance(following.config.gateway.drain_timeout - 1)
                if answers:
                    Backend(gateway).answers(OK)
                    client.talk()
                    self.assertIn(b"Connection: close", client.received)
                    self.assertTrue(client.closed)
                else:
                    self.assertEqual(client.transport.ended, "")
                    gateway.reactor.advance(1)
                    self.assertEqual(client.transport.ended, "aborted")

    def test_tunnels(self) -> None:
        """A WebSocket and a stream of events of a client that is trusted no more are cut off at once."""
        for answer, asked in ((SWITCHED, UPGRADE), (EVENTS, request())):
            for gateway, client in self.clients():
                answered(gateway, client, asked, answer)
                gateway.reloaded(PARTNERS)
                turn(gateway)
                self.assertEqual(client.transport.ended, "aborted")

    def test_tunnels_to_be(self) -> None:
        """So is a WebSocket that the backend agrees to after that; no byte of it is passed on."""
        for gateway, client in self.clients():
            client.say(UPGRADE + b"frame")
            gateway.reloaded(PARTNERS)
            turn(gateway)
            backend = Backend(gateway)
            backend.answers(SWITCHED)
            self.assertEqual((client.transport.ended, b"frame" in backend.sent), ("aborted", False))

    def test_trusted_anew(self) -> None:
        """A client that the changed profile trusts goes on, and backends and log have the new verdict."""
        for gateway, client in self.clients(PASSTHROUGH):
            self.assertEqual(gateway.log.records[-1]["sslClientVerify"], "PASSTHROUGH")
            following = gateway.reloaded(STRICT)
            turn(gateway)
            backend = answered(following, client, request())
            self.assertIn(b"X-Client-Certificate-Verification: SUCCESS\r\n", backend.sent)
            self.assertEqual(gateway.log.records[-1]["sslClientVerify"], "SUCCESS")
            third = following.reloaded(PASSTHROUGH)
            turn(gateway)
            backend = answered(third, client, request())
            self.assertIn(b"X-Client-Certificate-Verification: PASSTHROUGH\r\n", backend.sent)
            last = third.reloaded(OPEN)
            turn(gateway)
            backend = answered(last, client, request())
            self.assertNotIn(b"X-Client-Certificate", backend.sent)
            self.assertEqual(gateway.log.records[-1]["sslClientVerify"], "NONE")
            self.assertEqual(client.received.count(b"HTTP/1.1 200"), 4)

    def test_shown_once(self) -> None:
        """A certificate that was shown counts again where one is asked for again."""
        for gateway, client in self.clients():
            following = gateway.reloaded(OPEN)
            turn(gateway)
            third = following.reloaded(STRICT)
            turn(gateway)
            answered(third, client, request())
            self.assertEqual(client.received.count(b"HTTP/1.1 200"), 2)

    def test_without_certificate(self) -> None:
        """A client that has shown no certificate is turned away where one is required now."""
        for before in (OPEN, PASSTHROUGH):
            for version in VERSIONS:
                gateway = Gateway(before)
                client = gateway.shake_hands(client_context(version=version), "s.example")
                answered(gateway, client, request())
                gateway.reloaded(STRICT)
                turn(gateway)
                client.talk()
                self.assertEqual((client.closed, gateway.forwarded), (True, 1))

    def test_other_causes(self) -> None:
        """The issuer's name that is checked, and a lower bound of the chain's length, count at once, too."""
        changed = (
            text("s partners s.example"),
            text("s pinned s.example"),
            text("s partners s.example", gateway="max_client_chain_depth = 1\n"),
        )
        ends = []
        for configuration in changed:
            gateway = Gateway(changed[0])
            client = gateway.shake_hands(client_context(partner()), "s.example")
            answered(gateway, client, request())
            gateway.reloaded(configuration)
            turn(gateway)
            client.talk()
            ends.append(client.closed)
        self.assertEqual(ends, [False, False, True])

    def test_turned_away_stays_so(self) -> None:
        """A client that was turned away is not judged again."""
        gateway = Gateway(text("s http400 s.example"))
        client = gateway.shake_hands(client_context(partner()), "s.example")
        gateway.reloaded(PARTNERS)
        turn(gateway)
        client.say(request())
        self.assertIn(b"HTTP/1.1 400", client.received)
        self.assertEqual((client.closed, gateway.forwarded), (True, 0))

    def test_unjudged_when_its_site_goes(self) -> None:
        """A client that is to be judged by a profile when its site is removed gets no further answer if refused."""
        for gateway, client in self.clients(text("s strict s.example", "o - o.example")):
            following = gateway.reloaded(text("s partners s.example", "o - o.example"))
            following.reloaded(text("o - o.example"))
            client.say(request())
            client.talk()
            self.assertEqual((client.closed, gateway.forwarded), (True, 1))

    def test_defect(self) -> None:
        """Where the judgement breaks nothing more is forwarded, and the connection ends."""
        for at_once in (True, False):
            for gateway, client in self.clients():
                following = Gateway(PARTNERS, before=gateway)
                following.port.judged_anew = _breaks  # type: ignore[method-assign]
                following.port.take_over(gateway.port)
                if at_once:
                    client.say(request())
                turn(gateway)
                client.talk()
                self.assertEqual(gateway.forwarded, 1)
                self.assertTrue(client.closed or client.transport.ended == "aborted")
                self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))


DEEPER = text("s strict s.example", gateway="max_client_chain_depth = 9\n")
"""A profile that judges otherwise, and trusts the same clients."""


class RevocationTests(SynchronousTestCase):
    """Clients whose profile checks revocation, before or after it changed."""

    def client(self, before: Check | None = None) -> tuple[Gateway, Client]:
        """A client that has had an answer; its revocation was checked by this."""
        gateway = Gateway(STRICT) if before is None else Gateway(STRICT, check_of=before.of)
        client = gateway.shake_hands(client_context(device()), "s.example")
        if before is not None:
            before.answer(seconds=60)
        answered(gateway, client, request())
        return gateway, client

    def test_switched_on(self) -> None:
        """No request is begun until the new profile's check has answered, and none if the answer is bad."""
        for good in (True, False):
            gateway, client = self.client()
            check = Check()
            following = gateway.reloaded(DEEPER, check_of=check.of)
            client.say(request())
            turn(gateway)
            self.assertEqual((gateway.forwarded, len(check.asked)), (1, 1))
            check.answer(good=good)
            self.assertEqual(gateway.forwarded, 2 if good else 1)
            client.talk()
            self.assertEqual(client.closed, not good)
            self.assertEqual(len(following.port.connections), int(good))
            client.lose()
            self.assertEqual(check.watching, [])

    def test_tunnel(self) -> None:
        """A WebSocket ends with a bad answer, and with no sooner one."""
        gateway, client = self.client()
        answered(gateway, client, UPGRADE, SWITCHED)
        check = Check()
        gateway.reloaded(DEEPER, check_of=check.of)
        turn(gateway)
        self.assertEqual(client.transport.ended, "")
        check.answer(good=False)
        self.assertEqual(client.transport.ended, "aborted")

    def test_watched(self) -> None:
        """A client that was judged anew is judged again when its certificate becomes known as revoked."""
        gateway, client = self.client()
        check = Check()
        gateway.reloaded(DEEPER, check_of=check.of)
        turn(gateway)
        check.answer()
        [revoked] = check.watching
        revoked()
        check.answer(good=False)
        client.talk()
        self.assertEqual((client.closed, check.watching), (True, []))

    def test_old_answers(self) -> None:
        """An answer to what was asked by the old profile does not let the next request begin."""
        old, new = Check(), Check()
        gateway, client = self.client(old)
        gateway.reactor.advance(59)
        old.watching[-1]()
        asked = old.asked[-1]
        gateway.reloaded(DEEPER, check_of=new.of)
        client.say(request())
        if not asked.called:
            old.answer()
        self.assertEqual((gateway.forwarded, len(new.asked)), (1, 1))
        new.answer()
        self.assertEqual(gateway.forwarded, 2)
        self.assertEqual(old.watching, [])

    def test_unchanged(self) -> None:
        """Where the profile did not change nothing is asked; what is asked later is by the new port's check."""
        old, new = Check(), Check()
        gateway, client = self.client(old)
        gateway.reloaded(STRICT, check_of=new.of)
        turn(gateway)
        self.assertEqual((len(old.asked), new.asked), (1, []))
        gateway.reactor.advance(60)
        self.assertEqual((len(old.asked), len(new.asked)), (1, 1))
        client.say(request())
        self.assertEqual(gateway.forwarded, 1)
        new.answer()
        self.assertEqual(gateway.forwarded, 2)

    def test_again_before_the_answer(self) -> None:
        """A further change while the check of the one before has not answered counts alone."""
        first, second = Check(), Check()
        gateway, client = self.client()
        following = gateway.reloaded(DEEPER, check_of=first.of)
        turn(gateway)
        last = following.reloaded(STRICT, check_of=second.of)
        turn(gateway)
        self.assertEqual((first.cancelled, len(second.asked)), (1, 1))
        client.say(request())
        self.assertEqual(gateway.forwarded, 1)
        second.answer()
        self.assertEqual(gateway.forwarded, 2)
        session: Any = last.port._sessions[client.connection]
        self.assertEqual((session._port, first.watching), (last.port, []))

    def test_site_goes_before_the_answer(self) -> None:
        """A client whose verdict is awaited when its site is removed gets no answer before it, and one after it."""
        check = Check()
        gateway = Gateway(text("s passthrough s.example", "o - o.example"))
        client = gateway.shake_hands(client_context(device()), "s.example")
        answered(gateway, client, request())
        following = gateway.reloaded(text("s strict s.example", "o - o.example"), check_of=check.of)
        turn(gateway)
        following.reloaded(text("o - o.example"))
        turn(gateway)
        client.say(request())
        self.assertEqual(gateway.forwarded, 1)
        check.answer()
        self.assertEqual(gateway.forwarded, 2)
        Backend(gateway).answers(OK)
        client.talk()
        self.assertIn(b"Connection: close", client.received)
        self.assertTrue(client.closed)


def paths(profile: str, trusted: str = "clients-ca") -> str:
    """A site whose path /safe requires a certificate, on a listener that does not, or does."""
    text = configurations.mapped(
        configurations.path_rule("safe", "/safe/*", extra="client_certificate = Require\n"),
        profile=f"verify_client_auth_mode = {profile}\ntrusted_client_certificates = devices\n",
    )
    return text.replace("file = pki/clients-ca.pem", f"file = pki/{trusted}.pem")


class StrictPathTests(SynchronousTestCase):
    """Clients that a path has let in which requires a certificate."""

    def gateway(self, configuration: str, before: Gateway | None = None, **others: Any) -> Gateway:
        """A gateway, whose port has taken over that of the one before."""
        made = Gateway(configuration, files(), before=before, **others)
        if before is not None:
            made.port.take_over(before.port)
        return made

    def client(self, gateway: Gateway) -> Client:
        """A client of it."""
        return gateway.shake_hands(client_context(device()), "localhost")

    def test_next_request(self) -> None:
        """The next request to such a path is judged by the profile as it is now; so is a client that it has let in."""
        for now, trusted in ((OTHERS, False), (SAME, True), (CHECKED, True)):
            for let_in in (True, False):
                gateway = self.gateway(SAME)
                client = self.client(gateway)
                answered(gateway, client, request("localhost", "/safe/1" if let_in else "/1"))
                following = self.gateway(now, gateway)
                turn(gateway)
                client.received = b""
                client.talk()
                self.assertEqual(client.closed, let_in and not trusted)
                if not client.closed:
                    client.say(request("localhost", "/safe/1"))
                    self.assertEqual(gateway.forwarded, 1 + trusted)
                    if trusted:
                        Backend(following).answers(OK)
                    client.talk()
                    self.assertIn(b"HTTP/1.1 200" if trusted else b"HTTP/1.1 400", client.received)

    def test_tunnel(self) -> None:
        """A WebSocket that such a path has let in ends where the profile would not let it in any more."""
        for now, ended in ((OTHERS, "aborted"), (SAME, "")):
            gateway = self.gateway(SAME)
            client = self.client(gateway)
            answered(gateway, client, SAFE_UPGRADE, SWITCHED)
            self.gateway(now, gateway)
            turn(gateway)
            self.assertEqual(client.transport.ended, ended)

    def test_tunnel_while_it_is_judged(self) -> None:
        """So does one whose client is still being judged by the profile of a reload before."""
        check = Check()
        gateway = self.gateway(SAME)
        client = self.client(gateway)
        answered(gateway, client, SAFE_UPGRADE, SWITCHED)
        following = self.gateway(CHECKED, gateway, check_of=check.of)
        turn(gateway)
        self.assertEqual((len(check.asked), client.transport.ended), (1, ""))
        self.gateway(OTHERS, following)
        turn(gateway)
        self.assertEqual(client.transport.ended, "aborted")

    def test_tunnel_of_another_path(self) -> None:
        """One of a path that requires nothing goes on."""
        gateway = self.gateway(SAME)
        client = self.client(gateway)
        answered(gateway, client, UPGRADE.replace(b"s.example", b"localhost"), SWITCHED)
        self.gateway(OTHERS, gateway)
        turn(gateway)
        self.assertEqual(client.transport.ended, "")

    def test_unchanged(self) -> None:
        """Where the profile did not change, the next request to such a path is checked by the new port's check."""
        old, new = Check(), Check()
        gateway = self.gateway(SAME, check_of=old.of)
        client = self.client(gateway)
        client.say(request("localhost", "/safe/1"))
        old.answer()
        Backend(gateway).answers(OK)
        client.talk()
        following = self.gateway(SAME, gateway, check_of=new.of)
        turn(gateway)
        client.say(request("localhost", "/safe/1"))
        self.assertEqual((len(old.asked), len(new.asked), following.forwarded), (1, 1, 1))

    def test_waiting(self) -> None:
        """A request that waits for the old profile's check is judged by the new one, in its turn or before it."""
        for at_once in (True, False):
            for now, check in ((OTHERS, None), (CHECKED, Check())):
                old = Check()
                gateway = self.gateway(SAME, check_of=old.of)
                client = self.client(gateway)
                client.say(request("localhost", "/safe/1"))
                self.assertEqual((gateway.forwarded, len(old.asked)), (0, 1))
                self.gateway(now, gateway, **({"check_of": check.of} if check else {}))
                if not at_once:
                    turn(gateway)
                old.answer()
                if check is None:
                    client.talk()
                    self.assertEqual(gateway.forwarded, 0)
                    self.assertIn(b"HTTP/1.1 400", client.received)
                else:
                    self.assertEqual((gateway.forwarded, len(check.asked) > 0), (0, True))
                    while check.asked:
                        check.answer()
                        check.asked.pop()
                    self.assertEqual(gateway.forwarded, 1)


SAME, OTHERS = paths("Passthrough"), paths("Passthrough", "partners")
CHECKED = SAME.replace("[gateway]\n", "[gateway]\nmax_client_chain_depth = 9\n")


def _breaks(*arguments: Any) -> Any:
    return 1 / 0


HTTP2 = "enable_http2 = true"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Of RFC 6455 section 1.3."""

KEPT = OK.replace(b"Connection: close\r\n", b"")


class Http2Tests(SynchronousTestCase):
    """Connections of HTTP/2, which have several requests under way."""

    def gateway(self, *listeners: str, credential: Any = None, **others: Any) -> tuple[Gateway, Client, Http2Client]:
        """A gateway, and a client that has shaken hands."""
        gateway = Gateway(text(*(listeners or ("s strict s.example",)), gateway=HTTP2), **others)
        client, browser = http2_sessions.browser(gateway, credential or device())
        return gateway, client, browser

    def asked(self, browser: Http2Client, path: str = "/") -> Response:
        """A request on a stream of its own."""
        return browser.request(path, authority="s.example")

    def test_shown(self) -> None:
        """The state of a client says how many requests are under way, and all their servers, each once."""
        gateway, _, browser = self.gateway()
        [session] = gateway.port.live.behind()
        self.assertEqual((session.shown().protocol, session.shown().state), ("h2", ClientState.IDLE))
        responses = [self.asked(browser) for _ in range(3)]
        shown = session.shown()
        self.assertEqual((shown.requests, shown.under_way, shown.state), (3, 3, ClientState.ACTIVE))
        self.assertEqual(shown.backend, "127.0.0.1:9000")
        for backend in [Backend(gateway, number) for number in range(3)]:
            backend.answers(KEPT)
        self.assertEqual([browser.finished(each).status for each in responses], [200, 200, 200])
        self.assertEqual((session.shown().under_way, session.shown().backend), (0, ""))
        self.assertEqual({each["httpVersion"] for each in gateway.log.records}, {"HTTP/2.0"})

    def test_under_way(self) -> None:
        """A request under way ends as it began, and beside it the next one is the new port's at once."""
        gateway, _, browser = self.gateway()
        before = self.asked(browser, "/before")
        old = Backend(gateway)
        following = gateway.reloaded(text("renamed strict s.example", gateway=HTTP2).replace(":9000", ":9001"))
        during = self.asked(browser, "/during")
        turn(gateway)
        after = self.asked(browser, "/after")
        self.assertEqual([dial[1] for dial in gateway.reactor.tcpClients], [9000, 9001, 9001])
        for number in (1, 2):
            Backend(gateway, number).answers(KEPT)
        self.assertEqual([browser.finished(each).status for each in (during, after)], [200, 200])
        old.answers(OK)
        self.assertEqual(browser.finished(before).text, "ok")
        records = [(each["listenerName"], each["requestUri"]) for each in gateway.log.records]
        self.assertEqual(records, [("renamed", "/during"), ("renamed", "/after"), ("s", "/before")])
        self.assertEqual((browser.goaways, len(following.port.connections)), ([], 1))

    def test_old_port_is_free(self) -> None:
        """Nothing of the old configuration is left once its last request is over, although the connection is not."""
        gateway, _, browser = self.gateway()
        before = self.asked(browser)
        old = Backend(gateway)
        port, action = gateway.port, gateway.port.sites.exact["s.example"].actions.default
        kept: list[weakref.ref[Any]] = [weakref.ref(each) for each in (port, gateway.exchanges, action)]
        following = gateway.reloaded(text("s strict s.example", gateway=HTTP2))
        turn(gateway)
        old.answers(OK)
        self.assertEqual(browser.finished(before).status, 200)
        after = self.asked(browser)
        Backend(following).answers(KEPT)
        self.assertEqual(browser.finished(after).status, 200)
        following.reactor.tcpClients.clear()
        del gateway, port, action, old
        gc.collect()
        self.assertEqual([each() for each in kept], [None] * 3)

    def test_late_verdict(self) -> None:
        """Nor does a request keep anything of it that was let in later, on a path that requires a certificate."""
        check = Check()
        configuration = SAME.replace("[gateway]\n", f"[gateway]\n{HTTP2}\n")
        gateway = Gateway(configuration, files(), check_of=check.of)
        _, browser = http2_sessions.browser(gateway, device(), "localhost")
        response = browser.request("/safe/1")
        action = weakref.ref(gateway.port.sites.all()[0].actions.for_path(b"/safe/1"))
        following = gateway.reloaded(configuration, check_of=check.of)
        turn(gateway)
        check.answer()
        Backend(gateway).answers(OK)
        self.assertEqual(browser.finished(response).status, 200)
        following.reactor.tcpClients.clear()
        del gateway
        gc.collect()
        self.assertIsNone(action())

    def test_other_profile(self) -> None:
        """Requests wait until the client is judged by the changed profile of its site; those under way go on."""
        for good in (True, False):
            check = Check()
            gateway, client, browser = self.gateway()
            before = self.asked(browser, "/before")
            old = Backend(gateway)
            changed = text("s strict s.example", gateway=f"{HTTP2}\nmax_client_chain_depth = 9")
            following = gateway.reloaded(changed, check_of=check.of)
            waiting = self.asked(browser, "/waiting")
            turn(gateway)
            self.assertEqual((gateway.forwarded, len(check.asked)), (1, 1))
            check.answer(good=good)
            turn(gateway)
            self.assertEqual(gateway.forwarded, 2 if good else 1)
            if good:
                Backend(following).answers(KEPT)
                self.assertEqual(browser.finished(waiting).status, 200)
            else:
                self.assertTrue(browser.may_be_repeated(browser.finished(waiting)))
            old.answers(KEPT)
            self.assertEqual(browser.finished(before).status, 200)
            client.talk()
            self.assertEqual(client.closed, not good)
            client.lose()
            self.assertEqual(check.watching, [])

    def test_not_spoken_any_more(self) -> None:
        """Where the listener speaks no HTTP/2 any more, what has come is served by the new port, and GOAWAY ends it."""
        for at_once in (True, False):
            gateway, client, browser = self.gateway()
            before = self.asked(browser, "/before")
            old = Backend(gateway)
            following = gateway.reloaded(text("s strict s.example").replace(":9000", ":9001"))
            if not at_once:
                turn(gateway)
            late = self.asked(browser, "/late")
            self.assertEqual([dial[1] for dial in gateway.reactor.tcpClients], [9000, 9001])
            Backend(following).answers(KEPT)
            old.answers(KEPT)
            self.assertEqual([browser.finished(each).status for each in (late, before)], [200, 200])
            browser.rest()
            self.assertEqual([each.last_stream_id for each in browser.goaways], [(1 << 31) - 1, late.stream])
            self.assertTrue(client.closed)
            client.lose()
            self.assertEqual(len(following.port.connections), 0)

    def test_never_spoken_by_this_port(self) -> None:
        """A client whose handshake agreed on HTTP/2 under the configuration before is served, and sent away."""
        gateway = Gateway(text("s strict s.example", gateway=HTTP2))
        client = gateway.client(client_context(device(), protocols=http2_sessions.PROTOCOLS), "s.example")
        client.give(client.hello())
        following = gateway.reloaded(text("s strict s.example"))
        client.talk()
        self.assertEqual(client.tls.get_alpn_proto_negotiated(), b"h2")
        browser = http2_sessions.over(following, client)
        response = self.asked(browser)
        Backend(following).answers(KEPT)
        self.assertEqual(browser.finished(response).status, 200)
        browser.rest()
        self.assertEqual((len(browser.goaways), client.closed), (2, True))

    def test_site_removed(self) -> None:
        """A connection whose site is there no more is drained; what takes too long is cut."""
        gateway, client, browser = self.gateway("s strict s.example", "o - o.example")
        whole, late = self.asked(browser), self.asked(browser)
        quick = Backend(gateway, 0)
        gateway.reloaded(text("o - o.example", gateway=HTTP2))
        turn(gateway)
        quick.answers(KEPT)
        self.assertEqual(browser.finished(whole).status, 200)
        browser.round_trip()
        self.assertEqual([each.last_stream_id for each in browser.goaways], [(1 << 31) - 1, late.stream])
        self.assertEqual(client.transport.ended, "")
        gateway.reactor.advance(gateway.config.gateway.drain_timeout)
        self.assertEqual(client.transport.ended, "aborted")

    def test_expelled(self) -> None:
        """An operator's end: events are cut, other requests answered, none is begun, and the connection closes."""
        gateway, client, browser = self.gateway()
        stream, usual = self.asked(browser, "/events"), self.asked(browser)
        Backend(gateway, 0).answers(EVENTS)
        [session] = gateway.port.live.behind()
        self.assertEqual(session.shown().state, ClientState.STREAMING)
        session.dismiss()
        session.dismiss()
        self.assertIsNotNone(browser.finished(stream).reset)
        late = self.asked(browser)
        Backend(gateway, 1).answers(KEPT)
        self.assertEqual(browser.finished(usual).status, 200)
        self.assertTrue(browser.may_be_repeated(browser.finished(late)))
        self.assertEqual((gateway.forwarded, client.closed), (2, True))
        client.lose()
        self.assertEqual([call for call in gateway.reactor.getDelayedCalls() if "_too_late" in str(call)], [])

    def test_tunnels_to_be(self) -> None:
        """A WebSocket that the backend agrees to after its client was expelled is cut; no byte of it is passed on."""
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/")]
        fields += [(":authority", "s.example"), ("sec-websocket-version", "13")]
        for expelled in (False, True):
            gateway, _, browser = self.gateway()
            tunnel = browser.send_fields(fields, b"frame", end=False)
            backend = Backend(gateway)
            key = {name.lower(): value for name, value in parsed(backend.sent)[1]}[b"sec-websocket-key"]
            [session] = gateway.port.live.behind()
            if expelled:
                session.dismiss()
            accept = b"Sec-WebSocket-Accept: " + b64encode(sha1(key + GUID, usedforsecurity=False).digest())
            backend.answers(SWITCHED.replace(b"\r\n\r\n", b"\r\n%b\r\n\r\n" % accept))
            browser.round_trip() if not expelled else browser.finished(tunnel)
            self.assertEqual((b"frame" in backend.sent, tunnel.status == 200), (not expelled, not expelled))

    def test_drained(self) -> None:
        """The gateway stops: GOAWAY twice, and what has come before the second is answered."""
        gateway, client, browser = self.gateway()
        first = self.asked(browser)
        gateway.port.drain()
        second = self.asked(browser)
        for number in (0, 1):
            Backend(gateway, number).answers(KEPT)
        self.assertEqual([browser.finished(each).status for each in (first, second)], [200, 200])
        browser.rest()
        self.assertEqual([each.last_stream_id for each in browser.goaways], [(1 << 31) - 1, second.stream])
        self.assertTrue(client.closed)

    def test_version(self) -> None:
        """Rules and the log have the version as the product writes it, of requests that are answered here, too."""
        rules = "\n[rewrite_rule set/version]\nrequest_header.X-Version = {var_http_version}\n"
        configuration = text("s strict s.example", gateway=HTTP2) + rules
        keys = "rewrite_rule_set = set\ndeny_unless.1 = var_http_version == HTTP/2.0\n"
        gateway = Gateway(configuration.replace("[request_routing_rule s]\n", f"[request_routing_rule s]\n{keys}"))
        _, browser = http2_sessions.browser(gateway, device())
        response = self.asked(browser)
        backend = Backend(gateway)
        self.assertIn(b"\r\nX-Version: HTTP/2.0\r\n", backend.sent)
        backend.answers(KEPT)
        self.assertEqual(browser.finished(response).status, 200)
        self.assertEqual(browser.fetch(authority="s.example", method="TRACE").status, 405)
        older = gateway.shake_hands(client_context(device()), "s.example")
        older.say(request())
        self.assertIn(b"HTTP/1.1 403", older.received)
        versions = [each["httpVersion"] for each in gateway.log.records]
        self.assertEqual(versions, ["HTTP/2.0", "HTTP/2.0", "HTTP/1.1"])

    def test_other_host(self) -> None:
        """A host of another profile gets 421 on its stream, and the connection lives."""
        gateway, _, browser = self.gateway("s strict s.example", "o - o.example")
        self.assertEqual(browser.fetch("/", authority="o.example").status, 421)
        response = self.asked(browser)
        Backend(gateway).answers(KEPT)
        self.assertEqual((browser.finished(response).status, browser.goaways), (200, []))

    def test_host_without_it(self) -> None:
        """So does a host whose listener speaks no HTTP/2; one of the same profile that does is served."""
        more = "t strict t.example", "n strict n.example; enable_http2 = false"
        gateway, _, browser = self.gateway("s strict s.example", *more)
        self.assertEqual(browser.fetch(authority="n.example").status, 421)
        response = browser.request(authority="t.example")
        Backend(gateway).answers(KEPT)
        self.assertEqual((browser.finished(response).status, browser.goaways), (200, []))
        self.assertEqual([each["listenerName"] for each in gateway.log.records], ["s", "t"])

    def test_refused(self) -> None:
        """A client that is refused after its handshake reads why on its first stream, and GOAWAY follows."""
        gateway, client, browser = self.gateway("s http400 s.example", credential=stranger())
        page, other = self.asked(browser), self.asked(browser)
        self.assertEqual(browser.finished(page).status, 400)
        self.assertIn("certificate", page.text)
        browser.rest()
        self.assertTrue(browser.may_be_repeated(other))
        self.assertEqual((gateway.forwarded, client.closed, len(browser.goaways)), (0, True, 1))
