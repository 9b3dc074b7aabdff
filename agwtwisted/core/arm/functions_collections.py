"""The template language's functions on arrays and objects.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-array and …-object.
"""

from __future__ import annotations

from collections.abc import Mapping

from agwtwisted.core.arm.function_table import ArmFunction, FunctionTable, UnknownArguments
from agwtwisted.core.arm.functions_numbers import equal
from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.arm.values import (
    ArmValue,
    EvaluationError,
    array,
    as_json,
    as_text,
    bounded,
    first_unknown,
    integer,
    kind_of,
    member_name,
    members,
    object_of,
    text,
)

_LONGEST_RANGE = 10_000
"""Items: the product's own limit."""


def create_array(*values: ArmValue) -> ArmValue:
    """The arguments as an array."""
    return values


def create_object(*values: ArmValue) -> ArmValue:
    """An object of names and values in turn."""
    if len(values) % 2:
        raise EvaluationError("needs a value for each name")
    if unknown := first_unknown(values[::2], deep=False):
        return unknown
    return object_of(zip([text(name) for name in values[::2]], values[1::2], strict=True))


def to_array(value: ArmValue) -> ArmValue:
    """An array as it is; anything else as an array of one item."""
    return value if isinstance(value, tuple) else (value,)


def union(*values: ArmValue) -> ArmValue:
    """All items once, or all members: of those with one name the last, objects within objects alike."""
    if isinstance(values[0], tuple):
        return _distinct(*map(array, values))
    merged = members(values[0])
    for value in values[1:]:
        merged = _merged(merged, members(value), deep=True)
    return merged


def shallow_merge(values: ArmValue) -> ArmValue:
    """One object of an array of them: of members with one name the last."""
    merged: Mapping[str, ArmValue] = {}
    for value in array(values):
        if isinstance(value, UnknownValue):
            return value
        merged = _merged(merged, members(value), deep=False)
    return merged


def intersection(*values: ArmValue) -> ArmValue:
    """The items, or the members, that all have."""
    if isinstance(values[0], tuple):
        others = [{_identity(item) for item in array(value)} for value in values[1:]]
        return tuple([item for item in _distinct(values[0]) if all(_identity(item) in other for other in others)])
    found = dict(members(values[0]))
    for value in values[1:]:
        other = members(value)
        found = {name: each for name, each in found.items() if name in other and equal(each, other[name])}
    return found


def contains(whole: ArmValue, wanted: ArmValue) -> ArmValue:
    """Whether an array has an item, an object a member (without case), or a text a part."""
    if isinstance(whole, UnknownValue) or isinstance(wanted, UnknownValue):
        return whole if isinstance(whole, UnknownValue) else wanted
    if isinstance(whole, str):
        return as_text(wanted) in whole
    if isinstance(whole, Mapping):
        return member_name(whole, as_text(wanted)) is not None
    if any(equal(each, wanted) for each in array(whole)):
        return True
    return first_unknown(array(whole), deep=True) or False


def empty(value: ArmValue) -> ArmValue:
    """Whether a text, an array or an object has nothing in it; null has nothing."""
    if value is None:
        return True
    if isinstance(value, (str, tuple, Mapping)):
        return not value
    raise EvaluationError(f"needs a text, an array or an object, not {kind_of(value)}")


def length(value: ArmValue) -> ArmValue:
    """How many characters, items or members a value has."""
    if isinstance(value, (str, tuple, Mapping)):
        return len(value)
    raise EvaluationError(f"needs a text, an array or an object, not {kind_of(value)}")


def first(value: ArmValue) -> ArmValue:
    """The first item of an array; the first character of a text."""
    return _end(value, 0)


def last(value: ArmValue) -> ArmValue:
    """The last item of an array; the last character of a text."""
    return _end(value, -1)


def index_from_end(value: ArmValue, index: ArmValue) -> ArmValue:
    """An item counted from the end, which is number 1: `items[^1]` of Bicep."""
    listed, number = array(value), integer(index)
    if not 1 <= number <= len(listed):
        raise EvaluationError(f"has no item {number} from the end: there are {len(listed)}")
    return listed[-number]


def try_index_from_end(value: ArmValue, index: ArmValue) -> ArmValue:
    """The same, and null where there is no such item."""
    return index_from_end(value, index) if value is not None and 1 <= integer(index) <= len(array(value)) else None


