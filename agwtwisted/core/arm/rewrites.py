"""Rewrite rule sets of a gateway, as sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agwtwisted.core.arm.members import ObjectMembers
from agwtwisted.core.arm.properties import Collection
from agwtwisted.core.arm.reading import ChildResource, Reading, entry, named_children, plain_values, section
from agwtwisted.core.arm.routing_properties import (
    CONDITIONS,
    REQUEST_HEADER_CONFIGURATIONS,
    RESPONSE_HEADER_CONFIGURATIONS,
    REWRITE_RULE_SETS,
    REWRITE_RULES,
)
from agwtwisted.core.base.errors import shown
from agwtwisted.core.sections.ini import Entry, Section

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
"""A token (RFC 9110 section 5.6.2)."""
_NUMBERED: Final = re.compile(r"\.[0-9]+$")
"""A name that reads as that of a further action, unless it has a number of its own."""
_OUTER_BLANKS: Final = re.compile(r"^[ \t]+|[ \t]+$")
_MATCHER: Final = "headerValueMatcher"


def rewrite_sections(reading: Reading) -> Iterator[Section]:
    """The sections of all sets, each with its rules behind it."""
    for child in reading.of(REWRITE_RULE_SETS):
        yield section(child, ())
        for rule in named_children(reading, child.members, "rewriteRules", REWRITE_RULES, child.name):
            yield section(rule, list(_rule(reading, rule)))


def _rule(reading: Reading, rule: ChildResource) -> Iterator[Entry]:
    yield from reading.entries(rule, within="ruleSequence")
    for number, condition in enumerate(plain_values(reading, rule.members, "conditions", CONDITIONS), start=1):
        variable = condition.text("variable")
        if not variable:
            reading.findings.error(condition.node.place, "a condition has no variable", section=rule.title)
            continue
        yield entry(f"condition.{number}", f"{variable} {_test(condition)}", condition.node.place)
    for collection in (REQUEST_HEADER_CONFIGURATIONS, RESPONSE_HEADER_CONFIGURATIONS):
        yield from _header_actions(reading, rule, collection)
    yield from reading.entries(rule, within="actionSet.urlConfiguration.")


def _test(members: ObjectMembers, beginning: str = "") -> str:
    """Operator and operand: in ARM the pattern is always a regular expression, and may be absent."""
    negated = "!" if members.is_true(f"{beginning}negate") else ""
    pattern = members.values.get(f"{beginning}pattern")
    if pattern is None:
        return f"{negated}exists"
    case = "*" if members.is_true(f"{beginning}ignoreCase") else ""
    return f"{negated}~{case} {_OUTER_BLANKS.sub(_escaped_blanks, str(pattern.value))}"


def _escaped_blanks(blanks: re.Match[str]) -> str:
    """Blanks at the ends of a pattern, where a line of a file cannot have them."""
    return "".join("\\x20" if each == " " else "\\x09" for each in blanks[0])


def _header_actions(reading: Reading, rule: ChildResource, collection: Collection) -> Iterator[Entry]:
    """The actions on headers; a further one on the same header has a number in its key."""
    family = collection.properties[0].key
    counts: dict[str, int] = {}
    for action in plain_values(reading, rule.members, f"actionSet.{collection.name}", collection):
        name, place = action.text("headerName"), action.node.place
        if not _HEADER_NAME.fullmatch(name):
            message = f"{shown(name)} is no name of a header" if name else "an action on a header has no headerName"
            reading.findings.error(place, message, section=rule.title)
            continue
        count = counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
        number = f".{count}" if count > 1 or _NUMBERED.search(name) else ""
        yield entry(f"{family}.{name}{number}", action.text("headerValue"), place)
        if f"{_MATCHER}.pattern" not in action:
            continue
        if collection is REQUEST_HEADER_CONFIGURATIONS:
            message = f"{_MATCHER} is not supported for request headers"
            reading.findings.error(place, message, section=rule.title, key=f"{family}.{name}")
        else:
            yield entry(f"{family}_matcher.{name}{number}", _test(action, f"{_MATCHER}."), place)
