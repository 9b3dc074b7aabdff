"""Digests of certificates' signatures, and whether a signature is valid (RFC 4055, RFC 5758, RFC 8410, RFC 9881)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Final, TypeAlias, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.reading import Certificate, signature_of

_Hash: TypeAlias = hashes.HashAlgorithm

RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
_PKCS1: Final[Mapping[str, _Hash]] = {
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_ECDSA: Final[Mapping[str, _Hash]] = {
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
_ED25519: Final = "1.3.101.112"
_ED448: Final = "1.3.101.113"
_PSS_DIGESTS: Final = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())

VERIFIED: Final = frozenset({RSASSA_PSS, *_PKCS1, *_ECDSA, _ED25519, _ED448})
"""The signatures that are verified here, by object identifier: none over SHA-1 or MD5."""

_STRONG: Final = VERIFIED | {
    "1.2.840.113549.1.1.14",  # RSA with SHA-224
    "1.2.840.113549.1.1.15",  # and SHA-512/224
    "1.2.840.113549.1.1.16",  # and SHA-512/256
    "1.2.840.10045.4.3.1",  # ECDSA with SHA-224
    "1.2.156.10197.1.501",  # SM2 with SM3
    # 2.16.840.1.101.3.4.3: DSA, ECDSA and RSA with SHA-2 and SHA-3, then ML-DSA and SLH-DSA, which need no digest
    *(f"2.16.840.1.101.3.4.3.{number}" for number in range(1, 32)),
}
"""Signatures for which no collisions are made; a digest that is not known counts as weak."""

_STRONG_DIGESTS: Final = frozenset(f"2.16.840.1.101.3.4.2.{number}" for number in range(1, 11))  # SHA-2 and SHA-3
_PSS_HASH: Final = 0xA0  # hashAlgorithm among the parameters; SHA-1 by default (RFC 4055 section 3.1)


def has_weak_digest(certificate: Certificate) -> bool:
    """Whether it is signed over a digest for which collisions are made, or over one that is not known.

    Raises:
        DerError: the algorithm cannot be read.
    """
    identifier = _identifier(certificate.algorithm)
    if identifier != RSASSA_PSS:
        return identifier not in _STRONG
    parts = der.elements(certificate.algorithm)
    parameters = der.elements(parts[1].content) if len(parts) > 1 else ()
    digests = [der.first_of(each.content, der.SEQUENCE) for each in parameters if each.tag == _PSS_HASH]
    return not digests or _identifier(digests[0]) not in _STRONG_DIGESTS


def issued(certificate: Certificate, issuer: Certificate) -> bool | None:
    """Whether the signature of a certificate fits its issuer's key; None where that cannot be determined here.

    OpenSSL verifies chains; this is for sorting what stands in a file.
    """
    try:
        identifier = _identifier(certificate.algorithm)
        if identifier not in VERIFIED:
            return None
        signed, signature = signature_of(certificate)
        return is_signed(identifier, issuer, signature, signed)
    except DerError:
        return None


def is_signed(identifier: str, signer: Certificate, signature: bytes, data: bytes | memoryview) -> bool | None:
    """Whether a signature is that of a certificate's key, in an algorithm that goes with the key.

    None where the key is of a kind that cannot be read here. The data may be a view of what is too large to be copied.
    """
    octets = cast(bytes, data)  # which is as far as the annotations of cryptography's RSA keys go; they take views, too
    match key := _key_of(signer.public_key):
        case None:
            return None
        case rsa.RSAPublicKey() if identifier in _PKCS1:
            tries = [partial(key.verify, signature, octets, padding.PKCS1v15(), _PKCS1[identifier])]
        case rsa.RSAPublicKey() if identifier == RSASSA_PSS:
            # Its digest stands in parameters, which an OCSP response does not sign: each is tried.
            tries = [partial(key.verify, signature, octets, _pss(digest), digest) for digest in _PSS_DIGESTS]
        case ec.EllipticCurvePublicKey() if identifier in _ECDSA:
            tries = [partial(key.verify, signature, octets, ec.ECDSA(_ECDSA[identifier]))]
        case ed25519.Ed25519PublicKey() if identifier == _ED25519:
            tries = [partial(key.verify, signature, octets)]
        case ed448.Ed448PublicKey() if identifier == _ED448:
            tries = [partial(key.verify, signature, octets)]
        case _:
            return False
    return any(map(_succeeds, tries))


@lru_cache(64)  # the same few sign everything, and to read one takes as long as a third of a verification
def _key_of(public_key: bytes) -> PublicKeyTypes | None:
    """The key of a SubjectPublicKeyInfo's contents; None where it is of a kind that cannot be read here."""
    try:
        return load_der_public_key(der.encoded(der.SEQUENCE, public_key))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _pss(digest: _Hash) -> padding.PSS:
    return padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)


def _succeeds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True


def _identifier(algorithm: bytes) -> str:
    """The object identifier that an AlgorithmIdentifier's contents begin with."""
    return (_known_identifier if len(algorithm) <= _LONGEST_KNOWN else _read_identifier)(algorithm)


def _read_identifier(algorithm: bytes) -> str:
    return der.object_identifier(der.first_of(algorithm, der.OBJECT_IDENTIFIER))


_known_identifier: Final = lru_cache(64)(_read_identifier)  # the same few are in all certificates
_LONGEST_KNOWN: Final = 128
