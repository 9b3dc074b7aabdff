"""From an object of a document to the members that count: each by its canonical name, objects in it flattened.

What the table says of every member is applied here, once: what is unknown, ignored or refused is reported; null, the
empty text and the empty list are as if they were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.arm import table
from agwtwisted.core.arm.findings import IGNORED, INVALID_FORMAT, UNKNOWN_PROPERTY, Findings
from agwtwisted.core.arm.gateway_properties import GATEWAY, RESOURCE
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue
from agwtwisted.core.arm.properties import Collection, Meaning, Property, Shape
from agwtwisted.core.base.errors import UnacceptableError, shown

_BLANKS: Final = " \t"
_READ_ELSEWHERE: Final = frozenset({"name", "properties", "apiVersion"})
PROTECTING: Final = frozenset(
    (
        *("sslProfile", "sslProfiles", "sslPolicy", "trustedClientCertificates", "clientAuthConfiguration"),
        *("verifyClientAuthMode", "verifyClientCertIssuerDN", "verifyClientRevocation"),
        *("entraJWTValidationConfig", "authConfigs", "requireServerNameIndication", "hostName", "hostNames"),
        *("trustedRootCertificates", "validateCertChainAndExpiry", "validateSNI", "sniName"),
    )
)
"""Properties that decide who may come in, or who is trusted: almost the name of one is refused rather than ignored."""
_ANYWHERE: Final = (
    *("sslPolicy", "trustedClientCertificates", "requireServerNameIndication"),
    *("verifyClientAuthMode", "verifyClientCertIssuerDN", "verifyClientRevocation"),
)
"""Those that are refused where they do not belong, too: a document that has them counts on them."""
_PROTECTING_WORDS: Final = ("sslprofile", "clientauth", "jwt", "authconfig", "authenticationpolic")
"""So is a name that has one of these in it, in lower case."""
_VALUES: Final = frozenset({Shape.TEXT, Shape.INTEGER, Shape.BOOLEAN, Shape.TEXTS})
_LISTS: Final = frozenset({Shape.TEXTS, Shape.REFERENCES, Shape.CHILDREN})

RowLookup: TypeAlias = Callable[[str], Property | None]


@attrs.frozen(kw_only=True, eq=False)
class ObjectMembers:
    """The members of an object that have a meaning, by their names in the table.

    `emptied` are the names of those that are there with an empty list, `unknown` those whose values only a deployment
    has and that may be given otherwise (`Property.may_be_unknown`).
    """

    collection: Collection
    title: str  # of the section that it becomes, for messages
    node: JsonNode  # the whole object
    body: JsonNode  # what has the members: its `properties`, or the same
    values: Mapping[str, JsonNode]
    emptied: Mapping[str, JsonNode]
    unknown: Mapping[str, UnknownValue]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def row(self, name: str) -> Property:
        """What the table says of a member.

        Raises:
            KeyError: nothing, which is a defect of the caller.
        """
        found = self.collection.property(name)
        if found is None:
            raise KeyError(name)
        return found

    def text(self, name: str) -> str:
        """The value as a key of the configuration has it; empty where it is absent, or of a wrong type."""
        node = self.values.get(name)
        if node is None:
            return ""
        try:
            return as_text(self.row(name), node)
        except UnacceptableError:
            return ""

    def is_true(self, name: str) -> bool:
        """Whether a boolean is there and true."""
        return self.text(name) == "true"


def as_text(row: Property, node: JsonNode) -> str:
    """A value as a key of the configuration has it.

    Raises:
        UnacceptableError: it is of another type than the property.
    """
    shape = row.form.shape
    if shape is Shape.INTEGER:
        return _integer(node)
    if shape is Shape.BOOLEAN:
        return _boolean(node)
    if shape is Shape.TEXTS:
        return ", ".join(_item(row, each) for each in _items(node))
    return row.form.canonical(_text(node))


def _text(node: JsonNode) -> str:
    if isinstance(node.value, bool) or not isinstance(node.value, (str, int)):
        raise UnacceptableError("must be a text", INVALID_FORMAT)
    return str(node.value).strip(_BLANKS)


def _integer(node: JsonNode) -> str:
    """A whole number, which templates write as a text, too."""
    value = node.value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return value.strip().lstrip("0") or "0"
    raise UnacceptableError("must be a whole number", INVALID_FORMAT)


def _boolean(node: JsonNode) -> str:
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    if isinstance(node.value, str) and node.value.strip().lower() in ("true", "false"):
        return node.value.strip().lower()
    raise UnacceptableError("must be true or false", INVALID_FORMAT)


def _items(node: JsonNode) -> tuple[JsonNode, ...]:
    if not isinstance(node.value, tuple):
        raise UnacceptableError("must be a list", INVALID_FORMAT)
    return tuple(each for each in node.value if not each.is_absent)


def _item(row: Property, node: JsonNode) -> str:
    if isinstance(node.value, UnknownValue):
        raise UnacceptableError(f"has an item that is not known: {node.value.expression[:400]}: {node.value.hint}")
    text = _text(node)
    if "," in text or "\n" in text:
        raise UnacceptableError(f"has {shown(text)}: a comma or a line end cannot stand in one item of a list here")
    return row.form.canonical(text)


@attrs.frozen
class MemberReader:
    """Reads objects by the table, and reports what does not count."""

    findings: Findings

    def gateway(self, node: JsonNode, title: str) -> ObjectMembers:
        """The gateway itself, whose properties are in `properties` or, from azure-cli, beside its name."""
        body = node.member("properties")
        self._check(body, title)
        if not isinstance(body.value, Mapping):
            return self._members(GATEWAY, title, node, node, _of_flat_gateway)
        self._members(RESOURCE, title, node, node, RESOURCE.property)
        return self._members(GATEWAY, title, node, body, GATEWAY.property)

    def child(self, collection: Collection, node: JsonNode, title: str) -> ObjectMembers:
        """A child resource, whose properties are in `properties` or beside its name, or a plain value of a list."""
        body = node.member("properties")
        if not collection.is_resource:
            return self._members(collection, title, node, node, collection.property)
        self._check(body, title)
        if not isinstance(body.value, Mapping):
            return self._members(collection, title, node, node, lambda name: table.member(collection, name))
        self._beside(collection, node, title)
        return self._members(collection, title, node, body, lambda name: table.member(collection, name))

    def _check(self, body: JsonNode, title: str) -> None:
        """Properties that are there and are no object: their owner would seem to have none."""
        if isinstance(body.value, UnknownValue):
            self.findings.unknown(body.place, "properties", body.value, section=title)
        elif body.value is not None and not isinstance(body.value, Mapping):
            self.findings.error(body.place, "properties must be an object", section=title, code=INVALID_FORMAT)

    def _beside(self, collection: Collection, node: JsonNode, title: str) -> None:
        """Members beside `properties` other than those that every child has."""
        for name, member in node.members().items():
            known = table.member(collection, name)
            if name.casefold() in ("name", "properties") or member.is_absent:
                continue
            message = f"{shown(name)} stands beside properties, where it has no effect"
            if known is not None and known.name in PROTECTING:
                self.findings.error(member.place, message, section=title, code=INVALID_FORMAT)
            elif known is None or known.meaning is not Meaning.READ_ONLY:
                self.findings.warning(member.place, message, section=title, name=UNKNOWN_PROPERTY.name)

    def _members(
        self, collection: Collection, title: str, node: JsonNode, body: JsonNode, lookup: RowLookup
    ) -> ObjectMembers:
        collecting = _Collecting(
            findings=self.findings,
            collection=collection,
            title=title,
            lookup=lookup,
            may_have_properties=body is node and collection.is_resource,
        )
        collecting.collect("", body)
        return ObjectMembers(
            collection=collection,
            title=title,
            node=node,
            body=body,
            values=collecting.values,
            emptied=collecting.emptied,
            unknown=collecting.unknown,
        )


@attrs.define(kw_only=True)
class _Collecting:
    """The members of one object, while they are looked at."""

    findings: Findings
    collection: Collection
    title: str
    lookup: RowLookup
    may_have_properties: bool  # read elsewhere; false within them, and in what has none
    values: dict[str, JsonNode] = attrs.Factory(dict)
    emptied: dict[str, JsonNode] = attrs.Factory(dict)
    unknown: dict[str, UnknownValue] = attrs.Factory(dict)

    def collect(self, within: str, node: JsonNode) -> None:
        """The members of an object; those of one within another have its name and a dot before theirs."""
        for name, member in node.members().items():
            row = self.lookup(f"{within}{name}")
            if row is None:
                self._unknown(within, name, member)
            elif row.name in self.values:
                self.findings.error(member.place, f"{name} stands twice, in two spellings", section=self.title)
            elif row.meaning is not Meaning.WORKS:
                self._ignored(row, member)
            elif member.value == () or (member.value == "" and row.form.shape in _LISTS):
                self._empty(row, member)
            elif not member.is_absent and row.name not in _READ_ELSEWHERE:
                self._taken(row, member)

    def _taken(self, row: Property, member: JsonNode) -> None:
        if isinstance(member.value, UnknownValue):
            self._not_known(row, member, member.value)
            return
        if row.form.shape in _VALUES and not self._is_of_its_type(row, member):
            return
        self.values[row.name] = member
        if row.form.shape is Shape.OBJECT:
            if not isinstance(member.value, Mapping):
                self._refused(row, member, "must be an object")
            self.collect(f"{row.name}.", member)
        elif row.form.shape is Shape.CHILDREN and not isinstance(member.value, tuple):
            self._refused(row, member, "must be a list")

    def _empty(self, row: Property, member: JsonNode) -> None:
        """An empty list is as good as none; where one stands for an object that protects, that is said."""
        self.emptied[row.name] = member
        if row.name in PROTECTING and row.form.shape not in _LISTS:
            message = f"{row.name} is an empty list, and has no effect"
            self.findings.warning(member.place, message, section=self.title, name=UNKNOWN_PROPERTY.name)

    def _is_of_its_type(self, row: Property, member: JsonNode) -> bool:
        """Whether a value is what it must be; those that are keys of a section are looked at with that."""
        if self.collection.is_resource and (row.key or not self.collection.kind):
            return True
        try:
            as_text(row, member)
        except UnacceptableError as error:
            self.findings.unacceptable(member.place, row.name, error, section=self.title, key=row.key)
            return False
        return True

    def _not_known(self, row: Property, member: JsonNode, value: UnknownValue) -> None:
        if row.may_be_unknown:
            self.unknown[row.name] = value
        else:
            self.findings.unknown(member.place, row.name, value, section=self.title, key=row.key)

    def _refused(self, row: Property, member: JsonNode, message: str) -> None:
        self.findings.error(member.place, f"{row.name} {message}", section=self.title, code=INVALID_FORMAT)

    def _unknown(self, within: str, name: str, member: JsonNode) -> None:
        """A member that nothing is known of: refused where it may have been meant to protect."""
        is_own = self.collection.is_resource and not within and name.casefold() in _READ_ELSEWHERE
        if member.is_absent or (is_own and name.casefold() != "properties"):
            return
        if name.casefold() == "properties":
            if within or not self.may_have_properties:
                message = "properties has no effect here: what is in it belongs beside it"
                self.findings.error(member.place, message, section=self.title, code=INVALID_FORMAT)
            return
        known = list(self.collection.members(within.rstrip(".")))
        near = self.findings.suggestion(name, [each.name.removeprefix(within) for each in known])
        if self._may_protect(within, name, known):
            message = f"{shown(name)} is no property{near or ' here.'} What that protects would be open"
            self.findings.error(member.place, message, section=self.title, code=INVALID_FORMAT)
            return
        message = f"{shown(name)} is no property that the gateway knows, and has no effect{near}"
        self.findings.warning(member.place, message, section=self.title, name=UNKNOWN_PROPERTY.name)

    def _may_protect(self, within: str, name: str, known: Sequence[Property]) -> bool:
        """Whether a name is meant to decide who may come in: all that an SSL profile has does."""
        folded = name.casefold()
        if self.collection.name == "sslProfiles" or any(word in folded for word in _PROTECTING_WORDS):
            return True
        refused = [each.name.removeprefix(within) for each in known if each.meaning is Meaning.ERROR]
        protecting = PROTECTING.intersection(each.name.removeprefix(within) for each in known)
        return bool(self.findings.meant(name, {*_ANYWHERE, *refused, *protecting}))

    def _ignored(self, row: Property, member: JsonNode) -> None:
        """A member that has no effect, or that is refused, by what the table says of it."""
        if member.is_absent or row.meaning is Meaning.READ_ONLY or _is_silent(row, member):
            return
        message = f"{row.name} has no effect: {row.remark}"
        if row.meaning is Meaning.ERROR:
            self.findings.error(member.place, f"{row.name} is not supported: {row.remark}", section=self.title)
        elif row.meaning is Meaning.WARN and not _is_switched_off(row, member):
            self.findings.warning(member.place, message, section=self.title, name=row.warning)
        else:
            self.findings.note(member.place, message, section=self.title, name=IGNORED.name)


def _is_silent(row: Property, member: JsonNode) -> bool:
    """Whether the value asks for nothing."""
    value = member.value
    if isinstance(row.silent, bool) and isinstance(value, str):
        return value.strip().lower() == str(row.silent).lower()
    return row.silent is not None and value == row.silent


def _is_switched_off(row: Property, member: JsonNode) -> bool:
    """Whether an object that is warned of says itself that it is off, as a firewall may."""
    if "enabled" not in row.inside:
        return False
    enabled = member.member("enabled").value
    return enabled is False or (isinstance(enabled, str) and enabled.strip().lower() == "false")


def _of_flat_gateway(name: str) -> Property | None:
    return GATEWAY.property(name) or RESOURCE.property(name)
