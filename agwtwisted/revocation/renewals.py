"""When a held answer is asked for again: ahead of its end, at a random time, so that requests do not come in waves.

Caller: the revocation service, which decides whether an answer is still worth a request.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from heapq import nsmallest
from random import Random
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.memory import FAILURE_TTL, HeldAnswer
from agwtwisted.core.revocation.profiles import ProfilesInForce, rules_of
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.spread_calls import SpreadCalls

RENEW_FROM: Final = 0.5
RENEW_TO: Final = 0.8
"""The part of an answer's remaining life after which it is renewed, anywhere between the two."""

MIN_RENEWAL: Final = 5.0
"""Seconds between two renewals at least."""


SET_PER_TURN: Final = 64
"""Timers that are set anew in one turn of the reactor, after a profile has changed."""


class Renewals:
    """A timer for each held answer that is to be renewed.

    Args:
        clock: runs the timers.
        wall: by which answers end.
        random: spreads the renewals.
        profiles: in force, by whose rules answers end; of one that is gone none is renewed.
        due: is called when it is time.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: WallClock,
        random: Random,
        profiles: ProfilesInForce,
        due: Callable[[bytes, HeldAnswer], None],
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._random = random
        self._profiles = profiles
        self._due = due
        self._calls = SpreadCalls(clock, SET_PER_TURN, self._failed)
        self._running = False
        self._timers: dict[bytes, tuple[HeldAnswer, IDelayedCall]] = {}

    def start(self) -> None:
        """Takes timers from now on."""
        self._running = True

    def stop(self) -> None:
        """Cancels all timers, and takes no more."""
        self._running = False
        self._calls.stop()
        for key, (held, _) in tuple(self._timers.items()):
            self.cancel(key, held)

    def __contains__(self, key: bytes) -> bool:
        return key in self._timers

    def schedule(self, key: bytes, held: HeldAnswer) -> None:
        """Starts the timer of an answer, unless it runs, or the answer ends too soon for one."""
        profile = self._profiles.named(held.profile)
        if key in self._timers or not self._running or profile is None:
            return
        left = ocsp.end_of(held.answer, rules_of(profile)) - self._wall.seconds()
        delay = FAILURE_TTL if held.bridging else left * self._random.uniform(RENEW_FROM, RENEW_TO)
        if delay >= MIN_RENEWAL:
            self._timers[key] = held, self._clock.callLater(delay, self._fired, key, held)

    def next(self, most: int) -> list[tuple[HeldAnswer, float]]:
        """The answers that are asked for again first, at most so many, each with the seconds until then."""
        now = self._clock.seconds()
        due = nsmallest(most, self._timers.values(), key=lambda timer: timer[1].getTime())
        return [(held, timer.getTime() - now) for held, timer in due]

    def due_in(self, key: bytes) -> float | None:
        """Seconds until an answer is asked for again; None where it is not."""
        timer = self._timers.get(key)
        return None if timer is None else timer[1].getTime() - self._clock.seconds()

    def cancel(self, key: bytes, held: HeldAnswer) -> None:
        """Cancels the timer of an answer that is dropped."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer[1].cancel()

    def reschedule(self) -> None:
        """The wall clock was set: what is left of an answer's life has changed."""
        for key, (held, _) in tuple(self._timers.items()):
            self.cancel(key, held)
            self.schedule(key, held)

    def changed(self, profiles: Container[str]) -> None:
        """By the rules of these profiles answers end at another time now, or are not renewed any more.

        Their timers are set a few at a time: until then they fire when they would have, by the profile in force.
        """
        of_these = [(key, held) for key, (held, _) in self._timers.items() if held.profile in profiles]
        self._calls.add(partial(self._set_anew, key, held) for key, held in of_these)

    def _set_anew(self, key: bytes, held: HeldAnswer) -> None:
        if key in self._timers and self._timers[key][0] is held:
            self.cancel(key, held)
            self.schedule(key, held)

    def _failed(self) -> None:
        self.log.failure("Unexpected error while a renewal is put off")

    def _fired(self, key: bytes, held: HeldAnswer) -> None:
        del self._timers[key]
        self._due(key, held)
