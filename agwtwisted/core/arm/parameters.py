"""Values of a template's parameters, as files, requests and nested deployments have them.

https://learn.microsoft.com/azure/azure-resource-manager/templates/parameter-files.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_json, refusal


def read_parameters(data: bytes, file: str) -> Mapping[str, JsonNode]:
    """The values of a file of parameters, by name; one in a key vault is unknown.

    Raises:
        ConfigError: the file is no JSON, or holds something else.
    """
    node = read_json(data, file)
    inner = node.member("parameters")
    return parameters_of(inner if isinstance(inner.value, Mapping) else node)


def parameters_of(node: JsonNode) -> Mapping[str, JsonNode]:
    """The values in an object of objects with `value` or `reference`, by name.

    Raises:
        ConfigError: a member of the object has neither.
    """
    if node.value is not None and not isinstance(node.value, Mapping):
        raise refusal(node.place, 'expected an object of parameters: {"name": {"value": …}}')
    return {name: _value(name, each) for name, each in node.members().items() if not _is_left_out(name, each)}


def _is_left_out(name: str, node: JsonNode) -> bool:
    """Whether a parameter has no value: compilers write an empty object where a value may be left out."""
    return name.lower() == "$schema" or node.value == {}


def _value(name: str, node: JsonNode) -> JsonNode:
    names = {each.lower() for each in node.members()}
    if isinstance(node.value, UnknownValue):
        return node
    if "reference" in names:
        secret = node.member("reference").member("secretName").value
        hint = f"it is the secret {secret} of a key vault; give it by another --parameters FILE"
        return attrs.evolve(node, value=UnknownValue(expression=f"parameters('{name}')", hint=hint))
    if "value" not in names:
        raise refusal(node.place, 'expected an object with the value of a parameter: {"value": …}')
    return node.member("value")
