"""What a connection calls: the current receiver of its bytes."""

from __future__ import annotations

from typing import Final, Protocol


class Receiver(Protocol):
    """What a connection calls."""

    def received(self, data: bytes) -> None:
        """Bytes came."""

    def drained(self) -> None:
        """The connection was full and is no more."""

    def finished(self) -> None:
        """The peer sends no more, and may be sent to; called once at most, and not after `ended`."""

    def ended(self, reason: str) -> None:
        """The connection is over, by either side; called once, and nothing after it."""


class _NoReceiver:
    """Discards the input of a connection that is being closed, or has no receiver yet."""

    def received(self, data: bytes) -> None:
        """Discarded."""

    def drained(self) -> None:
        """Nothing waits for it."""

    def finished(self) -> None:
        """The connection remembers it."""

    def ended(self, reason: str) -> None:
        """Nothing depends on it."""


NO_RECEIVER: Final[Receiver] = _NoReceiver()
