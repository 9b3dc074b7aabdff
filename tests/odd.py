"""Certificates that break RFC 5280 and that OpenSSL verifies all the same, as devices and their CAs write them.

Each is written byte by byte and truly signed, so that handshakes with it can be tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests import pki
from tests.pki import tlv
from tests.strategies import identifier, integer, name, relative_name, simple_name

ROOT: Final = pki.Authority.root("Root", key=pki.ec_key())
KEY: Final = pki.ec_key()
RSA_KEY: Final = pki.rsa_key()

TRUE, FALSE = tlv(0x01, b"\xff"), tlv(0x01, b"\0")
NULL = b"\x05\0"
COMMON_NAME = "2.5.4.3"
_PRIVATE = "1.3.6.1.4.1.99999.1"
_ECDSA = "1.2.840.10045.4.3.2"


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE."""
    return tlv(0x30, *parts)


def extension(dotted: str, value: bytes, critical: bytes = b"") -> bytes:
    """An extension of any bytes; `critical` is the whole BOOLEAN."""
    return sequence(identifier(dotted), critical, tlv(0x04, value))


FOR_CLIENTS: Final = extension("2.5.29.37", sequence(identifier("1.3.6.1.5.5.7.3.2")))


def long_length(tag: int, content: bytes, octets: int = 3) -> bytes:
    """An element whose length has more octets than it needs."""
    return bytes((tag, 0x80 | octets)) + len(content).to_bytes(octets, "big") + content


def end_marked(tag: int, content: bytes) -> bytes:
    """An element of indefinite length."""
    return bytes((tag, 0x80)) + content + b"\0\0"


def odd_certificate(**parts: Any) -> bytes:
    """A leaf of `ROOT` with some of its parts replaced by bytes: those of the TBSCertificate, by their names.

    `extensions` is a sequence of them, None leaves the field out; `algorithm` stands in both of its places; `wrap`
    makes the TBSCertificate of its parts, a SEQUENCE otherwise.
    """
    usual: dict[str, Any] = {
        "version": tlv(0xA0, integer(2)),
        "serial": integer(7),
        "algorithm": sequence(identifier(_ECDSA)),
        "issuer": ROOT.subject,
        "not_before": pki.utc_time(b"250101000000Z"),
        "not_after": pki.utc_time(b"490101000000Z"),
        "subject": simple_name((COMMON_NAME, tlv(0x0C, b"device"))),
        "public_key": pki._public(KEY),
        "unique_ids": b"",
        "extensions": (FOR_CLIENTS,),
        "wrap": sequence,
    }
    part = {**usual, **parts}
    extensions = part["extensions"]
    if not isinstance(extensions, bytes):
        extensions = b"" if extensions is None else tlv(0xA3, sequence(*extensions))
    validity = sequence(part["not_before"], part["not_after"])
    signed = part["wrap"](
        b"".join((part["version"], part["serial"], part["algorithm"], part["issuer"], validity, part["subject"]))
        + part["public_key"]
        + part["unique_ids"]
        + extensions
    )
    signature = pki._signature(ROOT.key, signed, pki.hashes.SHA256())
    return sequence(signed, part["algorithm"], tlv(0x03, b"\0" + signature))


def _named(tag: int, octets: bytes, dotted: str = COMMON_NAME) -> dict[str, bytes]:
    return {"subject": simple_name((dotted, tlv(tag, octets)))}


def _extended(*extensions: bytes) -> dict[str, tuple[bytes, ...]]:
    return {"extensions": (FOR_CLIENTS, *extensions)}


def _alternative(*names: bytes) -> dict[str, tuple[bytes, ...]]:
    return _extended(extension("2.5.29.17", sequence(*names)))


def _qualified(critical: bytes = b"") -> bytes:
    qualifier = sequence(identifier("1.2.3.5"), NULL)
    return extension("2.5.29.32", sequence(sequence(identifier("1.2.3.4"), sequence(qualifier))), critical)


