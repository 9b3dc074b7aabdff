"""What processes publish."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.interfaces import Siblings
from agwtwisted.workers.messages import Message, MessageKind
from agwtwisted.workers.siblings import Publisher


class PublisherTests(SynchronousTestCase):
    """One process's side."""

    def setUp(self) -> None:
        self.sent: list[Message] = []
        self.publisher = Publisher(self.sent.append)

    def test_publishes(self) -> None:
        """What is published is sent with its topic."""
        siblings: Siblings = self.publisher
        siblings.publish("health", b"\0")
        self.assertEqual(self.sent, [Message(kind=MessageKind.PUBLISHED, fields={"topic": "health"}, data=b"\0")])

    def test_hears(self) -> None:
        """Every subscriber of the topic hears it, also after one that fails; others do not."""
        heard: list[bytes] = []
        self.publisher.subscribe("health", lambda payload: heard.append(payload[5:]))
        self.publisher.subscribe("health", lambda payload: heard.append(b"" if 1 // len(payload) else b"odd"))
        self.publisher.subscribe("other", self.fail)
        self.publisher.heard(Message(kind=MessageKind.PUBLISHED, fields={"topic": "health"}, data=b"12345678"))
        self.assertEqual(heard, [b"678", b"odd"])
        self.publisher.heard(Message(kind=MessageKind.PUBLISHED, fields={"topic": "health"}))
        self.assertEqual((heard, len(self.flushLoggedErrors(ZeroDivisionError))), ([b"678", b"odd", b""], 1))
        self.publisher.heard(Message(kind=MessageKind.PUBLISHED, fields={"topic": "unknown"}))
