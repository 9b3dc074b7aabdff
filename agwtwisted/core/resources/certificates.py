"""Certificates of a configuration as values: the gateway's own, and those of the authorities that it trusts."""

from __future__ import annotations

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.verification.chains import TrustedChain


@attrs.frozen(kw_only=True, eq=False)
class SslCertificate:
    """A server certificate: the leaf first, then its intermediates, and the private key, which is never shown."""

    name: str
    certificates: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes = attrs.field(repr=False)
    source: bytes = b""  # SHA-256 of the files that it was read from, one after the other
    ocsp_stapling: bool = True  # whether an OCSP response about it is sent in handshakes


@attrs.frozen(kw_only=True, eq=False)
class TrustedClientCertificate:
    """A file of CA certificates against which clients are verified."""

    name: str
    chain: TrustedChain
    source: bytes = b""  # SHA-256 of its file


@attrs.frozen(kw_only=True, eq=False)
class TrustedRootCertificate:
    """A file of CA certificates against which backend servers are verified."""

    name: str
    file: str
    certificates: tuple[Certificate, ...]
    source: bytes = b""  # SHA-256 of the file


@attrs.frozen(kw_only=True)
class CrlFile:
    """A file with one CRL or several, PEM or DER. It may be large: its bytes are no part of a configuration."""

    path: str
