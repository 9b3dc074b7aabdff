"""From what is known about the revocation of a client's certificates to the verdict about the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

import attrs

from agwtwisted.core.identity.peer import OcspStatus, Peer
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


def concluded(peer: Peer, statuses: Sequence[RevocationStatus], *, allow: bool, now: float) -> Peer:
    """The trusted client, with a verdict that the severest status of its certificates decides; none at all refuses.

    `allow` says what to do when a status is not to be had (`ocsp_unavailable`). It concerns nothing else: a certificate
    that its issuer does not know, or has revoked, is refused in any case, and so is one that was not asked about for
    want of something of our own, or whoever can make the gateway busy would bring in the revoked.
    """
    severest = max(statuses, key=_severity, default=Unusable("nothing was asked"))
    match severest:
        case Good():
            until = min(status.until for status in statuses if isinstance(status, Good))
            return attrs.evolve(peer, ocsp_status=OcspStatus.GOOD, until=min(peer.until, until))
        case Revoked():
            return attrs.evolve(peer, ocsp_status=OcspStatus.REVOKED, verdict=Refused(reasons.REVOKED))
        case Unknown():
            return attrs.evolve(peer, ocsp_status=OcspStatus.UNKNOWN, verdict=Refused(reasons.STATUS_UNKNOWN))
        case CouldNotAsk():
            return attrs.evolve(peer, ocsp_status=OcspStatus.NOT_ASKED, verdict=Refused(reasons.STATUS_NOT_ASKED))
        case Unusable() | Unreachable():
            if allow and statuses:
                until = min(peer.until, now + ALLOWED_FOR)
                return attrs.evolve(peer, ocsp_status=OcspStatus.UNAVAILABLE_ALLOWED, until=until)
            return attrs.evolve(peer, ocsp_status=OcspStatus.UNAVAILABLE, verdict=Refused(reasons.STATUS_UNAVAILABLE))
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
