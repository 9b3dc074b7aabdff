"""The extensions of a certificate that decisions need (RFC 5280 section 4.2.1).

Each is parsed on demand: an extension that no decision needs may contain anything. Data after a value and unused bits
are ignored, as OpenSSL does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Protocol

from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError, Element
from agwtwisted.core.certificates.reading import Extension, is_true

SUBJECT_KEY_IDENTIFIER: Final = bytes.fromhex("551d0e")
KEY_USAGE: Final = bytes.fromhex("551d0f")
SUBJECT_ALTERNATIVE_NAME: Final = bytes.fromhex("551d11")
BASIC_CONSTRAINTS: Final = bytes.fromhex("551d13")
NAME_CONSTRAINTS: Final = bytes.fromhex("551d1e")
CRL_DISTRIBUTION_POINTS: Final = bytes.fromhex("551d1f")
CERTIFICATE_POLICIES: Final = bytes.fromhex("551d20")
POLICY_MAPPINGS: Final = bytes.fromhex("551d21")
AUTHORITY_KEY_IDENTIFIER: Final = bytes.fromhex("551d23")
POLICY_CONSTRAINTS: Final = bytes.fromhex("551d24")
EXTENDED_KEY_USAGE: Final = bytes.fromhex("551d25")
INHIBIT_ANY_POLICY: Final = bytes.fromhex("551d36")
AUTHORITY_INFORMATION_ACCESS: Final = bytes.fromhex("2b06010505070101")
TLS_FEATURE: Final = bytes.fromhex("2b06010505070118")
IP_ADDRESS_BLOCKS: Final = bytes.fromhex("2b06010505070107")
AUTONOMOUS_SYSTEMS: Final = bytes.fromhex("2b06010505070108")
OCSP_NO_CHECK: Final = bytes.fromhex("2b0601050507300105")
NETSCAPE_CERTIFICATE_TYPE: Final = bytes.fromhex("6086480186f8420101")

SERVER_AUTH: Final = bytes.fromhex("2b06010505070301")
CLIENT_AUTH: Final = bytes.fromhex("2b06010505070302")
OCSP_SIGNING: Final = bytes.fromhex("2b06010505070309")
_OCSP: Final = bytes.fromhex("2b06010505073001")

_CPS: Final = bytes.fromhex("2b06010505070201")
_USER_NOTICE: Final = bytes.fromhex("2b06010505070202")
_KNOWN_QUALIFIERS: Final = frozenset({_CPS, _USER_NOTICE})

DIGITAL_SIGNATURE: Final = 0x80
KEY_CERT_SIGN: Final = 0x04
CRL_SIGN: Final = 0x02
"""Bits of the first octet of keyUsage (section 4.2.1.3)."""

_STATUS_REQUEST: Final = 5
"""The number of the TLS extension by which clients ask for a stapled OCSP response (RFC 6066 section 8)."""

_TYPED_CLIENT: Final = 0x80
_TYPED_AUTHORITY: Final = 0x04
"""SSL client and SSL CA, of nsCertType."""

_KEY_IDENTIFIER: Final = 0x80
_URI: Final = 0x86


class Extended(Protocol):
    """A certificate, however far it was read."""

    def extension(self, identifier: bytes) -> Extension | None:
        """The extension of this type, None where there is none.

        Raises:
            DerError: it occurs twice, or the extensions cannot be separated.
        """


def is_authority(certificate: Extended) -> bool:
    """Whether basicConstraints says CA (section 4.2.1.9).

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, BASIC_CONSTRAINTS)
    if content is None:
        return False
    parts = der.elements(der.first_of(content, der.SEQUENCE))
    return bool(parts) and parts[0].tag == der.BOOLEAN and is_true(parts[0])


def key_usage(certificate: Extended) -> int | None:
    """The first octet of keyUsage; None where there is none, and the key may be used for everything.

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, KEY_USAGE)
    if content is None:
        return None
    return _first_bits(content)


def is_typed_for_clients(certificate: Extended) -> bool:
    """Whether nsCertType, the forerunner of extendedKeyUsage, has SSL client where it is there.

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, NETSCAPE_CERTIFICATE_TYPE)
    return content is None or bool(_first_bits(content) & _TYPED_CLIENT)


def is_typed_for_authorities(certificate: Extended) -> bool:
    """Whether nsCertType has SSL CA where it is there.

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, NETSCAPE_CERTIFICATE_TYPE)
    return content is None or bool(_first_bits(content) & _TYPED_AUTHORITY)


def purposes(certificate: Extended) -> frozenset[bytes] | None:
    """The contents of the identifiers in extendedKeyUsage (section 4.2.1.12); None where there is none.

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, EXTENDED_KEY_USAGE)
    if content is None:
        return None
    return _purposes(content) if len(content) <= _LONGEST_REMEMBERED else _read_purposes(content)


def _read_purposes(content: bytes) -> frozenset[bytes]:
    return frozenset([each.content for each in der.elements(der.first_of(content, der.SEQUENCE))])


