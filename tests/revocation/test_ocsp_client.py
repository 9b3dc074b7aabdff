"""Responders on real sockets: what they may do to a client, and where it does not go."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import attrs
from cryptography.x509 import ocsp as library
from twisted.internet import reactor as global_reactor
from twisted.internet.abstract import isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectBindError, getConnectError
from twisted.internet.interfaces import IResolutionReceiver
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.http_headers import Headers

from agwtwisted.backends.reactor_resolver import MAX_LOOKUPS
from agwtwisted.core.http.destinations import PortRange, destination
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.circuit_breaker import OPEN_SECONDS, TRIP_AFTER
from agwtwisted.core.revocation.ocsp import OcspRequest, ProvenResponse
from agwtwisted.core.revocation.status import NoAnswer, NotAsked, Unreachable, Unusable
from agwtwisted.revocation import ocsp_client, responder_connection
from agwtwisted.revocation import responder_throttle as throttle
from agwtwisted.revocation.lateness import MAX_LATENESS, TICK, Lateness
from agwtwisted.revocation.ocsp_client import OcspClient, ResponderRoute
from agwtwisted.revocation.ocsp_http import BadResponseError, RedirectError, check
from agwtwisted.revocation.responder_throttle import MAX_CONCURRENT
from tests import pki
from tests.end_to_end.lines import DEADLINE, wait_until
from tests.responder import TRY_LATER, Asked, Responder, http

reactor: Any = global_reactor

ISSUER = pki.Authority.root("Issuer")
DEVICE = ISSUER.issue("device")
KEY = pki.ec_key()
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
        found = OcspRequest.of(DEVICE.der, ISSUER.der)
        assert isinstance(found, OcspRequest)
        self.request = found
        self.client = OcspClient(reactor)

    def route(self, *urls: str, timeout: float = DEADLINE, operators: bool = True) -> ResponderRoute:
        """The route to these responders, or to the one of the test."""
        return ResponderRoute(
            destinations=tuple(destination(url) for url in urls or (self.responder.url,)),
            timeout=timeout,
            open_networks=LOOPBACK,
            open_ports=EVERY_PORT,
            is_operators=operators,
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
        """Nobody was asked, for this reason."""
        self.assertIsInstance(outcome, NotAsked)
        assert isinstance(outcome, NotAsked)
        self.assertIn(words, outcome.reason)

    def assert_unreachable(self, outcome: object, words: str) -> None:
        """There is no answer, for this reason."""
        self.assertIsInstance(outcome, Unreachable)
        assert isinstance(outcome, Unreachable)
        self.assertIn(words, outcome.reason)

    async def die(self, clock: Timed) -> None:
        """The responder answers none of several questions."""
        self.client = OcspClient(clock)
        self.responder.say = lambda _: None
        asked = [self.ask_another(number, self.route(timeout=5)) for number in range(TRIP_AFTER)]
        await deferToThread(wait_until, lambda: len(self.responder.lines) == TRIP_AFTER, "all are put")
        clock.advance(5)
        for each in asked:
            self.assert_unreachable(await each, "no answer in time")


class AskTests(ClientCase):
    """Responders that behave."""

    async def test_post(self) -> None:
        """The request goes by POST, and nothing that is not needed goes with it."""
        self.assertIsInstance(await self.ask(), ProvenResponse)
        head = bytes(self.responder.lines[0].received).partition(b"\r\n\r\n")[0]
        names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
        self.assertEqual(self.responder.heads, ["POST / HTTP/1.1"])
        self.assertEqual(names, {b"host", b"connection", b"content-type", b"content-length", b"accept"})

    async def test_one_connection_a_question(self) -> None:
        """No connection is kept."""
        for _ in range(2):
            await self.ask()
        self.assertEqual(len(self.responder.lines), 2)

    async def test_nothing_in_the_log(self) -> None:
        """A question that is answered has no line in the log, of the libraries' neither."""
        with capturedLogs() as events:
            self.assertIsInstance(await self.ask(), ProvenResponse)
        self.assertEqual([each for each in events if each["log_namespace"].startswith("twisted.web.client")], [])

    async def test_no_cookies(self) -> None:
        """A responder cannot mark whom it has seen."""
        body = http_body(self.responder.true_answer(ocsp_request(self.request)))
        self.responder.say = lambda _: http(body, b"Set-Cookie: seen=1; Path=/")
        for _ in range(2):
            self.assertIsInstance(await self.ask(), ProvenResponse)
        self.assertNotIn(b"cookie", bytes(self.responder.lines[1].received).lower())

    async def test_no_proxy(self) -> None:
        """The environment's proxy is for others."""
        self.patch(os, "environ", {"http_proxy": "http://127.0.0.1:1/", "HTTP_PROXY": "http://127.0.0.1:1/"})
        self.assertIsInstance(await self.ask(), ProvenResponse)

    async def test_several(self) -> None:
        """Responders are asked in turn, until one gives an answer that is worth something."""
        with closing(Responder(ISSUER, lambda _: http(TRY_LATER))) as useless:
            route = self.route("http://127.0.0.1:1/", useless.url, self.responder.url)
            self.assertIsInstance(await self.ask(route), ProvenResponse)
            self.assertEqual(len(useless.asked), 1)
            self.assertIsInstance(await self.ask(self.route(self.responder.url, useless.url)), ProvenResponse)
            self.assertEqual(len(useless.asked), 1)

    async def test_nobody(self) -> None:
        """Where no responder is named there is nobody to ask."""
        route = attrs.evolve(self.route(), destinations=())
        self.assert_unreachable(await self.ask(route), "names no responder")


