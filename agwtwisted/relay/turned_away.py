"""One client of an L4 listener that is turned away, and logged when it is gone."""

from __future__ import annotations

from agwtwisted.core.identity.clients import TurnedAway
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.operations.live_clients import ClientState, LiveClient
from agwtwisted.core.operations.session_records import SessionStatus
from agwtwisted.core.plan.routing import RelaySite
from agwtwisted.listening.ports import Port
from agwtwisted.listening.succession import Succession, Turns
from agwtwisted.relay.relay_targets import RelayTarget
from agwtwisted.relay.session import End
from agwtwisted.relay.session_log import SessionLog
from agwtwisted.relay.waiting import WaitingClient
from agwtwisted.transport.connection import Connection


class TurnedAwaySession:
    """A client of an L4 listener that is refused after its handshake, until its connection is gone."""

    def __init__(self, port: Port[RelaySite], target: RelayTarget, connection: Connection, client: TurnedAway) -> None:
        self.client = client
        self._port = port
        self._target = target
        self._connection = connection
        self._began = port.clock.seconds()
        connection.receiver = WaitingClient(connection, self._gone)

    def begin(self) -> None:
        """Closes the connection."""
        self._connection.close()

    @property
    def listener(self) -> str:
        """The name of its listener."""
        return self._target.site.listener.name

    def shown(self) -> LiveClient:
        """Who was refused."""
        protocol = self._port.protocol
        return LiveClient.of(self.client, listener=self.listener, protocol=protocol, state=ClientState.REFUSED)

    def dismiss(self) -> None:
        """It ends now."""
        self._connection.abort()

    def drain(self) -> None:
        """It ends as soon as it can."""

    def abort(self) -> None:
        """There is no more time."""
        self._connection.abort()

    def ended(self) -> None:
        """The connection is gone."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The client is not waited for."""
        return Awaited.NOTHING, now

    def moved(self, succession: Succession) -> None:
        """It ends, and what the log says of it stays."""

    def retire(self, turns: Turns) -> None:
        """The same."""

    def _gone(self, reason: str) -> None:
        SessionLog(
            port=self._port,
            target=self._target,
            connection=self._connection,
            client=self.client,
            began=self._began,
            status=SessionStatus.FORBIDDEN,
            end=End.REFUSED,
        ).write()
