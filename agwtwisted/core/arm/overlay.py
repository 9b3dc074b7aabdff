"""The overlay of an ARM document: an INI file beside it, for keys without a counterpart in Azure.

Its sections name resources of the document, and set further keys of them, or other values; ``[gateway]``, ``[control]``
and ``[arm]`` are its own. The document itself is never changed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from agwtwisted.core.arm.findings import NAMES_NOTHING, OVERRIDDEN
from agwtwisted.core.arm.members import PROTECTING
from agwtwisted.core.arm.table import BY_KIND
from agwtwisted.core.base.errors import Problem, Severity, shown
from agwtwisted.core.base.texts import did_you_mean
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.names import identity
from agwtwisted.core.sections.revocation_keys import SOURCES
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.sections.settings import pieces

_STRICTEST: Final = ("strict", "true", "yes", "on", "1")
_WEAKER_THAN_NOTHING: Final = ("passthrough", "false", "no", "off", "0")
"""Values of keys that protect and have a stricter default."""

ADDED_KINDS: Final = ("gateway", "control", "arm", "custom_error")
"""Kinds of sections that an overlay may have although the document has none of that name."""


def overlay_path(file: str) -> str:
    """Where the overlay of a document is looked for: ``gateway.overlay.ini`` beside ``gateway.json``."""
    return f"{posixpath.splitext(file)[0]}.overlay.ini"


def overlaid(document: Document, overlay: Document, *, names_may_wait: bool = False) -> Document:
    """A document with the sections of an overlay; what is wrong with either is among its problems.

    A key that both have is the overlay's, at its place. A section that names no resource of the document is an error:
    what it should protect would be open where its name is misspelt. With `names_may_wait` it is a warning: clients of
    the control plane add resources one by one, and none of these can be used before it exists.
    """
    severity = Severity.WARNING if names_may_wait else Severity.ERROR
    sections = list(document.sections)  # two of one name as well: they are an error later, and neither may be lost
    places = {identity(section): place for place, section in reversed([*enumerate(sections)])}
    problems = [*document.problems, *overlay.problems]
    for section in overlay.sections:
        place = places.get(identity(section))
        if place is not None:
            problems += _overridden(sections[place], section)
            sections[place] = _merged(sections[place], section)
        elif _may_be_added(section):
            places[identity(section)] = len(sections)
            sections.append(section)
        else:
            problems.append(_unknown(section, document.sections, severity))
    return Document(sections=tuple(sections), problems=tuple(problems))


def without_document(overlay: Document) -> Document:
    """What of an overlay counts while there is no document: its own sections, not those that wait for resources."""
    own = tuple(section for section in overlay.sections if section.kind in ("gateway", "control", "arm"))
    return attrs.evolve(overlay, sections=own)


def _may_be_added(section: Section) -> bool:
    """Of kinds that are none, and of names where none belongs, more is said when the sections are read."""
    kind = KINDS.get(section.kind)
    return kind is None or section.kind in ADDED_KINDS or (kind.named and not section.name)


def _merged(under: Section, over: Section) -> Section:
    entries = {entry.key: entry for entry in under.entries} | {entry.key: entry for entry in over.entries}
    return attrs.evolve(under, entries=tuple(entries.values()))


def _overridden(under: Section, over: Section) -> Iterator[Problem]:
    """What is said of keys that have other values in the document."""
    own = {entry.key: entry for entry in under.entries}
    for entry in over.entries:
        row = BY_KIND[over.kind].keyed(entry.key) if over.kind in BY_KIND else None
        if row is None or _is_same(own.get(entry.key), entry):
            continue
        protects = row.name.rpartition(".")[2] in PROTECTING and not _is_strict(own.get(entry.key), entry)
        document = f"is {shown(own[entry.key].value)}" if entry.key in own else "is not set"
        yield Problem(
            place=entry.place,
            section=over.title,
            key=entry.key,
            message=f"{entry.key} {document} in the document: the overlay's {shown(entry.value)} counts",
            severity=Severity.WARNING if protects else Severity.NOTE,
            name=OVERRIDDEN.name,
        )


def _is_strict(under: Entry | None, over: Entry) -> bool:
    """Whether what an overlay says of a key that protects lets in no client that the document refuses."""
    if over.key != SOURCES:
        return over.value.casefold() in _STRICTEST
    asked, kept = (_sources(each) for each in (under, over))
    return bool(kept) and asked <= kept


def _sources(entry: Entry | None) -> set[str]:
    """The sources of revocation status that are named; the order says only which one is asked first."""
    return set() if entry is None else {each.casefold() for each in pieces(entry.value)} - {"none"}


def _is_same(under: Entry | None, over: Entry) -> bool:
    """Whether an overlay changes nothing: it says the same, or what counts where nothing is said."""
    if under is None:
        return over.value.casefold() not in _WEAKER_THAN_NOTHING
    return under.value.casefold() == over.value.casefold()


def _unknown(section: Section, sections: Iterable[Section], severity: Severity) -> Problem:
    names = [each.name for each in sections if each.kind == section.kind]
    message = (
        f"the document has no {section.kind} {shown(section.name)}{did_you_mean(section.name, names) or _listed(names)}"
        f"; an overlay sets keys of what the document has"
    )
    return Problem(
        place=section.place, section=section.title, message=message, severity=severity, name=NAMES_NOTHING.name
    )


def _listed(names: list[str]) -> str:
    return f", but {', '.join(map(shown, names[:10]))}" if names else ""
