"""Evaluating documents: a tree of nodes, some of whose texts are expressions, to one without them.

What the product would refuse in an expression leaves its value unknown, with the reason: it matters only where the
value does. https://learn.microsoft.com/azure/azure-resource-manager/templates/copy-properties describes loops.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import attrs

from agwtwisted.core.arm.evaluation import FORMS, FUNCTIONS, evaluate
from agwtwisted.core.arm.expressions import (
    ArmExpression,
    CallExpression,
    ExpressionError,
    SelectionExpression,
    is_expression,
    unescaped,
)
from agwtwisted.core.arm.frames import ArmFrame
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, within
from agwtwisted.core.arm.values import ArmValue, EvaluationError, integer, placed, plain
from agwtwisted.core.base.errors import Place, shown

MOST_COPIES = 800
"""Turns of a copy loop: the product's own limit."""
_OWN_PART = re.compile(r"/[^/]+/[^/]+")


def evaluated(node: JsonNode, frame: ArmFrame, place: Place | None = None) -> JsonNode:
    """A tree in which each expression has become its value; `place` is where the result stands, if not at the node.

    Raises:
        ConfigError: the evaluation costs more than one may.
    """
    expense, where = frame.names.expense, place or node.place
    outer, expense.place = expense.place, where
    expense.enter()
    try:
        return JsonNode(value=_value(node, frame, where), place=where)
    finally:
        expense.depth -= 1
        expense.place = outer


def evaluated_value(node: JsonNode, frame: ArmFrame) -> ArmValue:
    """The value of a tree, without places."""
    return plain(evaluated(node, frame))


def turns(count: ArmValue) -> int:
    """How often a copy loop turns.

    Raises:
        EvaluationError: no such number.
    """
    number = integer(count)
    if not 0 <= number <= MOST_COPIES:
        raise EvaluationError(f"is a loop of {number} turns: the product takes up to {MOST_COPIES}")
    return number


def refused(error: EvaluationError | ExpressionError, expression: str, secrets: Iterable[str] = ()) -> UnknownValue:
    """The value of an expression that the product would refuse; the reason has no secret in it."""
    if isinstance(error, EvaluationError):
        message = error.message
        for secret in secrets:
            message = message.replace(shown(secret), "a secret")
        return UnknownValue(expression=error.source or expression, hint=f"the expression {message}")
    return UnknownValue(
        expression=expression, hint=f"this is no expression, it {error}; a text that begins with [ is written [["
    )


def with_own_ids(node: JsonNode) -> JsonNode:
    """A tree in which an id whose end is known is a text.

    A gateway's own parts are found by the last two segments of an id, whatever the unknown name of the gateway is.
    """
    if isinstance(node.value, tuple):
        return attrs.evolve(node, value=tuple([with_own_ids(each) for each in node.value]))
    if isinstance(node.value, Mapping):
        members = {name: _own_id(name, with_own_ids(each)) for name, each in node.value.items()}
        return attrs.evolve(node, value=members)
    return node


def _own_id(name: str, node: JsonNode) -> JsonNode:
    value = node.value
    if name.lower() != "id" or not isinstance(value, UnknownValue) or not _OWN_PART.search(value.end):
        return node
    return attrs.evolve(node, value=f"{{{value.expression}}}{value.end}")


def _value(
    node: JsonNode, frame: ArmFrame, place: Place
) -> bool | int | float | str | tuple[JsonNode, ...] | Mapping[str, JsonNode] | UnknownValue | None:
    value = node.value
    if isinstance(value, str):
        if is_expression(value):
            return _of_expression(value, frame, place)
        return unescaped(value)
    if isinstance(value, tuple):
        items = []
        for at, item in enumerate(value):
            items.append(evaluated(item, frame, _moved(item, within(place, at))))
        return tuple(items)
    return _members(value, frame, place) if isinstance(value, Mapping) else value


