"""What gateways let each other know through a store that they share: signed answers, lists, and that one is asked for.

A store is never trusted: its values are signed by others, and every reader proves them by its own rules. It is never
needed either: a store that is slow, gone, full or lies costs hits, and no method raises, or waits for long. Callers:
the sources of revocation status; `redis_knowledge` implements it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed

from agwtwisted.core.operations.shared_store_state import SharedStoreState

MAX_VALUE: Final = 128 * 1024
"""Bytes of a value: an OCSP response has 64 KB at most, and lists are stored in pieces."""

MAX_NEWS: Final = 512
"""Bytes of what is published: the name of a value, which who wants it gets."""


class SharedKnowledge(Protocol):
    """A store of many gateways. Keys are text, which names what a value is about.

    Every Deferred fires within the store's own bound, some hundred milliseconds, and may be cancelled.
    """

    @property
    def is_usable(self) -> bool:
        """Whether it is worth asking now; where not, everything below answers at once."""

    @property
    def state(self) -> SharedStoreState | None:
        """What is shown of it; None: there is no store."""

    def get(self, key: str) -> Deferred[bytes | None]:
        """The value of a key, `MAX_VALUE` bytes at most; None where there is none, or the store cannot say."""

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[bool]:
        """Stores a value for `ttl` seconds, in place of another; whether that was done."""

    def lease(self, key: str, seconds: float) -> Deferred[bool]:
        """Whether it is the caller who is to find out about a key; it is also where the store cannot say.

        All others get False for `seconds`, or until it is released.
        """

    def release(self, key: str) -> Deferred[None]:
        """Ends a lease of the caller's, which must not be over."""

    def announce(self, key: str, value: bytes, ttl: float, *, topic: str, news: bytes) -> None:
        """Stores a value and publishes the news of it, now or, where the store cannot, as soon as it can."""

    def publish(self, topic: str, news: bytes) -> None:
        """Has all gateways hear this, `MAX_NEWS` bytes at most, those that are away once they are back."""

    def subscribe(self, topic: str, heard: Callable[[bytes], Deferred[None] | None]) -> None:
        """Has `heard` called with what is published on a topic, by this gateway too; more comes once it is done.

        The same news may come again.
        """

    def start(self) -> None:
        """Connects."""

    def stop(self) -> Deferred[None]:
        """Ends every connection; what waits is answered as if there were nothing."""


class _NothingShared:
    """Of a gateway without such a store."""

    is_usable = False
    state = None

    def get(self, key: str) -> Deferred[bytes | None]:
        """As SharedKnowledge says."""
        return succeed(None)

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[bool]:
        """As SharedKnowledge says."""
        return succeed(False)

    def lease(self, key: str, seconds: float) -> Deferred[bool]:
        """As SharedKnowledge says."""
        return succeed(True)

    def release(self, key: str) -> Deferred[None]:
        """As SharedKnowledge says."""
        return succeed(None)

    def announce(self, key: str, value: bytes, ttl: float, *, topic: str, news: bytes) -> None:
        """As SharedKnowledge says."""

    def publish(self, topic: str, news: bytes) -> None:
        """As SharedKnowledge says."""

    def subscribe(self, topic: str, heard: Callable[[bytes], Deferred[None] | None]) -> None:
        """As SharedKnowledge says."""

    def start(self) -> None:
        """As SharedKnowledge says."""

    def stop(self) -> Deferred[None]:
        """As SharedKnowledge says."""
        return succeed(None)


NOTHING_SHARED: Final[SharedKnowledge] = _NothingShared()
"""Each gateway asks for itself."""
