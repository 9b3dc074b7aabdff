"""Answers of the parent of workers: what it knows itself, by which the workers' answers are completed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.answers.of_backends import BackendAnswers
from agwtwisted.answers.of_configuration import ConfigurationAnswers
from agwtwisted.answers.of_workers import WorkersMeasurements
from agwtwisted.core.operations.merging import PARENT
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.operations.status import WorkerStatus
from agwtwisted.core.operations.worker_counts import WorkerCounts
from agwtwisted.probes import SharedProbes
from agwtwisted.reload import Reloads
from agwtwisted.revocation.held_staples import HeldStaples

ALONE: Final = frozenset({Question.CERTIFICATES, Question.CONFIGURATION})
"""Questions that the parent answers without asking a worker."""


class ParentAnswers:
    """Answers from the parent's own state.

    Args:
        reactor: of this process.
        reloads: that have the configuration in force.
        probes: of its servers.
        staples: of its certificates.
        wall: seconds since 1970.
        workers: returns each worker.
        counts: what they have reported.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        reloads: Reloads,
        probes: SharedProbes,
        staples: HeldStaples,
        wall: Callable[[], float],
        *,
        workers: Callable[[], Sequence[WorkerStatus]] = tuple,
        counts: WorkerCounts | None = None,
    ) -> None:
        self.configuration = of_configuration = ConfigurationAnswers(reactor, reloads, wall, staples.states)
        self._of_workers = WorkersMeasurements(
            *(reactor, reloads, probes, lambda: of_configuration.certificates_in_force, workers),
            *(WorkerCounts() if counts is None else counts, wall(), staples),
        )
        clock: Any = reactor
        self._of_backends = BackendAnswers(
            lambda: (reloads.in_force.plan, probes.servers.pools), probes.drains, clock.seconds, wall
        )

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any] | None]:
        """What this process knows; None where it knows nothing of it.

        It is the whole answer to the questions in `ALONE`, and `merging.PARENT`'s among the workers' to others. An
        action is taken here first, and fails with `QuestionError` where there is nothing to take it on.
        """
        return Deferred.fromCoroutine(self._ask(question, arguments))

    def completed(
        self, question: Question, answers: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, Mapping[str, Any]]:
        """All answers to a question, as `merging.merged` takes them, once those of the workers are in."""
        if question is not Question.METRICS:
            return answers
        return {PARENT: self._of_workers.all_together(answers).members()}

    async def _ask(self, question: Question, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        match question:
            case Question.CERTIFICATES:
                return self.configuration.certificates()
            case Question.CONFIGURATION:
                return await self.configuration.configuration()
            case Question.BACKENDS:
                return self._of_backends.backends()
            case Question.DRAIN | Question.UNDRAIN:
                return self._of_backends.drain(arguments, drained=question is Question.DRAIN)
            case _:
                return None
