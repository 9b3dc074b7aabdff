"""OCSP responses that were brought to the gateway without a question: about which certificates they are, and whether
their issuers' signatures prove them.

The certificates are not at hand, only issuers. A response counts for a certificate once that is seen, when it is proven
again; here it is seen that it is worth keeping. Caller: the import of responses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp as x509_ocsp

from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.certificates.public_keys import key_octets
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.ocsp import CertId, OcspRules, ProvenResponse, UnseenCertificate
from agwtwisted.core.revocation.status import Good, Revoked, Unknown, Unusable

MAX_SINGLES: Final = 64
"""Certificates that one response may be about; responders answer about one."""


@attrs.frozen(kw_only=True)
class ImportedAnswer:
    """What a response proves about one certificate."""

    serial: str  # in upper-case hexadecimal
    about: UnseenCertificate | None  # None: its issuer is none that was given
    key: bytes = b""  # as `ocsp.key_of` makes it, where the answer is proven
    answer: ProvenResponse | Unusable

    @property
    def issuer(self) -> str:
        """The issuer's name as text (RFC 2253); empty where it is not known."""
        return "" if self.about is None else relative_names(self.about.issuer.subject).decode("utf-8", "replace")

    def worth(self, rules: Iterable[OcspRules], now: float) -> Good | Revoked | Unusable:
        """What the answer means now, by the first of several rules by which it counts; or why it counts by none."""
        if isinstance(self.answer, Unusable):
            return self.answer
        worth: Good | Revoked | Unusable = Unusable("no SSL profile asks responders")
        for each in rules:
            found = ocsp.status_at(self.answer, each, now)
            if isinstance(found, Good | Revoked):
                return found
            worth = Unusable("the issuer does not know the certificate") if isinstance(found, Unknown) else found
        return worth


def imported(response: bytes, issuers: Sequence[Certificate]) -> list[ImportedAnswer] | Unusable:
    """What a response in DER proves about each certificate that it is about; never raises.

    Args:
        response: as a responder has sent it.
        issuers: that may have issued the certificates. Each may be any: a response about a certificate counts for
            certificates of its own issuer alone.
    """
    if len(response) > ocsp.MAX_RESPONSE_BYTES:
        return Unusable("the response is too long")
    try:
        read = x509_ocsp.load_der_ocsp_response(response)
        if read.response_status is not x509_ocsp.OCSPResponseStatus.SUCCESSFUL:
            return Unusable(f"the responder answers: {read.response_status.name.lower().replace('_', ' ')}")
        singles = [each for _, each in zip(range(MAX_SINGLES + 1), read.responses, strict=False)]
        if len(singles) > MAX_SINGLES:
            return Unusable(f"the response is about more than {MAX_SINGLES} certificates")
        return [_answer(response, single, issuers) for single in singles]
    except ocsp.CANNOT_READ:
        return Unusable("the response cannot be read")


def _answer(response: bytes, single: x509_ocsp.OCSPSingleResponse, issuers: Sequence[Certificate]) -> ImportedAnswer:
    number = single.serial_number
    serial = f"{'-' if number < 0 else ''}{abs(number):02X}"
    answer: ProvenResponse | Unusable = Unusable("its issuer is not among the trusted client certificates")
    about: UnseenCertificate | None = None
    for issuer, cert_id in _matching(single, issuers):
        about = UnseenCertificate(issuer=issuer, cert_id=cert_id)
        answer = ocsp.prove(response, about)
        if isinstance(answer, ProvenResponse):
            key = ocsp.key_of_id(_id(issuer, ocsp.KEY_HASH, cert_id.serial))
            return ImportedAnswer(serial=serial, about=about, key=key, answer=answer)
    return ImportedAnswer(serial=serial, about=about, answer=answer)


def _matching(
    single: x509_ocsp.OCSPSingleResponse, issuers: Iterable[Certificate]
) -> Iterator[tuple[Certificate, CertId]]:
    """The issuers that the CertID of a single response has, with that."""
    try:
        hash_name = single.hash_algorithm.name
    except UnsupportedAlgorithm:
        return
    number = single.serial_number
    serial = number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True)
    for issuer in issuers:
        try:
            cert_id = _id(issuer, hash_name, serial)
        except DerError:
            continue
        if (cert_id.name_hash, cert_id.key_hash) == (single.issuer_name_hash, single.issuer_key_hash):
            yield issuer, cert_id


def _id(issuer: Certificate, hash_name: str, serial: bytes) -> CertId:
    """The CertID of a certificate of this issuer. Raises DerError."""
    return CertId(
        hash_name=hash_name,
        name_hash=hashlib.new(hash_name, der.encoded(der.SEQUENCE, issuer.subject)).digest(),
        key_hash=hashlib.new(hash_name, key_octets(issuer)).digest(),
        serial=serial,
    )
