"""Which certificates a revocation list is about (RFC 5280 sections 4.2.1.13, 5.2.5 and 6.3.3).

A certificate names the points at which its issuer publishes lists, a list names the point that it belongs to, and both
may be limited: to certificates of CAs or of others, to some reasons. A list says that a certificate is *not* revoked
only where it covers it for all reasons. Callers: the readers of lists, what decides by them, and what downloads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import attrs

from agwtwisted.core.certificates import der, extensions
from agwtwisted.core.certificates.der import DerError, Element
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.reading import Certificate, is_true

ALL_REASONS: Final = 0x7F80
"""Bits 1 to 8 of ReasonFlags (section 4.2.1.13), where bit 0 is 0x8000: what a list covers that clears any."""

_POINT: Final = 0xA0
_FULL_NAME: Final = 0xA0
_RELATIVE_NAME: Final = 0xA1
_DIRECTORY_NAME: Final = 0xA4
_URI: Final = 0x86

_POINT_REASONS: Final = 0x81
_POINT_ISSUER: Final = 0xA2

_ONLY_USERS: Final = 0x81
_ONLY_AUTHORITIES: Final = 0x82
_ONLY_REASONS: Final = 0x83
_INDIRECT: Final = 0x84
_ONLY_ATTRIBUTES: Final = 0x85


@attrs.frozen(kw_only=True)
class CrlScope:
    """What a list is about, by its issuing distribution point (section 5.2.5); without one, all that its issuer issued.

    Names are in the form in which they are compared: the identifier octet, then a directory name normalised, any other
    one as it stands.
    """

    names: tuple[bytes, ...] = ()  # of the point that it is published at; empty: any
    only_users: bool = False
    only_authorities: bool = False
    reasons: int = ALL_REASONS
    is_indirect: bool = False
    only_attributes: bool = False

    @property
    def digest(self) -> bytes:
        """32 bytes that two lists have in common exactly when they are about the same: one replaces the other."""
        flags = (self.only_users, self.only_authorities, self.is_indirect, self.only_attributes)
        framed = b"".join(len(name).to_bytes(4, "big") + name for name in sorted(self.names))
        return hashlib.sha256(bytes(flags) + self.reasons.to_bytes(2, "big") + framed).digest()


@attrs.frozen(kw_only=True)
class DistributionPoint:
    """Where a certificate's issuer publishes lists (section 4.2.1.13); names as in `CrlScope`."""

    names: tuple[bytes, ...] = ()
    urls: tuple[str, ...] = ()  # as they stand, of any scheme; none that is not ASCII
    reasons: int = ALL_REASONS
    is_indirect: bool = False  # another one than the certificate's issuer signs the lists there


def distribution_points(certificate: Certificate) -> tuple[DistributionPoint, ...]:
    """The points that a certificate names, in its order; none where it names none, or they cannot be read.

    Then lists count that are about everything that its issuer issued.
    """
    try:
        extension = certificate.extension(extensions.CRL_DISTRIBUTION_POINTS)
        points = () if extension is None else der.elements(der.first_of(extension.content, der.SEQUENCE))
        return tuple([_distribution_point(point, certificate.issuer) for point in points])
    except DerError:
        return ()


def crl_scope(content: bytes, issuer: bytes) -> CrlScope:
    """What a list is about by the value of its issuing distribution point; `issuer`: contents of the list's issuer.

    Raises:
        DerError: it cannot be read, or contradicts itself.
    """
    parts = der.elements(der.only_element(content, der.SEQUENCE))
    tags = [part.tag for part in parts]
    if tags != sorted(set(tags), key=lambda tag: tag & 0x1F):
        raise DerError("the parts of an issuing distribution point are doubled, or not in their order")
    scope = CrlScope()
    for part in parts:
        scope = _limited(scope, part, issuer)
    if scope.only_users + scope.only_authorities + scope.only_attributes > 1:
        raise DerError("an issuing distribution point that excludes every certificate")
    return scope


def covered_reasons(
    scope: CrlScope, points: Sequence[DistributionPoint], *, issuer: bytes, is_authority: bool | None
) -> int:
    """For which reasons a list of its issuer would have a certificate if that were revoked (section 6.3.3, (b) to (d)).

    Args:
        scope: of the list, which is neither indirect nor about attribute certificates.
        points: that the certificate names.
        issuer: contents of the certificate's issuer.
        is_authority: whether the certificate is a CA's; None where its basicConstraints cannot be read.
    """
    if (scope.only_users and is_authority is not False) or (scope.only_authorities and not is_authority):
        return 0
    if not scope.names:
        return scope.reasons
    # A list that the certificate does not name counts where it is published under the name of the issuer.
    reasons = 0
    for point in (*points, _own_point(issuer)):
        if not point.is_indirect and not set(point.names).isdisjoint(scope.names):
            reasons |= point.reasons & scope.reasons
    return reasons


