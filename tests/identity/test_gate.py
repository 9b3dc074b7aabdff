"""Nothing of a client is looked at before the verdict about it is in."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import (
    Admitted,
    ClientRevocationStatus,
    PendingClient,
    RevocationFinding,
    TurnedAway,
    identify,
)
from agwtwisted.core.verification.verdicts import Absent, Missing, NotAsked, Refused, Trusted, Unchecked
from agwtwisted.identity.gate import Gate
from agwtwisted.identity.revalidation import CHECK_FAILED
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.early import MAX_EARLY
from agwtwisted.transport.outbox import NO_OUTBOX
from tests import identities
from tests.clients import Transport
from tests.memory import kept_after

PENDING = identities.pending(Trusted())
TRUSTED = identities.admitted(Trusted())
REVOKED = Refused("certificate revoked")
GOOD = RevocationFinding(status=ClientRevocationStatus.GOOD)
GOOD_CLIENT = identify(PENDING, GOOD)
REFUSAL = RevocationFinding(status=ClientRevocationStatus.REVOKED, refusal=REVOKED)
REFUSED = identify(PENDING, REFUSAL)
UNAVAILABLE = identify(PENDING, CHECK_FAILED)


class Frontend:
    """What comes after the gate: it keeps the order of its events."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.told: list[object] = []

    def admitted(self, client: Admitted) -> None:
        """The gate is open."""
        assert isinstance(client, Admitted), client
        self.told.append(client)
        self.connection.receiver = self

    def turned_away(self, client: TurnedAway) -> None:
        """It stays shut."""
        assert isinstance(client, TurnedAway), client
        self.told.append(client)
        self.connection.receiver = self

    def received(self, data: bytes) -> None:
        """Bytes came."""
        self.told.append(data)

    def drained(self) -> None:
        """Of no interest."""

    def ended(self, reason: str) -> None:
        """It is over."""
        self.told.append("ended")


