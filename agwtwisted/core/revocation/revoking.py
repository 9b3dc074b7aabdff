"""From what is known about the revocation of a client's certificates to the finding about the client."""

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

ALLOWED_FOR: Final = 60.0
"""Seconds after which a client is judged again that was let in because its status was not to be had."""


def concluded(statuses: Sequence[RevocationStatus], *, allow: bool, now: float) -> RevocationFinding:
    """The finding about a trusted client, which the severest status of its certificates decides; none at all refuses.

    `allow` says what to do when a status is not to be had (`ocsp_unavailable`). It concerns nothing else: a certificate
    that its issuer does not know, or has revoked, is refused in any case, and so is one that was not asked about for
    want of something of our own, or whoever can make the gateway busy would bring in the revoked.
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
                return RevocationFinding(ocsp_status=OcspStatus.UNAVAILABLE_ALLOWED, until=now + ALLOWED_FOR)
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
