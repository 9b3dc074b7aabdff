"""Names in certificates, read from their DER: distinguished names as text, and the alternative names of a subject.

The text is that of OpenSSL's ``X509_NAME_print_ex`` with ``XN_FLAG_RFC2253``, which nginx, and apparently the product,
send to backends. It is for people and for comparing whole names; decisions about parts of a name use its DER, never
this text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from agwtwisted.core.certificates.der import (
    CONSTRUCTED,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    DerError,
    Element,
    elements,
    encoded,
    object_identifier,
    string_octets,
)

_ATTRIBUTE_TYPES: Final = {
    # 2.5.4: X.520
    "5504": """CN 3 SN 4 serialNumber 5 C 6 L 7 ST 8 street 9 O 10 OU 11 title 12 description 13 searchGuide 14
        businessCategory 15 postalAddress 16 postalCode 17 postOfficeBox 18 physicalDeliveryOfficeName 19
        telephoneNumber 20 telexNumber 21 teletexTerminalIdentifier 22 facsimileTelephoneNumber 23 x121Address 24
        internationaliSDNNumber 25 registeredAddress 26 destinationIndicator 27 preferredDeliveryMethod 28
        presentationAddress 29 supportedApplicationContext 30 member 31 owner 32 roleOccupant 33 seeAlso 34
        userPassword 35 userCertificate 36 cACertificate 37 authorityRevocationList 38 certificateRevocationList 39
        crossCertificatePair 40 name 41 GN 42 initials 43 generationQualifier 44 x500UniqueIdentifier 45
        dnQualifier 46 enhancedSearchGuide 47 protocolInformation 48 distinguishedName 49 uniqueMember 50
        houseIdentifier 51 supportedAlgorithms 52 deltaRevocationList 53 dmdName 54 pseudonym 65 role 72
        organizationIdentifier 97 c3 98 n3 99 dnsName 100""",
    # 0.9.2342.19200300.100.1: RFC 4524
    "0992268993f22c6401": """UID 1 textEncodedORAddress 2 mail 3 info 4 favouriteDrink 5 roomNumber 6 photo 7
        userClass 8 host 9 manager 10 documentIdentifier 11 documentTitle 12 documentVersion 13 documentAuthor 14
        documentLocation 15 homeTelephoneNumber 20 secretary 21 otherMailbox 22 lastModifiedTime 23 lastModifiedBy 24
        DC 25 aRecord 26 pilotAttributeType27 27 mXRecord 28 nSRecord 29 sOARecord 30 cNAMERecord 31
        associatedDomain 37 associatedName 38 homePostalAddress 39 personalTitle 40 mobileTelephoneNumber 41
        pagerTelephoneNumber 42 friendlyCountryName 43 uid 44 organizationalStatus 45 janetMailbox 46
        mailPreferenceOption 47 buildingName 48 dSAQuality 49 singleLevelQuality 50 subtreeMinimumQuality 51
        subtreeMaximumQuality 52 personalSignature 53 dITRedirect 54 audio 55 documentPublisher 56""",
    # 1.2.840.113549.1.9: PKCS #9, RFC 2985
    "2a864886f70d0109": """emailAddress 1 unstructuredName 2 contentType 3 messageDigest 4 signingTime 5
        countersignature 6 challengePassword 7 unstructuredAddress 8 extendedCertificateAttributes 9 extReq 14
        SMIME-CAPS 15 SMIME 16 friendlyName 20 localKeyID 21""",
    # 1.3.6.1.4.1.311.60.2.1: CA/Browser Forum's EV guidelines
    "2b0601040182373c0201": "jurisdictionL 1 jurisdictionST 2 jurisdictionC 3",
    # 1.3.6.1.4.1.311.20.2: Microsoft's enrolment
    "2b0601040182371402": "msSmartcardLogin 2 msUPN 3",
    # 1.3.6.1.5.5.7.9: RFC 3739
    "2b060105050709": """id-pda-dateOfBirth 1 id-pda-placeOfBirth 2 id-pda-gender 3 id-pda-countryOfCitizenship 4
        id-pda-countryOfResidence 5""",
    # 1.2.643.100 and 1.2.643.3.131.1: RFC 9215
    "2a850364": "OGRN 1 SNILS 3 OGRNIP 5 subjectSignTool 111 issuerSignTool 112 classSignTool 113",
    "2a850303810301": "INN 1",
}
"""OpenSSL's short names by the octets of the arc above them, each before its last arc."""


def _by_identifier() -> dict[bytes, bytes]:
    """Short names by the whole contents of the object identifier."""
    known = {}
    for arc, table in _ATTRIBUTE_TYPES.items():
        words = table.split()
        for name, number in zip(words[::2], words[1::2], strict=True):
            known[bytes.fromhex(arc) + bytes([int(number)])] = name.encode()
    return known


SHORT_NAMES: Final = _by_identifier()

_UTF8_STRING: Final = 0x0C
_CHARSETS: Final = {
    0x12: "latin-1",  # NumericString
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # T61String: in practice it is not T.61; OpenSSL reads it as Latin-1, too
    0x16: "latin-1",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}

_IN_PIECES: Final = frozenset(tag | CONSTRUCTED for tag in (_UTF8_STRING, *_CHARSETS))

# A lone "#" at the end is not escaped, a lone space is: OpenSSL looks at the last character's place first.
_ESCAPED: Final = re.compile(rb'[\x00-\x1f\x7f-\xff,+"\\<>;]|\A[ #](?!\Z)| \Z')
_ESCAPES: Final = {
    octet: b"\\%c" % octet[0] if octet in b' #,+"\\<>;' else b"\\%02X" % octet[0]
    for octet in (bytes([number]) for number in range(256))
}


