"""A gateway as it is answered: what was sent, with ids, types, etags, states and who refers to what.

Source: answers of the product's API; what it adds to them is in no model of its clients, which ignore it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from agwtwisted.core.arm.table import BACK_REFERENCES
from agwtwisted.core.resource_manager.children import TOP_LEVEL, WITHIN, all_children, references_of
from agwtwisted.core.resource_manager.gateway_bodies import children, properties_of
from agwtwisted.core.resource_manager.ids import gateway_child
from agwtwisted.core.resource_manager.messages import JsonObject, JsonValue, Stored
from agwtwisted.core.tls.policies import DEFAULT

TYPE: Final = "Microsoft.Network/applicationGateways"

_DEFAULTS: Final[Mapping[str, Mapping[str, JsonValue]]] = {
    "backendAddressPools": {"backendAddresses": []},
    "backendHttpSettingsCollection": {
        "cookieBasedAffinity": "Disabled",
        "connectionDraining": {"enabled": False, "drainTimeoutInSec": 1},
        "pickHostNameFromBackendAddress": False,
        "requestTimeout": 20,
    },
    "frontendIPConfigurations": {"privateIPAllocationMethod": "Dynamic"},
    "httpListeners": {"hostNames": [], "requireServerNameIndication": False},
    "requestRoutingRules": {"ruleType": "Basic"},
}
"""What the service says of a child that did not say it itself."""

_SHOWN_AS: Final[Mapping[str, str]] = {
    "backendHttpSettingsCollection": "backendHttpSettings",
    "backendSettingsCollection": "backendSettings",
}
"""The collections that are called otherwise where their members are named as those who refer to a child."""


def shown_gateway(stored: Stored, *, running: bool) -> dict[str, JsonValue]:
    """The whole resource."""
    members = {name: value for name, value in stored.body.items() if name not in ("properties", "apiVersion")}
    return {
        "name": stored.id.rsplit("/", 1)[1],
        "id": stored.id,
        "etag": stored.etag,
        "type": TYPE,
        **members,
        "properties": _properties(stored, running=running),
    }


def shown_children(stored: Stored, path: Sequence[str]) -> JsonValue:
    """A child, or a list of children, by its path of collections and names; None: there is none.

    A list is an object with the member `value`.
    """
    value: JsonValue = _properties(stored, running=True)
    for index, part in enumerate(path):
        value = _member(value, part) if index % 2 == 0 else _named(value, part)
    return {"value": value} if isinstance(value, list) else value


def _member(value: JsonValue, name: str) -> JsonValue:
    held = properties_of(value) if isinstance(value, dict) and "properties" in value else value
    if not isinstance(held, dict):
        return None
    found = next((each for key, each in held.items() if key.lower() == name.lower()), None)
    return found if isinstance(found, list) else None


def _named(value: JsonValue, name: str) -> JsonValue:
    members = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return next((each for each in members if str(each.get("name", "")).lower() == name.lower() and "id" in each), None)


def _properties(stored: Stored, *, running: bool) -> dict[str, JsonValue]:
    properties = stored.body.get("properties")
    held = properties if isinstance(properties, dict) else {}
    showing = _Showing(stored, held)
    lists: dict[str, JsonValue] = {name: showing.children(held, name, ()) for name in TOP_LEVEL}
    made: dict[str, JsonValue] = {
        "provisioningState": "Succeeded",
        "operationalState": "Running" if running else "Stopped",
        "defaultPredefinedSslPolicy": DEFAULT,
        "privateEndpointConnections": [],
    }
    return {**made, **held, **lists}


class _Showing:
    """One gateway while it is written: its names, and who refers to what."""

    def __init__(self, stored: Stored, properties: JsonObject) -> None:
        self._stored = stored
        found = tuple(all_children(properties))
        self._spellings = {child.key: child.path for child in found}
        self._referring: dict[tuple[str, ...], dict[str, list[JsonValue]]] = {}
        for child in found:
            for reference in references_of(child):
                self._note(reference.key, child.collection, self._id(child.path))

    def _note(self, key: tuple[str, ...], collection: str, identity: str) -> None:
        name = _SHOWN_AS.get(collection, collection)
        others = self._referring.setdefault(key, {}).setdefault(name, [])
        if name in BACK_REFERENCES and {"id": identity} not in others:
            others.append({"id": identity})

    def _id(self, path: Sequence[str]) -> str:
        return "/".join((self._stored.id, *path))

    def children(self, held: JsonObject, collection: str, above: tuple[str, ...]) -> list[JsonValue]:
        """The children in one collection."""
        return [self._child(each, (*above, collection, str(each["name"]))) for each in children(held, collection)]

    def _child(self, body: JsonObject, path: tuple[str, ...]) -> dict[str, JsonValue]:
        collection = path[-2]
        own = properties_of(body)
        inner = WITHIN.get(collection)
        nested = {} if inner is None else {inner: self.children(own, inner, path)}
        said = {name: self._value(each) for name, each in own.items() if name != inner}
        key = tuple(part.lower() for part in path)
        properties: dict[str, JsonValue] = {
            "provisioningState": "Succeeded",
            **_defaults(collection, said),
            **said,
            **nested,
            **{name: list(each) for name, each in self._referring.get(key, {}).items() if each},
        }
        return {
            "name": path[-1],
            "id": self._id(path),
            "etag": self._stored.etag,
            "type": "/".join((TYPE, *path[::2])),
            "properties": properties,
        }

    def _value(self, value: JsonValue) -> JsonValue:
        """A value in which references to children are written as their ids."""
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if not isinstance(value, dict):
            return value
        identity = value.get("id")
        if isinstance(identity, str):
            path = self._spellings.get(tuple(part.lower() for part in gateway_child(identity)))
            return {**value, "id": self._id(path)} if path else value
        return {name: self._value(each) for name, each in value.items()}


def _defaults(collection: str, said: JsonObject) -> JsonObject:
    return {name: value for name, value in _DEFAULTS.get(collection, {}).items() if name not in said}
