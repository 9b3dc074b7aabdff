"""Which paths may lead from a client's certificate to a trusted root (RFC 4158), where OpenSSL's own one did not.

OpenSSL takes, at each step, the first issuer that fits by name and key identifiers, and does not come back. Here every
candidate is considered, among the CAs that were uploaded and those that the client sent. Nothing is accepted here:
each path is judged whole by OpenSSL and by `verification.judge` before it counts.

A signature is checked with a key that a root vouches for, never with one that only a stranger does: paths are first
explored from the roots down, and only over links that hold they are enumerated from the leaf up, the shortest first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

import attrs

from agwtwisted.core.certificates import der, extensions
from agwtwisted.core.certificates.der import DerError, Element
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.reading import MAX_NAME_OCTETS, Extension, extensions_of

MAX_SIGNATURES: Final = 32
"""Signatures of certificates that a client sent, checked for one client; those among uploaded CAs are known."""

MAX_BAD_SIGNATURES: Final = 8
"""Of these, signatures that do not hold: a client without a certificate of a trusted CA cannot send others."""

MAX_PATHS: Final = 32
"""Paths that are judged for one client."""

MAX_SENT: Final = 40
"""Certificates of one client that are considered, the first ones."""

MAX_PARTIAL_PATHS: Final = 512
"""Beginnings of paths that are kept at a time while paths are enumerated."""

_OF_ISSUERS: Final = frozenset(
    {0, 2, 4, 6, 7, 18, 19, 20, 21, 24, 25, 27, 29, 30, 31, 46, 47, 48, 49, 51, 52, 53, 55, 70, 76, 77, 79}
)
"""X509_V_ERR_* that speak of a certificate's issuers although they are reported with it; 0: a rule of our own does."""


_VERSION: Final = 0xA0
_DIRECTORY_NAME: Final = 0xA4


@attrs.frozen(eq=False)
class Node:
    """A certificate, and what links it to others (RFC 5280 section 4.1.2); compared as the object that it is."""

    der: bytes = attrs.field(repr=False)
    fields: tuple[Element, ...] = attrs.field(repr=False)  # of the TBSCertificate, without its version
    subject: bytes  # normalised, as `issuer`
    issuer: bytes

    @classmethod
    def of(cls, certificate: bytes) -> Node | None:
        """None where these bytes are not read that far."""
        try:
            body, *_ = der.elements(der.only_element(certificate, der.SEQUENCE))
            fields = tuple([each for each in der.elements(body.content) if each.tag != _VERSION])
            if max(len(fields[2].content), len(fields[4].content)) > MAX_NAME_OCTETS:
                return None
            return cls(certificate, fields, normalised_name(_encoded(fields[4])), normalised_name(_encoded(fields[2])))
        except (DerError, IndexError, ValueError):
            return None

    def extension(self, identifier: bytes) -> Extension | None:
        """The extension of this type; one that is there twice is refused later, whichever is looked at here."""
        return self._extensions.get(identifier)

    @cached_property
    def _extensions(self) -> Mapping[bytes, Extension]:
        """By identifier; empty where they cannot be read, and nothing is accepted."""
        try:
            return {each.identifier: each for each in extensions_of(self.fields)}
        except DerError:
            return {}

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are one name."""
        return self.subject == self.issuer

    @cached_property
    def key_id(self) -> bytes | None:
        """The subject key identifier."""
        try:
            return extensions.key_identifier(self)
        except DerError:
            return None

    @cached_property
    def issuer_id(self) -> Mapping[int, bytes]:
        """The parts of the authority key identifier by their tags: 0x80 key, 0xA1 names, 0x82 serial number."""
        try:
            return extensions.authority_key_identifier(self)
        except DerError:
            return {}

    @cached_property
    def path_length(self) -> int | None:
        """pathLenConstraint, None where there is none; below 0, which no path keeps to, where it cannot be read."""
        try:
            return extensions.path_length(self)
        except DerError:
            return -1

    @property
    def constrains_names(self) -> bool:
        """Whether it limits the names of those below it."""
        return extensions.constrains_names(self)

    @property
    def is_for_clients(self) -> bool:
        """Whether extendedKeyUsage, where it is there, has clientAuth: OpenSSL asks that of CAs too."""
        try:
            purposes = extensions.purposes(self)
        except DerError:
            return False
        return purposes is None or extensions.CLIENT_AUTH in purposes

    def may_be_issued_by(self, other: Node) -> bool:
        """Whether names, and key identifiers where both are there, allow it."""
        if self.issuer != other.subject or self is other:
            return False
        wanted, has = self.issuer_id.get(0x80), other.key_id
        return wanted is None or has is None or wanted == has

    def names_another_serial(self, issuer: Node) -> bool:
        """Whether its authority key identifier names another certificate of the issuer, an older one as a rule."""
        serial, names = self.issuer_id.get(0x82), self.issuer_id.get(0xA1)
        if serial is not None and serial != issuer.fields[0].content:
            return True
        name = _directory_name(names)
        return name is not None and name != issuer.issuer

    def as_named_by(self, subject: Node) -> bytes:
        """This CA's certificate (DER) with the serial number and the issuer that `subject` names in its identifier.

        Its own signature does not hold any more: it is good for a trust anchor, of which name and key count
        (RFC 5280 section 6.1.1 (d)).
        """
        serial, name = subject.issuer_id.get(0x82), _directory_der(subject.issuer_id.get(0xA1))
        fields = [_encoded(each) for each in self.fields]
        if serial is not None:
            fields[0] = _encoded(Element(der.INTEGER, serial))
        if name is not None:
            fields[2] = name
        certificate = der.elements(der.only_element(self.der, der.SEQUENCE))
        version = [_encoded(each) for each in der.elements(certificate[0].content) if each.tag == _VERSION]
        body = _encoded(Element(der.SEQUENCE, b"".join([*version, *fields])))
        return _encoded(Element(der.SEQUENCE, body + b"".join(map(_encoded, certificate[1:]))))


@attrs.frozen(eq=False)
class Uploaded:
    """The CAs of a profile's files, by name."""

    by_subject: Mapping[bytes, tuple[Node, ...]] = attrs.field(repr=False)
    by_der: Mapping[bytes, Node] = attrs.field(repr=False)
    roots: frozenset[bytes] = attrs.field(repr=False)  # DER

    @classmethod
    def of(cls, authorities: Iterable[bytes], roots: Iterable[bytes]) -> Uploaded:
        """Of certificates in DER; one that cannot be read is left out."""
        nodes = [node for node in map(Node.of, dict.fromkeys(authorities)) if node is not None]
        by_subject: dict[bytes, tuple[Node, ...]] = {}
        for node in nodes:
            by_subject[node.subject] = (*by_subject.get(node.subject, ()), node)
        return cls(by_subject, {node.der: node for node in nodes}, frozenset(roots))


