"""The entries of a revocation list: one certificate each, when it was revoked, and why (RFC 5280 section 5.3).

Caller: the table of a list, which reads every entry once, and one again where a certificate is found.
"""

from __future__ import annotations

from typing import Final

import attrs

from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError, Element
from agwtwisted.core.certificates.der_spans import Octets, child_spans, span_at
from agwtwisted.core.certificates.reading import Extension, extensions_of, moment

_ENUMERATED: Final = 0x0A
_EXTENSIONS: Final = 0xA3  # how `extensions_of` finds those of a certificate

_REASON: Final = bytes.fromhex("551d15")
_INVALIDITY_DATE: Final = bytes.fromhex("551d18")
_CERTIFICATE_ISSUER: Final = bytes.fromhex("551d1d")

_REASONS: Final = {
    0: "unspecified",
    1: "keyCompromise",
    2: "cACompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    6: "certificateHold",
    8: "removeFromCRL",
    9: "privilegeWithdrawn",
    10: "aACompromise",
}
"""CRLReason (section 5.3.1), in the words in which OCSP's reasons are given, too."""


class UnusableCrlError(DerError):
    """A list that can be read, and does not count; the text says why."""


@attrs.frozen(kw_only=True)
class CrlEntry:
    """What a list says about a certificate that is in it. Times are seconds since 1970.

    An entry revokes whatever else it says: *removeFromCRL* restores a certificate in delta lists alone, which do not
    count here.
    """

    revoked_at: float = 0.0  # 0: it cannot be read
    reason: str = ""  # empty: none, or one that is not known
    invalidity_date: float | None = None  # since when the key is known or suspected to be compromised


def plain_serial(content: bytes) -> bytes:
    """The contents of an INTEGER in their shortest form (X.690 section 8.3.2): of one number there is one."""
    while len(content) > 1 and ((content[0] == 0 and content[1] < 0x80) or (content[0] == 0xFF and content[1] >= 0x80)):
        content = content[1:]
    return content


def read_entry(data: Octets, at: int) -> CrlEntry:
    """The entry at a position; the table has found out that it is one, and that its extensions may be read."""
    _serial, date, *rest = child_spans(data, span_at(data, at, len(data)), 3)
    found = {each.identifier: each.content for each in _extensions(data[rest[0].at : rest[0].end])} if rest else {}
    return CrlEntry(
        revoked_at=_seconds(data[date.at : date.end]) or 0.0,
        reason=_reason(found.get(_REASON, b"")),
        invalidity_date=_seconds(found.get(_INVALIDITY_DATE, b"")),
    )


def judge_entry_extensions(encoded: bytes) -> None:
    """Does nothing about extensions of an entry with which its list counts.

    Raises:
        UnusableCrlError: one is critical and not known (section 5.3), or says that the entry is about a certificate of
            another issuer (section 5.3.3).
        DerError: they cannot be read.
    """
    found = _extensions(encoded)
    if any(each.identifier == _CERTIFICATE_ISSUER for each in found):
        raise UnusableCrlError("the CRL is indirect: it has entries of other issuers")
    if any(each.critical and each.identifier not in (_REASON, _INVALIDITY_DATE) for each in found):
        raise UnusableCrlError("the CRL has an entry with an extension that is critical and unknown")


def _extensions(encoded: bytes) -> tuple[Extension, ...]:
    return extensions_of((Element(_EXTENSIONS, encoded),))


def _reason(content: bytes) -> str:
    try:
        return _REASONS.get(int.from_bytes(der.only_element(content, _ENUMERATED), "big"), "")
    except DerError:
        return ""


def _seconds(time: bytes) -> float | None:
    try:
        return moment(der.first_element(time)).timestamp()
    except DerError:
        return None
