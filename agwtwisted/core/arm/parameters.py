"""Values of a template's parameters, as files, requests and nested deployments have them, and values as they are typed.

https://learn.microsoft.com/azure/azure-resource-manager/templates/parameter-files.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_json, refusal
from agwtwisted.core.base.errors import ConfigError, Place, UnacceptableError


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
    return {name: _value(name, each) for name, each in node.members().items() if name.lower() != "$schema"}


def _value(name: str, node: JsonNode) -> JsonNode:
    names = {each.lower() for each in node.members()}
    if isinstance(node.value, UnknownValue):
        return node
    if "reference" in names:
        secret = node.member("reference").member("secretName").value
        hint = f"it is the secret {secret} of a key vault; give it by --parameter {name}=VALUE"
        return attrs.evolve(node, value=UnknownValue(expression=f"parameters('{name}')", hint=hint))
    if "value" not in names:
        raise refusal(node.place, 'expected an object with the value of a parameter: {"value": …}')
    return node.member("value")


def typed_value(written: str) -> tuple[str, JsonNode]:
    """An expression and the value that is given for it, of `EXPRESSION=VALUE`: JSON where it looks like it, else text.

    Raises:
        UnacceptableError: there is no such `=`.
    """
    depth, quoted = 0, False
    for at, each in enumerate(written):
        quoted ^= each == "'"
        depth += 0 if quoted else (each in "([") - (each in ")]")
        if each == "=" and not quoted and depth <= 0 and at:
            return written[:at].strip(), _typed(written[at + 1 :])
    raise UnacceptableError("is not EXPRESSION=VALUE")


def typed_parameter(written: str) -> tuple[str, str]:
    """A parameter's name and its value as typed, of `NAME=VALUE`.

    Raises:
        UnacceptableError: there is no name, or no `=`.
    """
    name, equals, value = written.partition("=")
    if not equals or not name.strip():
        raise UnacceptableError("is not NAME=VALUE")
    return name.strip(), value


def _typed(written: str) -> JsonNode:
    place = Place(file="--value")
    if written.strip()[:1] in ("{", "["):
        try:
            return read_json(written.encode(), "--value")
        except ConfigError as error:
            raise UnacceptableError(f"has a value that is not JSON: {error.problems[0].message}") from None
    return JsonNode(value=written, place=place)
