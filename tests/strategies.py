"""Names and certificates as strangers might make them, encoded by hand: what no library agrees to write.

The encoders take anything; the strategies draw what is well-formed on the outside and odd within.
"""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from agwtwisted.core.certificates.variables import CertificateVariables
from tests.pki import tlv

NUMERIC, PRINTABLE, T61, IA5, UTF8, BMP, UNIVERSAL = 0x12, 0x13, 0x14, 0x16, 0x0C, 0x1E, 0x1C
CHARSETS = {
    UTF8: "utf-8",
    NUMERIC: "latin-1",
    PRINTABLE: "latin-1",
    T61: "latin-1",
    IA5: "latin-1",
    BMP: "utf-16-be",
    UNIVERSAL: "utf-32-be",
}
"""The character strings of names, by tag, and how OpenSSL reads each."""

COMMON_NAME = "2.5.4.3"
UNKNOWN = "1.3.6.1.4.1.99999.1"
"""An attribute type that nobody has a short name for."""

Attribute = tuple[str, bytes]
"""A dotted attribute type and the DER of its value."""


def identifier(dotted: str) -> bytes:
    """The DER of an object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(0x06, *map(_base128, (first * 40 + second, *rest)))


def _base128(number: int) -> bytes:
    septets = [number & 0x7F]
    while number := number >> 7:
        septets.append(number & 0x7F | 0x80)
    return bytes(reversed(septets))


def integer(number: int) -> bytes:
    """The DER of an INTEGER."""
    magnitude = number if number >= 0 else ~number
    return tlv(0x02, number.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def string(tag: int, text: str) -> bytes:
    """The DER of a character string; raises UnicodeEncodeError for what it cannot hold."""
    return tlv(tag, text.encode(CHARSETS[tag]))


def relative_name(*attributes: Attribute) -> bytes:
    """The DER of a RelativeDistinguishedName, in the order given (DER would sort it)."""
    return tlv(0x31, *(tlv(0x30, identifier(kind), value) for kind, value in attributes))


def name(*relative_names: bytes) -> bytes:
    """The DER of a Name."""
    return tlv(0x30, *relative_names)


def simple_name(*attributes: Attribute) -> bytes:
    """A Name with one attribute in each relative name."""
    return name(*map(relative_name, attributes))


def certificate(
    *,
    subject: bytes = b"\x30\x00",
    issuer: bytes = b"\x30\x00",
    serial: bytes = b"\x02\x01\x01",
    validity: bytes = b"\x30\x00",
    version: bytes = b"\xa0\x03\x02\x01\x02",
    public_key: bytes = b"\x30\x00",
    extensions: Iterable[bytes] = (),
) -> bytes:
    """A certificate of these parts, with an invalid signature."""
    every = b"".join(extensions)
    algorithm = tlv(0x30, identifier("1.2.840.10045.4.3.2"))  # ecdsa-with-SHA256
    parts = (version, serial, algorithm, issuer, validity, subject, public_key)
    to_be_signed = tlv(0x30, *parts, tlv(0xA3, tlv(0x30, every)) if every else b"")
    return tlv(0x30, to_be_signed, algorithm, tlv(0x03, b"\0" + tlv(0x30, integer(1), integer(1))))


def alternative_names(*entries: tuple[int, bytes]) -> bytes:
    """A subjectAltName extension; each entry is the number of its context tag and its contents."""
    return tlv(
        0x30, identifier("2.5.29.17"), tlv(0x04, tlv(0x30, *(tlv(0x80 | kind, octets) for kind, octets in entries)))
    )


def variables(**fields: bytes) -> CertificateVariables:
    """Variables of these values, of a certificate that there is none of; equal where the values are."""
    made = CertificateVariables(repr(sorted(fields.items())).encode())
    for field, octets in fields.items():
        object.__setattr__(made, field, octets)
    return made


def texts() -> st.SearchStrategy[str]:
    """Text with much of what needs an escape."""
    return st.text(
        st.one_of(st.sampled_from(' #,+"\\<>;=\0\r\n\t\x7f\xe9\u20ac'), st.characters(codec="utf-8")), max_size=12
    )


def values() -> st.SearchStrategy[bytes]:
    """DER of attribute values: strings, strings of wrong contents, and elements that are no strings at all."""
    strings = st.builds(_replacing, st.sampled_from(list(CHARSETS)), texts())
    return st.one_of(
        strings, st.builds(tlv, st.sampled_from([*CHARSETS, 0x02, 0x03, 0x1A, 0x30, 0x80]), st.binary(max_size=16))
    )


def _replacing(tag: int, text: str) -> bytes:
    return tlv(tag, text.encode(CHARSETS[tag], "replace"))


def identifiers() -> st.SearchStrategy[str]:
    """Dotted attribute types, known and unknown."""
    known = st.sampled_from([COMMON_NAME, "2.5.4.10", "2.5.4.6", "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25"])
    arcs = st.lists(st.integers(0, 2**40), min_size=1, max_size=4)
    return st.one_of(known, st.builds(lambda rest: ".".join(map(str, (2, *rest))), arcs))


def names() -> st.SearchStrategy[bytes]:
    """DER of Names, well-formed down to the attributes, odd in their values."""
    attributes = st.lists(st.tuples(identifiers(), values()), max_size=3)
    return st.lists(attributes.map(lambda these: relative_name(*these)), max_size=4).map(lambda these: name(*these))


def times() -> st.SearchStrategy[bytes]:
    """DER of times, most of them nonsense."""
    digits = st.text("0123456789", min_size=8, max_size=16).map(str.encode)
    endings = st.sampled_from([b"Z", b"", b"+0100", b".5Z", b"\n"])
    return st.builds(lambda tag, text, end: tlv(tag, text + end), st.sampled_from([0x17, 0x18, 0x13]), digits, endings)


def certificates() -> st.SearchStrategy[bytes]:
    """DER of certificates: sound on the outside, odd within, without a signature."""
    general_names = st.lists(st.tuples(st.sampled_from([1, 2, 6, 7]), st.binary(max_size=20)), max_size=4)
    extensions = st.lists(general_names.map(lambda entries: alternative_names(*entries)), max_size=2)
    serials = st.one_of(
        st.integers(-(2**200), 2**200).map(integer), st.binary(max_size=4).map(lambda octets: tlv(2, octets))
    )
    return st.builds(
        certificate,
        subject=names(),
        issuer=names(),
        serial=serials,
        validity=st.builds(lambda start, end: tlv(0x30, start, end), times(), times()),
        version=st.sampled_from([b"", b"\xa0\x03\x02\x01\x02"]),
        extensions=extensions,
    )


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """What `whole` draws, with one octet changed or the end cut off."""
    octets = draw(whole)
    place = draw(st.integers(0, max(0, len(octets) - 1)))
    if draw(st.booleans()):
        return octets[:place]
    return octets[:place] + draw(st.binary(min_size=1, max_size=1)) + octets[place + 1 :]
