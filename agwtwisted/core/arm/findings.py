"""What a conversion finds: problems of every severity, each with the JSON path and the line of what it is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.base.errors import Place, Problem, Severity, UnacceptableError
from agwtwisted.core.base.texts import did_you_mean, nearest
from agwtwisted.core.base.warning_kinds import WarningKind

UNKNOWN_PROPERTY: Final = WarningKind(
    name="arm-unknown-property",
    meaning="A property that no version of the product is known to have, or one in a place where it has no effect.",
    remedy="Correct its name; the message has the nearest one.",
)
IGNORED: Final = WarningKind(
    name="arm-ignored",
    meaning="A property whose effect is missing here, or (as a note) that has no meaning on one machine.",
    remedy="See [the reference of ARM properties](arm.md); remove what is not needed.",
)
WAF: Final = WarningKind(
    name="waf-ignored",
    meaning="The document has a web application firewall. There is none here: requests reach the servers unfiltered.",
    remedy="Do not take the gateway for protected. `--strict` makes an error of it.",
)
ADDRESS: Final = WarningKind(
    name="arm-address",
    meaning="A note: where a frontend of the document listens on this machine.",
    remedy="Give another address by `address` or `address.FRONTEND`.",
)
PRIORITY_MADE: Final = WarningKind(
    name="priority-made",
    meaning="A note: a rule from before API version 2021-08-01 has no priority, and gets one by its place.",
    remedy="Give all rules a `priority`.",
)

NAMES_NOTHING: Final = WarningKind(
    name="overlay-names-nothing",
    meaning=(
        "A section of the overlay names a resource that the document does not have: nothing of it counts. A warning"
        " with a control plane, whose clients may put the resource later; else an error."
    ),
    remedy="Write the name as the document has it; or put the resource.",
)

OVERRIDDEN: Final = WarningKind(
    name="overlay-overrides",
    meaning=(
        "A key of the overlay has another value than the document. A warning where that decides who may come in or who"
        " is trusted, unless it is as strict; else a note."
    ),
    remedy="Remove the key, or go on knowing that the document says something else.",
)

KINDS: Final = (WAF, UNKNOWN_PROPERTY, IGNORED, ADDRESS, PRIORITY_MADE, NAMES_NOTHING, OVERRIDDEN)
"""What is said of ARM documents, for the reference page."""

INVALID_FORMAT: Final = "InvalidRequestFormat"
INVALID_REFERENCE: Final = "InvalidResourceReference"


MOST_FINDINGS: Final = 2000
"""Findings that are kept; where there are more, an error says so."""
MISSPELT: Final = 0.9
"""How alike a name is that was meant to be another; properties that may come later are less so."""

MOST_SUGGESTIONS: Final = 100
"""Misspelt names for which a similar one is looked for, which takes its time."""


@attrs.define
class Findings:
    """Collects them in the order in which they are found."""

    problems: list[Problem] = attrs.Factory(list)
    _suggestions: int = 0

    def error(self, place: Place, message: str, *, section: str = "", key: str = "", code: str = "") -> None:
        """What is refused."""
        self._add(Severity.ERROR, place, message, section=section, key=key, code=code)

    def warning(self, place: Place, message: str, *, section: str = "", key: str = "", name: str = "") -> None:
        """What is ignored although it did something."""
        self._add(Severity.WARNING, place, message, section=section, key=key, name=name)

    def note(self, place: Place, message: str, *, section: str = "", key: str = "", name: str = "") -> None:
        """What has no meaning here, or was chosen for want of a value."""
        self._add(Severity.NOTE, place, message, section=section, key=key, name=name)

    def _add(self, severity: Severity, place: Place, message: str, **more: str) -> None:
        if len(self.problems) < MOST_FINDINGS:
            self.problems.append(Problem(place=place, message=message, severity=severity, **more))
        elif len(self.problems) == MOST_FINDINGS:
            message = f"there are more than {MOST_FINDINGS} findings: the others are not shown"
            self.problems.append(Problem(place=place, message=message))

    def suggestion(self, name: str, known: Iterable[str]) -> str:
        """The end of a message about a name that is not known; empty after many of them."""
        self._suggestions += 1
        return did_you_mean(name, known) if self._suggestions <= MOST_SUGGESTIONS else ""

    def meant(self, name: str, names: Iterable[str]) -> str:
        """The name that one is a misspelling of; empty where it is of none.

        After many that were not known only the name itself, in any case, is seen: a search takes its time.
        """
        if self._suggestions > MOST_SUGGESTIONS:
            return next((each for each in names if each.casefold() == name.casefold()), "")
        return nearest(name, names, MISSPELT)

    def unacceptable(self, place: Place, subject: str, error: UnacceptableError, *, section: str, key: str) -> None:
        """A value that was not taken."""
        self.error(place, f"{subject} {error.message}", section=section, key=key, code=error.code)

    def unknown(
        self, place: Place, subject: str, value: UnknownValue, *, section: str = "", key: str = "", instead: str = ""
    ) -> None:
        """A value that matters and that only a deployment has; `instead`: what may be given in its place."""
        end = f"; or {instead}" if instead else ""
        message = f"{subject} is not known: {value.expression[:400]}: {value.hint}{end}"
        self.error(place, message, section=section, key=key)
