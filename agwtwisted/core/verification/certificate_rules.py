"""What one certificate must be to be accepted, whatever chain it stands in (RFC 5280).

OpenSSL checks much of this too, but what exactly differs with its version and flags; keys and digests it judges by a
security level that a list of cipher suites can lower, and it passes over doubled extensions. Each `..._fault` is a
reason, empty when there is none.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from agwtwisted.core.certificates import extensions
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.public_keys import public_key
from agwtwisted.core.certificates.reading import MAX_NAME_OCTETS, Certificate
from agwtwisted.core.certificates.signature_algorithms import has_weak_digest
from agwtwisted.core.verification import reasons

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

_HANDLED: Final = frozenset(
    {
        extensions.BASIC_CONSTRAINTS,
        extensions.KEY_USAGE,
        extensions.EXTENDED_KEY_USAGE,
        extensions.SUBJECT_ALTERNATIVE_NAME,
        extensions.NAME_CONSTRAINTS,
        extensions.CERTIFICATE_POLICIES,
        extensions.POLICY_MAPPINGS,
        extensions.POLICY_CONSTRAINTS,
        extensions.INHIBIT_ANY_POLICY,
        extensions.CRL_DISTRIBUTION_POINTS,
        extensions.AUTHORITY_KEY_IDENTIFIER,
        extensions.SUBJECT_KEY_IDENTIFIER,
        extensions.OCSP_NO_CHECK,
        extensions.NETSCAPE_CERTIFICATE_TYPE,
        extensions.IP_ADDRESS_BLOCKS,
        extensions.AUTONOMOUS_SYSTEMS,
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


def client_fault(certificate: Certificate, *, allow_weak: bool = False, any_purpose: bool = False) -> str:
    """Why this leaf is not accepted from a client.

    With `allow_weak` keys and digests do not count, with `any_purpose` nor does an extendedKeyUsage without clientAuth.
    """
    purpose_fault = partial(_client_purpose_fault, any_purpose=any_purpose)
    return (
        _excess_fault(certificate)
        or _extension_fault(_critical_fault, certificate)
        or ("" if allow_weak else _strength_fault(certificate, reasons.LEAF_KEY_WEAK))
        or _extension_fault(purpose_fault, certificate)
    )


def authority_fault(certificate: Certificate, *, is_root: bool, allow_weak: bool = False) -> str:
    """Why nothing that this CA issued is accepted; a root's own signature proves nothing and may be weak.

    With `allow_weak`, keys and digests do not count.
    """
    return (
        _excess_fault(certificate)
        or _extension_fault(_critical_fault, certificate)
        or _extension_fault(_authority_purpose_fault, certificate)
        or ("" if allow_weak else _strength_fault(certificate, reasons.CA_KEY_WEAK, is_root=is_root))
    )


def issues_for_servers(certificate: Certificate) -> bool:
    """Whether the extendedKeyUsage of a CA has serverAuth, as the one of public CAs' issuing CAs alone.

    OpenSSL takes clients' certificates below such a CA for ones of another purpose. What cannot be read is a no.
    """
    try:
        purposes = extensions.purposes(certificate)
        is_typed = extensions.is_typed_for_authorities(certificate)
    except DerError:
        return False
    return purposes is not None and extensions.SERVER_AUTH in purposes and is_typed


def responder_fault(certificate: Certificate) -> str:
    """Why an OCSP response signed with this certificate is not accepted, where the CA itself did not sign it.

    RFC 6960 section 4.2.2.2.1 leaves it open how a delegate's own revocation is found out; whether it has to be is
    another question: `has_nocheck`.
    """
    return (
        _extension_fault(_critical_fault, certificate)
        or _strength_fault(certificate, reasons.LEAF_KEY_WEAK)
        or _extension_fault(_responder_purpose_fault, certificate)
    )


def has_nocheck(certificate: Certificate) -> bool:
    """Whether its issuer says that it is trusted while it is valid: id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1).

    A delegate without might have been revoked, and could then absolve every other certificate, its own included.

    Raises:
        DerError: it is there twice.
    """
    return certificate.extension(extensions.OCSP_NO_CHECK) is not None


def _excess_fault(certificate: Certificate) -> str:
    """Names and exponents that are made to be expensive to process."""
    if max(len(certificate.subject), len(certificate.issuer)) > MAX_NAME_OCTETS:
        return reasons.EXCESSIVE
    try:
        return reasons.EXCESSIVE if public_key(certificate).has_long_exponent else ""
    except DerError:
        return ""  # which is for the others to say


def _extension_fault(check: Callable[[Certificate], str], certificate: Certificate) -> str:
    """What a check finds that reads extensions; one that it needs and cannot read is a fault."""
    try:
        return check(certificate)
    except DerError:
        return reasons.EXTENSION


def _critical_fault(certificate: Certificate) -> str:
    """Critical extensions that are unknown, or are known and say more than is understood (section 4.2.1.4)."""
    for extension in certificate.extensions:
        if extension.critical and extension.identifier not in _HANDLED:
            return reasons.CRITICAL_EXTENSION
        if (
            extension.critical
            and extension.identifier == extensions.CERTIFICATE_POLICIES
            and extensions.has_unknown_qualifier(certificate)
        ):
            return reasons.CRITICAL_EXTENSION
    return ""


def _strength_fault(certificate: Certificate, weak_key: str, *, is_root: bool = False) -> str:
    try:
        if public_key(certificate).is_weak:
            return weak_key
        return reasons.DIGEST_WEAK if not is_root and has_weak_digest(certificate) else ""
    except DerError:
        return reasons.UNREADABLE


def _client_purpose_fault(certificate: Certificate, *, any_purpose: bool) -> str:
    """keyUsage and extendedKeyUsage of a leaf, each only where it is there (sections 4.2.1.3 and 4.2.1.12).

    anyExtendedKeyUsage without clientAuth is refused: RFC 5280 lets applications do so, OpenSSL and with it the product
    do, and a CA that means a certificate for clients can say so in it.
    """
    usage = extensions.key_usage(certificate)
    if usage is not None and not usage & extensions.DIGITAL_SIGNATURE:
        return reasons.NO_DIGITAL_SIGNATURE
    if any_purpose:  # then OpenSSL's verdict on the purpose does not count, of which this is the rest
        return "" if extensions.is_typed_for_clients(certificate) else reasons.PURPOSE
    purposes = extensions.purposes(certificate)
    if purposes is not None and extensions.CLIENT_AUTH not in purposes:
        return reasons.PURPOSE
    return ""


def _responder_purpose_fault(certificate: Certificate) -> str:
    """The right to sign has to be given by name: anyExtendedKeyUsage does not give it (RFC 6960 section 4.2.2.2)."""
    usage = extensions.key_usage(certificate)
    if usage is not None and not usage & extensions.DIGITAL_SIGNATURE:
        return reasons.NO_DIGITAL_SIGNATURE
    if extensions.OCSP_SIGNING not in (extensions.purposes(certificate) or ()):
        return reasons.PURPOSE
    return ""


def _authority_purpose_fault(certificate: Certificate) -> str:
    """CA bits; a certificate of version 1 has none."""
    if not extensions.is_authority(certificate):
        return reasons.INVALID_CA
    usage = extensions.key_usage(certificate)
    if usage is not None and not usage & extensions.KEY_CERT_SIGN:
        return reasons.NO_CERTIFICATE_SIGNING
    return ""
