"""What a port knows of its connections while they live: how each gives way to another, and what it is waited for.

For the ports, which have `admission` choose among them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Protocol

from agwtwisted.core.listening.admission import Awaited


class Abortable(Hashable, Protocol):
    """A connection, at whatever stage."""

    def abort(self) -> None:
        """Closes it at once."""


class Giving(Abortable, Protocol):
    """One of a client's, which gives way where room is needed."""

    def has_spoken(self) -> bool:
        """Whether any byte of it was read."""

    def has_arrived(self) -> bool:
        """Whether there are bytes of it that were not read yet."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What it keeps the gateway waiting for while it has no session, and since when."""

    def give_way(self, reason: str) -> None:
        """Closes it before this returns."""

    def drain(self, quiet: float) -> None:
        """The gateway stops: has it end, if the client says nothing for so long; not where it waits for a verdict."""


class PortSession(Protocol):
    """What stands behind a connection once its client is known."""

    def drain(self) -> None:
        """The gateway stops: ends once what has come from the client is done."""

    def ended(self) -> None:
        """The connection is gone."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when."""


class TrackedConnection:
    """A connection as `admission` knows it."""

    __slots__ = ("_connection", "_sessions", "block")

    def __init__(self, connection: Giving, sessions: Mapping[Abortable, PortSession], block: str) -> None:
        self.block = block
        self._connection = connection
        self._sessions = sessions

    def has_spoken(self) -> bool:
        """Whether any byte of it has come."""
        return self._connection.has_spoken() or self._connection.has_arrived()

    def has_arrived(self) -> bool:
        """Whether any was not read yet."""
        return self._connection.has_arrived()

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What it is waited for."""
        return (self._sessions.get(self._connection) or self._connection).awaited(now)

    def give_way(self, reason: str) -> None:
        """Closes it."""
        self._connection.give_way(reason)
