"""The values of certificate variables in rewrite rules, headers and logs."""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Final

import attrs

from agwtwisted.core.base.remembering import remembering
from agwtwisted.core.certificates.der import (
    CONSTRUCTED,
    INTEGER,
    SEQUENCE,
    DerError,
    Element,
    elements,
    first_of,
    string_octets,
)
from agwtwisted.core.certificates.extensions import SUBJECT_ALTERNATIVE_NAME
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.certificates.reading import (
    GENERALIZED_TIME,
    MAX_NAME_OCTETS,
    UTC_TIME,
    extensions_of,
    moment,
    to_be_signed,
)


@attrs.frozen
class CertificateVariables:
    """The mutual-authentication variables of one certificate, as the bytes a header carries.

    Printable ASCII, all of them; empty where the certificate cannot be read. Formats are those of nginx's
    ``$ssl_client_*``, which the product's values equal. Each is read when it is asked for, and once: of a refused
    certificate hardly any is. Names, serial number and dates come straight from the DER, each as far as it can be read.
    """

    der: bytes = attrs.field(repr=False)

    @cached_property
    def certificate(self) -> bytes:
        """PEM in URL encoding."""
        return url_encoded_pem(self.der)

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-1 in lower-case hexadecimal."""
        return hashlib.sha1(self.der, usedforsecurity=False).hexdigest().encode()

    @cached_property
    def serial(self) -> bytes:
        """The serial number in upper-case hexadecimal, an even number of digits."""
        return _serial(_fields(self.der)[0])

    @cached_property
    def issuer(self) -> bytes:
        """The issuer's name (RFC 2253)."""
        return _issuer_text(issuer_name(self.der))

    @property
    def logged_subject(self) -> bytes:
        """The subject for logs: of a name that is made to cost its readers, the length."""
        return _logged(subject_name(self.der)) or self.subject

    @property
    def logged_issuer(self) -> bytes:
        """The issuer for logs, in the same way."""
        return _logged(issuer_name(self.der)) or self.issuer

    @cached_property
    def start_date(self) -> bytes:
        """``May 30 15:32:00 2023 GMT``."""
        return _date(_fields(self.der)[2], 0)

    @cached_property
    def end_date(self) -> bytes:
        """As `start_date`."""
        return _date(_fields(self.der)[2], 1)

    @cached_property
    def subject(self) -> bytes:
        """The subject's name (RFC 2253)."""
        return relative_names(subject_name(self.der))


_issuer_text: Final = remembering(relative_names, 64)
"""The same few have issued everything."""

BAD_TIME: Final = b"Bad time value"
"""What OpenSSL prints for a time that is none, month 13 for instance."""

_ZONE: Final = rb"(?:Z|([+-])(0\d|1[0-2])([0-5]\d))"
_TIMES: Final = {
    UTC_TIME: re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)())?" + _ZONE),
    GENERALIZED_TIME: re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)(\.\d+)?)?" + _ZONE),
}
_LEAP_YEAR: Final = 4
"""In place of the year 0, which is one too (ISO 8601), and which Python does not have."""
_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def _logged(name: bytes) -> bytes:
    """What stands for a name that is too long to be rendered; empty for any other."""
    return b"(a name of %d octets)" % len(name) if len(name) > MAX_NAME_OCTETS else b""


def certificate_variables(der: bytes) -> CertificateVariables:
    """The variables of a certificate; never raises, whatever the bytes are."""
    return CertificateVariables(der)


def url_encoded_pem(der: bytes) -> bytes:
    """A certificate as PEM on one line, every character but letters, digits and ``-`` as ``%XX``."""
    text = b2a_base64(der, newline=False)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    body = b"%0A".join(lines).replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D")
    return b"-----BEGIN%%20CERTIFICATE-----%%0A%b%%0A-----END%%20CERTIFICATE-----%%0A" % body


_DNS_NAME: Final = 0x82
_URI: Final = 0x86


