"""The template language's functions on numbers, and its comparisons and constants.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-numeric and …-logical.
"""

from __future__ import annotations

from collections.abc import Mapping

from agwtwisted.core.arm.function_table import ArmFunction, FunctionTable, UnknownArguments
from agwtwisted.core.arm.values import ArmValue, EvaluationError, array, boolean, integer, kind_of, text

_LARGEST = 2**63


def _within(number: int) -> int:
    """A number of 64 bits, as the product's are."""
    if not -_LARGEST <= number < _LARGEST:
        raise EvaluationError("makes a number of more than 64 bits")
    return number


def add(first: ArmValue, second: ArmValue) -> ArmValue:
    """The sum."""
    return _within(integer(first) + integer(second))


def sub(first: ArmValue, second: ArmValue) -> ArmValue:
    """The difference."""
    return _within(integer(first) - integer(second))


def mul(first: ArmValue, second: ArmValue) -> ArmValue:
    """The product."""
    return _within(integer(first) * integer(second))


def div(first: ArmValue, second: ArmValue) -> ArmValue:
    """The quotient, cut towards zero."""
    if integer(second) == 0:
        raise EvaluationError("divides by zero")
    quotient = abs(integer(first)) // abs(integer(second))
    return _within(quotient if (integer(first) < 0) == (integer(second) < 0) else -quotient)


def mod(first: ArmValue, second: ArmValue) -> ArmValue:
    """What `div` leaves; it has the sign of the dividend."""
    return integer(first) - integer(second) * integer(div(first, second))


def least(*values: ArmValue) -> ArmValue:
    """The smallest of some integers, or of an array of them."""
    return min(_integers(values))


def greatest(*values: ArmValue) -> ArmValue:
    """The largest of some integers, or of an array of them."""
    return max(_integers(values))


def to_integer(value: ArmValue) -> ArmValue:
    """A text of digits as an integer."""
    if not isinstance(value, str):
        return integer(value)
    digits = value.strip()
    if len(digits) > 20 or not digits.lstrip("+-").isdecimal():
        raise EvaluationError("needs a text of digits")
    return _within(int(digits))


def to_boolean(value: ArmValue) -> ArmValue:
    """The texts `true` and `false`, and 0 and others, as a boolean."""
    return value != 0 if isinstance(value, int) else boolean(value)


def equal(first: ArmValue, second: ArmValue) -> bool:
    """Whether two values are equal: texts with case, a boolean never to a number, objects without order."""
    if isinstance(first, tuple):
        items = zip(first, second, strict=False) if isinstance(second, tuple) else ()
        return isinstance(second, tuple) and len(first) == len(second) and all(equal(*each) for each in items)
    if isinstance(first, Mapping):
        return isinstance(second, Mapping) and _equal_members(first, second)
    if isinstance(first, bool) != isinstance(second, bool):
        return False
    return first == second


def _equal_members(first: Mapping[str, ArmValue], second: Mapping[str, ArmValue]) -> bool:
    names = {name.lower(): name for name in second}
    if len(first) != len(second):
        return False
    return all(name.lower() in names and equal(each, second[names[name.lower()]]) for name, each in first.items())


def _integers(values: tuple[ArmValue, ...]) -> list[int]:
    listed = array(values[0]) if len(values) == 1 and isinstance(values[0], tuple) else values
    if not listed:
        raise EvaluationError("needs an integer, and the array is empty")
    return [integer(value) for value in listed]


def _order(first: ArmValue, second: ArmValue) -> int:
    """Negative where the first is less, 0 where they are equal: integers, or texts."""
    if isinstance(first, str):
        return (first > text(second)) - (first < text(second))
    if isinstance(first, bool) or not isinstance(first, (int, float)):
        raise EvaluationError(f"compares integers or texts, not {kind_of(first)}")
    return (first > integer(second)) - (first < integer(second))


def less(first: ArmValue, second: ArmValue) -> bool:
    """Whether an integer, or a text, is less than another."""
    return _order(first, second) < 0


def _less_or_equals(first: ArmValue, second: ArmValue) -> ArmValue:
    return _order(first, second) <= 0


def _greater(first: ArmValue, second: ArmValue) -> ArmValue:
    return _order(first, second) > 0


def _greater_or_equals(first: ArmValue, second: ArmValue) -> ArmValue:
    return _order(first, second) >= 0


def _not(value: ArmValue) -> ArmValue:
    return not boolean(value)


def _true() -> ArmValue:
    return True


def _false() -> ArmValue:
    return False


def _null() -> ArmValue:
    return None


NUMBER_FUNCTIONS: FunctionTable = {
    "add": ArmFunction(add, 2, 2),
    "bool": ArmFunction(to_boolean, 1, 1),
    "div": ArmFunction(div, 2, 2),
    "equals": ArmFunction(equal, 2, 2, UnknownArguments.ANYWHERE),
    "false": ArmFunction(_false, 0, 0),
    "greater": ArmFunction(_greater, 2, 2),
    "greaterorequals": ArmFunction(_greater_or_equals, 2, 2),
    "int": ArmFunction(to_integer, 1, 1),
    "less": ArmFunction(less, 2, 2),
    "lessorequals": ArmFunction(_less_or_equals, 2, 2),
    "max": ArmFunction(greatest, 1, None, UnknownArguments.ANYWHERE),
    "min": ArmFunction(least, 1, None, UnknownArguments.ANYWHERE),
    "mod": ArmFunction(mod, 2, 2),
    "mul": ArmFunction(mul, 2, 2),
    "not": ArmFunction(_not, 1, 1),
    "null": ArmFunction(_null, 0, 0),
    "sub": ArmFunction(sub, 2, 2),
    "true": ArmFunction(_true, 0, 0),
}
"""By their names in lower case."""
