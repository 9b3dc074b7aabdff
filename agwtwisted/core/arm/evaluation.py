"""Evaluating expressions: a syntax tree and what its names stand for to a value.

A value that only a deployment has is carried: what is made of it is unknown, what is not stays known. The product's
page about template functions describes each; `if`, `and` and `or` leave out what they need not look at.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import attrs

from agwtwisted.core.arm.deployment_forms import DEPLOYMENT_FORMS, of_deployment
from agwtwisted.core.arm.expressions import (
    ArmExpression,
    CallExpression,
    ExpressionError,
    LiteralExpression,
    SelectionExpression,
    normalized,
)
from agwtwisted.core.arm.frames import (
    ArmFrame,
    Evaluate,
    SpecialForm,
    deployment_hint,
    evaluated_arguments,
    has_arguments,
)
from agwtwisted.core.arm.function_table import ArmFunction, FunctionTable, UnknownArguments
from agwtwisted.core.arm.functions_collections import COLLECTION_FUNCTIONS
from agwtwisted.core.arm.functions_dates import DATE_FUNCTIONS
from agwtwisted.core.arm.functions_numbers import NUMBER_FUNCTIONS
from agwtwisted.core.arm.functions_text import TEXT_FUNCTIONS
from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.arm.lambdas import LAMBDA_FORMS
from agwtwisted.core.arm.values import (
    ArmValue,
    EvaluationError,
    Expense,
    boolean,
    first_unknown,
    integer,
    kind_of,
    member_name,
    shallow_size,
    text,
)
from agwtwisted.core.base.errors import shown

_PART = ", or this part of it by"


def evaluate(expression: ArmExpression, frame: ArmFrame) -> ArmValue:
    """The value of an expression.

    Raises:
        EvaluationError: the product would refuse it, too.
        ConfigError: the evaluation costs more than one may.
    """
    if isinstance(expression, LiteralExpression):
        return expression.value
    expense = frame.names.expense
    expense.enter()
    try:
        if isinstance(expression, CallExpression):
            value = _called(expression, frame)
        else:
            value = _selected(expression, frame)
    except EvaluationError as error:
        error.source = error.source or expression.source
        raise
    finally:
        expense.depth -= 1
    return _given(value, expression, frame) if isinstance(value, UnknownValue) and frame.names.given else value


def _given(unknown: UnknownValue, expression: ArmExpression, frame: ArmFrame) -> ArmValue:
    """The value that the user gives for an expression, or for the part of it that is unknown."""
    for each in (unknown.expression, expression.source):
        try:
            name = normalized(each)
        except ExpressionError:
            continue
        if name in frame.names.given:
            return frame.names.given[name]
    return unknown


def _called(call: CallExpression, frame: ArmFrame) -> ArmValue:
    form = FORMS.get(call.name)
    if form is not None:
        return form(call, frame, evaluate)
    function = FUNCTIONS.get(call.name)
    if function is not None:
        has_arguments(call, function.least, function.most)
        return _applied(function, evaluated_arguments(call, frame, evaluate), frame.names.expense)
    if call.name.startswith("list"):
        return of_deployment(call, frame, evaluate)
    if "." in call.name:
        return frame.names.own_function(call.name, evaluated_arguments(call, frame, evaluate))
    near = difflib.get_close_matches(call.name[:40], [*FUNCTIONS, *FORMS], 1)
    raise EvaluationError(f"calls {shown(call.name)}, which is no function" + (f": {near[0]}?" if near else ""))


def _applied(function: ArmFunction, arguments: Sequence[ArmValue], expense: Expense) -> ArmValue:
    """The result of a function; unknown, where its arguments leave it so."""
    looks_within = function.unknown is UnknownArguments.ANYWHERE
    for argument in arguments:
        expense.spend(expense.measure(argument)[0] if looks_within else shallow_size(argument))
    if function.unknown is not UnknownArguments.TAKEN:
        unknown = first_unknown(arguments, deep=looks_within)
        if unknown is not None:
            return attrs.evolve(unknown, end="")
    value = function.call(*arguments)
    return value if function.selects else expense.make(value)


def _selected(selection: SelectionExpression, frame: ArmFrame) -> ArmValue:
    of = evaluate(selection.of, frame)
    if isinstance(of, UnknownValue):
        return _extended(of, selection)
    key = evaluate(selection.key, frame)
    return key if isinstance(key, UnknownValue) else _member(of, key, is_safe=selection.is_safe)


def _member(of: ArmValue, key: ArmValue, *, is_safe: bool) -> ArmValue:
    """A member of an object, or an item of an array; null, where there is none and that is allowed."""
    if isinstance(of, Mapping):
        name = member_name(of, text(key))
        if name is not None:
            return of[name]
        fault = f"has no member {shown(text(key))}"
    elif isinstance(of, tuple):
        index = integer(key)
        if 0 <= index < len(of):
            return of[index]
        fault = f"has no item {index}: there are {len(of)}"
    else:
        fault = f"is {kind_of(of)}, which has no members"
    if is_safe and (of is None or isinstance(of, (tuple, Mapping))):
        return None
    raise EvaluationError(fault)


def _extended(unknown: UnknownValue, selection: SelectionExpression) -> UnknownValue:
    """A part of something unknown: where the whole is a name for it, the part has a name, too."""
    named = ("parameters", "variables", "lambdavariables")
    of = selection.of
    if isinstance(of, CallExpression) and of.name in FUNCTIONS:
        return attrs.evolve(unknown, end="")
    if isinstance(of, CallExpression) and of.name in FORMS and of.name not in (*named, *DEPLOYMENT_FORMS):
        return attrs.evolve(unknown, end="")
    expression = unknown.expression + selection.source[len(of.source) :]
    if unknown.hint == deployment_hint(unknown.expression):
        return UnknownValue(expression=expression, hint=deployment_hint(expression))
    whole = unknown.hint.partition(_PART)[0]
    return UnknownValue(expression=expression, hint=f'{whole}{_PART} --value "{expression}=VALUE"')


def _if(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    has_arguments(call, 3, 3)
    condition = evaluate(call.arguments[0], frame)
    if isinstance(condition, UnknownValue):
        return attrs.evolve(condition, end="")
    return evaluate(call.arguments[1 if boolean(condition) else 2], frame)


def _and(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    return _decided(call, frame, evaluate, by=False)


def _or(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    return _decided(call, frame, evaluate, by=True)


def _decided(call: CallExpression, frame: ArmFrame, evaluate: Evaluate, *, by: bool) -> ArmValue:
    """A value that one argument decides, whatever is unknown of the others."""
    has_arguments(call, 2, None)
    unknown: UnknownValue | None = None
    for argument in call.arguments:
        value = evaluate(argument, frame)
        if isinstance(value, UnknownValue):
            unknown = unknown or value
        elif boolean(value) is by:
            return by
    return unknown if unknown is not None else not by


def _name(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> str:
    has_arguments(call, 1, 1)
    return text(evaluate(call.arguments[0], frame))


def _parameters(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    return frame.names.parameter(_name(call, frame, evaluate))


def _variables(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    return frame.names.variable(_name(call, frame, evaluate))


def _copy_index(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`copyIndex()`, `copyIndex(offset)`, `copyIndex(loop)`, `copyIndex(loop, offset)`."""
    has_arguments(call, 0, 2)
    values = evaluated_arguments(call, frame, evaluate)
    named = isinstance(values[0], str) if values else False
    name = text(values[0]).lower() if named else next(reversed(list(frame.loops)), "")
    if name not in frame.loops:
        raise EvaluationError("stands in no copy loop" + (f" named {shown(name)}" if named else ""))
    offset = values[1] if len(values) == 2 else values[0] if values and not named else 0
    return offset if isinstance(offset, UnknownValue) else frame.loops[name] + integer(offset)


def _try_get(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`tryGet(value, key…)`: null where there is no such member."""
    has_arguments(call, 2, None)
    value, *keys = evaluated_arguments(call, frame, evaluate)
    for key in keys:
        if isinstance(value, UnknownValue) or isinstance(key, UnknownValue):
            return value if isinstance(value, UnknownValue) else key
        value = _member(value, key, is_safe=True)
    return value


FUNCTIONS: FunctionTable = {**TEXT_FUNCTIONS, **NUMBER_FUNCTIONS, **COLLECTION_FUNCTIONS, **DATE_FUNCTIONS}
"""Functions of their arguments alone."""
FORMS: Mapping[str, SpecialForm] = {
    **LAMBDA_FORMS,
    **DEPLOYMENT_FORMS,
    "and": _and,
    "copyindex": _copy_index,
    "if": _if,
    "or": _or,
    "parameters": _parameters,
    "tryget": _try_get,
    "variables": _variables,
}
"""Functions of the frame, or of expressions."""