@attrs.frozen(kw_only=True)
class Checks:
    """What is to be asked of others while paths are looked for; certificates are in DER."""

    signed: Callable[[Node, Node], bool]  # whether the first was signed with the key of the second
    usable: Callable[[bytes], bool]  # whether this CA may stand in an accepted path at all
    enough: Callable[[], bool]  # whether all this has taken too long


def candidate_paths(
    presented: Sequence[bytes], uploaded: Uploaded, checks: Checks, max_depth: int
) -> Iterator[tuple[Node, ...]]:
    """Paths from the leaf, which is the first of what a client presented, to a root, the shortest first.

    `max_depth` is how many certificates may be above the leaf. There are at most `MAX_PATHS`.
    """
    leaf = Node.of(presented[0]) if presented else None
    if leaf is None:
        return
    candidates = _reachable(leaf, presented[1:], uploaded)
    issuers = _links(leaf, candidates, uploaded, checks)
    found = 0
    waiting: deque[tuple[Node, ...]] = deque([(leaf,)])
    while waiting and found < MAX_PATHS and not checks.enough():
        path = waiting.popleft()
        if path[-1].der in uploaded.roots and path[-1] is not leaf:
            found += 1
            yield path
            continue
        if len(path) <= max_depth:
            longer = [(*path, issuer) for issuer in issuers.get(path[-1], ()) if issuer not in path]
            waiting.extend(longer[: max(MAX_PARTIAL_PATHS - len(waiting), 0)])


def may_be_mended(error: int) -> bool:
    """Whether another path may help against an error (X509_V_ERR_*) of OpenSSL's at the leaf, or is the leaf's own."""
    return error in _OF_ISSUERS


def _reachable(leaf: Node, sent: Sequence[bytes], uploaded: Uploaded) -> list[Node]:
    """The certificates to which names lead from the leaf; uploaded ones come first."""
    extra: dict[bytes, list[Node]] = {}
    for each in dict.fromkeys(sent[:MAX_SENT]):
        node = None if each in uploaded.by_der or each == leaf.der else Node.of(each)
        if node is not None:
            extra.setdefault(node.subject, []).append(node)
    found: dict[Node, None] = {}
    names = deque([leaf.issuer])
    seen = {leaf.issuer}
    while names:
        name = names.popleft()
        for node in (*uploaded.by_subject.get(name, ()), *extra.get(name, ())):
            found[node] = None
            if node.issuer not in seen:
                seen.add(node.issuer)
                names.append(node.issuer)
    return list(found)


