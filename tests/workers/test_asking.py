"""Questions to workers, by the parent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.core.operations.worker_counts import WorkerCounts
from agwtwisted.workers.asking import ANSWER_TIMEOUT, AT_ONCE, DEFECT, OF_ONE_AT_ONCE, ONE_TIMEOUT, Questions
from agwtwisted.workers.messages import Message, MessageKind


class FakeWorker:
    """A place of a worker that keeps what it is sent."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.is_serving = True
        self.sent: list[Message] = []

    def send(self, message: Message, *, bounded: bool = True) -> None:
        """Keeps it."""
        self.sent.append(message)

    @property
    def asked(self) -> list[int]:
        """The numbers of its questions."""
        return [each.fields["serial"] for each in self.sent if each.kind is MessageKind.ASK]


class QuestionsCase(SynchronousTestCase):
    """Three workers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.workers = [FakeWorker(index) for index in (1, 2, 3)]
        self.questions = Questions(self.clock, self.workers, WorkerCounts())

    def ask(
        self, question: Question = Question.LISTENERS, own: Mapping[str, Any] | None = None
    ) -> Deferred[Mapping[str, Any]]:
        """A question."""
        return self.questions.ask(question, {"limit": 1}, own)

    def answer(self, index: int, serial: int = 1, status: int = 200, **fields: Any) -> None:
        """A worker answers that it has so many connections as its index."""
        listeners = [{"kind": "listener", "name": "a", "connections": index}]
        message = Message(
            kind=MessageKind.ANSWERED,
            fields={"serial": serial, "status": status, **fields},
            data=json.dumps({"listeners": listeners}).encode(),
        )
        self.assertTrue(self.questions.received(self.workers[index - 1], message))

    def result(self, answer: Deferred[Mapping[str, Any]]) -> tuple[int, list[int]]:
        """The connections and the missing workers of an answer."""
        members = self.successResultOf(answer)
        return sum(each["connections"] for each in members["listeners"]), members["missing_workers"]

    def error(self, answer: Deferred[Mapping[str, Any]]) -> QuestionError:
        """Why there is none."""
        error: QuestionError = self.failureResultOf(answer, QuestionError).value
        return error


class AskTests(QuestionsCase):
    """One question."""

    def test_all_answer(self) -> None:
        """The answer is merged once all have answered, and no timer is left."""
        answer = self.ask()
        fields = {"serial": 1, "question": "listeners", "arguments": {"limit": 1}}
        for each in self.workers:
            self.assertEqual([dict(message.fields) for message in each.sent], [fields])
        self.answer(1)
        self.answer(3)
        self.assertNoResult(answer)
        self.answer(2)
        self.assertEqual(self.result(answer), (6, []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_deadline(self) -> None:
        """One that does not answer in time is missing, and is asked nothing more until it answers."""
        answer = self.ask()
        self.answer(1)
        self.answer(3)
        self.clock.advance(ANSWER_TIMEOUT)
        self.assertEqual(self.result(answer), (4, [2]))
        again = self.ask()
        self.answer(1, 2)
        self.answer(3, 2)
        self.assertEqual((self.result(again), self.workers[1].asked), ((4, [2]), [1]))
        self.answer(2, 1)
        self.ask()
        self.assertEqual(self.workers[1].asked, [1, 3])

    def test_metrics_are_kept(self) -> None:
        """What a worker answers about metrics counts on, should it end before the others have answered."""
        counted = Measurements({"agw_http_requests": {("a", "b", "2xx"): 7}})
        self.questions.counts.began(1)
        self.ask(Question.METRICS)
        message = Message(
            kind=MessageKind.ANSWERED,
            fields={"serial": 1, "status": 200},
            data=json.dumps(counted.members()).encode(),
        )
        self.questions.received(self.workers[0], message)
        self.questions.counts.ended(1)
        self.assertEqual(self.questions.counts.all_together([], 0.0), counted)

    def test_gone(self) -> None:
        """One that ends meanwhile is missing at once; so is one that does not serve yet."""
        self.workers[0].is_serving = False
        answer = self.ask()
        self.answer(2)
        self.questions.gone(3)
        self.assertEqual(self.result(answer), (2, [1, 3]))
        self.assertEqual(self.workers[0].sent, [])

    def test_none_serves(self) -> None:
        """Without any worker there is no answer but that; the parent's own part is one."""
        for each in self.workers:
            each.is_serving = False
        self.assertEqual(self.error(self.ask()).status, 503)
        own = {"outcome": "drained"}
        found = self.successResultOf(self.ask(Question.DRAIN, own))
        self.assertEqual(found, {"outcome": "drained", "missing_workers": [1, 2, 3]})

    def test_errors(self) -> None:
        """An error of some workers is none where another one has answered."""
        answer = self.ask()
        self.answer(1, status=404, error="e")
        self.answer(2)
        self.answer(3, status=404, error="e")
        self.assertEqual(self.result(answer), (2, []))

    def test_not_found_by_all(self) -> None:
        """That there is no such thing is said only where all have answered."""
        answer = self.ask()
        for index in (1, 2, 3):
            self.answer(index, status=404, error="no such thing")
        self.assertEqual(self.error(answer).status, 404)
        answer = self.ask()
        self.answer(1, 2, status=404, error="no such thing")
        self.answer(2, 2, status=404, error="no such thing")
        self.clock.advance(ANSWER_TIMEOUT)
        self.assertEqual(self.error(answer).status, 503)

    def test_conflict_counts(self) -> None:
        """An error that one worker has the thing, but cannot do it, counts before that others do not have it."""
        answer = self.ask()
        for index, status in ((1, 404), (2, 409), (3, 404)):
            self.answer(index, status=status, error=f"e{index}")
        self.assertEqual(self.error(answer).message, "e2")

    def test_defect(self) -> None:
        """A worker with a defect is missing."""
        answer = self.ask()
        self.answer(1)
        self.answer(2, status=DEFECT)
        self.answer(3)
        self.assertEqual(self.result(answer), (4, [2]))

    def test_late_and_foreign(self) -> None:
        """Answers that are late, or to another question, change nothing."""
        answer = self.ask()
        self.answer(1, 7)
        self.answer(1)
        self.answer(1)
        self.assertNoResult(answer)

    def test_other_messages(self) -> None:
        """Other messages are not its own."""
        message = Message(kind=MessageKind.PUBLISHED, fields={"topic": "x"})
        self.assertFalse(self.questions.received(self.workers[0], message))