def _of_expression(
    written: str, frame: ArmFrame, place: Place
) -> bool | int | float | str | tuple[JsonNode, ...] | Mapping[str, JsonNode] | UnknownValue | None:
    try:
        expression = frame.names.expense.parsed(written[1:-1])
        if frame.names.is_detached and not _is_of_the_language(expression):
            return written
        value = evaluate(expression, frame)
    except ExpressionError as error:
        return written if frame.names.is_detached else refused(error, written)
    except EvaluationError as error:
        return refused(error, written[1:-1], frame.names.expense.secrets)
    if not isinstance(value, (tuple, Mapping)):
        return value
    frame.names.expense.spend(frame.names.expense.measure(value)[0])
    return placed(value, place).value


def _is_of_the_language(expression: ArmExpression) -> bool:
    """Whether an expression begins with a function that there is; a text in brackets may look like another one."""
    while isinstance(expression, SelectionExpression):
        expression = expression.of
    return isinstance(expression, CallExpression) and (expression.name in FUNCTIONS or expression.name in FORMS)


def _members(members: Mapping[str, JsonNode], frame: ArmFrame, place: Place) -> Mapping[str, JsonNode] | UnknownValue:
    """The members of an object; where a name is unknown, or stands twice, so is all of it: it may be any name."""
    found: dict[str, JsonNode] = {}
    spelled: set[str] = set()
    for name, node in _pairs(members, frame, place):
        if isinstance(name, UnknownValue):
            return name
        if name.lower() in spelled:
            return UnknownValue(expression=name, hint=f"the object has two members {shown(name)}")
        spelled.add(name.lower())
        found[name] = node
    return found


def _pairs(
    members: Mapping[str, JsonNode], frame: ArmFrame, place: Place
) -> Iterator[tuple[str | UnknownValue, JsonNode]]:
    """Each member with its name, also those that loops make."""
    for written, member in members.items():
        if written.lower() == "copy" and _is_loops(member):
            for loop in member.items():
                yield copied(loop, frame, place)
            continue
        name = _member_name(written, frame)
        where = place if isinstance(name, UnknownValue) else within(place, name)
        yield name, evaluated(member, frame, _moved(member, where))


def _is_loops(node: JsonNode) -> bool:
    """Whether a member `copy` has loops that make members: an array of objects with `input`."""
    loops = node.items()
    return bool(loops) and all("input" in {name.lower() for name in each.members()} for each in loops)


def copied(loop: JsonNode, frame: ArmFrame, place: Place) -> tuple[str | UnknownValue, JsonNode]:
    """The name and the array that a copy loop makes within the object at a place."""
    name = evaluated_value(loop.member("name"), frame)
    if isinstance(name, UnknownValue):
        return name, loop
    if not isinstance(name, str):
        return UnknownValue(expression="copy", hint="the name of a copy loop is no text"), loop
    where = _moved(loop, within(place, name))
    try:
        count = evaluated_value(loop.member("count"), frame)
        if isinstance(count, UnknownValue):
            return name, JsonNode(value=count, place=where)
        items = []
        for at in range(turns(count)):
            source = loop.member("input")
            items.append(evaluated(source, frame.in_loop(name, at), _moved(source, within(where, at))))
    except EvaluationError as error:
        return name, JsonNode(value=refused(error, f"copy {name}", frame.names.expense.secrets), place=where)
    return name, JsonNode(value=tuple(items), place=where)


def _member_name(name: str, frame: ArmFrame) -> str | UnknownValue:
    """The name of a member, which may be an expression: its text."""
    if not is_expression(name):
        return unescaped(name)
    value = _of_expression(name, frame, frame.names.expense.place)
    if isinstance(value, (str, UnknownValue)):
        return value
    return UnknownValue(expression=name, hint="the name of a member is no text")


def _moved(node: JsonNode, place: Place) -> Place:
    """A place with the line of a node."""
    return Place(file=node.place.file, line=node.place.line, path=place.path)
