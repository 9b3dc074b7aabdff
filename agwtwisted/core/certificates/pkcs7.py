"""Certificates from PKCS #7 bundles (.p7b, .p7c), as Windows and the DoD hand out chains.

A bundle is a SignedData without signers (RFC 2315 section 9, RFC 5652 section 5): it has no signature to verify, and
its certificates prove nothing by being together.
"""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs7

HINT: Final = "a PKCS #7 bundle: `agw extract-ca` makes a file of CA certificates from it"

_SIGNED_DATA: Final = bytes.fromhex("06092a864886f70d010702")
"""The object identifier 1.2.840.113549.1.7.2, which comes first in the outermost SEQUENCE."""

_HEADER: Final = 16
"""Octets in which it begins and ends: behind a tag and a length of five octets at most."""

_LABELS: Final = frozenset({b"PKCS7", b"PKCS #7 SIGNED DATA", b"CMS"})
_BLOCK: Final = re.compile(rb"-----BEGIN (?P<label>[A-Z0-9 #]{1,40})-----(?P<body>[^-]*)-----END ")


def is_label(label: bytes) -> bool:
    """Whether a PEM block of this label is a bundle (RFC 7468 section 8)."""
    return label in _LABELS


def is_bundle(der: bytes) -> bool:
    """Whether the bytes begin as a bundle in DER or BER does."""
    return der[:1] == b"\x30" and _SIGNED_DATA in der[:_HEADER]


def read_bundles(data: bytes) -> tuple[x509.Certificate, ...] | None:
    """The certificates of a file of bundles: PEM, DER, or base64 of DER; None where it is no such file.

    Raises:
        ValueError: it is one, and cannot be read.
    """
    bundles = _bundles(data)
    return tuple(certificate for bundle in bundles for certificate in _certificates(bundle)) if bundles else None


def _bundles(data: bytes) -> list[bytes]:
    """Every bundle of the file, as DER or BER."""
    if is_bundle(data):
        return [data]
    blocks = [match["body"] for match in _BLOCK.finditer(data) if match["label"] in _LABELS]
    decoded = [_decoded(text) for text in blocks or [data]]
    return decoded if blocks else [each for each in decoded if is_bundle(each)]


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return b""


def _certificates(bundle: bytes) -> list[x509.Certificate]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # BER, which several programs write
        try:
            return pkcs7.load_der_pkcs7_certificates(bundle)
        except UnsupportedAlgorithm as error:  # other content than SignedData
            raise ValueError("no SignedData") from error
