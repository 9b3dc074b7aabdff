"""Names of servers: how long an answer is kept, who waits for a new one, and where answers come from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase, TestCase

from agwtwisted.dns_client import Answer, NoAnswerError
from agwtwisted.resolving import (
    LONGEST,
    MAX_QUESTIONS,
    MAX_SYSTEM_QUESTIONS,
    RETRY,
    STALE,
    SYSTEM_TTL,
    TIMEOUT,
    Names,
    System,
    ask_reactor,
)
from tests.name_servers import REACTOR, NameServer, SlowReactor
from tests.sockets import until
from tests.wires import Network

NONE = NoAnswerError("there is no such name", is_final=True)
A, B = "192.0.2.1", "192.0.2.2"


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.asked: list[tuple[str, Deferred[Answer]]] = []
        self.given_up: list[str] = []
        self.names = Names(self.clock, self._ask)

    def _ask(self, name: str) -> Deferred[Answer]:
        self.asked.append((name, Deferred(lambda _: self.given_up.append(name))))
        return self.asked[-1][1]

    def answer(self, *addresses: str, ttl: float = 10) -> None:
        """The last question is answered."""
        self.asked[-1][1].callback(Answer(addresses=addresses, ttl=ttl))

    def no_answer(self) -> None:
        """The last question comes to nothing."""
        self.asked[-1][1].errback(NONE)

    def known(self, *addresses: str, ttl: float = 10) -> None:
        """The name is known, to somebody who has waited for it."""
        waiting = self.names.addresses("app")
        self.answer(*addresses, ttl=ttl)
        self.successResultOf(waiting)

    def got(self) -> tuple[str, ...]:
        """The addresses, for which nobody has to wait."""
        return self.successResultOf(self.names.addresses("app"))


class KeepingTests(_Case):
    """An answer is kept for its time."""

    def test_first_use(self) -> None:
        """The first who needs a name waits, and whoever comes meanwhile waits for the same answer."""
        waiting = [self.names.addresses("app") for _ in range(3)]
        self.assertEqual(len(self.asked), 1)
        self.answer(A)
        self.assertEqual([self.successResultOf(each) for each in waiting], [(A,)] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_kept(self) -> None:
        """Within its time nobody asks again; names do not get into each other's way."""
        self.known(A)
        self.clock.advance(9)
        self.assertEqual((self.got(), len(self.asked)), ((A,), 1))
        other = self.names.addresses("other")
        self.assertNoResult(other)
        self.assertEqual([name for name, _ in self.asked], ["app", "other"])
        self.answer(B)
        self.assertEqual(self.successResultOf(other), (B,))

    def test_renewed(self) -> None:
        """After its time it is still given, while one new one is asked for; nobody waits."""
        self.known(A)
        self.clock.advance(10)
        self.assertEqual([self.got() for _ in range(3)], [(A,)] * 3)
        self.assertEqual(len(self.asked), 2)
        self.answer(B)
        self.assertEqual((self.got(), len(self.asked)), ((B,), 2))

    def test_too_old(self) -> None:
        """Long after its time it is not given any more: whoever needs the name waits for the new one."""
        self.known(A)
        self.clock.advance(10 + STALE)
        waiting = self.names.addresses("app")
        self.assertNoResult(waiting)
        self.answer(B)
        self.assertEqual(self.successResultOf(waiting), (B,))

    def test_bounds(self) -> None:
        """No answer is kept for less than a second, nor for more than an hour."""
        for ttl, kept in ((0.0, 1.0), (1e9, LONGEST)):
            self.setUp()
            self.known(A, ttl=ttl)
            self.clock.advance(kept - 0.5)
            self.got()
            self.assertEqual(len(self.asked), 1)
            self.clock.advance(0.5)
            self.got()
            self.assertEqual(len(self.asked), 2)
            self.names.stop()

    def test_takes_turns(self) -> None:
        """The addresses take turns at the beginning, those of IPv6 behind those of IPv4."""
        self.known("2001:db8::1", A, "2001:db8::2", B)
        six = ("2001:db8::1", "2001:db8::2")
        self.assertEqual(self.got(), (B, A, *reversed(six)))
        self.assertEqual(self.got(), (A, B, *six))


