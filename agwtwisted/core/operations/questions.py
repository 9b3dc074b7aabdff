"""What a running gateway is asked by its control API, and the arguments that come with a question.

An answer is the members of a JSON object: values of JSON alone, with names that stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from agwtwisted.core.base.errors import AgwError, shown

LONGEST_TEXT: Final = 1024
"""Characters of an argument."""

MOST_NUMBER: Final = 1 << 53
"""No argument is greater: every reader of JSON can hold it."""


class Question(Enum):
    """What can be asked of a process that serves. The last ones change something: actions."""

    LISTENERS = "listeners"
    BACKENDS = "backends"
    CERTIFICATES = "certificates"
    CLIENTS = "clients"
    REVOCATION = "revocation"
    CONFIGURATION = "configuration"
    REFUSALS = "refusals"
    METRICS = "metrics"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    CLOSE = "close"
    FORGET = "forget"
    STATUSES = "statuses"
    IMPORT = "import"

    @property
    def is_action(self) -> bool:
        """Whether it changes something."""
        return self in _ACTIONS

    @property
    def is_of_one(self) -> bool:
        """Whether one worker answers it for all: it may take long, and what it learns comes to the others."""
        return self in _OF_ONE


_ACTIONS: Final = frozenset(
    {Question.DRAIN, Question.UNDRAIN, Question.CLOSE, Question.FORGET, Question.STATUSES, Question.IMPORT}
)

_OF_ONE: Final = frozenset({Question.STATUSES, Question.IMPORT})


class QuestionError(AgwError):
    """A question that has no answer, because of what was asked.

    Args:
        status: of HTTP: 400 a wrong argument, 404 there is no such thing, 409 it cannot be done now.
        message: what is wrong, and what to do.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


def text_argument(arguments: Mapping[str, Any], name: str, default: str = "") -> str:
    """An argument that is a text; the default where it is not given.

    Raises:
        QuestionError: it is none, or too long.
    """
    value = arguments.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise QuestionError(400, f"{name} has to be a text")
    if len(value) > LONGEST_TEXT:
        raise QuestionError(400, f"{name} has more than {LONGEST_TEXT} characters")
    return value


def required_text(arguments: Mapping[str, Any], name: str) -> str:
    """An argument that is a text and has to be given. Raises QuestionError."""
    value = text_argument(arguments, name)
    if not value:
        raise QuestionError(400, f"{name} is missing")
    return value


def number_argument(arguments: Mapping[str, Any], name: str, default: int, *, least: int = 0, most: int) -> int:
    """An argument that is a whole number from `least` to `most`, also as decimal digits; else the default.

    Raises:
        QuestionError: it is none of these.
    """
    value = arguments.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MOST_NUMBER)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise QuestionError(400, f"{name} has to be a whole number from {least} to {most}, not {shown(str(value))}")
    return value
