"""Access records to JSON lines, in the product's words (product page "Monitoring data reference", access log of v2).

A line says the URL once, and of a field from outside 2 KB at most: what a client sends must not fill the disk faster
than it comes. What stays the same is rendered once: a `RecordFrame` for each rule, a `ClientFrame` for each connection.
A request then costs one format operation; only bytes that JSON cannot hold as they are take the slow way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

import attrs

from agwtwisted.core.base.values import value
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.peer import Peer
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, NotAsked, Refused, Verdict, log_word

_PLAIN = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')
"""The bytes that stand in a JSON string as they are."""

_LATIN = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}
"""From what "surrogateescape" makes of bytes that are not UTF-8 to the same bytes as Latin-1."""


@attrs.frozen
class RecordFrame:
    """The part of a record that every request of a rule shares, as JSON text."""

    text: bytes

    @classmethod
    def from_names(
        cls,
        *,
        listener: str,
        rule: str = "",
        backend_pool: str = "",
        backend_setting: str = "",
    ) -> RecordFrame:
        """Renders the names; empty ones for what was not reached, such as the rule of a request without a route."""
        members = {
            "resourceId": "",
            "listenerName": listener,
            "ruleName": rule,
            "backendPoolName": backend_pool,
            "backendSettingName": backend_setting,
            "operationName": "ApplicationGatewayAccess",
            "category": "ApplicationGatewayAccessLog",
        }
        return cls(_members(members) + b',"properties":{' + _members({"instanceId": ""}))


@attrs.frozen
class ClientFrame:
    """The part of a record that every request of a connection shares, as JSON text."""

    address: bytes
    tls: bytes

    @classmethod
    def from_peer(cls, peer: Peer, *, names_refused: bool = True) -> ClientFrame:
        """Renders the address of a client, its TLS connection, and what was found about its certificate.

        With `names_refused` a certificate that is refused is named.
        """
        named = _refused(peer) if names_refused else b""
        return cls(_address(peer), _tls(peer, enabled=bool(peer.tls_version)) + named)


@value(kw_only=True)
class AccessRecord:
    """One finished exchange. Sizes are bytes, durations seconds; without a backend the server's fields are unset."""

    timestamp: bytes  # of its end, by `timestamp`
    frame: RecordFrame
    client: ClientFrame
    method: bytes
    target: bytes  # as it came, with its query
    rewritten_target: bytes  # as it was forwarded
    version: bytes  # b"1.1"
    original_host: bytes
    host: bytes  # as it was forwarded
    user_agent: bytes = b""
    status: int
    content_type: bytes = b""  # of the response
    received_bytes: int
    sent_bytes: int
    client_response_time: float  # from the first to the last byte sent to the client
    time_taken: float
    transaction_id: bytes
    server_routed: bytes = b""  # address:port
    server_status: int | None = None
    server_response_latency: float | None = None
    upstream_source_port: int | None = None
    error_info: ErrorInfo = ErrorInfo.NO_ERROR


@attrs.frozen(kw_only=True)
class HandshakeRecord:
    """One TLS handshake that came to nothing: who, why, and how many like it were left out since the last line."""

    timestamp: bytes
    frame: RecordFrame
    peer: Peer
    error: str
    omitted: int = 0
    error_info: ErrorInfo = attrs.field()

    @error_info.default
    def _error_info(self) -> ErrorInfo:
        """The code for "no valid certificate" where the client's certificate, or its absence, was the cause."""
        blamed = isinstance(_judged(self.peer), Missing | Refused)
        return ErrorInfo.HTTPS_NO_CERT if blamed else ErrorInfo.INVALID_REQUEST


