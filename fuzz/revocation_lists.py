"""What is fuzzed of revocation lists: their heads and entries, the points of certificates, the files they come in.

The signature of a mutated list is wrong, so its parts are read without it, as after it.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import suppress

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.revocation.crl import CrlHead, prove, read_head
from agwtwisted.core.revocation.crl_encodings import CrlFileError, encoded_lists
from agwtwisted.core.revocation.crl_entries import plain_serial
from agwtwisted.core.revocation.crl_table import CrlTable, CrlTableBuilder, serial_at
from agwtwisted.core.revocation.distribution_points import ALL_REASONS, covered_reasons, crl_scope, distribution_points
from agwtwisted.core.revocation.status import Unusable
from agwtwisted.core.verification.certificate_rules import CANNOT_READ
from tests import crls, pki
from tests.crls import Crl, Listed, issuing_point, point_name, uri

_KEY = ec.derive_private_key(7, ec.SECP256R1())
_ISSUER = pki.Authority.root("Issuer", key=_KEY)
_NAME = _ISSUER.parsed.subject
_POINT = x509.ObjectIdentifier("2.5.29.31")


def crl(data: bytes) -> None:
    """A list is read, or there is a printable reason; what cryptography reads has the same entries; none is proven."""
    head = read_head(data)
    found = prove(data, _ISSUER.parsed)
    if isinstance(found, Unusable):
        assert found.reason.isprintable()
    else:
        assert data in _true_lists()
    if not isinstance(head, CrlHead):
        assert head.reason.isprintable()
        return
    builder = CrlTableBuilder(data, head.entries)
    with suppress(DerError):
        assert sum(1 for _ in builder.steps()) <= 2 + len(data) // 1000
        _compare(builder.table, data)


def _compare(table: CrlTable, data: bytes) -> None:
    """Whether the table has what it was made of, and what another reader finds in the list, each with its reason."""
    for position in filter(None, table._slots):
        assert table.find(serial_at(data, position)) is not None
    with warnings.catch_warnings(), suppress(*CANNOT_READ):
        warnings.simplefilter("ignore")
        for other in x509.load_der_x509_crl(data):
            size = other.serial_number.bit_length() // 8 + 1
            entry = table.find(plain_serial(other.serial_number.to_bytes(size, "big", signed=True)))
            assert entry is not None


def points(data: bytes) -> None:
    """The extensions of a certificate and of a list are read or not; what a list covers has reasons that exist."""
    extension = pki.extension(x509.UnrecognizedExtension(_POINT, data))
    found = distribution_points(pki.self_signed(extra=[extension], key=_KEY).parsed)
    assert all(url.isascii() for point in found for url in point.urls)
    with suppress(DerError):
        scope = crl_scope(data, _NAME)
        assert len(scope.digest) == 32
        reasons = covered_reasons(scope, found, issuer=_NAME, is_authority=False)
        assert reasons & ALL_REASONS == reasons


def files(data: bytes) -> None:
    """A file has lists, none of which is longer than the file, or there is a printable reason."""
    problem = ""
    lists: tuple[bytes, ...] = ()
    try:
        lists = encoded_lists(data)
    except CrlFileError as error:
        problem = str(error)
    assert bool(problem) != bool(lists)
    assert problem.isprintable()
    assert sum(map(len, lists)) <= len(data)


def crl_seeds() -> Iterator[bytes]:
    """Lists of every kind that the tests know."""
    yield from _true_lists()
    many = [Listed(serial=number * 7919, reason=number % 11) for number in range(1, 60)]
    yield Crl(signer=_ISSUER, entries=many, signature=b"x").der()


_TRUE: list[bytes] = []


def _true_lists() -> list[bytes]:
    if not _TRUE:
        entries = [
            Listed(serial=1, reason=1, invalidity_date=pki.NOW),
            Listed(serial=-5, at=pki.tlv(0x18, b"20500101000000Z")),
            Listed(serial=random.Random(1).getrandbits(158), extensions=[crls.extension(crls.UNHEARD_OF, b"x")]),
        ]
        scope = issuing_point(point_name(uri("http://crl.example/1")), crls.ONLY_USERS, crls.some_reasons("01"))
        lists = (
            Crl(signer=_ISSUER),
            Crl(signer=_ISSUER, entries=entries),
            Crl(signer=_ISSUER, entries=entries, extensions=[scope], number=2**100),
        )
        _TRUE.extend(each.der() for each in lists)
    return _TRUE


def point_seeds() -> Iterator[bytes]:
    """Values of both extensions."""
    name = point_name(uri("http://crl.example/1"), crls.directory("CRL 1"))
    yield pki.tlv(0x30, pki.tlv(0x30, name, crls.some_reasons("01", tag=0x81), pki.tlv(0xA2, crls.directory("Other"))))
    yield pki.tlv(0x30, pki.tlv(0x30, pki.tlv(0xA0, pki.tlv(0xA1, pki.tlv(0x30, b"\x06\x03\x55\x04\x03\x0c\x01a")))))
    yield pki.tlv(0x30, name, crls.ONLY_USERS, crls.some_reasons("001111111"), pki.tlv(0x84, b"\0"))


def file_seeds() -> Iterator[bytes]:
    """Files of one list and of several."""
    yield from _true_lists()
    yield b"text\n" + Crl(signer=_ISSUER).pem() + _ISSUER.pem + Crl(signer=_ISSUER, number=2).pem()
