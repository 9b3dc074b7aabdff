"""Questions to a worker, and its events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.operations.events import Events
from agwtwisted.workers.answering import MOST_ANSWER, MOST_WAITING, WorkerAnswers
from agwtwisted.workers.asking import ANSWERED, DEFECT
from agwtwisted.workers.messages import Message, MessageKind


class AnsweringCase(SynchronousTestCase):
    """A worker whose channel and service are the test."""

    def setUp(self) -> None:
        self.events = Events(Clock())
        self.sent: list[Message] = []
        self.bounded: list[bool] = []
        self.queued = 0
        self.asked: list[Any] = []
        self.answered: Any = {"x": 1}
        test: Any = self
        self.answers = WorkerAnswers(test, test)

    def send(self, message: Message, *, bounded: bool = True) -> None:
        """Of the channel."""
        self.sent.append(message)
        self.bounded.append(bounded)

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """Of the service."""
        self.asked.append((question, arguments))
        if isinstance(self.answered, Exception):
            raise self.answered
        return succeed(self.answered)


class AnswerTests(AnsweringCase):
    """Answers."""

    def answer(self, question: str = "clients") -> tuple[dict[str, Any], bytes]:
        """What the parent gets."""
        fields = {"serial": 7, "question": question, "arguments": {"limit": "3"}}
        self.answers.ask(Message(kind=MessageKind.ASK, fields=fields))
        (message,) = self.sent
        self.assertIs(message.kind, MessageKind.ANSWERED)
        return dict(message.fields), message.data

    def test_answer(self) -> None:
        """The members come as JSON, with the number of the question; never do they end the channel."""
        fields, data = self.answer()
        self.assertEqual((fields, json.loads(data)), ({"serial": 7, "status": ANSWERED}, {"x": 1}))
        self.assertEqual((self.asked, self.bounded), ([(Question.CLIENTS, {"limit": "3"})], [False]))

    def test_error(self) -> None:
        """What is wrong with the question comes with its status."""
        self.answered = QuestionError(404, "no such thing")
        self.assertEqual(self.answer()[0], {"serial": 7, "status": 404, "error": "no such thing"})

    def test_defect(self) -> None:
        """A defect is in the log, and the parent hears that there is one; so with an unknown question."""
        self.answered = ValueError("x")
        self.assertEqual(self.answer()[0], {"serial": 7, "status": DEFECT})
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.sent.clear()
        self.assertEqual(self.answer("nonsense")[0]["status"], DEFECT)
        self.flushLoggedErrors(ValueError)

    def test_too_long(self) -> None:
        """An answer that is too long is none."""
        self.answered = {"x": "x" * MOST_ANSWER}
        fields, data = self.answer()
        self.assertEqual((fields["status"], data), (413, b""))


class ListenTests(AnsweringCase):
    """Events."""

    def listen(self, *, wanted: bool) -> None:
        """The parent says so."""
        self.answers.listen(Message(kind=MessageKind.LISTEN, fields={"wanted": wanted}))

    def test_wanted(self) -> None:
        """Events go to the parent while it wants them, each once."""
        self.events.publish("refusal", {"n": 0})
        self.listen(wanted=True)
        self.listen(wanted=True)
        self.events.publish("refusal", {"n": 1})
        self.listen(wanted=False)
        self.events.publish("refusal", {"n": 2})
        self.assertEqual([each.fields for each in self.sent], [{"kind": "refusal", "members": {"n": 1}}])
        self.assertFalse(self.events.wanted)

    def test_full(self) -> None:
        """Where much waits in the channel, events are counted and left out: nothing else waits behind them."""
        self.listen(wanted=True)
        self.queued = MOST_WAITING + 1
        for _ in range(3):
            self.events.publish("refusal", {"n": 1})
        self.assertEqual(self.sent, [])
        self.queued = 0
        self.events.publish("health", {"n": 2})
        self.events.publish("refusal", {"n": 3})
        members = [(each.fields["kind"], each.fields["members"]) for each in self.sent]
        self.assertEqual(members, [("health", {"n": 2}), ("refusal", {"omitted": 3}), ("refusal", {"n": 3})])
