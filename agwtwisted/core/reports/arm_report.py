"""What an import found, for people and for programs: one row for each finding, the same ones counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import Problem, Severity
from agwtwisted.core.base.tables import table

HEADS: Final = ("level", "path", "property", "what it means")
NO_FINDINGS: Final = "Every property of the document works here.\n"

_ORDER: Final = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
_LAST: Final = re.compile(r"(?:^|\.)([^.]+)$")


@attrs.frozen(kw_only=True)
class ArmFinding:
    """A finding, and how many further ones say the same of other places."""

    problem: Problem
    further: int = 0

    @property
    def property(self) -> str:
        """The last name of the JSON path; the key of the section where there is no path."""
        match = _LAST.search(self.problem.place.path)
        return match[1] if match else self.problem.key

    def members(self) -> dict[str, Any]:
        """The members of a JSON object: those of a problem, the property, and the count."""
        return self.problem.members() | {"property": self.property or None, "count": self.further + 1}


def arm_findings(problems: Iterable[Problem]) -> tuple[ArmFinding, ...]:
    """Errors, then warnings, then notes; what is said in the same words of the same kind of property is one finding."""
    first: dict[tuple[Severity, str, str, str], Problem] = {}
    counts: dict[tuple[Severity, str, str, str], int] = {}
    for problem in sorted(problems, key=lambda each: _ORDER.index(each.severity)):
        key = (problem.severity, problem.message, problem.code, _kind_of(problem))
        first.setdefault(key, problem)
        counts[key] = counts.get(key, -1) + 1
    return tuple(ArmFinding(problem=problem, further=counts[key]) for key, problem in first.items())


def _kind_of(problem: Problem) -> str:
    """What is distinguished: every error and warning by its place, notes by the kind of section."""
    kind = problem.section.partition(" ")[0]
    return kind if problem.severity is Severity.NOTE else str(problem.place)


def arm_table(title: str, findings: Sequence[ArmFinding]) -> str:
    """The findings as a table for people."""
    if not findings:
        return f"{title}\n{NO_FINDINGS}"
    return table(title, HEADS, [_row(each) for each in findings])


def _row(finding: ArmFinding) -> tuple[str, str, str, str]:
    problem = finding.problem
    code = f" ({problem.code})" if problem.code else ""
    more = f" (and {finding.further} more)" if finding.further else ""
    where = problem.place.path or str(problem.place)
    return problem.severity.value.lower(), where, finding.property, f"{problem.message}{code}{more}"
