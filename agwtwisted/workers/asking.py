"""Questions of the control API to all workers, and their events: the parent's side.

A question has one deadline. Which workers have not answered by then, or have ended, is part of the answer. One that has
left a question open is asked nothing more until it answers: neither do questions pile up for it, nor does each wait.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import attrs
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.merging import PARENT, merged
from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.core.operations.worker_counts import WorkerCounts
from agwtwisted.operations.events import Events, Heard
from agwtwisted.workers.messages import Message, MessageKind

ANSWER_TIMEOUT: Final = 5.0
"""Seconds in which all workers answer."""

ONE_TIMEOUT: Final = 28.0
"""Seconds for the answer of a question to one worker, which may ask others itself: before the site gives it up."""

AT_ONCE: Final = 8
"""Questions that workers are asked at once; others wait for their turn, until the site gives them up."""

OF_ONE_AT_ONCE: Final = 2
"""The same of questions to one worker: those to all do not wait for them."""

BUSY: Final = 503
"""The status of a question that no worker has answered."""

_PRECEDENCE: Final = (409, 400)
"""Which of several workers' errors counts: the first of these, or else any but that there is no such thing."""


Completed: TypeAlias = Callable[[Question, Mapping[int, Mapping[str, Any]]], Mapping[int, Mapping[str, Any]]]
"""Makes of all answers to a question those that are merged."""


class AskedWorker(Protocol):
    """A place of a worker, as `worker_slot.WorkerSlot` is."""

    index: int

    @property
    def is_serving(self) -> bool:
        """Whether there is a worker that answers."""

    def send(self, message: Message, *, bounded: bool = True) -> None:
        """Sends it a message."""


@attrs.define(eq=False)
class _Round:
    """A question, and what has come of it."""

    question: Question
    missing: set[int]
    awaited: set[int]
    over: Callable[[], None]
    answers: dict[int, Mapping[str, Any]] = attrs.Factory(dict)
    errors: list[QuestionError] = attrs.Factory(list)
    deadline: IDelayedCall | None = None


