"""Records of L4 sessions as JSON lines (product page "Monitoring data reference", access log of the TLS/TCP proxy)."""

from __future__ import annotations

import json
from enum import IntEnum

import attrs

from agwtwisted.core.operations.records import ClientFrame, RecordFrame, cut


class SessionStatus(IntEnum):
    """``serverStatus``: what became of a session, in nginx's numbers, which the product's are."""

    OK = 200  # there was a backend, whoever ended the session
    FORBIDDEN = 403  # the client's certificate was refused after the handshake
    DEFECT = 500
    UNREACHABLE = 502  # no server of the pool could be connected to
    UNAVAILABLE = 503  # the gateway stopped before there was one


@attrs.frozen(kw_only=True)
class SessionRecord:
    """One session that has ended. Sizes are bytes without TLS, durations seconds; without a backend its are zero."""

    timestamp: bytes  # of its end
    frame: RecordFrame
    client: ClientFrame
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


_SESSION = (
    b'{"timeStamp":"%b",%b,%b,%b,"serverName":%b,"protocol":"TCP","receivedBytes":%d,"sentBytes":%d,"sessionTime":%.3f,'
    b'"serverRouted":%b,"serverStatus":"%d","upstreamSentBytes":%d,"upstreamReceivedBytes":%d,'
    b'"upstreamSessionTime":%.3f,"upstreamSourcePort":"%b","sessionEnd":%b,"clientCertificateOmitted":%b}}\n'
)


def render_session(record: SessionRecord) -> bytes:
    """The record as one line of JSON, in ASCII."""
    return _SESSION % (
        record.timestamp,
        record.frame.text,
        record.client.address,
        record.client.tls,
        json.dumps(cut(record.server_name)).encode(),
        record.received_bytes,
        record.sent_bytes,
        record.session_time,
        json.dumps(record.server_routed).encode(),
        record.status.value,
        record.upstream_sent_bytes,
        record.upstream_received_bytes,
        record.upstream_session_time,
        b"" if record.upstream_source_port is None else b"%d" % record.upstream_source_port,
        json.dumps(cut(record.end)).encode(),
        b"true" if record.certificate_omitted else b"false",
    )
