"""The simulated responder, and the way to it behind the gateway's own throttle, in place of `OcspClient`."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import TypeVar

import attrs
from twisted.internet.defer import Deferred

from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, Unreachable, Unusable
from agwtwisted.revocation.ocsp_client import ResponderRoute
from agwtwisted.revocation.responder_throttle import NotSent, Outcome, ResponderThrottle
from benchmarks.fleet.answers import EPOCH, answer, number_asked
from benchmarks.fleet.clock import SimulatedClock
from benchmarks.fleet.plan import Outage, Responder
from benchmarks.fleet.record import Record

T = TypeVar("T")


@attrs.frozen
class Reply:
    """What comes of one request, and when."""

    at: float
    body: bytes | Unreachable
    outcome: Outcome


class SimulatedResponder:
    """Answers one request after the other, each about a device, at a time that is known when the request arrives."""

    def __init__(self, clock: SimulatedClock, plan: Responder, outages: tuple[Outage, ...], record: Record) -> None:
        self.revoked: set[int] = set()
        self._clock = clock
        self._plan = plan
        self._outages = outages
        self._record = record
        self._free_at = 0.0

    def reply(self, number: int, timeout: float) -> Reply:
        """What comes of a request that is sent now. A request that is not waited for is answered all the same."""
        now, end = self._clock.seconds(), self._clock.seconds() + timeout
        self._record.count("question")
        outage = next((each for each in self._outages if each.holds(now)), None)
        if outage is not None and outage.refuses:
            return Reply(now + 0.001, Unreachable("connection refused"), Outcome.REFUSED)
        silent = Reply(end, Unreachable("no response in time"), Outcome.TIMED_OUT)
        if outage is not None:
            return silent
        self._free_at = max(now, self._free_at) + 1.0 / self._plan.capacity
        done = self._free_at + self._plan.latency
        return Reply(done, self._answer(number), Outcome.ANSWERED) if done < end else silent

    def _answer(self, number: int) -> bytes:
        now, every = EPOCH + self._clock.seconds(), self._plan.signed_every
        signed = floor(
            now - (now + number * _SPREAD * every) % every if every else now
        )  # a GeneralizedTime has seconds
        return answer(
            number, revoked=number in self.revoked, this_update=signed, next_update=signed + self._plan.lifetime
        )


_SPREAD = 0.6180339887498949
"""Multiples of it lie evenly within 0 and 1: so many parts of the time between two signatures apart."""


class SimulatedAsker:
    """One worker's questions, as `ocsp_source.Asker` says.

    Args:
        clock: runs everything.
        responder: of all workers.
        spend: takes the worker's processor for a question, and returns when it is done.
    """

    def __init__(
        self, clock: SimulatedClock, responder: SimulatedResponder, timeout: float, spend: Callable[[], float]
    ) -> None:
        self.throttle = ResponderThrottle(clock)
        self._clock = clock
        self._responder = responder
        self._timeout = timeout
        self._spend = spend

    def ask(
        self,
        request: bytes,
        route: ResponderRoute,
        accept: Callable[[bytes], T | Unusable],
        trace: Callable[[str], None] | None = None,
    ) -> Deferred[T | NoAnswer]:
        """What `accept` makes of the response; may be cancelled. Nothing is traced."""
        return Deferred.fromCoroutine(self._ask(request, accept))

    async def _ask(self, request: bytes, accept: Callable[[bytes], T | Unusable]) -> T | NoAnswer:
        async def send() -> Reply:
            reply = self._responder.reply(number_asked(request), self._timeout)
            await self._until(max(reply.at, self._spend()))
            return reply

        sent = await self.throttle.send("responder", request, send, lambda reply: reply.outcome)
        match sent:
            case NotSent.CIRCUIT_OPEN:
                return Unreachable("the responder did not answer a moment ago", was_asked=False)
            case NotSent.NO_SLOT:
                return CouldNotAsk("too many OCSP requests wait for the responder")
            case Reply():
                return accept(sent.body) if isinstance(sent.body, bytes) else sent.body

    def _until(self, time: float) -> Deferred[None]:
        waited: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(max(time - self._clock.seconds(), 0.0), waited.callback, None)
        return waited
