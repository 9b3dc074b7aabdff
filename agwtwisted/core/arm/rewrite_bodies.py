"""From a section ``[rewrite_rule SET/NAME]`` to the conditions and actions of a rewrite rule of the product.

The product has patterns alone: what is compared with a text becomes a pattern of this text and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.sections.rewrite_rules import Matcher, header_targets
from agwtwisted.core.sections.settings import Row

_HEADERS: Final = (
    ("request_header", "requestHeaderConfigurations"),
    ("response_header", "responseHeaderConfigurations"),
)


def rule(row: Row, made: Mapping[str, Any]) -> dict[str, Any]:
    """Sequence, conditions and actions.

    Args:
        row: the section.
        made: what is known already: the sequence and the URL.
    """
    conditions = [condition(each) for each in row.family("condition").values()]
    actions = {name: found for family, name in _HEADERS if (found := list(_actions(row, family)))}
    return {
        "ruleSequence": row.get("rule_sequence"),
        **({"conditions": conditions} if conditions else {}),
        "actionSet": {**actions, **_without_empty(made.get("actionSet", {}))},
    }


def _without_empty(actions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in actions.items() if each not in ("", {})}


def condition(each: Condition) -> dict[str, Any]:
    """One condition."""
    return {"variable": each.reference.written, **_pattern(each.operator, each.operand)}


def _pattern(operator: str, operand: str) -> dict[str, Any]:
    """Pattern, case and negation of an operator with what follows it; a value that only has to exist has no pattern."""
    negate = operator.startswith("!")
    test = operator.removeprefix("!").rstrip("*")
    ignore_case = operator.endswith("*")
    pattern = {} if test == "exists" else {"pattern": operand if test == "~" else f"^{re.escape(operand)}$"}
    return pattern | {"ignoreCase": ignore_case, "negate": negate}


def _actions(row: Row, family: str) -> Iterator[dict[str, Any]]:
    """The headers that are set or deleted, those without a value."""
    matched = f"{family}_matcher"
    targets = header_targets(row, matched) if matched in row.kind.families else []
    matchers = {(target.canonical, target.number): row.values[key] for key, target in targets}
    for key, target in header_targets(row, family):
        matcher = matchers.get((target.canonical, target.number))
        found = {"headerName": target.name.decode(), "headerValue": row.values[key]}
        yield found if matcher is None else found | {"headerValueMatcher": _matcher(matcher)}


def _matcher(matcher: Matcher) -> dict[str, Any]:
    operator, _, operand = matcher.text.partition(" ")
    return _pattern(operator, operand.strip())
