"""The root of the gateway's exceptions, and the problems of a configuration file.

Exceptions are for an invalid configuration and for defects; expected outcomes (a refused client, a bad request) are
values.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import attrs


class AgwError(Exception):
    """The root of every exception this package raises."""


class Severity(Enum):
    """Whether a finding stops the start."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    NOTE = "NOTE"
    """Has no effect here, and protects nothing: a check shows it; it never stops anything, and is not logged."""


def printable(text: str) -> str:
    """Text on one line that a terminal shows as it stands: what is not printable is escaped as in Python."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def shown(text: str) -> str:
    """Text from a file in quotes, for a message: escaped, at most 80 characters of it."""
    return repr(text if len(text) <= 80 else f"{text[:79]}…")


@attrs.frozen(kw_only=True, order=True)
class Place:
    """Where something stands: a file and a line in it, counted from 1 (0: the file as a whole).

    In a JSON document it has the path of the value, too: ``properties.httpListeners[0].properties.protocol``.
    """

    file: str
    line: int = 0
    path: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place} {self.path}" if self.path else place


@attrs.frozen(kw_only=True)
class Problem:
    """One finding about a configuration: where, in which section, what, and the product's error code if it has one.

    As text it is one printable line: ``ERROR gw.ini:12 [http_listener public] … (Code)``.
    """

    place: Place
    message: str
    section: str = ""
    code: str = ""
    severity: Severity = Severity.ERROR
    key: str = attrs.field(default="", eq=False)  # of the section, that has to change; empty: none in particular
    name: str = attrs.field(default="", eq=False)  # by which programs know it; empty: it has none

    def __str__(self) -> str:
        section = f" [{self.section}]" if self.section else ""
        code = f" ({self.code})" if self.code else ""
        return printable(f"{self.severity.value} {self.place}{section} {self.message}{code}")

    def members(self) -> dict[str, str | int | None]:
        """The members of a JSON object; what there is none of is null."""
        return {
            "severity": self.severity.value.lower(),
            "file": self.place.file,
            "line": self.place.line or None,
            "path": self.place.path or None,
            "section": self.section or None,
            "key": self.key or None,
            "name": self.name or None,
            "code": self.code or None,
            "message": self.message,
        }


def has_error(problems: Iterable[Problem]) -> bool:
    """Whether one of them stops the start."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def in_order(problems: Iterable[Problem], file: str) -> tuple[Problem, ...]:
    """Problems in the order of a configuration's main file, then those of each other file.

    Those of one line stay as they were found.
    """
    return tuple(sorted(problems, key=lambda each: (each.place.file != file, each.place.file, each.place.line)))


class ConfigError(AgwError):
    """A configuration that is not taken; `problems` holds every finding of the run, warnings and notes included.

    As text it is a line for each error and warning: notes would hide them.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """Each error and warning as text."""
        return tuple(str(problem) for problem in self.problems if problem.severity is not Severity.NOTE)


class SectionError(AgwError):
    """A section of a configuration asks for what only turns out to be impossible once it is put to use.

    Args:
        section: its title, ``kind name``.
        reason: what is wrong, without its name.
    """

    def __init__(self, section: str, reason: str) -> None:
        self.section = section
        self.reason = reason
        super().__init__(f"[{section}] {reason}")


class UnacceptableError(AgwError):
    """A value is not taken: why, and the product's error code if it has one."""

    def __init__(self, message: str, code: str = "") -> None:
        self.message = message
        self.code = code
        super().__init__(message)
