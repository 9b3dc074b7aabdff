"""Does what clients of the control plane request: one piece at a time, each whole or not at all.

A piece of work puts a configuration in force by a reload, and is kept then; whatever fails leaves what serves, and what
is kept, as it was. The order of a change: it is on the disk beside what is kept, it is in force, it is kept, it is
answered. So an answer says what a restart will find, and a process that ends before has answered nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import attrs
from twisted.internet.defer import Deferred, DeferredLock, TimeoutError, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from agwtwisted.arm_files import ArmFiles
from agwtwisted.core.arm.findings import NAMES_NOTHING
from agwtwisted.core.arm.inputs import arm_section, given_values
from agwtwisted.core.base.errors import ConfigError, Place, Problem, UnacceptableError, printable
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.resource_manager import answering
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    ArmOperation,
    ArmRequest,
    ArmState,
    AskHealth,
    JsonObject,
    ProbeOnce,
    Serve,
    ServeNothing,
    Work,
)
from agwtwisted.loading import Loaded
from agwtwisted.reload import STOPPING, Rejected, ReloadCandidate, ReloadOutcome
from agwtwisted.resource_manager.access import refused
from agwtwisted.resource_manager.source import PlaneSource
from agwtwisted.resource_manager.store import StagedState
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.threads import considerate, in_thread

WAITING: Final = 32
"""Requests that wait for their turn, and as many that read; further ones are refused."""

TURN: Final = 120.0
"""Seconds that a request waits for its turn at most."""

SYNCHRONOUS: Final = 20.0
"""Seconds that a piece of work may take before its request is answered, and the client asks again for the outcome."""

OPERATIONS: Final = 200
"""Pieces of work that took longer, whose outcome is kept for those that ask."""


class ArmReloads(Protocol):
    """What puts configurations in force."""

    @property
    def in_force(self) -> Loaded:
        """The one that is."""

    def take(self, candidate: ReloadCandidate) -> Deferred[ReloadOutcome]:
        """As `reload.Reloads` has it."""


class ServedGateway(Protocol):
    """What serves."""

    @property
    def reloads(self) -> ArmReloads:
        """Its reloads."""

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """Its answer to a question of the control API."""


class ArmProtocol(Protocol):
    """What decides: `core.resource_manager.answering`."""

    def answer(self, request: ArmRequest, state: ArmState) -> ArmAnswer | Work:
        """The answer to a request, or what has to be done before it."""

    def refusal(self, request: ArmRequest, work: Work, problems: Iterable[Problem]) -> ArmAnswer:
        """The answer where nothing was changed."""

    def accepted(self, request: ArmRequest, state: ArmState, work: Work) -> ArmAnswer:
        """The answer to a request whose work goes on."""

    def stored_gateway(self, state: ArmState) -> JsonObject | None:
        """The gateway that is known; None: there is none."""

    def health_answer(
        self, request: ArmRequest, state: ArmState, task: AskHealth | ProbeOnce, found: JsonObject
    ) -> ArmAnswer:
        """The answer with the servers that were found."""


class Works:
    """The work, and the state.

    Args:
        reactor: runs it.
        gateway: what serves.
        source: gives configurations, and has the store and the state of the start.
        probe: probes servers once.
        protocol: decides.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        gateway: ServedGateway,
        source: PlaneSource,
        probe: Callable[[ProbeOnce], Deferred[JsonObject]],
        protocol: ArmProtocol = answering,
    ) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._gateway = gateway
        self._source = source
        self._probe = probe
        self._protocol = protocol
        self._turn = DeferredLock()
        self._waiting = 0
        self._reading = DeferredLock()
        self._operations: dict[str, ArmOperation] = {}

    @property
    def state(self) -> ArmState:
        """What is known now."""
        return attrs.evolve(self._source.state, operations={**self._operations})

    def read(self, request: ArmRequest) -> Deferred[ArmAnswer]:
        """As `site.ArmWorker` has it.

        A large gateway takes a tenth of a second to write: in a thread, and one after the other.
        """
        if len(self._reading.waiting) >= WAITING:
            return succeed(_too_many())
        return self._reading.run(lambda: Deferred.fromCoroutine(self._read(request)))

    async def _read(self, request: ArmRequest) -> ArmAnswer:
        with considerate():
            found = await self._decided(request)
        return found if isinstance(found, ArmAnswer) else found.answer

    def _decided(self, request: ArmRequest) -> Deferred[ArmAnswer | Work]:
        """The answer by what is known now, or what has to be done before it."""
        decide = partial(self._decide, request, self.state, self._gateway.reloads.in_force.files.arm)
        return in_thread(self._reactor, decide, "control plane request")

    def _decide(self, request: ArmRequest, state: ArmState, file: ArmFiles | None) -> ArmAnswer | Work:
        """In a thread: the file in force says what only Azure could tell a template."""
        values = {} if file is None else given_values(arm_section(file.sections, file.overlay))
        return self._protocol.answer(request, attrs.evolve(state, values=values))

    def work(self, request: ArmRequest, client: str) -> Deferred[ArmAnswer]:
        """As `site.ArmWorker` has it."""
        if self._waiting >= WAITING:
            return succeed(_too_many())
        self._waiting += 1
        first: Deferred[ArmAnswer] = Deferred()  # the answer to the request, whichever comes first
        done = Deferred.fromCoroutine(self._in_turn(request, client, first))
        log_failure(done.addBoth(self._left, first), self._log, "working for the control plane")
        return first

    def idle(self) -> Deferred[None]:
        """Fires once the work that is under way is done."""
        return self._turn.run(lambda: None)

    async def _in_turn(self, request: ArmRequest, client: str, first: Deferred[ArmAnswer]) -> ArmAnswer:
        try:
            await self._turn.acquire().addTimeout(TURN, self._clock)
        except TimeoutError:
            message = f"Other requests have taken {TURN:.0f} s: try again."
            return refused(503, "ServerBusy", message, {"Retry-After": "10"})
        try:
            with considerate():
                return await self._taken(request, client, first)
        finally:
            self._turn.release()

    def _left(self, outcome: Any, first: Deferred[ArmAnswer]) -> Any:
        self._waiting -= 1
        if not first.called:
            first.callback(outcome)
            return None
        return outcome

    async def _taken(self, request: ArmRequest, client: str, first: Deferred[ArmAnswer]) -> ArmAnswer:
        """It is the turn of a request: the state is that of now."""
        found = await self._decided(request)
        if isinstance(found, ArmAnswer):
            self._refused(request, client, found)
            return found
        late = self._clock.callLater(SYNCHRONOUS, self._accept, request, found, first)
        try:
            answer = await self._answer(request, found, client)
        except BaseException:
            self._finish(request, refused(500, "InternalServerError", "A defect of the gateway, which is in its log."))
            raise
        finally:
            if late.active():
                late.cancel()
        self._finish(request, answer)
        return answer

    # -- work that takes longer than its request

    def _accept(self, request: ArmRequest, work: Work, first: Deferred[ArmAnswer]) -> None:
        while len(self._operations) >= OPERATIONS:
            del self._operations[next(iter(self._operations))]
        self._operations[request.request_id.lower()] = ArmOperation()
        first.callback(self._protocol.accepted(request, self.state, work))

    def _finish(self, request: ArmRequest, answer: ArmAnswer) -> None:
        if request.request_id.lower() in self._operations:
            self._operations[request.request_id.lower()] = ArmOperation(answer=answer)

    # -- one piece of work

    async def _answer(self, request: ArmRequest, work: Work, client: str) -> ArmAnswer:
        match work.task:
            case AskHealth() | ProbeOnce():
                return await self._health(request, work.task)
            case Serve(only_judged=True):
                problems = await self._judged(work.task.body)
            case _:
                problems = ()
        problems = problems or await self._changed(work)
        if problems == (_STOPPING,):
            return refused(503, "ServiceUnavailable", "The gateway is stopping.")
        answer = self._protocol.refusal(request, work, problems) if problems else work.answer
        self._say(work, client, answer, problems)
        return answer

    async def _health(self, request: ArmRequest, task: AskHealth | ProbeOnce) -> ArmAnswer:
        try:
            ask = partial(self._probe, task) if isinstance(task, ProbeOnce) else self._ask_backends
            found = await maybeDeferred(ask)
        except UnacceptableError as error:
            return refused(400, "InvalidRequestFormat", f"{error.message}.")
        answer = partial(self._protocol.health_answer, request, self.state, task, found)
        return await in_thread(self._reactor, answer, "control plane request")

    def _ask_backends(self) -> Deferred[Mapping[str, Any]]:
        return self._gateway.ask(Question.BACKENDS, {})

    async def _judged(self, body: JsonObject) -> tuple[Problem, ...]:
        """What is wrong with a gateway, which is put nowhere."""
        try:
            await in_thread(self._reactor, partial(self._source.judged, body), "control plane judgement")
        except ConfigError as error:
            return error.problems
        return ()

    async def _changed(self, work: Work) -> tuple[Problem, ...]:
        """Makes a change whole, or leaves everything as it was: then the reasons."""
        state = self._source.state.after(work)
        if state == self._source.state and not _serves(work):
            return ()
        stage = partial(self._source.store.stage, state)
        try:
            staged = await in_thread(self._reactor, stage, "control plane store", StagedState.discard)
        except (ConfigError, OSError) as error:
            return _unkept(error)
        before = self._source.body
        problems = await self._in_force(work)
        if problems:
            await in_thread(self._reactor, staged.discard, "control plane store")
            return problems
        try:
            await in_thread(self._reactor, staged.commit, "control plane store")
        except OSError as error:
            await self._take_back(before)
            return _unkept(error)
        self._source.state = state
        return ()

    async def _in_force(self, work: Work) -> tuple[Problem, ...]:
        """Puts in force what a piece of work wants to serve."""
        if not _serves(work):
            return ()
        return await self._take(work.task.body if isinstance(work.task, Serve) else None, work.summary)

    async def _take(self, body: JsonObject | None, summary: str) -> tuple[Problem, ...]:
        outcome = await self._gateway.reloads.take(self._source.candidate(body, summary or "the gateway"))
        if isinstance(outcome, Rejected):
            if outcome.problems == (STOPPING,):
                return (_STOPPING,)
            return outcome.findings or tuple(Problem(place=_NOWHERE, message=each) for each in outcome.problems)
        self._source.body = body  # before another reload begins, in the same turn of the reactor
        return ()

    def refresh(self) -> Deferred[None]:
        """Takes what is kept now: another gateway had the store until it ended. Never fails."""
        return self._turn.run(lambda: Deferred.fromCoroutine(self._refreshed()))

    async def _refreshed(self) -> None:
        source = self._source
        try:
            state = await in_thread(self._reactor, partial(source.store.read, source.state), "control plane store")
        except ConfigError as error:
            self._log.critical("What the gateway before has kept is not served: {reason}", reason=str(error))
            return
        if state == source.state:
            return
        body = self._protocol.stored_gateway(state) if state.running else None
        problems = await self._take(body, "the gateway that the process before has kept")
        if not problems:
            source.state = state

    async def _take_back(self, body: JsonObject | None) -> None:
        """What could not be kept is not served on: a restart would not have it."""
        problems = await self._take(body, "the gateway before, since the new one could not be kept")
        if problems:
            self._log.critical("The gateway that serves is not the one that is kept: a restart serves the one before")

    # -- what is said of it

    def _say(self, work: Work, client: str, answer: ArmAnswer, problems: tuple[Problem, ...]) -> None:
        outcome = "refused" if problems else "done"
        removed = f"; removed: {', '.join(work.removed)}" if work.removed and not problems else ""
        waiting = self._waiting_sections() if _serves(work) and not problems else ()
        waits = f"; without effect, since they name nothing: {', '.join(waiting)}" if waiting else ""
        (self._log.warn if problems else self._log.info)(
            "Control plane: {summary} by {client}: {outcome} ({status}){removed}{waits}",
            summary=printable(work.summary),
            client=printable(client),
            outcome=outcome,
            status=answer.status,
            removed=printable(removed),
            waits=printable(waits),
        )

    def _waiting_sections(self) -> tuple[str, ...]:
        """The sections of the file that name no resource: what they should protect is not protected."""
        warnings = self._gateway.reloads.in_force.plan.config.warnings
        return tuple(each.section for each in warnings if each.name == NAMES_NOTHING.name)

    def _refused(self, request: ArmRequest, client: str, answer: ArmAnswer) -> None:
        """A request that was answered without work, as one that asks for what is not there."""
        if answer.status >= 400:
            self._log.info(
                "Control plane: {method} {path} by {client}: refused ({status})",
                method=printable(request.method[:16]),
                path=printable(request.path[:300]),
                client=printable(client),
                status=answer.status,
            )


_NOWHERE: Final = Place(file="")
_STOPPING: Final = Problem(place=_NOWHERE, message=STOPPING)


def _too_many() -> ArmAnswer:
    message = f"{WAITING} requests wait for their turn: try again."
    return refused(429, "TooManyRequests", message, {"Retry-After": "5"})


def _serves(work: Work) -> bool:
    """Whether it is about what serves."""
    return isinstance(work.task, ServeNothing) or (isinstance(work.task, Serve) and not work.task.only_judged)


def _unkept(error: ConfigError | OSError) -> tuple[Problem, ...]:
    if isinstance(error, ConfigError):
        return error.problems
    file = f"{error.filename}: " if error.filename else ""  # a write that fails, as on a full disk, has none
    message = f"it cannot be kept, so nothing was changed: {file}{error.strerror}"
    return (Problem(place=_NOWHERE, message=message),)
