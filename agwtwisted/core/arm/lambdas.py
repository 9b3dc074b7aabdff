"""Functions of the template language that call a lambda for each item of an array.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-lambda.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cmp_to_key

from agwtwisted.core.arm.expressions import ArmExpression, CallExpression, LiteralExpression
from agwtwisted.core.arm.frames import ArmFrame, Evaluate, SpecialForm, has_arguments
from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.arm.values import (
    ArmValue,
    EvaluationError,
    array,
    boolean,
    first_unknown,
    members,
    object_of,
    text,
)


def mapped(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """The lambda's value for each item."""
    has_arguments(call, 2, 2)
    values = evaluate(call.arguments[0], frame)
    if isinstance(values, UnknownValue):
        return values
    return _made(frame, tuple(_each(array(values), call.arguments[1], frame, evaluate)))


def filtered(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """The items for which the lambda is true."""
    has_arguments(call, 2, 2)
    values = evaluate(call.arguments[0], frame)
    if isinstance(values, UnknownValue):
        return values
    kept = _each(array(values), call.arguments[1], frame, evaluate)
    if unknown := first_unknown(kept, deep=False):
        return unknown
    return _made(frame, tuple([item for item, keep in zip(array(values), kept, strict=True) if boolean(keep)]))


def ordered(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """The items in the order that the lambda says: whether the first of two comes before the second."""
    has_arguments(call, 2, 2)
    values = evaluate(call.arguments[0], frame)
    if isinstance(values, UnknownValue):
        return values
    unknown: list[UnknownValue] = []

    def compared(first: ArmValue, second: ArmValue) -> int:
        before = _called(call.arguments[1], [first, second], frame, evaluate)
        if isinstance(before, UnknownValue):
            unknown.append(before)
            return 0
        return -1 if boolean(before) else 1

    listed = tuple(sorted(array(values), key=cmp_to_key(compared)))
    return unknown[0] if unknown else _made(frame, listed)


def reduced(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """One value of all items: the lambda makes each of the one before and the next item."""
    has_arguments(call, 3, 3)
    values, current = evaluate(call.arguments[0], frame), evaluate(call.arguments[1], frame)
    if isinstance(values, UnknownValue):
        return values
    for at, item in enumerate(array(values)):
        current = _called(call.arguments[2], [current, item, at], frame, evaluate)
    return current


def to_object(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """An object of the items: a lambda makes the name of each, and another one, if there is one, the value."""
    has_arguments(call, 2, 3)
    values = evaluate(call.arguments[0], frame)
    if isinstance(values, UnknownValue):
        return values
    names = _each(array(values), call.arguments[1], frame, evaluate)
    if unknown := first_unknown(names, deep=False):
        return unknown
    made = _each(array(values), call.arguments[2], frame, evaluate) if len(call.arguments) == 3 else array(values)
    return _made(frame, object_of(zip(map(text, names), made, strict=True)))


def map_values(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """An object with the lambda's value for that of each member."""
    has_arguments(call, 2, 2)
    values = evaluate(call.arguments[0], frame)
    if isinstance(values, UnknownValue):
        return values
    pairs = members(values)
    made = _each(tuple(pairs.values()), call.arguments[1], frame, evaluate)
    return _made(frame, dict(zip(pairs, made, strict=True)))


def group_by(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """An object of arrays: the items for which the lambda has the same name."""
    has_arguments(call, 2, 2)
    values = evaluate(call.arguments[0], frame)
    if isinstance(values, UnknownValue):
        return values
    names = _each(array(values), call.arguments[1], frame, evaluate)
    if unknown := first_unknown(names, deep=False):
        return unknown
    groups: dict[str, list[ArmValue]] = {}
    for name, item in zip(names, array(values), strict=True):
        groups.setdefault(text(name), []).append(item)
    return _made(frame, object_of((name, tuple(group)) for name, group in groups.items()))


def local(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`lambdaVariables('x')`: an argument of a lambda around it."""
    has_arguments(call, 1, 1)
    name = text(evaluate(call.arguments[0], frame))
    if name.lower() not in frame.locals:
        raise EvaluationError(f"names {name!r}, which no lambda around it has")
    return frame.locals[name.lower()]


def _each(values: tuple[ArmValue, ...], function: ArmExpression, frame: ArmFrame, evaluate: Evaluate) -> list[ArmValue]:
    """The lambda's value for each; one of two arguments gets the index, too."""
    found = []
    for at, value in enumerate(values):
        found.append(_called(function, [value, at], frame, evaluate))
    return found


def _called(function: ArmExpression, arguments: list[ArmValue], frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """A lambda's value for the first of these arguments, as many as it has."""
    if not isinstance(function, CallExpression) or function.name != "lambda" or not function.arguments:
        raise EvaluationError("needs a lambda('x', …)")
    bound: dict[str, ArmValue] = {}
    for name, value in zip(function.arguments[:-1], arguments, strict=False):
        if not isinstance(name, LiteralExpression):
            raise EvaluationError("needs texts as the names of a lambda's arguments")
        bound[str(name.value).lower()] = value
    return evaluate(function.arguments[-1], frame.with_locals(bound))


def _made(frame: ArmFrame, value: ArmValue) -> ArmValue:
    return frame.names.expense.make(value)


LAMBDA_FORMS: Mapping[str, SpecialForm] = {
    "filter": filtered,
    "groupby": group_by,
    "lambdavariables": local,
    "map": mapped,
    "mapvalues": map_values,
    "reduce": reduced,
    "sort": ordered,
    "toobject": to_object,
}
"""By their names in lower case."""
