"""Server variables: what a request and its client are called in rewrite rules, headers and logs."""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from datetime import datetime, timedelta
from typing import Final

import attrs

from agwtwisted.core.der import SEQUENCE, DerError, Element, elements, only_element
from agwtwisted.core.names import relative_names


@attrs.frozen(kw_only=True)
class CertificateVariables:
    """The mutual-authentication variables of one certificate, as the bytes a header carries.

    Printable ASCII, all of them; empty where the certificate cannot be read.
    """

    der: bytes = attrs.field(repr=False)
    certificate: bytes = attrs.field(repr=False)  # URL-encoded PEM
    subject: bytes
    issuer: bytes
    serial: bytes
    fingerprint: bytes
    start_date: bytes
    end_date: bytes


BAD_TIME: Final = b"Bad time value"
"""What OpenSSL prints for a time that is none, month 13 for instance."""

_INTEGER: Final = 0x02
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_VERSION: Final = 0xA0
_ZONE: Final = rb"(?:Z|([+-])(0\d|1[0-2])([0-5]\d))"
_TIMES: Final = {
    _UTC_TIME: re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)())?" + _ZONE),
    _GENERALIZED_TIME: re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)(\.\d+)?)?" + _ZONE),
}
_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def certificate_variables(der: bytes) -> CertificateVariables:
    """The variables of a certificate; never raises, whatever the bytes are.

    Formats are those of nginx's ``$ssl_client_*``, which the product's values equal. The certificate and its
    fingerprint are always there. Names, serial number and dates come straight from the DER, each as far as it can be
    read: OpenSSL lets certificates in that stricter parsers refuse.
    """
    serial, issuer, validity, subject = _fields(der)
    start_date, end_date = _dates(validity)
    return CertificateVariables(
        der=der,
        certificate=url_encoded_pem(der),
        subject=_name(subject),
        issuer=_name(issuer),
        serial=_serial(serial),
        fingerprint=hashlib.sha1(der, usedforsecurity=False).hexdigest().encode(),
        start_date=start_date,
        end_date=end_date,
    )


def url_encoded_pem(der: bytes) -> bytes:
    """A certificate as PEM on one line, every character but letters, digits and ``-`` as ``%XX``."""
    text = b2a_base64(der, newline=False)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    body = b"%0A".join(lines).replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D")
    return b"-----BEGIN%%20CERTIFICATE-----%%0A%b%%0A-----END%%20CERTIFICATE-----%%0A" % body


def to_be_signed(der: bytes) -> tuple[Element, ...]:
    """What a certificate says, from its serial number on (RFC 5280 section 4.1); the version is left out.

    Raises:
        DerError: not a certificate.
    """
    match elements(der):
        case (Element(tag=tag, content=signed), *_) if tag == SEQUENCE and signed:
            parts = elements(elements(signed)[0].content)
            return parts[1:] if parts and parts[0].tag == _VERSION else parts
        case _:
            raise DerError("not a certificate")


_EXTENSIONS: Final = 0xA3
_SUBJECT_ALTERNATIVE_NAME: Final = bytes.fromhex("0603551d11")  # its object identifier, 2.5.29.17
_DNS_NAME: Final = 0x82
_URI: Final = 0x86


def alternative_names(der: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The URIs and the DNS names of a certificate's subjectAltName, as they stand there (RFC 5280 section 4.2.1.6).

    None at all where the extension is missing, not readable or there twice; never raises.
    """
    entries = subject_alternative_names(der)
    uris = tuple(entry.content for entry in entries if entry.tag == _URI)
    return uris, tuple(entry.content for entry in entries if entry.tag == _DNS_NAME)


def subject_alternative_names(der: bytes) -> tuple[Element, ...]:
    """The entries of a certificate's subjectAltName by their context tags, as they stand there.

    None at all where the extension is missing, not readable or there twice; never raises.
    """
    try:
        (names,) = _alternative_name_extensions(der)
        return elements(only_element(names, SEQUENCE))
    except (DerError, ValueError):
        return ()


def subject_name(der: bytes) -> bytes:
    """The contents of a certificate's subject; empty where it cannot be read."""
    subject = _fields(der)[3]
    return subject.content if subject.tag == SEQUENCE else b""


def _alternative_name_extensions(der: bytes) -> list[bytes]:
    """The values of the extensions of that type; there should be one at most."""
    fields = [field.content for field in to_be_signed(der) if field.tag == _EXTENSIONS]
    extensions = elements(only_element(fields[0], SEQUENCE)) if fields else ()
    return [
        elements(extension.content)[-1].content
        for extension in extensions
        if extension.content.startswith(_SUBJECT_ALTERNATIVE_NAME)
    ]


_UNREADABLE: Final = Element(0, b"")


def _fields(der: bytes) -> tuple[Element, Element, Element, Element]:
    """Serial number, issuer, validity and subject."""
    try:
        serial, _algorithm, issuer, validity, subject, *_ = to_be_signed(der)
    except (DerError, ValueError):
        return _UNREADABLE, _UNREADABLE, _UNREADABLE, _UNREADABLE
    return serial, issuer, validity, subject


def _name(name: Element) -> bytes:
    return relative_names(name.content) if name.tag == SEQUENCE else b""


def _serial(serial: Element) -> bytes:
    """Upper-case hexadecimal of the magnitude, an even number of digits, with the sign of a negative one."""
    if serial.tag != _INTEGER or not serial.content:
        return b""
    number = int.from_bytes(serial.content, "big", signed=True)
    octets = abs(number).to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return (b"-" if number < 0 else b"") + octets.hex().upper().encode()


def _dates(validity: Element) -> tuple[bytes, bytes]:
    """Both dates, or two empty ones."""
    try:
        start, end = elements(validity.content)
    except (DerError, ValueError):
        return b"", b""
    return printed_time(start), printed_time(end)


def printed_time(time: Element) -> bytes:
    """A UTCTime or GeneralizedTime as OpenSSL prints it: ``May 30 15:32:00 2023 GMT``, the day padded with a space.

    As there, the forms that RFC 5280 section 4.1.2.5 forbids are times too: without seconds, with a fraction, with an
    offset instead of ``Z``. What is no moment of the years 1 to 9999 is `BAD_TIME`. An element of another type is
    empty.
    """
    if (form := _TIMES.get(time.tag)) is None:
        return b""
    if (found := form.fullmatch(time.content)) is None:
        return BAD_TIME
    *digits, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = [int(number or 0) for number in digits]
    if time.tag == _UTC_TIME:
        year += 2000 if year < 50 else 1900
    try:
        moment = datetime(year, month, day, hour, minute, second)
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            moment += offset if sign == b"-" else -offset
    except (ValueError, OverflowError):
        return BAD_TIME
    clock = b"%02d:%02d:%02d%b" % (moment.hour, moment.minute, moment.second, fraction or b"")
    return b"%b %2d %b %d GMT" % (_MONTHS[moment.month - 1], moment.day, clock, moment.year)
