"""Clients of L4 listeners that wait for a backend."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.relay.waiting import WaitingClient
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.early import MAX_EARLY
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.clients import Transport


class WaitingTests(SynchronousTestCase):
    """What comes meanwhile."""

    def test_kept(self) -> None:
        """It is kept in order, until it is enough and reading stops; the end of the connection is reported."""
        connection = Connection(Clock(), NO_OUTBOX)
        transport = Transport()
        connection.makeConnection(transport)  # type: ignore[arg-type]
        ends: list[str] = []
        waiting = WaitingClient(connection, ends.append)
        connection.receiver = waiting
        for data in (b"a", b"b" * (MAX_EARLY - 2)):
            connection.dataReceived(data)
        self.assertTrue(transport.reading)
        connection.dataReceived(b"c")
        waiting.drained()
        waiting.finished()
        self.assertFalse(transport.reading)
        waiting.ended("gone")
        self.assertEqual(ends, ["gone"])
        self.assertEqual((waiting.early(), waiting.early()), (b"a" + b"b" * (MAX_EARLY - 2) + b"c", b""))