_ANY = sequence(identifier("1.3.6.1.5.5.7.3.2"))
_ATTRIBUTE = sequence(identifier(COMMON_NAME), tlv(0x0C, b"b"))

SERVED: Final[Mapping[str, dict[str, Any]]] = {
    "PrintableString with _ @ * &": _named(0x13, b"dev_1@site*&"),
    "PrintableString beyond ASCII": _named(0x13, b"dev\xe9"),
    "IA5String beyond ASCII": _named(0x16, b"dev\xe9"),
    "NumericString with letters": _named(0x12, b"device"),
    "T61String": _named(0x14, b"dev\xe9"),
    "BMPString": _named(0x1E, "dev\xe9".encode("utf-16-be")),
    "UniversalString": _named(0x1C, "dev\xe9".encode("utf-32-be")),
    "BIT STRING in a name": _named(0x03, b"\0ab"),
    "SEQUENCE in a name": _named(0x30, integer(1)),
    "empty value": _named(0x0C, b""),
    "long value": _named(0x0C, b"d" * 200),
    "country of three letters": _named(0x13, b"DEU", "2.5.4.6"),
    "string in pieces": _named(0x2C, tlv(0x0C, b"dev") + tlv(0x0C, b"ice")),
    "string in pieces to an end mark": {
        "subject": name(tlv(0x31, sequence(identifier(COMMON_NAME), end_marked(0x2C, tlv(0x04, b"device")))))
    },
    "empty subject": {"subject": name()},
    "empty relative name": {"subject": name(tlv(0x31), relative_name((COMMON_NAME, tlv(0x0C, b"device"))))},
    "relative name out of order": {
        "subject": name(tlv(0x31, sequence(identifier("2.5.4.10"), tlv(0x0C, b"zz")), _ATTRIBUTE))
    },
    "an attribute twice": {"subject": name(tlv(0x31, _ATTRIBUTE, _ATTRIBUTE))},
    "serial 0": {"serial": integer(0)},
    "negative serial": {"serial": integer(-5)},
    "serial of 34 octets": {"serial": tlv(0x02, b"\x11" * 34)},
    "version 1 written out": {"version": tlv(0xA0, integer(0)), "extensions": None},
    "version 1 with extensions": {"version": b""},
    "version 1 written out, with extensions": {"version": tlv(0xA0, integer(0))},
    "version 2": {"version": tlv(0xA0, integer(1)), "extensions": None},
    "version 2 with extensions": {"version": tlv(0xA0, integer(1))},
    "version 4": {"version": tlv(0xA0, integer(3))},
    "unique identifiers": {"unique_ids": tlv(0x81, b"\0a") + tlv(0x82, b"\0b")},
    "NULL after ECDSA": {"algorithm": sequence(identifier(_ECDSA), NULL)},
    "early GeneralizedTime": {"not_before": tlv(0x18, b"20250101000000Z"), "not_after": tlv(0x18, b"20490101000000Z")},
    "time in pieces": {"not_before": tlv(0x37, tlv(0x17, b"250101"), tlv(0x17, b"000000Z"))},
    "year 0": {"not_before": tlv(0x18, b"00000101000000Z")},
    "no extensions": {"extensions": ()},
    "critical FALSE": {"extensions": (extension("2.5.29.37", _ANY, FALSE),)},
    "TRUE that is 1": {"extensions": (extension("2.5.29.37", _ANY, tlv(0x01, b"\x01")),)},
    "cA FALSE": _extended(extension("2.5.29.19", sequence(FALSE))),
    "path length without cA": _extended(extension("2.5.29.19", sequence(integer(0)))),
    "cA FALSE and a path length": _extended(extension("2.5.29.19", sequence(FALSE, integer(0)))),
    "octets after basicConstraints": _extended(extension("2.5.29.19", sequence() + b"\0\0")),
    "unknown extension twice": _extended(extension(_PRIVATE, NULL), extension(_PRIVATE, NULL)),
    "empty extension": _extended(extension(_PRIVATE, b"")),
    "keyUsage with unused bits": _extended(extension("2.5.29.15", b"\x03\x02\x07\xff")),
    "octets after keyUsage": _extended(extension("2.5.29.15", b"\x03\x02\x07\x80\0")),
    "keyUsage in pieces": _extended(extension("2.5.29.15", tlv(0x23, b"\x03\x02\x07\x80"))),
    "long keyUsage": _extended(extension("2.5.29.15", b"\x03\x04\0\x80\0\0")),
    "octets after extendedKeyUsage": {"extensions": (extension("2.5.29.37", _ANY + NULL),)},
    "a purpose twice": {"extensions": (extension("2.5.29.37", sequence(identifier("1.3.6.1.5.5.7.3.2") * 2)),)},
    "extendedKeyUsage of a long length": {
        "extensions": (extension("2.5.29.37", long_length(0x30, identifier("1.3.6.1.5.5.7.3.2"))),)
    },
    "extension in pieces": {
        "extensions": (sequence(identifier("2.5.29.37"), tlv(0x24, tlv(0x04, _ANY[:4]), tlv(0x04, _ANY[4:]))),)
    },
    "address of three octets": _alternative(tlv(0x87, b"\x01\x02\x03")),
    "e-mail address that is none": _alternative(tlv(0x81, b"\xff@")),
    "DNS name with NUL": _alternative(tlv(0x82, b"a\0b")),
    "DNS name beyond ASCII": _alternative(tlv(0x82, b"\xe9")),
    "DNS name in pieces": _alternative(tlv(0xA2, tlv(0x16, b"a."), tlv(0x16, b"example"))),
    "X.400 address": _alternative(tlv(0xA3, sequence())),
    "EDI party": _alternative(tlv(0xA5, tlv(0xA1, tlv(0x0C, b"x")))),
    "URI with a blank": _alternative(tlv(0x86, b"http://a b/")),
    "directory name with _ @": _alternative(tlv(0xA4, simple_name((COMMON_NAME, tlv(0x13, b"_@"))))),
    "no alternative names": _alternative(),
    "unreadable access descriptions": _extended(extension("1.3.6.1.5.5.7.1.1", b"zz")),
    "key identifier by name alone": _extended(extension("2.5.29.35", sequence(tlv(0xA1, tlv(0xA4, ROOT.subject))))),
    "policy with an unknown qualifier": _extended(_qualified()),
    "empty policies": _extended(extension("2.5.29.32", sequence())),
    "unreadable policies": _extended(extension("2.5.29.32", b"zz")),
    "unreadable policy mappings": _extended(extension("2.5.29.33", b"zz")),
    "unreadable inhibitAnyPolicy": _extended(extension("2.5.29.54", b"zz")),
    "empty name constraints": _extended(extension("2.5.29.30", sequence())),
    "unreadable issuer's names": _extended(extension("2.5.29.18", b"zz")),
    "unreadable timestamps": _extended(extension("1.3.6.1.4.1.11129.2.4.2", b"zz")),
    "critical nsCertType": _extended(extension("2.16.840.1.113730.1.1", b"\x03\x02\x07\x80", TRUE)),
    "critical OCSP nocheck": _extended(extension("1.3.6.1.5.5.7.48.1.5", NULL, TRUE)),
    "long length outside": {"wrap": lambda parts: long_length(0x30, parts, 4)},
    "end mark outside": {"wrap": lambda parts: end_marked(0x30, parts)},
    "long length of the subject": {
        "subject": long_length(0x30, relative_name((COMMON_NAME, tlv(0x0C, b"device"))), 2),
    },
    "end mark of the subject": {"subject": end_marked(0x30, relative_name((COMMON_NAME, tlv(0x0C, b"device"))))},
    "long length of the issuer": {"issuer": long_length(0x30, ROOT.subject[2:])},
    "long length of the serial": {"serial": long_length(0x02, b"\x07", 2)},
    "long length of a time": {"not_before": long_length(0x17, b"250101000000Z", 8)},
    "long length of the version": {"version": long_length(0xA0, long_length(0x02, b"\x02", 1), 1)},
    "end marks of the extensions": {"extensions": end_marked(0xA3, end_marked(0x30, FOR_CLIENTS))},
}
"""What OpenSSL, nginx and the gateway serve, by what is odd about it."""

