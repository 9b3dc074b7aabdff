"""What an OCSP response proves about a certificate, and until when (RFC 6960, RFC 5019, RFC 9654).

Two steps, because they cost so differently. `prove` reads a response and verifies its signature: what it finds does not
depend on time and is kept. `status_at` compares a few numbers: it is asked at every use, with the time of that use.
Times are seconds since 1970. Nothing that a response holds raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp

from agwtwisted.core import certificate_rules, der, responders
from agwtwisted.core.certificate_extensions import ocsp_urls
from agwtwisted.core.certificates import Certificate, certificate_of
from agwtwisted.core.der import DerError
from agwtwisted.core.public_keys import key_octets

CANNOT_READ: Final = (*certificate_rules.CANNOT_READ, DerError, OverflowError)

MAX_RESPONSE_BYTES: Final = 65536
"""A response is two or three kilobytes long; one of a responder with a long chain of its own, ten."""


@attrs.frozen
class Good:
    """The issuer says that the certificate is not revoked; believed until `until`."""

    until: float


@attrs.frozen
class Revoked:
    """The issuer says that the certificate is revoked, since `at`; worth asking again after `until`.

    Believed for ever, until a newer response says otherwise.
    """

    at: float
    reason: str
    until: float


@attrs.frozen
class Unknown:
    """The issuer does not know the certificate: an answer, and no good one."""


@attrs.frozen
class Unusable:
    """There was a response, and it proves nothing."""

    reason: str


@attrs.frozen
class Unreachable:
    """There was no response; `was_asked`: to this very question, and not only to others a moment ago."""

    reason: str
    was_asked: bool = attrs.field(default=True, kw_only=True)


@attrs.frozen
class NotAsked:
    """The question was not put, for want of something of the gateway's own: a descriptor, memory, a turn in its queue.

    It says nothing about the certificate and nothing about its responder, so that `ocsp_unavailable` is not about it.
    """

    reason: str


OcspStatus: TypeAlias = Good | Revoked | Unknown | Unusable | Unreachable | NotAsked

FORGIVEN_FOR: Final = 10.0
"""Seconds for which an answer is believed that was past its nextUpdate when it came, yet within the clock's skew."""


@attrs.frozen(kw_only=True)
class Rules:
    """What is believed, and for how long: the profile's ocsp_clock_skew, ocsp_max_age, ocsp_default_age, in seconds.

    `without_nocheck` is its ocsp_responder_without_nocheck.
    """

    clock_skew: float = 300.0
    max_age: float = 864000.0
    default_age: float = 300.0
    without_nocheck: bool = False


@attrs.frozen(kw_only=True, eq=False)
class Question:
    """What is asked about a certificate: `request` goes to the responder, the rest is compared with its answer."""

    certificate: Certificate
    issuer: Certificate
    request: bytes = attrs.field(repr=False)  # DER
    name_hash: bytes
    key_hash: bytes
    serial: int
    hash_name: str  # of both hashes
    nonce: bytes = b""

    @classmethod
    def of(
        cls, certificate_der: bytes, issuer_der: bytes, *, sha256: bool = False, nonce: bytes = b""
    ) -> Question | Unusable:
        """The question about a certificate of this issuer, of verified chains only.

        CertIDs are made with SHA-1 unless `sha256` says otherwise: it is what every responder knows (RFC 5019 section
        2.1.1), and nothing hangs on its collisions. A `nonce`, of 32 random bytes (RFC 9654), is left out where empty.
        """
        certificate, issuer = certificate_of(certificate_der), certificate_of(issuer_der)
        if certificate is None or issuer is None:
            return Unusable("the certificate cannot be read")
        hash_name = "sha256" if sha256 else "sha1"  # an identifier, not a signature
        try:
            name_hash = hashlib.new(hash_name, der.encoded(der.SEQUENCE, certificate.issuer)).digest()
            key_hash = hashlib.new(hash_name, key_octets(issuer)).digest()
        except DerError:
            return Unusable("no question can be asked about this certificate")
        return cls(
            certificate=certificate,
            issuer=issuer,
            request=_request(hash_name, name_hash, key_hash, certificate.serial, nonce),
            name_hash=name_hash,
            key_hash=key_hash,
            serial=int.from_bytes(certificate.serial, "big", signed=True),
            hash_name=hash_name,
            nonce=nonce,
        )

    @property
    def responders(self) -> tuple[str, ...]:
        """The OCSP URLs of the certificate's authority information access (RFC 5280 section 4.2.2.1), as they stand."""
        try:
            return ocsp_urls(self.certificate)
        except DerError:
            return ()