def relative_names(content: bytes) -> bytes:
    """The text of a Name's contents, in DER: printable ASCII whatever they hold; never raises.

    Most specific relative name first, ``,`` between them and ``+`` within, types by OpenSSL's short name. Control
    characters (NUL too) and what is beyond ASCII appear as ``\\XX`` of their UTF-8. A type without short name is
    dotted. Its value, and one that is no character string or no valid one, is ``#`` and the hexadecimal DER. Contents
    that cannot be taken apart are ``#`` and their hexadecimal octets.
    """
    try:
        texts = [
            (_known_relative_name if len(octets) <= _LONGEST_KNOWN else _read_relative_name)(tag, octets)
            for tag, octets in reversed(elements(content))
        ]
        return b",".join([text for text in texts if text])
    except DerError:
        return _dumped(content)


_MARKED: Final = re.compile(rb"((?:\A|[,+])[^=,+\\]*=)|\\[0-9A-F]{2}|\\(.)|=", re.DOTALL)


def with_marked_values(name: bytes, *, escapes: bool = True) -> bytes:
    """A distinguished name's text for patterns: no value in it can be taken for an attribute or for several.

    ``=`` within a value becomes ``\\3D``, and with `escapes` each ``\\,`` becomes ``\\2C``, and so on: RFC 2253
    section 2.4 has both forms. Then every ``=`` follows a type, and every ``,`` and ``+`` stands between attributes.

    Args:
        name: what `relative_names` wrote.
        escapes: whether escaped characters are written in hexadecimal; else they stay as they are.
    """
    if b"\\" not in name and name.count(b"=") == name.count(b",") + name.count(b"+") + 1:
        return name  # nearly all

    def marked(match: re.Match[bytes]) -> bytes:
        if match[0] == b"=":
            return rb"\3D"
        return b"\\%02X" % match[2][0] if match[2] and escapes else match[0]

    return _MARKED.sub(marked, name)


_COMMON_NAME: Final = bytes.fromhex("550403")


def common_name(content: bytes) -> bytes:
    """The one commonName in a Name's contents, in UTF-8; empty where there is none, or no one that could be meant.

    Several of them mean a different one to each reader, and a control character in one ends it for some (a NUL). Both
    count as none.
    """
    try:
        found = [value for kind, value in name_attributes(content) if kind == _COMMON_NAME]
    except DerError:
        return b""
    if len(found) != 1:
        return b""
    text = _characters(found[0]) or b""
    try:
        return text if text.decode().isprintable() else b""
    except UnicodeError:
        return b""


def name_attributes(content: bytes) -> tuple[tuple[bytes, Element], ...]:
    """The attributes in a Name's contents, in its order: the octets of each type's object identifier, and the value.

    Raises:
        DerError: it cannot be taken apart.
    """
    return tuple(
        [
            (parts[0].content, parts[1])
            for entry in elements(content)
            for attribute in elements(entry.content)
            if len(parts := elements(attribute.content)) == 2
        ]
    )


def value_text(value: Element) -> str | None:
    """The characters of a string value; None for what is no character string, or no valid one."""
    octets = _characters(value)
    try:
        return None if octets is None else octets.decode()
    except UnicodeError:
        return None


def _read_relative_name(tag: int, content: bytes) -> bytes:
    if tag != SET:
        raise DerError("a relative name is a SET")
    return b"+".join([_attribute(attribute) for attribute in reversed(elements(content))])


_known_relative_name: Final = lru_cache(256)(_read_relative_name)  # country and organization are the same in a fleet
_LONGEST_KNOWN: Final = 128


def _attribute(attribute: Element) -> bytes:
    """``type=value``."""
    parts = elements(attribute.content)
    if attribute.tag != SEQUENCE or len(parts) != 2 or parts[0].tag != OBJECT_IDENTIFIER:
        raise DerError("an attribute is a type and a value")
    identifier, value = parts[0].content, parts[1]
    if short_name := SHORT_NAMES.get(identifier):
        text = _text(value)
        return short_name + b"=" + (_dumped_value(value) if text is None else text)
    return object_identifier(identifier).encode() + b"=" + _dumped_value(value)


def _text(value: Element) -> bytes | None:
    """The escaped characters of a string, in UTF-8; None for what is none."""
    octets = _characters(value)
    return None if octets is None else _ESCAPED.sub(_escape, octets)


def _characters(value: Element) -> bytes | None:
    """The characters of a string, in UTF-8 (a UTF8String as it stands); None for what is none."""
    octets = string_octets(value) if value.tag in _IN_PIECES else value.content
    tag = value.tag & ~CONSTRUCTED if value.tag in _IN_PIECES else value.tag
    if tag != _UTF8_STRING:
        charset = _CHARSETS.get(tag)
        if charset is None:
            return None
        if charset != "latin-1" or not octets.isascii():
            try:
                octets = octets.decode(charset).encode()
            except UnicodeError:
                return None
    return octets


def _dumped_value(value: Element) -> bytes:
    """``#`` and the DER of a value, whose string is whole there."""
    if value.tag in _IN_PIECES:
        return _dumped(encoded(value.tag & ~CONSTRUCTED, string_octets(value)))
    return _dumped(encoded(value.tag, value.content))


def _escape(found: re.Match[bytes]) -> bytes:
    return _ESCAPES[found[0]]


def _dumped(der: bytes) -> bytes:
    return b"#" + der.hex().upper().encode()
