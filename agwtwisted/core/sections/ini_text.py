"""From a Document to the text of a configuration file: `ini.parse` reads of it the same sections, at other places.

Every ``;`` of a value is written ``\\;``, so that it is text for each key, whatever the key makes of a semicolon after
white space. Only a value of which something is a comment to some keys (`Entry.uncut`) has one as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from agwtwisted.core.base.errors import ConfigError, Problem, printable, shown
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.ini import Document, Entry, Section, identity

_BLANKS = " \t"
_INDENT = "    "
_PLAIN_KEY = re.compile(r"[a-z_]+(?:\.[A-Za-z0-9._-]+)?")
_PLAIN_VALUE = re.compile(r"(?:[!-:<-~](?:[ -:<-~]*[!-:<-~])?)?")


def written(
    document: Document,
    *,
    head: Sequence[str] = (),
    comments: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The text of a file with these sections, in their order.

    Args:
        head: comments at the beginning of the file, one line each, whatever is in them.
        comments: the same, before the section with this title.

    Raises:
        ConfigError: the grammar has no way to say this; with a problem for each such section and key.
    """
    problems = list(_problems(document))
    if problems:
        raise ConfigError(problems)
    paragraphs = [_section(section, (comments or {}).get(section.title, ())) for section in document.sections]
    beginning = ["".join(map(_comment, head))] if head else []
    return "\n".join([*beginning, *paragraphs])


def _section(section: Section, comments: Iterable[str]) -> str:
    lines = [*map(_comment, comments), _header(section), *map(_entry, section.entries)]
    return "".join(lines)


def _header(section: Section) -> str:
    return f"[{_escaped(section.title)}]\n"


def _comment(text: str) -> str:
    return f"# {printable(text)}".rstrip() + "\n"


def _entry(entry: Entry) -> str:
    first, *others = (_raw(value, uncut) for value, uncut in _lines(entry))
    return f"{entry.key} = {first}".rstrip(_BLANKS) + "\n" + "".join(f"{_INDENT}{line}\n" for line in others)


def _lines(entry: Entry) -> Iterator[tuple[str, str]]:
    """Each line of a value, without and with what may be a comment behind it."""
    values, uncut = entry.value.split("\n"), entry.uncut.split("\n")
    # The first line of a value may be a comment alone: it is no line of the value then.
    values = [""] * (len(uncut) - len(values)) + values
    return zip(values, uncut, strict=False)


def _raw(value: str, uncut: str) -> str:
    """One line as it stands in the file."""
    if value == uncut or not uncut.startswith(value):
        return _escaped(value)
    behind = uncut.removeprefix(value)
    blanks, _, comment = behind.partition(";")
    return f"{_escaped(value)}{blanks};{_escaped(comment)}"


def _escaped(text: str) -> str:
    return text.replace(";", "\\;")


def _problems(document: Document) -> Iterator[Problem]:
    """What cannot be written, and what would be read as something else."""
    titles = Counter(section.title for section in document.sections)
    for section in document.sections:
        if titles[section.title] > 1:
            yield _of_section(section, "there is more than one section of this name")
        elif _read(_header(section)) != [(section.kind, section.name, [])]:
            yield _of_section(section, "its name cannot stand in an INI file: A-Z a-z 0-9 . _ - can")
        else:
            yield from _of_entries(section)


def _of_entries(section: Section) -> Iterator[Problem]:
    keys = Counter(identity(entry.key) for entry in section.entries)
    for entry in section.entries:
        reason = "is there more than once" if keys[identity(entry.key)] > 1 else _fault(section, entry)
        if reason:
            message = f"{shown(entry.key)} {reason}"
            yield Problem(place=entry.place, section=section.title, key=entry.key, message=message)


def _fault(section: Section, entry: Entry) -> str:
    """Why a key cannot be written; empty where it can be."""
    if entry.value == entry.uncut and _PLAIN_KEY.fullmatch(entry.key) and _PLAIN_VALUE.fullmatch(entry.value):
        return ""  # most are; to read all others as a text takes its time
    if reason := _fault_of_value(entry.uncut) or _fault_of_value(entry.value):
        return f"cannot stand in an INI file: its value {reason}"
    found = _read(f"{_header(section)}{_entry(entry)}")
    same = [(section.kind, section.name, [(entry.key, entry.value, entry.uncut)])]
    return "" if found == same else "cannot stand in an INI file: it would be read as something else"


def _fault_of_value(text: str) -> str:
    lines = text.split("\n")
    if any((each < " " and each not in "\t\n") or each == "\x7f" for each in text):
        return "has a control character"
    if any(line != line.strip(_BLANKS) for line in lines):
        return "has white space at the beginning or end of a line"
    if len(lines) > 1 and not all(lines):
        return "has an empty line"
    return ""


def _read(text: str) -> list[tuple[str, str, list[tuple[str, str, str]]]] | None:
    """What a text is read as: kind and name of each section, its entries; None where something is wrong with it."""
    try:
        document = ini.parse(text.encode(), "")
    except UnicodeEncodeError:
        return None
    sections = [
        (section.kind, section.name, [(entry.key, entry.value, entry.uncut) for entry in section.entries])
        for section in document.sections
    ]
    return None if document.problems else sections


def _of_section(section: Section, message: str) -> Problem:
    return Problem(place=section.place, section=section.title, message=message)
