"""What one process of the gateway lets all others know: by way of the parent, in order."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from agwtwisted.workers.messages import Message, MessageKind


class Publisher:
    """`interfaces.Siblings` of one process.

    Args:
        send: sends a message to the parent, or from there to all workers.
    """

    _log = Logger()

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._subscribers: dict[str, list[Callable[[bytes], None]]] = {}

    def publish(self, topic: str, payload: bytes) -> None:
        """Has all others hear this."""
        self._send(Message(kind=MessageKind.PUBLISHED, fields={"topic": topic}, data=payload))

    def subscribe(self, topic: str, heard: Callable[[bytes], None]) -> None:
        """Has `heard` called with what others publish on this topic."""
        self._subscribers.setdefault(topic, []).append(heard)

    def heard(self, message: Message) -> None:
        """Another process has published this."""
        topic = message.fields["topic"]
        for subscriber in self._subscribers.get(topic, ()):
            try:
                subscriber(message.data)
            except Exception:
                self._log.failure("Unexpected error about {topic} of another process", topic=topic)
