"""What a certificate revocation list proves, and which of two is the newer one (RFC 5280 sections 5 and 6.3).

`prove` reads a list and verifies its signature: the result does not depend on time and is kept; `crl_status` says what
it means at a moment. Lists are complete, direct and of version 2: delta and indirect ones prove nothing here. No
content of a list raises an exception. The signature is verified before any entry is read. Times are seconds since 1970.
Caller: the service that downloads and keeps lists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from typing import Final

import attrs

from agwtwisted.core.certificates import der, extensions
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.der_spans import Octets, Span, child_spans, span_at
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.public_keys import key_octets
from agwtwisted.core.certificates.reading import MAX_NAME_OCTETS, Certificate, Extension, extensions_of, moment
from agwtwisted.core.certificates.signature_algorithms import VERIFIED, is_signed
from agwtwisted.core.revocation.crl_entries import UnusableCrlError
from agwtwisted.core.revocation.crl_table import MAX_LIST_BYTES, CrlTable, CrlTableBuilder
from agwtwisted.core.revocation.distribution_points import CrlScope, crl_scope
from agwtwisted.core.revocation.status import Unusable

MAX_FIELD_OCTETS: Final = 65536
"""Of everything in a list that is read whole: its extensions, its signature."""

MAX_NUMBER_OCTETS: Final = 20
"""Of a cRLNumber (section 5.2.3)."""

_EXTENSIONS: Final = 0xA0
_CERTIFICATE_EXTENSIONS: Final = 0xA3  # where `extensions_of` finds them
_VERSION_2: Final = b"\x01"
_TIMES: Final = (0x17, 0x18)

CRL_NUMBER: Final = bytes.fromhex("551d14")
DELTA_CRL_INDICATOR: Final = bytes.fromhex("551d1b")
ISSUING_DISTRIBUTION_POINT: Final = bytes.fromhex("551d1c")
_KNOWN: Final = frozenset({CRL_NUMBER, ISSUING_DISTRIBUTION_POINT, extensions.AUTHORITY_KEY_IDENTIFIER})


@attrs.frozen(kw_only=True)
class CrlHead:
    """What a list says before its entries, and where its parts stand; nothing of it is proven."""

    issuer: bytes  # contents of the Name
    this_update: float
    next_update: float
    number: int | None  # cRLNumber; None: it has none
    scope: CrlScope
    key_identifier: bytes | None  # of the key that signed it, where the list names one
    algorithm: bytes = attrs.field(repr=False)  # contents of the AlgorithmIdentifier
    signature: bytes = attrs.field(repr=False)
    signed: Span
    entries: Span | None  # revokedCertificates; None: it has no entries

    def may_be_of(self, issuer: Certificate) -> bool:
        """Whether the names, and the key identifiers where both have one, are those of a certificate's issuer.

        Only the signature proves that it is; this finds out which issuers are worth trying.
        """
        return not _issuer_fault(self, issuer)

    def names_other_key_of(self, issuer: Certificate) -> bool:
        """Whether the list says that another key than this issuer's has signed it, in the same name."""
        return _issuer_fault(self, issuer) == _OTHER_KEY


@attrs.frozen(kw_only=True, eq=False)
class ProvenCrl:
    """A list that an issuer signed."""

    issuer_key: bytes  # as `issuer_key` gives it
    issuer: bytes = attrs.field(repr=False)  # contents of its Name
    this_update: float
    next_update: float
    number: int | None
    scope: CrlScope
    table: CrlTable = attrs.field(repr=False)
    size: int  # bytes of the list

    @property
    def key(self) -> bytes:
        """32 bytes that lists have in common of which one replaces another: their issuer and what they are about."""
        return hashlib.sha256(self.issuer_key + self.scope.digest).digest()

    def is_older_than(self, other: ProvenCrl) -> bool:
        """Whether it was issued before another one with the same `key`, which must not be replaced by it.

        The numbers decide where both have one (section 5.2.3), and thisUpdate where they do not, or are equal. Of two
        lists of the same second the one with fewer entries counts as older: else who has kept it could take back what
        the other one revokes.
        """
        if self.number is not None and other.number is not None and self.number != other.number:
            return self.number < other.number
        return (self.this_update, len(self.table)) < (other.this_update, len(other.table))


