"""Templates: from their resources, with those of nested deployments, to found resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from agwtwisted.core.arm.context import DEPLOYMENT_TYPE, FoundResource, TemplateContext
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue

_HINT = "expressions of templates are not evaluated"


def is_template(node: JsonNode) -> bool:
    """Whether a document is a template: it says so, or has resources."""
    schema = node.member("$schema").value
    resources = node.member("resources").value
    says_so = isinstance(schema, str) and "deploymenttemplate" in schema.lower()
    return says_so or isinstance(resources, (tuple, Mapping))


def resources(template: JsonNode, context: TemplateContext) -> tuple[FoundResource, ...]:
    """All resources of a template, each with those within it behind it: child resources, nested deployments."""
    return tuple(_found(template))


def text_of(node: JsonNode) -> str:
    """A text; empty where the value is another one, or unknown."""
    return node.value if isinstance(node.value, str) else ""


def without_expressions(node: JsonNode) -> JsonNode:
    """A tree in which each text that is an expression is unknown."""
    value = node.value
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return attrs.evolve(node, value=UnknownValue(expression=value[1:-1], hint=_HINT))
    if isinstance(value, tuple):
        return attrs.evolve(node, value=tuple(map(without_expressions, value)))
    if isinstance(value, Mapping):
        return attrs.evolve(node, value={name: without_expressions(member) for name, member in value.items()})
    return node


def _found(template: JsonNode) -> Iterator[FoundResource]:
    for node in _listed(template):
        body = without_expressions(node)
        resource = FoundResource(
            type=text_of(body.member("type")),
            name=text_of(body.member("name")),
            api_version=text_of(body.member("apiVersion")),
            body=body,
            place=node.place,
        )
        yield resource
        if resource.type.lower() == DEPLOYMENT_TYPE.lower():
            yield from _found(node.member("properties").member("template"))


def _listed(template: JsonNode) -> tuple[JsonNode, ...]:
    listed = template.member("resources")
    return listed.items() or tuple(listed.members().values())
