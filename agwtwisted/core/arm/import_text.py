"""An imported gateway as the text of an INI file: where it came from, and beside sections what was found about them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from agwtwisted.core.base.errors import Problem, Severity
from agwtwisted.core.sections import ini_text, settings
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.revocation_keys import FILE_LISTS
from agwtwisted.core.sections.schema import KINDS

_NOT_WRITTEN: Final = ("arm",)
"""Sections that say how a document is read: what was read is written instead."""

_FIRST: Final = ("gateway", "control")
"""Sections at the beginning of a file, wherever they come from."""

_NO_PATHS: Final = ("-", "off")
"""Values of keys that name files, which name none."""


def imported_text(document: Document, file: str, directory: str) -> str:
    """The text of the file.

    Args:
        document: the sections of a gateway, an overlay's among them, and every finding.
        file: the document that it came from; keys with this place name files that are written beside the INI file.
        directory: of the INI file, as the places of the sections have theirs.

    Raises:
        ConfigError: the grammar of INI files has no way to say it.
    """
    kept = sorted(document.sections, key=lambda each: each.kind not in _FIRST)
    sections = tuple(_placed(each, file, directory) for each in kept if each.kind not in _NOT_WRITTEN)
    written = attrs.evolve(document, sections=sections, problems=())
    titles = {each.title for each in sections}
    comments: dict[str, list[str]] = {}
    for problem in document.problems:
        if problem.section in titles and problem.severity is not Severity.NOTE:
            comments.setdefault(problem.section, []).append(_comment(problem))
    return ini_text.written(written, head=list(_head(document.problems, titles, file)), comments=comments)


def _comment(problem: Problem) -> str:
    return f"{problem.severity.value}: {problem.message}"


def _head(problems: Iterable[Problem], titles: set[str], file: str) -> Iterator[str]:
    """Where it came from, and the warnings about what has no section."""
    yield f"Imported from {file} by `agw import`. What concerns one machine alone (access_log, workers, state_directory"
    yield "and other keys of [gateway]) has its defaults: `agw reference docs` writes pages with every key."
    others = [each for each in problems if each.severity is Severity.WARNING and each.section not in titles]
    if others:
        yield ""
        yield from map(_comment, others)


def _placed(section: Section, file: str, directory: str) -> Section:
    """A section whose keys name files by their places relative to the INI file."""
    return attrs.evolve(section, entries=tuple(_entry(section, each, file, directory) for each in section.entries))


def _entry(section: Section, entry: Entry, file: str, directory: str) -> Entry:
    if entry.place.file == file or not names_file(section.kind, entry.key) or entry.value in _NO_PATHS:
        return entry
    return relative_to(entry, directory)


def names_file(kind: str, key: str) -> bool:
    """Whether the value of a key is a path, or a list of paths."""
    how = KINDS[kind].keys.get(key) if kind in KINDS else None
    return how is not None and (how.convert is settings.path or key in FILE_LISTS)


def relative_to(entry: Entry, directory: str) -> Entry:
    """A key whose paths are relative to a directory, rather than to that of the file in which it stands.

    Where only one of both is absolute, a path cannot be relative: it stays as seen from the working directory.
    """
    paths = settings.pieces(entry.value) if entry.key in FILE_LISTS else [entry.value]
    text = ", ".join(_relative(each, posixpath.dirname(entry.place.file), directory) for each in paths)
    return attrs.evolve(entry, value=text, uncut=text)


def _relative(path: str, own: str, directory: str) -> str:
    """A path that stands in a file of the directory `own`, as it stands in one of another directory."""
    where = posixpath.join(own, path)
    both = posixpath.isabs(where) == posixpath.isabs(directory)
    return posixpath.relpath(where, directory or ".") if both and not posixpath.isabs(path) else where


def summary(document: Document) -> Mapping[str, int]:
    """How many sections of each kind there are."""
    counts: dict[str, int] = {}
    for section in document.sections:
        if section.kind not in _NOT_WRITTEN:
            counts[section.kind] = counts.get(section.kind, 0) + 1
    return counts