_HASH_ALGORITHMS: Final = {  # AlgorithmIdentifier: the object identifier and NULL
    "sha1": bytes.fromhex("300906052b0e03021a0500"),
    "sha256": bytes.fromhex("300d06096086480165030402010500"),
}
_NONCE: Final = bytes.fromhex("2b0601050507300102")
_REQUEST_EXTENSIONS: Final = 0xA2


def _request(hash_name: str, name_hash: bytes, key_hash: bytes, serial: bytes, nonce: bytes) -> bytes:
    """The DER of an OCSPRequest (RFC 6960 section 4.1.1), whatever number the serial number is."""
    hashes = b"".join(der.encoded(der.OCTET_STRING, each) for each in (name_hash, key_hash))
    certificate_id = _sequence(_HASH_ALGORITHMS[hash_name], hashes, der.encoded(der.INTEGER, serial))
    parts = [_sequence(_sequence(certificate_id))]
    if nonce:
        value = der.encoded(der.OCTET_STRING, der.encoded(der.OCTET_STRING, nonce))
        extension = _sequence(der.encoded(der.OBJECT_IDENTIFIER, _NONCE), value)
        parts.append(der.encoded(_REQUEST_EXTENSIONS, _sequence(extension)))
    return _sequence(_sequence(*parts))


def _sequence(*parts: bytes) -> bytes:
    return der.encoded(der.SEQUENCE, b"".join(parts))


@attrs.frozen(kw_only=True)
class Answer:
    """What a response proves: its signature is that of the issuer, or of a delegate who may sign for it."""

    status: ocsp.OCSPCertStatus
    this_update: float
    next_update: float | None
    produced_at: float
    signer_from: float  # the signer's certificate is valid from here
    signer_until: float  # to here
    without_nocheck: bool = False  # it is a delegate without id-pkix-ocsp-nocheck, which only some profiles believe
    revoked_at: float = 0.0
    reason: str = ""
    response: bytes = attrs.field(default=b"", repr=False)  # that proves it

    @property
    def is_revoked(self) -> bool:
        """Whether it says *revoked*, for whatever reason: removeFromCRL is one for delta CRLs, and no absolution."""
        return self.status is ocsp.OCSPCertStatus.REVOKED

    @property
    def is_unknown(self) -> bool:
        """Whether the issuer does not know the certificate."""
        return self.status is ocsp.OCSPCertStatus.UNKNOWN


def fingerprint(certificate_der: bytes) -> str:
    """How a certificate is called in logs: SHA-1 in hex, as the access log has it."""
    return hashlib.sha1(certificate_der, usedforsecurity=False).hexdigest()


def key_of(certificate_der: bytes, issuer_der: bytes) -> bytes:
    """What answers about a certificate of an issuer are filed under: 32 bytes.

    It is what an answer is about (RFC 6960 section 4.1.1, CertID): the issuer's name and key, and the serial number.
    The bytes of a certificate are in the hands of its holder: of each ECDSA signature anybody can make a second one
    that holds, and an issuer may have several certificates. A revocation that is known counts for all of these.
    """
    question = Question.of(certificate_der, issuer_der, sha256=True)
    if isinstance(question, Unusable):
        return hashlib.sha256(issuer_der + certificate_der).digest()
    return hashlib.sha256(question.name_hash + question.key_hash + question.certificate.serial).digest()


def prove(response: bytes, question: Question) -> Answer | Unusable:
    """What a response in DER says about the certificate in question, if it has the right to say it."""
    if len(response) > MAX_RESPONSE_BYTES:
        return Unusable("the response is too long")
    try:
        found = _proven(ocsp.load_der_ocsp_response(response), question)
    except CANNOT_READ:
        return Unusable("the response cannot be read")
    return attrs.evolve(found, response=response) if isinstance(found, Answer) else found


