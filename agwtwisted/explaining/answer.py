"""Explanations as the answers of a running gateway, to POST /explain and to POST /revocation/check."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from agwtwisted.core.operations.questions import QuestionError, required_text, text_argument
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports import explanation
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.reports.status_check import status_check
from agwtwisted.core.reports.steps import Explanation
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.explaining.explain import ExplainError, NoListenerError, examine, time_of


def examined(plan: Plan, arguments: Mapping[str, Any], now: datetime) -> Examination:
    """What a listener says to certificates. May run in any thread; it disturbs no gateway.

    Args:
        plan: the configuration in force.
        arguments: ``listener``, a name; ``certificate``, PEM text (or base64 of DER) with the client's own certificate
            first; ``at``, a time as ISO 8601, or null; ``refused``, the members of the refusal that the certificate was
            taken from, if any.
        now: the time (aware) where ``at`` is not given.

    Raises:
        QuestionError: 404, there is no such listener; 400, anything else is wrong with the arguments.
    """
    at = text_argument(arguments, "at")
    listener, certificate = required_text(arguments, "listener"), arguments.get("certificate")
    if not isinstance(certificate, str) or not certificate:
        raise QuestionError(400, "certificate has to be a text: PEM")
    try:
        moment = time_of(at) if at else now
        return _refused(examine(plan, listener, certificate.encode(errors="replace"), moment), arguments)
    except NoListenerError as error:
        raise QuestionError(404, str(error)) from error
    except ExplainError as error:
        raise QuestionError(400, str(error)) from error


def explained(
    examination: Examination, arguments: Mapping[str, Any], known: Sequence[Mapping[str, Any]] = ()
) -> Mapping[str, Any]:
    """The members of the answer: those of `Explanation.members`.

    Args:
        examination: of the arguments.
        arguments: the same as for it.
        known: what the gateway knows of the certificates' revocation, as the answer to `Question.STATUSES` has it.
    """
    examination = attrs.evolve(examination, known=tuple(known))
    return _on_path(explanation.explained(examination), arguments).members()


def checked(examination: Examination, statuses: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The members of the answer to POST /revocation/check: those of `Explanation.members`, and ``certificates``.

    `statuses` is the answer to `Question.STATUSES`; None: nothing was asked.
    """
    certificates = [] if statuses is None else statuses["certificates"]
    return {**status_check(examination, statuses).members(), "certificates": certificates}


def status_question(examination: Examination, *, ask: bool) -> Mapping[str, Any] | None:
    """The arguments of `Question.STATUSES` about certificates; None where there is nothing that could be asked.

    Raises:
        QuestionError: sources are to be asked by a profile that asks none.
    """
    profile = examination.profile
    if profile is None or not examination.checks_revocation:
        if not ask:
            return None
        listener = examination.listener.name
        raise QuestionError(400, f"the listener {listener} has no SSL profile that checks revocation")
    if not isinstance(examination.strict_verdict, Trusted) or examination.has_no_questions:
        return None
    subjects = [[b64encode(der).decode() for der in (each.der, each.issuer)] for each in examination.questions]
    return {"profile": profile.name, "subjects": subjects, "ask": ask}


def _on_path(found: Explanation, arguments: Mapping[str, Any]) -> Explanation:
    """The same of a client that a path refused which requires a certificate, where other paths accept it."""
    refused = arguments.get("refused")
    if not isinstance(refused, Mapping) or refused.get("stage") != "path" or not found.accepted:
        return found
    verdict = f"Refused on a path that requires a certificate: {refused.get('reason', '')}"
    return attrs.evolve(
        found, accepted=False, verdict=verdict, conclusion=(f"{verdict}. On other paths:", *found.conclusion)
    )


def _refused(examination: Examination, arguments: Mapping[str, Any]) -> Examination:
    """The same with what the gateway remembers of the refusal."""
    refused = arguments.get("refused")
    if not isinstance(refused, Mapping):
        return examination
    return attrs.evolve(examination, refused_for=str(refused.get("reason", "")), refused_at=str(refused.get("at", "")))
