"""What a file is that an operator has brought to the gateway: an OCSP response, or certificate revocation lists.

By its beginning alone; whether it is worth anything is seen by those who take it. Caller: `agw revocation import`.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from agwtwisted.core.certificates import der

LONGEST_BEGINNING: Final = 4096
"""Bytes of a file that are looked at."""

_PEM_LIST: Final = re.compile(rb"-----BEGIN X509 CRL-----")
_ENUMERATED: Final = 0x0A
_SHORT: Final = 0x80


class Brought(Enum):
    """What it is."""

    RESPONSE = "OCSP response"
    LISTS = "certificate revocation list"
    OTHER = "neither"


def brought(beginning: bytes) -> Brought:
    """What a file is by its first bytes.

    An OCSPResponse begins with an ENUMERATED (RFC 6960 section 4.2.1), a CertificateList with the SEQUENCE of what is
    signed (RFC 5280 section 5.1); text may stand before a list in PEM.
    """
    if _PEM_LIST.search(beginning):
        return Brought.LISTS
    match _first_within(beginning):
        case der.SEQUENCE:
            return Brought.LISTS
        case tag if tag == _ENUMERATED:
            return Brought.RESPONSE
        case _:
            return Brought.OTHER


def _first_within(beginning: bytes) -> int | None:
    """The identifier octet of the first element within a SEQUENCE; None where there is none."""
    if len(beginning) < 2 or beginning[0] != der.SEQUENCE:
        return None
    first = beginning[1]
    at = 2 + (first & ~_SHORT if first > _SHORT else 0)
    return beginning[at] if at < len(beginning) else None
