"""Values of expressions, what they may cost, and their way from and to nodes.

One budget bounds the evaluation of a template: a few lines of it can ask for more than any machine has (a copy loop
within another, a variable that is twice another one, which is twice a third).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs

from agwtwisted.core.arm.expressions import ArmExpression, parse_expression
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, refusal, within
from agwtwisted.core.base.errors import AgwError, Place, shown

MOST_STEPS = 500_000
"""What the evaluation of a template may cost: a step is a call, a value, or 16 characters of a text. The largest public
modules come to some thousands."""
DEEPEST_EVALUATION = 100
"""Expressions, objects and variables that are evaluated within each other."""
DEEPEST_VALUE = 64
"""How deep objects and arrays of a value stand within each other."""
LONGEST_TEXT = 1024 * 1024
"""Characters of a text that a function makes."""

ArmValue: TypeAlias = "bool | int | float | str | tuple[ArmValue, ...] | Mapping[str, ArmValue] | UnknownValue | None"
"""A value of an expression; none is ever changed."""


class EvaluationError(AgwError):
    """An expression that the product refuses, too.

    Attributes:
        source: the part of the expression, as it is written; empty until that is known.
    """

    def __init__(self, message: str, source: str = "") -> None:
        self.message = message
        self.source = source
        super().__init__(message)


@attrs.define
class Expense:
    """What an evaluation has cost, in steps, and where it stands."""

    place: Place  # of what is being evaluated
    steps: int = 0
    depth: int = 0
    secrets: set[str] = attrs.field(factory=set, repr=False)  # texts of secure parameters
    _sizes: dict[int, tuple[ArmValue, int, int]] = attrs.field(factory=dict, repr=False)
    _parsed: dict[str, ArmExpression] = attrs.field(factory=dict, repr=False)

    def spend(self, steps: int) -> None:
        """Count steps.

        Raises:
            ConfigError: they are more than an evaluation may have.
        """
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise refusal(self.place, "makes the evaluation of the template longer than any gateway's: it is stopped")

    def enter(self) -> None:
        """Begin something within what is being evaluated; `depth` goes down again where it ends.

        Raises:
            ConfigError: it stands too deep.
        """
        self.depth += 1
        if self.depth > DEEPEST_EVALUATION:
            raise refusal(self.place, f"needs expressions and variables more than {DEEPEST_EVALUATION} deep")
        self.spend(1)

    def parsed(self, written: str) -> ArmExpression:
        """An expression, parsed once: loops evaluate it often.

        Raises:
            ExpressionError: it is none.
        """
        found = self._parsed.get(written)
        if found is None:
            self.spend(1 + len(written) // 16)
            found = self._parsed[written] = parse_expression(written)
        return found

    def make(self, value: ArmValue) -> ArmValue:
        """Count a value that a function made, with all that is in it, however often one object stands there."""
        size, depth = self.measure(value)
        self.spend(size)
        if depth > DEEPEST_VALUE:
            raise refusal(self.place, f"makes a value that is nested more than {DEEPEST_VALUE} deep")
        return value

    def measure(self, value: ArmValue) -> tuple[int, int]:
        """The size of a value in steps, as if nothing of it were shared, and its depth."""
        if isinstance(value, str):
            return 1 + len(value) // 16, 0
        if not isinstance(value, (tuple, Mapping)):
            return 1, 0
        known = self._sizes.get(id(value))
        if known is None:
            size, depth = 1, 0
            for each in value if isinstance(value, tuple) else value.values():
                inner, inner_depth = self.measure(each)
                size, depth = size + inner, max(depth, inner_depth)
            known = self._sizes[id(value)] = (value, size, depth + 1)  # the value is kept: its id stays its own
        return known[1], known[2]


def texts_in(value: ArmValue) -> Iterator[str]:
    """Every text that is not empty in a value."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, (tuple, Mapping)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(each)


def shallow_size(value: ArmValue) -> int:
    """What looking at a value costs that is not looked into."""
    if isinstance(value, str):
        return 1 + len(value) // 16
    return 1 + len(value) if isinstance(value, (tuple, Mapping)) else 1


def plain(node: JsonNode) -> ArmValue:
    """The value of a node and all that is in it."""
    value = node.value
    if isinstance(value, tuple):
        return tuple([plain(item) for item in value])
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in value.items()}
    return value


