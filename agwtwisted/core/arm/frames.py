"""What an expression is evaluated in: a template with its parameters and variables, and the loops around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import attrs

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.expressions import ArmExpression, CallExpression
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue
from agwtwisted.core.arm.values import ArmValue, EvaluationError, Expense

_BY_OPTION: Final = re.compile(r'give it by --value "(.*?=VALUE)"')


class TemplateNames(Protocol):
    """What the names in a template's expressions stand for."""

    @property
    def template(self) -> JsonNode:
        """The template, or the resource that stands alone."""

    @property
    def context(self) -> TemplateContext:
        """What Azure would know."""

    @property
    def expense(self) -> Expense:
        """What the evaluation has cost."""

    @property
    def given(self) -> Mapping[str, ArmValue]:
        """Values that the user gives for expressions, by their normalized text."""

    @property
    def is_detached(self) -> bool:
        """Whether the template is not at hand: a resource stands alone."""

    def parameter(self, name: str) -> ArmValue:
        """The value of a parameter; raises `EvaluationError` where there is none of this name."""

    def variable(self, name: str) -> ArmValue:
        """The value of a variable; raises `EvaluationError` where there is none of this name."""

    def own_function(self, name: str, arguments: Sequence[ArmValue]) -> ArmValue:
        """The result of a function that the template declares; raises `EvaluationError` where there is none."""

    def deployment(self, name: str) -> ArmValue:
        """What `reference` gives of a nested deployment, by its name or symbolic name: its outputs; null for none."""


@attrs.frozen(kw_only=True)
class ArmFrame:
    """Where an expression stands.

    Attributes:
        names: of the template.
        loops: the index of each copy loop around it, by its name in lower case, the innermost last.
        locals: the variables of the lambdas around it, by their names in lower case.
    """

    names: TemplateNames
    loops: Mapping[str, int] = attrs.field(factory=dict)
    locals: Mapping[str, ArmValue] = attrs.field(factory=dict)

    def in_loop(self, name: str, index: int) -> ArmFrame:
        """The frame of one turn of a copy loop."""
        others = {each: at for each, at in self.loops.items() if each != name.lower()}
        return ArmFrame(names=self.names, loops={**others, name.lower(): index}, locals=self.locals)

    def with_locals(self, values: Mapping[str, ArmValue]) -> ArmFrame:
        """The frame of a lambda's body."""
        return ArmFrame(names=self.names, loops=self.loops, locals={**self.locals, **values})


Evaluate: TypeAlias = Callable[[ArmExpression, ArmFrame], ArmValue]
"""The evaluation of an expression, for forms that evaluate their arguments themselves."""
SpecialForm: TypeAlias = Callable[[CallExpression, ArmFrame, Evaluate], ArmValue]
"""A function that gets its arguments as expressions, or needs the frame."""


def evaluated_arguments(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> list[ArmValue]:
    """The values of all arguments."""
    values = []
    for argument in call.arguments:
        values.append(evaluate(argument, frame))
    return values


def has_arguments(call: CallExpression, least: int, most: int | None) -> None:
    """Check how many arguments a call has.

    Raises:
        EvaluationError: too few or too many.
    """
    count = len(call.arguments)
    if count < least or (most is not None and count > most):
        wanted = str(least) if least == most else f"{least} to {most}" if most is not None else f"at least {least}"
        raise EvaluationError(f"has {count} arguments, and {call.name} takes {wanted}")


def of_deployments(expression: str) -> UnknownValue:
    """A value that only a deployment has."""
    return UnknownValue(expression=expression, hint=deployment_hint(expression))


def deployment_hint(expression: str) -> str:
    """How to give a value that only a deployment has."""
    return f'only a deployment has its value; give it by --value "{expression}=VALUE"'


def with_key(message: str) -> str:
    """A message for clients of a control plane: they have no options, and its file has the same as keys."""
    return _BY_OPTION.sub(r"give it by value.1 = \1 in [arm] of the control plane's file, and reload it", message)
