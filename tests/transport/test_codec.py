"""While TLS is pending nothing is written in the clear, and a FIN ends the connection."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.wires import Line, Network, Recorder


class PendingTests(SynchronousTestCase):
    """A connection that is to be one in TLS."""

    def setUp(self) -> None:
        """One whose handshake is still to come."""
        self.network = Network()
        self.recorder = Recorder()
        self.connection = Connection(self.network, NO_OUTBOX, self.recorder)
        self.connection.expect_tls()
        self.line: Line = self.network.dial(self.connection)

    def test_data(self) -> None:
        """Data that is written too early does not leave: the connection is aborted."""
        self.connection.write(b"secret")
        self.network.advance(0)
        self.assertEqual((bytes(self.line.received), self.line.reset, len(self.recorder.reasons)), (b"", True, 1))

    def test_handshake(self) -> None:
        """The handshake gets what comes as it is, and sends as it likes."""
        self.line.send(b"hello")
        self.connection.send(b"server hello")
        self.assertEqual((self.recorder.data, self.line.take()), (b"hello", b"server hello"))
        self.assertEqual((self.connection.has_spoken(), self.connection.is_secure), (True, False))

    def test_fin(self) -> None:
        """A FIN is no end of one direction alone: the connection is over, and was cut."""
        self.line.hang_up()
        self.assertEqual((self.recorder.finished_count, len(self.recorder.reasons)), (0, 1))
        self.assertTrue(self.connection.cut)

    def test_plain(self) -> None:
        """Where there is no TLS after all it is like any other."""
        self.connection.stay_plain()
        self.connection.write(b"answer")
        self.assertEqual(self.line.take(), b"answer")
