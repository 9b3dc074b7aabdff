"""A store that gateways share, in the test's hand."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed


class StoreInHand:
    """As SharedKnowledge says, in memory, of as many gateways as there are."""

    state = None

    def __init__(self) -> None:
        self.is_usable = True
        self.values: dict[str, bytes] = {}
        self.ttls: dict[str, float] = {}
        self.leases: dict[str, float] = {}
        self.published: list[tuple[str, bytes]] = []
        self.heard: Callable[[bytes], Deferred[None] | None] = lambda news: None
        self.waiting: list[Deferred[bytes | None]] | None = None  # where it does not answer
        self.reads = 0

    def get(self, key: str) -> Deferred[bytes | None]:
        """At once, unless it waits."""
        self.reads += 1
        if self.waiting is None:
            return succeed(self.values.get(key))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[bool]:
        """At once."""
        self.values[key], self.ttls[key] = value, ttl
        return succeed(True)

    def lease(self, key: str, seconds: float) -> Deferred[bool]:
        """The first one has it, until it is released."""
        if key in self.leases:
            return succeed(False)
        self.leases[key] = seconds
        return succeed(True)

    def release(self, key: str) -> Deferred[None]:
        """It is free."""
        self.leases.pop(key, None)
        return succeed(None)

    def announce(self, key: str, value: bytes, ttl: float, *, topic: str, news: bytes) -> None:
        """At once."""
        self.values[key], self.ttls[key] = value, ttl
        self.publish(topic, news)

    def publish(self, topic: str, news: bytes) -> None:
        """Noted."""
        self.published.append((topic, news))

    def subscribe(self, topic: str, heard: Callable[[bytes], Deferred[None] | None]) -> None:
        """Called by the test."""
        self.heard = heard

    def start(self) -> None:
        """It is there."""

    def stop(self) -> Deferred[None]:
        """At once."""
        return succeed(None)