def skip(value: ArmValue, count: ArmValue) -> ArmValue:
    """What is behind so many items, or characters."""
    return _sequence(value)[max(0, integer(count)) :]


def take(value: ArmValue, count: ArmValue) -> ArmValue:
    """The first items, or characters, at most so many."""
    return _sequence(value)[: max(0, integer(count))]


def number_range(start: ArmValue, count: ArmValue) -> ArmValue:
    """So many integers from one on."""
    if not 0 <= integer(count) <= _LONGEST_RANGE:
        raise EvaluationError(f"makes up to {_LONGEST_RANGE} integers")
    return tuple(range(integer(start), integer(start) + integer(count)))


def flatten(values: ArmValue) -> ArmValue:
    """The items of the arrays in an array."""
    listed = array(values)
    if unknown := first_unknown(listed, deep=False):
        return unknown
    bounded(sum(len(array(each)) for each in listed))
    return tuple([item for each in listed for item in array(each)])


def items(value: ArmValue) -> ArmValue:
    """The members of an object as objects of key and value, in the order of the keys."""
    pairs = members(value)
    return tuple([{"key": name, "value": pairs[name]} for name in sorted(pairs, key=str.lower)])


def object_keys(value: ArmValue) -> ArmValue:
    """The names of an object's members, in order."""
    return tuple(sorted(members(value), key=str.lower))


def coalesce(*values: ArmValue) -> ArmValue:
    """The first value that is not null; unknown where one before it may be that."""
    return next((value for value in values if value is not None), None)


def _distinct(*arrays: tuple[ArmValue, ...]) -> tuple[ArmValue, ...]:
    found: dict[str, ArmValue] = {}
    for each in arrays:
        for item in each:
            found.setdefault(_identity(item), item)
    return tuple(found.values())


def _identity(value: ArmValue) -> str:
    """A text that two values share where they are equal; something unknown equals only itself."""
    if isinstance(value, UnknownValue) or first_unknown([value], deep=True):
        return f"unknown {id(value)}"
    return f"{kind_of(value)} {as_json(value)}"


def _merged(first_one: Mapping[str, ArmValue], second: Mapping[str, ArmValue], *, deep: bool) -> Mapping[str, ArmValue]:
    merged = dict(first_one)
    spelled = {name.lower(): name for name in first_one}
    for name, value in second.items():
        known = spelled.setdefault(name.lower(), name)
        before = merged.get(known)
        if deep and isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[known] = _merged(before, value, deep=True)
        else:
            merged[known] = value
    return merged


def _sequence(value: ArmValue) -> str | tuple[ArmValue, ...]:
    if isinstance(value, (str, tuple)):
        return value
    raise EvaluationError(f"needs a text or an array, not {kind_of(value)}")


def _end(value: ArmValue, at: int) -> ArmValue:
    sequence = _sequence(value)
    if not sequence:
        return "" if isinstance(sequence, str) else None
    return sequence[at]


COLLECTION_FUNCTIONS: FunctionTable = {
    "array": ArmFunction(to_array, 1, 1),
    "coalesce": ArmFunction(coalesce, 1, None, UnknownArguments.TAKEN, selects=True),
    "contains": ArmFunction(contains, 2, 2, UnknownArguments.TAKEN),
    "createarray": ArmFunction(create_array, 0, None, UnknownArguments.TAKEN),
    "createobject": ArmFunction(create_object, 0, None, UnknownArguments.TAKEN),
    "empty": ArmFunction(empty, 1, 1),
    "first": ArmFunction(first, 1, 1, selects=True),
    "flatten": ArmFunction(flatten, 1, 1),
    "indexfromend": ArmFunction(index_from_end, 2, 2, selects=True),
    "intersection": ArmFunction(intersection, 1, None, UnknownArguments.ANYWHERE),
    "items": ArmFunction(items, 1, 1),
    "last": ArmFunction(last, 1, 1, selects=True),
    "length": ArmFunction(length, 1, 1),
    "objectkeys": ArmFunction(object_keys, 1, 1),
    "range": ArmFunction(number_range, 2, 2),
    "shallowmerge": ArmFunction(shallow_merge, 1, 1),
    "skip": ArmFunction(skip, 2, 2),
    "take": ArmFunction(take, 2, 2),
    "tryindexfromend": ArmFunction(try_index_from_end, 2, 2, selects=True),
    "union": ArmFunction(union, 1, None),
}
"""By their names in lower case."""
