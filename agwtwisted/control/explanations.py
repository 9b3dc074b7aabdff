"""POST /explain: how a listener judges a certificate, by the configuration in force, in a thread and one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.core.plan.plan import Plan
from agwtwisted.explaining.answer import explained
from agwtwisted.transport.threads import considerate, in_thread

WAITING: Final = 4
"""Questions that wait for their turn; further ones are refused."""


class Explanations:
    """Explains.

    Args:
        reactor: of this process.
        plan: returns the one in force.
        wall: seconds since 1970.
    """

    def __init__(self, reactor: PosixReactorBase, plan: Callable[[], Plan], wall: Callable[[], float]) -> None:
        self._reactor = reactor
        self._plan = plan
        self._wall = wall
        self._turn = DeferredLock()

    def ask(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The members of the answer; fails with `QuestionError`. May be cancelled: the thread keeps its turn."""
        if len(self._turn.waiting) >= WAITING:
            raise QuestionError(503, f"{WAITING} explanations wait already: ask again")
        return Deferred.fromCoroutine(self._asked(arguments))

    async def _asked(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._turn.acquire()
        now = datetime.fromtimestamp(self._wall(), UTC)
        with considerate():
            return await in_thread(self._reactor, partial(self._explained, self._plan(), arguments, now), "explain")

    def _explained(self, plan: Plan, arguments: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
        try:
            return explained(plan, arguments, now)
        finally:
            self._reactor.callFromThread(self._turn.release)
