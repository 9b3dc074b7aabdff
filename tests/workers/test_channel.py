"""A channel between two processes, here with both ends in one."""

from __future__ import annotations

import os
import socket
from unittest import mock

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.workers.channel import CLOSED, MOST_QUEUED, Channel, receive_waiting, send_waiting
from agwtwisted.workers.messages import Decoder, Message, MessageKind

LONG = Message(kind=MessageKind.PUBLISHED, fields={"topic": "t"}, data=bytes(1 << 20))


class ChannelTests(SynchronousTestCase):
    """With a reactor."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.received: list[Message] = []
        self.lost: list[str] = []
        own, self.other = socket.socketpair()
        self.channel = Channel(self.reactor, own, self.received.append, self.lost.append)
        self.decoder = Decoder()
        self.addCleanup(self.other.close)
        self.addCleanup(self.channel.close)

    def write(self) -> None:
        """Lets the channel write, as long as it wants to."""
        if self.channel in self.reactor.writers:
            self.assertIsNone(self.channel.doWrite())

    def read_other(self) -> list[Message]:
        """The messages that the other end gets, one at least."""
        found: list[Message] = []
        while not found:
            self.write()
            self.assertTrue(receive_waiting(self.other, self.decoder))
            found = list(self.decoder.messages())
        return found

    def test_both_ways(self) -> None:
        """Messages go both ways; the reactor watches for room only while something waits."""
        self.channel.send(Message(kind=MessageKind.READY))
        self.write()
        self.assertEqual(self.read_other(), [Message(kind=MessageKind.READY)])
        self.assertEqual((self.reactor.writers, self.reactor.readers), (set(), {self.channel}))
        send_waiting(self.other, Message(kind=MessageKind.STOP, fields={"without_limit": True}))
        self.assertIsNone(self.channel.doRead())
        self.assertEqual(self.received, [Message(kind=MessageKind.STOP, fields={"without_limit": True})])

    def test_descriptors(self) -> None:
        """A descriptor that is sent stays the sender's, who may close it at once; the receiver's leads to the same."""
        read, write = os.pipe()
        self.channel.send(Message(kind=MessageKind.PREPARE, descriptors=[write]))
        os.close(write)
        self.write()
        [message] = self.read_other()
        [descriptor] = message.descriptors
        self.assertFalse(os.get_inheritable(descriptor))
        os.write(descriptor, b"x")
        os.close(descriptor)
        self.assertEqual((os.read(read, 9), os.read(read, 9)), (b"x", b""))
        os.close(read)

    def test_no_descriptors(self) -> None:
        """Where not all descriptors of a message can be kept, none is, and nothing of it is sent."""
        before = os.listdir("/proc/self/fd")
        with mock.patch("os.dup", side_effect=[os.dup(1), OSError(24, "too many open files")]):
            message = Message(kind=MessageKind.PREPARE, descriptors=[1, 1])
            self.assertRaises(OSError, self.channel.send, message)
        self.assertEqual((os.listdir("/proc/self/fd"), self.channel.queued), (before, 0))
        self.channel.send(Message(kind=MessageKind.READY))
        self.assertEqual(self.read_other(), [Message(kind=MessageKind.READY)])

    def test_a_long_one(self) -> None:
        """What does not fit into the kernel's buffer waits; what is sent counts no longer."""
        self.channel.send(LONG)
        self.assertEqual((self.read_other(), self.channel.queued, self.reactor.writers), ([LONG], 0, set()))

    def test_not_read(self) -> None:
        """Where the other process does not read, memory is bounded: the channel is lost, in a later turn."""
        for _ in range(MOST_QUEUED // len(LONG.data)):
            self.assertTrue(self.channel.is_open)
            self.channel.send(LONG)
        self.assertEqual((self.lost, self.channel.is_open, self.channel.queued), ([], False, 0))
        self.reactor.advance(0)
        self.assertEqual(self.lost, ["it does not read what it is sent"])
        self.channel.send(LONG)
        self.assertEqual((self.channel.queued, self.reactor.readers), (0, set()))

    def test_configurations_are_not_bounded(self) -> None:
        """A configuration is as long as it is; the others are counted beside it."""
        for _ in range(2 * MOST_QUEUED // len(LONG.data)):
            self.channel.send(LONG, bounded=False)
        self.assertEqual((self.channel.queued, self.channel.is_open), (0, True))
        self.write()
        self.assertEqual(self.channel.queued, 0)

    def test_closed(self) -> None:
        """What came before the other process ended is received; then the channel is lost, once."""
        send_waiting(self.other, Message(kind=MessageKind.READY))
        self.other.close()
        self.assertIsNone(self.channel.doRead())
        reason = self.channel.doRead()
        self.assertIsInstance(reason, (ConnectionDone, ConnectionLost))
        for _ in range(2):
            self.channel.connectionLost(Failure(reason))
        self.assertEqual((self.received, self.lost), ([Message(kind=MessageKind.READY)], [CLOSED]))
        self.channel.send(Message(kind=MessageKind.READY))
        self.assertEqual(self.channel.queued, 0)

    def test_closed_here(self) -> None:
        """This end is closed without a word about it; what waited, and its descriptors, is gone."""
        read, write = os.pipe()
        self.channel.send(Message(kind=MessageKind.FORK, descriptors=[write]))
        os.close(write)
        self.channel.close()
        self.assertEqual((os.read(read, 1), self.lost), (b"", []))
        os.close(read)
        self.assertFalse(receive_waiting(self.other, self.decoder))

    def test_nonsense(self) -> None:
        """What is no message ends the channel."""
        self.other.send(b"\x7f" * 40)
        self.assertIsInstance(self.channel.doRead(), ConnectionLost)

    def test_defect(self) -> None:
        """A message that cannot be handled is logged, and the next one is."""
        own, other = socket.socketpair()
        self.addCleanup(other.close)
        channel = Channel(self.reactor, own, lambda message: 1 // 0, self.lost.append)
        send_waiting(other, Message(kind=MessageKind.READY))
        send_waiting(other, Message(kind=MessageKind.READY))
        self.assertIsNone(channel.doRead())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        channel.close()

    def test_last_words(self) -> None:
        """What waits is sent without a reactor, for a while at most."""
        self.channel.send(Message(kind=MessageKind.READY))
        self.channel.finish(60.0)
        self.assertEqual(self.read_other(), [Message(kind=MessageKind.READY)])
        self.assertFalse(receive_waiting(self.other, self.decoder))
        self.assertEqual(self.lost, [])

    def test_last_words_that_are_not_read(self) -> None:
        """A process that does not read is not waited for."""
        self.channel.send(LONG)
        self.channel.finish(0.01)
        self.assertFalse(self.channel.is_open)