class ManyQuestionsTests(QuestionsCase):
    """Questions at once."""

    def test_turns(self) -> None:
        """So many are asked at once; the next one follows when one is answered, and one that is given up is not."""
        answers = [self.ask() for _ in range(AT_ONCE + 2)]
        self.assertEqual(self.workers[0].asked, list(range(1, AT_ONCE + 1)))
        answers[AT_ONCE].cancel()
        self.failureResultOf(answers[AT_ONCE], CancelledError)
        for index in (1, 2, 3):
            self.answer(index, 3)
        self.assertEqual(self.workers[0].asked, list(range(1, AT_ONCE + 2)))
        self.assertNoResult(answers[-1])

    def test_given_up(self) -> None:
        """A question that is given up leaves no timer and gives back its turn."""
        answers = [self.ask() for _ in range(AT_ONCE)]
        for each in answers:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.ask()
        self.assertEqual(self.workers[0].asked[-1], AT_ONCE + 1)


class OfOneTests(QuestionsCase):
    """Questions that one worker answers for all."""

    def test_one(self) -> None:
        """The first one that serves is asked, and its answer is that of the gateway."""
        self.workers[0].is_serving = False
        answer = self.ask(Question.STATUSES)
        self.assertEqual([each.asked for each in self.workers], [[], [1], []])
        self.answer(2)
        self.assertEqual(self.result(answer), (2, []))

    def test_none(self) -> None:
        """Without one that serves there is no answer."""
        for each in self.workers:
            each.is_serving = False
        self.assertEqual(self.error(self.ask(Question.STATUSES)).status, 503)

    def test_slow(self) -> None:
        """It may take longer; one that takes too long is asked the next question all the same."""
        answer = self.ask(Question.STATUSES)
        self.clock.advance(ONE_TIMEOUT - 1)
        self.assertNoResult(answer)
        self.clock.advance(1)
        self.assertEqual(self.error(answer).status, 503)
        self.ask()
        self.assertEqual(self.workers[0].asked, [1, 2])

    def test_turns(self) -> None:
        """So many are asked at once, and questions to all do not wait for them."""
        for _ in range(OF_ONE_AT_ONCE + 1):
            self.ask(Question.STATUSES)
        self.assertEqual(len(self.workers[0].asked), OF_ONE_AT_ONCE)
        self.ask()
        self.assertEqual(len(self.workers[1].asked), 1)


class EventsTests(QuestionsCase):
    """Events of workers."""

    def wanted(self) -> list[list[bool]]:
        """What each worker was sent about listening."""
        return [[m.fields["wanted"] for m in each.sent if m.kind is MessageKind.LISTEN] for each in self.workers]

    def test_listens(self) -> None:
        """Workers say what happens while anything listens, and one that begins then, too."""
        first = self.questions.events.subscribe(lambda kind, members: None)
        second = self.questions.events.subscribe(lambda kind, members: None)
        self.assertEqual(self.wanted(), [[True]] * 3)
        self.questions.begun(self.workers[0])
        self.assertEqual(self.wanted()[0], [True, True])
        first()
        self.assertEqual(self.wanted()[1], [True])
        second()
        self.assertEqual(self.wanted()[1], [True, False])
        self.questions.begun(self.workers[0])
        self.assertEqual(self.wanted()[0], [True, True, False])

    def test_relays(self) -> None:
        """Events are handed on with the worker that they are from, however many another one has."""
        heard: list[Any] = []
        self.questions.events.subscribe(lambda kind, members: heard.append((kind, members)))
        for worker, count in ((self.workers[0], 1000), (self.workers[1], 1)):
            for _ in range(count):
                fields = {"kind": "refusal", "members": {"reason": "r"}}
                self.questions.received(worker, Message(kind=MessageKind.HAPPENED, fields=fields))
        self.assertEqual(len(heard), 1001)
        self.assertEqual(heard[-1], ("refusal", {"reason": "r", "worker": 2}))
