"""Certificate revocation lists for tests, one call each: ``Crl(signer=CA, entries=[revoked(device)]).der()``.

The encoding is our own, because the interesting lists are those that libraries do not build; keys and signatures are
real.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import attrs
from cryptography.hazmat.primitives import hashes

from agwtwisted.core.revocation.crl import ProvenCrl, prove
from agwtwisted.core.revocation.crl_status import CrlRules, CrlSubject, status_of
from agwtwisted.core.revocation.status import Good, Revoked, Unusable
from tests import pki
from tests.pki import tlv

DAY = timedelta(days=1)
Serial: TypeAlias = int | bytes
"""A number, or the contents of an INTEGER."""

REASON = "551d15"
INVALIDITY_DATE = "551d18"
CERTIFICATE_ISSUER = "551d1d"
NUMBER = "551d14"
DELTA = "551d1b"
ISSUING_POINT = "551d1c"
AUTHORITY_KEY = "551d23"
UNHEARD_OF = "2a0304"


def extension(identifier: str, content: bytes, *, critical: bool = False) -> bytes:
    """An Extension; the identifier as hex."""
    return tlv(0x30, tlv(0x06, bytes.fromhex(identifier)), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, content))


def issuing_point(*parts: bytes, critical: bool = True) -> bytes:
    """The extension with these parts; those of `ONLY_USERS` and the like, or of `point_name`."""
    return extension(ISSUING_POINT, tlv(0x30, *parts), critical=critical)


ONLY_USERS = tlv(0x81, b"\xff")
ONLY_AUTHORITIES = tlv(0x82, b"\xff")
INDIRECT = tlv(0x84, b"\xff")
ONLY_ATTRIBUTES = tlv(0x85, b"\xff")


def some_reasons(bits: str, tag: int = 0x83) -> bytes:
    """Reasons as their bits: ``some_reasons("01")`` is keyCompromise alone."""
    octets = int(bits.ljust(16, "0"), 2).to_bytes(2, "big")
    return tlv(tag, bytes([max(16 - len(bits), 0) % 8]) + octets[: (len(bits) + 7) // 8])


def uri(url: str) -> bytes:
    """A GeneralName."""
    return tlv(0x86, url.encode())


def directory(subject: pki.Subject) -> bytes:
    """A GeneralName."""
    return tlv(0xA4, pki.name(subject).public_bytes() if isinstance(subject, str) else bytes(subject))


def point_name(*names: bytes) -> bytes:
    """A DistributionPointName with these GeneralNames, as it stands in either extension."""
    return tlv(0xA0, tlv(0xA0, *names))


def points_extension(*points: bytes) -> pki.x509.Extension[pki.x509.UnrecognizedExtension]:
    """The CRL distribution points of a certificate, from the contents of each."""
    identifier = pki.x509.ObjectIdentifier("2.5.29.31")
    return pki.extension(pki.x509.UnrecognizedExtension(identifier, tlv(0x30, *(tlv(0x30, each) for each in points))))


@attrs.frozen(kw_only=True)
class Listed:
    """An entry of a list."""

    serial: Serial
    at: datetime | bytes = pki.NOW - DAY
    reason: int | None = None
    invalidity_date: datetime | None = None
    extensions: Sequence[bytes] = ()

    def der(self) -> bytes:
        """One of revokedCertificates (RFC 5280 section 5.1)."""
        extensions = [*self.extensions]
        if self.reason is not None:
            extensions.append(extension(REASON, tlv(0x0A, bytes([self.reason]))))
        if self.invalidity_date is not None:
            when = self.invalidity_date.strftime("%Y%m%d%H%M%SZ").encode()
            extensions.append(extension(INVALIDITY_DATE, tlv(0x18, when)))
        return tlv(0x30, _integer(self.serial), pki._time(self.at), tlv(0x30, *extensions) if extensions else b"")


def revoked(certificate: pki.Credential, reason: int | None = 1) -> Listed:
    """The entry of a certificate."""
    return Listed(serial=certificate.parsed.serial, reason=reason)


@attrs.frozen(kw_only=True)
class Crl:
    """A whole list: `der` is correct unless a test asks for something else."""

    signer: pki.Credential
    entries: Sequence[Listed] = ()
    issuer: bytes | None = None  # named instead of the signer
    this_update: datetime | bytes = pki.NOW - DAY
    next_update: datetime | bytes | None = pki.NOW + DAY
    number: int | None = 1
    key_identifier: bytes | None = b""  # empty: the signer's; None: none
    version: bytes = tlv(0x02, b"\x01")
    extensions: Sequence[bytes] = ()
    digest: hashes.HashAlgorithm = attrs.field(factory=hashes.SHA256)
    inner_algorithm: bytes | None = None
    signature: bytes | None = None
    rest: bytes = b""  # after the last field

    def der(self) -> bytes:
        """CertificateList (RFC 5280 section 5.1)."""
        signed = self.to_be_signed()
        signature = pki._signature(self.signer.key, signed, self.digest) if self.signature is None else self.signature
        return tlv(0x30, signed, pki._algorithm(self.signer.key, self.digest), tlv(0x03, b"\0" + signature))

    def to_be_signed(self) -> bytes:
        """TBSCertList."""
        extensions = self._extensions()
        return tlv(
            0x30,
            self.version,
            self.inner_algorithm or pki._algorithm(self.signer.key, self.digest),
            self.signer.subject if self.issuer is None else self.issuer,
            pki._time(self.this_update),
            pki._time(self.next_update) if self.next_update else b"",
            tlv(0x30, *(each.der() for each in self.entries)) if self.entries else b"",
            tlv(0xA0, tlv(0x30, *extensions)) if extensions else b"",
            self.rest,
        )

    def pem(self) -> bytes:
        """In a PEM block."""
        text = base64.encodebytes(self.der())
        return b"-----BEGIN X509 CRL-----\n%b-----END X509 CRL-----\n" % text

    def proven(self, issuer: pki.Credential | None = None) -> ProvenCrl:
        """What it proves about certificates of its signer; a test that expects something else asks `prove`."""
        found = prove(self.der(), (issuer or self.signer).parsed)
        assert isinstance(found, ProvenCrl), found
        return found

    def _extensions(self) -> list[bytes]:
        found = [*self.extensions]
        if self.number is not None:
            found.append(extension(NUMBER, _integer(self.number)))
        if self.key_identifier is not None:
            key = self.signer.key.public_key()
            own = self.key_identifier or pki.x509.SubjectKeyIdentifier.from_public_key(key).digest
            found.append(extension(AUTHORITY_KEY, tlv(0x30, tlv(0x80, own))))
        return found


def status_by(lists: Sequence[Crl], certificate: pki.Credential, now: float) -> Good | Revoked | Unusable:
    """What lists of its issuer say about a certificate."""
    subject = CrlSubject.of(certificate.der, certificate.issuers[0].der)
    assert isinstance(subject, CrlSubject)
    return status_of([each.proven() for each in lists], subject, CrlRules(), now)


def _integer(number: Serial) -> bytes:
    if isinstance(number, bytes):
        return tlv(0x02, number)
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))