class Questions:
    """Asks workers.

    Args:
        reactor: has the clock.
        workers: their places.
        counts: hear of each answer to `Question.METRICS`.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorTime, workers: Sequence[AskedWorker], counts: WorkerCounts) -> None:
        self.events: Final = WorkersEvents(reactor, self._listen)
        """What happens in all processes."""
        self._reactor = reactor
        self._workers = workers
        self.counts: Final = counts
        self._turns = DeferredSemaphore(AT_ONCE)
        self._turns_of_one = DeferredSemaphore(OF_ONE_AT_ONCE)
        self._serial = 0
        self._rounds: dict[int, _Round] = {}
        self._silent: set[int] = set()

    def ask(
        self,
        question: Question,
        arguments: Mapping[str, Any],
        own: Mapping[str, Any] | None,
        completed: Completed = lambda _, answers: answers,
    ) -> Deferred[Mapping[str, Any]]:
        """The answer of the gateway.

        Args:
            question: to every worker, or to one of them that serves (`Question.is_of_one`).
            arguments: with it.
            own: the parent's own part of the answer; None: it has none.
            completed: makes of all answers those that are merged.

        Fails with `QuestionError`. May be cancelled.
        """
        turns = self._turns_of_one if question.is_of_one else self._turns
        return turns.run(lambda: Deferred.fromCoroutine(self._asked(question, arguments, own, completed)))

    async def _asked(
        self, question: Question, arguments: Mapping[str, Any], own: Mapping[str, Any] | None, completed: Completed
    ) -> Mapping[str, Any]:
        self._serial += 1
        serial = self._serial
        done: Deferred[None] = Deferred()
        asked, missing = self._chosen(question)
        found = self._rounds[serial] = _Round(
            question=question, missing=missing, awaited=asked, over=lambda: done.callback(None)
        )
        fields = {"serial": serial, "question": question.value, "arguments": dict(arguments)}
        try:
            self._send(asked, Message(kind=MessageKind.ASK, fields=fields))
            if found.awaited:
                seconds = ONE_TIMEOUT if question.is_of_one else ANSWER_TIMEOUT
                found.deadline = self._reactor.callLater(seconds, self._overdue, found, seconds)
                await done
        finally:
            del self._rounds[serial]
            if found.deadline is not None and found.deadline.active():
                found.deadline.cancel()
        if found.answers or (own is not None and not found.errors):
            answers = completed(question, found.answers | ({} if own is None else {PARENT: own}))
            return merged(question, arguments, answers, sorted(found.missing))
        raise self._error(found)

    def _chosen(self, question: Question) -> tuple[set[int], set[int]]:
        """The workers that are asked, and those whose answer is missing from the beginning."""
        able = {each.index for each in self._workers if each.is_serving and each.index not in self._silent}
        if question.is_of_one and able:
            return {min(able)}, set()
        return able, {each.index for each in self._workers} - able

    def _error(self, found: _Round) -> QuestionError:
        """Why there is no answer."""
        error = min(found.errors, key=_precedence, default=None)
        if error is None or (found.missing and error.status not in _PRECEDENCE):
            names = ", ".join(map(str, sorted(found.missing)))
            return QuestionError(BUSY, f"no answer of worker {names}, which starts, ends or does not react: ask again")
        return error

    def _overdue(self, found: _Round, seconds: float) -> None:
        if not found.question.is_of_one:  # that may take its time, and says nothing about the worker
            self._silent |= found.awaited
        self._log.warn(
            "No answer to a question of the control API within {seconds:.0f} s by worker {workers}",
            seconds=seconds,
            workers=", ".join(map(str, sorted(found.awaited))),
        )
        found.missing |= found.awaited
        found.awaited.clear()
        found.over()

    def received(self, worker: AskedWorker, message: Message) -> bool:
        """A worker has sent this; False: it is no answer and no event."""
        match message.kind:
            case MessageKind.ANSWERED:
                self._answered(worker.index, message)
            case MessageKind.HAPPENED:
                self.events.relay(message.fields["kind"], {**message.fields["members"], "worker": worker.index})
            case _:
                return False
        return True

    def _answered(self, index: int, message: Message) -> None:
        self._silent.discard(index)
        found = self._rounds.get(message.fields["serial"])
        if found is None or index not in found.awaited:
            return
        status = message.fields["status"]
        if status == ANSWERED:
            answer = found.answers[index] = json.loads(message.data)
            if found.question is Question.METRICS:
                self.counts.reported(index, Measurements.of_members(answer))  # it may end before the others answer
        elif status == DEFECT:
            found.missing.add(index)
        else:
            found.errors.append(QuestionError(status, message.fields["error"]))
        self._settle(found, index)

    def begun(self, worker: AskedWorker) -> None:
        """A worker begins: it is to say what happens, where anything listens."""
        if self.events.wanted:
            worker.send(_listening(wanted=True), bounded=False)

    def gone(self, index: int) -> None:
        """A worker has ended."""
        self._silent.discard(index)
        for found in tuple(self._rounds.values()):
            if index in found.awaited:
                found.missing.add(index)
                self._settle(found, index)

    def _settle(self, found: _Round, index: int) -> None:
        found.awaited.discard(index)
        if not found.awaited:
            found.over()

    def _listen(self, wanted: bool) -> None:
        self._send({each.index for each in self._workers}, _listening(wanted=wanted))

    def _send(self, indexes: Iterable[int], message: Message) -> None:
        for each in self._workers:
            if each.index in indexes:
                each.send(message, bounded=False)


ANSWERED: Final = 200
"""The status of a worker's answer."""

DEFECT: Final = 500
"""The status where it has none because of a defect, which is in the log."""


def _precedence(error: QuestionError) -> int:
    return _PRECEDENCE.index(error.status) if error.status in _PRECEDENCE else (3 if error.status == 404 else 2)


def _listening(*, wanted: bool) -> Message:
    return Message(kind=MessageKind.LISTEN, fields={"wanted": wanted})


class WorkersEvents(Events):
    """The events of all processes.

    Args:
        clock: counts seconds.
        listen: is called with whether anything listens, when that changes.
    """

    def __init__(self, clock: IReactorTime, listen: Callable[[bool], None]) -> None:
        super().__init__(clock)
        self._listen = listen

    def subscribe(self, heard: Heard) -> Callable[[], None]:
        """As `Events` has it; the first one has the workers say what happens."""
        first = not self.wanted
        unsubscribe = super().subscribe(heard)
        if first:
            self._listen(True)
        return unsubscribe

    def stop(self) -> None:
        """Nothing listens any more."""
        if self.wanted:
            self._listen(False)
        super().stop()
