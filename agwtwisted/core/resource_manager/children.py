"""The children of a gateway: their collections and ids, what they refer to, and who refers to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from agwtwisted.core.arm.table import COLLECTIONS
from agwtwisted.core.resource_manager.gateway_bodies import OPAQUE_COLLECTIONS, children, properties_of
from agwtwisted.core.resource_manager.ids import gateway_child
from agwtwisted.core.resource_manager.messages import JsonObject, JsonValue

TOP_LEVEL: Final[tuple[str, ...]] = (
    *OPAQUE_COLLECTIONS,
    *(
        each.name
        for each in COLLECTIONS.values()
        if each.is_resource and not each.within and each.name != "applicationGateways"
    ),
)
"""The collections of a gateway whose members have ids."""

WITHIN: Final[Mapping[str, str]] = {
    **{each.within: each.name for each in COLLECTIONS.values() if each.is_resource and each.within},
    "advancedRoutingMaps": "advancedRoutingRules",
    "privateLinkConfigurations": "ipConfigurations",
}
"""The collection of children that the members of a collection have in turn."""


@attrs.frozen(kw_only=True)
class Child:
    """A child of a gateway."""

    path: tuple[str, ...]  # collections and names in turn
    where: str  # its JSON path
    body: JsonObject

    @property
    def key(self) -> tuple[str, ...]:
        """By which references find it: case does not count."""
        return tuple(part.lower() for part in self.path)

    @property
    def collection(self) -> str:
        """The one that it is in."""
        return self.path[-2]

    @property
    def name(self) -> str:
        """Its own."""
        return self.path[-1]


@attrs.frozen(kw_only=True)
class Reference:
    """One reference of a child to another one."""

    source: Child
    where: str  # its JSON path
    text: str  # the id as it is written

    @property
    def key(self) -> tuple[str, ...]:
        """That of the child that it leads to; empty: it leads to something else than a child of a gateway."""
        return tuple(part.lower() for part in gateway_child(self.text))


def all_children(properties: JsonObject) -> Iterator[Child]:
    """Every child in the properties of a gateway, also those within others."""
    for collection in TOP_LEVEL:
        yield from _children(properties, collection, (), "properties")


def _children(properties: JsonObject, collection: str, above: tuple[str, ...], where: str) -> Iterator[Child]:
    for index, body in enumerate(children(properties, collection)):
        place = f"{where}.{collection}[{index}]"
        child = Child(path=(*above, collection, str(body.get("name", ""))), where=place, body=body)
        yield child
        if collection in WITHIN:
            yield from _children(properties_of(body), WITHIN[collection], child.path, f"{place}.properties")


def references_of(child: Child) -> Iterator[Reference]:
    """What a child refers to within a gateway; children within it do so themselves."""
    own = {name: each for name, each in properties_of(child.body).items() if name != WITHIN.get(child.collection)}
    for where, text in _ids(own, f"{child.where}.properties"):
        reference = Reference(source=child, where=where, text=text)
        if reference.key:
            yield reference


def _ids(value: JsonValue, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        identity = value.get("id")
        if isinstance(identity, str):
            yield where, identity
        for name, each in value.items():
            yield from _ids(each, f"{where}.{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _ids(each, f"{where}[{index}]")
