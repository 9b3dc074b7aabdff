"""Simulated devices: each connects, waits for its status, stays, is judged again, and comes back after a refusal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from random import Random

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from agwtwisted.core.revocation.status import CouldNotAsk, Good, RevocationStatus, Revoked, Unknown
from benchmarks.fleet.answers import EPOCH, subject_of
from benchmarks.fleet.clock import SimulatedClock
from benchmarks.fleet.gateways import Worker
from benchmarks.fleet.plan import Plan
from benchmarks.fleet.record import Record

LONGEST_PAUSE = 60.0
"""Seconds between two tries of a device at most; they begin with one, and double."""

ALLOWED_FOR = 60.0
"""Seconds after which a client is judged again that was let in without a status."""


class Device:
    """One device, with at most one connection."""

    def __init__(self, number: int, world: World, random: Random) -> None:
        self.worker: Worker | None = None  # that has its connection
        self._number = number
        self._world = world
        self._clock = world.clock
        self._plan = world.plan.devices
        self._record = world.record
        self._random = random
        self._is_in = False
        self._ends_at = inf  # of the connection, if nothing ends it before
        self._tries = 0
        self._waiting: Deferred[RevocationStatus] | None = None
        self._timers: list[IDelayedCall] = []
        self._unwatch: Callable[[], None] | None = None

    def connect(self) -> None:
        """Opens a connection, to whichever worker gets it."""
        self._timers.clear()
        self.worker = worker = self._world.choose(self._number)
        self._record.count("connection")
        done = worker.spend(self._world.plan.gateways.handshake_cpu)
        if done > self._clock.seconds():
            self._later(done - self._clock.seconds(), self._greeted)
        else:
            self._greeted()

    def drop(self, back_in: float) -> None:
        """The connection is lost, or there is none; the device comes again after some time."""
        self._close()
        self._later(back_in, self.connect)

    # -- waiting for the first answer

    def _greeted(self) -> None:
        self._timers.clear()
        assert self.worker
        known = self.worker.revocation.known(subject_of(self._number), self.worker.profile)
        if known is not None:
            self._first(known, self._clock.seconds())
            return
        self._later(self._plan.patience, self._give_up)
        began = self._clock.seconds()
        self._ask(lambda status: self._first(status, began))

    def _first(self, status: RevocationStatus, began: float) -> None:
        waited = self._clock.seconds() - began
        if waited > self._world.plan.responder.latency / 2:  # else it came from memory, or from a store
            self._record.waited(waited)
        else:
            self._record.count("at_once")
        self._judge(status)

    def _give_up(self) -> None:
        self._record.waited(self._plan.patience)
        self._refused("gave_up")

    # -- judged

    def _ask(self, then: Callable[[RevocationStatus], None]) -> None:
        assert self.worker

        def answered(status: RevocationStatus) -> None:
            self._waiting = None
            then(status)

        asked = self.worker.revocation.status(subject_of(self._number), self.worker.profile)
        self._waiting = asked
        asked.addCallbacks(answered, _cancelled)  # type: ignore[unused-awaitable]

    def _judge(self, status: RevocationStatus) -> None:
        """As `core.revocation.finding` does, for one certificate."""
        self._cancel_timers()
        match status:
            case Good():
                self._accepted(status.until - EPOCH - self._clock.seconds())
            case Revoked() | Unknown():
                self._refused("revoked")
            case CouldNotAsk():
                self._refused("not_asked")
            case _ if self._world.plan.gateways.allow:
                self._accepted(ALLOWED_FOR)
            case _:
                self._refused("unavailable")

    def _accepted(self, judged_again_in: float) -> None:
        worker = self.worker
        assert worker
        if not self._is_in:
            self._is_in = True
            self._tries = 0
            self._record.count("accepted")
            self._record.connected(1)
            self._unwatch = worker.revocation.watch([subject_of(self._number)], worker.profile, self._again)
            self._ends_at = self._clock.seconds() + _mean(self._random, self._plan.session)
        self._later(max(judged_again_in, 0.0), self._again)
        if self._ends_at != inf:
            self._later(self._ends_at - self._clock.seconds(), self._leave)

    def _again(self) -> None:
        """The verdict is over, or the certificate became known as revoked."""
        if self.worker is None or self._waiting is not None:
            return
        self._cancel_timers()
        known = self.worker.revocation.known(subject_of(self._number), self.worker.profile)
        if known is not None:
            self._judge(known)
        else:
            began = self._clock.seconds()
            self._ask(lambda status: self._judged_again(status, began))

    def _judged_again(self, status: RevocationStatus, began: float) -> None:
        self._record.held(self._clock.seconds() - began)
        self._judge(status)

    def _leave(self) -> None:
        self.drop(_mean(self._random, self._plan.absence))

    def _refused(self, why: str) -> None:
        self._record.count("ended" if self._is_in else why)
        pause = min(2.0**self._tries, LONGEST_PAUSE) * self._random.uniform(0.5, 1.5)
        self._tries = min(self._tries + 1, 10)
        self.drop(pause)

    def _close(self) -> None:
        self._cancel_timers()
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        if self._is_in:
            self._is_in = False
            self._record.connected(-1, is_revoked=self._number in self._world.revoked)
        self.worker = None

    def _later(self, delay: float, call: Callable[[], None]) -> None:
        self._timers.append(self._clock.callLater(max(delay, 0.0), partial(self._fire, call)))

    def _fire(self, call: Callable[[], None]) -> None:
        self._timers = [each for each in self._timers if each.active()]
        call()

    def _cancel_timers(self) -> None:
        timers, self._timers = self._timers, []
        for each in timers:
            if each.active():
                each.cancel()


@attrs.frozen(kw_only=True)
class World:
    """What all devices have in common."""

    clock: SimulatedClock
    plan: Plan
    record: Record
    choose: Callable[[int], Worker]  # that takes the next connection of a device
    revoked: set[int]


def _mean(random: Random, mean: float) -> float:
    """A random time of this mean; inf where that is."""
    return random.expovariate(1.0 / mean) if 0.0 < mean < inf else mean


def _cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)  # type: ignore[no-untyped-call]
