"""A spawner that forks nothing: the test answers for it, and for the workers."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from agwtwisted.workers.channel import receive_waiting, send_waiting
from agwtwisted.workers.messages import Decoder, Message, MessageKind

DEADLINE = 60.0
"""Seconds after which a message that does not come fails the test."""


class ScriptedSpawner:
    """In the place of `spawner_process.SpawnerProcess`; `made` has all that there were."""

    made: list[ScriptedSpawner]

    def __init__(self, reactor: Any, received: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self.number = 1000 + len(self.made)
        self.received = received
        self.lost = lost
        self.sent: list[Message] = []
        self.closed = self.killed = False
        self.made.append(self)

    def send(self, message: Message) -> None:
        """Takes an order; its descriptors stay open as long as the test has them."""
        self.sent.append(
            Message(
                kind=message.kind,
                fields=message.fields,
                data=message.data,
                descriptors=tuple(map(os.dup, message.descriptors)),
            )
        )

    def take(self, *kinds: MessageKind) -> list[Message]:
        """The orders since the last time, which are of these kinds."""
        sent, self.sent = self.sent, []
        assert [message.kind for message in sent] == list(kinds), sent
        return sent

    def prepared(self, message: Message, *warnings: str) -> None:
        """It has prepared a configuration."""
        fields = {"serial": message.fields["serial"], "warnings": list(warnings)}
        self.received(Message(kind=MessageKind.PREPARED, fields=fields))

    def look(self, now: float) -> None:
        """Nothing is overdue."""

    def forgive(self, now: float) -> None:
        """The same."""

    def kill(self) -> None:
        """It is ended; one that was closed is not missed."""
        self.killed = True
        if not self.closed:
            self.lost()

    def close(self) -> Deferred[None]:
        """It ends."""
        self.closed = True
        return succeed(None)


class ScriptedWorker:
    """The worker of an order to fork one."""

    def __init__(self, order: Message) -> None:
        self.serial = order.fields["serial"]
        self.index = order.fields["index"]
        self.order = order
        channel, *others = order.descriptors
        self._end = socket.socket(fileno=channel)
        self._end.settimeout(DEADLINE)
        self._others = others
        self._decoder = Decoder()
        self._left: list[Message] = []

    def send(self, kind: MessageKind, **fields: Any) -> None:
        """Sends the parent a message."""
        send_waiting(self._end, Message(kind=kind, fields=fields))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publishes something."""
        send_waiting(self._end, Message(kind=MessageKind.PUBLISHED, fields={"topic": topic}, data=payload))

    def receive(self, kind: MessageKind) -> Message:
        """The next message from the parent, which is of this kind."""
        while not self._left:
            assert receive_waiting(self._end, self._decoder), "the channel is closed"
            self._left += self._decoder.messages()
        message = self._left.pop(0)
        assert message.kind is kind, message
        return message

    def has_received(self) -> bool:
        """Whether there is a message."""
        self._end.settimeout(0)
        try:
            receive_waiting(self._end, self._decoder)
        except BlockingIOError:
            pass
        finally:
            self._end.settimeout(DEADLINE)
        self._left += self._decoder.messages()
        return bool(self._left)

    def close(self) -> None:
        """It has ended."""
        self._end.close()
        for descriptor in self._others:
            os.close(descriptor)
        self._others = []
