"""Asks sources of revocation status about a certificate that is explained, as the gateway would: for `agw explain
--online`.
"""

from __future__ import annotations

from random import Random

import attrs
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.operations.status_reports import reports_members
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.outbound.cold_client import ColdClient
from agwtwisted.revocation.ocsp_answers import OcspAnswers
from agwtwisted.revocation.ocsp_client import OcspClient
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.ocsp_store import MemoryStore
from agwtwisted.revocation.reporting import reports_of, statuses_of
from agwtwisted.revocation.revocation import Revocation
from agwtwisted.transport.clocks import WallClock


async def asked(reactor: PosixReactorBase, examination: Examination) -> Examination:
    """The same with what its sources say now, by the rules of the profile.

    Nothing is asked about a certificate whose chain did not verify, or where the profile does not ask. What the gateway
    knows already is not looked at.
    """
    profile = examination.profile
    subjects = [(each.der, each.issuer) for each in examination.questions]
    if profile is None or not subjects or not isinstance(examination.strict_verdict, Trusted):
        return examination
    cold_client = ColdClient(reactor)
    revocation = _sources(reactor, cold_client, examination)
    revocation.use([profile])
    try:
        reports = await reports_of(revocation.sources, subjects, profile, ask=True)
        answers = await statuses_of(revocation, subjects, profile)
    finally:
        cold_client.stop()
    return attrs.evolve(examination, answers=answers, reports=tuple(reports_members(reports)))


def _sources(reactor: PosixReactorBase, cold_client: ColdClient, examination: Examination) -> Revocation:
    """Sources that know nothing yet, and keep nothing."""
    wall = WallClock(reactor, examination.now.timestamp)
    client = OcspClient(reactor, cold_client, own_ports=examination.own_ports)
    source = OcspSource(client, wall.seconds, reactor.seconds)
    answers = OcspAnswers(reactor, wall, source, MemoryStore(), Random())  # noqa: S311
    return Revocation((answers,), wall.seconds)
