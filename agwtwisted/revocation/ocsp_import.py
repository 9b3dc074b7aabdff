"""Which OCSP responses that were brought here are kept, and as what. Caller: the source of OCSP answers."""

from __future__ import annotations

from math import inf
from typing import Final

from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.imported import ImportedAnswer
from agwtwisted.core.revocation.memory import RevocationMemory
from agwtwisted.core.revocation.ocsp import ProvenResponse
from agwtwisted.revocation.ocsp_store import StoredResponse
from agwtwisted.revocation.unproven import UnprovenResponses

KEPT_FOR: Final = 86400.0
"""Seconds after its signature for which a response without nextUpdate is stored; how long it counts its readers say."""


def taken(
    imported: ImportedAnswer, memory: RevocationMemory, unproven: UnprovenResponses, now: float
) -> StoredResponse | str:
    """An answer as it is stored, or why it is not: it says nothing new of a certificate that is known as revoked.

    Args:
        imported: the answer.
        memory: what is known.
        unproven: what is stored, of certificates that are not at hand.
        now: in seconds since 1970.
    """
    answer, key = imported.answer, imported.key
    if not isinstance(answer, ProvenResponse):
        return answer.reason
    is_newer = not answer.is_revoked and _ends_revocation(imported, answer, memory, unproven, now)
    is_known = memory.is_revoked(key, now) or unproven.revocation(key) is not None
    if not answer.is_revoked and is_known and not is_newer:
        return "the certificate is known as revoked, and this is not newer"
    until = answer.produced_at + KEPT_FOR if answer.next_update is None else answer.next_update
    return StoredResponse(
        key=key,
        response=answer.response,
        is_revoked=answer.is_revoked,
        until=inf if answer.is_revoked else until,
        is_newer_than_revocation=is_newer,
    )


def _ends_revocation(
    imported: ImportedAnswer,
    answer: ProvenResponse,
    memory: RevocationMemory,
    unproven: UnprovenResponses,
    now: float,
) -> bool:
    """Whether an answer is newer than every revocation of its certificate that is known, and there is one."""
    if memory.is_revoked(imported.key, now) and not memory.supersedes(imported.key, answer, now):
        return False
    stored = unproven.revocation(imported.key)
    if stored is None or imported.about is None:
        return memory.is_revoked(imported.key, now)
    proven = ocsp.prove(stored.response, imported.about)
    return not isinstance(proven, ProvenResponse) or answer.this_update > proven.this_update
