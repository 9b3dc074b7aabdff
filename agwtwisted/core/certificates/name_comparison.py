"""Whether two distinguished names are equal (RFC 5280 section 7.1), compared by their DER and never by text.

Printed names are ambiguous: in the order of their parts, in escapes, in string types.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError, Element

_ENCODINGS: Final[Mapping[int, str]] = {
    0x0C: "utf-8",  # UTF8String
    0x13: "latin-1",  # PrintableString; read, as the next ones, as OpenSSL reads it, whatever the type allows
    0x14: "latin-1",  # TeletexString
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
# Python counts four separators among the control characters as white space; RFC 4518 section 2.2 does not.
_SPACES: Final = re.compile(r"[^\S\x1c-\x1f]+")


_MOST_MARKS: Final = 30
"""Combining characters in a row, as in the stream-safe text format (Unicode Standard Annex #15, section 13).

To bring more of them into their order costs by the square of their number.
"""

_MOST_GROWTH: Final = 4
"""Times the characters of a text that it may have decomposed; single ones become eighteen (U+FDFA)."""


_LONGEST_REMEMBERED: Final = 1024


def normalised_name(name_der: bytes) -> bytes:
    """What two Names have in common exactly when they are the same name.

    String types, case (Unicode's folding with NFKC) and the amount of white space do not count, nor does the order
    within a multi-valued RDN; the order of the RDNs does. A text with more than 30 combining characters in a row, or
    one that decomposed is more than four times as long, is the same as itself alone.

    Raises:
        DerError: not the DER of a Name.
    """
    return _remembered(name_der) if len(name_der) <= _LONGEST_REMEMBERED else _normalised(name_der)


@lru_cache(128)  # the same few issuers and responders have signed everything
def _remembered(name_der: bytes) -> bytes:
    return _normalised(name_der)


def _normalised(name_der: bytes) -> bytes:
    relatives = der.elements(der.only_element(name_der, der.SEQUENCE))
    return b"".join(_framed(_normalised_relative(relative)) for relative in relatives)


def _normalised_relative(relative: Element) -> bytes:
    """One RelativeDistinguishedName: a set of attributes."""
    attributes = der.elements(relative.content)
    if relative.tag != der.SET or not attributes:
        raise DerError("a relative distinguished name that is not a set of attributes")
    return b"".join(sorted({_normalised_attribute(attribute) for attribute in attributes}))


def _normalised_attribute(attribute: Element) -> bytes:
    """One AttributeTypeAndValue."""
    if attribute.tag != der.SEQUENCE:
        raise DerError("an attribute that is not a sequence")
    match der.elements(attribute.content):
        case (Element(tag=der.OBJECT_IDENTIFIER, content=kind), value):
            return _framed(_framed(kind) + _normalised_value(value))
        case _:
            raise DerError("an attribute that is not a type and a value")


def _normalised_value(value: Element) -> bytes:
    """The value's comparable text, or itself with its type where it has none."""
    text = _text(value)
    if text is None:
        return b"=" + bytes([value.tag]) + value.content
    return b"~" + text.encode()


def _text(value: Element) -> str | None:
    """The string prepared for comparison (RFC 4518 with caseIgnoreMatch); None: compared byte by byte.

    Unlike RFC 4518 this keeps NUL and other characters that do not show: "victim" and "vic<NUL>tim" are two names.
    """
    encoding = _ENCODINGS.get(value.tag & ~der.CONSTRUCTED)
    if encoding is None:
        return None
    try:
        text = der.string_octets(value).decode(encoding)
    except UnicodeDecodeError:
        return None
    if not text.isascii() and _is_costly(text):
        return None
    return _SPACES.sub(" ", _folded(_folded(text))).strip(" ")


def _folded(text: str) -> str:
    """Twice is needed: composing after folding can bring out characters that fold again (Unicode section 3.13)."""
    return unicodedata.normalize("NFKC", text.casefold())


def _is_costly(text: str) -> bool:
    """Whether more than `_MOST_MARKS` characters in a row are combining ones, or become such, or it grows too much."""
    marks, left = 0, _MOST_GROWTH * len(text)
    for character in text:
        decomposed = unicodedata.normalize("NFKD", character)
        marks = marks + 1 if unicodedata.combining(decomposed[0]) else 0
        left -= len(decomposed)
        if marks > _MOST_MARKS or left < 0:
            return True
    return False


def _framed(content: bytes) -> bytes:
    """Contents behind their length, so that their boundaries are unambiguous."""
    return len(content).to_bytes(4, "big") + content
