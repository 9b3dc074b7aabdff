"""The body of a PUT of a gateway, read by the table of ARM properties: canonical names, no answers of the service.

Everything that was sent stays, also what has no meaning here: clients compare what they get with what they sent. What
cannot be read is an error with the JSON path, as the service reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.arm.frames import with_key
from agwtwisted.core.arm.gateway_properties import GATEWAY, RESOURCE
from agwtwisted.core.arm.properties import Collection, Meaning, Property, Shape
from agwtwisted.core.arm.table import COLLECTIONS, member
from agwtwisted.core.resource_manager.ids import gateway_child
from agwtwisted.core.resource_manager.messages import JsonObject, JsonValue
from agwtwisted.core.resource_manager.plain_json import UnknownText
from agwtwisted.core.resource_manager.service_errors import ServiceError

OPAQUE_COLLECTIONS: Final[Mapping[str, Collection]] = {
    name: Collection(name=name, remark="Children that are not looked into.", properties=())
    for name in (
        "advancedRoutingConditionSets",
        "advancedRoutingMaps",
        "entraJWTValidationConfigs",
        "gatewayIPConfigurations",
        "privateLinkConfigurations",
    )
}
"""Lists of children of which the table says only what they mean as a whole."""

_Reader: TypeAlias = Callable[[JsonValue, str], JsonValue]

_TOP: Final = frozenset({"name", "apiversion", "properties"})


@attrs.frozen(kw_only=True)
class GatewayBody:
    """What a body says: `members` beside the properties, and the properties; what of it could not be read."""

    members: dict[str, JsonValue]
    properties: dict[str, JsonValue]
    errors: tuple[ServiceError, ...] = ()


def gateway_body(body: JsonObject) -> GatewayBody:
    """The body of a PUT in its canonical form.

    One without `properties` is refused, as azure-cli shows gateways: it would leave nothing that serves.
    """
    reading = _Reading()
    members: dict[str, JsonValue] = {}
    properties: JsonValue = None
    for name, value in body.items():
        row = RESOURCE.property(name)
        if row is not None and row.name == "properties":
            properties = value
        elif value is not None and not (row and row.meaning is Meaning.READ_ONLY) and name.lower() not in _TOP:
            members[row.name if row else name] = value
    if not isinstance(properties, dict):
        reading.refuse("properties", "an object", properties)
        properties = {}
    reading.own_ids.update(_own_ids(properties))
    read = reading.object(properties, GATEWAY, "", "properties")
    return GatewayBody(members=members, properties=read, errors=(*reading.errors, *_top_errors(members)))


def _own_ids(properties: JsonObject) -> Iterator[tuple[str, str]]:
    """The ids that children say of themselves, each with what leads to the child wherever it is.

    A generated body may refer to children by ids that are none of Azure's.
    """
    for name, value in properties.items():
        row = GATEWAY.property(name)
        members = value if row is not None and isinstance(value, list) else []
        for each in members:
            held = {key.lower(): text for key, text in each.items()} if isinstance(each, dict) else {}
            identity, own = held.get("id"), held.get("name")
            if row is not None and isinstance(identity, str) and isinstance(own, str):
                yield identity.lower(), f"/{row.name}/{own}"


def _top_errors(members: Mapping[str, JsonValue]) -> Iterator[ServiceError]:
    for name in members:
        if RESOURCE.property(name) is None and GATEWAY.property(name) is not None:
            yield _misplaced(name)  # it would have no effect, and certificates would be shown with their keys
    for name, value in _items(members.get("tags")):
        if isinstance(value, dict | list):
            yield _unconvertible(f"tags.{name}", "a string", value)
    for name, kind in (("location", str), ("tags", dict), ("zones", list)):
        if name in members and not isinstance(members[name], kind):
            yield _unconvertible(name, {str: "a string", dict: "an object", list: "an array"}[kind], members[name])


def _items(value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    return iter(value.items() if isinstance(value, dict) else ())


def _misplaced(name: str) -> ServiceError:
    message = f"{name[:80]} belongs in properties: beside them it would have no effect. Path {name[:80]}."
    return ServiceError(code="InvalidRequestContent", message=message, target=name[:80])


def _unconvertible(path: str, wanted: str, value: JsonValue) -> ServiceError:
    shown = value if isinstance(value, str | int | float | bool) else type(value).__name__
    shown_text = str(shown)[:80]
    return ServiceError(
        code="InvalidJson", message=f"Error converting value '{shown_text}' to {wanted}. Path {path}.", target=path
    )


@attrs.define
class _Reading:
    """One body while it is read."""

    errors: list[ServiceError] = attrs.Factory(list)
    own_ids: dict[str, str] = attrs.Factory(dict)  # of children, in small letters, with references to them

    def refuse(self, path: str, wanted: str, value: JsonValue) -> None:
        self.errors.append(_unconvertible(path, wanted, value))

    def object(self, value: JsonObject, collection: Collection, within: str, path: str) -> dict[str, JsonValue]:
        """The members of an object whose rows begin with `within`; null is absent."""
        found: dict[str, JsonValue] = {}
        for name, each in value.items():
            full = f"{within}.{name}" if within else name
            row = collection.property(full) if within else member(collection, full)
            canonical = row.name.rpartition(".")[2] if row else name
            if each is None or (row is not None and row.meaning is Meaning.READ_ONLY):
                continue
            read = self._value(row, each, collection, f"{path}.{canonical}") if row else each
            if read is not None:
                found[canonical] = read
        return found

    def _value(self, row: Property, value: JsonValue, collection: Collection, path: str) -> JsonValue:
        if isinstance(value, UnknownText) and row.form.shape is not Shape.ANY:
            self.errors.append(_unknown(path, value))
            return None
        match row.form.shape:
            case Shape.OBJECT:
                return self._object(row, value, collection, path)
            case Shape.CHILDREN:
                return self._children(value, COLLECTIONS[row.form.collection], path)
            case Shape.REFERENCE:
                return self._reference(value, path)
            case Shape.REFERENCES:
                return self._list(value, path, lambda each, at: self._reference(each, at))
            case Shape.TEXTS:
                return self._list(value, path, lambda each, at: self._text(row, each, at))
            case Shape.TEXT:
                return self._text(row, value, path)
            case Shape.INTEGER:
                return self._integer(value, path)
            case Shape.BOOLEAN:
                return self._boolean(value, path)
            case _:
                return self._opaque(row, value, path)

    def _object(self, row: Property, value: JsonValue, collection: Collection, path: str) -> JsonValue:
        if isinstance(value, dict):
            return self.object(value, collection, row.name, path)
        self.refuse(path, "an object", value)
        return None

    def _children(self, value: JsonValue, collection: Collection, path: str) -> JsonValue:
        return self._list(value, path, lambda each, at: self._child(each, collection, at))

    def _child(self, value: JsonValue, collection: Collection, path: str) -> JsonValue:
        if not isinstance(value, dict):
            self.refuse(path, "an object", value)
            return None
        if not collection.is_resource:
            return self.object(value, collection, "", path)
        return self._resource(value, collection, path)

    def _resource(self, value: JsonObject, collection: Collection, path: str) -> JsonValue:
        """A child: its name, and its properties, which may stand beside it as well."""
        names = {name.lower(): name for name in value}
        name = value[names["name"]] if "name" in names else None
        if isinstance(name, UnknownText):
            self.errors.append(_unknown(f"{path}.name", name))
            return None
        if not isinstance(name, str) or not name:
            self.errors.append(_nameless(path))
            return None
        inner = value[names["properties"]] if "properties" in names else None
        if inner is not None and not isinstance(inner, dict):
            self.refuse(f"{path}.properties", "an object", inner)
            inner = {}
        beside = {key: each for key, each in value.items() if key.lower() not in ("name", "properties")}
        properties = self.object({**beside, **(inner or {})}, collection, "", f"{path}.properties")
        return {"name": name, "properties": properties}

    def _opaque(self, row: Property, value: JsonValue, path: str) -> JsonValue:
        collection = OPAQUE_COLLECTIONS.get(row.name)
        return value if collection is None else self._children(value, collection, path)

    def _reference(self, value: JsonValue, path: str) -> JsonValue:
        if not isinstance(value, dict):
            self.refuse(path, "a reference", value)
            return None
        identity = next((each for name, each in value.items() if name.lower() == "id"), None)
        if isinstance(identity, UnknownText):
            self.errors.append(_unknown(f"{path}.id", identity))
            return None
        if isinstance(identity, str) and identity:
            return {"id": self._leading(identity)}
        self.errors.append(
            ServiceError(
                code="MissingJsonReferenceId", message=f"Value for reference id is missing. Path {path}.", target=path
            )
        )
        return None

    def _leading(self, identity: str) -> str:
        """A reference that leads to its child by the end of its id, as all but invented ones do."""
        return identity if gateway_child(identity) else self.own_ids.get(identity.lower(), identity)

    def _list(self, value: JsonValue, path: str, read: _Reader) -> JsonValue:
        if not isinstance(value, list):
            self.refuse(path, "an array", value)
            return None
        found = [read(each, f"{path}[{index}]") for index, each in enumerate(value) if each is not None]
        return [each for each in found if each is not None]

    def _text(self, row: Property, value: JsonValue, path: str) -> JsonValue:
        if isinstance(value, UnknownText):
            self.errors.append(_unknown(path, value))
            return None
        if isinstance(value, bool | dict | list):
            self.refuse(path, "a string", value)
            return None
        return row.form.canonical(str(value))

    def _integer(self, value: JsonValue, path: str) -> JsonValue:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 20:
            return int(value)
        if value != "":
            self.refuse(path, "an integer", value)
        return None

    def _boolean(self, value: JsonValue, path: str) -> JsonValue:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if value != "":
            self.refuse(path, "a boolean", value)
        return None


def _unknown(path: str, value: UnknownText) -> ServiceError:
    reason = f"{value[1:-1][:200]} is not known: {with_key(value.hint)}"
    message = f"Deployment template validation failed: '{reason}' Path {path}."
    return ServiceError(code="InvalidTemplate", message=message, target=path)


def _nameless(path: str) -> ServiceError:
    return ServiceError(
        code="MissingName", message=f"Value for the name of the resource is missing. Path {path}.", target=path
    )


def children(properties: JsonObject, collection: str) -> Sequence[dict[str, JsonValue]]:
    """The children in one collection of properties that were read."""
    value = properties.get(collection)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def properties_of(child: JsonObject) -> dict[str, JsonValue]:
    """The properties of a child that was read."""
    value = child.get("properties")
    return value if isinstance(value, dict) else {}
