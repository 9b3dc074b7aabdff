"""Responders on real sockets: what they may do to a client, and where it does not go."""

from __future__ import annotations

from contextlib import closing
from ipaddress import ip_network
from typing import Any

import attrs
from cryptography.x509 import ocsp as library
from twisted.internet import reactor as global_reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IResolutionReceiver
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from agwtwisted.core import ocsp
from agwtwisted.core.destinations import PortRange, destination
from agwtwisted.core.ocsp import Answer, Question, Unreachable, Unusable
from agwtwisted.ocsp_client import OcspClient, Way
from tests import pki
from tests.end_to_end.lines import DEADLINE
from tests.responder import TRY_LATER, Asked, Responder, http

reactor: Any = global_reactor

ISSUER = pki.Authority.root("Issuer")
DEVICE = ISSUER.issue("device")
LOOPBACK = (ip_network("127.0.0.0/8"),)
EVERY_PORT = (PortRange(lowest=1, highest=65535),)
CONTENT_TYPE = b"Content-Type: application/ocsp-response\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


class Resolver:
    """Names as the test has them; every question is counted. What it does not know nobody does."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.asked: list[str] = []

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0, *rest: Any, **options: Any) -> Any:  # noqa: N802, N803
        """As IHostnameResolver says."""
        self.asked.append(name)
        receiver = IResolutionReceiver(receiver)
        receiver.resolutionBegan(None)
        for address in self.names.get(name, []):
            receiver.addressResolved(IPv4Address("TCP", address, portNumber))
        receiver.resolutionComplete()


class Reactor:
    """The real one, with these names."""

    def __init__(self, resolver: Resolver) -> None:
        self.nameResolver = resolver
        self.connected: list[str] = []

    def connectTCP(self, host: str, *rest: Any, **options: Any) -> Any:  # noqa: N802
        """Notes whom is connected to."""
        self.connected.append(host)
        return reactor.connectTCP(host, *rest, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class ClientCase(TestCase):
    """A client, and a responder that says what the test wants."""

    def setUp(self) -> None:
        self.responder = Responder(ISSUER)
        self.responder.knows(DEVICE)
        self.addCleanup(deferToThread, self.responder.close)
        found = Question.of(DEVICE.der, ISSUER.der)
        assert isinstance(found, Question)
        self.question = found
        self.client = OcspClient(reactor)

    def way(self, *urls: str, timeout: float = DEADLINE, operators: bool = True) -> Way:
        """The way to these responders, or to the one of the test."""
        return Way(
            destinations=tuple(destination(url) for url in urls or (self.responder.url,)),
            timeout=timeout,
            open_networks=None if operators else LOOPBACK,
            open_ports=None if operators else EVERY_PORT,
        )

    def prove(self, response: bytes) -> Answer | Unusable:
        """What the response is worth."""
        return ocsp.prove(response, self.question)

    def ask(self, way: Way | None = None) -> Deferred[Answer | Unusable | Unreachable]:
        """Puts the question."""
        return self.client.ask(self.question.request, way or self.way(), self.prove)

    def assert_unreachable(self, outcome: object, words: str) -> None:
        """There is no answer, for this reason."""
        self.assertIsInstance(outcome, Unreachable)
        assert isinstance(outcome, Unreachable)
        self.assertIn(words, outcome.reason)


class AskTests(ClientCase):
    """Responders that behave."""

    async def test_post(self) -> None:
        """The request goes by POST, and nothing that is not needed goes with it."""
        self.assertIsInstance(await self.ask(), Answer)
        head = bytes(self.responder.lines[0].received).partition(b"\r\n\r\n")[0]
        names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
        self.assertEqual(self.responder.heads, ["POST / HTTP/1.1"])
        self.assertEqual(names, {b"host", b"connection", b"content-type", b"content-length", b"accept"})

    async def test_get(self) -> None:
        """By GET the request is in the path (RFC 5019 section 5); a long one goes by POST."""
        self.client = OcspClient(reactor, use_get=True)
        self.assertIsInstance(await self.ask(), Answer)
        self.assertIn("GET /M", self.responder.heads[0])
        long = await self.ask(self.way(f"{self.responder.url}?query"))
        self.assertIsInstance(long, Answer)
        self.assertEqual(self.responder.heads[1], "POST /?query HTTP/1.1")

    async def test_one_connection_a_question(self) -> None:
        """No connection is kept."""
        for _ in range(2):
            await self.ask()
        self.assertEqual(len(self.responder.lines), 2)

    async def test_no_proxy(self) -> None:
        """The environment's proxy is for others."""
        self.patch(
            __import__("os"), "environ", {"http_proxy": "http://127.0.0.1:1/", "HTTP_PROXY": "http://127.0.0.1:1/"}
        )
        self.assertIsInstance(await self.ask(), Answer)

    async def test_several(self) -> None:
        """Responders are asked in turn, until one gives an answer that is worth something."""
        with closing(Responder(ISSUER, lambda _: http(TRY_LATER))) as useless:
            way = self.way("http://127.0.0.1:1/", useless.url, self.responder.url)
            self.assertIsInstance(await self.ask(way), Answer)
            self.assertEqual(len(useless.asked), 1)
            self.assertIsInstance(await self.ask(self.way(self.responder.url, useless.url)), Answer)
            self.assertEqual(len(useless.asked), 1)

    async def test_nobody(self) -> None:
        """Where no responder is named there is nobody to ask."""
        way = attrs.evolve(self.way(), destinations=())
        self.assert_unreachable(await self.ask(way), "names no responder")


