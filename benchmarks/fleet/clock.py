"""Simulated time: what is due is called in order, and the time is that of the call."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from math import inf
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer


@implementer(IReactorTime)
class SimulatedClock:
    """As a reactor's clock, for millions of calls: `twisted.internet.task.Clock` sorts all of them for each new one."""

    def __init__(self) -> None:
        self._now = 0.0
        self._numbers = count()
        self._due: list[tuple[float, int, DelayedCall]] = []
        self.calls = 0  # that were made

    def seconds(self) -> float:
        """The time, in seconds since the beginning."""
        return self._now

    def callLater(  # noqa: N802
        self, delay: float, callable: Callable[..., Any], *args: object, **kw: object
    ) -> DelayedCall:
        """Has `callable` called later; of two calls at one time the one that was asked for first comes first."""
        call = DelayedCall(self._now + delay, callable, args, kw, _nothing, self._moved, self.seconds)
        heapq.heappush(self._due, (call.time, next(self._numbers), call))
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:  # noqa: N802
        """Those that are still to be made."""
        return [call for _, _, call in self._due if call.active()]

    def run(self, until: float = inf) -> None:
        """Makes all calls up to a time."""
        while self._due and self._due[0][0] <= until:
            at, _, call = heapq.heappop(self._due)
            if not call.active():
                continue
            if call.getTime() > at:  # it was put off
                heapq.heappush(self._due, (call.getTime(), next(self._numbers), call))
                continue
            self._now = max(self._now, at)
            self.calls += 1
            call.called = 1
            call.func(*call.args, **call.kw)
        if until != inf:
            self._now = max(self._now, until)

    def _moved(self, call: DelayedCall) -> None:
        """A call has another time now; its old place in the queue finds that out, if the new time is later."""
        heapq.heappush(self._due, (call.getTime(), next(self._numbers), call))


def _nothing(call: DelayedCall) -> None:
    """A cancelled call is passed over when its time comes."""