class FailureTests(_Case):
    """What becomes of a name that does not resolve."""

    def test_never_known(self) -> None:
        """It fails, and is not asked for again at once."""
        waiting = self.names.addresses("app")
        self.no_answer()
        self.assertIn("app does not resolve: there is no such name", str(self.failureResultOf(waiting, DNSLookupError)))
        self.clock.advance(RETRY - 1)
        self.failureResultOf(self.names.addresses("app"), DNSLookupError)
        self.assertEqual(len(self.asked), 1)
        self.clock.advance(1)
        self.known(A)
        self.assertEqual(len(self.asked), 2)

    def test_last_good(self) -> None:
        """The last good addresses are kept for as long as there are no others, and nobody waits; it is told once."""
        self.known(A)
        for _ in range(20):
            self.clock.advance(10)
            self.assertEqual(self.got(), (A,))
            self.no_answer()
        self.assertEqual((self.got(), len(self.asked)), ((A,), 21))
        self.clock.advance(10)
        self.got()
        self.answer(B)
        self.assertEqual(self.got(), (B,))

    def test_last_good_long_ago(self) -> None:
        """Whoever waits for a new answer in vain gets the old one, and the next one does not wait."""
        self.known(A)
        self.clock.advance(100 * LONGEST)
        waiting = self.names.addresses("app")
        self.no_answer()
        self.assertEqual((self.successResultOf(waiting), self.got()), ((A,), (A,)))

    def test_silence(self) -> None:
        """A question has its time, and is ended then."""
        waiting = self.names.addresses("app")
        self.clock.advance(TIMEOUT)
        self.assertIn("no answer in time", str(self.failureResultOf(waiting, DNSLookupError)))
        self.assertEqual((self.given_up, self.clock.getDelayedCalls()), (["app"], []))

    def test_defect(self) -> None:
        """A defect is logged, and the name does not resolve."""
        waiting = self.names.addresses("app")
        self.asked[0][1].errback(KeyError("x"))
        self.assertIn("an unexpected error", str(self.failureResultOf(waiting, DNSLookupError)))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)


