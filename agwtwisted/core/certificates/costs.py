"""A limit on the cost of verifying unverified clients' certificates.

OpenSSL goes on after its first error where the client gets a page, or is accepted unverified: it then checks signatures
with keys, and names against constraints, that no trusted CA has certified. Its own limits allow ten milliseconds for a
key, and a million comparisons.
"""

from __future__ import annotations

from typing import Final

from agwtwisted.core.certificates.der import DerError, Element
from agwtwisted.core.certificates.extensions import NAME_CONSTRAINTS
from agwtwisted.core.certificates.public_keys import key_from
from agwtwisted.core.certificates.reading import extensions_of, to_be_signed

MAX_COMPARED: Final = 1 << 22
"""Octets of name constraints, times the octets of a certificate whose names they are held against."""

_PUBLIC_KEY: Final = 5  # its place in what a certificate says, from the serial number on


class Costs:
    """What the certificates of one chain that has failed cost, in the order of OpenSSL's calls, the root first."""

    def __init__(self) -> None:
        self._constraints = 0

    def exceeded_by(self, der_bytes: bytes) -> bool:
        """Whether with this certificate the chain costs more than a stranger's may."""
        try:
            fields = to_be_signed(der_bytes)
            self._constraints += _constraints(fields)
            return self._constraints * len(der_bytes) > MAX_COMPARED or key_from(fields[_PUBLIC_KEY].content).is_costly
        except (DerError, IndexError):
            return False  # such a key is not used, by OpenSSL neither


def _constraints(fields: tuple[Element, ...]) -> int:
    """Octets of the name constraints."""
    return sum([len(each.content) for each in extensions_of(fields) if each.identifier == NAME_CONSTRAINTS])
