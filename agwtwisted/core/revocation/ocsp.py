"""What an OCSP response proves about a certificate, and until when (RFC 6960, RFC 5019, RFC 9654).

`prove` reads a response and verifies its signature: the result does not depend on time and is kept. `status_at` only
compares times: it is called at every use, with the time of that use. Times are seconds since 1970. No content of a
response raises an exception. Callers: the OCSP source and the revocation memory; `explain` for the request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Final

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp

from agwtwisted.core.base.values import value
from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.extensions import ocsp_urls
from agwtwisted.core.certificates.public_keys import octets_of_key
from agwtwisted.core.certificates.reading import Certificate, certificate_of
from agwtwisted.core.revocation import ocsp_signers
from agwtwisted.core.revocation.status import Good, Revoked, Unknown, Unusable
from agwtwisted.core.verification import certificate_rules

CANNOT_READ: Final = (*certificate_rules.CANNOT_READ, DerError, OverflowError)

MAX_RESPONSE_BYTES: Final = 65536
"""A typical response has two or three kilobytes; with a long chain of its responder, ten."""


FORGIVEN_FOR: Final = 10.0
"""Seconds for which an answer is believed that was past its nextUpdate when it came, yet within the clock's skew."""


@value(kw_only=True)
class OcspRules:
    """Which answers a profile accepts, and how long: its ocsp_clock_skew, ocsp_max_age, ocsp_default_age, in seconds.

    `without_nocheck` is its ocsp_responder_without_nocheck.
    """

    clock_skew: float = 300.0
    max_age: float = 864000.0
    default_age: float = 300.0
    without_nocheck: bool = False


KEY_HASH: Final = "sha256"
"""Of the CertID from which `key_of` makes keys."""

_HASH_ALGORITHMS: Final = {  # AlgorithmIdentifier: the object identifier and NULL
    "sha1": bytes.fromhex("300906052b0e03021a0500"),
    "sha256": bytes.fromhex("300d06096086480165030402010500"),
}


@value(kw_only=True)
class CertId:
    """Which certificate a request or an answer is about: its issuer's name and key, and its serial number.

    RFC 6960 section 4.1.1. The hashes are identifiers, not signatures.
    """

    hash_name: str  # of both hashes: "sha1" or "sha256"
    name_hash: bytes
    key_hash: bytes
    serial: bytes  # the content of the DER INTEGER, whatever number it is

    @classmethod
    def of(cls, certificate: Certificate, issuer: Certificate, hash_name: str) -> CertId:
        """The CertID of a certificate of this issuer. Raises DerError where a name or a key cannot be read."""
        name_hash, key_hash = _issuer_hashes(hash_name, certificate.issuer, issuer.public_key)
        return cls(hash_name=hash_name, name_hash=name_hash, key_hash=key_hash, serial=certificate.serial)

    def encoded(self) -> bytes:
        """In DER."""
        hashes = b"".join(der.encoded(der.OCTET_STRING, each) for each in (self.name_hash, self.key_hash))
        return _sequence(_HASH_ALGORITHMS[self.hash_name], hashes, der.encoded(der.INTEGER, self.serial))


@lru_cache(64)  # the same few have issued everything
def _issuer_hashes(hash_name: str, name: bytes, public_key: bytes) -> tuple[bytes, bytes]:
    """Of the contents of an issuer's name, and of its SubjectPublicKeyInfo's. Raises DerError as `CertId.of`."""
    name_hash = hashlib.new(hash_name, der.encoded(der.SEQUENCE, name)).digest()
    return name_hash, hashlib.new(hash_name, octets_of_key(public_key)).digest()


@attrs.frozen(kw_only=True, eq=False)
class OcspRequest:
    """What is asked about a certificate: `der` goes to the responder, the rest is compared with its response."""

    certificate: Certificate
    issuer: Certificate
    cert_id: CertId
    der: bytes = attrs.field(repr=False)  # OCSPRequest (RFC 6960 section 4.1.1)

    @classmethod
    def of(cls, certificate_der: bytes, issuer_der: bytes) -> OcspRequest | Unusable:
        """The request about a certificate of this issuer, of verified chains only.

        Its CertID is made with SHA-1, which every responder knows (RFC 5019 section 2.1.1); no decision depends on
        collisions of it. There is no nonce: responses are believed for their time, and most are signed ahead of it.
        """
        certificate, issuer = certificate_of(certificate_der), certificate_of(issuer_der)
        if certificate is None or issuer is None:
            return Unusable("the certificate cannot be read")
        try:
            cert_id = CertId.of(certificate, issuer, "sha1")
        except DerError:
            return Unusable("no question can be asked about this certificate")
        request = _sequence(_sequence(_sequence(_sequence(cert_id.encoded()))))
        return cls(certificate=certificate, issuer=issuer, cert_id=cert_id, der=request)

    @property
    def responders(self) -> tuple[str, ...]:
        """The OCSP URLs of the certificate's authority information access (RFC 5280 section 4.2.2.1), as they stand."""
        try:
            return ocsp_urls(self.certificate)
        except DerError:
            return ()


