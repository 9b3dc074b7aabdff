"""Masks what may be a secret in the text of an ARM document, as `masking` does in that of an INI file.

The text was read as a document before, so brackets and quotes match. Comments and lines stay where they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.operations.masking import MASK, is_secret_name, is_secret_variable, masked_comment, masked_value

_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|[{\[\]},]',
    re.DOTALL,
)

_SECRET_MEMBERS: Final = frozenset({"data", "password", "keyvaultsecretid", "clientsecret", "privatekey"})
"""Members of the product's resources that hold secrets, or say where one is."""

_SECRET_TYPES: Final = frozenset({"securestring", "secureobject"})
_ABOUT: Final = {"headervalue": "headername", "headervaluematcher": "headername", "pattern": "variable"}
"""Members of which another one says what is in them."""

_DESCRIPTIONS: Final = frozenset({"type", "metadata", "description"})
"""Of a parameter whose name says that it is a secret, what is none."""


@attrs.frozen
class _Text:
    """A text and where it stands."""

    start: int
    end: int
    written: str

    @property
    def value(self) -> str:
        """What it says; one that is none, which no document has, is taken as it stands."""
        try:
            return str(json.loads(self.written, strict=False))
        except ValueError:
            return self.written


@attrs.define
class _Object:
    """An object: its members by their lower-cased names, and the name that waits for its value."""

    members: dict[str, _Node] = attrs.Factory(dict)
    waiting: str | None = None

    def take(self, node: _Node) -> None:
        if self.waiting is not None:
            self.members[self.waiting] = node
            self.waiting = None
        elif isinstance(node, _Text):
            self.waiting = node.value.lower()


@attrs.define
class _Array:
    """An array."""

    nodes: list[_Node] = attrs.Factory(list)

    def take(self, node: _Node) -> None:
        self.nodes.append(node)


_Node: TypeAlias = "_Text | _Object | _Array"


def masked_json(text: str) -> str:
    """The text of a document, with a mask for each value that may be a secret.

    That is what a member holds whose name says so, certificates and their passwords included; the value of a secure
    parameter, and of a header whose name says so, or what it is compared with; the user of a URL; a private key.
    """
    root = _Array()
    replaced = dict(_comments(text, root))
    for found, value in _masked(root, is_secret=False):
        replaced[found.start, found.end] = value
    pieces, at = [], 0
    for (start, end), value in sorted(replaced.items()):
        pieces += [text[at:start], value]
        at = end
    return "".join([*pieces, text[at:]])


def _comments(text: str, root: _Array) -> Iterator[tuple[tuple[int, int], str]]:
    """Reads a text into an array; the comments with what is shown of them, by where they stand."""
    within: list[_Object | _Array] = [root]
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece.startswith("/"):
            yield match.span(), masked_comment(piece)
        elif piece.startswith('"'):
            within[-1].take(_Text(*match.span(), piece))
        elif piece in "{[":
            node = _Object() if piece == "{" else _Array()
            within[-1].take(node)
            within.append(node)
        elif piece in "}]" and len(within) > 1:
            within.pop()
        top = within[-1]
        if piece == "," and isinstance(top, _Object):
            top.waiting = None  # it was a number or a word


def _masked(node: _Node, *, is_secret: bool) -> Iterator[tuple[_Text, str]]:
    """Texts of a node, with what is shown in their place where that is another."""
    match node:
        case _Text():
            value = node.value
            shown = MASK if is_secret else masked_value(value)
            if shown != value:
                yield node, _written(shown, node.written.count("\n"))
        case _Array():
            for each in node.nodes:
                yield from _masked(each, is_secret=is_secret)
        case _Object():
            for name, each in node.members.items():
                below = (is_secret and name not in _DESCRIPTIONS) or _is_secret(node, name)
                yield from _masked(each, is_secret=below)


def _is_secret(node: _Object, name: str) -> bool:
    """Whether a member may hold a secret, by its name or by what the object says of it."""
    if name in _SECRET_MEMBERS or is_secret_name(name):
        return True
    if name == "defaultvalue":
        return _text(node, "type").lower() in _SECRET_TYPES
    if (about := _ABOUT.get(name)) is None:
        return False
    said = _text(node, about)
    return is_secret_name(said) if about == "headername" else is_secret_variable(said)


def _text(node: _Object, name: str) -> str:
    found = node.members.get(name)
    return found.value if isinstance(found, _Text) else ""


def _written(shown: str, lines: int) -> str:
    """A text of JSON that has as many line ends as it had."""
    return f'{json.dumps(shown)[:-1]}{chr(10) * lines}"'
