"""A gateway's children by their collections and names, and what they refer to.

References are resolved by the last two segments of their ids, without case: subscription, group and gateway differ in
copies and templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from agwtwisted.core.arm import table
from agwtwisted.core.arm.context import GATEWAY_TYPE, FoundResource
from agwtwisted.core.arm.findings import INVALID_FORMAT, INVALID_REFERENCE, Findings
from agwtwisted.core.arm.gateway_properties import GATEWAY
from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue
from agwtwisted.core.arm.members import MemberReader, ObjectMembers, as_text
from agwtwisted.core.arm.properties import Collection, Property, Shape
from agwtwisted.core.base.errors import Place, UnacceptableError, shown
from agwtwisted.core.sections.ini import Entry, Section
from agwtwisted.core.sections.names import is_resource_name

_LONGEST_ID: Final = 400
"""Characters of an id that a message repeats."""

MOST_CHILDREN: Final = 500
"""Of a collection. The largest that the product allows are 400 rules."""
MOST_VALUES: Final = 2000
"""Of a list of plain values. The largest that the product allows are the 1,200 servers of a pool."""

_NAMED: Final = {
    "address": "frontend IP configuration",
    "backend": "backend pool",
    "certificate": "certificate",
    "page": "URL of an error page",
}
"""What options name, by the beginnings of their keys."""

TOP_LEVEL: Final = tuple(
    table.COLLECTIONS[row.form.collection]
    for row in GATEWAY.properties
    if row.form.shape is Shape.CHILDREN and table.COLLECTIONS[row.form.collection].is_resource
)
"""The collections of the gateway whose children have names."""


@attrs.frozen(kw_only=True, eq=False)
class ChildResource:
    """One child of a collection, with the name that it was given."""

    name: str
    members: ObjectMembers

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.members.node.place

    @property
    def title(self) -> str:
        """Of the section that it becomes."""
        return self.members.title


@attrs.frozen(kw_only=True, eq=False)
class Reading:
    """A gateway while it is converted: what is in it, what was given besides, and what was found."""

    resource: FoundResource
    options: ImportOptions
    findings: Findings
    gateway: ObjectMembers
    children: Mapping[str, tuple[ChildResource, ...]] = attrs.Factory(dict)
    _index: Mapping[tuple[str, str], ChildResource] = attrs.field(init=False)  # by collection and folded name
    _ids: Mapping[tuple[str, str], ChildResource] = attrs.field(init=False)  # by collection and the id that it says

    @_index.default
    def _by_name(self) -> Mapping[tuple[str, str], ChildResource]:
        named = [((name, each.name.casefold()), each) for name, found in self.children.items() for each in found]
        return dict(reversed(named))

    @_ids.default
    def _by_id(self) -> Mapping[tuple[str, str], ChildResource]:
        found = ((name, each) for name, children in self.children.items() for each in children)
        given = ((name, each.members.node.member("id").value, each) for name, each in found)
        return {(name, value.casefold()): each for name, value, each in given if isinstance(value, str)}

    def of(self, collection: Collection) -> tuple[ChildResource, ...]:
        """The children of a collection, in their order."""
        return self.children.get(collection.name, ())

    def find(self, collection: str, name: str) -> ChildResource | None:
        """The child of that name, which is compared without case."""
        return self._index.get((collection, name.casefold()))

    def id_of(self, members: ObjectMembers, name: str) -> str:
        """The id of a child, as far as the document says it."""
        return f"{gateway_id(self.resource)}/{members.collection.name}/{name}"

    def target(self, child: ChildResource, name: str) -> ChildResource | None:
        """The child that a reference names; None where there is none, or it is wrong, which is reported."""
        node = child.members.values.get(name)
        return None if node is None else self._resolved(child, child.members.row(name), node)

    def targets(self, child: ChildResource, name: str) -> tuple[ChildResource, ...]:
        """The children that a list of references names, without those that are wrong, which are reported."""
        node = child.members.values.get(name)
        if node is None:
            return ()
        row = child.members.row(name)
        if not isinstance(node.value, tuple):
            self._refuse(child, row, node, f"{row.name} must be a list of references", INVALID_FORMAT)
            return ()
        items = [each for each in node.value if each.value is not None] or node.value  # all null: that is not none
        found = (self._resolved(child, row, each) for each in items)
        return tuple(each for each in found if each is not None)

    def refers(self, child: ChildResource, name: str, target: ChildResource) -> bool:
        """Whether a reference names that child; nothing is reported."""
        node = child.members.values.get(name)
        reference = node.member("id").value if node else None
        wanted = (target.members.collection.name.casefold(), target.name.casefold())
        return isinstance(reference, str) and last_segments(reference.strip().casefold()) == wanted

    def _resolved(self, child: ChildResource, row: Property, node: JsonNode) -> ChildResource | None:
        reference = node.member("id")
        for each in (node.value, reference.value):
            if isinstance(each, UnknownValue):
                self.findings.unknown(node.place, row.name, each, section=child.title, key=row.key)
                return None
        if not isinstance(reference.value, str) or not reference.value.strip():
            message = f"Value for reference id is missing. Path {node.place.path}."
            self._refuse(child, row, node, message, "MissingJsonReferenceId")
            return None
        return self._named(child, row, node, reference.value.strip())

    def _named(self, child: ChildResource, row: Property, node: JsonNode, reference: str) -> ChildResource | None:
        collection, name = last_segments(reference)
        wanted = row.form.collection
        fits = collection.casefold() == wanted.casefold()
        # The id that a child says it has counts only where it is of another form: else its name does, as in Azure.
        found = self.find(wanted, name) if fits else self._ids.get((wanted, reference.casefold()))
        if found is None and not fits:
            message = f"{row.name} is {shown(reference[-_LONGEST_ID:])}, but must name one of {wanted}"
            self._refuse(child, row, node, message, INVALID_REFERENCE)
        elif found is None:
            known = [each.name for each in self.children.get(wanted, ())]
            message = (
                f"Resource {reference[:_LONGEST_ID]} referenced by resource {self.id_of(child.members, child.name)} was"
                " not found. Please make sure that the referenced resource exists, and that both resources are in the"
                f" same region.{self.findings.suggestion(name, known).replace('; d', ' D')}"
            )
            self._refuse(child, row, node, message, INVALID_REFERENCE)
        return found

    def _refuse(self, child: ChildResource, row: Property, node: JsonNode, message: str, code: str) -> None:
        self.findings.error(node.place, message, section=child.title, key=row.key, code=code)

    def unknown_option(self, key: str, known: Iterable[str]) -> None:
        """Report an option that names nothing of the document: an error, unless what it names may come later."""
        what, _, name = key.partition(".")
        names = list(known)
        there = f": it has {', '.join(map(shown, names[:10]))}" if names else ""
        message = f"{key} names no {_NAMED[what]} of the document{self.findings.suggestion(name, names) or there}"
        if self.options.names_may_wait:
            self.findings.warning(self.resource.place, message, section="arm", key=key)
        else:
            self.findings.error(self.resource.place, message, section="arm", key=key)

    def entries(
        self, child: ChildResource, *, within: str = "", without: frozenset[str] = frozenset()
    ) -> Iterator[Entry]:
        """The keys of a child's section: of each property that is one key, in the order of the table.

        Args:
            within: the beginning of the names of the properties that are meant.
            without: those that are read elsewhere.
        """
        for row in child.members.collection.properties:
            node = child.members.values.get(row.name)
            if node is None or not row.key or not row.name.startswith(within) or row.name in without:
                continue
            if row.form.shape is Shape.CHILDREN:
                continue
            text = self._entry_text(child, row, node)
            if text:
                yield entry(row.key, text, node.place)

    def _entry_text(self, child: ChildResource, row: Property, node: JsonNode) -> str:
        if row.form.shape is Shape.REFERENCE:
            target = self.target(child, row.name)
            return target.name if target else ""
        if row.form.shape is Shape.REFERENCES:
            return ", ".join(dict.fromkeys(each.name for each in self.targets(child, row.name)))
        try:
            return _said(row, node)
        except UnacceptableError as error:
            self.findings.unacceptable(node.place, row.name, error, section=child.title, key=row.key)
            return ""


def _said(row: Property, node: JsonNode) -> str:
    """The text of a value; a list of nothing is not taken for none: without host names a listener has them all."""
    text = as_text(row, node)
    if not text and row.form.shape is Shape.TEXTS:
        raise UnacceptableError("has no item with a text", INVALID_FORMAT)
    return text


def entry(key: str, text: str, place: Place) -> Entry:
    """A key with its value."""
    return Entry(key=key, value=text, uncut=text, place=place)


def section(child: ChildResource, entries: Iterator[Entry] | tuple[Entry, ...] | list[Entry]) -> Section:
    """The section of a child."""
    return Section(kind=child.members.collection.kind, name=child.name, place=child.place, entries=tuple(entries))


def gateway_id(resource: FoundResource) -> str:
    """The id of the gateway, as far as the document says it."""
    given = resource.body.member("id").value
    return given if isinstance(given, str) and given else f"{GATEWAY_TYPE}/{resource.name}"


def last_segments(reference: str) -> tuple[str, str]:
    """Collection and name at the end of an id; two empty texts where it has no two segments."""
    segments = [each for each in reference.split("/") if each]
    return (segments[-2], segments[-1]) if len(segments) > 1 else ("", "")


def read_gateway(resource: FoundResource, options: ImportOptions, findings: Findings) -> Reading:
    """The gateway with its children, each collection's names looked at."""
    reader = MemberReader(findings)
    gateway = reader.gateway(resource.body, GATEWAY.kind)
    reading = Reading(resource=resource, options=options, findings=findings, gateway=gateway)
    children = {
        collection.name: tuple(named_children(reading, gateway, collection.name, collection))
        for collection in TOP_LEVEL
    }
    return attrs.evolve(reading, children=children)


