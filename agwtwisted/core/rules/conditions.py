"""Conditions of rewrite rules and of access: ``<variable> <operator> <rest of the line>``.

=============== ==================================================================
``== TEXT``     the value is the text; ``!= TEXT``: it is another
``~ PATTERN``   the pattern (RE2) is found in the value; ``!~ PATTERN``: it is not
``exists``      there is a value; ``!exists``: there is none
=============== ==================================================================

A variable with several values (those of single attributes of a certificate) is looked at value by value: a condition
holds where it holds for any of them, and one with ``!`` where it holds for all.

With ``*`` appended (``==*``, ``!~*``) case does not count. There are two states, as in nginx: a value, and none. A
header that is not there, one that is there and empty, and a variable without a value are all none, and to every
operator but ``exists`` none is the empty text. So ``!=`` and ``!~`` hold for what is not there: who admits clients by
what they are *not* admits those who say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.base.errors import UnacceptableError, shown
from agwtwisted.core.base.texts import did_you_mean, one_line
from agwtwisted.core.certificates.names import with_marked_values
from agwtwisted.core.rules.patterns import Groups, Pattern
from agwtwisted.core.rules.server_variables import Comparison
from agwtwisted.core.rules.templates import Captures
from agwtwisted.core.rules.variable_references import FromLookup, Lookup, VariableReference
from agwtwisted.core.rules.variable_values import speakable

Test: TypeAlias = Callable[[bytes], Groups | None]
"""What a value is put to: None where it fails, else what a pattern with groups took of it."""

_CONDITION: Final = re.compile(r"(\S+)[ \t]+(\S+)(?:[ \t]+(.*))?")
_OPERATORS: Final = ("==", "!=", "~", "!~")
_WORDS: Final = (*_OPERATORS, *(f"{each}*" for each in _OPERATORS), "exists", "!exists")
_HELD: Final[Groups] = ()


@attrs.frozen(kw_only=True, eq=False)
class Condition:
    """One condition."""

    text: str
    reference: VariableReference
    operator: str
    operand: str  # the text or pattern that follows it
    read: FromLookup = attrs.field(repr=False)  # the value as its test looks at it
    test: Test = attrs.field(repr=False)  # of one value
    groups: int = 0  # that its pattern captures
    of_all_rivals: bool = False  # whether it must hold for each value that a server may take instead
    is_simple: bool = attrs.field(init=False)  # one value is looked at

    @is_simple.default
    def _is_simple(self) -> bool:
        return self.reference.read_all is None and not (self.of_all_rivals and self.reference.read_rivals)

    @classmethod
    def of(cls, text: str) -> Condition:
        """Reads a condition.

        Raises:
            UnacceptableError: it is none, or its variable is unknown, or its pattern is refused.
        """
        match = _CONDITION.fullmatch(one_line(text))
        if match is None:
            raise UnacceptableError(f"is {shown(text)}, but must be a variable, an operator and an operand")
        try:
            reference = VariableReference.of(match[1])
        except UnacceptableError as error:
            raise UnacceptableError(f"at character 1: {error.message}") from error
        operator, operand = match[2], match[3] or ""
        if reference.comparison is Comparison.HOST_NAME and operator in _OPERATORS:
            operator += "*"
        test, groups = matcher(operator, operand, word_at=match.start(2), rest_at=max(match.start(3), 0))
        return cls(
            text=text,
            reference=reference,
            operator=operator,
            operand=operand,
            read=_reading(reference, operator, operand),
            test=test,
            groups=groups,
        )

    def captured(self, lookup: Lookup) -> Groups | None:
        """None where it does not hold; else the value and its groups, or nothing where there are no groups."""
        read_all, read_rivals = self.reference.read_all, self.reference.read_rivals
        if read_all is None:
            if self.of_all_rivals and read_rivals and None in map(self.test, read_rivals(lookup)):
                return None
            return self.test(self.read(lookup))
        remembered = lookup.context.client.remembered  # a certificate may have a thousand names
        if self not in remembered:
            remembered[self] = self._captured_of_any(read_all(lookup) or (b"",))
        found: Groups | None = remembered[self]
        return found

    def _captured_of_any(self, values: tuple[bytes, ...]) -> Groups | None:
        """The same of several values: what is captured is of the first for which it holds."""
        found = map(self.test, values)
        if self.operator.startswith("!"):
            return None if None in found else _HELD
        groups = next((each for each in found if each is not None), None)
        return groups and tuple(map(speakable, groups))


def _reading(reference: VariableReference, operator: str, operand: str) -> FromLookup:
    """How the value is read that a condition looks at.

    Patterns see a distinguished name in which no value can be taken for an attribute. One that has a backslash in it
    knows how such a name is escaped, and gets the escapes as they are.
    """
    read = reference.read
    if reference.comparison is not Comparison.DISTINGUISHED_NAME or operator.rstrip("*") not in ("~", "!~"):
        return read
    escapes = not _LITERAL_BACKSLASH.search(operand)
    place = f"{reference.written}, {'marked' if escapes else 'with its escapes'}"

    def read_marked(lookup: Lookup) -> bytes:
        remembered = lookup.context.client.remembered
        if place not in remembered:
            remembered[place] = with_marked_values(read(lookup), escapes=escapes)
        marked: bytes = remembered[place]
        return marked

    return read_marked


_LITERAL_BACKSLASH: Final = re.compile(r"\\\\|\\x5[cC]|\\x\{0*5[cC]\}|\\134|\\Q[^E]*\\")


def access_condition(text: str) -> Condition:
    """A condition by which clients are let in, decided before there is a response.

    One that excludes paths (``!=``, ``!~``) excludes them in every letter case: many servers take ``/ADMIN`` for
    ``/admin``. One on a cookie must hold for each cookie of that name: servers differ in which one they take.
    """
    condition = Condition.of(text)
    if condition.reference.of_response:
        raise UnacceptableError(f"at character 1: {condition.reference.written} is available in responses only")
    if condition.reference.of_path and condition.operator in ("!=", "!~"):
        return attrs.evolve(condition, test=_in_any_case(condition))
    return attrs.evolve(condition, of_all_rivals=True)


def _in_any_case(condition: Condition) -> Test:
    """The test of a condition that excludes a path, for the path in whatever case.

    A pattern with a class that may mean upper-case letters as such, ``[A-Z]``, keeps to case, and is tried on the path
    as it is and in lower case.
    """
    as_written = condition.test
    if condition.operator == "!~" and _MAY_MEAN_UPPER_CASE.search(condition.operand):
        return lambda value: None if as_written(value) is None else as_written(value.lower())
    return matcher(f"{condition.operator}*", condition.operand)[0]


_MAY_MEAN_UPPER_CASE: Final = re.compile(r"\[[^]]*[A-Z:]|\\[pPx]")


def captured(conditions: Iterable[Condition], lookup: Lookup) -> Captures | None:
    """What all of the conditions captured, where all of them hold; else None.

    Of two conditions with groups on one variable, the later one's count.
    """
    captures: dict[str, Groups] = {}
    for condition in conditions:
        groups = condition.test(condition.read(lookup)) if condition.is_simple else condition.captured(lookup)
        if groups is None:
            return None
        if groups:
            captures[condition.reference.written] = groups
    return captures


def hold(conditions: Iterable[Condition], lookup: Lookup) -> bool:
    """Whether all of the conditions hold: what `deny_unless` asks."""
    return captured(conditions, lookup) is not None


def matcher(operator: str, rest: str, *, word_at: int = 0, rest_at: int = 0) -> tuple[Test, int]:
    """The test that an operator and what follows it make, and how many groups it has.

    Raises:
        UnacceptableError: with places counted as in the whole value, where the two begin as given.
    """
    if operator in ("exists", "!exists"):
        if rest:
            raise UnacceptableError(f"at character {rest_at + 1}: {operator} must stand alone")
        return (_exists if operator == "exists" else _is_absent), 0
    if operator not in _WORDS:
        hint = did_you_mean(operator, _WORDS)
        known = " ".join(_WORDS)
        raise UnacceptableError(f"at character {word_at + 1}: there is no operator {shown(operator)}{hint} ({known})")
    if not rest:
        raise UnacceptableError(f"ends in {operator}: the operand is missing")
    ignore_case = operator.endswith("*")
    operator = operator.removesuffix("*")
    if operator in ("==", "!="):
        return _equality(rest.encode(), ignore_case=ignore_case, equal=operator == "=="), 0
    pattern = Pattern.of(rest, ignore_case=ignore_case, offset=rest_at)
    if operator == "!~":
        return (lambda value: _HELD if pattern.found(value) is None else None), 0
    if not pattern.groups:
        return (lambda value: None if pattern.found(value) is None else _HELD), 0
    return pattern.found, pattern.groups


def _exists(value: bytes) -> Groups | None:
    return _HELD if value else None


def _is_absent(value: bytes) -> Groups | None:
    return None if value else _HELD


def _equality(text: bytes, *, ignore_case: bool, equal: bool) -> Test:
    """Case is that of ASCII: bytes.lower() knows no other letters."""
    if ignore_case:
        lower = text.lower()
        return lambda value: _HELD if (value.lower() == lower) is equal else None
    return lambda value: _HELD if (value == text) is equal else None
