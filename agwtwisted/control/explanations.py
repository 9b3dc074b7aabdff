"""POST /explain: how a listener judges a certificate, by the configuration in force, in a thread and one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.base.errors import shown
from agwtwisted.core.operations.questions import Question, QuestionError, text_argument
from agwtwisted.core.plan.plan import Plan
from agwtwisted.explaining.answer import explained
from agwtwisted.transport.threads import considerate, in_thread

AskGateway: TypeAlias = Callable[[Question, Mapping[str, Any]], Deferred[Mapping[str, Any]]]
"""Asks the gateway a question."""

WAITING: Final = 4
"""Questions that wait for their turn; further ones are refused."""


class Explanations:
    """Explains.

    Args:
        reactor: of this process.
        plan: returns the one in force.
        ask: asks the gateway; for certificates of clients that were refused.
        wall: seconds since 1970.
    """

    def __init__(
        self, reactor: PosixReactorBase, plan: Callable[[], Plan], ask: AskGateway, wall: Callable[[], float]
    ) -> None:
        self._reactor = reactor
        self._plan = plan
        self._ask_gateway = ask
        self._wall = wall
        self._turn = DeferredLock()

    def ask(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The members of the answer; fails with `QuestionError`. May be cancelled: the thread keeps its turn."""
        if len(self._turn.waiting) >= WAITING:
            raise QuestionError(503, f"{WAITING} explanations wait already: ask again")
        return Deferred.fromCoroutine(self._asked(arguments))

    async def _asked(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        arguments = await self._with_certificate(arguments)
        await self._turn.acquire()
        now = datetime.fromtimestamp(self._wall(), UTC)
        with considerate():
            return await in_thread(self._reactor, partial(self._explained, self._plan(), arguments, now), "explain")

    async def _with_certificate(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments with the certificate of the refusal that they name; raises QuestionError."""
        number = text_argument(arguments, "refusal")
        if not number:
            return {name: value for name, value in arguments.items() if name != "refused"}
        if arguments.get("certificate") is not None:
            raise QuestionError(400, "certificate and refusal exclude each other")
        found = (await self._ask_gateway(Question.REFUSALS, {"id": number}))["refusals"]
        if not found:
            raise QuestionError(404, f"the refusal {shown(number)} is not remembered")
        if found[0]["certificate"] is None:
            raise QuestionError(404, f"of the refusal {shown(number)} no certificate is kept")
        listener = arguments.get("listener") or found[0]["listener"]
        certificate = found[0]["certificate"]
        return {**arguments, "listener": listener, "certificate": certificate, "refused": found[0]}

    def _explained(self, plan: Plan, arguments: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
        try:
            return explained(plan, arguments, now)
        finally:
            self._reactor.callFromThread(self._turn.release)