_purposes: Final = lru_cache(64)(_read_purposes)  # most certificates have the same
_LONGEST_REMEMBERED: Final = 128


def key_identifier(certificate: Extended) -> bytes | None:
    """The subject's (section 4.2.1.2).

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, SUBJECT_KEY_IDENTIFIER)
    return None if content is None else der.string_octets(der.first_element(content))


def issuer_key_identifier(certificate: Extended) -> bytes | None:
    """The issuer's, where the extension names it (section 4.2.1.1).

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, AUTHORITY_KEY_IDENTIFIER)
    if content is None:
        return None
    found = [each for each in der.elements(der.first_of(content, der.SEQUENCE)) if _is(each, _KEY_IDENTIFIER)]
    return der.string_octets(found[0]) if found else None


def authority_key_identifier(certificate: Extended) -> dict[int, bytes]:
    """The parts of the extension by their tags (section 4.2.1.1): 0x80 key, 0xA1 names, 0x82 serial number.

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, AUTHORITY_KEY_IDENTIFIER)
    if content is None:
        return {}
    return {each.tag: each.content for each in der.elements(der.first_of(content, der.SEQUENCE))}


def path_length(certificate: Extended) -> int | None:
    """pathLenConstraint of basicConstraints (section 4.2.1.9), None where there is none.

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, BASIC_CONSTRAINTS)
    parts = () if content is None else der.elements(der.first_of(content, der.SEQUENCE))
    lengths = [each.content for each in parts if each.tag == der.INTEGER]
    return int.from_bytes(lengths[0], "big", signed=True) if lengths else None


def constrains_names(certificate: Extended) -> bool:
    """Whether it limits the names of those below it (section 4.2.1.10).

    Raises:
        DerError: the extensions cannot be separated.
    """
    return _content(certificate, NAME_CONSTRAINTS) is not None


def ocsp_urls(certificate: Extended) -> tuple[str, ...]:
    """The OCSP URLs of the authority information access (section 4.2.2.1), as they stand; none that is not ASCII.

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, AUTHORITY_INFORMATION_ACCESS)
    if content is None:
        return ()
    found = [der.elements(each.content) for each in der.elements(der.first_of(content, der.SEQUENCE))]
    urls = [der.string_octets(parts[1]) for parts in found if len(parts) == 2 and _is_ocsp(*parts)]
    return tuple([url.decode("ascii") for url in urls if url.isascii()])


def demands_staple(certificate: Extended) -> bool:
    """Whether clients that ask for an OCSP response are to have one in the handshake (RFC 7633: "must-staple").

    Raises:
        DerError: it cannot be read.
    """
    content = _content(certificate, TLS_FEATURE)
    if content is None:
        return False
    features = der.elements(der.first_of(content, der.SEQUENCE))
    return any(int.from_bytes(each.content, "big") == _STATUS_REQUEST for each in features)


def policies(certificate: Extended) -> frozenset[bytes]:
    """The contents of the identifiers of the policies it was issued under (section 4.2.1.4).

    Raises:
        DerError: they cannot be read.
    """
    return frozenset([policy for policy, _qualifiers in _policies(certificate)])


def has_unknown_qualifier(certificate: Extended) -> bool:
    """Whether a policy is qualified in a way of which RFC 5280 knows nothing.

    Raises:
        DerError: they cannot be read.
    """
    kinds = [
        der.first_of(qualifier.content, der.OBJECT_IDENTIFIER)
        for _policy, qualifiers in _policies(certificate)
        for qualifier in qualifiers
    ]
    return not _KNOWN_QUALIFIERS.issuperset(kinds)


def _policies(certificate: Extended) -> list[tuple[bytes, tuple[Element, ...]]]:
    """Policies with their qualifiers."""
    content = _content(certificate, CERTIFICATE_POLICIES)
    if content is None:
        return []
    found = [der.elements(each.content) for each in der.elements(der.first_of(content, der.SEQUENCE))]
    if any(not parts or parts[0].tag != der.OBJECT_IDENTIFIER for parts in found):
        raise DerError("a policy without a name")
    return [(parts[0].content, der.elements(parts[1].content) if len(parts) > 1 else ()) for parts in found]


def _first_bits(content: bytes) -> int:
    """The first octet of a string of bits, without the bits that are not used."""
    bits = der.first_element(content)
    octets = der.string_octets(bits)
    if bits.tag & ~der.CONSTRUCTED != der.BIT_STRING or not octets or octets[0] > 7:
        raise DerError("not a bit string")
    if len(octets) == 2:
        return octets[1] & (0xFF << octets[0])
    return octets[1] if len(octets) > 2 else 0


def _is(element: Element, tag: int) -> bool:
    """Whether it has this tag, whole or in pieces."""
    return element.tag & ~der.CONSTRUCTED == tag


def _is_ocsp(method: Element, location: Element) -> bool:
    return method.content == _OCSP and _is(location, _URI)


def _content(certificate: Extended, identifier: bytes) -> bytes | None:
    extension = certificate.extension(identifier)
    return None if extension is None else extension.content