class WaitingTests(_Case):
    """Who waits, and who does not."""

    def test_leaving(self) -> None:
        """Whoever waits no more does not end the question: the next has the answer."""
        waiting = self.names.addresses("app")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.answer(A)
        self.assertEqual((self.got(), len(self.asked)), ((A,), 1))

    def test_answered_at_once(self) -> None:
        """An answer that needs no waiting is given at once, and is asked for once."""
        asked: list[str] = []

        def ask(name: str) -> Deferred[Answer]:
            asked.append(name)
            answered: Deferred[Answer] = Deferred()
            answered.callback(Answer(addresses=(A,), ttl=5))
            return answered

        self.names = Names(self.clock, ask)
        self.assertEqual((self.got(), asked), ((A,), ["app"]))

    def test_stop(self) -> None:
        """At the end nothing is asked any more, and who waits is told."""
        waiting = self.names.addresses("app")
        self.names.stop()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual((self.given_up, self.clock.getDelayedCalls()), (["app"], []))

    def test_bound(self) -> None:
        """So many names are asked for at once and no more; the others wait for their turn, in the same time."""
        waiting = [self.names.addresses(f"{number}.example") for number in range(MAX_QUESTIONS + 2)]
        self.assertEqual(len(self.asked), MAX_QUESTIONS)
        self.answer(A)
        self.assertEqual(len(self.asked), MAX_QUESTIONS + 1)
        self.clock.advance(TIMEOUT)
        for each in waiting[: MAX_QUESTIONS - 1] + waiting[MAX_QUESTIONS:]:
            self.failureResultOf(each, DNSLookupError)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SystemTests(TestCase):
    """Where answers come from."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.server = NameServer()
        self.addCleanup(self.server.stop)
        self.zone = self.server.zone
        self.reactor: Any = _Reactor()

    def file(self, name: str, text: str) -> None:
        """Writes hosts or resolv.conf."""
        (self.directory / name).write_text(text)

    async def ask(self, name: str) -> Answer:
        """What the system knows, with files of its own."""
        files = {"hosts": str(self.directory / "hosts"), "resolv_conf": str(self.directory / "resolv.conf")}
        return await System(self.reactor, **files, port=self.server.address[1]).ask(name)

    async def test_hosts(self) -> None:
        """The hosts file comes first, all its addresses, as it is at the time."""
        self.file("resolv.conf", "nameserver 127.0.0.1\n")
        self.file("hosts", "192.0.2.1 app.internal other\n2001:db8::1 App.internal\n")
        self.assertEqual(await self.ask("app.internal"), Answer(addresses=(A, "2001:db8::1"), ttl=SYSTEM_TTL))
        self.file("hosts", "192.0.2.2 app.internal\n")
        self.assertEqual((await self.ask("app.internal")).addresses, (B,))
        self.assertEqual((self.zone.asked, self.reactor.asked), ([], []))

    async def test_name_servers(self) -> None:
        """Then the name servers, for the names that resolv.conf says, as it is at the time."""
        self.file("resolv.conf", "nameserver 127.0.0.1\nsearch a.example b.example\n")
        self.zone.put("app.b.example", A, ttl=7)
        self.assertEqual(await self.ask("app"), Answer(addresses=(A,), ttl=7))
        self.file("resolv.conf", "nameserver 127.0.0.1\n")
        self.zone.put("app", B)
        self.assertEqual((await self.ask("app")).addresses, (B,))
        self.assertEqual(
            [name for name, kind in self.zone.asked if kind == dns.A], ["app.a.example", "app.b.example", "app"]
        )
        self.assertEqual(self.reactor.asked, [])

    async def test_system(self) -> None:
        """The system's own resolver knows what they do not."""
        self.file("resolv.conf", "nameserver 127.0.0.1\n")
        self.reactor.known = ["192.0.2.9", "192.0.2.9"]
        self.assertEqual(await self.ask("printer"), Answer(addresses=("192.0.2.9",), ttl=SYSTEM_TTL))
        self.assertEqual(self.zone.count("printer"), 1)

    async def test_no_resolv_conf(self) -> None:
        """Without name servers it is asked at once; what it does not know, nobody knows."""
        self.reactor.known = [A]
        for text in (None, "search a.example\n"):
            if text is not None:
                self.file("resolv.conf", text)
            self.assertEqual((await self.ask("app")).addresses, (A,))
        self.reactor.known = []
        with self.assertRaises(NoAnswerError):
            await self.ask("app")
        self.assertEqual(self.zone.asked, [])

    async def test_broken_name_servers(self) -> None:
        """Where the name servers fail the system's resolver is not bothered: it would ask the same ones."""
        self.file("resolv.conf", "nameserver 127.0.0.1\n")
        self.zone.failing = True
        self.reactor.known = [A]
        with self.assertRaises(NoAnswerError):
            await self.ask("app")
        self.assertEqual(self.reactor.asked, [])

    async def test_threads(self) -> None:
        """So many threads wait for the system's resolver, even when nobody waits for them any more."""
        self.reactor.holding = []
        system = System(self.reactor, hosts="/nonexistent", resolv_conf="/nonexistent")
        waiting = [system.ask("app") for _ in range(MAX_SYSTEM_QUESTIONS + 1)]
        self.assertEqual(len(self.reactor.asked), MAX_SYSTEM_QUESTIONS)
        waiting[0].cancel()
        with self.assertRaises(CancelledError):
            await waiting[0]
        self.assertEqual(len(self.reactor.asked), MAX_SYSTEM_QUESTIONS)
        self.reactor.known = [A]
        self.reactor.holding[0].resolutionComplete()
        self.assertEqual(len(self.reactor.asked), MAX_SYSTEM_QUESTIONS + 1)
        self.reactor.holding[-1].resolutionComplete()
        self.assertEqual((await waiting[-1]).addresses, (A,))
        for number in range(1, MAX_SYSTEM_QUESTIONS):
            self.reactor.holding[number].resolutionComplete()
            with self.assertRaises(NoAnswerError):
                await waiting[number]

    async def test_real(self) -> None:
        """The real reactor resolves the one name that every system has."""
        self.assertIn("127.0.0.1", (await ask_reactor(REACTOR, "localhost")).addresses)

    async def test_together(self) -> None:
        """A server that moves is followed when the time of its record is over, and not before."""
        self.file("resolv.conf", "nameserver 127.0.0.1\n")
        files = {"hosts": str(self.directory / "hosts"), "resolv_conf": str(self.directory / "resolv.conf")}
        clock = SlowReactor()
        names = Names(clock, System(clock, **files, port=self.server.address[1]).ask)
        self.zone.put("app.example", A, ttl=30)
        self.assertEqual(await names.addresses("app.example"), (A,))
        self.zone.put("app.example", B, ttl=30)
        clock.advance(29)
        self.assertEqual((await names.addresses("app.example"), self.zone.count("app.example")), ((A,), 1))
        clock.advance(1)
        self.assertEqual(await names.addresses("app.example"), (A,))
        await until(lambda: not clock.getDelayedCalls())
        self.assertEqual((await names.addresses("app.example"), self.zone.count("app.example")), ((B,), 2))

    def test_in_memory(self) -> None:
        """The reactor of other tests resolves like a real one."""
        network = Network()
        network.names["app"] = [A]
        names = Names(network, partial(ask_reactor, network))
        self.assertEqual(self.successResultOf(names.addresses("app")), (A,))
        self.failureResultOf(names.addresses("other"), DNSLookupError)


class _Reactor(SlowReactor):
    """Real sockets and time, and a resolver that knows what a test says."""

    callLater = staticmethod(REACTOR.callLater)  # noqa: N815
    seconds = staticmethod(REACTOR.seconds)

    def __init__(self) -> None:
        super().__init__()
        self.known: list[str] = []
        self.asked: list[str] = []
        self.holding: list[Any] | None = None
        self.nameResolver = self

    def resolveHostName(self, receiver: Any, name: str) -> None:  # noqa: N802
        """IHostnameResolver."""
        self.asked.append(name)
        receiver.resolutionBegan(None)
        for address in self.known:
            receiver.addressResolved(IPv4Address("TCP", address, 0))
        if self.holding is None:
            receiver.resolutionComplete()
        else:
            self.holding.append(receiver)
