"""From the text of a section's keys to values: one table for each kind of section, one converter for each key.

A converter takes the text and returns the value, or raises UnacceptableError with what is wrong about it; `read` turns
that into a Problem with the line, and goes on to the next key. Defaults stand in the resources themselves.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from itertools import chain, combinations
from typing import Any, TypeAlias, TypeVar

import attrs

from agwtwisted.core.base.errors import Place, Problem, Severity, UnacceptableError, shown
from agwtwisted.core.base.limits import Range
from agwtwisted.core.base.texts import did_you_mean, one_line
from agwtwisted.core.sections import hints
from agwtwisted.core.sections.ini import Entry, Section

T = TypeVar("T")
Convert: TypeAlias = Callable[[str], T]

_LIST_DELIMITERS = re.compile(r"[,\n]")
_WHOLE = re.compile(r"[0-9]{1,18}")
_ORDINAL = re.compile(r"0|[1-9][0-9]{0,8}")
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")
_BOOLEANS = {"enabled": True, "true": True, "yes": True, "on": True} | {
    "disabled": False,
    "false": False,
    "no": False,
    "off": False,
}


class Empty(Enum):
    """What ``key =`` means."""

    UNSET = "as if the key were not there"
    CONVERTED = "a value like others"
    REFUSED = "an error: the key must have an effect"


@attrs.frozen
class Key:
    """How one key is read, and what it means: a sentence for the reference page."""

    convert: Convert[Any]
    meaning: str
    empty: Empty = attrs.field(default=Empty.UNSET, kw_only=True)
    required: bool = attrs.field(default=False, kw_only=True)
    literal: bool = attrs.field(default=False, kw_only=True)  # ``;`` after white space is text, and no comment


@attrs.frozen(kw_only=True)
class Family:
    """Keys that share their beginning, ``condition.1`` and ``condition.2``: as many as a section likes to have."""

    key: Key
    suffix: Convert[Any]  # what follows the dot, by which the members are distinguished
    placeholder: str  # how that is called: N, NAME


@attrs.frozen(kw_only=True)
class Kind:
    """One kind of section: the resource it describes, its keys, and whether it bears a name."""

    name: str
    meaning: str  # a sentence for the reference page
    resource: type[attrs.AttrsInstance]
    keys: Mapping[str, Key]
    families: Mapping[str, Family] = attrs.Factory(dict)
    named: bool = True
    check: Callable[[Row], Iterator[Problem]] = lambda row: iter(())  # what must fit together within one section

    def default(self, key: str) -> Any:
        """What the resource takes where the key is absent; None where it has nothing of that name."""
        return _defaults(self.resource).get(key)

    def key(self, name: str) -> Key | None:
        """How a key is read, a member of a family too; None where there is none of that name.

        Raises:
            UnacceptableError: the family knows no such member.
        """
        beginning, dot, suffix = name.partition(".")
        family = self.families.get(beginning) if dot else None
        if family is None:
            return self.keys.get(name)
        try:
            family.suffix(suffix)
        except UnacceptableError as error:
            raise UnacceptableError(f"{shown(name)}: {error.message}", error.code) from error
        return family.key

    def is_literal(self, name: str) -> bool:
        """Whether a value goes on to the end of the line, whatever semicolons it has."""
        try:
            key = self.key(name)
        except UnacceptableError:
            return False
        return key is not None and key.literal

    def spellings(self, name: str) -> Iterator[str]:
        """Every key that a section may have, for comparison with a wrong one: members of families end as that does."""
        _, _, suffix = name.partition(".")
        yield from self.keys
        for beginning, family in self.families.items():
            yield f"{beginning}.{suffix or family.placeholder}"


@cache
def _defaults(resource: type[attrs.AttrsInstance]) -> Mapping[str, Any]:
    """The fields of a resource with their defaults, None for those without one; asked for with every look at a key."""
    fields = attrs.fields(resource)
    return {each.name: None if each.default is attrs.NOTHING else each.default for each in fields}


@attrs.frozen(kw_only=True)
class SectionReference:
    """The name of another section, as a key gives it."""

    kind: str
    name: str = attrs.field(eq=str.lower)  # as it is compared


@attrs.frozen(kw_only=True, eq=False)
class Row:
    """A section with its values; `refused` are the keys whose value is missing or was not accepted, which is reported
    already.
    """

    section: Section
    kind: Kind
    values: Mapping[str, Any]
    refused: frozenset[str]
    index: int = 0  # among the sections of the configuration, by which they are in order

    @property
    def name(self) -> str:
        return self.section.name

    def get(self, key: str) -> Any:
        """The key's value, the resource's default where it is absent or refused."""
        return self.values.get(key, self.kind.default(key))

    def unset(self, key: str) -> bool:
        """Whether a key is absent, rather than given a value that was refused."""
        return key not in self.values and key not in self.refused

    def family(self, beginning: str) -> dict[Any, Any]:
        """The values of a family's keys by what follows the dot: numbers in their order, names in that of the file."""
        suffix = self.kind.families[beginning].suffix
        members = {suffix(key.partition(".")[2]): key for key in self.values if key.startswith(f"{beginning}.")}
        ordered = sorted(members) if all(isinstance(each, int) for each in members) else members
        return {each: self.values[members[each]] for each in ordered}

    def fields(self) -> dict[str, Any]:
        """The values that are fields of the resource, as they stand here: references are names."""
        names = _defaults(self.kind.resource)
        return {key: value for key, value in self.values.items() if key in names}

    def place(self, key: str = "") -> Place:
        """Where the key stands, or else the section."""
        return next((entry.place for entry in self.section.entries if entry.key == key), self.section.place)

    def file_at(self, key: str) -> str:
        """The file that a key names: its path is relative to the directory of the file in which the key stands."""
        return beside(self.place(key).file, self.values[key])

    def problem(self, message: str, *, key: str = "", code: str = "") -> Problem:
        """An error about this section, at the key's place if a key is named."""
        return Problem(place=self.place(key), section=self.section.title, key=key, message=message, code=code)

    def warning(self, message: str, *, key: str = "", name: str = "") -> Problem:
        """The same for what is legal but unwise; `name` as in `Problem`."""
        return attrs.evolve(self.problem(message, key=key), severity=Severity.WARNING, name=name)

    def note(self, message: str, *, key: str = "") -> Problem:
        """The same for what has no effect, and protected nothing."""
        return attrs.evolve(self.problem(message, key=key), severity=Severity.NOTE)


