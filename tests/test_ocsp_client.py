"""One question to one responder, over real sockets: what is believed to be an answer, and what ends the question."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

from cryptography.x509 import ocsp as x509_ocsp
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from agwtwisted import ocsp_client
from agwtwisted.core.destinations import destination
from agwtwisted.core.ocsp import MAX_RESPONSE_BYTES, Question, Unreachable, Unusable
from agwtwisted.ocsp_client import OcspClient, Way
from tests import pki
from tests.responder import Responder, http

ROOT = pki.Authority.root()
DEVICE = ROOT.issue()
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
ANY_PORT = (range(1, 65536),)
QUESTION = Question.of(DEVICE.der, ROOT.der)


def whole(response: bytes) -> bytes | Unusable:
    """Takes anything for an answer."""
    return response


class _Case(TestCase):
    """A responder, and a client that may ask it."""

    def setUp(self) -> None:
        self.responder = Responder(ROOT)
        self.addCleanup(self.responder.close)
        self.responder.knows(DEVICE)
        self.client = OcspClient(reactor)

    def way(self, *urls: str, timeout: float = 30.0, networks: object = LOOPBACK, ports: object = ANY_PORT) -> Way:
        """A way to responders."""
        return Way(
            destinations=tuple(map(destination, urls or (self.responder.url,))),
            timeout=timeout,
            open_networks=networks,  # type: ignore[arg-type]
            open_ports=ports,  # type: ignore[arg-type]
        )

    def ask(self, way: Way | None = None, accept: Callable[[bytes], bytes | Unusable] = whole) -> Deferred[object]:
        """Puts the question."""
        assert isinstance(QUESTION, Question)
        return self.client.ask(QUESTION.request, way or self.way(), accept)  # type: ignore[return-value]

    async def refused(self, say: bytes, words: str) -> None:
        """What the responder says is no answer, for this reason."""
        self.responder.say = lambda request: say
        outcome = await self.ask()
        assert isinstance(outcome, Unreachable), outcome
        self.assertIn(words, outcome.reason)


class AnswerTests(_Case):
    """What the responder says."""

    async def test_post(self) -> None:
        """The signed response comes back as it is; nothing but the question is told."""
        outcome = await self.ask()
        assert isinstance(outcome, bytes)
        self.assertEqual(x509_ocsp.load_der_ocsp_response(outcome).serial_number, DEVICE.certificate.serial_number)
        self.assertEqual(self.responder.heads, ["POST / HTTP/1.1"])

    async def test_get(self) -> None:
        """A small request goes by GET where that is wanted, and says the same."""
        self.client = OcspClient(reactor, use_get=True)
        self.assertIsInstance(await self.ask(), bytes)
        [head] = self.responder.heads
        self.assertTrue(head.startswith("GET /M"), head)

    async def test_status(self) -> None:
        """Any HTTP status but 200 is no answer, a redirect least of all: it is not followed."""
        good = self.responder.true_answer
        other = Responder(ROOT)
        self.addCleanup(other.close)
        other.knows(DEVICE)
        location = b"Location: " + other.url.encode()
        for status in (b"302 Found", b"307 Temporary Redirect", b"404 Not Found", b"500 Oh", b"204 No Content"):
            self.responder.say = lambda request, status=status: good(request).replace(  # type: ignore[misc]
                b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 " + status + b"\r\n" + location + b"\r\n"
            )
            outcome = await self.ask()
            assert isinstance(outcome, Unreachable)
            self.assertIn(f"HTTP status {status[:3].decode()}", outcome.reason)
        self.assertEqual(other.heads, [])

    async def test_content_type(self) -> None:
        """A page in HTML is no answer, whatever its bytes are."""
        await self.refused(http(b"<html>", content_type=b"text/html"), "another content type")

    async def test_encoded(self) -> None:
        """Nor is what has to be unpacked first."""
        await self.refused(http(b"a", b"Content-Encoding: gzip"), "is encoded")

    async def test_length_told(self) -> None:
        """A length beyond the limit ends the question before the body."""
        head = http(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (MAX_RESPONSE_BYTES + 1))
        await self.refused(head, "too long")

    async def test_length_not_told(self) -> None:
        """A body without a length is counted as it comes."""
        head = http(b"").replace(b"Content-Length: 0\r\n", b"")
        await self.refused(head + b"a" * (MAX_RESPONSE_BYTES + 1), "too long")

    async def test_longest(self) -> None:
        """A body of just the limit is taken."""
        self.responder.say = lambda request: http(b"a" * MAX_RESPONSE_BYTES)
        self.assertEqual(await self.ask(), b"a" * MAX_RESPONSE_BYTES)

    async def test_endless_head(self) -> None:
        """Headers are counted too."""
        lines = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(200))
        outcome = b"HTTP/1.1 200 OK\r\n" + lines
        self.responder.say = lambda request: outcome
        self.assertIsInstance(await self.ask(), Unreachable)

    async def test_no_http(self) -> None:
        """Another protocol is no answer."""
        await self.refused(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP")

    async def test_cut(self) -> None:
        """A body that ends before its length is no answer."""
        answers = iter([http(b"abc").replace(b"Content-Length: 3", b"Content-Length: 30")])

        def cut(request: object) -> bytes | None:
            self.responder.lines[-1].send(next(answers))
            self.responder.lines[-1].socket.shutdown(socket.SHUT_RDWR)
            return None

        self.responder.say = cut
        self.assertIsInstance(await self.ask(), Unreachable)


class WayTests(_Case):
    """Whom to ask."""

    async def test_nobody(self) -> None:
        """Without a destination there is nobody to ask."""
        way = Way(destinations=(), timeout=1.0, open_networks=(), open_ports=ANY_PORT)
        self.assertIsInstance(await self.ask(way), Unreachable)

    async def test_closed_network(self) -> None:
        """An address that is not open is not connected to, however it is written, or found by name."""
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            outcome = await self.ask(self.way(f"http://{host}:{self.responder.port}/", networks=()))
            assert isinstance(outcome, Unreachable), outcome
        self.assertEqual(self.responder.lines, [])

    async def test_closed_port(self) -> None:
        """Nor is a port that is not open."""
        outcome = await self.ask(self.way(ports=(range(80, 81),)))
        self.assertEqual(outcome, Unreachable(f"port {self.responder.port} is not one of ocsp_allowed_ports"))
        self.assertEqual(self.responder.lines, [])

    async def test_operators_own(self) -> None:
        """The operator's responder may be anywhere."""
        self.assertIsInstance(await self.ask(self.way(networks=None, ports=None)), bytes)

    async def test_itself(self) -> None:
        """The gateway does not ask its own listeners."""
        self.client = OcspClient(reactor, own_ports={self.responder.port})
        outcome = await self.ask()
        assert isinstance(outcome, Unreachable)
        self.assertIn("own listeners", outcome.reason)
        self.assertEqual(self.responder.heads, [])

    async def test_next(self) -> None:
        """Where one gives no answer, or one that is not accepted, the next is asked."""
        silent = socket.create_server(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        silent.close()
        urls = (f"http://127.0.0.1:{port}/", self.responder.url)
        self.assertIsInstance(await self.ask(self.way(*urls)), bytes)
        second = Responder(ROOT)
        self.addCleanup(second.close)
        second.knows(DEVICE)
        taken = iter([Unusable("no"), b"yes"])
        outcome = await self.ask(self.way(self.responder.url, second.url), lambda response: next(taken))
        self.assertEqual((outcome, len(second.heads)), (b"yes", 1))

    async def test_refused(self) -> None:
        """A connection that is refused is told as such."""
        self.responder.close()
        outcome = await self.ask()
        assert isinstance(outcome, Unreachable)
        self.assertIn("refused", outcome.reason)


class EndTests(_Case):
    """How a question ends without an answer."""

    async def test_too_late(self) -> None:
        """A responder that says nothing costs the time that there is; its connection is closed."""
        self.responder.say = lambda request: None
        outcome = await self.ask(self.way(timeout=0.3))
        self.assertEqual(outcome, Unreachable("no answer in time"))
        self.assertTrue(self.responder.lines[0].ended.wait(30))

    async def test_dead_responder_is_left_alone(self) -> None:
        """After a question that nobody answered the next one does not even connect."""
        self.responder.say = lambda request: None
        await self.ask(self.way(timeout=0.3))
        outcome = await self.ask()
        assert isinstance(outcome, Unreachable)
        self.assertIn("a moment ago", outcome.reason)
        self.assertEqual(len(self.responder.lines), 1)

    async def test_cancelled(self) -> None:
        """A question that nobody waits for closes its connection."""
        self.responder.gate.clear()
        asked = self.ask()
        while not self.responder.asked:
            await ocsp_client.succeed(None)
            tick: Deferred[None] = Deferred()
            reactor.callLater(0, tick.callback, None)
            await tick
        asked.cancel()
        with self.assertRaises(CancelledError):
            await asked
        self.responder.say = lambda request: None
        self.responder.gate.set()
        self.assertTrue(self.responder.lines[0].ended.wait(30))
