"""The heads that the gateway sends: of the request to the backend, of the response to the client."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from agwtwisted.core.base.remembering import LONGEST
from agwtwisted.core.exchange.certificate_headers import header_block
from agwtwisted.core.http.header_lines import Header, HeaderBlock, rendered
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.http.managed import canonical
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead, has_body
from agwtwisted.core.identity.clients import Admitted, ClientConnection, Identity
from agwtwisted.core.resources.resources import BackendHttpSettings, CertificateHeaders
from agwtwisted.core.rules.rewriting import RewrittenRequest
from agwtwisted.core.verification.verdicts import Trusted

LAST_CHUNK = b"0\r\n\r\n"

REMEMBERED: Final = 512
"""Identity blocks that a port remembers."""

# Before Python 3.12 each look at a member of an Enum costs a call.
_NONE, _LENGTH, _CHUNKED, _CLOSE = Framing.NONE, Framing.LENGTH, Framing.CHUNKED, Framing.CLOSE


def client_address(connection: ClientConnection) -> bytes:
    """``address:port`` of a client, an IPv6 address in brackets."""
    address = f"[{connection.address}]" if ":" in connection.address else connection.address
    return f"{address}:{connection.port}".encode()


def identity_block(client: Admitted, wanted: frozenset[CertificateHeaders], *, fingerprinted: bool = False) -> bytes:
    """The header lines that are the same for every request of one client, but for X-Forwarded-For.

    Args:
        client: who sent the requests.
        wanted: the ready-made headers of its certificate.
        fingerprinted: whether the JA4 of its ClientHello is among them.
    """
    connection = client.connection
    ja4 = connection.ja4 if fingerprinted else b""
    return _identity_block(connection.gateway_port, bool(connection.tls_version), ja4, client.identity, wanted)


def _identity_block(
    port: int, encrypted: bool, ja4: bytes, identity: Identity, wanted: frozenset[CertificateHeaders]
) -> bytes:
    """The same of what it depends on."""
    protocol = b"https" if encrypted else b"http"
    fingerprint = b"x-azure-ja4-fingerprint: %b\r\n" % ja4 if ja4 else b""
    lines = header_block(identity, wanted) if wanted else b""
    return b"X-Forwarded-Proto: %b\r\nX-Forwarded-Port: %d\r\n%b%b" % (protocol, port, fingerprint, lines)


class IdentityBlocks:
    """`identity_block` with a memory: clients come back, and open several connections, with the same certificate.

    A block has the certificate itself, and with it much of a session's room. Those used last are remembered, but for
    those of long certificates, and of clients that are not trusted: clients can make any number of certificates, and
    of fingerprints of their TLS.
    """

    def __init__(self) -> None:
        self._remembered = lru_cache(maxsize=REMEMBERED)(_identity_block)

    def block(self, client: Admitted, wanted: frozenset[CertificateHeaders], *, fingerprinted: bool = False) -> bytes:
        """As `identity_block` says."""
        connection, identity = client.connection, client.identity
        certificate = identity.certificate
        size = sum(map(len, identity.chain_der), 0 if certificate is None else len(certificate.der))
        ja4 = connection.ja4 if fingerprinted else b""
        is_known = (certificate is None and not ja4) or isinstance(identity.verdict, Trusted)
        block_of = self._remembered if is_known and size <= LONGEST else _identity_block
        return block_of(connection.gateway_port, bool(connection.tls_version), ja4, identity, wanted)


def host_for(settings: BackendHttpSettings, head: RequestHead, host: str) -> bytes:
    """The Host header for a backend, which is at `host`, unless a rule has set one: the settings' or the client's.

    Where the client named none it is the server's own, as in HTTP/1.1 there has to be one.
    """
    if settings.host_name:
        return settings.host_name.encode()
    named = b"" if settings.pick_host_name_from_backend_address else head.authority
    return named or bracketed(host).encode()


def request_bytes(head: RequestHead, host: bytes, identity: bytes, address: bytes, trace_id: bytes) -> bytes:
    """The head that the backend gets.

    Args:
        head: the client's.
        host: the Host header's value.
        identity: what `identity_block` made.
        address: the client's, appended to X-Forwarded-For as the product does.
        trace_id: 32 hex digits.
    """
    forwarded_for = head.forwarded_for + b", " + address if head.forwarded_for else address
    headers, target = head.headers, head.target
    lines = headers.octets if isinstance(headers, HeaderBlock) else rendered(headers)
    return (
        b"%b %b HTTP/1.1\r\nHost: %b\r\nX-Forwarded-For: %b\r\n%bX-Original-Host: %b\r\nX-Original-Url: %b\r\n"
        b"X-Appgw-Trace-Id: %b\r\n%b%b\r\n"
    ) % (head.method, target, host, forwarded_for, identity, head.authority, target, trace_id, lines, _hop(head))


def rewritten_request_bytes(
    head: RequestHead, request: RewrittenRequest, host: bytes, identity: bytes, address: bytes, trace_id: bytes
) -> bytes:
    """The same of a request that rewrite rules have seen.

    Of the lines that the gateway adds, those are left out about which rules have decided otherwise. X-Original-Host and
    X-Original-Url stay what the client asked for; the path in its one form where it decided access, for there are
    servers that take it for the path of the request.
    """
    forwarded_for = head.forwarded_for + b", " + address if head.forwarded_for else address
    decided = request.decided
    own = (
        (b"x-forwarded-for", b"X-Forwarded-For: %b\r\n" % forwarded_for),
        (b"", without(identity, decided) if decided else identity),
        (b"x-original-host", b"X-Original-Host: %b\r\n" % head.authority),
        (b"x-original-url", b"X-Original-Url: %b\r\n" % request.asked),
        (b"x-appgw-trace-id", b"X-Appgw-Trace-Id: %b\r\n" % trace_id),
    )
    lines = [
        b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method, request.target, request.host or host),
        *[line for name, line in own if name not in decided],
        rendered(request.headers),
        _hop(head),
        b"\r\n",
    ]
    return b"".join(lines)


def without(block: bytes, names: frozenset[bytes]) -> bytes:
    """Whole header lines without those of certain names, which are canonical."""
    if names <= _EACH_REQUEST:
        return block
    lines = block.split(b"\r\n")
    return b"\r\n".join([line for line in lines if canonical(line.partition(b":")[0]) not in names])


_EACH_REQUEST: Final = frozenset(b"host x-forwarded-for x-original-host x-original-url x-appgw-trace-id".split())
"""Names of lines that differ from request to request, and so are in no block."""


def _hop(head: RequestHead) -> bytes:
    """The lines that concern the connection to the backend only."""
    lines = b"Connection: keep-alive\r\n"
    if head.upgrade:
        lines = b"Connection: upgrade\r\nUpgrade: %b\r\n" % head.upgrade
    if head.framing is _LENGTH:
        lines += b"Content-Length: %d\r\n" % head.content_length
    elif head.framing is _CHUNKED:
        lines += b"Transfer-Encoding: chunked\r\n"
    if head.expects_continue:
        lines += b"Expect: 100-continue\r\n"
    return lines


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112 section 7.1); `data` is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def client_framing(head: ResponseHead, *, version: bytes, to_head_request: bool) -> Framing:
    """How the response's body is framed for the client."""
    if not has_body(head, to_head_request=to_head_request):
        return _NONE
    if head.framing is _LENGTH:
        return _LENGTH
    return _CHUNKED if version == b"1.1" else _CLOSE


def response_bytes(head: ResponseHead, framing: Framing, *, keep_alive: bool, version: bytes) -> bytes:
    """The head that the client gets.

    Args:
        head: the backend's, or one of ours.
        framing: of the body, towards the client.
        keep_alive: whether the connection stays open.
        version: the client's; only HTTP/1.0 needs a header for a connection that stays open.
    """
    headers = head.headers
    lines = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)]
    if isinstance(headers, HeaderBlock) and headers.has_length:
        lines.append(headers.octets)
    else:
        lines.append(rendered(headers))
        if head.framing is _LENGTH:
            lines.append(b"Content-Length: %d\r\n" % head.content_length)
        elif framing is _CHUNKED:
            lines.append(b"Transfer-Encoding: chunked\r\n")
    if not keep_alive:
        lines.append(b"Connection: close\r\n")
    elif version == b"1.0":
        lines.append(b"Connection: keep-alive\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def informational_bytes(status: int, reason: bytes, headers: Sequence[Header]) -> bytes:
    """A 1xx head; for 101 the lines of the switch are among the headers."""
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, rendered(headers))
