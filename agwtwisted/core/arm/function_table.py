"""What a table of functions says about one: how many arguments it takes, and what it makes of unknown ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TypeAlias

import attrs

from agwtwisted.core.arm.values import ArmValue


class UnknownArguments(Enum):
    """When the result of a function is unknown."""

    ANYWHERE = "something unknown in an argument, however deep, makes the result unknown"
    ITSELF = "an argument that is unknown does; one with something unknown in it is taken"
    TAKEN = "the function decides"


@attrs.frozen
class ArmFunction:
    """A function of the template language.

    Attributes:
        call: gets the arguments; raises `EvaluationError` for what the product refuses.
        least: how many arguments it needs.
        most: how many it takes; None: any number.
        selects: the result is a part of an argument, so that it costs nothing more.
    """

    call: Callable[..., ArmValue]
    least: int
    most: int | None
    unknown: UnknownArguments = UnknownArguments.ITSELF
    selects: bool = False


FunctionTable: TypeAlias = Mapping[str, ArmFunction]
"""Functions by their names in lower case: names are compared without case."""