@lru_cache(64)  # a CA may publish hundreds of lists in parts, each of which is judged for every client
def _own_point(issuer: bytes) -> DistributionPoint:
    """The point that is named like the issuer (contents of its Name)."""
    return DistributionPoint(names=(_directory_name(issuer),))


def _limited(scope: CrlScope, part: Element, issuer: bytes) -> CrlScope:
    """The scope with one more part of the extension."""
    match part.tag:
        case tag if tag == _POINT:
            return attrs.evolve(scope, names=tuple(name for name, _ in _point_names(part.content, issuer)))
        case tag if tag == _ONLY_REASONS:
            return attrs.evolve(scope, reasons=_reasons(part.content))
        case tag if tag in _FLAGS:
            flag: dict[str, Any] = {_FLAGS[tag]: is_true(Element(der.BOOLEAN, part.content))}
            return attrs.evolve(scope, **flag)
        case _:
            raise DerError("an unknown part of an issuing distribution point")


_FLAGS: Final[Mapping[int, str]] = {
    _ONLY_USERS: "only_users",
    _ONLY_AUTHORITIES: "only_authorities",
    _INDIRECT: "is_indirect",
    _ONLY_ATTRIBUTES: "only_attributes",
}


def _distribution_point(point: Element, issuer: bytes) -> DistributionPoint:
    parts = {part.tag: part.content for part in der.elements(point.content)}
    if point.tag != der.SEQUENCE or not parts.keys() <= {_POINT, _POINT_REASONS, _POINT_ISSUER}:
        raise DerError("not a distribution point")
    names = list(_point_names(parts[_POINT], issuer)) if _POINT in parts else []
    return DistributionPoint(
        names=tuple(name for name, _ in names),
        urls=tuple(url for _, url in names if url),
        reasons=_reasons(parts[_POINT_REASONS]) if _POINT_REASONS in parts else ALL_REASONS,
        is_indirect=_POINT_ISSUER in parts and not _names(parts[_POINT_ISSUER], issuer),
    )


def _names(content: bytes, issuer: bytes) -> bool:
    """Whether cRLIssuer is the certificate's own issuer, which should be left out, and is not by every CA."""
    return _directory_name(issuer) in [_comparable(name) for name in der.elements(content)]


def _point_names(content: bytes, issuer: bytes) -> Iterator[tuple[bytes, str]]:
    """The names of a DistributionPointName with their URLs, empty where one is none."""
    parts = der.elements(content)
    if len(parts) != 1 or parts[0].tag not in (_FULL_NAME, _RELATIVE_NAME):
        raise DerError("not the name of a distribution point")
    if parts[0].tag == _RELATIVE_NAME:
        yield _directory_name(issuer + der.encoded(der.SET, parts[0].content)), ""
        return
    names = der.elements(parts[0].content)
    if not names:
        raise DerError("a distribution point with an empty list of names")
    for name in names:
        yield _comparable(name), _url(name)


def _comparable(name: Element) -> bytes:
    """What a GeneralName is compared by."""
    if name.tag == _DIRECTORY_NAME:
        return bytes((_DIRECTORY_NAME,)) + normalised_name(name.content)
    return bytes((name.tag,)) + name.content


def _directory_name(name: bytes) -> bytes:
    """The same of a Name's contents."""
    return bytes((_DIRECTORY_NAME,)) + normalised_name(der.encoded(der.SEQUENCE, name))


def _url(name: Element) -> str:
    return name.content.decode("ascii") if name.tag == _URI and name.content.isascii() else ""


def _reasons(content: bytes) -> int:
    """The bits of ReasonFlags, of which bit 0 is not used."""
    if not content or content[0] > 7:
        raise DerError("not a bit string")
    bits = int.from_bytes(content[1:3].ljust(2, b"\0"), "big")
    unused = content[0] if len(content) in (2, 3) else 0
    octets = min(len(content) - 1, 2)
    return bits & (0xFFFF << (16 - 8 * octets + unused)) & ALL_REASONS