def _links(leaf: Node, candidates: Sequence[Node], uploaded: Uploaded, checks: Checks) -> Mapping[Node, Sequence[Node]]:
    """By certificate who issued it, as far as a root vouches for the issuer's key and the signature holds."""
    links: dict[Node, list[Node]] = {}
    roots = [node for node in candidates if node.der in uploaded.roots and checks.usable(node.der)]
    vouched = dict.fromkeys(roots)
    waiting = deque(roots)
    left, bad = MAX_SIGNATURES, MAX_BAD_SIGNATURES
    by_issuer: dict[bytes, list[Node]] = {}
    for node in (leaf, *candidates):
        if node.der not in uploaded.roots:
            by_issuer.setdefault(node.issuer, []).append(node)
    while waiting:
        issuer = waiting.popleft()
        for node in by_issuer.get(issuer.subject, ()):
            if not node.may_be_issued_by(issuer):
                continue
            is_known = node.der in uploaded.by_der and issuer.der in uploaded.by_der
            if not is_known and (left == 0 or bad == 0 or checks.enough()):
                continue
            left -= not is_known
            if not checks.signed(node, issuer):
                bad -= not is_known
                continue
            links.setdefault(node, []).append(issuer)
            if node is not leaf and node not in vouched and checks.usable(node.der):
                vouched[node] = None
                waiting.append(node)
    return links


@attrs.frozen(kw_only=True)
class Piece:
    """A part of a path that OpenSSL can judge at once; a path is one piece as a rule."""

    certificates: tuple[bytes, ...] = attrs.field(repr=False)  # DER, the lowest first, without the anchor
    anchor: bytes = attrs.field(repr=False)  # what is trusted for this
    above: tuple[Node, ...] = attrs.field(repr=False)  # every certificate but the lowest
    begins_with_leaf: bool
    ends_in_root: bool  # as it is: else the anchor is trusted although it is none


def pieces(path: Sequence[Node]) -> tuple[Piece, ...] | None:
    """A path from leaf to root in the pieces in which OpenSSL judges it; None: it cannot be judged so.

    OpenSSL takes no issuer whose serial number is another than the authority key identifier names, although RFC 5280
    section 4.2.1.1 calls that a help to find it: a CA that was renewed keeps its key and gets another serial number.
    There the path is cut: the lower piece ends in that CA, with the number that is named, and the upper one begins
    with it as it is. What CAs of an upper piece constrain for the lower ones is looked at here (path lengths), or
    refused (names).
    """
    cuts = [index for index in range(1, len(path)) if path[index - 1].names_another_serial(path[index])]
    if cuts and (any(node.constrains_names for node in path[cuts[0] + 1 :]) or not _lengths_hold(path)):
        return None
    found: list[Piece] = []
    begin = 0
    for end in (*cuts, len(path) - 1):
        if end == begin and begin:  # the root itself was named by another serial number
            break
        is_cut = end in cuts
        found.append(
            Piece(
                certificates=tuple(node.der for node in path[begin:end]),
                anchor=path[end].as_named_by(path[end - 1]) if is_cut else path[end].der,
                above=tuple(path[begin + 1 : end + 1]),
                begins_with_leaf=begin == 0,
                ends_in_root=not is_cut,
            )
        )
        begin = end
    return tuple(found)


def _lengths_hold(path: Sequence[Node]) -> bool:
    """Path lengths by RFC 5280 section 6.1.4 (l) and (m): a self-issued CA does not count."""
    below = 0
    for node in path[1:]:
        if node.path_length is not None and below > node.path_length:
            return False
        below += not node.is_self_issued
    return True


def _directory_der(names: bytes | None) -> bytes | None:
    """The first directoryName of GeneralNames, as a Name."""
    try:
        found = [each.content for each in der.elements(names or b"") if each.tag == _DIRECTORY_NAME]
    except DerError:
        return None
    return found[0] if found else None


def _directory_name(names: bytes | None) -> bytes | None:
    """The same, normalised."""
    found = _directory_der(names)
    try:
        return None if found is None else normalised_name(found)
    except (DerError, ValueError):
        return None


def _encoded(element: Element) -> bytes:
    """An element in DER."""
    length = len(element.content)
    if length < 0x80:
        return bytes((element.tag, length)) + element.content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((element.tag, 0x80 | len(octets))) + octets + element.content
