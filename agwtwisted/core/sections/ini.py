"""The grammar of the configuration file: bytes to sections, every value with the line it stands on.

Configparser is not used: it lower-cases keys, cuts values at `` ;``, chokes on ``%25``, takes ``:`` for a delimiter,
stops at the first duplicate and knows no line of a value.

A line without indentation is a section ``[kind]`` or ``[kind name]``, a key ``key = value`` (the first ``=`` counts)
or a comment that starts with ``;`` or ``#``. After white space, ``;`` begins a comment behind a section or a value, but
is a part of the value of those keys whose text may hold one (`settings.Key.literal`): which they are is not known here,
and an entry has both readings. ``\\;`` is a literal semicolon everywhere. An indented line continues the value above it
(the newline is kept), a blank line ends that value, a line that holds only a comment does not. White space is space and
tab.
"""

from __future__ import annotations

import re

import attrs

from agwtwisted.core.base.errors import Place, Problem, shown
from agwtwisted.core.sections import hints

_BLANKS = " \t"
_BOM = b"\xef\xbb\xbf"
_COMMENT = re.compile(r"[ \t];")
_HEADER = re.compile(r"\[[ \t]*(?P<kind>\w+)(?:[ \t]+(?P<name>[\w.-]+)(?P<rest>/[\w.-]+)?)?[ \t]*\]", re.ASCII)
_FREE_HEADER = re.compile(
    r"\[[ \t]*(?P<kind>rewrite_rule)[ \t]+(?P<name>[\w.-]+)(?P<rest>/[^ \t](?:.*[^ \t])?)[ \t]*\]", re.ASCII
)
"""Of a section whose own name is free text."""
_HEADER_RULE = "is not a section: write [kind] or [kind name], a name of A-Z a-z 0-9 . _ -"
_TWO_PART_KINDS = {
    "path_rule": "map/name",
    "rewrite_rule": "set/name",
    "load_distribution_target": "policy/name",
    "custom_error": "listener/status",
}
_HEADER_ACTIONS = ("request_header.", "response_header.", "response_header_matcher.")


@attrs.frozen(kw_only=True)
class Entry:
    """One key of a section; its place is the key's own, whatever lines its value goes on to.

    A path in the value is relative to the directory of the file of that place, which is not that of the section where
    another file has set the key.
    """

    key: str
    value: str
    uncut: str  # the value with what would be a comment behind it
    place: Place

    @property
    def line(self) -> int:
        """In the file of its place."""
        return self.place.line


@attrs.frozen(kw_only=True)
class Section:
    """A section; in `entries` each key stands once. `refused` are keys of which the document reports what is wrong."""

    kind: str
    name: str = ""
    place: Place
    entries: tuple[Entry, ...] = ()
    refused: frozenset[str] = frozenset()

    @property
    def line(self) -> int:
        """In the file of its place."""
        return self.place.line

    @property
    def title(self) -> str:
        """What stands between the brackets."""
        return f"{self.kind} {self.name}".rstrip()


@attrs.frozen(kw_only=True)
class Document:
    """A configuration's sections in their order, those that share a name included, and what is wrong with its grammar.

    `parse` makes one of an INI file; what is read of another form yields the same.
    """

    sections: tuple[Section, ...]
    problems: tuple[Problem, ...]


def parse(data: bytes, file: str) -> Document:
    """Read a whole file; whatever the bytes are, the answer is a Document and nothing is raised."""
    reading = _Reading(file)
    if _is_wide(data):
        reading.problems.append(Problem(place=Place(file=file, line=1), message="is UTF-16 text: save it as UTF-8"))
        return reading.document()
    for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), start=1):
        reading.take(number, line.removesuffix(b"\r"))
    return reading.document()


@attrs.define
class _OpenEntry:
    """A key whose value may go on."""

    key: str
    line: int
    pieces: list[str] = attrs.Factory(list)
    uncut: list[str] = attrs.Factory(list)

    def add(self, text: str) -> None:
        """A line of the value, with what may be a comment behind it."""
        self.pieces.append(_unescaped(_without_comment(text).strip(_BLANKS)))
        self.uncut.append(_unescaped(text.strip(_BLANKS)))

    def closed(self, file: str) -> Entry:
        value, uncut = ("\n".join(pieces).strip("\n") for pieces in (self.pieces, self.uncut))
        return Entry(key=self.key, value=value, uncut=uncut, place=Place(file=file, line=self.line))


@attrs.define
class _OpenSection:
    """A section that takes keys; one without kind stands for a header that could not be read."""

    kind: str
    name: str
    line: int
    entries: dict[str, _OpenEntry] = attrs.Factory(dict)

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}".rstrip()

    def closed(self, file: str) -> Section:
        entries = tuple(entry.closed(file) for entry in self.entries.values())
        return Section(kind=self.kind, name=self.name, place=Place(file=file, line=self.line), entries=entries)