def issuer_key(issuer: Certificate) -> bytes:
    """32 bytes that stand for an issuer: its name and its key. Several certificates of a CA have the same.

    Raises:
        DerError: the name or the key cannot be read.
    """
    name = normalised_name(der.encoded(der.SEQUENCE, issuer.subject))
    return hashlib.sha256(hashlib.sha256(name).digest() + key_octets(issuer)).digest()


def read_head(data: Octets) -> CrlHead | Unusable:
    """What a list in DER says of itself, or why no list of its kind counts."""
    if len(data) > MAX_LIST_BYTES:
        return Unusable("the CRL is too long")
    try:
        return _head(data)
    except UnusableCrlError as error:
        return Unusable(str(error))
    except DerError as error:
        return Unusable(f"the CRL cannot be read: {error}")


def prove(data: Octets, issuer: Certificate) -> ProvenCrl | Unusable:
    """What a list in DER proves about the certificates of an issuer; of verified chains only."""
    steps = proving(data, issuer)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: ProvenCrl | Unusable = end.value
            return found


def proving(data: Octets, issuer: Certificate) -> Generator[None, None, ProvenCrl | Unusable]:
    """The same in steps, for a thread that leaves room for others between them.

    A step takes the interpreter for about a millisecond, or, while the signature is verified, not at all. The data is
    kept as long as the result, whose table has positions in it.
    """
    head = read_head(data)
    if isinstance(head, Unusable):
        return head
    yield
    fault = _issuer_fault(head, issuer) or _signature_fault(data, head, issuer)
    if fault:
        return Unusable(fault)
    builder = CrlTableBuilder(data, head.entries)
    try:
        yield from builder.steps()
        return _proven(head, issuer_key(issuer), builder.table, len(data))
    except UnusableCrlError as error:
        return Unusable(str(error))
    except DerError as error:
        return Unusable(f"the CRL cannot be read: {error}")


def _proven(head: CrlHead, key: bytes, table: CrlTable, size: int) -> ProvenCrl:
    return ProvenCrl(
        issuer_key=key,
        issuer=head.issuer,
        this_update=head.this_update,
        next_update=head.next_update,
        number=head.number,
        scope=head.scope,
        table=table,
        size=size,
    )


def _head(data: Octets) -> CrlHead:
    """CertificateList and TBSCertList (section 5.1)."""
    whole = span_at(data, 0, len(data))
    parts = child_spans(data, whole, 3)
    if whole.end != len(data) or _tags(whole, *parts) != (der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.BIT_STRING):
        raise DerError("not a list and its signature")
    signed, algorithm, signature = parts
    version, inner_algorithm, issuer, this_update, *rest = _fields(data, signed)
    if _octets(data, version) != _VERSION_2:
        raise UnusableCrlError("the CRL is not of version 2")
    if _octets(data, inner_algorithm) != _octets(data, algorithm):
        raise DerError("two signature algorithms")
    if not rest or rest[0].tag not in _TIMES:
        raise UnusableCrlError("the CRL has no nextUpdate")
    begin, end = _seconds(data, this_update), _seconds(data, rest[0])
    if end <= begin:
        raise UnusableCrlError("the CRL ends before it begins")
    name = _octets(data, issuer, MAX_NAME_OCTETS)
    entries, found = _rest(data, rest[1:])
    return CrlHead(
        issuer=name,
        this_update=begin,
        next_update=end,
        number=_number(found),
        scope=_scope(found, name),
        key_identifier=extensions.issuer_key_identifier(found),
        algorithm=_octets(data, algorithm),
        signature=_signature(data, signature),
        signed=signed,
        entries=entries,
    )


def _fields(data: Octets, signed: Span) -> tuple[Span, ...]:
    """The fields of a list of version 2, from its version on."""
    fields = child_spans(data, signed, 7)
    if fields and fields[0].tag != der.INTEGER:
        raise UnusableCrlError("the CRL is not of version 2")
    if len(fields) < 4 or _tags(*fields[1:3]) != (der.SEQUENCE, der.SEQUENCE) or fields[3].tag not in _TIMES:
        raise DerError("something is missing")
    return fields