def named_children(
    reading: Reading, members: ObjectMembers, name: str, collection: Collection, within: str = ""
) -> Iterator[ChildResource]:
    """The children in a member, those without a usable name left out, which is reported.

    Args:
        within: the name of the child that has them, which comes before theirs and a slash in the section's name.
    """
    reader, seen = MemberReader(reading.findings), set[str]()
    for node in _listed(reading, members, name, MOST_CHILDREN):
        own = _name(reading, collection, node, members.title)
        if own.casefold() in seen and not collection.kind:  # of sections the names are looked at later
            message = f"{collection.name} has two children named {shown(own)}: names are compared without case"
            reading.findings.error(node.place, message, section=members.title, code="DuplicateResourceName")
        elif own:
            seen.add(own.casefold())
            full = f"{within}/{own}" if within else own
            title = f"{collection.kind or collection.name} {full}"
            yield ChildResource(name=full, members=reader.child(collection, node, title))


def plain_values(
    reading: Reading, members: ObjectMembers, name: str, collection: Collection
) -> Iterator[ObjectMembers]:
    """The plain values in a member: objects without a name."""
    reader = MemberReader(reading.findings)
    for node in _listed(reading, members, name, MOST_VALUES):
        yield reader.child(collection, node, members.title)


def _listed(reading: Reading, members: ObjectMembers, name: str, most: int) -> Iterator[JsonNode]:
    node = members.values.get(name)
    items = node.items() if node else ()
    if node and len(items) > most:
        message = f"{name} has {len(items)} items, of at most {most}"
        reading.findings.error(node.place, message, section=members.title)
    for each in items[:most]:
        if isinstance(each.value, UnknownValue):
            reading.findings.unknown(each.place, f"an item of {name}", each.value, section=members.title)
        elif isinstance(each.value, Mapping):
            yield each
        elif each.value is not None:
            message = f"an item of {name} must be an object"
            reading.findings.error(each.place, message, section=members.title, code=INVALID_FORMAT)


def _name(reading: Reading, collection: Collection, node: JsonNode, title: str) -> str:
    """The name of a child; empty, with a finding, where it has none that can be used."""
    given = node.member("name")
    if isinstance(given.value, UnknownValue):
        reading.findings.unknown(given.place, f"the name of one of {collection.name}", given.value, section=title)
        return ""
    text = given.value.strip() if isinstance(given.value, str) else ""
    if not text:
        reading.findings.error(node.place, f"one of {collection.name} has no name", section=title, code=INVALID_FORMAT)
    elif not collection.kind and not is_resource_name(text):
        message = f"the name {shown(text)} is not allowed for one of {collection.name}"
        reading.findings.error(given.place, message, section=title, code="InvalidResourceName")
    return text
