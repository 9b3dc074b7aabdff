"""Who may sign OCSP responses about the certificates of an issuer, and who signed one (RFC 6960 section 4.2.2.2).

The issuer itself may sign, and a delegate with a certificate for id-kp-OCSPSigning that the same issuer issued. A
responder that is trusted for other reasons, or is elsewhere in the chain, may not. Caller: `ocsp.prove`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.public_keys import key_octets
from agwtwisted.core.certificates.reading import Certificate, certificate_of
from agwtwisted.core.certificates.signature_algorithms import VERIFIED, is_signed, issued
from agwtwisted.core.verification import certificate_rules

MAX_CANDIDATES: Final = 4
"""Certificates of one response that are tried as its signer."""

_VERSION: Final = 0xA0


def signer(response: ocsp.OCSPResponse, issuer: Certificate) -> Certificate | str:
    """The certificate whose key signed a successful response and may do so, or why there is none.

    The caller checks that the certificate is valid at the time.

    Raises:
        any of `certificate_rules.CANNOT_READ`, DerError: a certificate or a name that cannot be read.
    """
    if response.signature_algorithm_oid.dotted_string not in VERIFIED:
        return "the response has an unsupported signature algorithm"
    if _is_responder(response, issuer):
        return issuer if _signed(response, issuer) else "the signature of the response is invalid"
    fault = "the response names a responder that is not the issuer, and has no certificate of it"
    for candidate in _delegates(response):
        fault = _delegate_fault(candidate, issuer)
        if not fault and _signed(response, candidate):
            return candidate
        fault = fault or "the signature of the response is invalid"
    return fault


def _delegates(response: ocsp.OCSPResponse) -> Iterator[Certificate]:
    """The certificates in a response that are its responder's, by name or by key."""
    shown = (_read(each.public_bytes(Encoding.DER)) for each in response.certificates)
    found = (each for each in shown if _is_responder(response, each))
    for _, candidate in zip(range(MAX_CANDIDATES), found, strict=False):
        yield candidate


def _read(der_bytes: bytes) -> Certificate:
    found = certificate_of(der_bytes)
    if found is None:
        raise DerError("a certificate of the response cannot be read")
    return found


def _is_responder(response: ocsp.OCSPResponse, certificate: Certificate) -> bool:
    if response.responder_key_hash is not None:
        return response.responder_key_hash == key_hash(certificate)
    name = _responder_name(response.tbs_response_bytes)
    return normalised_name(name) == normalised_name(der.encoded(der.SEQUENCE, certificate.subject))


def _responder_name(response_data: bytes) -> bytes:
    """The Name of the responder, as it stands in a ResponseData that has one (RFC 6960 section 4.2.1)."""
    first, *others = der.elements(der.only_element(response_data, der.SEQUENCE))
    return others[0].content if first.tag == _VERSION else first.content


def key_hash(certificate: Certificate) -> bytes:
    """SHA-1 of the public key's bits alone (RFC 6960 section 4.2.1, KeyHash)."""
    return hashlib.sha1(key_octets(certificate), usedforsecurity=False).digest()


def _delegate_fault(delegate: Certificate, issuer: Certificate) -> str:
    """Why a certificate may not sign for the issuer."""
    return _fault_of(delegate.der, issuer.der)


@lru_cache(64)  # a responder has the same certificate for weeks, whose signature takes as long as that of the response
def _fault_of(delegate_der: bytes, issuer_der: bytes) -> str:
    delegate, issuer = _read(delegate_der), _read(issuer_der)
    if fault := certificate_rules.responder_fault(delegate):
        return f"the responder's certificate may not sign responses: {fault}"
    same_name = normalised_name(der.encoded(der.SEQUENCE, delegate.issuer)) == normalised_name(
        der.encoded(der.SEQUENCE, issuer.subject)
    )
    return "" if same_name and issued(delegate, issuer) else "the responder's certificate is not of the same issuer"


def _signed(response: ocsp.OCSPResponse, certificate: Certificate) -> bool:
    """Whether the response's signature is that of the certificate's key, in an algorithm that goes with the key."""
    identifier = response.signature_algorithm_oid.dotted_string
    return bool(is_signed(identifier, certificate, response.signature, response.tbs_response_bytes))