def equal_pairs(rows: Iterable[Row], *keys: str) -> Iterator[tuple[Row, Row]]:
    """Each two rows whose values of these keys are the same, in the order of the file."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(map(row.get, keys)), []).append(row)
    return chain.from_iterable(combinations(group, 2) for group in groups.values())


def in_file_order(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows of any kinds as their sections follow each other."""
    return tuple(sorted(rows, key=lambda row: row.index))


def beside(file: str, path: str) -> str:
    """A path relative to the directory of a file."""
    return posixpath.join(posixpath.dirname(file), path)


def read(section: Section, kind: Kind, index: int = 0) -> tuple[Row, list[Problem]]:
    """The values of a section's keys, and every problem about them, alone and together; `index` as a `Row` has it."""
    values: dict[str, Any] = {}
    wrong: dict[str, tuple[str, str]] = {}  # message and code: the exceptions would hold, with this frame, themselves
    for entry in section.entries:
        try:
            values |= _value(entry, kind, section.kind)
        except UnacceptableError as error:
            wrong[entry.key] = error.message, error.code
    lost = {key for key in section.refused if key not in values}
    missing = [key for key, how in kind.keys.items() if how.required and key not in {*values, *wrong, *lost}]
    refused = {key for key in wrong if key in kind.keys or key.partition(".")[0] in kind.families}
    row = Row(section=section, kind=kind, values=values, refused=frozenset([*refused, *lost, *missing]), index=index)
    problems = [row.problem(message, key=key, code=code) for key, (message, code) in wrong.items()]
    problems += [row.problem(f"{key} is missing") for key in missing]
    problems += _semicolons(row)
    problems += [
        row.warning(f"{entry.key} is {shown(entry.value)}: {hint}", key=entry.key)
        for entry in section.entries
        if entry.key in values and not kind.is_literal(entry.key) and (hint := hints.of_value(entry.value))
    ]
    problems += kind.check(row)
    return row, problems


def _semicolons(row: Row) -> Iterator[Problem]:
    """Values that hold what would be a comment behind those of other keys."""
    for entry in row.section.entries:
        if entry.uncut != entry.value and entry.value and row.kind.is_literal(entry.key):
            rest = entry.uncut.removeprefix(entry.value).lstrip(" \t")
            yield row.warning(
                f"{entry.key} goes on to the end of the line: {shown(rest)} is part of the value. A comment needs a"
                " line of its own; write \\; for a literal semicolon",
                key=entry.key,
            )


