"""Early bytes: kept in order, to a bound at which reading stops."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.connection import Connection
from agwtwisted.transport.early import MAX_EARLY, EarlyBytes
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.wires import Network


class EarlyTests(SynchronousTestCase):
    """What comes before it may be looked at."""

    def test_bound(self) -> None:
        """Reading stops with the byte that makes them enough; they are given once."""
        network = Network()
        connection = Connection(network, NO_OUTBOX)
        network.dial(connection)
        early = EarlyBytes(connection)
        early.add(b"x" * (MAX_EARLY - 1))
        self.assertFalse(connection.paused)
        early.add(b"y")
        self.assertTrue(connection.paused)
        self.assertEqual((early.take(), early.take()), (b"x" * (MAX_EARLY - 1) + b"y", b""))
