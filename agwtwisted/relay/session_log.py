"""What is counted and logged of an L4 session when it is over, whether its client was admitted or turned away."""

from __future__ import annotations

from functools import partial
from typing import Final

import attrs

from agwtwisted.core.identity.clients import Client
from agwtwisted.core.operations.records import client_members
from agwtwisted.core.operations.session_records import SessionRecord, SessionStatus, render_session
from agwtwisted.core.plan.routing import RelaySite
from agwtwisted.listening.ports import Port
from agwtwisted.relay.relay_targets import RelayTarget
from agwtwisted.relay.session import End
from agwtwisted.transport.connection import Connection


@attrs.frozen(kw_only=True, eq=False)
class BackendShare:
    """What a backend had of a session. Sizes are bytes, durations seconds; without a backend all are zero."""

    server: str = ""  # host:port
    sent: int = 0
    received: int = 0
    since: float | None = None  # when it was connected to, on the clock
    source_port: int | None = None
    certificate_omitted: bool = False


NO_SHARE: Final = BackendShare()


@attrs.frozen(kw_only=True, eq=False)
class SessionLog:
    """Of one session whose connections are gone: `write` is called once."""

    port: Port[RelaySite]
    target: RelayTarget
    connection: Connection
    client: Client
    began: float
    status: SessionStatus
    end: End
    share: BackendShare = NO_SHARE

    def write(self) -> None:
        """Counts the session, and has its line written where there is an access log."""
        now, log, connection = self.port.clock.seconds(), self.port.access_log, self.connection
        self.target.sessions.ended(self.status, connection.bytes_in, connection.bytes_out, now - self.began)
        if log.enabled:
            log.write_later(partial(self._line, now, log.timestamp()))

    def _line(self, now: float, timestamp: bytes) -> bytes:
        share = self.share
        record = SessionRecord(
            timestamp=timestamp,
            frame=self.target.frame,
            client=client_members(self.client, names_refused=self.port.gateway.log_refused_certificates),
            server_name=self.client.connection.server_name,
            received_bytes=self.connection.bytes_in,
            sent_bytes=self.connection.bytes_out,
            session_time=now - self.began,
            server_routed=share.server,
            upstream_sent_bytes=share.sent,
            upstream_received_bytes=share.received,
            upstream_session_time=0.0 if share.since is None else now - share.since,
            upstream_source_port=share.source_port,
            status=self.status,
            end=self.end.value,
            certificate_omitted=share.certificate_omitted,
        )
        return render_session(record)
