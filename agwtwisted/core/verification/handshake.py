"""The verdict of a handshake, of what its site asks for, what was seen of the client's certificates, and why it failed.

For the callbacks of a handshake, and for `explain`, which has them called.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import attrs

from agwtwisted.core.verification.judging import MAX_DEPTH, Anchors, Evidence, judge
from agwtwisted.core.verification.verdicts import (
    UNJUDGED,
    Absent,
    Missing,
    NotAsked,
    Refused,
    StrictVerdict,
    Unchecked,
    Verdict,
)

NO_CERTIFICATE: Final = "peer did not return a certificate"
"""OpenSSL's word for a handshake that failed because a certificate is required and none was sent."""


@attrs.frozen(kw_only=True)
class ClientRules:
    """How a site judges its clients."""

    asks: bool  # for a certificate
    strict: bool = False  # whether a client needs one that is accepted, whatever it asks for
    refuses_in_handshake: bool = False  # by an alert, rather than by an answer after the handshake
    anchors: Anchors | None = None  # of a profile that names trusted client certificates
    max_depth: int = MAX_DEPTH  # of a client's chain


def handshake_verdict(
    rules: ClientRules | None,
    has_certificate: bool,
    noted: StrictVerdict,
    failure: str,
    judged: Callable[[], StrictVerdict],
) -> Verdict:
    """The verdict on a client once its handshake is over.

    Args:
        rules: of the site; None: no site was selected.
        has_certificate: whether OpenSSL has said anything of a certificate of the client.
        noted: what was decided while OpenSSL said it; `UNJUDGED` where nothing was.
        failure: why the handshake failed, in OpenSSL's words; empty where it did not.
        judged: judges the certificates now, as `strict_verdict`: after a handshake that was not to refuse.
    """
    if rules is None:
        return _refusal(noted)
    if not rules.asks:
        return NotAsked()
    if failure:
        return Missing() if failure == NO_CERTIFICATE else _refusal(noted)
    if not rules.strict:
        return Unchecked() if has_certificate else Absent()
    if has_certificate and rules.refuses_in_handshake:
        return noted
    return judged()


def strict_verdict(rules: ClientRules | None, evidence: Evidence, now: datetime) -> StrictVerdict:
    """The verdict of a Strict profile with the site's trusted client certificates, after the handshake.

    A refusal where there is nothing to judge by.
    """
    if rules is None or rules.anchors is None:
        return UNJUDGED
    return judge(evidence, rules.anchors, now, max_depth=rules.max_depth) if evidence.chain else Missing()


def _refusal(noted: StrictVerdict) -> Refused:
    """The noted one; a trusted certificate proves nothing of a client that did not prove to have its key."""
    return noted if isinstance(noted, Refused) else UNJUDGED
