"""Nothing of a client is looked at before the verdict about it is in."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.peer import OcspStatus, Peer
from agwtwisted.core.verification.verdicts import Absent, Missing, NotAsked, Refused, Trusted, Unchecked
from agwtwisted.identity.gate import MAX_EARLY, Gate
from agwtwisted.identity.standing import NO_ANSWER
from agwtwisted.transport.streaming import TcpWire
from tests.clients import Transport
from tests.memory import kept_after

TRUSTED = Peer(address="192.0.2.7", port=50000, verdict=Trusted())
REVOKED = Refused("certificate revoked")
REFUSED = attrs.evolve(TRUSTED, verdict=REVOKED)


class Frontend:
    """What comes after the gate: it keeps the order in which it is told things."""

    def __init__(self, wire: TcpWire) -> None:
        self.wire = wire
        self.told: list[object] = []

    def opened(self, peer: Peer) -> None:
        """The gate is open."""
        self.told.append(peer)
        self.wire.receiver = self

    def received(self, data: bytes) -> None:
        """Bytes came."""
        self.told.append(data)

    def drained(self) -> None:
        """Of no interest."""

    def ended(self, reason: str) -> None:
        """It is over."""
        self.told.append("ended")


class GateTests(SynchronousTestCase):
    """A wire, a gate, and what comes after."""

    def setUp(self) -> None:
        self.wire = TcpWire(Clock())
        self.transport = Transport()
        self.transport.owner = self.wire
        self.wire.makeConnection(self.transport)  # type: ignore[arg-type]
        self.after = Frontend(self.wire)
        self.gate = Gate(self.wire, self.after.opened)
        self.asked: list[Peer] = []
        self.cancelled: list[object] = []
        self.answer: Deferred[Peer] = Deferred(self.cancelled.append)

    def check(self, peer: Peer) -> Deferred[Peer]:
        """A check that is answered later."""
        self.asked.append(peer)
        return self.answer

    def test_no_check(self) -> None:
        """Without a check the gate opens at once, and reading goes on."""
        self.gate.judge(TRUSTED)
        self.assertEqual(self.after.told, [TRUSTED])
        self.assertTrue(self.transport.reading)

    def test_only_trusted_peers_are_checked(self) -> None:
        """Whoever is not trusted is handed on as it is: nothing is asked about a certificate that nobody verified."""
        for verdict in (NotAsked(), Absent(), Unchecked(), Missing(), REVOKED):
            peer = attrs.evolve(TRUSTED, verdict=verdict)
            self.gate.judge(peer, self.check)
            self.assertEqual(self.after.told[-1], peer)
        self.assertEqual(self.asked, [])

    def test_holds(self) -> None:
        """Until the answer is in nothing is handed on, and little is read."""
        self.gate.judge(TRUSTED, self.check)
        self.wire.dataReceived(b"x" * (MAX_EARLY - 1))
        self.assertEqual((self.asked, self.after.told), ([TRUSTED], []))
        self.assertTrue(self.transport.reading)  # or nobody would notice that the client leaves
        self.wire.dataReceived(b"x")
        self.assertFalse(self.transport.reading)
        self.answer.callback(TRUSTED)
        self.assertEqual(self.after.told, [TRUSTED, b"x" * MAX_EARLY])
        self.assertTrue(self.transport.reading)

    def test_early_bytes(self) -> None:
        """What came before the answer follows it, once and in order; then reading goes on."""
        self.gate.judge(TRUSTED, self.check)
        self.wire.dataReceived(b"ear")
        self.wire.dataReceived(b"ly")
        self.answer.callback(TRUSTED)
        self.assertEqual(self.after.told, [TRUSTED, b"early"])
        self.assertTrue(self.transport.reading)
        self.wire.dataReceived(b"late")
        self.assertEqual(self.after.told, [TRUSTED, b"early", b"late"])

    def test_early_bytes_one_by_one(self) -> None:
        """What is kept of them is their bytes, and not an object for each."""
        self.gate.judge(TRUSTED, self.check)
        kept = kept_after(lambda: [self.wire.dataReceived(b"x") for _ in range(MAX_EARLY)])
        self.assertFalse(self.transport.reading)
        self.assertLess(kept, 2 * MAX_EARLY)

    def test_no_early_bytes(self) -> None:
        """Where nothing came early nothing is replayed."""
        self.gate.judge(TRUSTED, self.check)
        self.answer.callback(TRUSTED)
        self.assertEqual(self.after.told, [TRUSTED])

    def test_refusal(self) -> None:
        """The verdict handed on is the check's."""
        self.gate.judge(TRUSTED, self.check)
        self.answer.callback(REFUSED)
        self.assertEqual(self.after.told, [REFUSED])

    def test_failure(self) -> None:
        """A check that fails is a refusal, and logged: there should be none."""
        self.gate.judge(TRUSTED, self.check)
        self.answer.errback(RuntimeError("no responder"))
        unavailable = attrs.evolve(TRUSTED, verdict=NO_ANSWER, ocsp_status=OcspStatus.UNAVAILABLE)
        self.assertEqual(self.after.told, [unavailable])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_failure_at_once(self) -> None:
        """So is one that raises at once."""

        def check(peer: Peer) -> Peer:
            """A defect."""
            raise RuntimeError

        self.gate.judge(TRUSTED, check)
        unavailable = attrs.evolve(TRUSTED, verdict=NO_ANSWER, ocsp_status=OcspStatus.UNAVAILABLE)
        self.assertEqual(self.after.told, [unavailable])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_answer_at_once(self) -> None:
        """An answer that is there at once opens the gate at once."""
        for answer in (succeed(REFUSED), REFUSED):
            self.setUp()
            self.gate.judge(TRUSTED, lambda _, answer=answer: answer)
            self.assertEqual(self.after.told, [REFUSED])
            self.assertTrue(self.transport.reading)

    def test_client_leaves(self) -> None:
        """A client that leaves before the answer is not waited for: the check is cancelled, nothing is handed on."""
        self.gate.judge(TRUSTED, self.check)
        self.wire.dataReceived(b"early")
        self.wire.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.cancelled, [self.answer])
        self.assertEqual(self.after.told, [])

    def test_late_answer(self) -> None:
        """An answer for a client that is being cut off opens nothing."""
        self.gate.judge(TRUSTED, self.check)
        self.wire.abort()
        self.answer.callback(TRUSTED)
        self.assertEqual(self.after.told, [])

    def test_no_check_is_cancelled_later(self) -> None:
        """Once the gate is open the end of the connection is told to what comes after, and cancels nothing."""
        self.gate.judge(TRUSTED, self.check)
        self.answer.callback(TRUSTED)
        self.wire.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.after.told[-1], self.cancelled), ("ended", []))

    def test_closed_when_opened(self) -> None:
        """Early bytes of a client that is turned away as the gate opens go nowhere."""

        def turn_away(peer: Peer) -> None:
            self.after.opened(peer)
            self.wire.close()

        gate = Gate(self.wire, turn_away)
        gate.judge(TRUSTED, self.check)
        self.wire.dataReceived(b"early")
        self.answer.callback(REFUSED)
        self.assertEqual(len(self.after.told), 1)

    def test_nothing_is_drained(self) -> None:
        """A wire that has sent what was written during the handshake tells nobody."""
        self.gate.judge(TRUSTED, self.check)
        self.transport.room = 0
        self.wire.write(b"x" * 300_000)
        self.transport.drain()
        self.assertEqual(self.after.told, [])

    def test_defect(self) -> None:
        """What goes wrong behind the gate is logged, and ends the connection, which would wait for ever."""

        def fail(peer: Peer) -> None:
            raise RuntimeError("broken")

        Gate(self.wire, fail).judge(TRUSTED, self.check)
        self.answer.callback(TRUSTED)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.transport.ended, "aborted")
