"""A simulated Redis: what `shared_knowledge.SharedKnowledge` says, for all workers of all gateways."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

from benchmarks.fleet.clock import SimulatedClock

V = TypeVar("V")

ROUND_TRIP = 0.001
"""Seconds from a question to its answer."""


class SimulatedStore:
    """The store itself. Everything is done when it is asked for; the answer comes a round trip later."""

    is_usable = True
    state = None  # nothing is shown of it

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._values: dict[str, tuple[bytes, float]] = {}
        self._leases: dict[str, float] = {}
        self._heard: list[tuple[str, Callable[[bytes], Deferred[None] | None]]] = []
        self.most = 0  # values at once

    def get(self, key: str) -> Deferred[bytes | None]:
        """As SharedKnowledge says."""
        value, until = self._values.get(key, (None, 0.0))
        if value is not None and until <= self._clock.seconds():
            del self._values[key]
            value = None
        return self._later(value)

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[bool]:
        """As SharedKnowledge says."""
        self._values[key] = value, self._clock.seconds() + ttl
        self.most = max(self.most, len(self._values))
        return self._later(True)

    def lease(self, key: str, seconds: float) -> Deferred[bool]:
        """As SharedKnowledge says."""
        now = self._clock.seconds()
        is_free = self._leases.get(key, 0.0) <= now
        if is_free:
            self._leases[key] = now + seconds
        return self._later(is_free)

    def release(self, key: str) -> Deferred[None]:
        """As SharedKnowledge says."""
        self._leases.pop(key, None)
        return self._later(None)

    def announce(self, key: str, value: bytes, ttl: float, *, topic: str, news: bytes) -> None:
        """As SharedKnowledge says."""
        self.put(key, value, ttl).addCallback(lambda _: self.publish(topic, news))  # type: ignore[unused-awaitable]

    def publish(self, topic: str, news: bytes) -> None:
        """As SharedKnowledge says."""
        for of, heard in self._heard:
            if of == topic:
                self._clock.callLater(ROUND_TRIP, heard, news)

    def subscribe(self, topic: str, heard: Callable[[bytes], Deferred[None] | None]) -> None:
        """As SharedKnowledge says."""
        self._heard.append((topic, heard))

    def start(self) -> None:
        """As SharedKnowledge says."""

    def stop(self) -> Deferred[None]:
        """As SharedKnowledge says."""
        return succeed(None)

    def _later(self, value: V) -> Deferred[V]:
        answered: Deferred[V] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(ROUND_TRIP, answered.callback, value)
        return answered
