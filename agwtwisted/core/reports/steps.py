"""The steps of an explanation as values, and their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Final

import attrs

from agwtwisted.core.base.tables import beside

_LABEL: Final = 12
"""Characters before a step's title."""


class StepOutcome(Enum):
    """What came of a step."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # the listener does not do it, or an earlier step has decided
    NOTE = "note"  # it decides nothing


def _kept(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(lines)


@attrs.frozen
class ExplanationStep:
    """One step on the way to a verdict: its name, which programs may rely on, and a text for people."""

    name: str
    outcome: StepOutcome
    title: str  # its first line, as long as it may be
    lines: tuple[str, ...] = attrs.field(default=(), converter=_kept)  # below it, indented

    @property
    def text(self) -> str:
        """The title and the lines, without a newline at the end."""
        return "\n".join((self.title, *self.lines))

    def numbered(self, number: int) -> Iterator[str]:
        """The lines of a list of steps, with the outcome in front; what failed stands out."""
        word = self.outcome.value
        label = f"{number}. {word.upper() if self.outcome is StepOutcome.FAILED else word}"
        yield from beside(label.ljust(_LABEL), self.title)
        yield from self.lines


def passed(name: str, title: str, lines: Iterable[str] = ()) -> ExplanationStep:
    """A step that speaks for the client."""
    return ExplanationStep(name, StepOutcome.PASSED, title, lines)


def failed(name: str, title: str, lines: Iterable[str] = ()) -> ExplanationStep:
    """A step for which the client is refused."""
    return ExplanationStep(name, StepOutcome.FAILED, title, lines)


def skipped(name: str, title: str, lines: Iterable[str] = ()) -> ExplanationStep:
    """A step that is not taken; the title says why."""
    return ExplanationStep(name, StepOutcome.SKIPPED, title, lines)


def note(name: str, title: str, lines: Iterable[str] = ()) -> ExplanationStep:
    """A step that decides nothing."""
    return ExplanationStep(name, StepOutcome.NOTE, title, lines)


@attrs.frozen(kw_only=True)
class Explanation:
    """Why a listener accepts a client's certificates, or refuses them."""

    heading: str
    accepted: bool
    verdict: str  # in one line
    conclusion: tuple[str, ...]  # the verdict, and what to do
    steps: tuple[ExplanationStep, ...]

    @property
    def text(self) -> str:
        """All of it for people, without a newline at the end."""
        numbered = ("\n".join(step.numbered(number)) for number, step in enumerate(self.steps, start=1))
        return "\n\n".join([self.heading, *numbered, "\n".join(self.conclusion)])

    def members(self) -> dict[str, Any]:
        """The members of a JSON object: ``accepted``, ``verdict``, ``steps`` (``name``, ``outcome``, ``text``), and
        ``text``, which is all of it.
        """
        return {
            "accepted": self.accepted,
            "verdict": self.verdict,
            "steps": [{"name": each.name, "outcome": each.outcome.value, "text": each.text} for each in self.steps],
            "text": self.text,
        }
