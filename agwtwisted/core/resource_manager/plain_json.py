"""Bodies as plain JSON, with the bounds of every document; what only Azure would know is a text of its own."""

from __future__ import annotations

from collections.abc import Mapping

from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_json
from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.resource_manager.messages import JsonValue
from agwtwisted.core.resource_manager.service_errors import ServiceError, invalid_format


class UnknownText(str):
    """A value of a template that only a deployment in Azure would know, as its expression in brackets.

    It is kept where it has no meaning here, and refused elsewhere.
    """

    hint: str

    def __new__(cls, text: str, hint: str) -> UnknownText:
        made = super().__new__(cls, text)
        made.hint = hint
        return made


def plain(node: JsonNode) -> JsonValue:
    """A tree as plain JSON."""
    value = node.value
    if isinstance(value, UnknownValue):
        return UnknownText(f"[{value.expression}]", value.hint)
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return value


def object_in(body: bytes) -> dict[str, JsonValue] | ServiceError:
    """The JSON object of a body, or why there is none."""
    try:
        node = read_json(body, "body")
    except ConfigError as error:
        [problem] = error.problems
        place = f" Line {problem.place.line}." if problem.place.line else ""
        path = f" Path {problem.place.path}." if problem.place.path else ""
        message = f"The body {problem.message}.{place}{path}"
        return invalid_format(ServiceError(code="InvalidJson", message=message, target=problem.place.path))
    value = plain(node)
    if isinstance(value, dict):
        return value
    return invalid_format(ServiceError(code="InvalidJson", message="The body is not a JSON object."))
