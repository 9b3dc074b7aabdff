"""Probes of HTTP servers: what is sent, and what comes of the responses."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.http_probe import MAX_HEAD_BYTES, ask
from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.health import LOOKED_AT, ConnectionRefused, ProbeFinding, ProbeMatch
from agwtwisted.core.exchange.response_parser import ResponseParser
from agwtwisted.core.plan.probing import HttpProbe
from tests.wires import Backend, Network

PROBE = HttpProbe(
    port=9000, host="a", path="/p", interval=30, timeout=20, unhealthy_threshold=3, match=ProbeMatch(body=b"well")
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nis well"


class AskTests(SynchronousTestCase):
    """One probe, over a network in memory."""

    def setUp(self) -> None:
        self.network = Network()
        self.backend: Backend = self.network.backend(9000)
        self.server = Server(self.network, "127.0.0.1", 9000)  # type: ignore[arg-type]

    def ask(self, probe: HttpProbe = PROBE) -> Deferred[str]:
        """A probe, on its way."""
        asking = ask(self.server, probe, self.network)
        self.network.advance(0)
        return asking

    def answered(self, *pieces: bytes, probe: HttpProbe = PROBE, hang_up: bool = False) -> str:
        """What is wrong with this answer."""
        asking = self.ask(probe)
        line = self.backend.line
        self.assertEqual(line.take(), probe.request())
        for piece in pieces:
            line.send(piece)
        if hang_up:
            line.hang_up()
        problem = self.successResultOf(asking)
        self.network.advance(0)
        self.assertTrue(line.eof or line.reset)
        self.assertEqual(self.network.timers(), [])
        return problem

    def test_well(self) -> None:
        """An answer as it should be; its connection is closed in good order, and the next probe gets a new one."""
        for _ in range(2):
            self.assertEqual(self.answered(ANSWER), "")
            self.assertFalse(self.backend.line.reset)
        self.assertEqual(len(self.backend.lines), 2)

    def test_forms(self) -> None:
        """With every framing, and in pieces of any size."""
        self.assertEqual(
            self.answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n0\r\n\r\n"), ""
        )
        self.assertEqual(self.answered(b"HTTP/1.0 200 OK\r\n\r\nwell", hang_up=True), "")
        self.assertEqual(self.answered(ANSWER.replace(b"\r\nC", b"\r\nConnection: close\r\nC")), "")
        self.assertEqual(self.answered(*(bytes((byte,)) for byte in ANSWER)), "")
        self.assertEqual(self.answered(b"HTTP/1.1 103 Early Hints\r\n\r\n", ANSWER), "")

    def test_without_body(self) -> None:
        """Nothing is looked for in an answer without a body unless the probe says so."""
        plain = attrs.evolve(PROBE, match=ProbeMatch())
        self.assertEqual(self.answered(b"HTTP/1.1 204 No Content\r\n\r\n", probe=plain), "")
        self.assertIn("match_body", self.answered(b"HTTP/1.1 204 No Content\r\n\r\n"))

    def test_sick(self) -> None:
        """The wrong status, or the wrong body."""
        self.assertEqual(self.answered(ANSWER.replace(b"200", b"503")), "status 503 is not one of 200-399")
        self.assertIn("match_body", self.answered(ANSWER.replace(b"well", b"sick")))

    def test_logs(self) -> None:
        """What a probe finds is said in the product's words, with what was received or expected."""
        for answer, log in (
            (ANSWER, "Success. Received 200 status code"),
            (ANSWER.replace(b"200", b"503"), "probe setting. Expected:200-399 Received:503."),
            (ANSWER.replace(b"well", b"sick"), "Received response body does not contain 'well'."),
        ):
            found = self.answered(answer)
            assert isinstance(found, ProbeFinding)
            self.assertTrue(found.log.endswith(log), found.log)
        self.backend.refusing = True
        refused = self.successResultOf(self.ask())
        assert isinstance(refused, ProbeFinding)
        self.assertTrue(refused.log.startswith("Application Gateway could not connect to the backend."), refused.log)

    def test_refusal(self) -> None:
        """A refused connection is distinguished from every other problem."""
        self.backend.refusing = True
        problem = self.successResultOf(self.ask())
        self.assertIsInstance(problem, ConnectionRefused)
        self.assertNotIsInstance(self.answered_badly(), ConnectionRefused)

    def answered_badly(self) -> str:
        """What is wrong with a server that hangs up."""
        self.backend.refusing = False
        return self.answered(hang_up=True)

    def test_defect(self) -> None:
        """An error of the gateway's own while an answer is read is logged, and counts as a problem."""
        self.patch(ResponseParser, "whole", lambda *_: 1 / 0)
        self.assertEqual(self.answered(ANSWER), "internal error of the gateway")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_redirect(self) -> None:
        """A redirect is a response; it is not followed."""
        self.assertEqual(self.answered(ANSWER.replace(b"200 OK", b"302 Found\r\nLocation: http://b/")), "")

    def test_long(self) -> None:
        """Of a long body the beginning is looked at, and no more is read."""
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        self.assertEqual(self.answered(head + b"well", bytes(LOOKED_AT - 4)), "")
        self.assertIn("match_body", self.answered(head, bytes(LOOKED_AT - 3) + b"well"))

    def test_switch(self) -> None:
        """A server that switches protocols is none that answers."""
        answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
        self.assertEqual(self.answered(answer), "status 101 is not one of 200-399")

    def test_cut(self) -> None:
        """An answer that is cut, none at all, or no HTTP."""
        for piece in (b"", b"HTTP/1.1 200 OK\r\n", ANSWER[:-1]):
            self.assertEqual(self.answered(piece, hang_up=True), "the backend closed the connection")
        self.assertTrue(self.answered(b"SSH-2.0-x\r\n"))

    def test_endless_head(self) -> None:
        """A head without end is not waited for."""
        self.assertEqual(
            self.answered(
                b"HTTP/1.1 200 OK\r\n",
                *([b"a: " + bytes(1000).replace(b"\0", b"a") + b"\r\n"] * (MAX_HEAD_BYTES // 500)),
            ),
            "the head of the response is larger than max_header_bytes = 32768",
        )

    def test_refused(self) -> None:
        """No server listens; the message has the system's words."""
        self.backend.refusing = True
        self.assertEqual(self.successResultOf(self.ask()), "Connection was refused by other side.")

    def test_silent(self) -> None:
        """A server that cannot be connected to, or does not answer, has so much time."""
        for silent in (True, False):
            self.backend.silent = silent
            asking = self.ask()
            self.network.advance(PROBE.timeout - 1)
            self.assertNoResult(asking)
            self.network.advance(1)
            self.assertEqual(self.successResultOf(asking), "no answer within 20 s")
            self.network.advance(0)
            self.assertEqual(self.network.timers(), [])

    def test_slow(self) -> None:
        """One that answers a byte at a time has no more."""
        asking = self.ask()
        for byte in ANSWER[: int(PROBE.timeout) - 1]:
            self.network.advance(1)
            self.backend.line.send(bytes((byte,)))
        self.assertNoResult(asking)
        self.network.advance(1)
        self.assertEqual(self.successResultOf(asking), "no answer within 20 s")
        self.network.advance(0)
        self.assertTrue(self.backend.line.reset)

    def test_unknown_name(self) -> None:
        """A name without an address."""
        self.server = Server(self.network, "nowhere.example", 9000)  # type: ignore[arg-type]
        self.assertIn("nowhere.example does not resolve", self.successResultOf(self.ask()))

    def test_cancelled(self) -> None:
        """Who does not want to know any more leaves nothing behind, while it connects and while it waits."""
        for silent in (True, False):
            self.backend.silent = silent
            asking = self.ask()
            asking.cancel()
            self.failureResultOf(asking, CancelledError)
            self.network.advance(0)
            self.assertEqual(self.network.timers(), [])
        self.assertTrue(self.backend.line.reset)