def placed(value: ArmValue, place: Place) -> JsonNode:
    """A node of a value; what is in it stands at the same line, with a path of its own."""
    if isinstance(value, tuple):
        return JsonNode(value=tuple([placed(each, within(place, at)) for at, each in enumerate(value)]), place=place)
    if isinstance(value, Mapping):
        members = {name: placed(each, within(place, name)) for name, each in value.items()}
        return JsonNode(value=members, place=place)
    return JsonNode(value=value, place=place)


def kind_of(value: ArmValue) -> str:
    """What a value is, for a message: never the value, which may be a secret."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a text"
        case tuple():
            return "an array"
        case UnknownValue():
            return "unknown"
        case _:
            return "an object"


def first_unknown(values: Iterable[ArmValue], *, deep: bool) -> UnknownValue | None:
    """The first value that is unknown or, where that is asked for, has something unknown in it."""
    for value in values:
        if isinstance(value, UnknownValue):
            return value
        if deep and isinstance(value, (tuple, Mapping)):
            inner = first_unknown(value if isinstance(value, tuple) else value.values(), deep=True)
            if inner is not None:
                return inner
    return None


def text(value: ArmValue) -> str:
    """A text.

    Raises:
        EvaluationError: the value is another one; so do the following.
    """
    if isinstance(value, str):
        return value
    raise EvaluationError(f"needs a text, not {kind_of(value)}")


def integer(value: ArmValue) -> int:
    """An integer, also as a number without fraction, as JSON may write it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise EvaluationError(f"needs an integer, not {kind_of(value)}")


def boolean(value: ArmValue) -> bool:
    """A boolean; the texts `true` and `false` in any case count as one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise EvaluationError(f"needs a boolean, not {kind_of(value)}")


def array(value: ArmValue) -> tuple[ArmValue, ...]:
    """An array."""
    if isinstance(value, tuple):
        return value
    raise EvaluationError(f"needs an array, not {kind_of(value)}")


def members(value: ArmValue) -> Mapping[str, ArmValue]:
    """An object."""
    if isinstance(value, Mapping):
        return value
    raise EvaluationError(f"needs an object, not {kind_of(value)}")


def object_of(pairs: Iterable[tuple[str, ArmValue]]) -> Mapping[str, ArmValue]:
    """An object of names and values.

    Raises:
        EvaluationError: two names differ in case alone, or not at all: the product would take one for the other.
    """
    found: dict[str, ArmValue] = {}
    spelled: set[str] = set()
    for name, value in pairs:
        if name.lower() in spelled:
            raise EvaluationError(f"makes an object with two members {shown(name)}")
        spelled.add(name.lower())
        found[name] = value
    return found


def member_name(value: Mapping[str, ArmValue], name: str) -> str | None:
    """The name of an object's member as it is written, found without case."""
    if name in value:
        return name
    return next((each for each in value if each.lower() == name.lower()), None)


def bounded(length: int) -> None:
    """Whether a text, or an array, of this length may be made: it is asked before the memory for it is taken.

    Raises:
        EvaluationError: it is too long.
    """
    if length > LONGEST_TEXT:
        raise EvaluationError(f"makes a text of more than {LONGEST_TEXT} characters")


def as_text(value: ArmValue) -> str:
    """A value as `string`, `concat` and `format` write it: booleans capitalized, objects as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value) if isinstance(value, (bool, int, float)) else as_json(value)


def as_json(value: ArmValue) -> str:
    """JSON without white space; nothing in the value is unknown."""
    written = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=dict)
    bounded(len(written))
    return written


def joined(pieces: Sequence[ArmValue]) -> ArmValue:
    """The text of all pieces; with an unknown one it is unknown, but its end behind the last of these is known."""
    bounded(sum(len(piece) for piece in pieces if isinstance(piece, str)))
    last = max((at for at, piece in enumerate(pieces) if isinstance(piece, UnknownValue)), default=-1)
    end = "".join([as_text(piece) for piece in pieces[last + 1 :]])
    if last < 0:
        return end
    unknown = pieces[last]
    assert isinstance(unknown, UnknownValue)
    bounded(len(unknown.end) + len(end))
    return attrs.evolve(unknown, end=unknown.end + end)
