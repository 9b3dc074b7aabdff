"""What the sources of revocation status say about one client's certificates, and what an operator brings them."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.operations.questions import QuestionError, required_text
from agwtwisted.core.operations.status_reports import CertificateReport, reports_members
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.finding import finding_of
from agwtwisted.core.revocation.imported import ImportedAnswer, imported
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.policy import allows_unavailable, sources_of
from agwtwisted.core.revocation.profiles import rules_of
from agwtwisted.core.revocation.status import Good, RevocationStatus, Revoked, Unusable
from agwtwisted.core.revocation.status_facts import SourceReport, StatusFacts
from agwtwisted.shared import Shared

_log = Logger()

MOST_STEPS: Final = 32
"""Lines about what was asked, of one source and one certificate."""


class ReportingSource(Protocol):
    """A source of revocation status."""

    def facts(self, subject: Subject, profile: SslProfile) -> StatusFacts:
        """What it knows without asking."""

    def ask(self, subject: Subject, profile: SslProfile, trace: Callable[[str], None]) -> Deferred[RevocationStatus]:
        """What it learns by asking now; `trace` is called with a line for each step."""


async def report_of(
    name: str, source: ReportingSource, subject: Subject, profile: SslProfile, *, ask: bool
) -> SourceReport:
    """What one source says about a certificate; asks it first, if that is wanted."""
    known = source.facts(subject, profile)
    if not ask:
        return SourceReport(source=name, known=known)
    steps: list[str] = []
    asked = await source.ask(subject, profile, steps.append)
    return SourceReport(
        source=name,
        known=known,
        asked=asked,
        steps=tuple(steps[:MOST_STEPS]),
        now=source.facts(subject, profile),
    )


async def statuses(shared: Shared, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known about a client's certificates, and what is learnt by asking now.

    Args:
        shared: of this process.
        arguments: `profile`, a name; `subjects`, each certificate and its issuer in DER as base64, the client's own
            first; `ask`: whether the sources are asked.

    Raises:
        QuestionError: 409, the profile does not check revocation, or not any more.
    """
    revocation = shared.revocation
    name = required_text(arguments, "profile")
    profile = next((each for each in revocation.profiles if each.name == name), None)
    if profile is None:
        raise QuestionError(409, f"the SSL profile {name} does not check revocation, or not any more: ask again")
    subjects = [(b64decode(der), b64decode(issuer)) for der, issuer in arguments["subjects"]]
    ask = bool(arguments["ask"])
    reports = [
        CertificateReport(subject=subject, sources=await _reports(shared, subject, profile, ask=ask))
        for subject in subjects
    ]
    finding = await _finding(shared, subjects, profile) if ask else None
    return {"certificates": reports_members(reports), "finding": finding}


async def _reports(shared: Shared, subject: Subject, profile: SslProfile, *, ask: bool) -> tuple[SourceReport, ...]:
    """Of every source of the profile, in its order."""
    return (await report_of("OCSP", shared.ocsp_answers, subject, profile, ask=ask),)


async def _finding(shared: Shared, subjects: Sequence[Subject], profile: SslProfile) -> Mapping[str, Any]:
    """What follows for the client by the rules of the profile."""
    revocation = shared.revocation
    found = [
        await revocation.status(subject, profile, sources_of(profile, is_leaf=not at))
        for at, subject in enumerate(subjects)
    ]
    finding = finding_of(
        found,
        allow=allows_unavailable(profile),
        now=revocation.seconds(),
        asks_ocsp=RevocationSource.OCSP in profile.verify_client_revocation,
    )
    return {
        "accepted": finding.refusal is None,
        "status": finding.status.value,
        "source": finding.source.value or None,
        "reason": None if finding.refusal is None else finding.refusal.reason,
    }


async def import_brought(shared: Shared, plan: Plan, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Takes an OCSP response, or lists, that an operator has brought.

    Args:
        shared: of this process.
        plan: the configuration in force, whose trusted client certificates are issuers.
        arguments: `ocsp_response`, base64 of DER; or `crl_file`, an absolute path; `issuers`, further ones, as PEM.

    Raises:
        QuestionError: 400, the arguments are none of these.
    """
    response, file = arguments.get("ocsp_response"), arguments.get("crl_file")
    if (response is None) == (file is None):
        raise QuestionError(400, "one of ocsp_response and crl_file is needed")
    if file is not None:
        raise QuestionError(501, "this gateway does not read certificate revocation lists")
    issuers = [*_issuers(arguments), *_authorities(plan)]
    found = _imported(shared, issuers, _decoded(response))
    return {"imported": [{"taken": not why, "what": what, "detail": detail} for what, why, detail in found]}


def _imported(shared: Shared, issuers: Sequence[Certificate], response: bytes) -> Iterator[tuple[str, str, str | None]]:
    """Of each certificate that a response is about: what it is, why it is not taken, and what the answer is."""
    found = imported(response, issuers)
    if isinstance(found, Unusable):
        yield "the response", found.reason, found.reason
        return
    for each in found:
        why = _take(shared, each)
        of = f" of {each.issuer}" if each.issuer else ""
        yield f"serial {each.serial}{of}", why, why or _worth(shared, each)


def _take(shared: Shared, answer: ImportedAnswer) -> str:
    """Why an answer is not taken; empty: it is."""
    revocation = shared.revocation
    worth = answer.worth(map(rules_of, revocation.profiles), revocation.seconds())
    if isinstance(worth, Unusable):
        return worth.reason
    why = shared.ocsp_answers.take(answer)
    if not why:
        _log.info("An operator has brought an OCSP response about serial {serial}", serial=answer.serial)
    return why


def _worth(shared: Shared, answer: ImportedAnswer) -> str:
    match answer.worth(map(rules_of, shared.revocation.profiles), shared.revocation.seconds()):
        case Good(until):
            return f"good until {utc_text(until)}"
        case Revoked(at):
            return f"revoked on {utc_text(at)}"
        case Unusable(reason):
            return reason


def _issuers(arguments: Mapping[str, Any]) -> Iterator[Certificate]:
    """Those that came with the question; raises QuestionError."""
    given = arguments.get("issuers")
    if given is None:
        return
    if not isinstance(given, str):
        raise QuestionError(400, "issuers has to be a text: PEM")
    blocks = read_certificates(given.encode(errors="replace"), "issuers").certificates
    if not blocks:
        raise QuestionError(400, "issuers has no certificate")
    yield from (each.certificate for each in blocks)


def _authorities(plan: Plan) -> Iterator[Certificate]:
    """The certificates of the files by which clients are verified."""
    for listener in plan.config.served:
        profile = listener.ssl_profile
        for trusted in () if profile is None else profile.trusted_client_certificates:
            yield from trusted.chain.authorities


def _decoded(response: Any) -> bytes:
    """Raises QuestionError."""
    if not isinstance(response, str):
        raise QuestionError(400, "ocsp_response has to be a text: base64")
    try:
        return b64decode(response, validate=True)
    except (binascii.Error, ValueError) as error:
        raise QuestionError(400, "ocsp_response is no base64") from error
