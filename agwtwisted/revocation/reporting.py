"""What sources of revocation status say about a client's certificates, and what follows: for people who ask.

Callers: a running gateway that is asked what it knows, or to ask now; and `agw explain --online`, which has sources of
its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from agwtwisted.core.identity.clients import RevocationFinding, RevocationSource
from agwtwisted.core.operations.status_reports import CertificateReport
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.finding import finding_of
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.policy import allows_unavailable, sources_of
from agwtwisted.core.revocation.status import RevocationStatus
from agwtwisted.core.revocation.status_facts import SourceReport
from agwtwisted.revocation.revocation import Revocation
from agwtwisted.revocation.sources import StatusSource

MOST_STEPS: Final = 32
"""Lines about what was asked, of one source and one certificate."""


async def reports_of(
    sources: Mapping[RevocationSource, StatusSource], subjects: Iterable[Subject], profile: SslProfile, *, ask: bool
) -> list[CertificateReport]:
    """What each source of a profile says about each certificate of a client, the client's own first.

    Args:
        sources: that there are.
        subjects: the certificates that the profile checks.
        profile: whose sources count, in its order.
        ask: whether the sources are asked, whatever they know.
    """
    found = []
    for at, subject in enumerate(subjects):
        kinds = sources_of(profile, is_leaf=not at)
        reports = [await _report(sources[kind], subject, profile, ask=ask) for kind in kinds if kind in sources]
        found.append(CertificateReport(subject=subject, sources=tuple(reports)))
    return found


async def _report(source: StatusSource, subject: Subject, profile: SslProfile, *, ask: bool) -> SourceReport:
    known = source.facts(subject, profile)
    if not ask:
        return SourceReport(source=source.kind.value, known=known)
    steps: list[str] = []
    asked = await source.ask(subject, profile, steps.append)
    return SourceReport(
        source=source.kind.value,
        known=known,
        asked=asked,
        steps=tuple(steps[:MOST_STEPS]),
        now=source.facts(subject, profile),
    )


async def statuses_of(
    revocation: Revocation, subjects: Iterable[Subject], profile: SslProfile
) -> tuple[RevocationStatus, ...]:
    """The status of each certificate, of all sources together, as a connection would get it."""
    found = [
        await revocation.status(subject, profile, sources_of(profile, is_leaf=not at))
        for at, subject in enumerate(subjects)
    ]
    return tuple(found)


async def finding_for(revocation: Revocation, subjects: Iterable[Subject], profile: SslProfile) -> RevocationFinding:
    """What the statuses of a client's certificates mean for it by a profile."""
    return finding_of(
        await statuses_of(revocation, subjects, profile),
        allow=allows_unavailable(profile),
        now=revocation.seconds(),
        asks_ocsp=RevocationSource.OCSP in profile.verify_client_revocation,
    )
