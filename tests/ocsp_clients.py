"""OCSP clients before responders on real sockets."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import ip_network
from typing import Any

from cryptography.x509 import ocsp as library
from twisted.internet import reactor as global_reactor
from twisted.internet.abstract import isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IResolutionReceiver
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from agwtwisted.core.http.destinations import PortRange, destination
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.circuit_breaker import TRIP_AFTER
from agwtwisted.core.revocation.ocsp import OcspRequest, ProvenResponse
from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, Unreachable, Unusable
from agwtwisted.outbound.cold_client import ColdClient
from agwtwisted.outbound.lateness import Lateness
from agwtwisted.revocation.ocsp_client import OcspClient, ResponderRoute
from agwtwisted.transport.dialing import connect
from tests import pki
from tests.end_to_end.lines import DEADLINE, wait_until
from tests.responder import Asked, Responder

reactor: Any = global_reactor

ISSUER = pki.Authority.root("Issuer")
DEVICE = ISSUER.issue("device")
KEY = pki.ec_key()
LOOPBACK = (ip_network("127.0.0.0/8"),)
EVERY_PORT = (PortRange(lowest=1, highest=65535),)
CONTENT_TYPE = b"Content-Type: application/ocsp-response\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


class Resolver:
    """Names as the test has them; every question is counted. A name that it does not know does not exist."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.asked: list[str] = []
        self.receivers: list[Any] = []
        self.complete = True

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0, *rest: Any, **options: Any) -> Any:  # noqa: N802, N803
        """As IHostnameResolver says."""
        self.asked.append(name)
        receiver = IResolutionReceiver(receiver)
        receiver.resolutionBegan(None)
        for address in self.names.get(name, []):
            kind = IPv6Address if isIPv6Address(address) else IPv4Address
            receiver.addressResolved(kind("TCP", address, portNumber))
        self.receivers.append(receiver)
        if self.complete:
            receiver.resolutionComplete()


class Reactor:
    """The real one, with these names."""

    def __init__(self, resolver: Resolver) -> None:
        self.nameResolver = resolver
        self.connected: list[str] = []

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> None:  # noqa: N802
        """Notes the servers that are connected to."""
        self.connected.append(host)
        connect(reactor, host, port, factory, timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class Timed(Clock):
    """Time is the test's own, the rest is real."""

    rightNow = 1000.0  # noqa: N815
    nameResolver = reactor.nameResolver  # noqa: N815

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> None:  # noqa: N802
        """Connects, without a clock of its own."""
        connect(reactor, host, port, factory, timeout)


class ClientCase(TestCase):
    """A client, and a responder that says what the test wants."""

    def setUp(self) -> None:
        self.responder = Responder(ISSUER)
        self.responder.knows(DEVICE)
        self.addCleanup(deferToThread, self.responder.close)
        found = OcspRequest.of(DEVICE.der, ISSUER.der)
        assert isinstance(found, OcspRequest)
        self.request = found
        self.client = self.made(reactor)

    def made(self, clock: Any, *, own_ports: Container[int] = (), lateness: Lateness | None = None) -> OcspClient:
        """A client that has asked nothing."""
        self.cold_client = ColdClient(clock, lateness=lateness)
        self.addCleanup(self.cold_client.stop)
        return OcspClient(clock, self.cold_client, own_ports=own_ports)

    def route(
        self, *urls: str, timeout: float = DEADLINE, operators: bool = True, by_get: bool = False
    ) -> ResponderRoute:
        """The route to these responders, or to the one of the test."""
        return ResponderRoute(
            destinations=tuple(destination(url) for url in urls or (self.responder.url,)),
            timeout=timeout,
            open_networks=LOOPBACK,
            open_ports=EVERY_PORT,
            is_operators=operators,
            by_get=by_get,
        )

    def prove(self, response: bytes) -> ProvenResponse | Unusable:
        """What the response is worth."""
        return ocsp.prove(response, self.request)

    def ask(self, route: ResponderRoute | None = None) -> Deferred[ProvenResponse | NoAnswer]:
        """Puts the question."""
        return self.client.ask(self.request.der, route or self.route(), self.prove)

    def ask_another(self, number: int, route: ResponderRoute | None = None) -> Deferred[ProvenResponse | NoAnswer]:
        """Puts a question about another certificate."""
        device = ISSUER.issue(f"device {number}", key=KEY)
        self.responder.knows(device)
        other = OcspRequest.of(device.der, ISSUER.der)
        assert isinstance(other, OcspRequest)
        return self.client.ask(other.der, route or self.route(), lambda response: ocsp.prove(response, other))

    def assert_not_asked(self, outcome: object, words: str) -> None:
        """No responder was asked, for this reason."""
        self.assertIsInstance(outcome, CouldNotAsk)
        assert isinstance(outcome, CouldNotAsk)
        self.assertIn(words, outcome.reason)

    def assert_unreachable(self, outcome: object, words: str) -> None:
        """There is no answer, for this reason."""
        self.assertIsInstance(outcome, Unreachable)
        assert isinstance(outcome, Unreachable)
        self.assertIn(words, outcome.reason)

    async def die(self, clock: Timed) -> None:
        """The responder answers none of several questions."""
        self.client = self.made(clock)
        self.responder.say = lambda _: None
        asked = [self.ask_another(number, self.route(timeout=5)) for number in range(TRIP_AFTER)]
        await deferToThread(wait_until, lambda: len(self.responder.lines) == TRIP_AFTER, "all are put")
        clock.advance(5)
        for each in asked:
            self.assert_unreachable(await each, "no response in time")


def ocsp_request(request: OcspRequest) -> Asked:
    """A request, as a responder reads it."""
    return library.load_der_ocsp_request(request.der)


def http_body(answer: bytes) -> bytes:
    """The body of an HTTP response."""
    return answer.partition(b"\r\n\r\n")[2]


def cut(responder: Responder, data: bytes) -> Any:
    """Says this, and closes the connection."""

    def say(_: Asked) -> bytes:
        responder.lines[-1].send(data)
        raise OSError

    return say
