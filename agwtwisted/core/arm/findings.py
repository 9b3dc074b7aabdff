"""What a conversion finds: problems of every severity, each with the JSON path and the line of what it is about."""

from __future__ import annotations

from typing import Final

import attrs

from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.base.errors import Place, Problem, Severity, UnacceptableError

INVALID_FORMAT: Final = "InvalidRequestFormat"
INVALID_REFERENCE: Final = "InvalidResourceReference"


@attrs.define
class Findings:
    """Collects them in the order in which they are found."""

    problems: list[Problem] = attrs.Factory(list)

    def error(self, place: Place, message: str, *, section: str = "", key: str = "", code: str = "") -> None:
        """What is refused."""
        self.problems.append(Problem(place=place, message=message, section=section, key=key, code=code))

    def warning(self, place: Place, message: str, *, section: str = "", key: str = "", name: str = "") -> None:
        """What is ignored although it did something."""
        self._add(Severity.WARNING, place, message, section=section, key=key, name=name)

    def note(self, place: Place, message: str, *, section: str = "", key: str = "", name: str = "") -> None:
        """What has no meaning here, or was chosen for want of a value."""
        self._add(Severity.NOTE, place, message, section=section, key=key, name=name)

    def _add(self, severity: Severity, place: Place, message: str, **more: str) -> None:
        self.problems.append(Problem(place=place, message=message, severity=severity, **more))

    def unacceptable(self, place: Place, subject: str, error: UnacceptableError, *, section: str, key: str) -> None:
        """A value that was not taken."""
        self.error(place, f"{subject} {error.message}", section=section, key=key, code=error.code)

    def unknown(self, place: Place, subject: str, value: UnknownValue, *, section: str = "", key: str = "") -> None:
        """A value that matters and that only a deployment has."""
        message = f"{subject} is not known: {value.expression[:400]}: {value.hint}"
        self.error(place, message, section=section, key=key)
