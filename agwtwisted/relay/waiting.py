"""The receiver of an L4 client's connection while there is no backend for it."""

from __future__ import annotations

from collections.abc import Callable

from agwtwisted.transport.connection import Connection
from agwtwisted.transport.early import EarlyBytes


class WaitingClient:
    """The receiver of a client's connection while there is no backend; what comes is kept, until it is enough."""

    def __init__(self, connection: Connection, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._early = EarlyBytes(connection)

    def early(self) -> bytes:
        """All that was kept; it is not kept any longer, and another receiver hears of the end."""
        self._lost = _unheard
        return self._early.take()

    def received(self, data: bytes) -> None:
        """Early bytes."""
        self._early.add(data)

    def drained(self) -> None:
        """Nothing is written yet."""

    def finished(self) -> None:
        """The client has finished sending, which its connection remembers."""

    def ended(self, reason: str) -> None:
        """The client is gone."""
        lost, self._lost = self._lost, _unheard  # it leads back to the session: without it that is free at once
        lost(reason)


def _unheard(reason: str) -> None:
    """The end of a client that has another receiver, or has none any more."""
