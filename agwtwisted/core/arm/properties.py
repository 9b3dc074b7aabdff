"""What the table of ARM properties is made of: what a property means, the form it comes in, the key that it becomes.

Reader, writer, report and reference page use the same rows, so that a property means one thing everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

import attrs

from agwtwisted.core.arm.findings import IGNORED


class Meaning(Enum):
    """What becomes of an ARM property."""

    WORKS = "works"  # it is a key of the configuration, or a part of one
    NOTE = "note"  # it has no meaning on one machine
    WARN = "warn"  # it is ignored, and something that it did is missing
    ERROR = "error"  # it is refused, because to ignore it would open what it closes
    READ_ONLY = "read-only"  # the service answers it; it is dropped on input


class Shape(Enum):
    """The JSON that a property is written in."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXTS = "list of texts"
    REFERENCE = "reference"
    REFERENCES = "list of references"
    OBJECT = "object"  # its members are rows of their own, whose names begin with its name and a dot
    CHILDREN = "list"  # its members are rows of a collection of that name
    ANY = "any"  # it is not looked into


@attrs.frozen(kw_only=True)
class ValueForm:
    """How a value is written: `spellings` are the canonical ones of an enumeration, `collection` is what is named."""

    shape: Shape
    spellings: tuple[str, ...] = ()
    collection: str = ""

    def canonical(self, text: str) -> str:
        """The text in its canonical spelling; as it is where it is none of the enumeration, or there is none.

        Letters beyond ASCII are those of no spelling, though some of them fold to one: a long s, a sharp s.
        """
        folded = text.lower() if text.isascii() else ""
        return next((each for each in self.spellings if each.lower() == folded), text)

    def __str__(self) -> str:
        if self.collection and self.shape is not Shape.CHILDREN:
            return f"{self.shape.value} ({self.collection})"
        return " | ".join(self.spellings) if self.spellings else self.shape.value


TEXT: Final = ValueForm(shape=Shape.TEXT)
INTEGER: Final = ValueForm(shape=Shape.INTEGER)
BOOLEAN: Final = ValueForm(shape=Shape.BOOLEAN)
TEXTS: Final = ValueForm(shape=Shape.TEXTS)
OBJECT: Final = ValueForm(shape=Shape.OBJECT)
ANY: Final = ValueForm(shape=Shape.ANY)


def enum(*spellings: str) -> ValueForm:
    """One of these texts."""
    return ValueForm(shape=Shape.TEXT, spellings=spellings)


def enums(*spellings: str) -> ValueForm:
    """A list of these texts."""
    return ValueForm(shape=Shape.TEXTS, spellings=spellings)


def reference(collection: str) -> ValueForm:
    """``{"id": ...}`` of a child of the collection."""
    return ValueForm(shape=Shape.REFERENCE, collection=collection)


def references(collection: str) -> ValueForm:
    """A list of them."""
    return ValueForm(shape=Shape.REFERENCES, collection=collection)


def children(collection: str) -> ValueForm:
    """A list whose members are described by a collection."""
    return ValueForm(shape=Shape.CHILDREN, collection=collection)


@attrs.frozen(kw_only=True)
class Property:
    """One property: its canonical name (`connectionDraining.enabled` inside an object), and what it means here.

    `key` is that of the INI section; empty where the property has none of its own. `silent` is the value that asks for
    nothing: a property that is not supported is not spoken of where it has it. `inside` are the members of what is not
    looked into. `warning` is the name by which programs know what is said of it. A `secret` is never shown. What
    `may_be_unknown` may be given otherwise, where only a deployment has its value.
    """

    name: str
    meaning: Meaning
    form: ValueForm
    remark: str
    key: str = ""
    silent: bool | str | None = None
    inside: tuple[str, ...] = ()
    warning: str = ""
    secret: bool = False
    may_be_unknown: bool = False


def works(
    name: str, form: ValueForm, key: str, remark: str, *, secret: bool = False, may_be_unknown: bool = False
) -> Property:
    """A property that is a key, or a part of one."""
    return Property(
        name=name,
        meaning=Meaning.WORKS,
        form=form,
        key=key,
        remark=remark,
        secret=secret,
        may_be_unknown=may_be_unknown,
    )


def note(name: str, remark: str, *inside: str, silent: bool | str | None = None) -> Property:
    """A property without a meaning on one machine."""
    return Property(name=name, meaning=Meaning.NOTE, form=ANY, remark=remark, inside=inside, silent=silent)


def warn(
    name: str, remark: str, *inside: str, silent: bool | str | None = None, warning: str = IGNORED.name
) -> Property:
    """A property whose effect is missing."""
    return Property(
        name=name, meaning=Meaning.WARN, form=ANY, remark=remark, inside=inside, silent=silent, warning=warning
    )


def error(name: str, remark: str, *inside: str) -> Property:
    """A property that is refused."""
    return Property(name=name, meaning=Meaning.ERROR, form=ANY, remark=remark, inside=inside)


def read_only(name: str, remark: str = "An answer of the service.", *inside: str) -> Property:
    """A property that only answers have."""
    return Property(name=name, meaning=Meaning.READ_ONLY, form=ANY, remark=remark, inside=inside)


@attrs.frozen(kw_only=True)
class Collection:
    """A kind of child resource, or of plain values in a list (`is_resource` false: no `properties`, no id).

    `kind` is that of the INI section made of each; empty where there is none. `within` is the collection, or the object
    of the table, that has it.
    """

    name: str
    remark: str
    properties: tuple[Property, ...]
    kind: str = ""
    within: str = ""
    is_resource: bool = True

    def property(self, name: str) -> Property | None:
        """The property of that name, which is compared without case."""
        folded = name.casefold()
        return next((each for each in self.properties if each.name.casefold() == folded), None)

    def members(self, name: str = "") -> Iterator[Property]:
        """The properties of an object of that name, without those of objects in it; no name: of the collection."""
        beginning = f"{name}." if name else ""
        for each in self.properties:
            if each.name.startswith(beginning) and "." not in each.name[len(beginning) :]:
                yield each

    def keyed(self, key: str) -> Property | None:
        """The property that an INI key comes from."""
        return next((each for each in self.properties if each.key == key), None)