def alternative_names(der: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The URIs and the DNS names of a certificate's subjectAltName, as they stand there (RFC 5280 section 4.2.1.6).

    None at all where the extension is missing, not readable or there twice; never raises.
    """
    entries = subject_alternative_names(der)
    uris = tuple(entry.content for entry in entries if entry.tag == _URI)
    return uris, tuple(entry.content for entry in entries if entry.tag == _DNS_NAME)


_IN_PIECES: Final = frozenset({0xA1, 0xA2, 0xA6})
"""E-mail addresses, DNS names and URIs that come in pieces."""


def subject_alternative_names(der: bytes) -> tuple[Element, ...]:
    """The entries of a certificate's subjectAltName by their context tags, as they stand there.

    None at all where the extension is missing, not readable or there twice; never raises.
    """
    try:
        found = [each for each in extensions_of(to_be_signed(der)) if each.identifier == SUBJECT_ALTERNATIVE_NAME]
        names = first_of(found[0].content, SEQUENCE) if len(found) == 1 else b""
        entries = elements(names, most=len(names))  # as many as there are: who is excluded by one must not hide it
        return tuple(
            [
                Element(each.tag & ~CONSTRUCTED, string_octets(each)) if each.tag in _IN_PIECES else each
                for each in entries
            ]
        )
    except DerError:
        return ()


def subject_name(der: bytes) -> bytes:
    """The contents of a certificate's subject; empty where it cannot be read."""
    return _name(_fields(der)[3])


def issuer_name(der: bytes) -> bytes:
    """The contents of a certificate's issuer; empty where it cannot be read."""
    return _name(_fields(der)[1])


_UNREADABLE: Final = Element(0, b"")


@lru_cache(1)  # one variable after the other is made of the same certificate
def _fields(der: bytes) -> tuple[Element, Element, Element, Element]:
    """Serial number, issuer, validity and subject."""
    try:
        serial, _algorithm, issuer, validity, subject, *_ = to_be_signed(der)
    except (DerError, ValueError):
        return _UNREADABLE, _UNREADABLE, _UNREADABLE, _UNREADABLE
    return serial, issuer, validity, subject


def _name(name: Element) -> bytes:
    return name.content if name.tag == SEQUENCE else b""


def _serial(serial: Element) -> bytes:
    """Upper-case hexadecimal of the magnitude, an even number of digits, with the sign of a negative one."""
    if serial.tag != INTEGER or not serial.content:
        return b""
    number = int.from_bytes(serial.content, "big", signed=True)
    octets = abs(number).to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return (b"-" if number < 0 else b"") + octets.hex().upper().encode()


def _date(validity: Element, at: int) -> bytes:
    """One of both dates; empty where they cannot be read."""
    try:
        dates = _dates(validity.content)
    except DerError:
        return b""
    return printed_time(dates[at]) if len(dates) == 2 else b""


_dates: Final = lru_cache(1)(elements)  # one is asked for after the other


def printed_time(time: Element) -> bytes:
    """A UTCTime or GeneralizedTime as OpenSSL prints it: ``May 30 15:32:00 2023 GMT``, the day padded with a space.

    As there, the forms that RFC 5280 section 4.1.2.5 forbids are times too: without seconds, with a fraction, with an
    offset instead of ``Z``. What is no moment of the years 0 to 9999 is `BAD_TIME`. An element of another type is
    empty.
    """
    if (form := _TIMES.get(time.tag & ~CONSTRUCTED)) is None:
        return b""
    try:
        usual = moment(time)
    except DerError:  # another form
        return _printed_otherwise(time, form)
    if usual.year <= 1:  # which the year 0 is taken as
        return _printed_otherwise(time, form)
    clock = b"%02d:%02d:%02d" % (usual.hour, usual.minute, usual.second)
    return b"%b %2d %b %d GMT" % (_MONTHS[usual.month - 1], usual.day, clock, usual.year)


def _printed_otherwise(time: Element, form: re.Pattern[bytes]) -> bytes:
    try:
        found = form.fullmatch(string_octets(time))
    except DerError:
        return b""
    if found is None:
        return BAD_TIME
    *digits, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = [int(number or 0) for number in digits]
    if time.tag & ~CONSTRUCTED == UTC_TIME:
        year += 2000 if year < 50 else 1900
    try:
        at = datetime(year or _LEAP_YEAR, month, day, hour, minute, second)
        if sign and not year:
            return BAD_TIME
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            at += offset if sign == b"-" else -offset
    except (ValueError, OverflowError):
        return BAD_TIME
    clock = b"%02d:%02d:%02d%b" % (at.hour, at.minute, at.second, fraction or b"")
    return b"%b %2d %b %d GMT" % (_MONTHS[at.month - 1], at.day, clock, at.year if year else 0)
