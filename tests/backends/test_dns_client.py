"""Questions to real name servers on loopback."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.names import dns
from twisted.trial.unittest import TestCase

from agwtwisted.backends.dns_client import (
    FAMILY_TIMEOUT,
    MAX_ADDRESSES,
    TIMEOUTS,
    ResolutionError,
    ResolvedName,
    look_up,
)
from tests.name_servers import REACTOR, NameServer, SlowReactor
from tests.sockets import until


class _Case(TestCase):
    def setUp(self) -> None:
        self.server = self.start()
        self.zone = self.server.zone

    def start(self, interface: str = "127.0.0.1") -> NameServer:
        """One more server."""
        server = NameServer(interface)
        self.addCleanup(server.stop)
        return server

    async def ask(self, name: str = "app.example", *servers: NameServer) -> ResolvedName:
        """What the servers say."""
        return await look_up(REACTOR, [server.address for server in servers or (self.server,)], name)

    async def fails(self, name: str = "app.example", *servers: NameServer) -> ResolutionError:
        """Why they say nothing."""
        try:
            found = await self.ask(name, *servers)
        except ResolutionError as error:
            return error
        raise AssertionError(found)


class AnswerTests(_Case):
    """What is found."""

    async def test_both_families(self) -> None:
        """IPv4 and IPv6, in this order; what holds shortest decides for how long."""
        self.zone.put("app.example", "2001:db8::1", "192.0.2.1", "192.0.2.2", ttl=7)
        self.assertEqual(await self.ask(), ResolvedName(addresses=("192.0.2.1", "192.0.2.2", "2001:db8::1"), ttl=7))
        self.zone.put("six.example", "2001:db8::1")
        self.assertEqual((await self.ask("six.example")).addresses, ("2001:db8::1",))

    async def test_case(self) -> None:
        """A name is the same in any case."""
        self.zone.put("app.example", "192.0.2.1")
        self.assertEqual((await self.ask("App.Example")).addresses, ("192.0.2.1",))

    async def test_changes(self) -> None:
        """Nothing is kept here: each question gets the answer of its time."""
        for address in ("192.0.2.1", "192.0.2.2"):
            self.zone.put("app.example", address, ttl=3600)
            self.assertEqual((await self.ask()).addresses, (address,))

    async def test_aliases(self) -> None:
        """A name that leads to another is followed, in as many questions as it takes; the shortest time counts."""
        self.zone.put("app.example", alias="b.example", ttl=5)
        self.zone.put("b.example", alias="c.example", ttl=50)
        self.zone.put("c.example", "192.0.2.1", "2001:db8::1", ttl=500)
        self.assertEqual(await self.ask(), ResolvedName(addresses=("192.0.2.1", "2001:db8::1"), ttl=5))

    async def test_aliases_in_one_answer(self) -> None:
        """A resolver that follows by itself is not asked again; records of other names are ignored."""
        records = [
            dns.RRHeader(b"B.example", dns.CNAME, dns.IN, 9, dns.Record_CNAME("c.example", 9)),
            dns.RRHeader(b"evil.example", dns.A, dns.IN, 1, dns.Record_A("203.0.113.1", 1)),
            dns.RRHeader(b"c.example", dns.A, dns.IN, 30, dns.Record_A("192.0.2.1", 30)),
            dns.RRHeader(b"app.example", dns.CNAME, dns.IN, 20, dns.Record_CNAME("b.EXAMPLE", 20)),
        ]
        self.zone.records["app.example"] = []
        self.patch(self.zone, "_answers", lambda name, kind: records if kind == dns.A else [])
        self.assertEqual(await self.ask(), ResolvedName(addresses=("192.0.2.1",), ttl=9))
        self.assertEqual(self.zone.count("b.example"), 0)

    async def test_circle(self) -> None:
        """Names that lead to each other lead nowhere."""
        self.zone.put("app.example", alias="b.example")
        self.zone.put("b.example", alias="app.example")
        self.assertIn("the name servers fail", str(await self.fails()))
        self.assertLess(len(self.zone.asked), 40)

    async def test_long_answer(self) -> None:
        """An answer that has no room in a datagram is asked for over TCP, and the connection is not left open."""
        self.zone.put("app.example", *(f"192.0.2.{number}" for number in range(60)))
        answer = await self.ask()
        self.assertEqual(answer.addresses, tuple(f"192.0.2.{number}" for number in range(MAX_ADDRESSES)))
        self.assertEqual(self.server.accepted, 1)
        await until(lambda: not self.server._factory.connections)

    async def test_ipv6_server(self) -> None:
        """A server with an IPv6 address."""
        server = self.start("::1")
        server.zone.put("app.example", "192.0.2.1")
        self.assertEqual((await self.ask("app.example", server)).addresses, ("192.0.2.1",))


class FailureTests(_Case):
    """What is not found, and who does not answer."""

    async def test_no_name(self) -> None:
        """A name that is not there, and one without addresses: that is an answer."""
        self.assertTrue((await self.fails()).is_final)
        self.zone.put("app.example")
        self.assertTrue((await self.fails()).is_final)

    async def test_broken_server(self) -> None:
        """A server that fails is no answer; the next one is asked, one that says no is believed."""
        broken = self.start()
        broken.zone.failing = True
        self.assertFalse((await self.fails("app.example", broken)).is_final)
        self.zone.put("app.example", "192.0.2.1")
        self.assertEqual((await self.ask("app.example", broken, self.server)).addresses, ("192.0.2.1",))
        self.assertTrue((await self.fails("b.example", self.server, broken)).is_final)
        self.assertNotIn(("b.example", dns.A), broken.zone.asked)


class SilenceTests(_Case):
    """Servers that do not answer."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = SlowReactor()
        self.silent = self.start()
        self.silent.zone.silent |= {dns.A, dns.AAAA}

    def asked(self, *servers: NameServer) -> Deferred[ResolvedName]:
        """A question under way."""
        return look_up(self.reactor, [server.address for server in servers], "app.example")

    async def wait(self, *seconds: float, questions: int = 2) -> None:
        """Lets so much time pass each time that the silent server was asked so many questions."""
        for wanted in range(1, len(seconds) + 1):
            await until(lambda: len(self.silent.zone.asked) == wanted * questions)  # noqa: B023
            self.reactor.advance(seconds[wanted - 1])

    async def test_next_server(self) -> None:
        """A server that does not answer is passed over."""
        self.zone.put("app.example", "192.0.2.1")
        asked = self.asked(self.silent, self.server)
        await self.wait(TIMEOUTS[0])
        self.assertEqual((await asked).addresses, ("192.0.2.1",))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    async def test_all_silent(self) -> None:
        """When all of them are silent they are asked again, and again, and that is all."""
        asked = self.asked(self.silent)
        await self.wait(*TIMEOUTS)
        with self.assertRaises(ResolutionError) as raised:
            await asked
        self.assertEqual((str(raised.exception), raised.exception.is_final), ("the name servers do not answer", False))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    async def ipv4_only(self, *addresses: str) -> Deferred[ResolvedName]:
        """A question to a server that never answers for IPv6, when the time for that is over."""
        self.silent.zone.silent.remove(dns.A)
        self.silent.zone.put("app.example", *addresses)
        asked = self.asked(self.silent)
        await until(lambda: len(self.reactor.getDelayedCalls()) == 4)  # both families and their first questions
        await until(lambda: len(self.reactor.getDelayedCalls()) == 2)  # IPv6 and its question
        self.reactor.advance(FAMILY_TIMEOUT)
        return asked

    async def test_one_family(self) -> None:
        """A server that never answers for IPv6 does not hide what it says of IPv4."""
        self.assertEqual((await (await self.ipv4_only("192.0.2.1"))).addresses, ("192.0.2.1",))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    async def test_one_family_is_not_all(self) -> None:
        """That there is no IPv4 address says nothing of the others."""
        with self.assertRaises(ResolutionError) as raised:
            await (await self.ipv4_only())
        self.assertFalse(raised.exception.is_final)

    async def test_cancelled(self) -> None:
        """A caller that gives up leaves no port and no timer behind; trial would find the port."""
        asked = self.asked(self.silent)
        await until(lambda: len(self.silent.zone.asked) == 2)
        asked.cancel()
        with self.assertRaises(CancelledError):
            await asked
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    async def test_somebody_else(self) -> None:
        """What comes from another address than the one that was asked is not believed."""
        forger = DatagramProtocol()
        port = REACTOR.listenUDP(0, forger, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        heard = self.silent.datagrams.datagramReceived
        read = dns.DNSDatagramProtocol.datagramReceived
        seen: list[bytes] = []
        self.patch(
            self.silent.datagrams,
            "datagramReceived",
            lambda data, address: (forger.transport.write(_forged(data), address), heard(data, address)),  # type: ignore[union-attr]
        )
        self.patch(
            dns.DNSDatagramProtocol,
            "datagramReceived",
            lambda protocol, data, address: (seen.append(data), read(protocol, data, address)),
        )
        asked = self.asked(self.silent)
        await until(lambda: len(seen) == 2)
        self.assertNoResult(asked)
        asked.cancel()
        with self.assertRaises(CancelledError):
            await asked


def _forged(question: bytes) -> bytes:
    """An answer that fits a question but for who gives it."""
    message = dns.Message()
    message.fromStr(question)
    message.answer, message.rCode = 1, dns.OK
    record = dns.Record_A("203.0.113.1", 60)
    message.answers = [dns.RRHeader(b"app.example", dns.A, dns.IN, 60, record)]
    return message.toStr()
