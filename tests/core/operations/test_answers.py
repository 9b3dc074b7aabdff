"""The members of answers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.answer_members import example, undocumented, unseen
from agwtwisted.core.operations.answers import ANSWERS, EVENTS
from agwtwisted.core.operations.happenings import health_event, reload_event, worker_event
from agwtwisted.core.operations.routes import ROUTES, Form
from agwtwisted.core.plan.changes import Changes


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


class AnswerTests(SynchronousTestCase):
    """The members of answers."""

    def test_every_route(self) -> None:
        """Each route that answers JSON has its members, and an example has all of them."""
        for route in ROUTES:
            self.assertEqual(route.asks in ANSWERS, route.form is Form.JSON, route.path)
        for tree in ANSWERS.values():
            self.assertEqual((list(undocumented(tree, example(tree))), list(unseen(tree, example(tree)))), ([], []))
