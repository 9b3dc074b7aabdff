"""One connection, whose bytes the test has in its hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.outbound.exchange import OutboundConnection
from agwtwisted.outbound.fetching import Fetched, FetchProblem, NotFetched
from agwtwisted.outbound.incoming import IncomingResponse
from agwtwisted.transport.deadlines import Deadline
from tests.outbound.servers import HELLO


class OutboundConnectionTests(SynchronousTestCase):
    """A connection without a socket."""

    def setUp(self) -> None:
        self.kept: list[Any] = []
        self.done: list[str] = []
        clock = Clock()
        self.transport: Any = SimpleNamespace(
            turn=-1,
            holds=False,
            busy=False,
            closing=False,
            cut=False,
            deadline=lambda missed: Deadline(clock, missed),
            write=lambda data: self.done.append(data.decode()),
            abort=lambda: self.done.append("abort"),
            close=lambda: self.done.append("close"),
        )
        keeper: Any = SimpleNamespace(keep=self.kept.append, forget=lambda _: None)
        self.connection = OutboundConnection(self.transport, "192.0.2.1", ("http", "a.example", 80), keeper)

    def ask(self) -> Deferred[Fetched | NotFetched]:
        """Sends a request."""
        return self.connection.ask(b"ask", IncomingResponse(100, None))

    def test_given_back_first(self) -> None:
        """The connection is idle by the time that its user goes on."""
        counts: list[int] = []
        self.ask().addCallback(lambda _: counts.append(len(self.kept)))  # type: ignore[unused-awaitable]
        self.connection.received(HELLO)
        self.assertEqual((counts, self.done), ([1], ["ask"]))

    def test_bytes_ahead(self) -> None:
        """Bytes that were read before the request was sent are no answer to it."""
        self.transport.turn, self.transport.holds = 3, True
        asked = self.ask()
        self.connection.received(HELLO)
        found = self.successResultOf(asked)
        assert isinstance(found, NotFetched)
        self.assertEqual((found.problem, found.was_answered), (FetchProblem.CLOSED, False))
        self.assertEqual((self.kept, self.done), ([], ["ask", "abort"]))

    def test_not_kept_while_something_is_to_be_sent(self) -> None:
        """A server that answers before it has the request may have its connection for nothing else."""
        self.transport.busy = True
        asked = self.ask()
        self.connection.received(HELLO)
        self.assertIsInstance(self.successResultOf(asked), Fetched)
        self.assertEqual((self.kept, self.done), ([], ["ask", "abort"]))

    def test_cancelled(self) -> None:
        """Who does not wait ends the connection, and what comes later is nothing."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.connection.received(HELLO)
        self.connection.ended("closed")
        self.assertEqual((self.kept, self.done), ([], ["ask", "abort", "abort"]))
