"""One client of an L4 listener that is turned away, and logged when it is gone."""

from __future__ import annotations

from functools import partial

from agwtwisted.core.identity.clients import TurnedAway
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.operations.live_clients import ClientState, LiveClient
from agwtwisted.core.operations.records import client_members
from agwtwisted.core.operations.session_records import SessionRecord, SessionStatus, render_session
from agwtwisted.core.plan.routing import RelaySite
from agwtwisted.listening.ports import Port
from agwtwisted.listening.succession import Succession, Turns
from agwtwisted.relay.relay_targets import RelayTarget
from agwtwisted.relay.session import End
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
        now, log, connection = self._port.clock.seconds(), self._port.access_log, self._connection
        counters, status = self._target.sessions, SessionStatus.FORBIDDEN
        counters.ended(status, connection.bytes_in, connection.bytes_out, now - self._began)
        if log.enabled:
            log.write_later(partial(self._line, now, log.timestamp()))

    def _line(self, now: float, timestamp: bytes) -> bytes:
        """The line of the access log."""
        record = SessionRecord(
            timestamp=timestamp,
            frame=self._target.frame,
            client=client_members(self.client, names_refused=self._port.gateway.log_refused_certificates),
            server_name=self.client.connection.server_name,
            received_bytes=self._connection.bytes_in,
            sent_bytes=self._connection.bytes_out,
            session_time=now - self._began,
            status=SessionStatus.FORBIDDEN,
            end=End.REFUSED.value,
        )
        return render_session(record)
