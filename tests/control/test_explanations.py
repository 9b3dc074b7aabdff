"""POST /explain: one at a time, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import TestCase

from agwtwisted.control.explanations import WAITING, Explanations
from agwtwisted.core.operations.questions import QuestionError


class TurnTests(TestCase):
    """Turns."""

    def setUp(self) -> None:
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        self.running: list[str] = []
        patcher = mock.patch("agwtwisted.control.explanations.explained", side_effect=self.explained)
        patcher.start()
        self.addCleanup(patcher.stop)
        plan: Any = "the plan"
        self.explanations = Explanations(reactor, lambda: plan, lambda: 0.0)  # type: ignore[arg-type]

    def explained(self, plan: Any, arguments: Mapping[str, Any], now: Any) -> Mapping[str, Any]:
        """Takes its time."""
        self.running.append(threading.current_thread().name)
        self.go_on.wait(60)
        if arguments:
            raise QuestionError(404, "no such listener")
        return {"plan": plan, "now": now.isoformat()}

    async def test_one_at_a_time(self) -> None:
        """So many wait, and further ones are refused; a defect or error of one keeps none from its turn."""
        answers = [self.explanations.ask({"listener": "x"}), *(self.explanations.ask({}) for _ in range(WAITING))]
        with self.assertRaises(QuestionError) as caught:
            self.explanations.ask({})
        self.assertEqual(caught.exception.status, 503)
        self.assertLessEqual(len(self.running), 1)
        self.go_on.set()
        await self.assertFailure(answers[0], QuestionError)
        for each in answers[1:]:
            self.assertEqual(await each, {"plan": "the plan", "now": "1970-01-01T00:00:00+00:00"})
        self.assertEqual(set(self.running), {"explain"})

    async def test_given_up(self) -> None:
        """A question that is given up keeps its turn until its thread ends; the next one follows then."""
        first, second = self.explanations.ask({}), self.explanations.ask({})
        first.cancel()
        await self.assertFailure(first, CancelledError)
        self.assertNoResult(second)
        self.go_on.set()
        self.assertEqual((await second)["plan"], "the plan")
