"""What one certificate must be to be accepted, whatever chain it stands in (RFC 5280).

OpenSSL checks much of this too, but what exactly differs with its version and flags; keys and digests it judges by a
security level that a list of cipher suites can lower, and it passes over doubled extensions. Each `..._fault` is a
reason, empty when there is none.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from agwtwisted.core import reasons

_ExtensionT = TypeVar("_ExtensionT", bound=x509.ExtensionType)

CANNOT_READ: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,
)
"""What cryptography raises for certificates, keys, names and extensions that it cannot read.

Warnings are among them for processes that turn them into errors: the library warns of serial numbers below 1.
"""

MIN_RSA_BITS: Final = 2048
MIN_EC_BITS: Final = 224
"""112 bits of security, OpenSSL's security level 2 (NIST SP 800-57 part 1, table 2)."""

_HANDLED: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    }
)
"""Extensions that may be critical: OpenSSL or these rules look at them, or they ask nothing of a verifier."""


def certificate_from(der: bytes) -> x509.Certificate | None:
    """The certificate that these bytes are, None where cryptography cannot read them.

    What cryptography would warn of, with every such client, is common in private PKIs and harmless: a serial that is
    zero or negative (RFC 5280 section 4.1.2.2), a name longer than X.520 allows. It reads names once.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # CryptographyDeprecationWarning is one
            certificate = x509.load_der_x509_certificate(der)
            with suppress(*CANNOT_READ):
                certificate.issuer, certificate.subject  # noqa: B018
            return certificate
    except CANNOT_READ:
        return None


def client_fault(certificate: x509.Certificate, *, allow_weak: bool = False, any_purpose: bool = False) -> str:
    """Why this leaf is not accepted from a client.

    With `allow_weak` keys and digests do not count, with `any_purpose` nor does an extendedKeyUsage without clientAuth.
    """
    try:
        return (
            _extensions_fault(certificate)
            or (reasons.LEAF_KEY_WEAK if _has_weak_key(certificate) and not allow_weak else "")
            or (reasons.DIGEST_WEAK if has_weak_digest(certificate) and not allow_weak else "")
            or _client_purpose_fault(certificate.extensions, any_purpose=any_purpose)
        )
    except CANNOT_READ:
        return reasons.UNREADABLE


def authority_fault(certificate: x509.Certificate, *, is_root: bool, allow_weak: bool = False) -> str:
    """Why nothing that this CA issued is accepted; a root's own signature proves nothing and may be weak.

    With `allow_weak`, keys and digests do not count.
    """
    try:
        return (
            _extensions_fault(certificate)
            or _authority_purpose_fault(certificate.extensions)
            or (reasons.CA_KEY_WEAK if _has_weak_key(certificate) and not allow_weak else "")
            or (reasons.DIGEST_WEAK if not is_root and has_weak_digest(certificate) and not allow_weak else "")
        )
    except CANNOT_READ:
        return reasons.UNREADABLE


def responder_fault(certificate: x509.Certificate) -> str:
    """Why an OCSP response signed with this certificate is not believed, where the CA itself did not sign it.

    RFC 6960 section 4.2.2.2.1 leaves it open how a delegate's own revocation is found out; whether it has to be is
    another question: `has_nocheck`.
    """
    try:
        return (
            _extensions_fault(certificate)
            or (reasons.LEAF_KEY_WEAK if _has_weak_key(certificate) else "")
            or (reasons.DIGEST_WEAK if has_weak_digest(certificate) else "")
            or _responder_purpose_fault(certificate.extensions)
        )
    except CANNOT_READ:
        return reasons.UNREADABLE


def has_nocheck(certificate: x509.Certificate) -> bool:
    """Whether its issuer says that it is trusted while it is valid: id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1).

    A delegate without might have been revoked, and could then absolve every other certificate, its own included.

    Raises:
        any of `CANNOT_READ`: extensions that cannot be read.
    """
    return extension_value(certificate.extensions, x509.OCSPNoCheck) is not None


def is_authority(extensions: x509.Extensions) -> bool:
    """Whether basicConstraints says CA (section 4.2.1.9)."""
    constraints = extension_value(extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def extension_value(extensions: x509.Extensions, kind: type[_ExtensionT]) -> _ExtensionT | None:
    """The extension of this kind, None where there is none."""
    for extension in extensions:
        if isinstance(extension.value, kind):
            return extension.value
    return None


def has_weak_digest(certificate: x509.Certificate) -> bool:
    """Whether it is signed over a digest for which collisions are made.

    Raises:
        UnsupportedAlgorithm: a digest that cryptography does not know.
    """
    return isinstance(certificate.signature_hash_algorithm, hashes.MD5 | hashes.SHA1)


def _extensions_fault(certificate: x509.Certificate) -> str:
    """Extensions that cannot be read, come twice, are unknown and critical, or do not go with the version."""
    try:
        extensions = certificate.extensions
    except CANNOT_READ:
        return reasons.EXTENSION
    if len(extensions) and certificate.version is not x509.Version.v3:
        return reasons.VERSION_3_REQUIRED
    if any(extension.critical and extension.oid not in _HANDLED for extension in extensions):
        return reasons.CRITICAL_EXTENSION
    return ""


def _client_purpose_fault(extensions: x509.Extensions, *, any_purpose: bool) -> str:
    """keyUsage and extendedKeyUsage of a leaf, each only where it is there (sections 4.2.1.3 and 4.2.1.12).

    anyExtendedKeyUsage without clientAuth is refused: RFC 5280 lets applications do so, OpenSSL and with it the
    product do, and whoever means a certificate for clients can say it.
    """
    usage = extension_value(extensions, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        return reasons.NO_DIGITAL_SIGNATURE
    if any_purpose:  # then OpenSSL's verdict on the purpose does not count, of which this is the rest
        return "" if _is_typed_for_clients(extensions) else reasons.PURPOSE
    purposes = extension_value(extensions, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        return reasons.PURPOSE
    return ""


_NETSCAPE_TYPE: Final = x509.ObjectIdentifier("2.16.840.1.113730.1.1")
_TYPED_CLIENT: Final = 0x80


def _is_typed_for_clients(extensions: x509.Extensions) -> bool:
    """Whether nsCertType, the forerunner of extendedKeyUsage, has SSL client where it is there."""
    for extension in extensions:
        if extension.oid == _NETSCAPE_TYPE:
            octets = extension.value.public_bytes()  # BIT STRING: tag, length, unused bits, the bits
            return len(octets) > 3 and bool(octets[3] & _TYPED_CLIENT)
    return True


def _responder_purpose_fault(extensions: x509.Extensions) -> str:
    """The right to sign has to be given by name: anyExtendedKeyUsage does not give it (RFC 6960 section 4.2.2.2)."""
    usage = extension_value(extensions, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        return reasons.NO_DIGITAL_SIGNATURE
    purposes = extension_value(extensions, x509.ExtendedKeyUsage)
    if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        return reasons.PURPOSE
    return ""


def _authority_purpose_fault(extensions: x509.Extensions) -> str:
    """CA bits; a certificate of version 1 has none."""
    if not is_authority(extensions):
        return reasons.INVALID_CA
    usage = extension_value(extensions, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return reasons.NO_CERTIFICATE_SIGNING
    return ""


def _has_weak_key(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey() | dsa.DSAPublicKey():
            return key.key_size < MIN_RSA_BITS
        case ec.EllipticCurvePublicKey():
            return key.key_size < MIN_EC_BITS
        case _:
            return False
