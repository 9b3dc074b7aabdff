"""Answers that a process gives by which clients are served: from its own state, which no question changes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from twisted.internet.defer import Deferred

from agwtwisted.answers.of_backends import BackendAnswers
from agwtwisted.answers.of_clients import ClientAnswers
from agwtwisted.answers.of_configuration import ConfigurationAnswers
from agwtwisted.answers.of_metrics import process_measurements
from agwtwisted.answers.of_refusals import refusals_of
from agwtwisted.answers.of_revocation import forget, revocation_of
from agwtwisted.answers.of_statuses import import_brought, statuses
from agwtwisted.core.operations.listeners_in_force import listeners_in_force
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.generation import Generation
from agwtwisted.listening.retired import RetiredPorts
from agwtwisted.reload import Reloads
from agwtwisted.shared import Shared

AnswerMembers: TypeAlias = Mapping[str, Any]
"""The members of a JSON object."""

_Answers: TypeAlias = Callable[[Mapping[str, Any]], Coroutine[Deferred[Any], Any, AnswerMembers]]


class Answering(Protocol):
    """The gateway whose state is asked: `service.GatewayService`."""

    shared: Shared
    generation: Generation
    retired: RetiredPorts
    reloads: Reloads


class GatewayAnswers:
    """Answers all questions to one process.

    Args:
        gateway: whose state it is.
    """

    def __init__(self, gateway: Answering) -> None:
        self._gateway = gateway
        shared = gateway.shared
        self.configuration: Final = ConfigurationAnswers(
            shared.reactor, gateway.reloads, shared.wall.seconds, lambda: gateway.shared.staples.states()
        )
        self._of_backends = BackendAnswers(
            lambda: (gateway.generation.plan, gateway.generation.pools),
            shared.drains,
            shared.reactor.seconds,
            shared.wall.seconds,
        )
        self._of_clients = ClientAnswers(gateway, shared.place.index, shared.reactor, shared.wall.seconds)
        self._answers: Mapping[Question, _Answers] = {
            Question.LISTENERS: self._listeners,
            Question.CLIENTS: self._of_clients.clients,
            Question.CLOSE: self._close,
            Question.REFUSALS: self._refusals,
            Question.REVOCATION: self._revocation,
            Question.FORGET: self._forget,
            Question.STATUSES: self._statuses,
            Question.IMPORT: self._import,
            Question.BACKENDS: self._backends,
            Question.DRAIN: partial(self._drain, drained=True),
            Question.UNDRAIN: partial(self._drain, drained=False),
            Question.CERTIFICATES: self._certificates,
            Question.CONFIGURATION: self._configuration,
            Question.METRICS: self._metrics,
        }

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[AnswerMembers]:
        """The answer; fails with `QuestionError` where the arguments do not do."""
        return Deferred.fromCoroutine(self._answers.get(question, _not_answered)(arguments))

    async def _backends(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return self._of_backends.backends()

    async def _refusals(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return refusals_of(self._gateway.shared.refusals, arguments)

    async def _revocation(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return revocation_of(self._gateway.shared)

    async def _forget(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return forget(self._gateway.shared, arguments)

    async def _statuses(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return await statuses(self._gateway.shared, arguments)

    async def _import(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return await import_brought(self._gateway.shared, self._gateway.generation.plan, arguments)

    async def _close(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return self._of_clients.close(arguments)

    async def _drain(self, arguments: Mapping[str, Any], *, drained: bool) -> AnswerMembers:
        return self._of_backends.drain(arguments, drained=drained)

    async def _certificates(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return self.configuration.certificates()

    async def _configuration(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return await self.configuration.configuration()

    async def _metrics(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        return self.measurements().members()

    def measurements(self) -> Measurements:
        """The metrics of this process now."""
        gateway = self._gateway
        certificates = self.configuration.certificates_in_force
        return process_measurements(gateway.shared, gateway.generation, gateway.reloads, certificates, self._retired())

    def _retired(self) -> list[Mapping[str, int]]:
        """Clients by their listener, which may be elsewhere now, of each address that is listened on no more."""
        return [port.live.by_listener() for port in self._gateway.retired.ports]

    async def _listeners(self, arguments: Mapping[str, Any]) -> AnswerMembers:
        generation = self._gateway.generation
        counted: dict[str, int] = {}
        for each in (*(port.by_listener() for port in generation.ports.values()), *self._retired()):
            for name, number in each.items():
                counted[name] = counted.get(name, 0) + number
        return {"listeners": [each.members() for each in listeners_in_force(generation.plan, counted)]}


async def _not_answered(arguments: Mapping[str, Any]) -> AnswerMembers:
    raise QuestionError(NOT_ANSWERED, "this gateway does not answer that question")


NOT_ANSWERED: Final = 501
"""The status of a question that this version does not answer."""
