"""What sources of revocation status say about a client's certificates: for `agw revocation check` and `agw explain`.

The statuses come as the members that `core/operations/status_reports.py` makes of them: another process may have asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import beside
from agwtwisted.core.reports.advice import what_to_do
from agwtwisted.core.reports.examination import Examination, indented
from agwtwisted.core.reports.sent_certificates import DATES
from agwtwisted.core.reports.steps import Explanation, ExplanationStep, failed, note, passed, skipped
from agwtwisted.core.verification.verdicts import Refused, Trusted

StatusMembers: TypeAlias = Mapping[str, Any]

_WORDS: Final = {
    "good": "good",
    "revoked": "revoked",
    "unknown": "its issuer does not know it",
    "unavailable": "no answer",
    "not-asked": "the gateway could not ask",
}

_STEPS: Final[Mapping[str, Callable[..., ExplanationStep]]] = {"good": passed, "revoked": failed}
"""Of a source that has said it; where it has said nothing the policy of the profile decides."""


def status_words(status: StatusMembers) -> str:
    """A status in a few words."""
    name = status["status"]
    if name is None:
        return "nothing"
    words = _WORDS[name]
    if name == "revoked":
        words += f" on {status['revoked_at'] or 'an unknown day'}"
        return f"{words} ({status['reason']})" if status["reason"] else words
    return f"{words}: {status['reason']}" if status["reason"] else words


def facts_lines(facts: StatusMembers) -> Iterator[str]:
    """What a source knows: the status, where it is from, and its times."""
    words = "nothing that counts" if facts["status"] is None and facts["origin"] else status_words(facts)
    yield f"{words}, by {facts['origin']}" if facts["origin"] else words
    yield from _times(facts)
    yield from facts["notes"]


def _times(facts: StatusMembers) -> Iterator[str]:
    times = (
        ("as of", facts["this_update"]),
        ("next update", facts["next_update"]),
        ("counts until", facts["until"] if facts["status"] == "good" else None),
        ("renewed", facts["renewal"]),
    )
    words = ", ".join(f"{what} {time}" for what, time in times if time is not None)
    if words:
        yield words


def known_lines(certificate: StatusMembers) -> Iterator[str]:
    """What is known about one certificate, by each source."""
    for source in certificate["sources"]:
        first, *further = facts_lines(source["known"])
        yield from indented(f"{certificate['subject']}: {source['source']}: {first}")
        for line in further:
            yield from indented(line, 2)


def asked_lines(certificate: StatusMembers) -> Iterator[str]:
    """What each source that was asked about a certificate said, and each step of asking."""
    for source in certificate["sources"]:
        if source["asked"] is not None:
            yield from indented(f"{certificate['subject']}: {source['source']}: {status_words(source['asked'])}")
            for line in (*source["steps"], *_times(source["now"])):
                yield from indented(line, 2)


def status_check(examination: Examination, members: StatusMembers | None) -> Explanation:
    """What came of a check.

    Args:
        examination: of the certificates by the listener.
        members: of the answer to `Question.STATUSES`; None: nothing was asked, since the certificates are refused.
    """
    conclusion = tuple(_conclusion(examination, members))
    finding = None if members is None else members["finding"]
    return Explanation(
        heading=(
            f"{printable(examination.source)} on the listener {examination.listener.name} at"
            f" {examination.now:{DATES}} UTC, as the gateway's sources say"
        ),
        accepted=finding is not None and finding["accepted"],
        verdict=conclusion[0],
        conclusion=conclusion,
        steps=tuple(_steps(examination, members)),
    )


def _steps(examination: Examination, members: StatusMembers | None) -> Iterator[ExplanationStep]:
    verdict = examination.strict_verdict
    if members is None:
        why = verdict.reason if isinstance(verdict, Refused) else "there is no issuer that could say anything"
        yield failed("chain", f"Chain: {why}")
        yield skipped("sources", "Sources: none is asked about a certificate whose chain does not verify")
        return
    yield passed("chain", "Chain: verified, so its issuers' statements count")
    for certificate in members["certificates"]:
        yield from (_source_step(certificate, source) for source in certificate["sources"])


def _source_step(certificate: StatusMembers, source: StatusMembers) -> ExplanationStep:
    """One source and one certificate: what it knew, what was asked, and what it knows now."""
    asked = source["asked"]
    said = source["known"] if asked is None else asked
    lines = []
    for label, facts in (("before", source["known"]), ("now", source["now"])):
        if label == "now":
            lines += [line for step in source["steps"] for line in indented(step)]
        if facts["status"] is not None or label == "before":
            first, *further = facts_lines(facts)
            lines += [*indented(f"known {label}: {first}"), *(line for each in further for line in indented(each, 2))]
    title = f"{source['source']}: {certificate['subject']}: {status_words(said)}"
    return _STEPS.get(said["status"], note)(str(source["source"]).lower(), title, lines)


def _conclusion(examination: Examination, members: StatusMembers | None) -> Iterator[str]:
    verdict = examination.strict_verdict
    if members is None:
        reason = verdict.reason if isinstance(verdict, Refused) else "the certificate is a trusted root itself"
        yield f"Refused: {reason}"
        if isinstance(verdict, Refused):
            yield from beside("What to do: ", what_to_do(reason))
        return
    assert isinstance(verdict, Trusted)
    finding = members["finding"]
    by = f" ({finding['source']})" if finding["source"] else ""
    if finding["accepted"]:
        good = finding["status"] == "good"
        yield (
            f"Accepted: good{by}" if good else "Accepted, although its status cannot be obtained (unavailable = Allow)"
        )
        return
    yield f"Refused: {finding['reason']}{by}"
    yield from beside("What to do: ", what_to_do(str(finding["reason"])))
