"""Processes of one gateway that are none: what one publishes the others hear, once a test has it delivered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Member:
    """`interfaces.Siblings` of one of them."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.subscribers: dict[str, list[Callable[[bytes], None]]] = {}
        self.published: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes) -> None:
        """Has all others hear this."""
        self.published.append((topic, payload))
        self._hub.waiting.append((self, topic, payload))

    def subscribe(self, topic: str, heard: Callable[[bytes], None]) -> None:
        """Has `heard` called with what others publish."""
        self.subscribers.setdefault(topic, []).append(heard)


class Hub:
    """All of them."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.waiting: deque[tuple[Member, str, bytes]] = deque()

    def member(self) -> Member:
        """One more."""
        self.members.append(Member(self))
        return self.members[-1]

    def deliver(self) -> None:
        """What was published is heard, and what is published then."""
        while self.waiting:
            publisher, topic, payload = self.waiting.popleft()
            for member in self.members:
                if member is not publisher:
                    for heard in member.subscribers.get(topic, ()):
                        heard(payload)
