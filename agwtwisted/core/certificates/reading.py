"""The fields of a certificate that decisions need, in every form that OpenSSL accepts (RFC 5280 section 4.1).

Stricter parsers refuse certificates that devices and their CAs have issued for decades. A chain is verified by OpenSSL
on the same bytes; these fields are compared and rendered, and only a malformed field that a decision needs leads to a
refusal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from agwtwisted.core.base.values import value
from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError, Element

MAX_NAME_OCTETS: Final = 4096
"""Of a subject or an issuer: a longer one is made to cost those who read it."""

VERSION: Final = 0xA0
EXTENSIONS: Final = 0xA3
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18

_TIMES: Final = {UTC_TIME: re.compile(rb"\d{12}Z"), GENERALIZED_TIME: re.compile(rb"\d{14}Z")}
"""The forms with which OpenSSL verifies a certificate (sections 4.1.2.5.1 and 4.1.2.5.2)."""


@value
class Extension:
    """One extension: the contents of its object identifier, whether it is critical, and its value."""

    identifier: bytes
    critical: bool
    content: bytes


@value(kw_only=True)
class Certificate:
    """What a certificate says; names and the serial number are contents, without their headers."""

    der: bytes
    serial: bytes
    algorithm: bytes  # contents of the AlgorithmIdentifier of its signature
    issuer: bytes
    not_before: datetime  # aware
    not_after: datetime
    subject: bytes
    public_key: bytes  # contents of the SubjectPublicKeyInfo
    extensions: tuple[Extension, ...]

    @classmethod
    def read(cls, der_bytes: bytes) -> Certificate:
        """The certificate that these bytes are; its version is not looked at, nor what is in its extensions.

        Raises:
            DerError: not a certificate, or one with a time at which OpenSSL verifies nothing.
        """
        parts = to_be_signed(der_bytes)
        tags, contents = zip(*parts[:6], strict=True) if parts else ((), ())
        if tags != _TAGS:
            raise DerError("not a certificate")
        serial, algorithm, issuer, validity, subject, public_key = contents
        begin, end, *_ = _padded(der.elements(validity), 2)
        return cls(
            der=der_bytes,
            serial=serial,
            algorithm=algorithm,
            issuer=issuer,
            not_before=moment(begin),
            not_after=moment(end),
            subject=subject,
            public_key=public_key,
            extensions=extensions_of(parts),
        )

    def extension(self, identifier: bytes) -> Extension | None:
        """The extension of this type, None where there is none.

        Raises:
            DerError: it is there twice, and each reader would take another one.
        """
        found = None
        for each in self.extensions:
            if each.identifier == identifier:
                if found is not None:
                    raise DerError("an extension occurs twice")
                found = each
        return found


REMEMBERED: Final = 128
"""Certificates that are not read anew, those seen last: what is asked about one client reads the same ones many times,
and most have the same issuers."""

_LONGEST_REMEMBERED: Final = 8192


def certificate_of(der_bytes: bytes) -> Certificate | None:
    """The certificate that these bytes are; None where it cannot be read."""
    return _remembered(der_bytes) if len(der_bytes) <= _LONGEST_REMEMBERED else _read(der_bytes)


@lru_cache(REMEMBERED)
def _remembered(der_bytes: bytes) -> Certificate | None:
    return _read(der_bytes)


def _read(der_bytes: bytes) -> Certificate | None:
    try:
        return Certificate.read(der_bytes)
    except DerError:
        return None


def to_be_signed(der_bytes: bytes) -> tuple[Element, ...]:
    """What a certificate says, from its serial number on (section 4.1); the version is left out.

    Raises:
        DerError: not a certificate.
    """
    return _remembered_parts(der_bytes) if len(der_bytes) <= _LONGEST_REMEMBERED else _parts(der_bytes)


def _parts(der_bytes: bytes) -> tuple[Element, ...]:
    parts = der.elements(der.first_of(der.only_element(der_bytes, der.SEQUENCE), der.SEQUENCE))
    return parts[1:] if parts and parts[0].tag == VERSION else parts


_remembered_parts: Final = lru_cache(64)(_parts)  # it is judged, and a moment later its variables are made


def extensions_of(parts: Sequence[Element]) -> tuple[Extension, ...]:
    """Those among parts of a certificate (section 4.1.2.9).

    Raises:
        DerError: they cannot be separated; the contents of each are not parsed.
    """
    for part in parts:
        if part.tag == EXTENSIONS:
            return tuple(
                [
                    (_known_extension if len(octets) <= _LONGEST_KNOWN else _read_extension)(tag, octets)
                    for tag, octets in der.elements(der.first_of(part.content, der.SEQUENCE))
                ]
            )
    return ()


def signature_of(certificate: Certificate) -> tuple[bytes, bytes]:
    """What a certificate's issuer signed, as it stands there, and the signature.

    Raises:
        DerError: they cannot be read.
    """
    parts = der.first_of(certificate.der, der.SEQUENCE)
    signed = der.first_encoding(parts)
    _algorithm, signature, *_ = _padded(der.elements(parts[len(signed) :]), 2)
    return signed, der.string_octets(signature)[1:]


def moment(time: Element) -> datetime:
    """When a time is that OpenSSL verifies with, aware; the year 0 is taken as the year 1.

    Raises:
        DerError: it is none, or in a form that OpenSSL verifies nothing with.
    """
    return (_known_moment if len(time[1]) <= _LONGEST_TIME else _read_moment)(time)


def _read_moment(time: Element) -> datetime:
    octets = der.string_octets(time)
    form = _TIMES.get(time.tag & ~der.CONSTRUCTED)
    if form is None or not form.fullmatch(octets):
        raise DerError("not a time")
    digits = octets.decode("ascii")
    if len(digits) == 13:
        digits = ("20" if digits < "5" else "19") + digits
    elif digits.startswith("0000"):
        digits = "0001" + digits[4:]
    if digits[8:10] == "24":  # midnight for newer Pythons
        raise DerError("not a time")
    try:
        return datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}")
    except ValueError:
        raise DerError("not a time") from None


_known_moment: Final = lru_cache(128)(_read_moment)  # it is judged, and a moment later printed
_LONGEST_TIME: Final = 32
"""Octets of a time that is remembered."""

_TAGS: Final = (der.INTEGER, *[der.SEQUENCE] * 5)


def _read_extension(tag: int, octets: bytes) -> Extension:
    """DEFAULT FALSE may be written out, and every octet but zero is true."""
    parts = der.elements(octets)
    if not 2 <= len(parts) <= 3 or tag != der.SEQUENCE or parts[0].tag != der.OBJECT_IDENTIFIER:
        raise DerError("not an extension")
    content = parts[-1]
    if content.tag & ~der.CONSTRUCTED != der.OCTET_STRING:
        raise DerError("an extension without a value")
    critical = len(parts) == 3 and is_true(parts[1])
    return Extension(parts[0].content, critical, der.string_octets(content))


_known_extension: Final = lru_cache(256)(_read_extension)  # most certificates of a fleet have most in common
_LONGEST_KNOWN: Final = 256
"""Octets of an extension that is remembered."""


def is_true(element: Element) -> bool:
    """The value of a BOOLEAN; every octet but zero is true (X.690 section 8.2).

    Raises:
        DerError: it is none.
    """
    if element.tag != der.BOOLEAN or len(element.content) != 1:
        raise DerError("not a BOOLEAN")
    return element.content != b"\0"


def _padded(parts: tuple[Element, ...], least: int) -> tuple[Element, ...]:
    if len(parts) < least:
        raise DerError("something is missing")
    return parts
