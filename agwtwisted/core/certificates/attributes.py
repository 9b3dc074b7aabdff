"""Single attributes of a certificate, each value separately, for rules, instead of patterns over the text of a name.

The text of a distinguished name cannot be taken apart safely: a common name may hold what looks like another attribute.
These values come from the DER, and no two of them can be confused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

import attrs

from agwtwisted.core.certificates.der import DerError, Element
from agwtwisted.core.certificates.names import name_attributes, value_text
from agwtwisted.core.certificates.variables import issuer_name, subject_alternative_names, subject_name

_COMMON_NAME: Final = bytes.fromhex("550403")
_ORGANIZATION: Final = bytes.fromhex("55040a")
_ORGANIZATIONAL_UNIT: Final = bytes.fromhex("55040b")
_EMAIL_ADDRESS: Final = bytes.fromhex("2a864886f70d010901")

_RFC822_NAME: Final = 0x81
_DNS_NAME: Final = 0x82
_URI: Final = 0x86

_UNSPEAKABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


@attrs.frozen(kw_only=True)
class CertificateAttributes:
    """The values of single attributes, in the order of the certificate, as text in UTF-8; no value is empty.

    A control character, a NUL or a line separator in a value is U+FFFD, and so no value with one equals an honest name.
    A value that is no character string, or no valid one, is ``#`` and the hexadecimal of its contents.
    """

    common_names: tuple[bytes, ...] = ()
    organizational_units: tuple[bytes, ...] = ()
    organizations: tuple[bytes, ...] = ()
    dns_names: tuple[bytes, ...] = ()
    uris: tuple[bytes, ...] = ()
    email_addresses: tuple[bytes, ...] = ()
    """Those of the alternative names, then those of the subject (RFC 5280 section 4.1.2.6), each once.

    Name constraints for e-mail addresses bind both (section 4.2.1.10), so that both are worth the same.
    """


def certificate_attributes(der: bytes) -> CertificateAttributes:
    """Those of a certificate; never raises.

    A subject or an alternative name extension that cannot be read, or an extension that is there twice, has no values.
    """
    subject = _attributes(subject_name(der))
    names = subject_alternative_names(der)
    addresses = (*_alternative(names, _RFC822_NAME), *_distinct(subject, _EMAIL_ADDRESS))
    return CertificateAttributes(
        common_names=_distinct(subject, _COMMON_NAME),
        organizational_units=_distinct(subject, _ORGANIZATIONAL_UNIT),
        organizations=_distinct(subject, _ORGANIZATION),
        dns_names=_alternative(names, _DNS_NAME),
        uris=_alternative(names, _URI),
        email_addresses=tuple(dict.fromkeys(addresses)),
    )


def issuer_organizations(der: bytes) -> tuple[bytes, ...]:
    """The values of O in the issuer's name, as `CertificateAttributes` has those of the subject."""
    return _distinct(_attributes(issuer_name(der)), _ORGANIZATION)


def fingerprint_sha256(der: bytes) -> bytes:
    """SHA-256 of a certificate, in lower-case hexadecimal."""
    return hashlib.sha256(der).hexdigest().encode()


def _attributes(name: bytes) -> tuple[tuple[bytes, Element], ...]:
    """Types and values of the attributes in a Name's contents."""
    try:
        return name_attributes(name)
    except DerError:
        return ()


def _distinct(attributes: Iterable[tuple[bytes, Element]], kind: bytes) -> tuple[bytes, ...]:
    """The values of the attributes of a type, each once."""
    found = [_value(value_text(value), value) for each, value in attributes if each == kind]
    return tuple(dict.fromkeys(filter(None, found)))


def _alternative(names: Iterable[Element], tag: int) -> tuple[bytes, ...]:
    """The names of a kind, each once; they are IA5String, of which octets beyond ASCII are read as Latin-1."""
    found = [_value(name.content.decode("latin-1"), name) for name in names if name.tag == tag]
    return tuple(dict.fromkeys(filter(None, found)))


def _value(text: str | None, value: Element) -> bytes:
    if text is None:
        return b"#" + value.content.hex().upper().encode()
    return _UNSPEAKABLE.sub(_REPLACEMENT, text).encode()
