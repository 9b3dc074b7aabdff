"""Access records to JSON lines, in the product's words (product page "Monitoring data reference", access log of v2).

A line says the URL once. What stays the same is rendered once: a `RecordFrame` for each rule, the `ClientMembers` for
each client. A request then costs one format operation; only bytes that JSON cannot hold as they are take the slow way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol, TypeAlias

import attrs

from agwtwisted.core.http.messages import RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import NOT_CHECKED, CertificateProof, Client, ClientConnection, PendingClient
from agwtwisted.core.operations.record_lines import Line, number, outside, quoted_number, rendered, seconds, word
from agwtwisted.core.operations.record_texts import decoded, escaped, field, members
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, NotAsked, Refused, Verdict, log_word

ENVELOPE: Final = {
    "timeStamp": "when the request, handshake or session ended, to the second",
    "resourceId": "empty",
    "listenerName": "the listener",
    "ruleName": "the rule; empty if none was reached",
    "backendPoolName": "the pool",
    "backendSettingName": "the backend settings",
    "operationName": "`ApplicationGatewayAccess`",
    "category": "`ApplicationGatewayAccessLog`",
    "properties": "an object with the members below",
}
"""What the members of every line mean that are not among its properties: the time, and the first part of a frame."""

INSTANCE: Final = {"instanceId": "empty"}
"""The first property of every line, which ends a frame."""


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
        named = {
            "resourceId": "",
            "listenerName": listener,
            "ruleName": rule,
            "backendPoolName": backend_pool,
            "backendSettingName": backend_setting,
            "operationName": "ApplicationGatewayAccess",
            "category": "ApplicationGatewayAccessLog",
        }
        return cls(members(named) + b',"properties":{' + members({"instanceId": ""}))


CLIENT: Final = {"clientIP": "the client's address", "clientPort": "and port"}

TLS: Final = {
    "sslEnabled": "`on` or `off`",
    "sslCipher": "the cipher suite in OpenSSL's name",
    "sslProtocol": "`TLSv1.2` or `TLSv1.3`",
    "sslSessionReused": "`on` if the handshake resumed a TLS session, else `off`",
    "sslClientVerify": "`NONE`, `PASSTHROUGH`, `SUCCESS` or `FAILED:` and the reason",
    "revocationStatus": (
        "`not-checked`, `good`, `revoked`, `unknown`, `unavailable`, `unavailable-allowed` (and accepted), `not-asked`"
    ),
    "revocationSource": "what has said so: `OCSP` or `CRL`; empty if nothing has",
    "ocspStatus": (
        "`revocationStatus`, if OCSP has said it, or was asked and nothing has said anything; else `not-checked`"
    ),
    "sslClientCertificateFingerprint": "SHA-1 of the client's certificate",
    "sslClientCertificateIssuerName": "its issuer",
    "sslClientCertificateSubjectName": "its subject, if it is refused (unless `log_refused_certificates = false`)",
    "sslClientCertificateSerialNumber": "and its serial number, in hexadecimal",
    "sslClientCertificateFingerprintSha256": "and its SHA-256",
}


@attrs.frozen
class ClientMembers:
    """The part of a record that every request of a client shares, as JSON text; made by `client_members`."""

    address: bytes
    tls: bytes


class _Key(Enum):
    """By what a client remembers its `ClientMembers`."""

    NAMED = "with the name of a refused certificate"
    UNNAMED = "without it"

    __hash__ = object.__hash__  # that of an Enum is computed in Python


# Before Python 3.12 each look at a member of an Enum costs a call.
_NAMED, _UNNAMED = _Key


def client_members(client: Client, *, names_refused: bool = True) -> ClientMembers:
    """What records say of a client: its address, its TLS and its certificate; rendered once for each client.

    With `names_refused` a certificate that is refused is named.
    """
    key = _NAMED if names_refused else _UNNAMED
    known: ClientMembers | None = client.remembered.get(key)
    if known is None:
        connection, verdict = client.connection, client.verdict
        tls = _tls(connection, client.proof, verdict, _revocation(client), enabled=bool(connection.tls_version))
        named = _refused(client.proof, verdict) if names_refused else b""
        known = client.remembered[key] = ClientMembers(_address(connection), tls + named)
    return known


class AccessRecord(Protocol):
    """One finished exchange, as its line reads it: the shell has no other object of it.

    Sizes are bytes, durations seconds; without a backend the server's fields are unset.
    """

    timestamp: bytes  # of its end, by `timestamp`
    frame: RecordFrame
    members: ClientMembers
    request: RequestHead | UnfitRequest
    forwarded_target: bytes | None  # None: as it came
    host: bytes  # as it was forwarded
    status: int
    content_type: bytes  # of the response
    received_bytes: int
    sent_bytes: int
    client_response_time: float  # from the first to the last byte sent to the client
    time_taken: float
    trace_id: bytes
    server_name: bytes  # address:port
    server_status: int | None
    server_response_latency: float | None
    upstream_port: int | None
    error_info: ErrorInfo


@attrs.frozen(kw_only=True)
class HandshakeRecord:
    """One TLS handshake that came to nothing: who, why, and how many like it were left out since the last line."""

    timestamp: bytes
    frame: RecordFrame
    client: PendingClient
    error: str
    omitted: int = 0
    error_info: ErrorInfo = attrs.field()

    @error_info.default
    def _error_info(self) -> ErrorInfo:
        """The code for "no valid certificate" where the client's certificate, or its absence, was the cause."""
        blamed = isinstance(_judged(self.client.proof), Missing | Refused)
        return ErrorInfo.HTTPS_NO_CERT if blamed else ErrorInfo.INVALID_REQUEST


