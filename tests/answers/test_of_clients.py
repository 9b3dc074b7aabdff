"""Answers about the clients of a process, and ending one."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.answers.of_clients import LOOK, SLICE, ClientAnswers
from agwtwisted.core.identity.clients import ClientConnection
from agwtwisted.core.operations.live_clients import ClientState, LiveClient
from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.listening.tracking import LiveConnections
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX


class Session:
    """What stands behind a connection."""

    def __init__(self, listener: str) -> None:
        self.listener = listener
        self.dismissed = False

    def shown(self) -> LiveClient:
        """As tracking.PortSession says."""
        facts = ClientConnection(address="10.0.0.1", port=5)
        return LiveClient(listener=self.listener, protocol="tcp", state=ClientState.RELAY, connection=facts)

    def dismiss(self) -> None:
        """The same."""
        self.dismissed = True

    def ended(self) -> None:
        """The same."""


class SlowClock(Clock):
    """On which each look takes a while."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0

    def seconds(self) -> float:
        """The time, a little later each time."""
        self.rightNow += SLICE / 2
        return self.rightNow


class ClientAnswersTests(SynchronousTestCase):
    """The clients of two ports, one of which is retired."""

    def setUp(self) -> None:
        self.clock = Clock()
        numbers = count(1)
        self.live, self.retired = LiveConnections(numbers=numbers), LiveConnections(numbers=numbers)
        port, retired = SimpleNamespace(live=self.live), SimpleNamespace(live=self.retired)
        plan = SimpleNamespace(gateway=SimpleNamespace(log_refused_certificates=True))
        self.gateway: Any = SimpleNamespace(
            generation=SimpleNamespace(ports={1: port}, plan=plan), retired=SimpleNamespace(ports=(retired,))
        )
        self.answers = self.of(self.clock)

    def of(self, clock: Any, worker: int = 1) -> ClientAnswers:
        """Those of a worker."""
        return ClientAnswers(self.gateway, worker, clock, lambda: 1000.0)

    def connected(self, live: LiveConnections, listener: str = "a") -> tuple[int, Session]:
        """One more client: its number and session."""
        connection, session = Connection(self.clock, NO_OUTBOX), Session(listener)
        live.all.add(connection)
        live.enter(connection, self.clock.seconds())
        live.stand_behind(connection, session)  # type: ignore[arg-type]
        return connection.number, session

    def ask(self, **arguments: Any) -> Any:
        """A page, at once."""
        return self.successResultOf(Deferred.fromCoroutine(self.answers.clients(arguments)))

    def test_order(self) -> None:
        """Clients of all ports come in the order in which they were connected, page by page."""
        numbers = [self.connected(live)[0] for live in (self.live, self.retired, self.live, self.retired)]
        self.clock.advance(10)
        first = self.ask(limit="3")
        self.assertEqual([each["id"] for each in first["clients"]], [f"1-{number}" for number in numbers[:3]])
        self.assertEqual((first["total"], first["clients"][0]["since"]), (4, "1970-01-01T00:16:30Z"))
        second = self.ask(limit=3, after=first["next"])
        self.assertEqual(([each["id"] for each in second["clients"]], second["next"]), ([f"1-{numbers[3]}"], None))

    def test_chosen(self) -> None:
        """A page may be of one listener alone, or of the clients that have a text."""
        self.connected(self.live, "a")
        self.connected(self.live, "b")
        for arguments, total in (
            ({"listener": "a"}, 1),
            ({"listener": "c"}, 0),
            ({"search": "B"}, 1),
            ({"search": "10."}, 2),
        ):
            self.assertEqual(self.ask(**arguments)["total"], total, arguments)

    def test_pages_over_workers(self) -> None:
        """A page that begins behind a client of an earlier worker has all of this one's, else none."""
        self.connected(self.live)
        self.assertEqual([len(self.ask(after=after)["clients"]) for after in ("0-7", "2-7")], [1, 0])

    def test_wrong_arguments(self) -> None:
        """What is no page is refused."""
        for arguments in ({"limit": 0}, {"limit": 1001}, {"after": "x"}, {"search": 3}):
            asked = Deferred.fromCoroutine(self.answers.clients(arguments))
            self.assertEqual(self.failureResultOf(asked, QuestionError).value.status, 400)

    def test_in_slices(self) -> None:
        """The page of many clients lets the reactor do other things meanwhile; those that go are left out."""
        numbers = [self.connected(self.live)[0] for _ in range(4 * LOOK)]
        clock = SlowClock()
        asked = Deferred.fromCoroutine(self.of(clock).clients({"limit": 1000}))
        self.assertNoResult(asked)
        self.live.closed(self.live.numbered[numbers[-1]])
        while not asked.called:
            clock.advance(0)
        self.assertEqual(len(self.successResultOf(asked)["clients"]), len(numbers) - 1)

    def test_closed(self) -> None:
        """The client of an id is ended, wherever it is, and the log says so."""
        number, session = self.connected(self.retired)
        with capturedLogs() as events:
            self.assertEqual(self.answers.close({"id": f"1-{number}"}), {"outcome": "closed"})
        self.assertTrue(session.dismissed)
        self.assertEqual(formatEvent(events[0]), f"Client 10.0.0.1:5 of a is closed by an operator (1-{number})")

    def test_not_closed(self) -> None:
        """One that has gone, or is another worker's, is not there; and an id is wanted."""
        number, session = self.connected(self.live)
        for text, status in (("1-999999999", 404), (f"2-{number}", 404), ("", 400), ("x", 400)):
            with self.assertRaises(QuestionError) as caught:
                self.answers.close({"id": text})
            self.assertEqual(caught.exception.status, status)
        self.assertFalse(session.dismissed)
