"""Evaluates expressions and templates for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agwtwisted.core.arm.context import FoundResource, TemplateContext
from agwtwisted.core.arm.frames import ArmFrame
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_json
from agwtwisted.core.arm.scopes import root_scope
from agwtwisted.core.arm.templates import resources
from agwtwisted.core.arm.trees import evaluated
from agwtwisted.core.arm.values import ArmValue, plain
from agwtwisted.core.base.errors import ConfigError

GATEWAY = "Microsoft.Network/applicationGateways"


def node_of(document: object, file: str = "a.json") -> JsonNode:
    """A document as it is read."""
    return read_json(json.dumps(document).encode(), file)


def listed(value: ArmValue) -> object:
    """A value as the standard library would read it; what is unknown as it is."""
    if isinstance(value, tuple):
        return [listed(each) for each in value]
    return {name: listed(each) for name, each in value.items()} if isinstance(value, Mapping) else value


def evaluated_in(template: object, expression: str, context: TemplateContext | None = None) -> object:
    """The value of an expression, or of a whole document, in a template."""
    scope = root_scope(node_of(template), context or TemplateContext())
    return listed(plain(evaluated(node_of(expression, "e.json"), ArmFrame(names=scope))))


def value(expression: str, **variables: object) -> object:
    """The value of an expression without its brackets, in a template with these variables."""
    return evaluated_in({"variables": variables}, f"[{expression}]")


def unknown(expression: str, **variables: object) -> UnknownValue:
    """The unknown value of an expression."""
    found = value(expression, **variables)
    assert isinstance(found, UnknownValue), found
    return found


def refusal_of(expression: str, **variables: object) -> str:
    """Why the product would refuse an expression."""
    return unknown(expression, **variables).hint.removeprefix("the expression ")


def found_in(template: object, context: TemplateContext | None = None) -> tuple[FoundResource, ...]:
    """All resources of a template."""
    return resources(node_of(template), context or TemplateContext())


def stopped(template: object, context: TemplateContext | None = None) -> str:
    """The one problem for which the evaluation of a template is stopped."""
    try:
        found_in(template, context)
    except ConfigError as error:
        (only,) = error.problems
        return str(only).removeprefix("ERROR ")
    raise AssertionError("it was evaluated")