class GateTests(SynchronousTestCase):
    """A connection, a gate, and what comes after."""

    def setUp(self) -> None:
        self.connection = Connection(Clock(), NO_OUTBOX)
        self.transport = Transport()
        self.transport.owner = self.connection
        self.connection.makeConnection(self.transport)  # type: ignore[arg-type]
        self.after = Frontend(self.connection)
        self.gate = Gate(self.connection, self.after.admitted, self.after.turned_away)
        self.asked: list[PendingClient] = []
        self.cancelled: list[object] = []
        self.answer: Deferred[RevocationFinding] = Deferred(self.cancelled.append)

    def check(self, client: PendingClient) -> Deferred[RevocationFinding]:
        """A check that is answered later."""
        self.asked.append(client)
        return self.answer

    def test_no_check(self) -> None:
        """Without a check the gate opens at once, and reading goes on."""
        self.gate.judge(PENDING)
        self.assertEqual(self.after.told, [TRUSTED])
        self.assertTrue(self.transport.reading)

    def test_only_trusted_clients_are_checked(self) -> None:
        """An untrusted client is handed on unchanged: no OCSP request is sent about an unverified certificate."""
        for verdict in (NotAsked(), Absent(), Unchecked(), Missing(), REVOKED):
            gate = Gate(self.connection, self.after.admitted, self.after.turned_away)
            gate.judge(identities.pending(verdict), self.check)
            self.assertEqual(self.after.told[-1], identities.client(verdict))
        self.assertEqual(self.asked, [])

    def test_holds(self) -> None:
        """Until the answer is in nothing is handed on, and little is read."""
        self.gate.judge(PENDING, self.check)
        self.connection.dataReceived(b"x" * (MAX_EARLY - 1))
        self.assertEqual((self.asked, self.after.told), ([PENDING], []))
        self.assertTrue(self.transport.reading)  # or nobody would notice that the client leaves
        self.connection.dataReceived(b"x")
        self.assertFalse(self.transport.reading)
        self.answer.callback(GOOD)
        self.assertEqual(self.after.told, [GOOD_CLIENT, b"x" * MAX_EARLY])
        self.assertTrue(self.transport.reading)

    def test_early_bytes(self) -> None:
        """What came before the answer follows it, once and in order; then reading goes on."""
        self.gate.judge(PENDING, self.check)
        self.connection.dataReceived(b"ear")
        self.connection.dataReceived(b"ly")
        self.answer.callback(GOOD)
        self.assertEqual(self.after.told, [GOOD_CLIENT, b"early"])
        self.assertTrue(self.transport.reading)
        self.connection.dataReceived(b"late")
        self.assertEqual(self.after.told, [GOOD_CLIENT, b"early", b"late"])

    def test_early_bytes_one_by_one(self) -> None:
        """What is kept of them is their bytes, and not an object for each."""
        self.gate.judge(PENDING, self.check)
        kept = kept_after(lambda: [self.connection.dataReceived(b"x") for _ in range(MAX_EARLY)])
        self.assertFalse(self.transport.reading)
        self.assertLess(kept, 2 * MAX_EARLY)

    def test_suspended(self) -> None:
        """What was asked before a suspension opens no gate; the client's early bytes follow the next decision."""
        self.assertFalse(self.gate.judge(PENDING, self.check))
        self.connection.dataReceived(b"early")
        self.gate.suspend()
        self.gate.suspend()
        self.assertEqual((len(self.cancelled), self.after.told), (1, []))
        self.connection.dataReceived(b" bytes")
        self.assertTrue(self.gate.judge(PENDING))
        self.assertEqual(self.after.told, [TRUSTED, b"early bytes"])

    def test_suspended_and_asked_again(self) -> None:
        """The next check decides, whether it has its answer already or not."""
        for known in (True, False):
            self.setUp()
            self.gate.judge(PENDING, self.check)
            self.gate.suspend()
            again: Deferred[RevocationFinding] = succeed(REFUSAL) if known else Deferred()
            self.assertEqual(self.gate.judge(PENDING, lambda client, again=again: again), known)  # type: ignore[misc]
            if not known:
                self.assertEqual(self.after.told, [])
                again.callback(REFUSAL)
            self.assertEqual(self.after.told, [REFUSED])

    def test_no_early_bytes(self) -> None:
        """Where nothing came early nothing is replayed."""
        self.gate.judge(PENDING, self.check)
        self.answer.callback(GOOD)
        self.assertEqual(self.after.told, [GOOD_CLIENT])

    def test_refusal(self) -> None:
        """The verdict handed on is the check's."""
        self.gate.judge(PENDING, self.check)
        self.answer.callback(REFUSAL)
        self.assertEqual(self.after.told, [REFUSED])

    def test_failure(self) -> None:
        """A check that fails is a refusal, and logged: there should be none."""
        self.gate.judge(PENDING, self.check)
        self.answer.errback(RuntimeError("no responder"))
        self.assertEqual(self.after.told, [UNAVAILABLE])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_failure_at_once(self) -> None:
        """So is one that raises at once."""

        def check(client: PendingClient) -> RevocationFinding:
            """A defect."""
            raise RuntimeError

        self.gate.judge(PENDING, check)
        self.assertEqual(self.after.told, [UNAVAILABLE])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_answer_at_once(self) -> None:
        """An answer that is there at once opens the gate at once."""
        for answer in (succeed(REFUSAL), REFUSAL):
            self.setUp()
            self.gate.judge(PENDING, lambda _, answer=answer: answer)
            self.assertEqual(self.after.told, [REFUSED])
            self.assertTrue(self.transport.reading)

    def test_client_leaves(self) -> None:
        """A client that leaves before the answer is not waited for: the check is cancelled, nothing is handed on."""
        self.gate.judge(PENDING, self.check)
        self.connection.dataReceived(b"early")
        self.connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.cancelled, [self.answer])
        self.assertEqual(self.after.told, [])

    def test_late_answer(self) -> None:
        """An answer for a client that is being cut off opens nothing."""
        self.gate.judge(PENDING, self.check)
        self.connection.abort()
        self.answer.callback(GOOD)
        self.assertEqual(self.after.told, [])

    def test_no_check_is_cancelled_later(self) -> None:
        """Once the gate is open what comes after is notified of the end of the connection, and cancels nothing."""
        self.gate.judge(PENDING, self.check)
        self.answer.callback(GOOD)
        self.connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.after.told[-1], self.cancelled), ("ended", []))

    def test_closed_when_opened(self) -> None:
        """Early bytes of a client that is turned away as the gate opens go nowhere."""

        def turn_away(client: TurnedAway) -> None:
            self.after.turned_away(client)
            self.connection.close()

        gate = Gate(self.connection, self.after.admitted, turn_away)
        gate.judge(PENDING, self.check)
        self.connection.dataReceived(b"early")
        self.answer.callback(REFUSAL)
        self.assertEqual(len(self.after.told), 1)

    def test_nothing_is_drained(self) -> None:
        """A connection that has sent what was written during the handshake notifies no receiver."""
        self.gate.judge(PENDING, self.check)
        self.transport.room = 0
        self.connection.write(b"x" * 300_000)
        self.transport.drain()
        self.assertEqual(self.after.told, [])

    def test_defect(self) -> None:
        """What goes wrong behind the gate is logged, and ends the connection, which would wait for ever."""

        def fail(client: Admitted) -> None:
            raise RuntimeError("broken")

        Gate(self.connection, fail, self.after.turned_away).judge(PENDING, self.check)
        self.answer.callback(GOOD)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.transport.ended, "aborted")
