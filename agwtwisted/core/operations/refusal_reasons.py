"""Why clients were refused, as words of a closed set: values of labels. No text of a client is ever one."""

from __future__ import annotations

from typing import Final

from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Refused, Refusing

NO_CERTIFICATE: Final = "no certificate"
OTHER: Final = "other"

REFUSALS: Final = frozenset(
    {
        *reasons.REASONS.values(),
        reasons.UNKNOWN,
        reasons.ISSUER_DN,
        reasons.STATUS_UNAVAILABLE,
        reasons.STATUS_UNKNOWN,
        reasons.STATUS_NOT_ASKED,
        reasons.UNREADABLE,
        reasons.EXCESSIVE,
        NO_CERTIFICATE,
        OTHER,
    }
)
"""Every reason for the refusal of a client's certificate."""


def refusal(verdict: Refusing) -> str:
    """The reason of a verdict that turns a client away."""
    if not isinstance(verdict, Refused):
        return NO_CERTIFICATE
    return verdict.reason if verdict.reason in REFUSALS else OTHER