def _value(entry: Entry, kind: Kind, name: str) -> dict[str, Any]:
    """The key with its value, in a section of the kind of that name; nothing where it is unset."""
    key = entry.key
    how = kind.key(key)
    if how is None:
        hint = _hinted(hints.of_key(name, key)) or did_you_mean(key, kind.spellings(key))
        raise UnacceptableError(f"unknown key {shown(key)}{hint}")
    text = entry.uncut if how.literal else entry.value
    if how.literal and text and not entry.value:
        raise UnacceptableError(
            f"{key} begins with ;, which does not begin a comment here: a comment needs a line of its own; write \\;"
            " for a literal semicolon"
        )
    if not text and how.empty is Empty.UNSET:
        return {}
    if not text and how.empty is Empty.REFUSED:
        raise UnacceptableError(f"{key} is empty: set a value, or remove the key")
    try:
        return {key: how.convert(text)}
    except UnacceptableError as error:
        hint = "" if how.literal or how.convert is path else _hinted(hints.of_value(text))
        raise UnacceptableError(f"{key} {error.message}{hint}", error.code) from error


def _hinted(hint: str) -> str:
    return f"; {hint}" if hint else ""


def path(text: str) -> str:
    """The path of a file or a directory, as it stands: neither a shell nor quotes are around it."""
    hint = hints.of_path(one_line(text))
    if hint in (hints.QUOTES, hints.NOT_EXPANDED):
        raise UnacceptableError(f"is {shown(text)}, but {hint}")
    return text


def boolean(text: str) -> bool:
    """Enabled/Disabled, true/false, yes/no, on/off, without case."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise UnacceptableError(f"is {shown(text)}, but must be true or false (Enabled, yes, on; Disabled, no, off)")
    return value


def whole(limits: Range) -> Convert[int]:
    """A whole number in range."""

    def convert(text: str) -> int:
        if not _WHOLE.fullmatch(text) or int(text) not in limits:
            raise UnacceptableError(f"is {shown(text)}, but must be a whole number from {limits}", limits.code)
        return int(text)

    return convert


def whole_or(limits: Range, word: str) -> Convert[int | str]:
    """A whole number in range, or a word that stands for one."""

    def convert(text: str) -> int | str:
        try:
            return text if text == word else whole(limits)(text)
        except UnacceptableError as error:
            raise UnacceptableError(f"{error.message}, or {word}") from error

    return convert


def numbered(key: Key) -> Family:
    """Keys that end in a number, by which they are in order: ``condition.1``, ``condition.2``."""
    return Family(key=key, suffix=_number, placeholder="N")


def _number(text: str) -> int:
    if not _ORDINAL.fullmatch(text):
        raise UnacceptableError("the part after the dot must be a whole number, without leading zeros")
    return int(text)


def seconds(limits: Range) -> Convert[float]:
    """A duration, decimals allowed."""

    def convert(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or float(text) not in limits:
            raise UnacceptableError(f"is {shown(text)}, but must be a number of seconds from {limits}", limits.code)
        return float(text)

    return convert


def choice(*members: Enum, later: tuple[str, ...] = ()) -> Convert[Any]:
    """One of the members by its value, in the product's spelling; `later` are values that later versions take."""
    by_value = {str(member.value): member for member in members}

    def convert(text: str) -> Enum:
        if text in later:
            raise UnacceptableError(f"= {text} is not supported by this version")
        if text not in by_value:
            hint = did_you_mean(text, by_value)
            raise UnacceptableError(f"is {shown(text)}, but must be {' or '.join(by_value)}{hint}")
        return by_value[text]

    return convert


def only(value: str) -> Convert[str]:
    """The value that changes nothing, of a key that later versions carry."""

    def convert(text: str) -> str:
        if text == value:
            return text
        raise UnacceptableError(f"= {shown(text)} is not supported by this version")

    return convert


def pieces(text: str) -> list[str]:
    """The values of a list, between commas or newlines."""
    return [stripped for piece in _LIST_DELIMITERS.split(text) if (stripped := piece.strip(" \t"))]


def listed(convert: Convert[T], most: Range) -> Convert[tuple[T, ...]]:
    """Several values between commas or newlines, each once."""

    def convert_all(text: str) -> tuple[T, ...]:
        found = pieces(text)
        values = tuple(convert(piece) for piece in found)
        if len(values) not in most:
            raise UnacceptableError(f"has {len(values)} values, but must have {most}", most.code)
        for index, value in enumerate(values):
            if value in values[:index]:
                raise UnacceptableError(f"names {shown(found[index])} twice")
        return values

    return convert_all


def reference(kind: str) -> Convert[SectionReference]:
    """The name of a section of another kind."""

    def convert(text: str) -> SectionReference:
        return SectionReference(kind=kind, name=one_line(text))

    return convert
