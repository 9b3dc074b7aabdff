"""JSON as Azure Resource Manager reads it: bytes to a tree of nodes, each with file, line and JSON path.

Beyond RFC 8259 it takes what its users write: comments (``//`` and ``/* */``), line ends within strings, a byte order
mark, a comma behind the last member. Names of members are compared without case there, so two spellings of one name in
one object are an error, where the standard library's reader would keep the last one. Size, depth and number of values
are bounded: a document comes from outside.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import attrs

from agwtwisted.core.base.errors import ConfigError, Place, Problem, shown

LARGEST = 16 * 1024 * 1024
"""Bytes of a document. Resource Manager takes 4 MiB."""
DEEPEST = 64
"""How deep objects and arrays stand within each other. That of large modules is 16."""
MOST_NODES = 200_000
"""Values in a document: a gateway at all of the product's limits has some tens of thousands."""
LONGEST_PATH = 800
"""Characters of a JSON path; values further within an object share the path of those around them."""

_PLAIN_NAME = re.compile(r"[\w$-]{1,80}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 300  # characters; an integer of so many is still a float
_WORD = re.compile(r"[\w$]+", re.ASCII)
_BLANKS = re.compile(r"[ \t\r\n]*")
_WORDS = {"null": None, "true": True, "false": False}
_STRINGS = json.JSONDecoder(strict=False)


@attrs.frozen(kw_only=True)
class UnknownValue:
    """A value that only a deployment has: which expression stands for it, and how to give the value.

    Attributes:
        expression: the part of a template's expression that has no value, as it is written there.
        hint: a sentence: why, and which option gives the value.
        end: where the value is a text, the end of it that is known: `/httpListeners/public` of an id in a gateway
            whose name is unknown.
    """

    expression: str
    hint: str
    end: str = ""


NodeValue: TypeAlias = "bool | int | float | str | tuple[JsonNode, ...] | Mapping[str, JsonNode] | UnknownValue | None"
"""What a node holds; the names of an object's members are as they are written."""


@attrs.frozen(kw_only=True)
class JsonNode:
    """A value of a document and its place. Two are equal where their values are.

    The value is not in the repr: it may be a password or a private key.
    """

    value: NodeValue = attrs.field(repr=False)
    place: Place = attrs.field(eq=False)

    def member(self, name: str) -> JsonNode:
        """The member of an object that has this name in whatever case; null where there is none, as in the product."""
        if isinstance(self.value, Mapping):
            if name in self.value:
                return self.value[name]
            for each, node in self.value.items():
                if each.lower() == name.lower():
                    return node
        return JsonNode(value=None, place=within(self.place, name))

    def items(self) -> tuple[JsonNode, ...]:
        """The items of an array; none of anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    def members(self) -> Mapping[str, JsonNode]:
        """The members of an object by their names as written; none of anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def is_absent(self) -> bool:
        """Whether the product takes the value for none: null, an empty text, an empty array."""
        return self.value is None or self.value == "" or self.value == ()


def within(place: Place, name: str | int) -> Place:
    """The place of a member, or of an item, of what stands at a place; its line is that of the whole."""
    return Place(file=place.file, line=place.line, path=_extended(place.path, name))  # evolve costs thrice as much


def refusal(place: Place, message: str) -> ConfigError:
    """The error about one thing in a document."""
    return ConfigError([Problem(place=place, message=message)])


def read_json(data: bytes, file: str) -> JsonNode:
    """Read a whole document.

    Raises:
        ConfigError: with one problem: what is no JSON, what stands twice, or which bound is exceeded, and where.
    """
    return _Reading(text=_decoded(data, file), file=file).whole()


def read_deployment(data: bytes, file: str) -> JsonNode:
    """Read the body of a request for a deployment, which need not be JSON.

    azure-cli pastes the user's template into it as it is, behind the name ``template`` without quotes. Names without
    quotes are taken everywhere in it.

    Raises:
        ConfigError: as `read_json`.
    """
    return _Reading(text=_decoded(data, file), file=file, takes_bare_names=True).whole()


def _decoded(data: bytes, file: str) -> str:
    """The text of a document in UTF-8 or, as Windows PowerShell writes files, in UTF-16."""
    if len(data) > LARGEST:
        raise refusal(Place(file=file), f"is larger than {LARGEST} bytes")
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refusal(Place(file=file, line=line), "is not UTF-8 text") from None


def _extended(path: str, name: str | int) -> str:
    if len(path) > LONGEST_PATH:
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    if _PLAIN_NAME.fullmatch(name):
        return f"{path}.{name}" if path else name
    return f"{path}[{shown(name)}]"


@attrs.define
class _Reading:
    """Where a pass over a text stands."""

    text: str
    file: str
    takes_bare_names: bool = False
    at: int = 0
    line: int = 1
    counted: int = 0  # up to which character line ends are counted
    nodes: int = 0

    def whole(self) -> JsonNode:
        self.skip()
        if self.at == len(self.text):
            raise self.error("", "is empty: expected a JSON document")
        node = self.node("", 1)
        self.skip()
        if self.at < len(self.text):
            raise self.error("", f"has more behind its end: {self.next_shown()}")
        return node

    def node(self, path: str, depth: int) -> JsonNode:
        """The value that begins here."""
        place = self.place(path)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise refusal(place, f"is value number {MOST_NODES + 1} of the document: more than that are not taken")
        first = self.text[self.at : self.at + 1]
        if first in ("{", "[") and depth > DEEPEST:
            raise refusal(place, f"is nested more than {DEEPEST} deep")
        if first == "{":
            return JsonNode(value=self.object(path, depth), place=place)
        if first == "[":
            return JsonNode(value=tuple(self.array(path, depth)), place=place)
        return JsonNode(value=self.scalar(path, first), place=place)

    def scalar(self, path: str, first: str) -> bool | int | float | str | None:
        if first == '"':
            return self.string(path)
        if first == "-" or first.isdecimal():
            return self.number(path)
        word = _WORD.match(self.text, self.at)
        if word is None or word[0] not in _WORDS:
            raise self.error(path, f"expected a value, found {self.next_shown()}")
        self.at = word.end()
        return _WORDS[word[0]]

    def object(self, path: str, depth: int) -> dict[str, JsonNode]:
        """The members of the object that begins here."""
        members: dict[str, JsonNode] = {}
        lines: dict[str, int] = {}
        while self.has_next("}", path, not members):
            line = self.place(path).line
            name = self.name(path)
            if earlier := lines.get(name.lower()):
                raise self.error(_extended(path, name), f"is set on line {earlier} and again on line {line}")
            lines[name.lower()] = line
            self.skip()
            if not self.take(":"):
                raise self.error(path, f"expected ':' behind {shown(name)}, found {self.next_shown()}")
            self.skip()
            members[name] = self.node(_extended(path, name), depth + 1)
        return members

    def array(self, path: str, depth: int) -> Iterator[JsonNode]:
        """The items of the array that begins here."""
        number = 0
        while self.has_next("]", path, number == 0):
            yield self.node(_extended(path, number), depth + 1)
            number += 1

    def has_next(self, end: str, path: str, is_first: bool) -> bool:
        """Go on to the next member or item, or behind the end of the whole."""
        if is_first:
            self.at += 1
        self.skip()
        if not is_first and not self.take(","):
            if self.take(end):
                return False
            raise self.error(path, f"expected ',' or '{end}', found {self.next_shown()}")
        self.skip()
        return not self.take(end)

    def name(self, path: str) -> str:
        if self.text.startswith('"', self.at):
            return self.string(path)
        word = _WORD.match(self.text, self.at)
        if word is None or not self.takes_bare_names:
            raise self.error(path, f"expected a name in double quotes, found {self.next_shown()}")
        self.at = word.end()
        return word[0]

    def string(self, path: str) -> str:
        try:
            text, self.at = _STRINGS.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.at = error.pos
            raise self.error(path, f"is a text that cannot be read: {error.msg}") from None
        assert isinstance(text, str)
        if _SURROGATE.search(text):
            raise self.error(path, "is a text with half of a surrogate pair (\\ud800 to \\udfff)")
        return text

    def number(self, path: str) -> int | float:
        match = _NUMBER.match(self.text, self.at)
        if match is None or _WORD.match(self.text, match.end()):
            raise self.error(path, "is not a number")
        value: int | float = math.inf
        if len(match[0]) <= _LONGEST_NUMBER:
            value = float(match[0]) if match[1] or match[2] else int(match[0])
        if math.isinf(value):
            raise self.error(path, "is too large a number")
        self.at = match.end()
        return value

    def skip(self) -> None:
        """Go on behind white space and comments."""
        while True:
            blanks = _BLANKS.match(self.text, self.at)
            assert blanks  # it matches nothing at all, too
            self.at = blanks.end()
            if self.text.startswith("//", self.at):
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text.startswith("/*", self.at):
                end = self.text.find("*/", self.at + 2)
                if end < 0:
                    raise self.error("", "has a comment /* without its end */")
                self.at = end + 2
            else:
                return

    def take(self, character: str) -> bool:
        found = self.text.startswith(character, self.at)
        self.at += found
        return found

    def place(self, path: str) -> Place:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = max(self.counted, self.at)
        return Place(file=self.file, line=self.line, path=path)

    def error(self, path: str, message: str) -> ConfigError:
        return refusal(self.place(path), message)

    def next_shown(self) -> str:
        """The character that stands here, for a message; not more, since it may be a password without quotes."""
        return shown(self.text[self.at]) if self.at < len(self.text) else "the end of the document"
