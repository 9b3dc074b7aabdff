"""Where the addresses of names come from on this system."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError
from twisted.internet.error import DNSLookupError
from twisted.names import dns
from twisted.trial.unittest import TestCase

from agwtwisted.backends.dns_client import ResolutionError, ResolvedName
from agwtwisted.backends.reactor_resolver import TTL, resolve_by_reactor
from agwtwisted.backends.resolver import Resolver
from agwtwisted.backends.system_resolver import MAX_THREADS, SystemResolver
from tests.name_servers import REACTOR, NameServer, SlowReactor
from tests.sockets import until
from tests.wires import Network

A, B = "192.0.2.1", "192.0.2.2"


class SystemResolverTests(TestCase):
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

    async def ask(self, name: str) -> ResolvedName:
        """What the system knows, with files of its own."""
        files = {"hosts": str(self.directory / "hosts"), "resolv_conf": str(self.directory / "resolv.conf")}
        return await SystemResolver(self.reactor, **files, port=self.server.address[1]).look_up(name)

    async def test_hosts(self) -> None:
        """The hosts file comes first, all its addresses, as it is at the time."""
        self.file("resolv.conf", "nameserver 127.0.0.1\n")
        self.file("hosts", "192.0.2.1 app.internal other\n2001:db8::1 App.internal\n")
        self.assertEqual(await self.ask("app.internal"), ResolvedName(addresses=(A, "2001:db8::1"), ttl=TTL))
        self.file("hosts", "192.0.2.2 app.internal\n")
        self.assertEqual((await self.ask("app.internal")).addresses, (B,))
        self.assertEqual((self.zone.asked, self.reactor.asked), ([], []))

    async def test_name_servers(self) -> None:
        """Then the name servers, for the names that resolv.conf says, as it is at the time."""
        self.file("resolv.conf", "nameserver 127.0.0.1\nsearch a.example b.example\n")
        self.zone.put("app.b.example", A, ttl=7)
        self.assertEqual(await self.ask("app"), ResolvedName(addresses=(A,), ttl=7))
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
        self.assertEqual(await self.ask("printer"), ResolvedName(addresses=("192.0.2.9",), ttl=TTL))
        self.assertEqual(self.zone.count("printer"), 1)

    async def test_no_resolv_conf(self) -> None:
        """Without name servers it is asked at once; a name that it does not know does not exist."""
        self.reactor.known = [A]
        for text in (None, "search a.example\n"):
            if text is not None:
                self.file("resolv.conf", text)
            self.assertEqual((await self.ask("app")).addresses, (A,))
        self.reactor.known = []
        with self.assertRaises(ResolutionError):
            await self.ask("app")
        self.assertEqual(self.zone.asked, [])

    async def test_broken_name_servers(self) -> None:
        """Where the name servers fail the system's resolver is not bothered: it would ask the same ones."""
        self.file("resolv.conf", "nameserver 127.0.0.1\n")
        self.zone.failing = True
        self.reactor.known = [A]
        with self.assertRaises(ResolutionError):
            await self.ask("app")
        self.assertEqual(self.reactor.asked, [])

    async def test_threads(self) -> None:
        """So many threads wait for the system's resolver, even without waiters."""
        self.reactor.holding = []
        system = SystemResolver(self.reactor, hosts="/nonexistent", resolv_conf="/nonexistent")
        waiting = [system.look_up("app") for _ in range(MAX_THREADS + 1)]
        self.assertEqual(len(self.reactor.asked), MAX_THREADS)
        waiting[0].cancel()
        with self.assertRaises(CancelledError):
            await waiting[0]
        self.assertEqual(len(self.reactor.asked), MAX_THREADS)
        self.reactor.known = [A]
        self.reactor.holding[0].resolutionComplete()
        self.assertEqual(len(self.reactor.asked), MAX_THREADS + 1)
        self.reactor.holding[-1].resolutionComplete()
        self.assertEqual((await waiting[-1]).addresses, (A,))
        for number in range(1, MAX_THREADS):
            self.reactor.holding[number].resolutionComplete()
            with self.assertRaises(ResolutionError):
                await waiting[number]

    async def test_real(self) -> None:
        """The real reactor resolves the one name that every system has."""
        self.assertIn("127.0.0.1", (await resolve_by_reactor(REACTOR, "localhost")).addresses)

    async def test_together(self) -> None:
        """A server that moves is followed when the time of its record is over, and not before."""
        self.file("resolv.conf", "nameserver 127.0.0.1\n")
        files = {"hosts": str(self.directory / "hosts"), "resolv_conf": str(self.directory / "resolv.conf")}
        clock = SlowReactor()
        names = Resolver(clock, SystemResolver(clock, **files, port=self.server.address[1]).look_up)
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
        names = Resolver(network, partial(resolve_by_reactor, network))
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