def _rest(data: Octets, rest: list[Span]) -> tuple[Span | None, _Extensions]:
    """What may come after nextUpdate: entries and extensions."""
    match _tags(*rest):
        case ():
            return None, _Extensions(())
        case (der.SEQUENCE,):
            return rest[0], _Extensions(())
        case (tag,) if tag == _EXTENSIONS:
            return None, _extensions(data, rest[0])
        case (der.SEQUENCE, tag) if tag == _EXTENSIONS:
            return rest[0], _extensions(data, rest[1])
        case _:
            raise DerError("something that does not belong there")


@attrs.frozen
class _Extensions:
    """Those of a list, each once."""

    found: tuple[Extension, ...]

    def extension(self, identifier: bytes) -> Extension | None:
        """The one of this type; None where there is none."""
        return next((each for each in self.found if each.identifier == identifier), None)


def _extensions(data: Octets, span: Span) -> _Extensions:
    found = extensions_of((der.Element(_CERTIFICATE_EXTENSIONS, _octets(data, span)),))
    if len({each.identifier for each in found}) < len(found):
        raise DerError("an extension occurs twice")
    if any(each.identifier == DELTA_CRL_INDICATOR for each in found):
        raise UnusableCrlError("the CRL is a delta CRL")
    if any(each.critical and each.identifier not in _KNOWN for each in found):
        raise UnusableCrlError("the CRL has an extension that is critical and unknown")
    return _Extensions(found)


def _scope(found: _Extensions, issuer: bytes) -> CrlScope:
    point = found.extension(ISSUING_DISTRIBUTION_POINT)
    scope = CrlScope() if point is None else crl_scope(point.content, issuer)
    if scope.is_indirect:
        raise UnusableCrlError("the CRL is indirect: it has entries of other issuers")
    if scope.only_attributes:
        raise UnusableCrlError("the CRL is about attribute certificates")
    return scope


def _number(found: _Extensions) -> int | None:
    extension = found.extension(CRL_NUMBER)
    if extension is None:
        return None
    octets = der.only_element(extension.content, der.INTEGER)
    if not 0 < len(octets) <= MAX_NUMBER_OCTETS or octets[0] >= 0x80:
        raise DerError("not a cRLNumber")
    return int.from_bytes(octets, "big")


def _signature(data: Octets, span: Span) -> bytes:
    octets = _octets(data, span)
    if octets[:1] != b"\0":
        raise DerError("not a signature")
    return octets[1:]


_OTHER_KEY: Final = "the CRL is signed with another key of the same name"


def _issuer_fault(head: CrlHead, issuer: Certificate) -> str:
    """Why a list is not this issuer's, as far as names say (section 6.3.3, (b) and (f))."""
    try:
        of_list, of_issuer = (
            normalised_name(der.encoded(der.SEQUENCE, each)) for each in (head.issuer, issuer.subject)
        )
        own = extensions.key_identifier(issuer)
    except DerError:
        return "the issuer of the CRL cannot be read"
    if of_list != of_issuer:
        return "the CRL is of another issuer"
    if None not in (own, head.key_identifier) and own != head.key_identifier:
        return _OTHER_KEY
    return ""


def _signature_fault(data: Octets, head: CrlHead, issuer: Certificate) -> str:
    """Why the signature of a list is not one of its issuer for lists (section 6.3.3, (f) and (g))."""
    try:
        usage = extensions.key_usage(issuer)
        identifier = der.object_identifier(der.first_of(head.algorithm, der.OBJECT_IDENTIFIER))
    except DerError:
        return "the issuer of the CRL cannot be read"
    if usage is not None and not usage & extensions.CRL_SIGN:
        return "the issuer may not sign CRLs: its key usage is without cRLSign"
    if identifier not in VERIFIED:
        return "the CRL has an unsupported signature algorithm"
    with memoryview(data) as octets, octets[head.signed.at : head.signed.end] as signed:
        return "" if is_signed(identifier, issuer, head.signature, signed) else "the signature of the CRL is invalid"


def _octets(data: Octets, span: Span, most: int = MAX_FIELD_OCTETS) -> bytes:
    """The contents of an element that is read whole."""
    if span.end - span.start > most:
        raise DerError(f"a field of more than {most} octets")
    return data[span.start : span.end]


def _seconds(data: Octets, span: Span) -> float:
    return moment(der.Element(span.tag, _octets(data, span))).timestamp()


def _tags(*spans: Span) -> tuple[int, ...]:
    return tuple(span.tag for span in spans)
