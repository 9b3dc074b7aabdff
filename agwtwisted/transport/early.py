"""What a peer sends before it may be looked at: kept, up to a bound."""

from __future__ import annotations

from typing import Final

from agwtwisted.transport.connection import Connection

MAX_EARLY: Final = 16384
"""Bytes that are kept; one read may come on top."""


class EarlyBytes:
    """The bytes of a connection that waits for a decision: reading stops once they are enough.

    It does not stop at once, or it would not show that the peer has left.
    """

    __slots__ = ("_connection", "_data")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Keeps bytes."""
        self._data += data
        if len(self._data) >= MAX_EARLY:
            self._connection.pause()

    def take(self) -> bytes:
        """All that was kept; it is not kept any longer."""
        data, self._data = bytes(self._data), bytearray()
        return data
