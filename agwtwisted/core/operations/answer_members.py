"""How members of answers of the control API are described, and compared with answers: the tables are in `answers`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import attrs


@attrs.frozen
class AnswerMember:
    """One member: its meaning, and a value of JSON as an example."""

    meaning: str
    example: Any


AnswerTree: TypeAlias = Mapping[str, Any]
"""Members by name: each an `AnswerMember`, an object (as this one), or a list of objects, as a list of one of them."""


def documented(tree: AnswerTree, prefix: str = "") -> Iterator[tuple[str, AnswerMember]]:
    """Every member with its path: ``servers[].port`` is one of the objects in a list."""
    for name, node in tree.items():
        if isinstance(node, AnswerMember):
            yield f"{prefix}{name}", node
        elif isinstance(node, list):
            yield from documented(node[0], f"{prefix}{name}[].")
        else:
            yield from documented(node, f"{prefix}{name}.")


def example(tree: AnswerTree) -> dict[str, Any]:
    """An answer with these members."""
    return {name: _example(node) for name, node in tree.items()}


def _example(node: Any) -> Any:
    if isinstance(node, AnswerMember):
        return node.example
    return [example(node[0])] if isinstance(node, list) else example(node)


def undocumented(tree: AnswerTree, answer: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The paths of members that an answer has, and the tree has not, or as something else."""
    for name, value in answer.items():
        path, node = f"{prefix}{name}", tree.get(name)
        if isinstance(node, AnswerMember):
            continue
        if isinstance(node, list) and isinstance(value, list):
            for each in value:
                yield from undocumented(node[0], each, f"{path}[].")
        elif isinstance(node, Mapping) and isinstance(value, Mapping):
            yield from undocumented(node, value, f"{path}.")
        elif not (isinstance(node, Mapping) and value is None):
            yield path


def unseen(tree: AnswerTree, answer: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The paths of members that the tree has, and an answer has nowhere."""
    for name, node in tree.items():
        path, value = f"{prefix}{name}", answer.get(name)
        if name not in answer:
            yield path
        elif isinstance(node, list):
            seen = [set(unseen(node[0], each, f"{path}[].")) for each in value or ()]
            yield from sorted(set.intersection(*seen)) if seen else [path]
        elif not isinstance(node, AnswerMember):
            yield from unseen(node, value or {}, f"{path}.")
