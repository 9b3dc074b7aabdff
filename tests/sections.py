"""Sections of configurations, compared."""

from __future__ import annotations

import attrs

from agwtwisted.core.base.errors import Place
from agwtwisted.core.sections.ini import Document

_NOWHERE = Place(file="")


def without_places(document: Document) -> Document:
    """A document as if all of it stood at one place: what it says."""
    sections = [
        attrs.evolve(
            section, place=_NOWHERE, entries=tuple(attrs.evolve(each, place=_NOWHERE) for each in section.entries)
        )
        for section in document.sections
    ]
    return attrs.evolve(document, sections=tuple(sections))
