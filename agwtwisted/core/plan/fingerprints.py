"""Fingerprints of configuration values: equal where two values mean the same, whichever file or run they come from.

A fingerprint is the SHA-256, in hex, over a canonical text of the value and of all values in it, and over the bytes of
the files that it was read from. Comments, white space, the order of keys and defaults that are spelled out do not
count; the place of a file does not count either, its bytes do. It is no fingerprint of a certificate.

`core.plan.plan` asks for those of everything in force, and whatever keeps a thing of one configuration for the next
one (a server's health, a TLS context) compares them. A kind of value without a canonical text is an error, not a
guess.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from hashlib import sha256
from typing import Any, Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.resources.certificates import SslCertificate, TrustedRootCertificate
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.rewriting import HeaderAction
from agwtwisted.core.rules.templates import Template
from agwtwisted.core.verification.chains import TrustedChain


class Fingerprints:
    """Makes fingerprints, each value's once: what many sites share is not gone through again for each of them."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, str]] = {}  # by identity; the value is kept, and its identity with it

    def of(self, value: Any) -> str:
        """The fingerprint of a value of `core.resources.resources`, or of a tuple of such.

        Raises:
            TypeError: there is something in it that has no canonical text.
        """
        if not attrs.has(type(value)):
            return sha256(self._text(value)).hexdigest()
        made = self._made.get(id(value))
        if made is None:
            made = self._made[id(value)] = value, sha256(self._text_of_parts(value)).hexdigest()
        return made[1]

    def _text_of_parts(self, value: Any) -> bytes:
        """The name of a class, and what a value of it is made of."""
        kind = type(value)
        parts = _PARTS.get(kind)
        made_of = parts(value) if parts else [(each.name, getattr(value, each.name)) for each in _given(kind)]
        return framed(b"V", kind.__name__.encode(), self._text(tuple(made_of)))

    def _text(self, value: Any) -> bytes:
        if isinstance(value, Enum):  # before the others: some are texts as well
            return framed(b"E", type(value).__name__.encode(), value.name.encode())
        if attrs.has(type(value)):
            return framed(b"F", self.of(value).encode())
        if isinstance(value, tuple):
            return framed(b"T", *map(self._text, value))
        if isinstance(value, frozenset):
            return framed(b"S", *sorted(map(self._text, value)))
        if isinstance(value, bytes):
            return framed(b"B", value)
        if value is None or isinstance(value, _PLAIN):
            return framed(type(value).__name__.encode(), str(value).encode())
        raise TypeError(f"a value of {type(value).__name__} has no canonical text")


_PLAIN: Final = (str, bool, int, float, ipaddress.IPv4Network, ipaddress.IPv6Network)
"""Types whose values differ where their texts do."""


def _given(kind: type[attrs.AttrsInstance]) -> Iterable[attrs.Attribute[Any]]:
    """The fields that a value is made from; the others follow from them."""
    return (field for field in attrs.fields(kind) if field.init)


def framed(kind: bytes, *parts: bytes) -> bytes:
    """One canonical text of several, with their lengths: no other texts make the same one."""
    return b"%b%d(%b)" % (kind, len(parts), b"".join(b"%d:%b" % (len(part), part) for part in parts))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _text_of_matcher(action: HeaderAction) -> str:
    if action.matcher is not None and not action.matcher_text:
        raise TypeError("a header value matcher whose text is not known has no canonical text")
    return action.matcher_text


_PARTS: Final[Mapping[type, Callable[[Any], Iterable[Any]]]] = {
    # Compiled: the text that it was compiled from says all.
    Condition: lambda each: (each.text, each.of_all_rivals),
    Template: lambda each: (each.text,),
    HeaderAction: lambda each: (each.name, each.value, _text_of_matcher(each)),
    # Parsed: what was parsed. A key belongs to its certificate, and goes in with the bytes of its file.
    Certificate: lambda each: (each.der,),
    TrustedChain: lambda each: (each.root, each.authorities, each.issuer),
    TrustedRootCertificate: lambda each: (each.name, each.source, each.certificates),
    SslCertificate: lambda each: (each.name, each.source, each.ocsp_stapling, *map(_der, each.certificates)),
}
"""What a value of these classes is made of, instead of all that its constructor takes.

Left out is what depends on where or when a file was read: its path, and warnings about dates.
"""
