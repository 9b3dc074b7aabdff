"""Asks sources of revocation status about a certificate that is explained, as the gateway would: for `agw explain
--online`.
"""

from __future__ import annotations

from random import Random

import attrs
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.operations.status_reports import reports_members
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.operations.counters import ListCounters
from agwtwisted.outbound.cold_client import ColdClient
from agwtwisted.revocation.crl_files import read_crl_files
from agwtwisted.revocation.ocsp_answers import OcspAnswers
from agwtwisted.revocation.ocsp_client import OcspClient
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.ocsp_store import MemoryStore
from agwtwisted.revocation.reporting import reports_of, statuses_of
from agwtwisted.revocation.revocation import Revocation
from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED
from agwtwisted.shared import ALONE, crl_lists
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
    cold_client = ColdClient(reactor, proxy=examination.outbound_proxy)
    revocation = _sources(reactor, cold_client, examination, profile)
    try:
        reports = await reports_of(revocation.sources, subjects, profile, ask=True)
        answers = await statuses_of(revocation, subjects, profile)
    finally:
        await revocation.stopService()
        cold_client.stop()
    return attrs.evolve(examination, answers=answers, reports=tuple(reports_members(reports)))


def _sources(
    reactor: PosixReactorBase, cold_client: ColdClient, examination: Examination, profile: SslProfile
) -> Revocation:
    """Sources that know nothing yet but the lists in files, and keep nothing."""
    wall, random = WallClock(reactor, examination.now.timestamp), Random()  # noqa: S311
    own_ports = set(examination.own_ports)
    client = OcspClient(reactor, cold_client, own_ports=own_ports)
    answers = OcspAnswers(reactor, wall, OcspSource(client, wall.seconds, reactor.seconds), MemoryStore(), random)
    lists = crl_lists(
        *(reactor, wall, cold_client, None, random),
        place=ALONE,
        own_ports=own_ports,
        counters=ListCounters(),
        knowledge=NOTHING_SHARED,
    )
    revocation = Revocation((answers, lists), wall.seconds)
    revocation.use([profile])
    if RevocationSource.CRL in profile.verify_client_revocation:
        lists.adopt(read_crl_files([profile]))
    return revocation
