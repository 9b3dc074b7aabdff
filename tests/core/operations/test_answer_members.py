"""How members of answers are described and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.answer_members import AnswerMember, documented, example, undocumented, unseen

A, B, C = (AnswerMember(name, name) for name in "abc")
TREE: Mapping[str, Any] = {"a": A, "list": [{"b": B}], "object": {"c": C}}


class TreeTests(SynchronousTestCase):
    """Trees of members."""

    def test_paths(self) -> None:
        """A member has its path."""
        self.assertEqual([path for path, _ in documented(TREE)], ["a", "list[].b", "object.c"])
        self.assertEqual(example(TREE), {"a": "a", "list": [{"b": "b"}], "object": {"c": "c"}})

    def test_undocumented(self) -> None:
        """What an answer has, and the tree has not, or as something else, is found; an object may be null."""
        answer = {"a": 1, "list": [{"b": 1}, {"x": 1}], "object": {"y": 1}, "z": 1}
        self.assertEqual(list(undocumented(TREE, answer)), ["list[].x", "object.y", "z"])
        self.assertEqual(list(undocumented(TREE, {"list": {"b": 1}, "object": None})), ["list"])

    def test_unseen(self) -> None:
        """What the tree has, and an answer has nowhere, is found: in a list one of its objects is enough."""
        self.assertEqual(list(unseen(TREE, {"list": [{}, {"b": 1}], "object": None})), ["a", "object.c"])
        self.assertEqual(list(unseen(TREE, {"a": 1, "list": [], "object": {"c": 1}})), ["list"])