@attrs.define
class _Reading:
    """Where a pass over the lines stands."""

    file: str
    sections: list[_OpenSection] = attrs.Factory(list)
    first_lines: dict[tuple[str, str], int] = attrs.Factory(dict)  # of each section's first appearance
    problems: list[Problem] = attrs.Factory(list)
    entry: _OpenEntry | None = None  # the value that an indented line would continue

    def document(self) -> Document:
        sections = tuple(section.closed(self.file) for section in self.sections if section.kind)
        return Document(sections=sections, problems=tuple(self.problems))

    def take(self, number: int, raw: bytes) -> None:
        """One line, without its end."""
        text = self.text(number, raw)
        if text is None or _is_comment(text):
            return
        if not text.strip(_BLANKS):
            self.entry = None
        elif text[0] in _BLANKS:
            self.go_on(number, text)
        elif text[0] == "[":
            self.open_section(number, _without_comment(text).rstrip(_BLANKS))
        else:
            self.open_entry(number, text)

    def text(self, number: int, raw: bytes) -> str | None:
        """The line as text; None where it holds what no text file should."""
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self.complain(number, f"is not UTF-8 (byte {error.start + 1} of the line)")
            return None
        if any((each < " " and each != "\t") or each == "\x7f" for each in text):
            self.complain(number, "contains a control character")
            return None
        return text

    def go_on(self, number: int, text: str) -> None:
        if self.entry is None:
            self.complain(number, "is indented, but there is no value above it to continue")
        else:
            self.entry.add(text)

    def open_section(self, number: int, text: str) -> None:
        self.entry = None
        kind, name = _header(text)
        self.sections.append(_OpenSection(kind, name, number))
        earlier = self.first_lines.setdefault((kind, name), number)
        if not kind:
            self.complain(number, f"{shown(text)} {_header_rule(text)}")
        elif earlier != number:
            self.complain(number, f"the section is defined here and on line {earlier}")

    def open_entry(self, number: int, text: str) -> None:
        key, delimiter, value = text.partition("=")
        key = key.strip(_BLANKS)
        self.entry = _OpenEntry(key, number)
        self.entry.add(value)
        if not delimiter or not key or _COMMENT.search(key):
            self.complain(number, f"{shown(_without_comment(text))} is not a section, a key = value or a comment")
            return
        if not self.sections:
            self.complain(number, "a key before the first section")
            self.sections.append(_OpenSection("", "", number))
        entries = self.sections[-1].entries
        earlier = entries.setdefault(identity(key), self.entry)
        if earlier is not self.entry:
            self.complain(number, f"the key {shown(key)} is set here and on line {earlier.line}")

    def complain(self, number: int, message: str) -> None:
        section = self.sections[-1].title if self.sections else ""
        self.problems.append(Problem(place=Place(file=self.file, line=number), section=section, message=message))


def _is_wide(data: bytes) -> bool:
    """Whether every character seems to have more than one byte, as in UTF-16 and UTF-32."""
    wide = b"\0\0"
    return data.startswith((b"\xff\xfe", b"\xfe\xff")) or wide in (data[0:4:2], data[1:4:2])


def _header(text: str) -> tuple[str, str]:
    """Kind and name between the brackets; two empty texts for a header that cannot be read."""
    match = _FREE_HEADER.fullmatch(text) or _HEADER.fullmatch(text)
    if match is None or bool(match["rest"]) != (match["kind"] in _TWO_PART_KINDS):
        return "", ""
    return match["kind"], _unescaped((match["name"] or "") + (match["rest"] or ""))


def _header_rule(text: str) -> str:
    """How a header that cannot be read should be written."""
    match = _HEADER.fullmatch(text)
    form = _TWO_PART_KINDS.get(match["kind"]) if match else None
    rule = f"is not a section: write [{match['kind']} {form}]" if match and form else _HEADER_RULE
    hint = hints.of_header(text)
    return f"{rule}; {hint}" if hint else rule


def _is_comment(text: str) -> bool:
    """Whether a line holds a comment and nothing else: such a line does not end a value."""
    return text.startswith("#") or text.lstrip(_BLANKS).startswith(";")


def _without_comment(text: str) -> str:
    match = _COMMENT.search(text)
    return text[: match.start()] if match else text


def _unescaped(text: str) -> str:
    return text.replace("\\;", ";")


def identity(key: str) -> str:
    """What makes a key a duplicate: header names are compared without case (RFC 9110 section 5.1), keys with it."""
    return key.lower() if key.startswith(_HEADER_ACTIONS) else key