def timestamp(seconds: float) -> bytes:
    """A POSIX time as records show it, to the second: ``2021-10-14T22:17:11+00:00``."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().encode()


_ACCESS = (
    b'{"timeStamp":"%b",%b,%b,"httpMethod":"%b","originalRequestUriWithArgs":"%b","requestUri":"%b","requestQuery":"%b",'
    b'"userAgent":"%b","httpStatus":%d,"httpVersion":"HTTP/%b","receivedBytes":%d,"sentBytes":%d,'
    b'"clientResponseTime":%.3f,"timeTaken":%.3f,"transactionId":"%b",%b,"serverRouted":"%b","serverStatus":"%b",'
    b'"serverResponseLatency":"%b","upstreamSourcePort":"%b","originalHost":"%b","host":"%b","error_info":"%b",'
    b'"contentType":"%b"}}\n'
)


def render(record: AccessRecord, log_query: bool) -> bytes:
    """The record as one line of JSON, in ASCII; without `log_query` no part of a query string is in it."""
    method, original, path, query, user_agent, version, transaction, routed, original_host, host, kind = _outside(
        record, log_query
    )
    return _ACCESS % (
        record.timestamp,
        record.frame.text,
        record.client.address,
        method,
        original,
        path,
        query,
        user_agent,
        record.status,
        version,
        record.received_bytes,
        record.sent_bytes,
        record.client_response_time,
        record.time_taken,
        transaction,
        record.client.tls,
        routed,
        b"" if record.server_status is None else b"%d" % record.server_status,
        b"" if record.server_response_latency is None else b"%.3f" % record.server_response_latency,
        b"" if record.upstream_source_port is None else b"%d" % record.upstream_source_port,
        original_host,
        host,
        record.error_info.octets,
        kind,
    )


def render_handshake(record: HandshakeRecord, names_refused: bool = True) -> bytes:
    """The record as one line of JSON, in ASCII; with `names_refused` a certificate that is refused is named.

    Its members are those of an access record, as far as a connection without a request has them, and ours:
    ``serverName`` (SNI), ``handshakeError``, ``omitted``. ``httpStatus`` is 0.
    """
    peer = attrs.evolve(record.peer, verdict=_judged(record.peer))
    ours = {
        "serverName": peer.server_name,
        "error_info": record.error_info.value,
        "handshakeError": record.error,
        "omitted": record.omitted,
    }
    tls = _tls(peer, enabled=True) + (_refused(peer) if names_refused else b"")
    parts = (record.frame.text, _address(peer), b'"httpStatus":0', tls, _members(ours))
    return b'{"timeStamp":"%b",%b}}\n' % (record.timestamp, b",".join(parts))


def _outside(record: AccessRecord, log_query: bool) -> tuple[bytes, ...]:
    """What came from outside, in the order of the line, each fit to stand in a JSON string."""
    path, _, query = record.rewritten_target.partition(b"?")
    original = b"" if record.target == record.rewritten_target else record.target
    if not log_query:
        original, query = original.partition(b"?")[0], b""
        original = b"" if original == path else original
    fields = (
        record.method,
        original,
        path,
        query,
        record.user_agent,
        record.version,
        record.transaction_id,
        record.server_routed,
        record.original_host,
        record.host,
        record.content_type,
    )
    # One look at all of them: nearly every request has nothing to escape or to cut.
    joined = b"".join(fields)
    if len(joined) > LONGEST_FIELD or joined.translate(None, _PLAIN):
        return tuple(map(_field, fields))
    return fields


def _judged(peer: Peer) -> Verdict:
    """A connection that ended before any certificate came was not refused for one."""
    return NotAsked() if peer.verdict == UNJUDGED and peer.certificate is None else peer.verdict


def _address(peer: Peer) -> bytes:
    return b'"clientIP":"%b","clientPort":%d' % (_escaped(peer.address.encode()), peer.port)


def _tls(peer: Peer, *, enabled: bool) -> bytes:
    """What connections have in common that were encrypted in the same way, with the same certificate and verdict."""
    certificate = peer.certificate
    fingerprint, issuer = (certificate.fingerprint, certificate.logged_issuer) if certificate else (b"", b"")
    render = _remembered_tls_members if len(issuer) <= LONGEST_ISSUER else _tls_members
    return render(
        enabled, peer.cipher, peer.tls_version, log_word(peer.verdict), peer.ocsp_status.value, fingerprint, issuer
    )


def _tls_members(
    enabled: bool, cipher: str, version: str, verified: str, status: str, fingerprint: bytes, issuer: bytes
) -> bytes:
    """Of nothing but these, so that they may be remembered by them."""
    return _members(
        {
            "sslEnabled": "on" if enabled else "off",
            "sslCipher": cipher,
            "sslProtocol": version,
            "sslClientVerify": verified,
            "ocspStatus": status,
            "sslClientCertificateFingerprint": _decoded(fingerprint),
            "sslClientCertificateIssuerName": _decoded(issuer),
        }
    )


def _refused(peer: Peer) -> bytes:
    """What finds a refused certificate in the books of its issuer, behind a comma; empty for any other."""
    certificate = peer.certificate
    if certificate is None or not isinstance(peer.verdict, Refused):
        return b""
    members = {
        "sslClientCertificateSubjectName": _decoded(certificate.logged_subject),
        "sslClientCertificateSerialNumber": _decoded(certificate.serial),
        "sslClientCertificateFingerprintSha256": sha256(certificate.der).hexdigest(),
    }
    return b"," + _members(members)


REMEMBERED: Final = 4096
"""Clients' TLS members that are remembered, those used last."""

