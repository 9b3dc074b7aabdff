"""Connection: what its contract (test_wires) leaves out: deadlines of the end, half-close, and its owner."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.connection import CLOSE_TIMEOUT, LINGER, MIN_RATE, Connection
from agwtwisted.transport.outbox import NO_OUTBOX, Outbox
from agwtwisted.transport.receiver import NO_RECEIVER
from agwtwisted.transport.send_queue import QUEUE_LIMIT
from tests.wires import Line, Network, Recorder


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.recorder = Recorder()
        self.connection = Connection(self.network, NO_OUTBOX, self.recorder)
        self.line: Line = self.network.dial(self.connection)


class EndTests(_Case):
    """Closing has a deadline, whatever the peer does."""

    def test_peer_that_does_not_read(self) -> None:
        """What was written has `CLOSE_TIMEOUT` seconds to leave; then the connection is aborted."""
        self.line.stall(10)
        self.connection.write(bytes(1000))
        self.connection.close()
        self.network.advance(CLOSE_TIMEOUT - 1)
        self.assertEqual(self.recorder.reasons, [])
        self.network.advance(1)
        self.assertEqual((len(self.recorder.reasons), self.line.reset), (1, True))
        self.assertEqual(self.network.timers(), [])

    def test_peer_that_reads_slowly(self) -> None:
        """A peer that takes what was written as slowly as it may gets all of it, however long that takes."""
        self.line.stall(0)
        self.connection.write(bytes(MIN_RATE * 1000))
        self.connection.close()
        for _ in range(100):
            self.network.advance(10)
            self.line.read(MIN_RATE * 10)
        self.assertEqual(len(self.line.received), MIN_RATE * 1000)
        self.network.advance(0)
        self.assertEqual((len(self.recorder.reasons), self.line.reset, self.network.timers()), (1, False, []))

    def test_peer_that_trickles(self) -> None:
        """One that takes a little at a time wins next to nothing by it."""
        self.line.stall(0)
        self.connection.write(bytes(1000))
        self.connection.close()
        self.line.read(MIN_RATE)
        self.network.advance(CLOSE_TIMEOUT)
        self.assertFalse(self.line.reset)
        self.line.read(MIN_RATE - 1)
        self.network.advance(1)
        self.assertTrue(self.line.reset)
        self.network.advance(0)
        self.assertEqual(self.network.timers(), [])

    def test_lingering_peer_that_reads_on(self) -> None:
        """While a lingering peer takes what the kernel has of the answer, it is not reset."""
        self.connection.close(linger=True)
        for _ in range(10):
            self.network.advance(LINGER - 1)
            self.line.arrived += MIN_RATE * 10
            self.network.advance(1)
        self.assertEqual(self.recorder.reasons, [])
        self.network.advance(LINGER)
        self.assertEqual(len(self.recorder.reasons), 1)

    def test_lingering_peer_that_does_not_leave(self) -> None:
        """A lingering close waits `LINGER` seconds for the peer to close, and no longer."""
        self.connection.close(linger=True)
        self.network.advance(LINGER - 1)
        self.assertEqual((self.line.eof, self.recorder.reasons), (True, []))
        self.network.advance(1)
        self.assertEqual(len(self.recorder.reasons), 1)
        self.assertEqual(self.network.timers(), [])

    def test_lingering_begins_when_all_is_sent(self) -> None:
        """A slow reader of the last answer has the time to send it, and only then `LINGER` seconds to close."""
        self.line.stall(10)
        self.connection.write(bytes(1000))
        self.connection.close(linger=True)
        self.network.advance(LINGER * 2)
        self.line.read()
        self.assertEqual((len(self.line.received), self.line.eof, self.recorder.reasons), (1000, True, []))
        self.network.advance(LINGER)
        self.assertEqual(len(self.recorder.reasons), 1)

    def test_closing_again(self) -> None:
        """The first close counts: a lingering one is not cut short by another."""
        self.connection.close(linger=True)
        self.connection.close()
        self.network.advance(0)
        self.assertEqual((self.line.eof, self.recorder.reasons), (True, []))
        self.line.hang_up()
        self.assertEqual(len(self.recorder.reasons), 1)

    def test_lingering_avoids_the_reset(self) -> None:
        """Input that is not read when a socket closes makes the kernel reset it; a lingering close has read it."""
        for linger in (False, True):
            self.setUp()
            self.connection.pause()
            self.line.send(b"unread")
            self.connection.write(b"answer")
            self.connection.close(linger=linger)
            self.network.advance(0)
            self.line.hang_up()
            self.assertEqual((self.line.received, self.line.reset), (b"answer", not linger))

    def test_no_timer_is_left(self) -> None:
        """A peer that leaves in time leaves no timer behind."""
        self.connection.close(linger=True)
        self.network.advance(0)
        self.line.hang_up()
        self.assertEqual(self.network.timers(), [])


class OwnerTests(_Case):
    """Which subscribers are notified, and when."""

    def test_nobody(self) -> None:
        """A connection without a receiver throws everything away."""
        self.connection.receiver = NO_RECEIVER
        self.line.send(b"abc")
        self.line.stall(0)
        self.connection.write(bytes(2 * QUEUE_LIMIT))
        self.connection.write(bytes(2 * QUEUE_LIMIT))
        self.line.read()
        self.line.hang_up()
        self.assertEqual(self.recorder.data, b"")

    def test_opened_without_anybody_to_tell(self) -> None:
        """`when_open` is called once the transport is there."""
        connection = Connection(self.network, NO_OUTBOX)
        opened: list[bool] = []
        connection.when_open = lambda: opened.append(connection.connected)
        self.network.dial(connection)
        self.assertEqual(opened, [True])


class HalfCloseTests(SynchronousTestCase):
    """Without TLS the end of a direction is a FIN."""

    def setUp(self) -> None:
        self.network = Network()
        self.recorder = Recorder()
        self.connection = Connection(self.network, NO_OUTBOX, self.recorder)
        self.line: Line = self.network.dial(self.connection)

    def test_peer_finishes(self) -> None:
        """A peer that has finished is read to its last byte, reported once, and still sent to."""
        self.line.send(b"last")
        self.line.hang_up()
        self.assertEqual((self.recorder.data, self.recorder.finished_count), (b"last", 1))
        self.assertTrue(self.connection.input_ended)
        self.assertEqual(self.recorder.reasons, [])
        self.connection.write(b"answer")
        self.assertEqual(self.line.take(), b"answer")

    def test_reading_ends_with_it(self) -> None:
        """A finished peer is not read again after pauses: its end would be reported again and again."""
        self.line.hang_up()
        self.connection.pause()
        self.connection.resume()
        self.network.advance(0)
        self.assertFalse(self.network.is_reading(self.line))
        self.assertEqual(self.recorder.finished_count, 1)

    def test_paused(self) -> None:
        """The end of a peer that is not read comes after what it has said, once it is read again."""
        self.connection.pause()
        self.line.send(b"said")
        self.line.hang_up()
        self.assertEqual(self.recorder.finished_count, 0)
        self.connection.resume()
        self.network.advance(0)
        self.assertEqual((self.recorder.data, self.recorder.finished_count), (b"said", 1))

    def test_end_of_a_turn(self) -> None:
        """No end overtakes what is to be sent when the reactor's turn is over: ours, both, or the connection's."""
        for end in ("finish", "end", "close", "break_off"):
            network = Network()
            outbox = Outbox()
            connection = Connection(network, outbox, Recorder())
            line: Line = network.dial(connection)
            outbox.open = True
            connection.write(b"all")
            getattr(connection, end)()
            network.advance(0)
            self.assertEqual((end, bytes(line.received), line.eof or not line.connected), (end, b"all", True))
            outbox.close()

    def test_at_end_of_turn(self) -> None:
        """What is written at the end of a turn leaves with the rest of it, and between turns at once."""
        outbox = Outbox()
        connection = Connection(self.network, outbox, Recorder())
        line: Line = self.network.dial(connection)
        connection.at_end_of_turn(lambda: connection.write(b"now,"))
        outbox.open = True
        connection.at_end_of_turn(lambda: connection.write(b" last"))
        connection.write(b" first")
        self.assertEqual(bytes(line.received), b"now,")
        outbox.close()
        self.assertEqual(bytes(line.received), b"now, first last")

    def test_we_finish(self) -> None:
        """After our end the peer is still heard; it ends once, however often it is asked for."""
        self.connection.write(b"all")
        self.connection.finish()
        self.connection.finish()
        self.network.advance(0)
        self.assertEqual((self.line.take(), self.line.eof), (b"all", True))
        self.line.send(b"more")
        self.assertEqual((self.recorder.data, self.recorder.reasons), (b"more", []))

    def test_our_end_waits_for_its_turn(self) -> None:
        """A slow peer gets all that was written before the end."""
        self.line.stall(10)
        self.connection.write(bytes(2 * QUEUE_LIMIT))
        self.connection.write(b"tail")
        self.connection.finish()
        self.network.advance(0)
        self.assertFalse(self.line.eof)
        self.line.read()
        self.assertEqual((len(self.line.received), self.line.eof), (2 * QUEUE_LIMIT + 4, True))
        self.assertEqual(self.recorder.reasons, [])

    def test_close(self) -> None:
        """Once both have finished, closing closes; nothing is reset, and no timer stays."""
        for we_first in (True, False):
            self.setUp()
            steps = [self.connection.finish, self.line.hang_up]
            for step in steps if we_first else reversed(steps):
                step()
            self.connection.close()
            self.network.advance(0)
            self.assertEqual((len(self.recorder.reasons), self.line.eof, self.line.reset), (1, True, False))
            self.assertFalse(self.connection.cut)
            self.assertEqual(self.network.timers(), [])

    def test_close_behind_the_end(self) -> None:
        """Closing right after the end, or while what was written is still leaving, loses nothing."""
        for room in (0, 10**9):
            self.setUp()
            self.line.stall(room)
            self.connection.write(bytes(1000))
            self.connection.finish()
            self.connection.close()
            self.network.advance(0)
            self.line.read()
            self.assertEqual((len(self.line.received), len(self.recorder.reasons), self.line.reset), (1000, 1, False))

    def test_peer_that_closes_while_we_close(self) -> None:
        """A FIN that comes while the connection lingers is the end of it."""
        self.connection.close(linger=True)
        self.network.advance(0)
        self.line.hang_up()
        self.assertEqual((len(self.recorder.reasons), self.recorder.finished_count), (1, 0))
        self.assertEqual(self.network.timers(), [])

    def test_peer_that_finishes_while_we_close(self) -> None:
        """A FIN loses nothing of what a closing connection still has to send, whether or not it lingers."""
        for linger in (True, False):
            self.setUp()
            self.line.stall(0)
            self.connection.write(bytes(1000))
            self.connection.close(linger=linger)
            self.network.advance(0)
            self.connection.readConnectionLost()  # one that was read before the connection closed comes even then
            self.network.advance(0)
            self.line.read()
            received, ends = len(self.line.received), len(self.recorder.reasons)
            self.assertEqual((linger, received, ends, self.line.reset), (linger, 1000, 1, False))
            self.assertEqual(self.network.timers(), [])

    def test_reset(self) -> None:
        """A reset is no end like others: the connection is cut."""
        self.line.crash()
        self.assertEqual((len(self.recorder.reasons), self.recorder.finished_count), (1, 0))
        self.assertTrue(self.connection.cut)

    def test_preamble(self) -> None:
        """What has to come ahead of everything does, and is counted."""
        connection = Connection(self.network, NO_OUTBOX, self.recorder, preamble=b"PROXY\r\n")
        connection.when_open = lambda: connection.write(b"hello")
        line = self.network.dial(connection)
        self.assertEqual((line.received, connection.bytes_out), (b"PROXY\r\nhello", 12))

    def test_nobody(self) -> None:
        """An end without waiters does no harm."""
        self.connection.receiver = NO_RECEIVER
        self.line.hang_up()
        self.assertTrue(self.connection.input_ended)
