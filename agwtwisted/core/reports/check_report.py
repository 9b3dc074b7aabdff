"""What a check of a configuration comes to: problems, warnings, and the configuration that would be in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import Problem, Severity, in_order
from agwtwisted.core.base.warning_kinds import WarningKind
from agwtwisted.core.reports.arm_report import arm_findings
from agwtwisted.core.reports.list_files_report import CRL_OTHER_KEY, CRL_OVER

ACCESS_LOG: Final = WarningKind(
    name="access-log-unusable",
    meaning="This user cannot write to the access log, or make it: an error, since the gateway would not start.",
    remedy="Make the directory, give it to the user of the gateway, and make room; run the check as that user.",
)
STATE_DIRECTORY: Final = WarningKind(
    name="state-directory-unusable",
    meaning=(
        "This user cannot write into state_directory or to what is in it, or make it: an error, since the gateway would"
        " not start, or forget what it has learnt."
    ),
    remedy="As above.",
)
CONTROL_SOCKET: Final = WarningKind(
    name="control-socket-unusable",
    meaning="This user cannot make the control socket: an error where `[control] socket` asks for it, else a warning.",
    remedy="As above; or name another path.",
)

CONTROL_TOKEN: Final = WarningKind(
    name="control-token-unusable",
    meaning=(
        "The file with the token for `[control] port` cannot be read by this user alone, has no token, or cannot be"
        " made: an error, since the gateway would not start."
    ),
    remedy="As the message says; or remove the file to have one made.",
)

TRIALS: Final = (ACCESS_LOG, STATE_DIRECTORY, CONTROL_SOCKET, CONTROL_TOKEN, CRL_OVER, CRL_OTHER_KEY)
"""What is tried on this machine, for the reference page."""


class CheckStatus(Enum):
    """The exit status of a check."""

    VALID = 0
    NOT_VALID = 1
    UNREADABLE = 2


@attrs.frozen(kw_only=True)
class CheckReport:
    """The result; without a plan there is no effective configuration."""

    file: str
    problems: tuple[Problem, ...] = ()  # that stop the start
    warnings: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()  # what has no effect here
    configuration: Mapping[str, Any] | None = None  # by the titles of sections
    text: str = ""  # the same for people
    is_read: bool = True  # whether the file could be read

    @classmethod
    def of(cls, file: str, found: Iterable[Problem], **fields: Any) -> CheckReport:
        """A report with these findings."""
        every = tuple(found)
        return cls(
            file=file,
            problems=tuple(each for each in every if each.severity is Severity.ERROR),
            warnings=tuple(each for each in every if each.severity is Severity.WARNING),
            notes=tuple(each for each in every if each.severity is Severity.NOTE),
            **fields,
        )

    @property
    def findings(self) -> tuple[Problem, ...]:
        """Problems, warnings and notes in the order of the file, then those about lines of other files."""
        return in_order((*self.problems, *self.warnings, *self.notes), self.file)

    def lines(self, *, has_notes: bool = True) -> tuple[str, ...]:
        """The findings for people: the gravest last, beside the prompt; what notes say in the same words is one."""
        notes = (
            f"{each.problem} (and {each.further} more)" if each.further else str(each.problem)
            for each in arm_findings(in_order(self.notes if has_notes else (), self.file))
        )
        graver = (str(each) for found in (self.warnings, self.problems) for each in in_order(found, self.file))
        return (*notes, *graver, *self._sum())

    def _sum(self) -> Iterator[str]:
        """Where there are errors, how many there are, and how much stands above them."""
        if len(self.problems) + len(self.warnings) + len(self.notes) > 1 and self.problems and self.is_read:
            found = (("error", self.problems), ("warning", self.warnings), ("note", self.notes))
            counts = (f"{len(each)} {what}{'' if len(each) == 1 else 's'}" for what, each in found if each)
            yield f"{self.file}: not valid: {', '.join(counts)}"

    def status(self, *, strict: bool = False) -> CheckStatus:
        """Whether the configuration is valid; with `strict` a warning is an error."""
        if not self.is_read:
            return CheckStatus.UNREADABLE
        return CheckStatus.NOT_VALID if self.problems or (strict and self.warnings) else CheckStatus.VALID

    def members(self, *, strict: bool = False) -> dict[str, Any]:
        """The members of a JSON object: ``file``, ``valid``, ``problems``, ``warnings`` and ``notes`` (each as
        `Problem.members` has them), ``configuration`` (null where there are problems), and ``report``, the text.
        """
        return {
            "file": self.file,
            "valid": self.status(strict=strict) is CheckStatus.VALID,
            "problems": [each.members() for each in self.problems],
            "warnings": [each.members() for each in self.warnings],
            "notes": [each.members() for each in self.notes],
            "configuration": self.configuration,
            "report": self.text or None,
        }
