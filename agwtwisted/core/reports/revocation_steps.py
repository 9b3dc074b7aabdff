"""The step of an explanation about revocation: what is known, asked, or would be asked, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator

from agwtwisted.core.identity.clients import ClientRevocationStatus, RevocationFinding, RevocationSource
from agwtwisted.core.reports.examination import Examination, StatusQuestion, indented, name_of
from agwtwisted.core.reports.status_check import asked_lines, known_lines
from agwtwisted.core.reports.steps import ExplanationStep, StepOutcome, failed, note, passed, skipped
from agwtwisted.core.resources.resources import SslProfile, sources_text
from agwtwisted.core.revocation.policy import allows_unavailable
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Trusted

_STEP = "revocation"


def revocation_steps(examination: Examination) -> Iterator[ExplanationStep]:
    """What is asked about revocation, and what becomes of the client where there is no answer."""
    profile = examination.profile
    if profile is None or not examination.checks_revocation or not examination.is_verified:
        return
    title = f"Revocation (verify_client_revocation = {sources_text(profile.verify_client_revocation)})"
    if not isinstance(examination.strict_verdict, Trusted):
        yield skipped(_STEP, f"{title}: nothing is asked about a certificate that is refused")
    elif examination.has_no_questions:
        yield failed(_STEP, f"{title}: the certificate is a trusted root, about which no source can be asked")
    elif examination.finding is not None:
        yield _asked(examination, examination.finding, title)
    else:
        yield _unasked(examination, profile, title)


def allowing(profile: SslProfile) -> str:
    """The keys by which clients without a status are let in."""
    return " and ".join(f"{_key(each)} = Allow" for each in profile.verify_client_revocation)


def _key(source: RevocationSource) -> str:
    return f"{source.value.lower()}_unavailable"


def _unasked(examination: Examination, profile: SslProfile, title: str) -> ExplanationStep:
    """What is known, and where the gateway asks."""
    known = [line for each in examination.known for line in known_lines(each)]
    lines = [*known, *(line for each in examination.questions for line in _question(each))]
    if examination.is_known_as_revoked:
        return failed(_STEP, f"{title}: {reasons.REVOKED}, as is known already", lines)
    if examination.is_known_as_good:
        return passed(_STEP, f"{title}: good, as is known already", lines)
    if examination.was_refused_by_status:
        title += f": the gateway has refused this client at {examination.refused_at}: {examination.refused_for}"
        return failed(_STEP, title, lines)
    lines += indented(_without_answer(profile))
    if not examination.is_unaskable:
        return note(_STEP, f"{title}: the gateway asks after the handshake; nothing is asked here", lines)
    outcome = StepOutcome.NOTE if allows_unavailable(profile) else StepOutcome.FAILED
    return ExplanationStep(_STEP, outcome, f"{title}: no source can be asked about a certificate", lines)


def _asked(examination: Examination, finding: RevocationFinding, title: str) -> ExplanationStep:
    """What the sources said, and what that means for the client."""
    lines = [line for each in examination.reports for line in asked_lines(each)]
    if finding.refusal is not None:
        return failed(_STEP, f"{title}: asked just now: {finding.refusal.reason}", lines)
    if finding.status is ClientRevocationStatus.GOOD:
        return passed(_STEP, f"{title}: asked just now: good", lines)
    profile = examination.profile
    keys = "" if profile is None else allowing(profile)
    return note(_STEP, f"{title}: asked just now: no answer, which {keys} accepts", lines)


def _question(question: StatusQuestion) -> Iterator[str]:
    """Where the gateway asks about a certificate, source by source."""
    name = name_of(question.der)
    if question.fault:
        yield from indented(f"{name}: {question.fault}, so its status cannot be obtained")
        return
    for source in question.sources:
        yield from _of_responders(name, question) if source is RevocationSource.OCSP else _of_lists(name, question)


def _of_responders(name: str, question: StatusQuestion) -> Iterator[str]:
    if not question.responders:
        yield from indented(f"{name}: names no responder, so its status cannot be obtained by OCSP")
    for each in question.responders:
        yield from indented(f"{name}: {each.url}{f' {each.hindrance}' if each.hindrance else ''}")


def _of_lists(name: str, question: StatusQuestion) -> Iterator[str]:
    if not question.points and not question.files:
        yield from indented(f"{name}: names no distribution point, and there are no crl_files")
    for file in question.files:
        yield from indented(f"{name}: lists in {file}, if they are of its issuer")
    for each in question.points:
        yield from indented(f"{name}: the list at {each.url}{f' {each.hindrance}' if each.hindrance else ''}")


def _without_answer(profile: SslProfile) -> str:
    if allows_unavailable(profile):
        return f"without an answer the client is accepted ({allowing(profile)}); a revoked one never is"
    keys = {
        RevocationSource.OCSP: profile.ocsp_unavailable,
        RevocationSource.CRL: profile.crl_unavailable,
    }
    values = " and ".join(f"{_key(each)} = {keys[each].value}" for each in profile.verify_client_revocation)
    return f"without an answer the client is refused ({values})"
