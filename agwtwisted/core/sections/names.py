"""Names of sections: what they may be, and which of them are the same.

The product compares the names of resources without case, so `Devices` and `devices` are one. Each keeps the spelling of
its own section, whatever a reference to it says: `declared` and `resolved` write the references as the sections have
them, so that everything after them compares names as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import Place, Problem, shown
from agwtwisted.core.sections.ini import Document, Section
from agwtwisted.core.sections.settings import Row, SectionReference

PARENTS: Final[Mapping[str, str]] = {
    "path_rule": "url_path_map",
    "rewrite_rule": "rewrite_rule_set",
    "load_distribution_target": "load_distribution_policy",
    "custom_error": "http_listener",
}
"""Kinds whose names begin with that of a section of another kind: ``[path_rule MAP/NAME]``."""

WHOLE_GATEWAY: Final = "gateway"
"""In the name of a custom error, instead of a listener's."""

LONGEST_FREE_NAME: Final = 200

_RESOURCE_NAME: Final = re.compile(r"\w[\w.-]{0,79}", re.ASCII)
_RESOURCE_RULE: Final = (
    "a name has at most 80 letters (A-Z a-z), digits, dots, hyphens and _, and begins with a letter, a digit or _"
)
_FREE_RULE: Final = (
    f"a rule's name has at most {LONGEST_FREE_NAME} printable characters, and no space at its beginning and end"
)


def is_resource_name(name: str) -> bool:
    """Whether a resource may have this name. The product wants no dot and no hyphen at its end; documents have them."""
    return _RESOURCE_NAME.fullmatch(name) is not None


def name_problem(section: Section) -> Problem | None:
    """What is wrong with a name, if anything; error codes and rule of resources are those of the product.

    A rewrite rule is no resource, so its name is free text ("Set X-Forwarded-For").
    """
    own = section.name.partition("/")[2] if section.kind in PARENTS else section.name
    if section.kind == "rewrite_rule":
        return None if _is_free_name(own) else _problem(section, f"the name {shown(own)} is not allowed: {_FREE_RULE}")
    if section.kind == "custom_error" or not own or is_resource_name(own):
        return None
    return _problem(section, f"the name {shown(own)} is not allowed: {_RESOURCE_RULE}", "InvalidResourceName")


def _is_free_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_FREE_NAME and name.isprintable() and name == name.strip()


def duplicates(document: Document) -> Iterator[Problem]:
    """Sections whose names are the same to the product, where that is no problem of the document already."""
    reported = {problem.place for problem in document.problems}
    first: dict[tuple[str, str], Section] = {}
    for section in document.sections:
        earlier = first.setdefault(identity(section), section)
        if earlier is not section and section.place not in reported:
            same = "" if earlier.name == section.name else ": names are compared without case"
            message = f"is [{earlier.title}], too, at {_where(earlier.place)}{same}"
            yield _problem(section, message, "DuplicateResourceName")


def _where(place: Place) -> str:
    return f"line {place.line}" if place.line and not place.path else str(place)


def identity(section: Section) -> tuple[str, str]:
    """What makes a section a duplicate: names are compared without case, but for those of rules within a set."""
    if section.kind == "rewrite_rule":
        parent, slash, own = section.name.partition("/")
        return section.kind, f"{parent.lower()}{slash}{own}"
    return section.kind, section.name.lower()


def declared(document: Document) -> Document:
    """The same, with the first part of two-part names as the section that it names has it.

    A rewrite rule set may have no section of its own: then the first of its rules counts.
    """
    spellings = {
        parent: {each.name.lower(): each.name for each in reversed(document.sections) if each.kind == parent}
        for parent in PARENTS.values()
    }
    spellings["http_listener"][WHOLE_GATEWAY] = WHOLE_GATEWAY
    sections = tuple(
        _with_declared_parent(each, spellings[PARENTS[each.kind]]) if each.kind in PARENTS else each
        for each in document.sections
    )
    return attrs.evolve(document, sections=sections)


def _with_declared_parent(section: Section, spellings: dict[str, str]) -> Section:
    parent, slash, own = section.name.partition("/")
    name = parent.lower()
    spelling = spellings.setdefault(name, parent) if section.kind == "rewrite_rule" else spellings.get(name, parent)
    return section if spelling == parent else attrs.evolve(section, name=f"{spelling}{slash}{own}")


def resolved(rows: Mapping[str, Mapping[str, Row]]) -> dict[str, dict[str, Row]]:
    """Rows, by kind and name, whose references are spelled as the sections that they name."""
    spellings = {kind: {name.lower(): name for name in reversed(list(each))} for kind, each in rows.items()}
    for name in rows.get("rewrite_rule", ()):
        parent = name.partition("/")[0]
        spellings.setdefault("rewrite_rule_set", {}).setdefault(parent.lower(), parent)
    return {kind: {name: _with_resolved(row, spellings) for name, row in each.items()} for kind, each in rows.items()}


def _with_resolved(row: Row, spellings: Mapping[str, Mapping[str, str]]) -> Row:
    values = {key: _resolved(value, spellings) for key, value in row.values.items()}
    changed = any(value is not row.values[key] for key, value in values.items())
    return attrs.evolve(row, values=values) if changed else row


def _resolved(value: Any, spellings: Mapping[str, Mapping[str, str]]) -> Any:
    """A value, the same object where there is nothing to spell otherwise."""
    if isinstance(value, SectionReference):
        spelling = spellings.get(value.kind, {}).get(value.name.lower(), value.name)
        return value if spelling == value.name else attrs.evolve(value, name=spelling)
    if isinstance(value, tuple) and value and isinstance(value[0], SectionReference):
        found = tuple(_resolved(each, spellings) for each in value)
        return value if all(map(_is_same, found, value)) else found
    return value


def _is_same(one: object, other: object) -> bool:
    return one is other


def _problem(section: Section, message: str, code: str = "") -> Problem:
    return Problem(place=section.place, section=section.title, message=message, code=code)
