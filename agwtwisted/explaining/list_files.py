"""What the lists in files say about a certificate that is explained: for `agw explain`, which needs no gateway."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from agwtwisted.core.base.errors import SectionError
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.operations.status_reports import CertificateReport, reports_members
from agwtwisted.core.reports.examination import Examination, StatusQuestion
from agwtwisted.core.revocation.crl_status import CrlRules, CrlSubject, status_of
from agwtwisted.core.revocation.status import Unusable
from agwtwisted.core.revocation.status_facts import SourceReport
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.explaining.explain import ExplainError
from agwtwisted.revocation.crl_facts import list_facts
from agwtwisted.revocation.crl_files import read_crl_files
from agwtwisted.revocation.held_lists import HeldList


def with_list_files(examination: Examination) -> Examination:
    """The same with what is known by the lists in the profile's `crl_files`, at the time of the examination.

    Lists whose issuer is in no trusted client certificate file are passed over: a gateway proves them by the chain of a
    client.

    Raises:
        ExplainError: a file cannot be read, or has no list.
    """
    profile = examination.profile
    if profile is None or not profile.crl_files or not isinstance(examination.strict_verdict, Trusted):
        return examination
    try:
        read = read_crl_files([profile])
    except SectionError as error:
        raise ExplainError(str(error)) from error
    lists = [held for file in read.files.values() for held in file.proven]
    return attrs.evolve(examination, known=tuple(reports_members(_reports(examination, lists))))


def _reports(examination: Examination, lists: list[HeldList]) -> Iterator[CertificateReport]:
    for question in examination.questions:
        reports = [_report(source, question, lists, examination.now.timestamp()) for source in question.sources]
        yield CertificateReport(subject=(question.der, question.issuer), sources=tuple(reports))


def _report(source: RevocationSource, question: StatusQuestion, lists: list[HeldList], now: float) -> SourceReport:
    """What a source knows: of OCSP nothing."""
    about = CrlSubject.of(question.der, question.issuer)
    if source is not RevocationSource.CRL or isinstance(about, Unusable):
        return SourceReport(source=source.value)
    of_issuer = [each for each in lists if each.crl.issuer_key == about.issuer_key]
    status = status_of([each.crl for each in of_issuer], about, CrlRules(), now)
    return SourceReport(source=source.value, known=list_facts(of_issuer, about, status, lambda _: None, now))
