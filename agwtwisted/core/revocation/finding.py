"""What the statuses of a client's certificates mean for the client. Caller: the revocation check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from agwtwisted.core.identity.clients import OcspStatus, RevocationFinding
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Refused

FAIL_OPEN_SECONDS: Final = 60.0
"""Seconds after which a client is revalidated that was let in without a status, by `ocsp_unavailable = Allow`."""


def finding_of(statuses: Sequence[RevocationStatus], *, allow: bool, now: float) -> RevocationFinding:
    """The finding about a trusted client: the severest status of its certificates decides, and no status refuses.

    `allow` accepts a client whose status is unavailable (`ocsp_unavailable`), and no other: a certificate that its
    issuer does not know, or has revoked, is refused in any case. So is one about which the gateway could not ask for
    want of a resource of its own, or an attacker who exhausts that resource could bring in revoked clients.
    """
    severest = max(statuses, key=_severity, default=Unusable("nothing was asked"))
    match severest:
        case Good():
            until = min(status.until for status in statuses if isinstance(status, Good))
            return RevocationFinding(ocsp_status=OcspStatus.GOOD, until=until)
        case Revoked():
            return RevocationFinding(ocsp_status=OcspStatus.REVOKED, refusal=Refused(reasons.REVOKED))
        case Unknown():
            return RevocationFinding(ocsp_status=OcspStatus.UNKNOWN, refusal=Refused(reasons.STATUS_UNKNOWN))
        case CouldNotAsk():
            return RevocationFinding(ocsp_status=OcspStatus.NOT_ASKED, refusal=Refused(reasons.STATUS_NOT_ASKED))
        case Unusable() | Unreachable():
            if allow and statuses:
                return RevocationFinding(ocsp_status=OcspStatus.UNAVAILABLE_ALLOWED, until=now + FAIL_OPEN_SECONDS)
            return RevocationFinding(ocsp_status=OcspStatus.UNAVAILABLE, refusal=Refused(reasons.STATUS_UNAVAILABLE))
        case _:
            assert_never(severest)


def _severity(status: RevocationStatus) -> int:
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
