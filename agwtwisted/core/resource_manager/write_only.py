"""Members of neighbours that the service takes and never gives back: they are not kept, for nothing comes of them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from agwtwisted.core.resource_manager.messages import JsonObject, JsonValue

_SECRET: Final = frozenset(
    {
        "adminpassword",
        "authorizationkey",
        "password",
        "privatekey",
        "radiusserversecret",
        "sharedkey",
        "workspacekey",
    }
)
"""In small letters."""

_OF_KIND: Final[Mapping[str, frozenset[str]]] = {"microsoft.keyvault/vaults/secrets": frozenset({"value"})}
"""Further ones, of one kind of resource."""


def without_secrets(kind: str, body: JsonObject) -> dict[str, JsonValue]:
    """The body of a neighbour without what is secret in its properties, however deep.

    Args:
        kind: that of the neighbour, with its namespace.
        body: as it was sent.
    """
    secret = _SECRET | _OF_KIND.get(kind.lower(), frozenset())
    return {name: _open(value, secret) if name.lower() == "properties" else value for name, value in body.items()}


def _open(value: JsonValue, secret: Set[str]) -> JsonValue:
    """Bodies are not nested so deep that this could not end: they were read with a bound."""
    if isinstance(value, list):
        return [_open(each, secret) for each in value]
    if isinstance(value, dict):
        shown = {name: each for name, each in value.items() if not (name.lower() in secret and isinstance(each, str))}
        return {name: _open(each, secret) for name, each in shown.items()}
    return value
