"""POST /explain: one at a time, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import TestCase

from agwtwisted.control.explanations import WAITING, Explanations
from agwtwisted.core.operations.questions import Question, QuestionError


class TurnTests(TestCase):
    """Turns."""

    def setUp(self) -> None:
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        self.running: list[str] = []
        self.question: Mapping[str, Any] | None = None
        self.statuses: Any = QuestionError(503, "no worker")
        for name, work in (
            ("examined", self.examined),
            ("explained", lambda examination, arguments, known: {**examination, "known": known}),
            ("checked", lambda examination, statuses: {**examination, "statuses": statuses}),
            ("status_question", lambda examination, ask: self.question and {**self.question, "ask": ask}),
        ):
            patcher = mock.patch(f"agwtwisted.explaining.answer.{name}", side_effect=work)
            patcher.start()
            self.addCleanup(patcher.stop)
        plan: Any = "the plan"
        self.refusals: list[Mapping[str, Any]] = []
        self.explanations = Explanations(reactor, lambda: plan, self.ask, lambda: 0.0)  # type: ignore[arg-type]

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """Of the gateway."""
        if question is Question.STATUSES:
            self.assertEqual(arguments["profile"], "p")
            return fail(self.statuses) if isinstance(self.statuses, Exception) else succeed(self.statuses)
        self.assertEqual((question, dict(arguments)), (Question.REFUSALS, {"id": "1-7"}))
        return succeed({"refusals": self.refusals})

    def examined(self, plan: Any, arguments: Mapping[str, Any], now: Any) -> Mapping[str, Any]:
        """Takes its time."""
        self.running.append(threading.current_thread().name)
        self.go_on.wait(60)
        self.arguments = dict(arguments)
        if arguments.get("listener") == "x":
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
            self.assertEqual(await each, {"plan": "the plan", "now": "1970-01-01T00:00:00+00:00", "known": ()})
        self.assertEqual(set(self.running), {"explain"})

    async def test_given_up(self) -> None:
        """A question that is given up keeps its turn until its thread ends; the next one follows then."""
        first, second = self.explanations.ask({}), self.explanations.ask({})
        first.cancel()
        await self.assertFailure(first, CancelledError)
        self.assertNoResult(second)
        self.go_on.set()
        self.assertEqual((await second)["plan"], "the plan")

    async def test_known(self) -> None:
        """What the gateway knows of the revocation is part of it, as far as the gateway says it, and for now alone."""
        self.go_on.set()
        self.question = {"profile": "p"}
        self.assertEqual((await self.explanations.ask({}))["known"], ())
        self.statuses = {"certificates": ["known"]}
        self.assertEqual((await self.explanations.ask({}))["known"], ["known"])
        self.assertEqual((await self.explanations.ask({"at": "2026-01-01"}))["known"], ())

    async def test_check(self) -> None:
        """A check has the gateway ask; that it does not answer is an error here."""
        self.go_on.set()
        self.assertIsNone((await self.explanations.check({}))["statuses"])
        self.question = {"profile": "p"}
        await self.assertFailure(self.explanations.check({}), QuestionError)
        self.statuses = {"certificates": []}
        self.assertEqual((await self.explanations.check({}))["statuses"], self.statuses)

    async def test_refusal(self) -> None:
        """A refusal gives its certificates, and its listener unless another one is asked for."""
        self.go_on.set()
        self.refusals = [{"certificate": "PEM", "listener": "a"}]
        await self.explanations.ask({"refusal": "1-7"})
        self.assertEqual((self.arguments["certificate"], self.arguments["listener"]), ("PEM", "a"))
        await self.explanations.ask({"refusal": "1-7", "listener": "b"})
        self.assertEqual(self.arguments["listener"], "b")

    async def test_refusal_that_is_gone(self) -> None:
        """One that is not remembered, or without a certificate, is an error; so are two certificates."""
        for refusals in ([], [{"certificate": None, "listener": "a"}]):
            self.refusals = refusals
            error = await self.assertFailure(self.explanations.ask({"refusal": "1-7"}), QuestionError)
            self.assertEqual(error.status, 404)
        error = await self.assertFailure(self.explanations.ask({"refusal": "1-7", "certificate": "x"}), QuestionError)
        self.assertEqual(error.status, 400)
