"""How a listener judges a certificate, by the configuration in force, in a thread and one at a time.

POST /explain says what is known; POST /revocation/check has the sources of revocation status asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.base.errors import shown
from agwtwisted.core.operations.questions import Question, QuestionError, text_argument
from agwtwisted.core.plan.plan import Plan
from agwtwisted.transport.threads import considerate, in_thread

if TYPE_CHECKING:
    from agwtwisted.core.reports.examination import Examination

T = TypeVar("T")

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
        """How a listener judges a certificate: the members of the answer; fails with `QuestionError`.

        May be cancelled: the thread keeps its turn.
        """
        return self._started(self._asked, arguments)

    def check(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The same of what the sources of the listener's profile say about its revocation, asked now."""
        return self._started(self._checked, arguments)

    def _started(
        self,
        answering: Callable[[Mapping[str, Any]], Coroutine[Deferred[Any], Any, Mapping[str, Any]]],
        arguments: Mapping[str, Any],
    ) -> Deferred[Mapping[str, Any]]:
        if len(self._turn.waiting) >= WAITING:
            raise QuestionError(503, f"{WAITING} explanations wait already: ask again")
        return Deferred.fromCoroutine(answering(arguments))

    async def _asked(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        arguments = await self._with_certificate(arguments)
        examination = await self._examined(arguments)
        known: Sequence[Mapping[str, Any]] = ()
        if not text_argument(arguments, "at"):  # what is known is known now
            known = await self._known(examination)
        from agwtwisted.explaining.answer import explained

        return await self._in_turn(partial(explained, examination, arguments, known))

    async def _checked(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        examination = await self._examined(await self._with_certificate(arguments))
        from agwtwisted.explaining.answer import checked, status_question

        question = status_question(examination, ask=True)
        statuses = None if question is None else await self._ask_gateway(Question.STATUSES, question)
        return await self._in_turn(partial(checked, examination, statuses))

    async def _known(self, examination: Examination) -> Sequence[Mapping[str, Any]]:
        """What the gateway knows about the certificates' revocation; nothing where there is no answer to that."""
        from agwtwisted.explaining.answer import status_question

        question = status_question(examination, ask=False)
        if question is None:
            return ()
        try:
            found: Sequence[Mapping[str, Any]] = (await self._ask_gateway(Question.STATUSES, question))["certificates"]
            return found
        except QuestionError:
            return ()

    async def _examined(self, arguments: Mapping[str, Any]) -> Examination:
        now = datetime.fromtimestamp(self._wall(), UTC)
        return await self._in_turn(partial(_examined, self._plan(), arguments, now))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        """What the work comes to, in a thread."""
        await self._turn.acquire()
        with considerate():
            return await in_thread(self._reactor, partial(self._released, work), "explain")

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

    def _released(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            self._reactor.callFromThread(self._turn.release)


def _examined(plan: Plan, arguments: Mapping[str, Any], now: datetime) -> Examination:
    """As `explaining.answer.examined` says. What explains is imported with the first question, and so in its thread."""
    from agwtwisted.explaining.answer import examined

    return examined(plan, arguments, now)
