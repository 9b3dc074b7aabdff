"""What the statuses of a client's certificates mean for the client. Caller: the revocation check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

import attrs

from agwtwisted.core.identity.clients import ClientRevocationStatus, RevocationFinding, RevocationSource
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    NoAnswer,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Refused

FAIL_OPEN_SECONDS: Final = 60.0
"""Seconds after which a client is revalidated that was let in without a status, by `ocsp_unavailable = Allow`
or `crl_unavailable = Allow`."""


def finding_of(
    statuses: Sequence[RevocationStatus], *, allow: bool, now: float, asks_ocsp: bool = True
) -> RevocationFinding:
    """The finding about a trusted client: the severest status of its certificates decides, and no status refuses.

    Args:
        statuses: of its certificates, each as the sources together have it.
        allow: accepts a client whose status is unavailable (`ocsp_unavailable`, `crl_unavailable`), and no other: a
            certificate that its issuer does not know, or has revoked, is refused in any case. So is one about which the
            gateway could not ask for want of a resource of its own, or an attacker who exhausts that resource could
            bring in revoked clients.
        now: in seconds since 1970.
        asks_ocsp: whether OCSP is one of the sources.
    """
    severest = max(statuses, key=severity, default=Unusable("nothing was asked"))
    match severest:
        case Good():
            until = min(status.until for status in statuses if isinstance(status, Good))
            return RevocationFinding(status=ClientRevocationStatus.GOOD, source=severest.source, until=until)
        case Revoked():
            return _refusing(ClientRevocationStatus.REVOKED, severest.source, reasons.REVOKED)
        case Unknown():
            return _refusing(ClientRevocationStatus.UNKNOWN, severest.source, reasons.STATUS_UNKNOWN)
        case CouldNotAsk() | Unusable() | Unreachable():
            found = _undecided(severest, is_allowed=allow and bool(statuses), now=now)
            return found if asks_ocsp else attrs.evolve(found, ocsp_status=ClientRevocationStatus.NOT_CHECKED)
        case _:
            assert_never(severest)


def _refusing(status: ClientRevocationStatus, source: RevocationSource, reason: str) -> RevocationFinding:
    return RevocationFinding(status=status, source=source, refusal=Refused(reason))


def _undecided(severest: NoAnswer, *, is_allowed: bool, now: float) -> RevocationFinding:
    """What follows where no source has said anything."""
    if isinstance(severest, CouldNotAsk):
        refusal = Refused(reasons.STATUS_NOT_ASKED)
        return RevocationFinding(status=ClientRevocationStatus.NOT_ASKED, refusal=refusal)
    if is_allowed:
        return RevocationFinding(status=ClientRevocationStatus.UNAVAILABLE_ALLOWED, until=now + FAIL_OPEN_SECONDS)
    refusal = Refused(reasons.STATUS_UNAVAILABLE)
    return RevocationFinding(status=ClientRevocationStatus.UNAVAILABLE, refusal=refusal)


def severity(status: RevocationStatus) -> int:
    """How much a status weighs against others: *good* least, then no answer, not asked, unknown; *revoked* most."""
    match status:
        case Good():
            return 0
        case Unusable() | Unreachable():
            return 1
        case CouldNotAsk():
            return 2
        case Unknown():
            return 3
        case Revoked():
            return 4
        case _:
            assert_never(status)