class HostileTests(ClientCase):
    """Responders that do not."""

    async def outcome(self, answer: bytes) -> object:
        """What becomes of an answer, sent as it stands; each time as if nothing had been asked before."""
        self.client = OcspClient(reactor)
        self.responder.say = lambda _: answer
        return await self.ask()

    async def test_other_answers(self) -> None:
        """Pages, redirects, encodings and errors are no answers; nothing is followed."""
        for answer, words in (
            (http(b"", status=b"500 Oh"), "status 500"),
            (http(b"", b"Location: " + self.responder.url.encode(), status=b"302 Found"), "status 302"),
            (http(b"<html>", content_type=b"text/html"), "content type"),
            (http(b"x", b"Content-Encoding: gzip"), "encoded"),
            (b"\x00\x01 nonsense\r\n\r\n", "does not speak HTTP"),
        ):
            self.assert_unreachable(await self.outcome(answer), words)
        self.assertEqual(len(self.responder.asked), 5)

    async def test_too_long(self) -> None:
        """A body that is too long is not read: announced, in chunks, or without an end; so are endless headers."""
        chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
        for answer in (
            http(b"x" * 65537),
            OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 1000,
            OK + CONTENT_TYPE + b"\r\n" + b"x" * 10_000_000,
            OK + b"X-Header: x\r\n" * 1_000_000,
        ):
            self.assert_unreachable(await self.outcome(answer), "too long")

    async def test_longest(self) -> None:
        """64 KB are not too long."""
        self.assertIsInstance(await self.outcome(http(b"x" * 65536)), Unusable)

    async def test_cut(self) -> None:
        """An answer that ends before its end is none, wherever it is cut."""
        whole = self.responder.true_answer(ocsp_request(self.question))
        for size in (0, 10, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
            self.client = OcspClient(reactor)
            self.responder.say = _cut(self.responder, whole[:size])
            self.assertIsInstance(await self.ask(), Unreachable)

    async def test_without_length(self) -> None:
        """Where the end of the connection is the end of the body, the response itself tells whether it is whole."""
        body = self.responder.true_answer(ocsp_request(self.question)).partition(b"\r\n\r\n")[2]
        for answer, expected in ((body, Answer), (body[:-1], Unusable)):
            self.client = OcspClient(reactor)
            self.responder.say = _cut(self.responder, OK + CONTENT_TYPE + b"\r\n" + answer)
            self.assertIsInstance(await self.ask(), expected)

    async def test_silence(self) -> None:
        """One deadline is over everything: the head, and a body that comes drop by drop."""
        self.responder.say = lambda _: None
        self.assert_unreachable(await self.ask(self.way(timeout=0.3)), "no answer in time")
        self.client = OcspClient(reactor)
        self.responder.say = lambda _: OK + CONTENT_TYPE + b"Content-Length: 9\r\n\r\nx"
        self.assert_unreachable(await self.ask(self.way(timeout=0.3)), "no answer in time")
        for line in self.responder.lines:
            self.assertTrue(await deferToThread(line.ended.wait, DEADLINE))

    async def test_dead_responder(self) -> None:
        """A dead responder costs its first askers their time, and the others none: it is not even asked."""
        self.responder.say = lambda _: None
        await self.ask(self.way(timeout=0.3))
        self.assert_unreachable(await self.ask(), "a moment ago")
        self.assertEqual(len(self.responder.asked), 1)

    async def test_errors_are_no_death(self) -> None:
        """A responder that answers with an error for one certificate is asked about the next."""
        self.responder.say = lambda _: http(b"", status=b"404 Not Found")
        for _ in range(3):
            self.assert_unreachable(await self.ask(), "404")
        self.assertEqual(len(self.responder.asked), 3)

    async def test_second_has_its_share(self) -> None:
        """A silent responder does not take the time of the next one."""
        with closing(Responder(ISSUER, lambda _: None)) as silent:
            way = self.way(silent.url, self.responder.url, timeout=3)
            self.assertIsInstance(await self.ask(way), Answer)

    async def test_cancelled(self) -> None:
        """Who does not wait any more ends the connection, and no other responder is asked instead."""
        self.responder.say = lambda _: None
        with closing(Responder(ISSUER)) as other:
            asked = self.ask(self.way(self.responder.url, other.url))
            await deferToThread(self.responder.wait_for, 1)
            asked.cancel()
            await self.assertFailure(asked, CancelledError)
            self.assertTrue(await deferToThread(self.responder.lines[0].ended.wait, DEADLINE))
            self.assertEqual(other.lines, [])


class AddressTests(ClientCase):
    """Where a certificate may send the client."""

    def resolving(self, own_ports: tuple[int, ...] = (), **names: list[str]) -> Reactor:
        """A client with these names; a dot is written as ``_``."""
        made = Reactor(Resolver({name.replace("_", "."): addresses for name, addresses in names.items()}))
        self.client = OcspClient(made, own_ports=own_ports)
        return made

    def certificates(self, *urls: str) -> Way:
        """The way that a certificate names, with nothing opened."""
        return attrs.evolve(self.way(*urls, operators=False), open_networks=())

    async def test_closed_addresses(self) -> None:
        """A closed address is not connected to, whatever it is called."""
        made = self.resolving(rebound_example=["127.0.0.1"], localhost=["127.0.0.1"])
        made.nameResolver.names["127.0.0.1"] = ["127.0.0.1"]
        port = self.responder.port
        for host in ("127.0.0.1", "rebound.example", "localhost"):
            outcome = await self.ask(self.certificates(f"http://{host}:{port}/"))
            self.assert_unreachable(outcome, "127.0.0.1 is not in ocsp_allowed_networks")
        self.assertEqual((made.connected, self.responder.lines), ([], []))

    async def test_what_is_looked_at_is_connected_to(self) -> None:
        """A name is resolved once: no second answer of its resolver gets around the rules."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        url = f"http://ocsp.example:{self.responder.port}/"
        self.assertIsInstance(await self.ask(self.way(url, operators=False)), Answer)
        self.assertEqual((made.nameResolver.asked, made.connected), (["ocsp.example"], ["127.0.0.1"]))

    async def test_open_among_closed(self) -> None:
        """Of several addresses the open ones are tried."""
        made = self.resolving(ocsp_example=["169.254.169.254", "127.0.0.1"])
        url = f"http://ocsp.example:{self.responder.port}/"
        self.assertIsInstance(await self.ask(self.way(url, operators=False)), Answer)
        self.assertEqual(made.connected, ["127.0.0.1"])

    async def test_ports(self) -> None:
        """Only listed ports are connected to; the operator's own responder may be at any."""
        way = attrs.evolve(self.way(operators=False), open_ports=(PortRange(lowest=80, highest=80),))
        self.assert_unreachable(await self.ask(way), "ocsp_allowed_ports")
        self.assertEqual(self.responder.lines, [])
        self.assertIsInstance(await self.ask(attrs.evolve(way, open_ports=None, open_networks=None)), Answer)

    async def test_not_itself(self) -> None:
        """The gateway does not ask itself: it connects to its own listener, if that is open, and says nothing."""
        self.client = OcspClient(reactor, own_ports=[self.responder.port])
        self.assert_unreachable(await self.ask(self.way(operators=False)), "own listeners")
        self.assertEqual(self.responder.asked, [])
        self.assertIsInstance(await self.ask(), Answer)  # the operator knows

    async def test_no_such_name(self) -> None:
        """A name that nobody knows is no responder."""
        self.resolving()
        self.assert_unreachable(await self.ask(self.way("http://nobody.example/")), "lookup")

    async def test_refused(self) -> None:
        """A port on which nobody listens is no responder."""
        self.assert_unreachable(await self.ask(self.way("http://127.0.0.1:1/")), "refused")


def ocsp_request(question: Question) -> Asked:
    """The request of a question, as a responder reads it."""
    return library.load_der_ocsp_request(question.request)


def _cut(responder: Responder, data: bytes) -> Any:
    """Says this, and closes the connection."""

    def say(_: Asked) -> bytes:
        responder.lines[-1].send(data)
        raise OSError

    return say
