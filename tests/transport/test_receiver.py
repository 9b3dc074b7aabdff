"""`NO_RECEIVER`: the receiver of a connection without one."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from agwtwisted.transport.receiver import NO_RECEIVER
from tests.wires import Network


class NobodyTests(SynchronousTestCase):
    """Everything is discarded."""

    def test_nobody(self) -> None:
        """A connection without a receiver takes bytes and both ends without harm."""
        network = Network()
        connection = Connection(network, NO_OUTBOX)
        self.assertIs(connection.receiver, NO_RECEIVER)
        line = network.dial(connection)
        line.send(b"abc")
        line.hang_up()
        self.assertTrue(connection.input_ended)
        line.crash()
        self.assertTrue(connection.closing)
