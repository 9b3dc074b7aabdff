"""Who may sign OCSP responses about the certificates of an issuer, and whether somebody did (RFC 6960 section 4.2.2.2).

The issuer itself may, and a delegate to whom that same issuer gave a certificate with id-kp-OCSPSigning. Nobody else: a
responder that is trusted for other reasons, or stands elsewhere in the chain, is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import SignatureAlgorithmOID as Oid

from agwtwisted.core import certificate_rules
from agwtwisted.core.name_comparison import normalised_name

MAX_CANDIDATES: Final = 4
"""Delegates of one response whose signature is tried."""

_DIGESTS: Final[Mapping[x509.ObjectIdentifier, tuple[hashes.HashAlgorithm, ...]]] = {
    Oid.RSA_WITH_SHA256: (hashes.SHA256(),),
    Oid.RSA_WITH_SHA384: (hashes.SHA384(),),
    Oid.RSA_WITH_SHA512: (hashes.SHA512(),),
    # Its digest stands in parameters, which are not signed and which cryptography does not show: each is tried.
    Oid.RSASSA_PSS: (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()),
    Oid.ECDSA_WITH_SHA256: (hashes.SHA256(),),
    Oid.ECDSA_WITH_SHA384: (hashes.SHA384(),),
    Oid.ECDSA_WITH_SHA512: (hashes.SHA512(),),
    Oid.ED25519: (),
    Oid.ED448: (),
}
"""The signature algorithms that are accepted, and their digests: none over SHA-1 or MD5."""

_PKCS1: Final = (Oid.RSA_WITH_SHA256, Oid.RSA_WITH_SHA384, Oid.RSA_WITH_SHA512)
_ECDSA: Final = (Oid.ECDSA_WITH_SHA256, Oid.ECDSA_WITH_SHA384, Oid.ECDSA_WITH_SHA512)


def signer(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | str:
    """The certificate whose key signed a successful response and may do so, or why there is none.

    Time is left to the caller, who has to see that the certificate is valid.

    Raises:
        any of `certificate_rules.CANNOT_READ`, DerError: a certificate or a name that cannot be read.
    """
    if response.signature_algorithm_oid not in _DIGESTS:
        return "the response is signed in a way that is not accepted"
    if _is_responder(response, issuer):
        return issuer if _signed(response, issuer) else "the signature of the response is wrong"
    fault = "the response names a responder that is not the issuer, and brings no certificate of it"
    for candidate in _delegates(response):
        fault = _delegate_fault(candidate, issuer)
        if not fault and _signed(response, candidate):
            return candidate
        fault = fault or "the signature of the response is wrong"
    return fault


def _delegates(response: ocsp.OCSPResponse) -> Iterator[x509.Certificate]:
    """The certificates of a response that are its responder's, by name or by key."""
    found = (each for each in response.certificates if _is_responder(response, each))
    for _, candidate in zip(range(MAX_CANDIDATES), found, strict=False):
        yield candidate


def _is_responder(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    if response.responder_key_hash is not None:
        return response.responder_key_hash == key_hash(certificate)
    name = response.responder_name
    if name is None:
        return False
    return normalised_name(name.public_bytes()) == normalised_name(certificate.subject.public_bytes())


def key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-1 of the public key's bits alone (RFC 6960 section 4.2.1, KeyHash)."""
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _delegate_fault(delegate: x509.Certificate, issuer: x509.Certificate) -> str:
    """Why a certificate may not sign for the issuer."""
    if fault := certificate_rules.responder_fault(delegate):
        return f"the responder's certificate may not sign responses: {fault}"
    try:
        delegate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return "the responder's certificate is not of the same issuer"
    return ""


def _signed(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    """Whether the response's signature is that of the certificate's key, in an algorithm that goes with the key."""
    algorithm, signature, data = response.signature_algorithm_oid, response.signature, response.tbs_response_bytes
    digests = _DIGESTS[algorithm]
    match certificate.public_key():
        case rsa.RSAPublicKey() as key if algorithm in _PKCS1:
            tries = [partial(key.verify, signature, data, padding.PKCS1v15(), digest) for digest in digests]
        case rsa.RSAPublicKey() as key if algorithm == Oid.RSASSA_PSS:
            tries = [partial(key.verify, signature, data, _pss(digest), digest) for digest in digests]
        case ec.EllipticCurvePublicKey() as key if algorithm in _ECDSA:
            tries = [partial(key.verify, signature, data, ec.ECDSA(digest)) for digest in digests]
        case ed25519.Ed25519PublicKey() as key if algorithm == Oid.ED25519:
            tries = [partial(key.verify, signature, data)]
        case ed448.Ed448PublicKey() as key if algorithm == Oid.ED448:
            tries = [partial(key.verify, signature, data)]
        case _:
            return False
    return any(map(_succeeds, tries))


def _pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)


def _succeeds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True
