"""Responders on real sockets: in which order they are asked, for how long, and what comes of it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import Any

import attrs
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectBindError, getConnectError
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.circuit_breaker import OPEN_SECONDS, TRIP_AFTER
from agwtwisted.core.revocation.ocsp import OcspRequest, ProvenResponse
from agwtwisted.core.revocation.status import Unreachable
from agwtwisted.outbound import cold_client, shortages
from agwtwisted.outbound.lateness import MAX_LATENESS, TICK, Lateness
from agwtwisted.revocation import responder_throttle as throttle
from agwtwisted.revocation.responder_throttle import MAX_CONCURRENT
from tests import pki
from tests.end_to_end.lines import DEADLINE
from tests.ocsp_clients import (
    CONTENT_TYPE,
    DEVICE,
    ISSUER,
    OK,
    ClientCase,
    Reactor,
    Resolver,
    Timed,
    http_body,
    ocsp_request,
    reactor,
)
from tests.responder import TRY_LATER, Asked, Responder, http


class AskTests(ClientCase):
    """Responders that behave."""

    async def test_post(self) -> None:
        """The request goes by POST, and nothing that is not needed goes with it."""
        self.assertIsInstance(await self.ask(), ProvenResponse)
        head = bytes(self.responder.lines[0].received).partition(b"\r\n\r\n")[0]
        names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
        self.assertEqual(self.responder.heads, ["POST / HTTP/1.1"])
        self.assertEqual(names, {b"host", b"content-type", b"content-length", b"accept"})

    async def test_one_connection(self) -> None:
        """One connection has many questions, one after the other."""
        for _ in range(3):
            self.assertIsInstance(await self.ask(), ProvenResponse)
        self.assertEqual((len(self.responder.asked), len(self.responder.lines)), (3, 1))

    async def test_nothing_in_the_log(self) -> None:
        """A question that is answered has no line in the log, of the libraries' neither."""
        with capturedLogs() as events:
            self.assertIsInstance(await self.ask(), ProvenResponse)
        self.assertEqual([each for each in events if each["log_namespace"].startswith("twisted.web.client")], [])

    async def test_no_cookies(self) -> None:
        """A responder cannot mark the gateway by cookies."""
        body = http_body(self.responder.true_answer(ocsp_request(self.request)))
        self.responder.say = lambda _: http(body, b"Set-Cookie: seen=1; Path=/")
        for _ in range(2):
            self.assertIsInstance(await self.ask(), ProvenResponse)
        self.assertNotIn(b"cookie", bytes(self.responder.lines[0].received).lower())

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
        """Without a named responder none can be asked."""
        route = attrs.evolve(self.route(), destinations=())
        self.assert_unreachable(await self.ask(route), "names no responder")


class SilenceTests(ClientCase):
    """Responders that do not answer."""

    async def test_silence(self) -> None:
        """One deadline is over everything: the head, and a body that comes drop by drop."""
        self.responder.say = lambda _: None
        self.assert_unreachable(await self.ask(self.route(timeout=0.3)), "no response in time")
        self.client = self.made(reactor)
        self.responder.say = lambda _: OK + CONTENT_TYPE + b"Content-Length: 9\r\n\r\nx"
        self.assert_unreachable(await self.ask(self.route(timeout=0.3)), "no response in time")
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
        self.client = self.made(clock)
        for count in range(1, 4):
            self.responder.say = lambda _: None
            asked = self.ask(self.route(timeout=5))
            await deferToThread(self.responder.wait_for, 2 * count - 1)
            clock.advance(5)
            self.assert_unreachable(await asked, "no response in time")
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
        self.client = self.made(clock)
        with closing(Responder(ISSUER, lambda _: None)) as silent:
            asked = self.ask(self.route(silent.url, self.responder.url, timeout=6))
            await deferToThread(silent.wait_for, 1)
            self.assertEqual(self.responder.lines, [])
            clock.advance(3)
            self.assertIsInstance(await asked, ProvenResponse)

    async def test_one_timeout_for_all(self) -> None:
        """Two silent responders take the time of the profile together, and not each of them."""
        clock = Timed()
        self.client = self.made(clock)
        self.responder.say = lambda _: None
        with closing(Responder(ISSUER, lambda _: None)) as silent:
            asked = self.ask(self.route(silent.url, self.responder.url, timeout=6))
            for responder in (silent, self.responder):
                await deferToThread(responder.wait_for, 1)
                clock.advance(3)
            self.assertTrue(asked.called)
            self.assert_unreachable(await asked, "no response in time")

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
    """How many requests are in progress at once, and to which responders."""

    timeout = 600.0

    async def test_under_way(self) -> None:
        """One responder is asked so many things at once; who does not get his turn in time was not asked about."""
        self.responder.gate.clear()
        asked = [self.ask() for _ in range(MAX_CONCURRENT)]
        await deferToThread(self.responder.wait_for, MAX_CONCURRENT)
        self.patch(throttle, "QUEUE_TIMEOUT", 0.1)
        self.assert_not_asked(await self.ask(), "too many OCSP requests")
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
            """Takes a fifth of a second for all."""
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
        self.client = self.made(reactor)
        self.responder.say = lambda _: None
        with closing(Responder(ISSUER)) as other:
            other.knows(DEVICE)
            first = self.ask()
            await deferToThread(self.responder.wait_for, 1)
            self.assert_not_asked(await self.ask(self.route(other.url)), "too many OCSP requests")
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
        self.cold_client.stop()
        self.assertEqual(clock.getDelayedCalls(), [])


