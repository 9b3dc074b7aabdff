"""Asks OCSP responders about a certificate that is explained, as the gateway would: for `agw explain --online`."""

from __future__ import annotations

import attrs
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.reports.examination import Examination, StatusQuestion
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.ocsp import ProvenResponse, status_at
from agwtwisted.core.revocation.profiles import rules_of
from agwtwisted.core.revocation.status import RevocationStatus
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.outbound.cold_client import ColdClient
from agwtwisted.revocation.ocsp_client import OcspClient
from agwtwisted.revocation.ocsp_source import OcspSource


async def asked(reactor: PosixReactorBase, examination: Examination) -> Examination:
    """The same with what responders answer now, by the rules of the profile.

    Nothing is asked about a certificate whose chain did not verify, or where the profile does not ask. What the gateway
    knows already is not looked at.
    """
    profile = examination.profile
    if profile is None or not isinstance(examination.strict_verdict, Trusted):
        return examination
    cold_client = ColdClient(reactor)
    client = OcspClient(reactor, cold_client, own_ports=examination.own_ports)
    source = OcspSource(client, examination.now.timestamp, reactor.seconds)
    try:
        answers = [await _status(source, each, profile, examination) for each in examination.questions]
    finally:
        cold_client.stop()
    return attrs.evolve(examination, answers=tuple(answers))


async def _status(
    source: OcspSource, question: StatusQuestion, profile: SslProfile, examination: Examination
) -> RevocationStatus:
    answer = await source.learn((question.der, question.issuer), profile)
    if isinstance(answer, ProvenResponse):
        return status_at(answer, rules_of(profile), examination.now.timestamp())
    return answer
