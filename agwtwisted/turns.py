"""Who asks which server when: so many at once, so many a second, in the order in which they came.

Whether a server is asked at all is the question of its `Breaker`; here nothing is known about servers but how they
fare. A question that does not get its turn says nothing about the server: `NoTurn` and `LeftAlone` are kept apart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from enum import Enum, auto
from typing import Final, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.core.breaker import Breaker
from agwtwisted.core.descriptors import RESPONDER_QUESTIONS
from agwtwisted.core.expiring import Expiring

T = TypeVar("T")

UNDER_WAY: Final = 256
"""Questions to one server at once: a server that takes 0.4 s for each still answers as many as `RATE` allows."""

RATE: Final = 500
"""Questions to one server in a second."""

BURST: Final = 8
"""Questions that may be put together. What is put together is answered together, and all of those answers are read in
one turn of the reactor, for which everybody else has to wait."""

PATIENCE: Final = 30.0
"""Seconds that a question waits for its turn at most."""

MAX_WAITING: Final = 10_000
"""Questions that wait for one server; further ones get no turn, and those that wait longest keep theirs."""

TOLD_AT_ONCE: Final = 128
"""Questions that are told in one turn of the reactor that they are not put."""

MAX_QUESTIONS: Final = RESPONDER_QUESTIONS
"""Questions under way at once, to whatever server: as many as descriptors are kept for."""

MAX_SERVERS: Final = 1024
"""Servers of which it is remembered how they fare."""


class Fared(Enum):
    """What a question says about its server."""

    ANSWERED = auto()  # it said something, whatever
    SILENT = auto()  # it was reached, or may have been, and said nothing
    REFUSED = auto()  # nobody is there to talk to
    NOTHING = auto()  # nothing: the question was not put


class Missed(Enum):
    """Why a question was not put."""

    LEFT_ALONE = auto()  # the server answered nobody a moment ago
    NO_TURN = auto()  # too many others were before it


@attrs.define(eq=False)
class _Waiting:
    """A question that waits; `turn` fires with None when it may be put, else with why not."""

    question: bytes
    turn: Deferred[Missed | None]
    timer: IDelayedCall


class _Server:
    """The questions to one server."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.waiting: OrderedDict[_Waiting, None] = OrderedDict()
        self.under_way = 0
        self.next_at = 0.0  # when the next question may be put
        self.timer: IDelayedCall | None = None  # until then


class Turns:
    """The questions to all servers.

    Each server has a queue of its own. Where there is no more room for all of them together, servers that have
    questions waiting take turns, so that a slow one takes no room from the others for longer than its questions take.
    """

    def __init__(self, clock: IReactorTime) -> None:
        """`clock` is what is waited by."""
        self._clock = clock
        self._servers: Expiring[Hashable, _Server] = Expiring(MAX_SERVERS)
        self._under_way = 0
        self._ready: OrderedDict[_Server, None] = OrderedDict()  # with a question that may be put, once there is room
        self._giving = False

    async def take(
        self, server: Hashable, question: bytes, ask: Callable[[], Awaitable[T]], fared: Callable[[T], Fared]
    ) -> T | Missed:
        """What `ask` gives once it is its turn, or why it had none.

        Args:
            server: whom it goes to.
            question: what makes it another one than others.
            ask: puts it.
            fared: what the outcome says about the server.
        """
        its = self._server(server)
        missed = await self._turn(its, question)
        if missed is not None:
            return missed
        began, fate = self._clock.seconds(), Fared.NOTHING
        try:
            outcome = await ask()
            fate = fared(outcome)
            return outcome
        finally:
            self._over(its, question, began, fate)

    def _server(self, name: Hashable) -> _Server:
        its = self._servers.get(name, 0.0)
        if its is None:
            its = _Server()
            self._servers.put(name, its, float("inf"))
        return its

    def _turn(self, its: _Server, question: bytes) -> Deferred[Missed | None]:
        """Fires with None when it is this question's turn, which `_over` ends; may be cancelled until then."""

        def leave(_: object) -> None:
            its.waiting.pop(waiting, None)
            waiting.timer.cancel()

        def late() -> None:
            its.waiting.pop(waiting, None)
            waiting.turn.callback(Missed.NO_TURN)

        turn: Deferred[Missed | None] = Deferred(leave)
        if not its.breaker.admits(question, self._clock.seconds()):
            turn.callback(Missed.LEFT_ALONE)
        elif len(its.waiting) >= MAX_WAITING:
            turn.callback(Missed.NO_TURN)
        else:
            waiting = _Waiting(question, turn, self._clock.callLater(PATIENCE, late))
            its.waiting[waiting] = None
            self._look(its)
            self._give()
        return turn

    def _over(self, its: _Server, question: bytes, began: float, fate: Fared) -> None:
        """A turn has ended."""
        its.under_way -= 1
        self._under_way -= 1
        now = self._clock.seconds()
        match fate:
            case Fared.ANSWERED:
                its.breaker.answered(now)
            case Fared.SILENT:
                its.breaker.silent(question, began, now)
            case Fared.REFUSED:
                its.breaker.refused(question, now)
            case Fared.NOTHING:
                its.breaker.nothing(question)
        self._look(its)
        self._give()

    def _look(self, its: _Server) -> None:
        """Whether a server has a question that may be put, by its own limits."""
        if not its.waiting or its.under_way >= UNDER_WAY or its.timer is not None:
            return
        now = self._clock.seconds()
        if its.next_at > now:
            its.timer = self._clock.callLater(its.next_at - now, self._in_pace, its)
        else:
            self._ready[its] = None

    def _in_pace(self, its: _Server) -> None:
        its.timer = None
        self._look(its)
        self._give()

    def _give(self) -> None:
        """Gives turns while there is room, a server after the other; one loop, however deep in it this is called."""
        if self._giving:
            return
        self._giving = True
        try:
            while self._ready and self._under_way < MAX_QUESTIONS:
                its, _ = self._ready.popitem(last=False)
                self._give_one(its)
                self._look(its)
        finally:
            self._giving = False

    def _give_one(self, its: _Server) -> None:
        """The turn of the question that has waited longest; those before it that are not put any more are told so."""
        now = self._clock.seconds()
        for _ in range(min(len(its.waiting), TOLD_AT_ONCE)):
            waiting, _ = its.waiting.popitem(last=False)
            waiting.timer.cancel()
            if its.breaker.admits(waiting.question, now):
                its.next_at = max(its.next_at, now - (BURST - 1) / RATE) + 1.0 / RATE
                its.breaker.put(waiting.question)
                its.under_way += 1
                self._under_way += 1
                waiting.turn.callback(None)
                return
            waiting.turn.callback(Missed.LEFT_ALONE)
        if its.waiting and its.timer is None:  # the others of them soon: a client waits for each
            its.timer = self._clock.callLater(0, self._in_pace, its)