LONGEST_ISSUER: Final = 512
"""Octets of an issuer's name with which they are: hostile ones are long, and would take much room."""

_remembered_tls_members = lru_cache(REMEMBERED)(_tls_members)


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def _members(members: Mapping[str, str | int]) -> bytes:
    """The members of a JSON object, without its braces."""
    encoded = _ENCODER.encode(members)
    if len(encoded) > LONGEST_FIELD:
        encoded = _ENCODER.encode(
            {name: cut(each) if isinstance(each, str) else each for name, each in members.items()}
        )
    return encoded[1:-1].encode()


def _decoded(raw: bytes) -> str:
    """Bytes from outside as text: UTF-8 where they are, each other byte as the Latin-1 letter of its number."""
    return raw.decode("utf-8", "surrogateescape").translate(_LATIN)


LONGEST_FIELD: Final = 2048
"""Octets of a field in a line, behind which it is cut."""

_WHOLE: Final = re.compile(r"(?:\\ud[89ab]..\\ud[c-f]..|\\u(?!d[89ab])....|\\[^u]|[^\\])*")
_TAIL: Final = re.compile(rb"[\xc0-\xff][\x80-\xbf]{0,2}\Z")


def cut(text: str) -> str:
    """Text that takes `LONGEST_FIELD` octets of a line at most, and behind it, where it was longer, how long it was."""
    dumped = json.dumps(text)[1:-1]
    if len(dumped) <= LONGEST_FIELD:
        return text
    whole = _WHOLE.match(dumped, 0, LONGEST_FIELD)
    begun: str = json.loads(f'"{whole[0] if whole else ""}"')
    return begun + _mark(len(text.encode("utf-8", "surrogatepass")))


def _mark(octets: int) -> str:
    return f"\u2026(of {octets} bytes)"


def _field(raw: bytes) -> bytes:
    """Bytes from outside as the inside of a JSON string, cut as by `cut`."""
    if len(raw) <= LONGEST_FIELD:
        escaped = _escaped(raw)
        if len(escaped) <= LONGEST_FIELD:
            return escaped
    begun = raw[:LONGEST_FIELD]
    if raw[LONGEST_FIELD : LONGEST_FIELD + 1] >= b"\x80":
        begun = _TAIL.sub(b"", begun)
    whole = _WHOLE.match(_escaped(begun).decode("ascii"), 0, LONGEST_FIELD)
    return (whole[0] if whole else "").encode() + json.dumps(_mark(len(raw)))[1:-1].encode()


def _escaped(raw: bytes) -> bytes:
    """Bytes from outside as the inside of a JSON string, in ASCII."""
    return json.dumps(_decoded(raw))[1:-1].encode() if raw.translate(None, _PLAIN) else raw