@attrs.frozen(kw_only=True, eq=False)
class UnseenCertificate:
    """A certificate that is not at hand, by its CertID, and its issuer."""

    issuer: Certificate
    cert_id: CertId


def _sequence(*parts: bytes) -> bytes:
    return der.encoded(der.SEQUENCE, b"".join(parts))


@attrs.frozen(kw_only=True)
class ProvenResponse:
    """What a response proves: its signature is that of the issuer, or of a delegate who may sign for it."""

    status: ocsp.OCSPCertStatus
    this_update: float
    next_update: float | None
    produced_at: float
    signer_from: float  # the signer's certificate is valid from here
    signer_until: float  # to here
    without_nocheck: bool = (
        False  # the signer is a delegate without id-pkix-ocsp-nocheck, which only some profiles accept
    )
    revoked_at: float = 0.0
    reason: str = ""
    response: bytes = attrs.field(default=b"", repr=False)  # that proves it

    @property
    def is_revoked(self) -> bool:
        """Whether it says *revoked*, for any reason: removeFromCRL has a meaning for delta CRLs alone."""
        return self.status is ocsp.OCSPCertStatus.REVOKED

    @property
    def is_unknown(self) -> bool:
        """Whether the issuer does not know the certificate."""
        return self.status is ocsp.OCSPCertStatus.UNKNOWN


def fingerprint(certificate_der: bytes) -> str:
    """The name of a certificate in logs: SHA-1 in hex, as in the access log."""
    return hashlib.sha1(certificate_der, usedforsecurity=False).hexdigest()


def key_of(certificate_der: bytes, issuer_der: bytes) -> bytes:
    """The key of answers about a certificate of an issuer: 32 bytes.

    It is made of what an answer is about (RFC 6960 section 4.1.1, CertID): the issuer's name and key, and the serial
    number. The bytes of a certificate do not identify it: from a valid ECDSA signature a second one can be derived, and
    an issuer may have several certificates. A known revocation counts for all of these.
    """
    certificate, issuer = certificate_of(certificate_der), certificate_of(issuer_der)
    if certificate is not None and issuer is not None:
        with suppress(DerError):
            return key_of_id(CertId.of(certificate, issuer, KEY_HASH))
    return hashlib.sha256(issuer_der + certificate_der).digest()


def key_of_id(cert_id: CertId) -> bytes:
    """The same of a CertID with hashes of `KEY_HASH`."""
    return hashlib.sha256(cert_id.name_hash + cert_id.key_hash + cert_id.serial).digest()


def prove(response: bytes, request: OcspRequest | UnseenCertificate) -> ProvenResponse | Unusable:
    """What a response in DER proves about the certificate that was asked about: its signer may sign for the issuer."""
    if len(response) > MAX_RESPONSE_BYTES:
        return Unusable("the response is too long")
    try:
        return _proven(ocsp.load_der_ocsp_response(response), response, request)
    except CANNOT_READ:
        return Unusable("the response cannot be read")


def status_at(
    answer: ProvenResponse, rules: OcspRules, now: float, *, arrived: float | None = None
) -> Good | Revoked | Unknown | Unusable:
    """What an answer that came at `arrived` (None: now) means at `now`.

    *Revoked* is accepted at any age; everything else only while it is valid.
    """
    if answer.is_revoked:
        return Revoked(answer.revoked_at, answer.reason, end_of(answer, rules))
    if fault := signer_fault(answer, rules):
        return Unusable(fault)
    if max(answer.this_update, answer.produced_at) > now + rules.clock_skew:
        return Unusable("the response is not valid yet")
    if answer.next_update is not None and answer.next_update < answer.this_update:
        return Unusable("the response ends before it begins")
    if not answer.signer_from <= now <= answer.signer_until:
        return Unusable("the responder's certificate is not valid now")
    if now >= answer.this_update + rules.max_age:
        return Unusable(f"the response is too old: its thisUpdate is not within ocsp_max_age ({rules.max_age:.0f} s)")
    until = _believed_until(answer, rules, now if arrived is None else arrived)
    if now >= until:
        return Unusable("the response has expired")
    return Good(until) if answer.status is ocsp.OCSPCertStatus.GOOD else Unknown()


def signer_fault(answer: ProvenResponse, rules: OcspRules) -> str:
    """Why a profile with these rules does not accept the signer of an answer; empty where it does."""
    if answer.without_nocheck and not rules.without_nocheck:
        return (
            "the responder's certificate may not sign responses: it has no id-pkix-ocsp-nocheck"
            " (ocsp_responder_without_nocheck = Allow in the profile would accept it)"
        )
    return ""


