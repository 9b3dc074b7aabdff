"""Where a certificate may send the client."""

from __future__ import annotations

import os

import attrs
from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.ssl import DefaultOpenSSLContextFactory

from agwtwisted.backends.reactor_resolver import MAX_LOOKUPS
from agwtwisted.core.http.destinations import PortRange
from agwtwisted.core.revocation.circuit_breaker import TRIP_AFTER
from agwtwisted.core.revocation.ocsp import ProvenResponse
from agwtwisted.core.revocation.status import Unreachable
from agwtwisted.outbound.addresses import leads_to_ourselves
from agwtwisted.outbound.fetching import AddressRules
from agwtwisted.revocation.ocsp_client import ResponderRoute
from tests import pki
from tests.ocsp_clients import (
    ClientCase,
    Reactor,
    Resolver,
    reactor,
)
from tests.responder import http


class AddressTests(ClientCase):
    """Where a certificate may send the client."""

    def resolving(self, own_ports: tuple[int, ...] = (), **names: list[str]) -> Reactor:
        """A client with these names; a dot is written as ``_``."""
        made = Reactor(Resolver({name.replace("_", "."): addresses for name, addresses in names.items()}))
        self.client = self.made(made, own_ports=own_ports)
        return made

    def certificates(self, *urls: str) -> ResponderRoute:
        """The route that a certificate names, with nothing opened."""
        return attrs.evolve(self.route(*urls, operators=False), open_networks=())

    async def test_closed_addresses(self) -> None:
        """A closed address is not connected to, whatever it is called."""
        made = self.resolving(rebound_example=["127.0.0.1"], localhost=["127.0.0.1"])
        port = self.responder.port
        for host in ("127.0.0.1", "rebound.example", "localhost"):
            outcome = await self.ask(self.certificates(f"http://{host}:{port}/"))
            where = f"{host} port {port} at 127.0.0.1: ocsp_allowed_networks = 127.0.0.1 would"
            self.assert_unreachable(outcome, where)
        self.assertEqual((made.connected, self.responder.lines), ([], []))

    async def test_what_is_looked_at_is_connected_to(self) -> None:
        """A name is resolved once: no second answer of its resolver gets around the rules."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        url = f"http://ocsp.example:{self.responder.port}/"
        self.assertIsInstance(await self.ask(self.route(url, operators=False)), ProvenResponse)
        self.assertEqual((made.nameResolver.asked, made.connected), (["ocsp.example"], ["127.0.0.1"]))

    async def test_open_among_closed(self) -> None:
        """Of several addresses the open ones are tried."""
        made = self.resolving(ocsp_example=["169.254.169.254", "127.0.0.1"])
        url = f"http://ocsp.example:{self.responder.port}/"
        self.assertIsInstance(await self.ask(self.route(url, operators=False)), ProvenResponse)
        self.assertEqual(made.connected, ["127.0.0.1"])

    async def test_dead_among_closed(self) -> None:
        """Where the open address is dead, that is the reason, and the responder is left alone for a while."""
        self.resolving(ocsp_example=["127.0.0.1", "169.254.169.254"])
        route = self.route("http://ocsp.example:1/", operators=False)
        self.assert_unreachable(await self.ask(route), "refused")
        self.assert_unreachable(await self.ask(route), "a moment ago")

    async def test_answer_among_closed(self) -> None:
        """What is wrong with an answer is said, also where another address was passed over."""
        self.resolving(ocsp_example=["127.0.0.1", "169.254.169.254"])
        self.responder.say = lambda _: http(b"", status=b"404 Not Found")
        route = self.route(f"http://ocsp.example:{self.responder.port}/", operators=False)
        self.assert_unreachable(await self.ask(route), "404")

    async def test_cancelled_while_resolving(self) -> None:
        """A name that is found after its waiters gave up is not connected to."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        made.nameResolver.complete = False
        urls = (f"http://ocsp.example:{self.responder.port}/", f"http://other.example:{self.responder.port}/")
        asked = self.ask(self.route(*urls, operators=False))
        asked.cancel()
        await self.assertFailure(asked, CancelledError)
        made.nameResolver.receivers[0].resolutionComplete()
        self.assertEqual((made.nameResolver.asked, made.connected), (["ocsp.example"], []))

    async def test_left_before_the_caller_goes_on(self) -> None:
        """A name that waits to be looked up is not looked up any more once its question has ended."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        made.nameResolver.complete = False
        slow = [self.ask(self.route(f"http://{number}.example/")) for number in range(MAX_LOOKUPS)]
        late = self.ask(self.route("http://late.example/", timeout=0.1))
        await late.addCallback(lambda _: made.nameResolver.receivers[0].resolutionComplete())
        self.assertNotIn("late.example", made.nameResolver.asked)
        for each in slow:
            each.addErrback(lambda _: None)  # type: ignore[unused-awaitable]
            each.cancel()

    async def test_names_wait(self) -> None:
        """So many names are looked up at once; a question whose name had no turn was not put, the others were."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        made.nameResolver.complete = False
        slow = [self.ask(self.route(f"http://{number}.example/", timeout=0.2)) for number in range(MAX_LOOKUPS)]
        self.assert_not_asked(await self.ask(self.route("http://ocsp.example/", timeout=0.1)), "being looked up")
        for each in slow:
            self.assert_unreachable(await each, "no response in time")
        made.nameResolver.complete = True
        for receiver in made.nameResolver.receivers:
            receiver.resolutionComplete()
        self.assertIsInstance(await self.ask(self.route(f"http://ocsp.example:{self.responder.port}/")), ProvenResponse)

    async def test_name_for_many(self) -> None:
        """A name is looked up once for all who need it at a time."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        made.nameResolver.complete = False
        asked = [self.ask(self.route(f"http://ocsp.example:{self.responder.port}/")) for _ in range(5)]
        self.assertEqual(made.nameResolver.asked, ["ocsp.example"])
        made.nameResolver.receivers[0].resolutionComplete()
        for each in asked:
            self.assertIsInstance(await each, ProvenResponse)

    async def test_https(self) -> None:
        """Over https nothing is said to a responder whose certificate the system does not trust."""
        server = pki.self_signed("127.0.0.1", san=("127.0.0.1",))
        directory = self.mktemp()
        os.mkdir(directory)
        certificate, key = server.write(directory)
        options = DefaultOpenSSLContextFactory(key, certificate)
        received: list[bytes] = []

        class Listening(Protocol):
            """Takes what a client says."""

            def dataReceived(self, data: bytes) -> None:
                """One piece of it."""
                received.append(data)

        factory = ServerFactory.forProtocol(Listening)
        port = reactor.listenSSL(0, factory, options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        for route in (True, False):
            self.client = self.made(reactor)
            outcome = await self.ask(self.route(f"https://127.0.0.1:{port.getHost().port}/", operators=route))
            self.assert_unreachable(outcome, "self-signed certificate")
        self.assertEqual(received, [])

    async def test_https_to_plain_http(self) -> None:
        """What does not speak TLS at an https URL is not asked in the clear."""
        outcome = await self.ask(self.route(self.responder.url.replace("http:", "https:"), timeout=0.3))
        self.assertIsInstance(outcome, Unreachable)
        self.assertEqual(self.responder.asked, [])

    async def test_ports(self) -> None:
        """Only listed ports are connected to; the operator's own responder may be at any."""
        route = attrs.evolve(self.route(operators=False), open_ports=(PortRange(lowest=80, highest=80),))
        self.assert_unreachable(await self.ask(route), f"ocsp_allowed_ports = {self.responder.port} would")
        both = f"ocsp_allowed_networks = 127.0.0.1 and ocsp_allowed_ports = {self.responder.port} would"
        self.assert_unreachable(await self.ask(attrs.evolve(route, open_networks=())), both)
        self.assertEqual(self.responder.lines, [])
        own = attrs.evolve(route, open_networks=(), is_operators=True)
        self.assertIsInstance(await self.ask(own), ProvenResponse)

    async def test_against_the_rules_is_no_death(self) -> None:
        """That the rules refuse an address says nothing about whether its responder lives."""
        route = attrs.evolve(self.route(operators=False), open_networks=())
        for _ in range(2 * TRIP_AFTER):
            self.assert_unreachable(await self.ask(route), "address rules")
        self.assertIsInstance(await self.ask(self.route(operators=False)), ProvenResponse)

    async def test_not_itself(self) -> None:
        """The gateway does not ask itself: it connects to its own listener, if that is open, and says nothing."""
        self.client = self.made(reactor, own_ports=[self.responder.port])
        self.assert_unreachable(await self.ask(self.route(operators=False)), "own listeners")
        self.assertEqual(self.responder.asked, [])
        self.assertIsInstance(await self.ask(), ProvenResponse)  # the operator knows

    async def test_unspecified(self) -> None:
        """The unspecified address leads to listeners of this machine, too."""
        rules = AddressRules(networks=(), ports=(), own_ports={443})
        for address in ("0.0.0.0", "::", "127.0.0.2"):
            self.assertTrue(leads_to_ourselves(address, 443, rules))
            self.assertFalse(leads_to_ourselves(address, 80, rules))

    async def test_no_such_name(self) -> None:
        """An unknown name is no responder."""
        self.resolving()
        self.assert_unreachable(await self.ask(self.route("http://nobody.example/")), "lookup")

    async def test_refused(self) -> None:
        """A port without a server is no responder."""
        self.assert_unreachable(await self.ask(self.route("http://127.0.0.1:1/")), "refused")
