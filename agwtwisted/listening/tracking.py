"""What an address knows of its connections while they live: their place, how each gives way, what it is waited for.

For the ports, which have `admission` choose among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Final, Protocol

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.operations.live_clients import LiveClient
from agwtwisted.core.verification.handshake_failures import GATEWAY_STOPS
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.succession import Succession, Turns
from agwtwisted.operations.counters import AddressCounters
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.deferreds import TrackedSet

DISMISSED: Final = "an operator has closed the connection"
"""Why connections end that no request or session of is under way."""


class PortSession(Protocol):
    """What stands behind a connection: its PROXY header or handshake, the gate, then its session."""

    @property
    def listener(self) -> str:
        """The name of the listener, that of the port's first one where the client has not selected one."""

    def shown(self) -> LiveClient:
        """What is known of the client at this moment."""

    def dismiss(self) -> None:
        """An operator ends it: after the answer under way, where there is one."""

    def drain(self) -> None:
        """The gateway stops: ends once what has come from the client is done."""

    def abort(self) -> None:
        """Ends at once."""

    def ended(self) -> None:
        """The connection is gone."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when."""

    def moved(self, succession: Succession) -> None:
        """A port of a new configuration has taken over: nothing is begun under the old one from now on."""

    def retire(self, turns: Turns) -> None:
        """The listener is there no more: ends once what is under way is done, within `drain_timeout`."""


class LiveConnections:
    """The connections of one address, and what stands behind each: they pass from port to port as a whole."""

    def __init__(self, counters: AddressCounters | None = None, numbers: Iterator[int] | None = None) -> None:
        """`counters` are those of the address; None: nothing is counted. `numbers` are of the process's clients."""
        self._numbers = count(1) if numbers is None else numbers
        self.all: TrackedSet[Connection] = TrackedSet()
        self._counters = AddressCounters() if counters is None else counters
        self.sessions: dict[Connection, PortSession] = {}
        self.numbered: dict[int, Connection] = {}  # those of clients, in the order in which they came

    def enter(self, connection: Connection, now: float) -> None:
        """Gives a client's connection its number, if it has none."""
        if not connection.number:
            connection.number, connection.since = next(self._numbers), now
            self.numbered[connection.number] = connection

    def shown(self, number: int) -> tuple[Connection, LiveClient] | None:
        """A client's connection and what is known of it; None: it has ended, or is between two stages."""
        connection = self.numbered.get(number)
        session = None if connection is None else self.sessions.get(connection)
        return None if connection is None or session is None else (connection, session.shown())

    def stand_behind(self, connection: Connection, session: PortSession | None) -> None:
        """Something else does from now on; None: nothing."""
        if session is None:
            self.sessions.pop(connection, None)
        else:
            self.sessions[connection] = session

    def behind(self) -> tuple[PortSession, ...]:
        """What stands behind the connections of this moment, each once."""
        return tuple(dict.fromkeys(self.sessions.values()))

    def by_listener(self) -> Counter[str]:
        """How many clients there are, by the name of their listener."""
        return Counter([session.listener for session in self.behind()])

    def drain(self) -> None:
        """Each session ends when it can."""
        for session in self.behind():
            session.drain()

    def abort(self) -> None:
        """Ends every connection at once."""
        for connection in self.all.snapshot():
            session = self.sessions.get(connection)
            if session is None:
                connection.abort(GATEWAY_STOPS)
            else:
                session.abort()

    def adopt(self, connection: Connection, session: PortSession) -> None:
        """A backend's connection counts as one of these until it is gone: its session is not over before."""
        self.all.add(connection)
        self.sessions[connection] = session
        connection.when_closed = lambda: self._let_go(connection)

    def closed(self, connection: Connection) -> None:
        """A client's connection is gone."""
        self._counters.closed += 1
        session = self.sessions.pop(connection, None)
        if session is not None:
            session.ended()
        self.numbered.pop(connection.number, None)
        self.all.discard(connection)

    def _let_go(self, connection: Connection) -> None:
        connection.when_closed = None
        self.sessions.pop(connection, None)
        self.all.discard(connection)


class TrackedConnection:
    """A connection with its place, as `admission` knows it.

    Args:
        connection: which has this as its `when_closed`.
        sessions: what stands behind it, if anything does.
        limits: where its place is.
        block: of its address; empty while that is not known.
        silent: whether it may be taken for a stranger while it says nothing.
        closed: is called once it is gone, before its place is free.
    """

    __slots__ = ("_closed", "_connection", "_sessions", "_slot", "block")

    def __init__(
        self,
        connection: Connection,
        sessions: Mapping[Connection, PortSession],
        limits: Limits,
        block: str,
        closed: Callable[[Connection], None],
        *,
        silent: bool = True,
    ) -> None:
        self.block = block
        self._connection = connection
        self._sessions = sessions
        self._closed = closed
        self._slot = limits.open(self, silent=silent)
        connection.when_closed = self._gone

    def has_spoken(self) -> bool:
        """Whether any byte of it has come."""
        return self._connection.has_spoken() or self._connection.has_arrived()

    def has_arrived(self) -> bool:
        """Whether any was not read yet."""
        return self._connection.has_arrived()

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What it is waited for; at the gate it waits for the gateway."""
        session = self._sessions.get(self._connection)
        return (Awaited.NOTHING, now) if session is None else session.awaited(now)

    def give_way(self, reason: str) -> None:
        """Closes it."""
        self._connection.give_way(reason)

    def replaced(self) -> None:
        """Its address is known now: another takes this one's place."""
        self._slot.release()

    def _gone(self) -> None:
        connection = self._connection
        connection.when_open = connection.when_closed = None  # they lead back to it: without them it is free at once
        self._closed(connection)
        self._slot.release()
