"""Messages between processes."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.workers.messages import (
    DESCRIPTORS_AT_ONCE,
    MOST_BYTES,
    MOST_DESCRIPTORS,
    ChannelError,
    Decoder,
    Message,
    MessageKind,
    pieces,
)

MESSAGES = (
    Message(kind=MessageKind.READY),
    Message(kind=MessageKind.PUBLISHED, fields={"topic": "ä"}, data=b"\0\xff" * 100),
    Message(kind=MessageKind.BEAT, fields={"connections": 7}),
)


class MessageTests(SynchronousTestCase):
    """A message on the wire."""

    def test_byte_by_byte(self) -> None:
        """Messages are the same, in whatever pieces they come."""
        whole = b"".join(data for message in MESSAGES for data, _ in pieces(message))
        decoder, found = Decoder(), []
        for at in range(len(whole)):
            decoder.feed(whole[at : at + 1])
            found += decoder.messages()
        self.assertEqual(found, list(MESSAGES))
        decoder.feed(whole)
        self.assertEqual(list(decoder.messages()), list(MESSAGES))

    def test_descriptors(self) -> None:
        """Descriptors are those of the message that they came with, in their order, more than one call takes."""
        numbers = list(range(1000, 1000 + DESCRIPTORS_AT_ONCE + 2))
        decoder = Decoder()
        for message in (
            Message(kind=MessageKind.FORK, descriptors=numbers),
            Message(kind=MessageKind.FORK, descriptors=[7]),
        ):
            for data, descriptors in pieces(message):
                self.assertLessEqual(len(descriptors), DESCRIPTORS_AT_ONCE)
                decoder.feed(data, descriptors)
        first, second = decoder.messages()
        self.assertEqual((list(first.descriptors), list(second.descriptors)), (numbers, [7]))

    def test_too_much(self) -> None:
        """What is too long for a message is not sent, and one that says that it is so long is not read."""
        for message in (
            Message(kind=MessageKind.FORK, descriptors=[1] * (MOST_DESCRIPTORS + 1)),
            Message(kind=MessageKind.PREPARE, data=bytes(MOST_BYTES)),
        ):
            with self.assertRaises(ChannelError):
                list(pieces(message))
        decoder = Decoder()
        decoder.feed(b"\1\0\0\xff\xff\xff\xff\0\0\0\0")
        with self.assertRaises(ChannelError):
            list(decoder.messages())

    def test_no_message(self) -> None:
        """An unknown kind, fields that are none, and descriptors that did not arrive end the channel."""
        for wrong in (b"\x7f\0\0\0\0\0\2\0\0\0\0{}", b"\1\0\0\0\0\0\1\0\0\0\0{", b"\1\0\1\0\0\0\2\0\0\0\0{}"):
            decoder = Decoder()
            decoder.feed(wrong)
            with self.assertRaises(ChannelError):
                list(decoder.messages())

    def test_closed(self) -> None:
        """Descriptors of a message that is not complete are closed."""
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        decoder = Decoder()
        decoder.feed(b"", [write])
        decoder.close()
        self.assertEqual(os.read(read, 1), b"")

    def test_no_secrets(self) -> None:
        """The bytes of a message, which may be keys, are in no repr."""
        self.assertNotIn("secret", repr(Message(kind=MessageKind.PREPARE, data=b"secret")))