def timestamp(seconds: float) -> bytes:
    """A POSIX time as records show it, to the second: ``2021-10-14T22:17:11+00:00``."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().encode()


ACCESS: Final = Line(
    rendered("members.address", INSTANCE | CLIENT),
    outside("httpMethod", "request.method", "the method"),
    # What these three say is given by `render`.
    outside(
        "originalRequestUriWithArgs",
        "",
        "path and query as received, if they were forwarded differently; else empty",
    ),
    outside("requestUri", "", "the path as forwarded"),
    outside("requestQuery", "", "the query as forwarded"),
    outside("userAgent", "request.user_agent", "User-Agent"),
    number("httpStatus", "status", "the status that the client got; 499 if it disconnected before"),
    outside("httpVersion", "request.version", "`HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`", b"HTTP/%b"),
    number("receivedBytes", "received_bytes", "bytes of the request, head and body"),
    number("sentBytes", "sent_bytes", "bytes of the response, head and body"),
    seconds("clientResponseTime", "client_response_time", "seconds from the first to the last byte of the response"),
    seconds("timeTaken", "time_taken", "seconds from the request's head to the end of the response"),
    outside("transactionId", "trace_id", "the same as X-Appgw-Trace-Id at the backend"),
    rendered("members.tls", TLS),
    outside("serverRouted", "server_name", "the last server to which the request was sent"),
    quoted_number("serverStatus", "server_status", "the status of its response"),
    quoted_number("serverResponseLatency", "server_response_latency", "seconds until its response began", b"%.3f"),
    quoted_number("upstreamSourcePort", "upstream_port", "the gateway's own port of the connection to it"),
    outside("originalHost", "request.authority", "Host as received"),
    outside("host", "host", "Host as forwarded"),
    word("error_info", "error_info.octets", "why the gateway itself answered: [error codes](error-codes.md)"),
    outside("contentType", "content_type", "Content-Type of the response"),
)
"""The line of an `AccessRecord`."""


def render(record: AccessRecord, log_query: bool) -> bytes:
    """The record as one line of JSON, in ASCII; without `log_query` no part of a query string is in it.

    It says the target as it came, where it was forwarded as another, and path and query as they were forwarded.
    """
    came = record.request.target
    forwarded = record.forwarded_target
    path, _, query = (came if forwarded is None else forwarded).partition(b"?")
    original = b"" if forwarded is None or forwarded == came else came
    if not log_query:
        original, query = original.partition(b"?")[0], b""
        original = b"" if original == path else original
    return ACCESS.render(record, original, path, query)


_FAILURE: Final = (
    ("serverName", lambda record: record.client.connection.server_name, "the name that the client asked for (SNI)"),
    ("error_info", lambda record: record.error_info.value, "as above"),
    ("handshakeError", lambda record: record.error, "why the handshake failed"),
    (
        "omitted",
        lambda record: record.omitted,
        "the number of lines about this address that were omitted since the last one",
    ),
)

HANDSHAKE: Final = {
    **INSTANCE,
    **CLIENT,
    "httpStatus": "0",
    **TLS,
    **{name: meaning for name, _, meaning in _FAILURE},
}
"""What the properties of a `HandshakeRecord` mean."""


def render_handshake(record: HandshakeRecord, names_refused: bool = True) -> bytes:
    """The record as one line of JSON, in ASCII; with `names_refused` a certificate that is refused is named.

    Its members are those of an access record, as far as a connection without a request has them, and ours:
    ``serverName`` (SNI), ``handshakeError``, ``omitted``. ``httpStatus`` is 0.
    """
    connection, proof = record.client.connection, record.client.proof
    verdict = _judged(proof)
    ours = {name: read(record) for name, read, _ in _FAILURE}
    tls = _tls(connection, proof, verdict, _NOT_CHECKED, enabled=True)
    tls += _refused(proof, verdict) if names_refused else b""
    parts = (record.frame.text, _address(connection), b'"httpStatus":0', tls, members(ours))
    return b'{"timeStamp":"%b",%b}}\n' % (record.timestamp, b",".join(parts))


def _judged(proof: CertificateProof) -> Verdict:
    """A connection that ended before any certificate came was not refused for one."""
    return NotAsked() if proof.verdict == UNJUDGED and proof.certificate is None else proof.verdict


def _address(connection: ClientConnection) -> bytes:
    return b'"clientIP":"%b","clientPort":%d' % (escaped(connection.address.encode()), connection.port)


_Revocation: TypeAlias = tuple[str, str, str]
"""The status of a client's certificate, the source that has said it, and the same of OCSP alone."""