OURS_ALONE: Final[Mapping[str, dict[str, Any]]] = {
    "critical policy with an unknown qualifier": _extended(_qualified(TRUE)),
    "unreadable policy constraints": _extended(extension("2.5.29.36", b"zz")),
    "critical and unreadable policies": _extended(extension("2.5.29.32", b"zz", TRUE)),
}
"""What OpenSSL accepts, because it does not look, and the gateway refuses."""

REFUSED: Final[Mapping[str, dict[str, Any]]] = {
    "a month 13": {"not_before": pki.utc_time(b"251301000000Z")},
    "an offset in a time": {"not_before": pki.utc_time(b"250101000000+0100")},
    "a fraction in a time": {"not_before": tlv(0x18, b"20250101000000.5Z")},
    "extendedKeyUsage twice": {"extensions": (FOR_CLIENTS, FOR_CLIENTS)},
    "keyUsage twice": _extended(*[extension("2.5.29.15", b"\x03\x02\x07\x80")] * 2),
    "unreadable keyUsage": _extended(extension("2.5.29.15", b"zz")),
    "keyUsage without content": _extended(extension("2.5.29.15", b"\x03\0")),
    "unreadable extendedKeyUsage": {"extensions": (extension("2.5.29.37", b"zz"),)},
    "unreadable basicConstraints": _extended(extension("2.5.29.19", b"\x01\x02\x03")),
    "negative path length": _extended(extension("2.5.29.19", sequence(TRUE, integer(-1)))),
    "unreadable alternative names": _extended(extension("2.5.29.17", b"zz")),
    "alternative names twice": _extended(*[extension("2.5.29.17", sequence(tlv(0x82, b"a")))] * 2),
    "unreadable key identifier": _extended(extension("2.5.29.35", b"zz")),
    "nsCertType for servers": _extended(extension("2.16.840.1.113730.1.1", b"\x03\x02\x06\x40")),
    "unknown and critical": _extended(extension(_PRIVATE, NULL, TRUE)),
}
"""What OpenSSL refuses when it verifies, and the gateway with it."""


