"""When a request may be sent to a responder: a concurrency limit, a rate limit, fair queues, and a circuit breaker.

Each responder has a queue of its own, in the order in which requests came. A request that gets no slot says nothing
about the responder, and one that meets an open circuit says nothing new: `NotSent` keeps the two apart. The throttle
knows nothing about OCSP; its caller is the OCSP client.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator
from enum import Enum, auto
from typing import Final, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.core.base.expiring import Expiring
from agwtwisted.core.operations.revocation_state import ResponderState
from agwtwisted.core.plan.descriptors import RESPONDER_QUESTIONS
from agwtwisted.core.revocation.circuit_breaker import CircuitBreaker
from agwtwisted.core.revocation.concurrency import ConcurrencyLimit

T = TypeVar("T")

MAX_CONCURRENT: Final = 256
"""Requests under way to one responder: one that takes 0.4 s for each still answers as many as `RATE` allows. There are
fewer while it does not answer them in time."""

RATE: Final = 500
"""Requests to one responder in a second."""

BURST: Final = 8
"""Requests that may be sent together. Their answers come together, too, and are all read in one turn of the reactor,
in which nothing else is done."""

QUEUE_TIMEOUT: Final = 30.0
"""Seconds that a request waits for a slot at most."""

MAX_QUEUED: Final = 10_000
"""Requests that wait for one responder. Further ones get no slot; those that wait already keep their places."""

MAX_REJECTED_PER_TURN: Final = 128
"""Queued requests that fail in one turn of the reactor because the circuit has opened."""

MAX_CONCURRENT_IN_ALL: Final = RESPONDER_QUESTIONS
"""Requests under way to all responders together: as many as descriptors are kept for."""

MAX_RESPONDERS: Final = 1024
"""Responders whose circuit is remembered, those used last."""


class Outcome(Enum):
    """What a request says about its responder."""

    ANSWERED = auto()  # the responder sent something, whatever it was
    TIMED_OUT = auto()  # the responder was reached, or may have been, and sent nothing
    REFUSED = auto()  # the connection was refused, or the name has no address
    INCONCLUSIVE = auto()  # nothing: the request was not sent


class NotSent(Enum):
    """Why a request was not sent."""

    CIRCUIT_OPEN = auto()  # the responder answered no request a moment ago
    NO_SLOT = auto()  # the queue was full, or the slot did not come in time


@attrs.define(eq=False)
class _Queued:
    """A request that waits for a slot; `slot` fires with None when it may be sent, else with why it is not."""

    key: bytes
    slot: Deferred[NotSent | None]
    timer: IDelayedCall | None = None

    def stop_timer(self) -> None:
        """It waits no more."""
        if self.timer is not None:
            self.timer.cancel()


class _Responder:
    """The requests to one responder."""

    def __init__(self) -> None:
        self.breaker = CircuitBreaker()
        self.limit = ConcurrencyLimit(MAX_CONCURRENT)
        self.queue: OrderedDict[_Queued, None] = OrderedDict()
        self.under_way = 0
        self.next_at = 0.0  # when the next request may be sent
        self.timer: IDelayedCall | None = None  # until then
        self.failures = 0
        self.last_failure = 0.0
        self.last_error = ""

    def failed(self, error: str, now: float) -> None:
        """A request brought no response that is one."""
        self.failures += 1
        self.last_failure, self.last_error = now, error


class ResponderThrottle:
    """Gives slots for requests to all responders.

    While all slots are taken, responders with queued requests get the free ones in rotation (round robin), so that a
    slow responder takes no slot from the others for longer than its requests take.
    """

    def __init__(self, clock: IReactorTime) -> None:
        """`clock` is monotonic."""
        self._clock = clock
        self._responders: Expiring[Hashable, _Responder] = Expiring(MAX_RESPONDERS)
        self._under_way = 0
        self._ready: OrderedDict[_Responder, None] = OrderedDict()  # those with a request that only lacks a slot
        self._giving = False

    async def send(
        self,
        responder: Hashable,
        key: bytes,
        send: Callable[[], Awaitable[T]],
        outcome_of: Callable[[T], Outcome],
        error_of: Callable[[T], str] = lambda _: "",
    ) -> T | NotSent:
        """What `send` returns once there is a slot for it, or why there was none.

        Args:
            responder: where the request goes.
            key: distinguishes different requests.
            send: sends the request and waits for its result.
            outcome_of: what the result says about the responder.
            error_of: why it is no response; empty where it is one.
        """
        its = self._responder(responder)
        not_sent = await self._slot(its, key)
        if not_sent is not None:
            return not_sent
        began, outcome = self._clock.seconds(), Outcome.INCONCLUSIVE
        try:
            result = await send()
            outcome = outcome_of(result)
            if error := error_of(result):
                its.failed(error, self._clock.seconds())
            return result
        finally:
            self._ended(its, key, began, outcome)

    def _responder(self, name: Hashable) -> _Responder:
        its = self._responders.get(name, 0.0)
        if its is None:
            its = _Responder()
            self._responders.put(name, its, float("inf"))
        return its

    def _slot(self, its: _Responder, key: bytes) -> Deferred[NotSent | None]:
        """Fires with None when there is a slot, which `_ended` gives back; may be cancelled until then."""

        def leave(_: object) -> None:
            its.queue.pop(queued, None)
            queued.stop_timer()

        def late() -> None:
            its.queue.pop(queued, None)
            queued.slot.callback(NotSent.NO_SLOT)

        slot: Deferred[NotSent | None] = Deferred(leave)
        if not its.breaker.admits(key, self._clock.seconds()):
            slot.callback(NotSent.CIRCUIT_OPEN)
        elif len(its.queue) >= MAX_QUEUED:
            slot.callback(NotSent.NO_SLOT)
        else:
            queued = _Queued(key, slot)
            its.queue[queued] = None
            self._look(its)
            self._give()
            if queued in its.queue:  # it did not come at once
                queued.timer = self._clock.callLater(QUEUE_TIMEOUT, late)
        return slot

    def states(self) -> Iterator[tuple[Hashable, ResponderState]]:
        """Every responder that is remembered, those used last first; times are those of the clock."""
        now = self._clock.seconds()
        for name, its in reversed([*self._responders.items()]):
            yield (
                name,
                ResponderState(
                    address="",
                    circuit=its.breaker.state(now),
                    waiting=len(its.queue),
                    under_way=its.under_way,
                    failures=its.failures,
                    last_failure=its.last_failure if its.failures else None,
                    last_error=its.last_error,
                ),
            )

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return sum(len(its.queue) for its in self._responders.values())

    def _ended(self, its: _Responder, key: bytes, began: float, outcome: Outcome) -> None:
        """A request has ended, and its slot is free."""
        its.under_way -= 1
        self._under_way -= 1
        now = self._clock.seconds()
        match outcome:
            case Outcome.ANSWERED:
                its.breaker.answered(now)
                its.limit.answered()
            case Outcome.TIMED_OUT:
                its.breaker.timed_out(key, began, now)
                its.limit.timed_out(key, began, now)
            case Outcome.REFUSED:
                its.breaker.refused(key, now)
            case Outcome.INCONCLUSIVE:
                its.breaker.inconclusive(key)
        self._look(its)
        self._give()

    def _look(self, its: _Responder) -> None:
        """Notes a responder as ready if it has a request that may be sent by its own limits."""
        if not its.queue or its.under_way >= its.limit.requests or its.timer is not None:
            return
        now = self._clock.seconds()
        if its.next_at > now:
            its.timer = self._clock.callLater(its.next_at - now, self._in_pace, its)
        else:
            self._ready[its] = None

    def _in_pace(self, its: _Responder) -> None:
        its.timer = None
        self._look(its)
        self._give()

    def _give(self) -> None:
        """Gives slots while there are any, one responder after the other; a nested call leaves it to the outer one."""
        if self._giving:
            return
        self._giving = True
        try:
            while self._ready and self._under_way < MAX_CONCURRENT_IN_ALL:
                its, _ = self._ready.popitem(last=False)
                self._give_one(its)
                self._look(its)
        finally:
            self._giving = False

    def _give_one(self, its: _Responder) -> None:
        """Gives a slot to the first queued request that the breaker admits; those before it fail."""
        now = self._clock.seconds()
        for _ in range(min(len(its.queue), MAX_REJECTED_PER_TURN)):
            queued, _ = its.queue.popitem(last=False)
            queued.stop_timer()
            if its.breaker.admits(queued.key, now):
                its.next_at = max(its.next_at, now - (BURST - 1) / RATE) + 1.0 / RATE
                its.breaker.sent(queued.key)
                its.under_way += 1
                self._under_way += 1
                queued.slot.callback(None)
                return
            queued.slot.callback(NotSent.CIRCUIT_OPEN)
        if its.queue and its.timer is None:  # the rest fail in the next turn: a client waits for each
            its.timer = self._clock.callLater(0, self._in_pace, its)
