"""The send queue, by way of its connection: what the kernel does not take, how long that may last, and turns."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX, Outbox
from agwtwisted.transport.send_queue import HELD, QUEUE_LIMIT
from tests.wires import READ, Line, Network, Recorder


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.recorder = Recorder()
        self.connection = Connection(self.network, NO_OUTBOX, self.recorder)
        self.line: Line = self.network.dial(self.connection)


class QueueTests(_Case):
    """What the kernel does not take."""

    def test_bound(self) -> None:
        """No more than `QUEUE_LIMIT` beyond what is on its way is queued before the connection says that it is full."""
        self.line.stall(0)
        self.connection.write(b"x")
        written = 0
        while not self.connection.full:
            self.connection.write(bytes(READ))
            written += READ
        self.assertLessEqual(written, QUEUE_LIMIT + READ)

    def test_drained_is_told_outside_of_write(self) -> None:
        """The first bytes that the kernel does not take make no connection full, nor are they reported as drained."""
        self.line.stall(0)
        self.connection.write(bytes(2 * QUEUE_LIMIT))
        self.assertEqual((self.connection.full, self.recorder.drained_count), (False, 0))
        self.line.read()
        self.assertEqual((len(self.line.received), self.recorder.drained_count), (2 * QUEUE_LIMIT, 0))

    def test_little_is_queued(self) -> None:
        """Where reads are bounded, as much is queued before the connection is full; where they are not, as usual."""
        self.connection.bound_reads(1000)
        self.line.stall(0)
        self.connection.write(b"x")
        self.connection.write(bytes(1000))
        self.assertFalse(self.connection.full)
        self.connection.write(b"x")
        self.assertTrue(self.connection.full)
        self.line.read()
        self.connection.bound_reads(0)
        self.line.stall(0)
        self.connection.write(b"x")
        self.connection.write(bytes(QUEUE_LIMIT))
        self.assertFalse(self.connection.full)

    def test_nothing_is_queued(self) -> None:
        """Where little is to wait in the kernel, what it does not take makes the connection full until it has left."""
        self.connection.bound_sending(60, 0, unsent=1000)
        self.assertEqual(self.line.unsent, 1000)
        self.connection.write(b"all of it")
        self.assertFalse(self.connection.full)
        self.line.stall(5)
        self.connection.write(b"not all")
        self.assertTrue(self.connection.full)
        self.line.read(1)
        self.assertEqual((self.connection.full, self.recorder.drained_count), (True, 0))
        self.line.read()
        self.assertEqual((self.connection.full, self.recorder.drained_count), (False, 1))

    def test_order(self) -> None:
        """Bytes leave in the order they were written, whatever piece the kernel takes at a time."""
        self.line.stall(1)
        data = bytes(range(256)) * 16
        for start in range(0, len(data), 100):
            self.connection.write(data[start : start + 100])
            self.line.stall(7)
            self.network.advance(0)
        self.line.read()
        self.assertEqual(self.line.received, data)
        self.assertFalse(self.connection.busy)

    def test_views(self) -> None:
        """What the kernel does not take of a view is copied: that shows other bytes once this has returned."""
        room = bytearray(b"one after another")
        self.line.stall(3)
        self.connection.send(memoryview(room))
        room[:] = bytes(len(room))
        self.line.read()
        self.assertEqual(self.line.received, b"one after another")

    def test_all_at_once(self) -> None:
        """What is queued leaves as soon as the kernel takes it, all in one turn; what it takes no more of waits."""
        self.line.stall(0)
        self.connection.write(b"first")
        self.connection.write(b"behind")
        self.line.room = 7
        self.connection.writable()
        self.assertTrue(self.connection.busy)
        self.line.room = 4
        self.connection.writable()
        self.assertFalse(self.connection.busy)
        self.assertEqual(self.line.received, b"firstbehind")

    def test_writing_to_a_lost_connection(self) -> None:
        """Bytes for a peer that is gone are lost without a word."""
        self.line.crash()
        self.connection.write(b"late")
        self.assertEqual(self.line.received, b"")


class BoundTests(_Case):
    """The peer has to read what is sent to it, from `bound_sending` on."""

    def fill(self, seconds: float = 20, min_rate: int = 100) -> None:
        """Queues more than the peer is going to read."""
        self.connection.bound_sending(seconds, min_rate)
        self.line.stall(0)
        self.connection.write(bytes(1_000_000))

    def test_none(self) -> None:
        """Without it there is no timeout: the writer has deadlines of its own."""
        self.line.stall(0)
        self.connection.write(bytes(1000))
        self.network.advance(0)
        self.assertEqual(self.network.timers(), [])

    def test_nothing_queued(self) -> None:
        """A peer that takes everything at once costs no timer."""
        self.connection.bound_sending(20, 100)
        self.connection.write(bytes(1000))
        self.network.advance(0)
        self.assertEqual(self.network.timers(), [])

    def test_silent(self) -> None:
        """A peer that takes nothing is cut off when its time is over, and the receiver notified."""
        self.fill()
        self.network.advance(19)
        self.assertFalse(self.line.reset)
        self.network.advance(1)
        self.network.advance(0)
        self.assertEqual((self.line.reset, len(self.recorder.reasons), self.network.timers()), (True, 1, []))

    def test_below_the_rate(self) -> None:
        """Bytes earn the time that they are worth, and what was earned is used up."""
        self.fill()
        self.line.read(1000)
        self.network.advance(20)
        self.network.advance(9.5)
        self.assertFalse(self.line.reset)
        self.network.advance(0.5)
        self.assertTrue(self.line.reset)

    def test_no_stock(self) -> None:
        """Having read fast for a while buys no longer silence."""
        self.fill()
        self.line.read(900_000)
        self.network.advance(20)
        self.network.advance(19)
        self.assertFalse(self.line.reset)
        self.network.advance(1)
        self.assertTrue(self.line.reset)

    def test_at_the_rate(self) -> None:
        """At the lowest rate everything arrives."""
        self.fill()
        for _ in range(1000):
            self.network.advance(10)
            self.line.read(1000)
        self.assertEqual((len(self.line.received), self.line.reset, self.connection.busy), (1_000_000, False, False))
        self.network.pump([20] * 10)
        self.assertFalse(self.line.reset)

    def test_without_a_rate(self) -> None:
        """Where the rate is 0, a byte buys the whole time anew."""
        self.fill(min_rate=0)
        for _ in range(10):
            self.line.read(1)
            self.network.advance(20)
        self.assertFalse(self.line.reset)
        self.network.advance(20)
        self.assertTrue(self.line.reset)

    def test_time_begins_with_the_queue(self) -> None:
        """What was taken before something was queued does not count, nor does the time before."""
        self.connection.bound_sending(20, 100)
        self.connection.write(bytes(1_000_000))
        self.network.advance(1000)
        self.fill()
        self.network.advance(20)
        self.assertTrue(self.line.reset)

    def test_closing(self) -> None:
        """A close gives the peer no time on top."""
        self.fill()
        self.network.advance(19)
        self.connection.close()
        self.network.advance(1)
        self.assertTrue(self.line.reset)


class TurnTests(SynchronousTestCase):
    """On a reactor whose turns end with sending."""

    def setUp(self) -> None:
        """A connection in the middle of a turn."""
        self.network = Network()
        self.outbox = Outbox()
        self.recorder = Recorder()
        self.connection = Connection(self.network, self.outbox, self.recorder)
        self.line: Line = self.network.dial(self.connection)
        self.outbox.open = True

    def test_end_of_turn(self) -> None:
        """What is written leaves in one piece when the turn ends; until then the connection is busy."""
        self.connection.write(b"a")
        self.connection.write(b"b")
        self.assertEqual((bytes(self.line.received), self.connection.busy), (b"", True))
        self.outbox.close()
        self.assertEqual(
            (bytes(self.line.received), self.connection.busy, self.connection.bytes_out), (b"ab", False, 2)
        )

    def test_views(self) -> None:
        """Nor does a view wait for the end of the turn: what it shows now is sent."""
        room = bytearray(b"short")
        self.connection.send(memoryview(room))
        room[:] = bytes(len(room))
        self.outbox.close()
        self.assertEqual(self.line.received, b"short")

    def test_next_turn(self) -> None:
        """Each turn has its own; between turns bytes leave at once."""
        self.connection.write(b"a")
        self.outbox.close()
        self.connection.write(b"b")
        self.assertEqual(self.line.received, b"ab")
        for _ in range(3):
            before = len(self.line.received)
            self.outbox.open = True
            self.connection.write(bytes(HELD))
            self.assertEqual(len(self.line.received), before)
            self.outbox.close()
            self.assertEqual(len(self.line.received), before + HELD)

    def test_large(self) -> None:
        """More than `HELD` bytes do not wait, nor does what was written before them."""
        self.connection.write(b"a")
        self.connection.write(bytes(HELD))
        self.assertEqual(self.line.received, b"a" + bytes(HELD))
        for _ in range(HELD):
            self.connection.write(b"bb")
        self.assertGreaterEqual(len(self.line.received), 1 + 2 * HELD)
        self.outbox.close()
        self.assertEqual(self.line.received, b"a" + bytes(HELD) + b"b" * (2 * HELD))

    def test_slow_reader(self) -> None:
        """What the kernel does not take at the end of the turn is queued, in order, and bounded as ever."""
        self.line.stall(1)
        self.connection.write(b"abc")
        self.outbox.close()
        self.outbox.open = True
        self.connection.write(bytes(QUEUE_LIMIT + 1))
        self.assertEqual((self.connection.full, self.connection.busy), (True, True))
        self.line.read()
        self.network.advance(0)
        self.assertEqual(self.line.received, b"abc" + bytes(QUEUE_LIMIT + 1))

    def test_slow_reader_of_something_large(self) -> None:
        """What does not wait is queued behind what has waited."""
        self.line.stall(1)
        self.connection.write(b"abc")
        self.connection.write(bytes(HELD))
        self.line.read()
        self.network.advance(0)
        self.assertEqual(self.line.received, b"abc" + bytes(HELD))

    def test_close(self) -> None:
        """Closing does not overtake it."""
        self.connection.write(b"a")
        self.connection.close()
        self.network.advance(0)
        self.assertEqual((bytes(self.line.received), len(self.recorder.reasons)), (b"a", 1))
        self.outbox.close()

    def test_abort(self) -> None:
        """Nor does an abort: the peer sees as much of an answer that is cut as there was."""
        self.connection.write(b"a")
        self.connection.abort()
        self.assertEqual((bytes(self.line.received), self.line.reset), (b"a", True))
        self.outbox.close()

    def test_lost(self) -> None:
        """It goes with a connection that is lost meanwhile."""
        self.connection.write(b"a")
        self.line.crash()
        self.network.advance(0)
        self.assertEqual(len(self.recorder.reasons), 1)
        self.outbox.close()
        self.assertEqual((bytes(self.line.received), self.connection.busy), (b"", False))