def leaves(kinds: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, pki.Credential]]:
    """Leaves of `ROOT` of each kind."""
    for what, parts in kinds.items():
        yield what, pki.Credential(der=odd_certificate(**parts), key=KEY, subject=b"", issuers=(ROOT,))


def key_forms() -> Iterator[tuple[str, pki.Credential]]:
    """Leaves whose keys are written in an unusual way."""
    rsa, ec = RSA_KEY.public_key().public_numbers(), KEY.public_key()
    modulus = rsa.n.to_bytes(256, "big")
    numbers = sequence(tlv(0x02, b"\0" + modulus), integer(rsa.e))
    padded = sequence(tlv(0x02, b"\0\0" + modulus), integer(rsa.e))
    point = ec.public_bytes(pki.serialization.Encoding.X962, pki.serialization.PublicFormat.CompressedPoint)
    for what, key, algorithm, bits in (
        ("RSA without NULL", RSA_KEY, identifier("1.2.840.113549.1.1.1"), numbers),
        ("RSA by its older name", RSA_KEY, identifier("2.5.8.1.1") + integer(2048), numbers),
        ("modulus with more zeros than it needs", RSA_KEY, identifier("1.2.840.113549.1.1.1") + NULL, padded),
        ("compressed point", KEY, identifier("1.2.840.10045.2.1") + identifier("1.2.840.10045.3.1.7"), point),
    ):
        public_key = sequence(sequence(algorithm), tlv(0x03, b"\0" + bits))
        yield what, pki.Credential(der=odd_certificate(public_key=public_key), key=key, subject=b"", issuers=(ROOT,))
