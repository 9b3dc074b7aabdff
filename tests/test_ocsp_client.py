"""Responders on real sockets: what they may do to a client, and where it does not go."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing
from ipaddress import ip_network
from typing import Any

import attrs
from cryptography.x509 import ocsp as library
from twisted.internet import reactor as global_reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IResolutionReceiver
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from agwtwisted import ocsp_client
from agwtwisted.core import ocsp
from agwtwisted.core.destinations import PortRange, destination
from agwtwisted.core.ocsp import Answer, Question, Unreachable, Unusable
from agwtwisted.ocsp_client import OcspClient, Way
from agwtwisted.turns import PAUSE, UNDER_WAY
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
        self.receivers: list[Any] = []
        self.complete = True

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0, *rest: Any, **options: Any) -> Any:  # noqa: N802, N803
        """As IHostnameResolver says."""
        self.asked.append(name)
        receiver = IResolutionReceiver(receiver)
        receiver.resolutionBegan(None)
        for address in self.names.get(name, []):
            receiver.addressResolved(IPv4Address("TCP", address, portNumber))
        self.receivers.append(receiver)
        if self.complete:
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


class Timed(Clock):
    """Time is the test's own, the rest is real."""

    rightNow = 1000.0  # noqa: N815
    nameResolver = reactor.nameResolver  # noqa: N815
    connectTCP = reactor.connectTCP  # noqa: N815
    listenTCP = reactor.listenTCP  # noqa: N815


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

    async def test_no_cookies(self) -> None:
        """A responder cannot mark whom it has seen."""
        body = http_body(self.responder.true_answer(ocsp_request(self.question)))
        self.responder.say = lambda _: http(body, b"Set-Cookie: seen=1; Path=/")
        for _ in range(2):
            self.assertIsInstance(await self.ask(), Answer)
        self.assertNotIn(b"cookie", bytes(self.responder.lines[1].received).lower())

    async def test_long_get(self) -> None:
        """The path of the URL is kept before the request; one that is too long for GET goes by POST."""
        self.client = OcspClient(reactor, use_get=True)
        self.assertIsInstance(await self.ask(self.way(f"{self.responder.url}a/b/")), Answer)
        self.assertRegex(self.responder.heads[0], "^GET /a/b/M[^/]+ HTTP/1.1$")
        long = Question.of(DEVICE.der, ISSUER.der, nonce=bytes(128))
        assert isinstance(long, Question)
        await self.client.ask(long.request, self.way(), self.prove)
        self.assertEqual(self.responder.heads[1], "POST / HTTP/1.1")

    async def test_no_proxy(self) -> None:
        """The environment's proxy is for others."""
        self.patch(os, "environ", {"http_proxy": "http://127.0.0.1:1/", "HTTP_PROXY": "http://127.0.0.1:1/"})
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

    async def test_odd_answers(self) -> None:
        """Whatever comes in place of HTTP, the outcome is a value and nothing is logged."""
        body = b"\r\n" + b"x" * 10
        for answer in (
            OK + b"\r\n",
            OK + CONTENT_TYPE + b"Content-Length: -1\r\n" + body,
            OK + CONTENT_TYPE + b"Content-Length: ten\r\n" + body,
            OK + CONTENT_TYPE + b"Content-Length: 10\r\nContent-Length: 9\r\n" + body,
            OK + CONTENT_TYPE + b"Content-Length: 10\r\nTransfer-Encoding: gzip\r\n" + body,
            OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
            OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            OK + b": \r\n\x00\xff" + body,
            OK + b"\xff\r\n" + CONTENT_TYPE + body,
            b"HTTP/1.1 \xff\r\n" + body,
            b"HTTP/1.1 99999999999 OK\r\n" + body,
            b"HTTP/1.1 -200 OK\r\n" + body,
            b"HTTP/1.1 101 Switching Protocols\r\n" + body,
            b"HTTP/1.1 204 No Content\r\n" + CONTENT_TYPE + body,
            b"HTTP/9.9 200 OK\r\n" + CONTENT_TYPE + body,
            b"ICY 200 OK\r\n" + CONTENT_TYPE + body,
            b"\r\n" * 100,
            OK + b"X-Header: " + b"x" * 1_000_000,
            b"\x16\x03\x01\x00\x05hello",
        ):
            self.client = OcspClient(reactor)
            self.responder.say = _cut(self.responder, answer)
            self.assertIsInstance(await self.ask(), Unreachable | Unusable, answer)

    async def test_content_type(self) -> None:
        """The type may be written in capitals and have parameters; none at all, or a longer one, is another type."""
        body = http_body(self.responder.true_answer(ocsp_request(self.question)))
        for kind in (b"Application/OCSP-Response", b"application/ocsp-response ; charset=x"):
            self.assertIsInstance(await self.outcome(http(body, content_type=kind)), Answer)
        for kind in (b"", b"application/ocsp-response-not", b"application/ocsp-request"):
            self.assert_unreachable(await self.outcome(http(body, content_type=kind)), "content type")

    async def test_piece_by_piece(self) -> None:
        """An answer may come in any pieces."""
        whole = self.responder.true_answer(ocsp_request(self.question))

        def say(_: Asked) -> bytes:
            """Answers a few bytes at a time."""
            self.responder.lines[-1].socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in whole[:-1]:
                self.responder.lines[-1].send(bytes([octet]))
            return whole[-1:]

        self.responder.say = say
        self.assertIsInstance(await self.ask(), Answer)

    async def test_drop_by_drop(self) -> None:
        """However steadily the body drips, its time is over when the question's is."""
        clock = Timed()
        self.client = OcspClient(clock)
        self.responder.say = lambda _: None
        asked = self.ask(self.way(timeout=5))
        await deferToThread(self.responder.wait_for, 1)
        line = self.responder.lines[0]
        line.send(OK + CONTENT_TYPE + b"Content-Length: 1000\r\n\r\n")
        for _ in range(4):
            line.send(b"x")
            clock.advance(1)
            await deferToThread(lambda: None)  # the reactor turns
            self.assertFalse(asked.called)
        line.send(b"x")
        clock.advance(1)
        self.assert_unreachable(await asked, "no answer in time")
        self.assertTrue(await deferToThread(line.ended.wait, DEADLINE))

    async def test_too_long(self) -> None:
        """A body that is too long is not read: announced, in chunks, or without an end; so are endless headers."""
        chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
        for answer in (
            http(b"x" * 65537),
            OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 1000,
            OK + CONTENT_TYPE + b"\r\n" + b"x" * 10_000_000,
            OK + b"X-Header: x\r\n" * 1_000_000,
            b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        ):
            self.assert_unreachable(await self.outcome(answer), "too long")

    async def test_a_little_too_long(self) -> None:
        """One octet more than 64 KB is too many, announced, before it comes, or in chunks, when it has come."""
        announced = OK + CONTENT_TYPE + b"Content-Length: 65537\r\n\r\n"
        chunked = OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\n10001\r\n" + b"x" * 65537 + b"\r\n0\r\n\r\n"
        for answer in (announced, chunked):
            self.client = OcspClient(reactor)
            self.responder.say = lambda _, answer=answer: answer
            self.assert_unreachable(await self.ask(), "too long")

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
        clock = Timed()
        self.client = OcspClient(clock)
        self.responder.say = lambda _: None
        asked = self.ask(self.way(timeout=5))
        await deferToThread(self.responder.wait_for, 1)
        clock.advance(5)
        self.assert_unreachable(await asked, "no answer in time")
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
        clock = Timed()
        self.client = OcspClient(clock)
        with closing(Responder(ISSUER, lambda _: None)) as silent:
            asked = self.ask(self.way(silent.url, self.responder.url, timeout=6))
            await deferToThread(silent.wait_for, 1)
            self.assertEqual(self.responder.lines, [])
            clock.advance(3)
            self.assertIsInstance(await asked, Answer)

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


