"""Certificates of simulated devices, and OCSP answers about them that cost no signature.

The gateway's own code reads the certificates and judges the answers. One step is replaced while a simulation runs:
`ocsp.prove`, which verifies a signature, takes a record of 25 bytes for a response and its content for proven.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.ocsp import OcspRequest, ProvenResponse
from agwtwisted.core.revocation.status import Unusable

EPOCH: Final = 1_800_000_000.0
"""What the wall clock says when a simulation begins."""

URL: Final = "http://ocsp.fleet.example/"

_ANSWER: Final = struct.Struct("!Q?dd")
_SERIAL_BYTES: Final = 16
_FIRST_SERIAL: Final = 1 << 120  # so that every serial number has the same length
_YEARS: Final = datetime.timedelta(days=3650)


@cache
def _template() -> tuple[bytes, bytes, int]:
    """A device's certificate, its issuer's, and where the first one has its serial number."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Devices of a fleet")])
    now = datetime.datetime.fromtimestamp(EPOCH, datetime.UTC)

    def builder(subject: x509.Name) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(key.public_key())
        return made.serial_number(_FIRST_SERIAL).not_valid_before(now - _YEARS).not_valid_after(now + _YEARS)

    responder = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(URL))
    device = builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a device")]))
    device = device.add_extension(x509.AuthorityInformationAccess([responder]), critical=False)
    der = device.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    issuer = builder(name).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return der, issuer, der.index(_FIRST_SERIAL.to_bytes(_SERIAL_BYTES, "big"))


def subject_of(number: int) -> Subject:
    """The certificate of a device, and that of its issuer."""
    device, issuer, at = _template()
    serial = (_FIRST_SERIAL + number).to_bytes(_SERIAL_BYTES, "big")
    return device[:at] + serial + device[at + _SERIAL_BYTES :], issuer


def number_asked(request: bytes) -> int:
    """The device that an OCSP request is about: the serial number is the last of it (RFC 6960 section 4.1.1)."""
    return int.from_bytes(request[-_SERIAL_BYTES:], "big") - _FIRST_SERIAL


def answer(number: int, *, revoked: bool, this_update: float, next_update: float) -> bytes:
    """What a simulated responder says about a device."""
    return _ANSWER.pack(number, revoked, this_update, next_update)


def _prove(response: bytes, request: OcspRequest) -> ProvenResponse | Unusable:
    """In place of `ocsp.prove`: what a simulated answer says, if it is about the certificate."""
    number, revoked, this_update, next_update = _ANSWER.unpack(response)
    if _FIRST_SERIAL + number != int.from_bytes(request.cert_id.serial, "big"):
        return Unusable("the response is about another certificate")
    return ProvenResponse(
        status=OCSPCertStatus.REVOKED if revoked else OCSPCertStatus.GOOD,
        this_update=this_update,
        next_update=next_update,
        produced_at=this_update,
        signer_from=EPOCH - _YEARS.total_seconds(),
        signer_until=EPOCH + _YEARS.total_seconds(),
        revoked_at=this_update if revoked else 0.0,
        response=response,
    )


@contextmanager
def unsigned() -> Iterator[None]:
    """Within it answers of a simulated responder are taken for proven, in this whole process."""
    with mock.patch.object(ocsp, "prove", _prove):
        yield