def end_of(answer: ProvenResponse, rules: OcspRules) -> float:
    """When an answer has to be asked for again: at nextUpdate (RFC 6960 section 3.2), or with the rules' `max_age`.

    Without nextUpdate newer information is there at any time (RFC 6960 section 4.2.2.1): such a response lives for
    `default_age` from when it was signed.
    """
    return min(_fresh_until(answer, rules), answer.this_update + rules.max_age, answer.signer_until)


def last_end_of(answer: ProvenResponse, rules: OcspRules) -> float:
    """Until when an answer may count at most: the skew of the clocks is on top of its nextUpdate."""
    latest = _fresh_until(answer, rules) + rules.clock_skew
    return min(latest, answer.this_update + rules.max_age, answer.signer_until)


def _fresh_until(answer: ProvenResponse, rules: OcspRules) -> float:
    return answer.produced_at + rules.default_age if answer.next_update is None else answer.next_update


def _believed_until(answer: ProvenResponse, rules: OcspRules, arrived: float) -> float:
    """The end of an answer. One that was over when it came counts for a moment: one of the two clocks is wrong."""
    end = end_of(answer, rules)
    return end if arrived < end else min(arrived + FORGIVEN_FOR, last_end_of(answer, rules))


def _proven(
    response: ocsp.OCSPResponse, octets: bytes, request: OcspRequest | UnseenCertificate
) -> ProvenResponse | Unusable:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        word = response.response_status.name.lower().replace("_", " ")
        return Unusable(f"the responder answers: {word}")
    if fault := _extensions_fault(response):
        return Unusable(fault)
    matching = [single for single in response.responses if _matches(single, request)]
    if not matching:
        return Unusable("the response is about another certificate")
    signer = ocsp_signers.signer(response, request.issuer)
    if isinstance(signer, str):
        return Unusable(signer)
    single = max(matching, key=_severity)  # of a contradiction the worse status counts
    return ProvenResponse(
        response=octets,
        status=single.certificate_status,
        this_update=single.this_update_utc.timestamp(),
        next_update=_seconds(single.next_update_utc),
        produced_at=response.produced_at_utc.timestamp(),
        signer_from=signer.not_before.timestamp(),
        signer_until=signer.not_after.timestamp(),
        without_nocheck=signer is not request.issuer and not certificate_rules.has_nocheck(signer),
        revoked_at=_seconds(single.revocation_time_utc) or 0.0,
        reason=single.revocation_reason.value if single.revocation_reason else "",
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _severity(single: ocsp.OCSPSingleResponse) -> tuple[int, float]:
    order = (ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.UNKNOWN, ocsp.OCSPCertStatus.REVOKED)
    return order.index(single.certificate_status), -single.this_update_utc.timestamp()


def _matches(single: ocsp.OCSPSingleResponse, request: OcspRequest | UnseenCertificate) -> bool:
    """Whether a single response is about the certificate that was asked about: every field of the CertID counts."""
    try:
        hash_name = single.hash_algorithm.name
    except UnsupportedAlgorithm:
        return False
    asked = request.cert_id
    return (hash_name, single.issuer_name_hash, single.issuer_key_hash, single.serial_number) == (
        asked.hash_name,
        asked.name_hash,
        asked.key_hash,
        int.from_bytes(asked.serial, "big", signed=True),
    )


def _extensions_fault(response: ocsp.OCSPResponse) -> str:
    """Why the extensions of a response make it unusable: one is critical and unknown; else empty.

    A nonce (RFC 9654) may be there though none was sent, and does no harm.
    """
    if any(each.critical and not isinstance(each.value, x509.OCSPNonce) for each in response.extensions):
        return "the response has an extension that is critical and unknown"
    if any(_is_critical(extension) for extension in _single_extensions(response.tbs_response_bytes)):
        return "the response has an extension that is critical and unknown"
    return ""


_RESPONSES_AT: Final = 2  # after the responder and the time
_CONTEXT_0: Final = 0xA0
_CONTEXT_1: Final = 0xA1
_BOOLEAN: Final = 0x01


def _single_extensions(response_data: bytes) -> Iterator[der.Element]:
    """The extensions of every single response (RFC 6960 section 4.2.1), which cryptography shows only of a lone one."""
    parts: Sequence[der.Element] = der.elements(der.only_element(response_data, der.SEQUENCE))
    if parts and parts[0].tag == _CONTEXT_0:  # the version
        parts = parts[1:]
    for single in der.elements(parts[_RESPONSES_AT].content):
        # The first three are the CertID, the status, whose tag may be the same, and thisUpdate.
        for part in der.elements(single.content)[3:]:
            if part.tag == _CONTEXT_1:
                yield from der.elements(der.only_element(part.content, der.SEQUENCE))


def _is_critical(extension: der.Element) -> bool:
    return any(part.tag == _BOOLEAN and part.content != b"\0" for part in der.elements(extension.content))
