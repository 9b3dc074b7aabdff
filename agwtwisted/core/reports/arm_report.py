"""What an import found, as a table for people: one row for each finding, the same notes counted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import attrs

from agwtwisted.core.base.errors import Problem, Severity, printable
from agwtwisted.core.base.tables import table

HEADS: Final = ("level", "place", "property", "what it means here")
NO_FINDINGS: Final = "Every property of the document works here."

_ORDER: Final = tuple(Severity)
_PROPERTIES: Final = re.compile(r"(?:^|\.)properties(?=\.|$)")


@attrs.frozen(kw_only=True)
class ArmFinding:
    """A finding, and how many further ones say the same of other places."""

    problem: Problem
    further: int = 0

    @property
    def place(self) -> str:
        """The line, and the section that the resource becomes; of a file beside the document its name."""
        place = self.problem.place
        where = self.problem.section or ("" if place.path else place.file)
        line = f"line {place.line}" if place.line else ""
        return f"{line}: {where}" if line and where else line or where

    @property
    def property(self) -> str:
        """The JSON path within the resource; empty where the finding is about the whole of it."""
        path = _PROPERTIES.sub("", self.problem.place.path).strip(".")
        if not path:
            return self.problem.key
        return "" if path.endswith("]") else path.rpartition("].")[2]


def arm_findings(problems: Iterable[Problem]) -> tuple[ArmFinding, ...]:
    """Errors, then warnings, then notes; what notes say in the same words of one kind of section is one finding."""
    first: dict[tuple[str, ...], Problem] = {}
    counts: dict[tuple[str, ...], int] = {}
    for problem in sorted(problems, key=lambda each: _ORDER.index(each.severity)):
        key = _identity(problem)
        first.setdefault(key, problem)
        counts[key] = counts.get(key, -1) + 1
    return tuple(ArmFinding(problem=problem, further=counts[key]) for key, problem in first.items())


def _identity(problem: Problem) -> tuple[str, ...]:
    """What makes two findings one: of errors and warnings their places, too."""
    is_note = problem.severity is Severity.NOTE
    where = problem.section.partition(" ")[0] if is_note else str(problem.place)
    return problem.severity.value, problem.message, problem.code, where


def arm_table(title: str, problems: Iterable[Problem]) -> str:
    """The findings as a table, which ends with a newline."""
    rows = [_row(each) for each in arm_findings(problems)]
    return table(title, HEADS, rows) if rows else f"{title}\n{NO_FINDINGS}\n"


def _row(finding: ArmFinding) -> tuple[str, ...]:
    problem = finding.problem
    code = f" ({problem.code})" if problem.code else ""
    more = f" (and {finding.further} more)" if finding.further else ""
    cells = problem.severity.value, finding.place, finding.property, f"{problem.message}{code}{more}"
    return tuple(map(printable, cells))
