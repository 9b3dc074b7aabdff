"""TcpWire: what its contract (test_wires) leaves out: deadlines of the end, nobody at the other end, and its owner."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.streaming import LINGER, NOBODY, QUEUE_LIMIT, SEND_TIMEOUT, TcpWire
from tests.wires import READ, Line, Network, Recorder


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.recorder = Recorder()
        self.wire = TcpWire(self.network, self.recorder)
        self.line: Line = self.network.dial(self.wire)


class EndTests(_Case):
    """Closing has a deadline, whatever the peer does."""

    def test_peer_that_does_not_read(self) -> None:
        """What was written has `SEND_TIMEOUT` seconds to leave; then the connection is aborted."""
        self.line.stall(10)
        self.wire.write(bytes(1000))
        self.wire.close()
        self.network.advance(SEND_TIMEOUT - 1)
        self.assertEqual(self.recorder.reasons, [])
        self.network.advance(1)
        self.assertEqual((len(self.recorder.reasons), self.line.reset), (1, True))
        self.assertEqual(self.network.timers(), [])

    def test_lingering_peer_that_does_not_leave(self) -> None:
        """A lingering close waits `LINGER` seconds for the peer to close, and no longer."""
        self.wire.close(linger=True)
        self.network.advance(LINGER - 1)
        self.assertEqual((self.line.eof, self.recorder.reasons), (True, []))
        self.network.advance(1)
        self.assertEqual(len(self.recorder.reasons), 1)
        self.assertEqual(self.network.timers(), [])

    def test_lingering_begins_when_all_is_sent(self) -> None:
        """A slow reader of the last answer has the time to send it, and only then `LINGER` seconds to close."""
        self.line.stall(10)
        self.wire.write(bytes(1000))
        self.wire.close(linger=True)
        self.network.advance(LINGER * 2)
        self.line.read()
        self.assertEqual((len(self.line.received), self.line.eof, self.recorder.reasons), (1000, True, []))
        self.network.advance(LINGER)
        self.assertEqual(len(self.recorder.reasons), 1)

    def test_closing_again(self) -> None:
        """The first close counts: a lingering one is not cut short by another."""
        self.wire.close(linger=True)
        self.wire.close()
        self.network.advance(0)
        self.assertEqual((self.line.eof, self.recorder.reasons), (True, []))
        self.line.hang_up()
        self.assertEqual(len(self.recorder.reasons), 1)

    def test_lingering_avoids_the_reset(self) -> None:
        """Input that is not read when a socket closes makes the kernel reset it; a lingering close has read it."""
        for linger in (False, True):
            self.setUp()
            self.wire.pause()
            self.line.send(b"unread")
            self.wire.write(b"answer")
            self.wire.close(linger=linger)
            self.network.advance(0)
            self.line.hang_up()
            self.assertEqual((self.line.received, self.line.reset), (b"answer", not linger))

    def test_no_timer_is_left(self) -> None:
        """A peer that leaves in time leaves no timer behind."""
        self.wire.close(linger=True)
        self.network.advance(0)
        self.line.hang_up()
        self.assertEqual(self.network.timers(), [])


class QueueTests(_Case):
    """What the kernel does not take."""

    def test_bound(self) -> None:
        """No more than `QUEUE_LIMIT` beyond what is on its way is queued before the wire says that it is full."""
        self.line.stall(0)
        self.wire.write(b"x")
        written = 0
        while not self.wire.full:
            self.wire.write(bytes(READ))
            written += READ
        self.assertLessEqual(written, QUEUE_LIMIT + READ)

    def test_drained_is_told_outside_of_write(self) -> None:
        """The first bytes that the kernel does not take make no wire full, nor are they told as drained."""
        self.line.stall(0)
        self.wire.write(bytes(2 * QUEUE_LIMIT))
        self.assertEqual((self.wire.full, self.recorder.drained_count), (False, 0))
        self.line.read()
        self.assertEqual((len(self.line.received), self.recorder.drained_count), (2 * QUEUE_LIMIT, 0))

    def test_order(self) -> None:
        """Bytes leave in the order they were written, whatever piece the kernel takes at a time."""
        self.line.stall(1)
        data = bytes(range(256)) * 16
        for start in range(0, len(data), 100):
            self.wire.write(data[start : start + 100])
            self.line.stall(7)
            self.network.advance(0)
        self.line.read()
        self.assertEqual(self.line.received, data)
        self.assertFalse(self.wire.busy)

    def test_writing_to_a_lost_connection(self) -> None:
        """Bytes for a peer that is gone are lost without a word."""
        self.line.hang_up()
        self.wire.write(b"late")
        self.assertEqual(self.line.received, b"")


class OwnerTests(_Case):
    """Who is told, and when."""

    def test_nobody(self) -> None:
        """A wire without a receiver throws everything away."""
        self.wire.receiver = NOBODY
        self.line.send(b"abc")
        self.line.stall(0)
        self.wire.write(bytes(2 * QUEUE_LIMIT))
        self.wire.write(bytes(2 * QUEUE_LIMIT))
        self.line.read()
        self.line.hang_up()
        self.assertEqual(self.recorder.data, b"")

    def test_opened_without_anybody_to_tell(self) -> None:
        """`when_open` is called once the transport is there."""
        wire = TcpWire(self.network)
        opened: list[bool] = []
        wire.when_open = lambda: opened.append(wire.transport is not None)
        self.network.dial(wire)
        self.assertEqual(opened, [True])