class RedirectTests(ClientCase):
    """A responder that has moved."""

    def moved(self, to: bytes, status: bytes = b"307 Temporary Redirect") -> Responder:
        """One that redirects every request there."""
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
        self.client = self.made(reactor, own_ports=[self.responder.port])
        moved = self.moved(self.responder.url.encode())
        for route in (self.route(moved.url), self.route(moved.url, operators=False)):
            self.assert_unreachable(
                await self.ask(route), f"127.0.0.1 port {self.responder.port} is one of the gateway's"
            )
        self.client = self.made(reactor)
        closed = attrs.evolve(self.route(moved.url), open_networks=(), open_ports=())
        self.assert_unreachable(await self.ask(closed), f"{self.responder.port} at 127.0.0.1: ocsp_allowed_net")
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
            self.assert_unreachable(outcome, "an invalid URL")
        for lines in ((), (b"Location: /a", b"Location: /b")):
            self.responder.say = lambda _, lines=lines: http(b"", *lines, status=b"302 Found")
            self.assert_unreachable(await self.ask(), "an invalid URL")

    async def test_is_no_death(self) -> None:
        """A responder whose redirect leads nowhere has answered: it is asked about the next certificate."""
        moved = self.moved(b"http://127.0.0.1:1/")
        for _ in range(2 * TRIP_AFTER):
            self.assert_unreachable(await self.ask(self.route(moved.url)), "refused")

    async def test_time(self) -> None:
        """The time is for both together."""
        clock = Timed()
        self.client = self.made(clock)
        self.responder.say = lambda _: None
        asked = self.ask(self.route(self.moved(self.responder.url.encode()).url, timeout=5))
        await deferToThread(self.responder.wait_for, 1)
        clock.advance(5)
        self.assert_unreachable(await asked, "no response in time")


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

        self.client = self.made(Lacking(resolver))

    async def test_connecting(self) -> None:
        """Without a descriptor, memory or a local port no responder was asked, however often; the responder counts as
        alive.
        """
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
        self.patch(cold_client, "descriptor_shortage", lambda: "no descriptor")
        dead = "http://127.0.0.1:1/"
        self.assertIsInstance(await self.ask(self.route(dead, self.responder.url)), ProvenResponse)
        self.client = self.made(reactor)
        with closing(Responder(ISSUER, lambda _: http(TRY_LATER))) as useless:
            for route in (self.route(dead, useless.url), self.route(useless.url, dead)):
                self.assert_not_asked(await self.ask(route), "no descriptor")

    async def test_resolving(self) -> None:
        """A resolver does not say that it had no descriptor: a request that finds none now was not sent."""

        def exhausted() -> None:
            """No socket is to be had."""
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.client = self.made(Reactor(Resolver({})))
        with self.patch_socket(exhausted):
            self.assert_not_asked(await self.ask(self.route("http://ocsp.example/")), os.strerror(errno.EMFILE))
        self.assert_unreachable(await self.ask(self.route("http://ocsp.example/")), "lookup")

    @contextmanager
    def patch_socket(self, replaced: Any) -> Iterator[None]:
        """What the client finds when it looks for a descriptor."""
        kept, shortages.socket = shortages.socket, SimpleNamespace(socket=replaced)  # type: ignore[assignment]
        try:
            yield
        finally:
            shortages.socket = kept

    async def test_memory(self) -> None:
        """Without memory no responder was asked."""

        def exhausted(*_: Any) -> None:
            """There is none."""
            raise MemoryError

        self.patch(cold_client, "octets_of", exhausted)
        self.assert_not_asked(await self.ask(), "memory")

    async def test_busy(self) -> None:
        """The time in which the gateway did not listen is not the responder's; without end it is the gateway's."""
        clock = Timed()
        self.client = self.made(clock, lateness=Lateness(clock))
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
        self.assert_unreachable(await silent, "no response in time")
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
        self.client = self.made(clock)
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
        self.assert_unreachable(await silent, "no response in time")
        self.cold_client.stop()
        self.assertEqual((clock.getDelayedCalls(), turn.getDelayedCalls()), ([], []))