_NOT_CHECKED: Final = NOT_CHECKED.status.value, NOT_CHECKED.source.value, NOT_CHECKED.ocsp_status.value


def _revocation(client: Client) -> _Revocation:
    # Before Python 3.12 each `value` of a member of an Enum costs two calls.
    return client.revocation_status._value_, client.revocation_source._value_, client.ocsp_status._value_


def _tls(
    connection: ClientConnection, proof: CertificateProof, verdict: Verdict, revocation: _Revocation, *, enabled: bool
) -> bytes:
    """What connections have in common that were encrypted in the same way, with the same certificate and verdict."""
    certificate = proof.certificate
    fingerprint, issuer = (certificate.fingerprint, certificate.logged_issuer) if certificate else (b"", b"")
    reused, verified = connection.session_reused, log_word(verdict)
    known = _tls_members(enabled, connection.cipher, connection.tls_version, reused, verified, revocation)
    return b'%b,"sslClientCertificateFingerprint":"%b","sslClientCertificateIssuerName":"%b"' % (
        known,
        fingerprint,
        field(issuer),
    )


@lru_cache(256)  # the same few of all clients
def _tls_members(
    enabled: bool, cipher: str, version: str, reused: bool, verified: str, revocation: _Revocation
) -> bytes:
    """Of nothing but these, none of which a client writes."""
    return members(
        {
            "sslEnabled": "on" if enabled else "off",
            "sslCipher": cipher,
            "sslProtocol": version,
            "sslSessionReused": "on" if reused else "off",
            "sslClientVerify": verified,
            "revocationStatus": revocation[0],
            "revocationSource": revocation[1],
            "ocspStatus": revocation[2],
        }
    )


def _refused(proof: CertificateProof, verdict: Verdict) -> bytes:
    """What finds a refused certificate in the books of its issuer, behind a comma; empty for any other."""
    certificate = proof.certificate
    if certificate is None or not isinstance(verdict, Refused):
        return b""
    named = {
        "sslClientCertificateSubjectName": decoded(certificate.logged_subject),
        "sslClientCertificateSerialNumber": decoded(certificate.serial),
        "sslClientCertificateFingerprintSha256": sha256(certificate.der).hexdigest(),
    }
    return b"," + members(named)
