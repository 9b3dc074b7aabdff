"""Records of L4 sessions as JSON lines (product page "Monitoring data reference", access log of the TLS/TCP proxy)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import attrs

from agwtwisted.core.operations.record_lines import Line, constant, flag, number, quoted_number, rendered, seconds, text
from agwtwisted.core.operations.records import CLIENT, INSTANCE, TLS, ClientMembers, RecordFrame


class SessionStatus(IntEnum):
    """``serverStatus``: what became of a session, in nginx's numbers, which the product's are."""

    OK = 200  # there was a backend, whichever side ended the session
    FORBIDDEN = 403  # the client's certificate was refused after the handshake
    DEFECT = 500
    UNREACHABLE = 502  # no server of the pool could be connected to
    UNAVAILABLE = 503  # the gateway stopped before there was one


@attrs.frozen(kw_only=True)
class SessionRecord:
    """One session that has ended. Sizes are bytes without TLS, durations seconds; without a backend its are zero."""

    timestamp: bytes  # of its end
    frame: RecordFrame
    client: ClientMembers
    server_name: str  # SNI
    received_bytes: int  # from the client
    sent_bytes: int  # to the client
    session_time: float
    server_routed: str = ""  # host:port
    upstream_sent_bytes: int = 0  # to the backend, a PROXY protocol header included
    upstream_received_bytes: int = 0
    upstream_session_time: float = 0.0  # since the backend was connected to
    upstream_source_port: int | None = None
    status: SessionStatus
    end: str  # why it ended
    certificate_omitted: bool = False  # the PROXY protocol header had no room for it


SESSION: Final = Line(
    rendered("client.address", INSTANCE | CLIENT),
    rendered("client.tls", TLS),
    text("serverName", "server_name", "the name that the client asked for (SNI)"),
    constant("protocol", "TCP", "`TCP`"),
    number("receivedBytes", "received_bytes", "bytes from the client"),
    number("sentBytes", "sent_bytes", "bytes to the client"),
    seconds("sessionTime", "session_time", "seconds"),
    text("serverRouted", "server_routed", "the server"),
    quoted_number("serverStatus", "status", "`200`; `403` refused, `500` a defect, `502` no server, `503` stopping"),
    number("upstreamSentBytes", "upstream_sent_bytes", "bytes to the server"),
    number("upstreamReceivedBytes", "upstream_received_bytes", "bytes from the server"),
    seconds("upstreamSessionTime", "upstream_session_time", "seconds since the connection to the server was made"),
    quoted_number("upstreamSourcePort", "upstream_source_port", "the gateway's own port of the connection to it"),
    text("sessionEnd", "end", "why it ended"),
    flag(
        "clientCertificateOmitted",
        "certificate_omitted",
        "whether the PROXY protocol header had no room for the client's certificate",
    ),
)
"""The line of a `SessionRecord`."""


def render_session(record: SessionRecord) -> bytes:
    """The record as one line of JSON, in ASCII."""
    return SESSION.render(record)
