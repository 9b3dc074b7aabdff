"""An explanation as the answer of a running gateway to POST /explain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from agwtwisted.core.operations.questions import QuestionError, required_text, text_argument
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports import explanation
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.reports.steps import Explanation
from agwtwisted.explaining.explain import ExplainError, NoListenerError, examine, time_of


def explained(plan: Plan, arguments: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """The members of the answer: those of `Explanation.members`. May run in any thread; it disturbs no gateway.

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
        examination = examine(plan, listener, certificate.encode(errors="replace"), moment)
        return _on_path(explanation.explained(_refused(examination, arguments)), arguments).members()
    except NoListenerError as error:
        raise QuestionError(404, str(error)) from error
    except ExplainError as error:
        raise QuestionError(400, str(error)) from error


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
