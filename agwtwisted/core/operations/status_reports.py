"""What is known about the revocation of one client's certificates, as POST /revocation/check shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

import attrs

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.operations.record_texts import cut, decoded
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)
from agwtwisted.core.revocation.status_facts import SourceReport, StatusFacts


@attrs.frozen(kw_only=True)
class CertificateReport:
    """What the sources say about one certificate."""

    subject: Subject = attrs.field(repr=False)
    sources: tuple[SourceReport, ...]

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        variables = certificate_variables(self.subject[0])
        return {
            "subject": cut(decoded(variables.logged_subject)),
            "serial": cut(decoded(variables.serial)),
            "issuer": cut(decoded(variables.logged_issuer)),
            "sources": [_source(each) for each in self.sources],
        }


def status_name(status: RevocationStatus | None) -> str | None:
    """A status in the words of the access log; None where nothing is known."""
    match status:
        case None:
            return None
        case Good():
            return "good"
        case Revoked():
            return "revoked"
        case Unknown():
            return "unknown"
        case Unusable() | Unreachable():
            return "unavailable"
        case CouldNotAsk():
            return "not-asked"
        case _:
            assert_never(status)


def _source(report: SourceReport) -> Mapping[str, Any]:
    return {
        "source": report.source,
        "known": _facts(report.known),
        "asked": None if report.asked is None else _status(report.asked),
        "steps": [cut(each) for each in report.steps],
        "now": _facts(report.now),
    }


def _facts(facts: StatusFacts) -> Mapping[str, Any]:
    return {
        **_status(facts.status),
        "origin": cut(facts.origin) if facts.origin else None,
        "this_update": _time(facts.this_update),
        "next_update": _time(facts.next_update),
        "renewal": _time(facts.renewal),
        "notes": [cut(each) for each in facts.notes],
    }


def _status(status: RevocationStatus | None) -> Mapping[str, Any]:
    """The members that say what a status is; those that it has not are null."""
    until = status.until if isinstance(status, Good | Revoked) else None
    return {
        "status": status_name(status),
        "until": _time(until),
        "revoked_at": _time(status.at) if isinstance(status, Revoked) else None,
        "reason": _reason(status),
    }


def _reason(status: RevocationStatus | None) -> str | None:
    """Why it was revoked, or why there is no answer."""
    if isinstance(status, Revoked | Unusable | Unreachable | CouldNotAsk):
        return cut(status.reason) if status.reason else None
    return None


_LAST = 253402300799.0  # the year 9999


def _time(seconds: float | None) -> str | None:
    """A time; None where there is none, or none that a calendar has."""
    return None if seconds is None or not 0 <= seconds <= _LAST else utc_text(seconds)


def reports_members(reports: Iterable[CertificateReport]) -> list[Mapping[str, Any]]:
    """All of them, the client's own certificate first."""
    return [each.members() for each in reports]
