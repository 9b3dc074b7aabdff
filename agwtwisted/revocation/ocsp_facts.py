"""What is in memory about one certificate, for people who ask. Caller: the source of OCSP answers."""

from __future__ import annotations

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.memory import RevocationMemory
from agwtwisted.core.revocation.status_facts import NOTHING_KNOWN, StatusFacts
from agwtwisted.revocation.renewals import Renewals


def ocsp_facts(
    memory: RevocationMemory, renewals: Renewals, key: bytes, profile: SslProfile, *, now: float, ticks: float
) -> StatusFacts:
    """What the memory knows about a certificate, and when a responder is asked about it again.

    Args:
        memory: of the source.
        renewals: of the same.
        key: of the certificate, as `ocsp.key_of` makes it.
        profile: by whose rules that is judged.
        now: in seconds since 1970.
        ticks: those of a monotonic clock.
    """
    status = memory.status(key, profile, now=now, ticks=ticks)
    held, revocation = memory.held(key, now), memory.revocation(key, now)
    answer = revocation or (None if held is None else held.answer)
    if answer is None:
        return NOTHING_KNOWN if status is None else StatusFacts(status=status, notes=("asked a moment ago",))
    left = renewals.due_in(key)
    return StatusFacts(
        status=status,
        origin="an OCSP response",
        this_update=answer.this_update,
        next_update=answer.next_update,
        renewal=None if left is None else now + left,
        notes=() if held is None else (f"learnt at {utc_text(held.arrived)}",),
    )