class HostileTests(ClientCase):
    """Responders that do not."""

    async def outcome(self, answer: bytes) -> object:
        """What becomes of an answer, sent as it stands; each time as if nothing had been asked before."""
        self.client = OcspClient(reactor)
        self.responder.say = lambda _: answer
        return await self.ask()

    async def test_other_answers(self) -> None:
        """Pages, encodings and errors are no answers."""
        for answer, words in (
            (http(b"", status=b"500 Oh"), "status 500"),
            (http(b"", b"Location: " + self.responder.url.encode(), status=b"303 See Other"), "status 303"),
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
        body = http_body(self.responder.true_answer(ocsp_request(self.request)))
        for kind in (b"Application/OCSP-Response", b"application/ocsp-response ; charset=x"):
            self.assertIsInstance(await self.outcome(http(body, content_type=kind)), ProvenResponse)
        for kind in (b"", b"application/ocsp-response-not", b"application/ocsp-request"):
            self.assert_unreachable(await self.outcome(http(body, content_type=kind)), "content type")

    async def test_piece_by_piece(self) -> None:
        """An answer may come in any pieces."""
        whole = self.responder.true_answer(ocsp_request(self.request))

        def say(_: Asked) -> bytes:
            """Answers a few bytes at a time."""
            self.responder.lines[-1].socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in whole[:-1]:
                self.responder.lines[-1].send(bytes([octet]))
            return whole[-1:]

        self.responder.say = say
        self.assertIsInstance(await self.ask(), ProvenResponse)

    async def test_drop_by_drop(self) -> None:
        """However steadily the body drips, its time is over when the question's is."""
        clock = Timed()
        self.client = OcspClient(clock)
        self.responder.say = lambda _: None
        asked = self.ask(self.route(timeout=5))
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
        whole = self.responder.true_answer(ocsp_request(self.request))
        for size in (0, 10, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
            self.client = OcspClient(reactor)
            self.responder.say = _cut(self.responder, whole[:size])
            self.assertIsInstance(await self.ask(), Unreachable)

    async def test_without_length(self) -> None:
        """Where the end of the connection is the end of the body, the response itself tells whether it is whole."""
        body = self.responder.true_answer(ocsp_request(self.request)).partition(b"\r\n\r\n")[2]
        for answer, expected in ((body, ProvenResponse), (body[:-1], Unusable)):
            self.client = OcspClient(reactor)
            self.responder.say = _cut(self.responder, OK + CONTENT_TYPE + b"\r\n" + answer)
            self.assertIsInstance(await self.ask(), expected)

    async def test_silence(self) -> None:
        """One deadline is over everything: the head, and a body that comes drop by drop."""
        self.responder.say = lambda _: None
        self.assert_unreachable(await self.ask(self.route(timeout=0.3)), "no answer in time")
        self.client = OcspClient(reactor)
        self.responder.say = lambda _: OK + CONTENT_TYPE + b"Content-Length: 9\r\n\r\nx"
        self.assert_unreachable(await self.ask(self.route(timeout=0.3)), "no answer in time")
        for line in self.responder.lines:
            self.assertTrue(await deferToThread(line.ended.wait, DEADLINE))

    async def test_dead_responder(self) -> None:
        """A dead responder costs its first askers their time, and the others none: it is not even asked."""
        await self.die(Timed())
        outcome = await self.ask_another(TRIP_AFTER)
        self.assertEqual(outcome, Unreachable("the responder did not answer a moment ago", was_asked=False))
        self.assertEqual(len(self.responder.lines), TRIP_AFTER)

    async def test_silent_for_one(self) -> None:
        """A question that the responder never answers has no other one refused."""
        clock = Timed()
        self.client = OcspClient(clock)
        for count in range(1, 4):
            self.responder.say = lambda _: None
            asked = self.ask(self.route(timeout=5))
            await deferToThread(self.responder.wait_for, 2 * count - 1)
            clock.advance(5)
            self.assert_unreachable(await asked, "no answer in time")
            self.responder.say = self.responder.true_answer
            self.assertIsInstance(await self.ask_another(count), ProvenResponse)

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
            asked = self.ask(self.route(silent.url, self.responder.url, timeout=6))
            await deferToThread(silent.wait_for, 1)
            self.assertEqual(self.responder.lines, [])
            clock.advance(3)
            self.assertIsInstance(await asked, ProvenResponse)

    async def test_cancelled(self) -> None:
        """Who does not wait any more ends the connection, and no other responder is asked instead."""
        self.responder.say = lambda _: None
        with closing(Responder(ISSUER)) as other:
            asked = self.ask(self.route(self.responder.url, other.url))
            await deferToThread(self.responder.wait_for, 1)
            asked.cancel()
            await self.assertFailure(asked, CancelledError)
            self.assertTrue(await deferToThread(self.responder.lines[0].ended.wait, DEADLINE))
            self.assertEqual(other.lines, [])


class LimitTests(ClientCase):
    """How much is asked at once, and of whom."""

    timeout = 600.0

    async def test_under_way(self) -> None:
        """One responder is asked so many things at once; who does not get his turn in time was not asked about."""
        self.responder.gate.clear()
        asked = [self.ask() for _ in range(MAX_CONCURRENT)]
        await deferToThread(self.responder.wait_for, MAX_CONCURRENT)
        self.patch(throttle, "QUEUE_TIMEOUT", 0.1)
        self.assert_not_asked(await self.ask(), "too many questions")
        self.assertEqual(len(self.responder.lines), MAX_CONCURRENT)
        with closing(Responder(ISSUER)) as other:
            other.knows(DEVICE)
            self.assertIsInstance(await self.ask(self.route(other.url)), ProvenResponse)
        self.responder.gate.set()
        for each in asked:
            self.assertIsInstance(await each, ProvenResponse)

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
        questions = [OcspRequest.of(device.der, ISSUER.der) for device in devices]
        route = self.route()
        answers = [
            self.client.ask(each.der, route, lambda response, each=each: ocsp.prove(response, each))
            for each in questions
            if isinstance(each, OcspRequest)
        ]
        for answer in answers:
            self.assertIsInstance(await answer, ProvenResponse)
        self.assertEqual((len(answers), len(self.responder.asked), len(set(self.responder.asked))), (1000, 1000, 1000))
        self.assertLessEqual(most, MAX_CONCURRENT)

    async def test_all_together(self) -> None:
        """All responders together are asked so many things at once; room is given back, whatever the outcome."""
        self.patch(throttle, "MAX_CONCURRENT_IN_ALL", 1)
        self.patch(throttle, "QUEUE_TIMEOUT", 0.1)
        self.client = OcspClient(reactor)
        self.responder.say = lambda _: None
        with closing(Responder(ISSUER)) as other:
            other.knows(DEVICE)
            first = self.ask()
            await deferToThread(self.responder.wait_for, 1)
            self.assert_not_asked(await self.ask(self.route(other.url)), "too many questions")
            self.assertEqual(other.lines, [])
            first.cancel()
            await self.assertFailure(first, CancelledError)
            self.assertIsInstance(await self.ask(self.route(other.url)), ProvenResponse)

    async def test_after_the_pause(self) -> None:
        """A dead responder does not make its neighbour on another port dead, and is asked again after a pause."""
        clock = Timed()
        await self.die(clock)
        with closing(Responder(ISSUER)) as neighbour:
            neighbour.knows(DEVICE)
            self.assertIsInstance(await self.ask(self.route(neighbour.url)), ProvenResponse)
        self.responder.say = self.responder.true_answer
        clock.advance(2 * OPEN_SECONDS)
        self.assertIsInstance(await self.ask(), ProvenResponse)
        self.assertEqual(clock.getDelayedCalls(), [])


class AddressTests(ClientCase):
    """Where a certificate may send the client."""

    def resolving(self, own_ports: tuple[int, ...] = (), **names: list[str]) -> Reactor:
        """A client with these names; a dot is written as ``_``."""
        made = Reactor(Resolver({name.replace("_", "."): addresses for name, addresses in names.items()}))
        self.client = OcspClient(made, own_ports=own_ports)
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
            where = f"{host} port {port} at 127.0.0.1: it takes ocsp_allowed_networks = 127.0.0.1 to"
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
        """A name that is found when nobody waits any more is not connected to."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        made.nameResolver.complete = False
        urls = (f"http://ocsp.example:{self.responder.port}/", f"http://other.example:{self.responder.port}/")
        asked = self.ask(self.route(*urls, operators=False))
        asked.cancel()
        await self.assertFailure(asked, CancelledError)
        made.nameResolver.receivers[0].resolutionComplete()
        self.assertEqual((made.nameResolver.asked, made.connected), (["ocsp.example"], []))

    async def test_names_wait(self) -> None:
        """So many names are looked up at once; a question whose name had no turn was not put, the others were."""
        made = self.resolving(ocsp_example=["127.0.0.1"])
        made.nameResolver.complete = False
        slow = [self.ask(self.route(f"http://{number}.example/", timeout=0.2)) for number in range(MAX_LOOKUPS)]
        self.assert_not_asked(await self.ask(self.route("http://ocsp.example/", timeout=0.1)), "being looked up")
        for each in slow:
            self.assert_unreachable(await each, "no answer in time")
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
            self.client = OcspClient(reactor)
            outcome = await self.ask(self.route(f"https://127.0.0.1:{port.getHost().port}/", operators=route))
            self.assert_unreachable(outcome, "certificate verify failed")
        self.assertEqual(received, [])

    async def test_https_to_plain_http(self) -> None:
        """What does not speak TLS at an https URL is not asked in the clear."""
        outcome = await self.ask(self.route(self.responder.url.replace("http:", "https:"), timeout=0.3))
        self.assertIsInstance(outcome, Unreachable)
        self.assertEqual(self.responder.asked, [])

    async def test_ports(self) -> None:
        """Only listed ports are connected to; the operator's own responder may be at any."""
        route = attrs.evolve(self.route(operators=False), open_ports=(PortRange(lowest=80, highest=80),))
        self.assert_unreachable(await self.ask(route), f"it takes ocsp_allowed_ports = {self.responder.port} to")
        both = f"it takes ocsp_allowed_networks = 127.0.0.1 and ocsp_allowed_ports = {self.responder.port} to"
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
        self.client = OcspClient(reactor, own_ports=[self.responder.port])
        self.assert_unreachable(await self.ask(self.route(operators=False)), "own listeners")
        self.assertEqual(self.responder.asked, [])
        self.assertIsInstance(await self.ask(), ProvenResponse)  # the operator knows

    async def test_no_such_name(self) -> None:
        """A name that nobody knows is no responder."""
        self.resolving()
        self.assert_unreachable(await self.ask(self.route("http://nobody.example/")), "lookup")

    async def test_refused(self) -> None:
        """A port on which nobody listens is no responder."""
        self.assert_unreachable(await self.ask(self.route("http://127.0.0.1:1/")), "refused")


class RedirectTests(ClientCase):
    """A responder that has moved."""

    def moved(self, to: bytes, status: bytes = b"307 Temporary Redirect") -> Responder:
        """One that sends everybody there."""
        moved = Responder(ISSUER, lambda _: http(b"", b"Location: " + to, status=status))
        self.addCleanup(deferToThread, moved.close)
        return moved

    async def test_followed(self) -> None:
        """The question is put once more where the responder says, by POST, whichever redirect it is."""
        for status in (b"301 Moved Permanently", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"):
            moved = self.moved(self.responder.url.encode() + b"new", status)
            for operators in (True, False):
                self.assertIsInstance(await self.ask(self.route(moved.url, operators=operators)), ProvenResponse)
                self.assertEqual(self.responder.heads.pop(), "POST /new HTTP/1.1")

    async def test_relative(self) -> None:
        """The place may be relative to the old one."""
        self.responder.say = lambda request: (
            http(b"", b"Location: there", status=b"308 Permanent Redirect")
            if self.responder.heads[-1].startswith("POST /a/b ")
            else self.responder.true_answer(request)
        )
        self.assertIsInstance(await self.ask(self.route(f"{self.responder.url}a/b")), ProvenResponse)
        self.assertEqual(self.responder.heads[-1], "POST /a/there HTTP/1.1")

    async def test_once(self) -> None:
        """Who redirects again is not followed any more."""
        second = self.moved(self.responder.url.encode())
        self.assert_unreachable(await self.ask(self.route(self.moved(second.url.encode()).url)), "more than once")
        self.assertEqual(self.responder.lines, [])

    async def test_by_the_rules(self) -> None:
        """A redirect leads nowhere where a certificate could not lead, not even that of the operator's responder."""
        self.client = OcspClient(reactor, own_ports=[self.responder.port])
        moved = self.moved(self.responder.url.encode())
        for route in (self.route(moved.url), self.route(moved.url, operators=False)):
            self.assert_unreachable(
                await self.ask(route), f"127.0.0.1 port {self.responder.port} is one of the gateway's"
            )
        self.client = OcspClient(reactor)
        closed = attrs.evolve(self.route(moved.url), open_networks=(), open_ports=())
        self.assert_unreachable(
            await self.ask(closed), f"{self.responder.port} at 127.0.0.1: it takes ocsp_allowed_net"
        )
        self.assertEqual(self.responder.asked, [])

    async def test_operators_own_place(self) -> None:
        """The operator's responder may redirect to another path of its own, wherever it is."""
        self.responder.say = lambda request: (
            http(b"", b"Location: /new", status=b"302 Found")
            if self.responder.heads[-1].startswith("POST / ")
            else self.responder.true_answer(request)
        )
        self.assertIsInstance(
            await self.ask(attrs.evolve(self.route(), open_networks=(), open_ports=())), ProvenResponse
        )

    async def test_nonsense(self) -> None:
        """What is no URL of a responder is not followed, nor two of them, nor none."""
        for location in (b"ldap://ldap.example/", b"http://user@127.0.0.1/", b"http://\xff/", b"http://[::1/", b"#a"):
            outcome = await self.ask(self.route(self.moved(location).url))
            self.assert_unreachable(outcome, "no URL of a responder")
        for lines in ((), (b"Location: /a", b"Location: /b")):
            self.responder.say = lambda _, lines=lines: http(b"", *lines, status=b"302 Found")
            self.assert_unreachable(await self.ask(), "no URL of a responder")

    def test_not_into_the_clear(self) -> None:
        """Who was asked over https is not followed to http; from http to https is fine."""
        for begun, location, followed in (
            ("https://ocsp.example/", b"http://ocsp.example/", False),
            ("https://ocsp.example/", b"https://other.example/", True),
            ("http://ocsp.example/", b"https://ocsp.example/", True),
        ):
            redirect: Any = SimpleNamespace(code=307, headers=Headers({b"location": [location]}), length=0)
            with self.assertRaises(RedirectError if followed else BadResponseError):
                check(redirect, destination(begun))

    async def test_is_no_death(self) -> None:
        """A responder whose redirect leads to nobody has answered: it is asked about the next certificate."""
        moved = self.moved(b"http://127.0.0.1:1/")
        for _ in range(2 * TRIP_AFTER):
            self.assert_unreachable(await self.ask(self.route(moved.url)), "refused")

    async def test_time(self) -> None:
        """The time is for both together."""
        clock = Timed()
        self.client = OcspClient(clock)
        self.responder.say = lambda _: None
        asked = self.ask(self.route(self.moved(self.responder.url.encode()).url, timeout=5))
        await deferToThread(self.responder.wait_for, 1)
        clock.advance(5)
        self.assert_unreachable(await asked, "no answer in time")


class LackTests(ClientCase):
    """What the gateway itself lacks is no fact about a responder."""

    def lacking(self, *codes: int, addresses: tuple[str, ...] = ("127.0.0.1",)) -> None:
        """A client whose connections to these addresses fail with these error codes of the system."""
        left = dict(zip(addresses, codes, strict=True))
        resolver = Resolver({"ocsp.example": list(addresses)})

        class Lacking(Reactor):
            """Cannot connect."""

            def connectTCP(self, host: str, port: int, factory: Any, *rest: Any, **options: Any) -> Any:  # noqa: N802
                """Fails as Twisted does."""
                self.connected.append(host)
                error = (
                    ConnectBindError(left[host], "")
                    if left[host] == errno.EMFILE
                    else getConnectError((left[host], os.strerror(left[host])))
                )
                reactor.callLater(0, factory.clientConnectionFailed, None, Failure(error))

        self.client = OcspClient(Lacking(resolver))

    async def test_connecting(self) -> None:
        """Without a descriptor, memory or a local port nobody was asked, however often; the responder is not dead."""
        for code in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL):
            self.lacking(code)
            for _ in range(2 * TRIP_AFTER):
                self.assert_not_asked(await self.ask(self.route("http://ocsp.example/")), os.strerror(code))

    async def test_one_of_several_addresses(self) -> None:
        """It is so if one address of several was not tried, whatever became of the others."""
        for codes in ((errno.EMFILE, errno.ECONNREFUSED), (errno.ECONNREFUSED, errno.EMFILE)):
            self.lacking(*codes, addresses=("127.0.0.1", "127.0.0.2"))
            self.assert_not_asked(await self.ask(self.route("http://ocsp.example/")), os.strerror(errno.EMFILE))

    async def test_without_ipv6(self) -> None:
        """That there is no IPv6 here is no lack where another address was tried, and found dead."""
        self.lacking(errno.EADDRNOTAVAIL, errno.ECONNREFUSED, addresses=("2001:db8::1", "127.0.0.1"))
        self.assert_unreachable(await self.ask(self.route("http://ocsp.example/")), "refused")
        self.lacking(errno.EADDRNOTAVAIL, addresses=("2001:db8::1",))
        self.assert_not_asked(await self.ask(self.route("http://ocsp.example/")), "assign")

    async def test_next_responder(self) -> None:
        """A responder that answers counts all the same; one that is dead does not make it its fault."""
        self.patch(ocsp_client, "descriptor_shortage", lambda: "no descriptor")
        dead = "http://127.0.0.1:1/"
        self.assertIsInstance(await self.ask(self.route(dead, self.responder.url)), ProvenResponse)
        self.client = OcspClient(reactor)
        with closing(Responder(ISSUER, lambda _: http(TRY_LATER))) as useless:
            for route in (self.route(dead, useless.url), self.route(useless.url, dead)):
                self.assert_not_asked(await self.ask(route), "no descriptor")

    async def test_resolving(self) -> None:
        """A resolver does not say that it had no descriptor: whoever finds none now has not asked."""

        def exhausted() -> None:
            """No socket is to be had."""
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.client = OcspClient(Reactor(Resolver({})))
        with self.patch_socket(exhausted):
            self.assert_not_asked(await self.ask(self.route("http://ocsp.example/")), os.strerror(errno.EMFILE))
        self.assert_unreachable(await self.ask(self.route("http://ocsp.example/")), "lookup")

    @contextmanager
    def patch_socket(self, replaced: Any) -> Iterator[None]:
        """What the client finds when it looks for a descriptor."""
        kept, responder_connection.socket = responder_connection.socket, SimpleNamespace(socket=replaced)  # type: ignore[assignment]
        try:
            yield
        finally:
            responder_connection.socket = kept

    async def test_memory(self) -> None:
        """Without memory nobody was asked."""

        def exhausted(*_: Any) -> None:
            """There is none."""
            raise MemoryError

        self.patch(ocsp_client, "post", exhausted)
        self.assert_not_asked(await self.ask(), "memory")

    async def test_busy(self) -> None:
        """The time in which the gateway did not listen is not the responder's; without end it is the gateway's."""
        clock = Timed()
        self.client = OcspClient(clock, lateness=Lateness(clock))
        self.responder.gate.clear()
        asked = self.ask(self.route(timeout=5))
        await deferToThread(self.responder.wait_for, 1)
        clock.advance(20)
        self.assertFalse(asked.called)
        self.responder.gate.set()
        self.assertIsInstance(await asked, ProvenResponse)
        self.responder.say = lambda _: None
        silent = self.ask(self.route(timeout=5))
        await deferToThread(self.responder.wait_for, 2)
        clock.pump([TICK / 50] * int(4 * 50 / TICK))
        self.assertFalse(silent.called)
        clock.pump([TICK / 50] * int(2 * 50 / TICK))
        self.assert_unreachable(await silent, "no answer in time")
        for _ in range(2 * TRIP_AFTER):
            lost = self.ask(self.route(timeout=5))
            await deferToThread(self.responder.wait_for, len(self.responder.asked) + 1)
            clock.advance(MAX_LATENESS + 10)
            self.assert_not_asked(await lost, "too busy")
        self.assertEqual(clock.getDelayedCalls(), [])

    async def test_read_before_late(self) -> None:
        """What came in time and was not read yet, because the gateway was busy, is read before the time is over."""
        turn = Clock()

        class Busy(Timed):
            """Has its next turn when the test says so."""

            def callLater(self, delay: float, *rest: Any, **options: Any) -> Any:  # noqa: N802
                """What is to be called in the next turn is kept."""
                return super().callLater(delay, *rest, **options) if delay else turn.callLater(0, *rest, **options)

        clock = Busy()
        self.client = OcspClient(clock)
        self.responder.gate.clear()
        asked = self.ask(self.route(timeout=5))
        await deferToThread(self.responder.wait_for, 1)
        clock.advance(5)
        self.assertFalse(asked.called)
        self.responder.gate.set()
        self.assertIsInstance(await asked, ProvenResponse)
        self.responder.say = lambda _: None
        silent = self.ask(self.route(timeout=5))
        await deferToThread(self.responder.wait_for, 2)
        clock.advance(5)
        turn.advance(0)
        self.assert_unreachable(await silent, "no answer in time")
        self.assertEqual((clock.getDelayedCalls(), turn.getDelayedCalls()), ([], []))


def ocsp_request(request: OcspRequest) -> Asked:
    """A request, as a responder reads it."""
    return library.load_der_ocsp_request(request.der)


def http_body(answer: bytes) -> bytes:
    """The body of an HTTP response."""
    return answer.partition(b"\r\n\r\n")[2]


def _cut(responder: Responder, data: bytes) -> Any:
    """Says this, and closes the connection."""

    def say(_: Asked) -> bytes:
        responder.lines[-1].send(data)
        raise OSError

    return say