class LimitTests(ClientCase):
    """How much is asked at once, and of whom."""

    timeout = 600.0

    async def test_under_way(self) -> None:
        """One responder is asked so many things at once; who does not get his turn in time gets a reason."""
        self.responder.gate.clear()
        asked = [self.ask() for _ in range(UNDER_WAY)]
        await deferToThread(self.responder.wait_for, UNDER_WAY)
        self.assert_unreachable(await self.ask(self.way(timeout=0.1)), "too many questions")
        self.assertEqual(len(self.responder.lines), UNDER_WAY)
        with closing(Responder(ISSUER)) as other:
            other.knows(DEVICE)
            self.assertIsInstance(await self.ask(self.way(other.url)), Answer)
        self.responder.gate.set()
        for each in asked:
            self.assertIsInstance(await each, Answer)

    async def test_a_thousand_certificates(self) -> None:
        """However many certificates come together, a slow responder is asked once about each, so many at a time."""
        key = pki.ec_key()
        devices = [ISSUER.issue(f"device {number}", key=key) for number in range(1000)]
        self.responder.knows(*devices)
        pause, most, now = threading.Event(), 0, set[int]()

        def slow(request: Asked) -> bytes:
            """Takes a fifth of a second for everybody."""
            nonlocal most
            assert request
            now.add(request.serial_number)
            most = max(most, len(now))
            pause.wait(0.2)
            now.discard(request.serial_number)
            return self.responder.true_answer(request)

        self.responder.say = slow
        questions = [Question.of(device.der, ISSUER.der) for device in devices]
        way = self.way(timeout=10 * DEADLINE)
        answers = [
            self.client.ask(each.request, way, lambda response, each=each: ocsp.prove(response, each))
            for each in questions
            if isinstance(each, Question)
        ]
        for answer in answers:
            self.assertIsInstance(await answer, Answer)
        self.assertEqual((len(answers), len(self.responder.asked), len(set(self.responder.asked))), (1000, 1000, 1000))
        self.assertLessEqual(most, UNDER_WAY)

    async def test_all_together(self) -> None:
        """All responders together are asked so many things at once; room is given back, whatever the outcome."""
        self.patch(ocsp_client, "MAX_QUESTIONS", 1)
        self.client = OcspClient(reactor)
        self.responder.say = lambda _: None
        with closing(Responder(ISSUER)) as other:
            other.knows(DEVICE)
            first = self.ask()
            await deferToThread(self.responder.wait_for, 1)
            self.assert_unreachable(await self.ask(self.way(other.url, timeout=0.1)), "too many questions")
            self.assertEqual(other.lines, [])
            first.cancel()
            await self.assertFailure(first, CancelledError)
            self.assertIsInstance(await self.ask(self.way(other.url)), Answer)

    async def test_after_the_pause(self) -> None:
        """A dead responder does not make its neighbour on another port dead, and is asked again after a pause."""
        clock = Timed()
        self.client = OcspClient(clock)
        self.responder.say = lambda _: None
        asked = self.ask(self.way(timeout=5))
        await deferToThread(self.responder.wait_for, 1)
        clock.advance(5)
        self.assert_unreachable(await asked, "no answer in time")
        self.assert_unreachable(await self.ask(), "a moment ago")
        with closing(Responder(ISSUER)) as neighbour:
            neighbour.knows(DEVICE)
            self.assertIsInstance(await self.ask(self.way(neighbour.url)), Answer)
        self.responder.say = self.responder.true_answer
        clock.advance(PAUSE)
        self.assertIsInstance(await self.ask(), Answer)
        self.assertEqual(clock.getDelayedCalls(), [])


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

    async def test_dead_among_closed(self) -> None:
        """Where the open address is dead, that is the reason, and the responder is left alone for a while."""
        self.resolving(ocsp_example=["127.0.0.1", "169.254.169.254"])
        way = self.way("http://ocsp.example:1/", operators=False)
        self.assert_unreachable(await self.ask(way), "refused")
        self.assert_unreachable(await self.ask(way), "a moment ago")

    async def test_answer_among_closed(self) -> None:
        """What is wrong with an answer is said, also where another address was passed over."""
        self.resolving(ocsp_example=["127.0.0.1", "169.254.169.254"])
        self.responder.say = lambda _: http(b"", status=b"404 Not Found")
        way = self.way(f"http://ocsp.example:{self.responder.port}/", operators=False)
        self.assert_unreachable(await self.ask(way), "404")

    async def test_cancelled_while_resolving(self) -> None:
        """A name that is found when nobody waits any more is not connected to."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        made.nameResolver.complete = False
        urls = (f"http://ocsp.example:{self.responder.port}/", f"http://other.example:{self.responder.port}/")
        asked = self.ask(self.way(*urls, operators=False))
        asked.cancel()
        await self.assertFailure(asked, CancelledError)
        made.nameResolver.receivers[0].resolutionComplete()
        self.assertEqual((made.nameResolver.asked, made.connected), (["ocsp.example"], []))

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
        for way in (True, False):
            self.client = OcspClient(reactor)
            outcome = await self.ask(self.way(f"https://127.0.0.1:{port.getHost().port}/", operators=way))
            self.assert_unreachable(outcome, "certificate verify failed")
        self.assertEqual(received, [])

    async def test_https_to_plain_http(self) -> None:
        """What does not speak TLS at an https URL is not asked in the clear."""
        outcome = await self.ask(self.way(self.responder.url.replace("http:", "https:"), timeout=0.3))
        self.assertIsInstance(outcome, Unreachable)
        self.assertEqual(self.responder.asked, [])

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


def http_body(answer: bytes) -> bytes:
    """The body of an HTTP response."""
    return answer.partition(b"\r\n\r\n")[2]


def _cut(responder: Responder, data: bytes) -> Any:
    """Says this, and closes the connection."""

    def say(_: Asked) -> bytes:
        responder.lines[-1].send(data)
        raise OSError

    return say
