"""The members of answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.answers import ANSWERS, EVENTS, AnswerMember, documented, example, undocumented, unseen
from agwtwisted.core.operations.happenings import health_event, reload_event, worker_event
from agwtwisted.core.operations.routes import ROUTES, Form
from agwtwisted.core.plan.changes import Changes

A, B, C = (AnswerMember(name, name) for name in "abc")
TREE: Mapping[str, Any] = {"a": A, "list": [{"b": B}], "object": {"c": C}}


class EventTests(SynchronousTestCase):
    """Members of events."""

    def test_as_they_are(self) -> None:
        """Every member of an event is documented, and the other way round."""
        made = {
            "health": health_event("s", "Up", "Down", "r"),
            "reload": reload_event(1, "f", changes=Changes()),
            "worker": worker_event(1, "ended", "how"),
        }
        for kind, members in made.items():
            found = (list(undocumented(EVENTS[kind], members)), list(unseen(EVENTS[kind], members)))
            self.assertEqual(found, ([], []), kind)


class TreeTests(SynchronousTestCase):
    """How members are compared."""

    def test_every_route(self) -> None:
        """Each route that answers JSON has its members, and an example has all of them."""
        for route in ROUTES:
            self.assertEqual(route.asks in ANSWERS, route.form is Form.JSON, route.path)
        for tree in ANSWERS.values():
            self.assertEqual((list(undocumented(tree, example(tree))), list(unseen(tree, example(tree)))), ([], []))

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
