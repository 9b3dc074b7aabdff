"""The request headers that identify the client to a backend, rendered once for each connection."""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from collections.abc import Iterator
from typing import Final, TypeAlias

from agwtwisted.core.certificates.variables import CertificateVariables, alternative_names, url_encoded_pem
from agwtwisted.core.identity.clients import Identity
from agwtwisted.core.resources.resources import CertificateHeaders
from agwtwisted.core.verification.verdicts import Absent, Trusted, Unchecked, Verdict, verification_variable

_Headers: TypeAlias = list[bytes]
"""Whole lines. Those that only make sense together are one, under the name of the first."""

_BUILT_IN: Final = frozenset(each for each in CertificateHeaders if each.is_built_in)
_OMITTED: Final = b"X-Client-Certificate-Omitted"


def header_block(
    identity: Identity,
    wanted: frozenset[CertificateHeaders],
    *,
    limit: int = 30000,
) -> bytes:
    """Complete header lines, each with its CR LF, for every request of one connection; empty with nothing to say.

    `wanted` are the headers of the backend settings (`client_certificate_headers`), empty for `off`. What a certificate
    lacks is not sent. The values are printable ASCII, whatever the certificate holds.

    Where the block would exceed `limit` bytes, the largest headers are left out, nothing is cut, and the header
    ``X-Client-Certificate-Omitted`` names those that the backend does not get. Make `limit` no less than 1,000.

    Args:
        identity: of an admitted client; with a certificate, or with the verdict Absent, which makes the word NONE.
    """
    verdict, certificate = identity.verdict, identity.certificate
    if isinstance(verdict, Absent):
        return _verification(verdict) if wanted & _BUILT_IN else b""
    if certificate is None or not isinstance(verdict, Trusted | Unchecked):
        return b""
    trusted = isinstance(verdict, Trusted)
    chain = identity.chain_der if trusted else ()
    headers: _Headers = []
    if wanted & _BUILT_IN:
        headers.append(b"X-Client-Certificate: %b\r\n" % certificate.certificate)
        headers.append(_verification(verdict))
        if trusted or CertificateHeaders.ALL in wanted:
            headers += _details(certificate)
    if CertificateHeaders.RFC9440 in wanted:
        headers.append(_rfc9440(certificate.der, chain))
    if CertificateHeaders.XFCC in wanted:
        headers.append(b"x-forwarded-client-cert: %b\r\n" % b";".join(_xfcc(certificate, chain)))
    block = b"".join(headers)
    return block if len(block) <= limit else _fitting(headers, limit)


def _verification(verdict: Verdict) -> bytes:
    return b"X-Client-Certificate-Verification: %b\r\n" % verification_variable(verdict).encode()


def _details(certificate: CertificateVariables) -> _Headers:
    """The certificate's fields as text; of a certificate that was not verified they prove nothing."""
    values = (
        (b"X-Client-Certificate-Subject", certificate.subject),
        (b"X-Client-Certificate-Issuer", certificate.issuer),
        (b"X-Client-Certificate-Serial", certificate.serial),
        (b"X-Client-Certificate-Fingerprint", certificate.fingerprint),
        (b"X-Client-Certificate-Start-Date", certificate.start_date),
        (b"X-Client-Certificate-End-Date", certificate.end_date),
    )
    return [b"%b: %b\r\n" % named for named in values if named[1]]


def _fitting(headers: _Headers, limit: int) -> bytes:
    """The lines as far as they fit, and the names of those that do not."""
    left = sum(map(len, headers))
    omitted: _Headers = []
    flag = b""
    for lines in sorted(headers, key=len, reverse=True):
        if left + len(flag) <= limit:
            break
        left -= len(lines)
        omitted.append(lines)
        flag = b"%b: %b\r\n" % (_OMITTED, b", ".join([each.partition(b":")[0] for each in omitted]))
    return b"".join([lines for lines in headers if lines not in omitted]) + flag


# RFC 9440


def _rfc9440(leaf: bytes, chain: tuple[bytes, ...]) -> bytes:
    """``Client-Cert`` and ``Client-Cert-Chain``, the second never without the first (RFC 9440 section 2).

    The chain is in the order of TLS and without the leaf. The trust anchor stays in it: it may only be left out for
    an origin that is known to have it (section 2.3), and nothing says so here.
    """
    lines = b"Client-Cert: %b\r\n" % _byte_sequence(leaf)
    if chain:
        lines += b"Client-Cert-Chain: %b\r\n" % b", ".join(map(_byte_sequence, chain))
    return lines


def _byte_sequence(octets: bytes) -> bytes:
    """A structured field's Byte Sequence (RFC 8941 section 3.3.5)."""
    return b":%b:" % b2a_base64(octets, newline=False)


# x-forwarded-client-cert


def _xfcc(leaf: CertificateVariables, chain: tuple[bytes, ...]) -> Iterator[bytes]:
    """The elements of Envoy's header, in the order of its documentation (configuration/http/http_conn_man/headers).

    As there, ``Subject`` and ``URI`` are sent even when empty.
    """
    uris, dns_names = alternative_names(leaf.der)
    yield b"Hash=" + hashlib.sha256(leaf.der).hexdigest().encode()
    yield b'Cert="%b"' % leaf.certificate
    if chain:
        yield b'Chain="%b%b"' % (leaf.certificate, b"".join(map(url_encoded_pem, chain)))
    # The other escapes that RFC 2253 has for these two: parsers differ in how they take a backslash within quotes.
    yield b'Subject="%b"' % leaf.subject.replace(rb"\\", rb"\5C").replace(rb"\"", rb"\22")
    yield from [b"URI=" + value for value in _quoted(uris)] or [b"URI="]
    yield from (b"DNS=" + value for value in _quoted(dns_names))


_SPEAKABLE: Final = re.compile(rb"[!#-\[\]-~]+")
_NEEDS_QUOTES: Final = re.compile(rb"[,;=]")


def _quoted(names: tuple[bytes, ...]) -> Iterator[bytes]:
    """Names as values of the header.

    A name with an octet that neither a URI nor a DNS name can have (control characters, space, quotes, backslash,
    beyond ASCII) is left out: readers could take it for another name.
    """
    for name in names:
        if _SPEAKABLE.fullmatch(name):
            yield b'"%b"' % name if _NEEDS_QUOTES.search(name) else name