def status_at(
    answer: Answer, rules: Rules, now: float, *, arrived: float | None = None
) -> Good | Revoked | Unknown | Unusable:
    """What an answer that came at `arrived` (None: now) means at `now`.

    *Revoked* is believed however old it is; all else within its time only.
    """
    if answer.is_revoked:
        return Revoked(answer.revoked_at, answer.reason, end_of(answer, rules))
    if fault := signer_fault(answer, rules):
        return Unusable(fault)
    if max(answer.this_update, answer.produced_at) > now + rules.clock_skew:
        return Unusable("the response is of the future")
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


def signer_fault(answer: Answer, rules: Rules) -> str:
    """Why the signer of an answer does not count for a profile with these rules; empty where it does."""
    if answer.without_nocheck and not rules.without_nocheck:
        return (
            "the responder's certificate may not sign responses: it has no id-pkix-ocsp-nocheck"
            " (ocsp_responder_without_nocheck = Allow in the profile believes it all the same)"
        )
    return ""


def end_of(answer: Answer, rules: Rules) -> float:
    """When an answer has to be asked for again: at nextUpdate (RFC 6960 section 3.2), or with the rules' `max_age`.

    Without nextUpdate newer information is there at any time (RFC 6960 section 4.2.2.1): such a response lives for
    `default_age` from when it was signed.
    """
    return min(_fresh_until(answer, rules), answer.this_update + rules.max_age, answer.signer_until)


def last_end_of(answer: Answer, rules: Rules) -> float:
    """Until when an answer may count at most: the skew of the clocks is on top of its nextUpdate."""
    latest = _fresh_until(answer, rules) + rules.clock_skew
    return min(latest, answer.this_update + rules.max_age, answer.signer_until)


def _fresh_until(answer: Answer, rules: Rules) -> float:
    return answer.produced_at + rules.default_age if answer.next_update is None else answer.next_update


def _believed_until(answer: Answer, rules: Rules, arrived: float) -> float:
    """One that was over when it came is so by a clock that may be wrong: it counts for a moment, and is asked again."""
    end = end_of(answer, rules)
    return end if arrived < end else min(arrived + FORGIVEN_FOR, last_end_of(answer, rules))


def judge(response: bytes, question: Question, rules: Rules, now: float) -> OcspStatus:
    """Both steps at once."""
    found = prove(response, question)
    return found if isinstance(found, Unusable) else status_at(found, rules, now)


def _proven(response: ocsp.OCSPResponse, question: Question) -> Answer | Unusable:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        word = response.response_status.name.lower().replace("_", " ")
        return Unusable(f"the responder answers: {word}")
    if fault := _extensions_fault(response, question):
        return Unusable(fault)
    matching = [single for single in response.responses if _matches(single, question)]
    if not matching:
        return Unusable("the response is about another certificate")
    signer = responders.signer(response, question.issuer)
    if isinstance(signer, str):
        return Unusable(signer)
    single = max(matching, key=_gravity)  # who says two things is believed the worse
    return Answer(
        status=single.certificate_status,
        this_update=single.this_update_utc.timestamp(),
        next_update=_seconds(single.next_update_utc),
        produced_at=response.produced_at_utc.timestamp(),
        signer_from=signer.not_before.timestamp(),
        signer_until=signer.not_after.timestamp(),
        without_nocheck=signer is not question.issuer and not certificate_rules.has_nocheck(signer),
        revoked_at=_seconds(single.revocation_time_utc) or 0.0,
        reason=single.revocation_reason.value if single.revocation_reason else "",
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _gravity(single: ocsp.OCSPSingleResponse) -> tuple[int, float]:
    order = (ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.UNKNOWN, ocsp.OCSPCertStatus.REVOKED)
    return order.index(single.certificate_status), -single.this_update_utc.timestamp()


def _matches(single: ocsp.OCSPSingleResponse, question: Question) -> bool:
    """Whether a single response is about the certificate in question: every field of the CertID counts."""
    try:
        hash_name = single.hash_algorithm.name
    except UnsupportedAlgorithm:
        return False
    return (hash_name, single.issuer_name_hash, single.issuer_key_hash, single.serial_number) == (
        question.hash_name,
        question.name_hash,
        question.key_hash,
        question.serial,
    )


def _extensions_fault(response: ocsp.OCSPResponse, question: Question) -> str:
    """An unknown critical extension, or the nonce of another question; many responders leave nonces out (RFC 5019)."""
    for extension in response.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            if question.nonce and extension.value.nonce != question.nonce:
                return "the response has the nonce of another question"
        elif extension.critical:
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
