"""How often one server is asked, how many questions at once, and whether at all: it may be slow, or dead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

T = TypeVar("T")

UNDER_WAY: Final = 64
"""Questions to one server at once."""

RATE: Final = 500
"""Questions to one server in a second."""

BURST: Final = 8
"""Questions that may be put together. What is put together is answered together, and all of those answers are read in
one turn of the reactor, for which everybody else has to wait."""

PAUSE: Final = 10.0
"""Seconds in which a server that answered nobody is left alone."""


class Turns:
    """The questions to one server.

    A circuit breaker: when a question fails, and the server answered nobody since that question was put, no other is
    put for a while. A dead server then costs its first askers their patience, and nobody else. After the pause one
    question is put, and decides for the others.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._room = DeferredSemaphore(UNDER_WAY)
        self._next = 0.0
        self._closed_until = 0.0
        self._answered_at = -1.0

    async def take(self, ask: Callable[[], Awaitable[T]], answered: Callable[[T], bool], otherwise: T) -> T:
        """What `ask` gives once it is its turn; `otherwise`, at once, where the server is being left alone.

        `answered` says of an outcome whether the server said anything. The turn is over when this is cancelled.
        """
        if self._left_alone():
            return otherwise
        await self._room.acquire()
        try:
            await self._in_pace()
            if self._left_alone():  # as those before us found out
                return otherwise
            return await self._watched(ask, answered)
        finally:
            self._room.release()

    def _left_alone(self) -> bool:
        return self._clock.seconds() < self._closed_until

    async def _in_pace(self) -> None:
        now = self._clock.seconds()
        self._next = max(self._next, now - BURST / RATE) + 1.0 / RATE
        if self._next > now:
            await deferLater(self._clock, self._next - now)

    async def _watched(self, ask: Callable[[], Awaitable[T]], answered: Callable[[T], bool]) -> T:
        began, before = self._clock.seconds(), self._closed_until
        if before:  # the first question after a pause: the others do without an answer until this one has one
            self._closed_until = began + PAUSE
        try:
            outcome = await ask()
        except BaseException:  # nobody waited for it: another one has to find out
            self._closed_until = before
            raise
        now = self._clock.seconds()
        if answered(outcome):
            self._answered_at, self._closed_until = now, 0.0
        elif self._answered_at < began:
            self._closed_until = now + PAUSE
        return outcome
