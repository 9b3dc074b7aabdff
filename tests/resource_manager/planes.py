"""What work of the control plane is done with, in memory: a protocol that does what a test says, and reloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from agwtwisted.arm_files import ArmFiles
from agwtwisted.core.base.errors import ConfigError, Problem
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.plan.changes import Changes
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    ArmRequest,
    ArmState,
    AskHealth,
    JsonObject,
    ProbeOnce,
    Work,
)
from agwtwisted.reload import Rejected, ReloadCandidate, Reloaded, ReloadOutcome

IN_FORCE = Reloaded(generation=2, fingerprint="f", changes=Changes(), warnings=(), seconds=0.0)


class FakeProtocol:
    """Answers what a test says."""

    def __init__(self) -> None:
        self.answers: list[ArmAnswer | Work] = []
        self.states: list[ArmState] = []
        self.problems: tuple[Problem, ...] = ()
        self.found: JsonObject = {}

    def answer(self, request: ArmRequest, state: ArmState) -> ArmAnswer | Work:
        """As `ArmProtocol` has it."""
        self.states.append(state)
        return ArmAnswer(status=404) if request.method == "GET" or not self.answers else self.answers.pop(0)

    def refusal(self, request: ArmRequest, work: Work, problems: Iterable[Problem]) -> ArmAnswer:
        """As `ArmProtocol` has it."""
        self.problems = tuple(problems)
        return ArmAnswer(status=400)

    def accepted(self, request: ArmRequest, state: ArmState, work: Work) -> ArmAnswer:
        """As `ArmProtocol` has it."""
        return ArmAnswer(status=202)

    def stored_gateway(self, state: ArmState) -> JsonObject | None:
        """As `ArmProtocol` has it."""
        return next((each.body for each in state.records.values()), None)

    def health_answer(
        self, request: ArmRequest, state: ArmState, task: AskHealth | ProbeOnce, found: JsonObject
    ) -> ArmAnswer:
        """As `ArmProtocol` has it."""
        self.found = found
        return ArmAnswer(status=200)


class FakeGateway:
    """Takes candidates, as a test says."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.taking: Deferred[ReloadOutcome] | None = None
        self.served: list[Any] = []
        self.asked: list[Question] = []
        self.warnings: tuple[Problem, ...] = ()
        self.arm: ArmFiles | None = None

    @property
    def reloads(self) -> FakeGateway:
        """Its reloads."""
        return self

    @property
    def in_force(self) -> Any:
        """What is in force, as far as it is looked at."""
        plan = SimpleNamespace(config=SimpleNamespace(warnings=self.warnings))
        return SimpleNamespace(plan=plan, files=SimpleNamespace(arm=self.arm))

    def take(self, candidate: ReloadCandidate) -> Deferred[ReloadOutcome]:
        """As `Reloads` has it."""
        self.events.append(f"take {candidate.value}")
        try:
            self.served.append(candidate.load())
        except ConfigError as error:
            return succeed(Rejected(generation=1, fingerprint="f", problems=("one",), findings=error.problems))
        return self.taking or succeed(IN_FORCE)

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """As the gateway has it."""
        self.asked.append(question)
        return succeed({"backend_pools": []})


class AtOnce:
    """A thread that has ended when it was started."""

    def __init__(self, target: Callable[[], None], name: str, daemon: bool) -> None:
        self.start = target
