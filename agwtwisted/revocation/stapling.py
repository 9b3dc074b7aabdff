"""The OCSP responses that are stapled to the gateway's own certificates: asked for ahead, verified, kept, handed out.

No handshake waits for one: a client gets what is there. One process asks: of a gateway with workers the parent, from
which the workers have what it has learnt. Callers: what puts a process together; the ports, by `staple`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from random import Random
from typing import Final, Protocol

import attrs
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.http.destinations import PortRange
from agwtwisted.core.operations.staples_in_force import StapleState
from agwtwisted.core.plan.descriptors import STAPLE_QUESTIONS
from agwtwisted.core.revocation.stapling import (
    Staple,
    StapleSubject,
    proven_staple,
    renewal_delay,
    retry_delay,
)
from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, Unreachable, Unusable
from agwtwisted.interfaces import NO_SIBLINGS, Siblings
from agwtwisted.revocation.held_staples import STAPLE, HeldStaples, payload_of
from agwtwisted.revocation.ocsp_client import ResponderRoute
from agwtwisted.revocation.ocsp_source import Asker
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.deferreds import log_failure

AT_ONCE: Final = STAPLE_QUESTIONS
"""Certificates that are asked about at once: the descriptors that every process has to spare do for these."""

REDIRECT_PORTS: Final = (PortRange(lowest=80, highest=80), PortRange(lowest=443, highest=443))
"""Where a responder may redirect to, beside its own host and port: as the responders of clients by default."""

TIMEOUT: Final = 10.0
"""Seconds for all responders of a certificate together."""


class KeptStaples(Protocol):
    """Where responses are kept over restarts: `staple_store.StapleStore`."""

    def load(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """What was kept by these keys, as far as it was; it waits for a disk."""

    def load_soon(self, keys: Iterable[bytes]) -> Deferred[dict[bytes, bytes]]:
        """The same, without waiting; always succeeds."""

    def put(self, key: bytes, response: bytes) -> None:
        """Keeps a response."""

    def tidy(self, keys: Iterable[bytes], now: float) -> None:
        """Deletes what none of these certificates has had for long."""


@attrs.define(eq=False)
class _Stapled:
    """One certificate in force, and its next request."""

    subject: StapleSubject
    timer: IDelayedCall | None = None
    asking: Deferred[Staple | NoAnswer] | None = None
    failures: int = 0  # in a row
    error: str = ""  # of the last request; empty: it had an answer
    complaint: str = ""  # as it is in the log, once

    @property
    def is_begun(self) -> bool:
        """Whether a request is under way, or will be."""
        return self.timer is not None or self.asking is not None

    def stop(self) -> None:
        """Asks no more."""
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()
        asking, self.asking = self.asking, None
        if asking is not None:
            asking.cancel()


class Stapling(HeldStaples):
    """Asks about certificates, ahead of the end of each response.

    Args:
        clock: runs the timers; monotonic.
        wall: by which responses are judged.
        asker: sends the requests.
        store: keeps responses over restarts.
        random: spreads requests.
        siblings: the workers, which get what is learnt.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: WallClock,
        asker: Asker,
        store: KeptStaples,
        random: Random,
        *,
        siblings: Siblings = NO_SIBLINGS,
    ) -> None:
        super().__init__(wall)
        self._outcomes: Counter[str] = Counter()
        self._clock = clock
        self._asker = asker
        self._store = store
        self._random = random
        self._siblings = siblings
        self._stapled: dict[bytes, _Stapled] = {}
        self._coming: dict[bytes, _Stapled] = {}  # that are not in force yet
        self._leaving: frozenset[bytes] = frozenset()  # that are not in force since the last reload
        self._turns = DeferredSemaphore(AT_ONCE)
        self._unsubscribe: Callable[[], None] = lambda: None

    def startService(self) -> None:
        """Takes up what an earlier process has kept, and asks for what is missing."""
        super().startService()
        self._unsubscribe = self._wall.subscribe(self._clock_was_set)
        self._store.tidy(self._stapled, self._wall.seconds())
        self._take_up(self._store.load(self._stapled))
        self._begin()

    def stopService(self) -> None:
        """Asks no more; what is there is handed out until it ends."""
        super().stopService()
        self._unsubscribe()
        for each in (*self._stapled.values(), *self._coming.values()):
            each.stop()

    def prepare(self, subjects: Iterable[StapleSubject]) -> Deferred[None]:
        """As HeldStaples says: what was kept of new certificates is taken up, and those that demand a staple are asked
        about, for `TIMEOUT` seconds at most.
        """
        self._drop(self._coming)
        self._coming = {each.key: _Stapled(each) for each in subjects if each.key not in self._stapled}
        if not self._coming or not self.running:
            return succeed(None)
        return self._in_time(Deferred.fromCoroutine(self._prepared(dict(self._coming))))

    async def _prepared(self, coming: Mapping[bytes, _Stapled]) -> None:
        self._take_up(await self._store.load_soon(coming))
        missing = [(key, each) for key, each in coming.items() if each.subject.is_demanded and key not in self._held]
        await gatherResults([self._ask(key, each) for key, each in missing])

    def _in_time(self, prepared: Deferred[None]) -> Deferred[None]:
        """Fires with it, or when the time is over: then the requests go on, and nothing waits for them."""
        ready: Deferred[None] = Deferred()
        over = self._clock.callLater(TIMEOUT, ready.callback, None)

        def done(result: object) -> object:
            if over.active():
                over.cancel()
                ready.callback(None)
            return result

        log_failure(prepared.addBoth(done), self.log, "preparing OCSP responses")
        return ready

    def _drop(self, gone: dict[bytes, _Stapled]) -> None:
        for key, each in gone.items():
            each.stop()
            self._hold(key, None)

    def use(self, subjects: Iterable[StapleSubject]) -> None:
        """The certificates of these are in force from now on: what is known of one that stays is kept.

        Workers come to it one after the other, and connections of the configuration before are still accepted: what is
        known of a certificate that goes is handed out until the next reload, and not renewed.
        """
        before, coming, self._stapled, self._coming = self._stapled, self._coming, {}, {}
        for subject in subjects:
            known = before.pop(subject.key, None) or coming.pop(subject.key, None) or _Stapled(subject)
            known.subject = subject
            self._stapled[subject.key] = known
        self._drop(coming)
        for key in self._leaving - self._stapled.keys():
            self._hold(key, None)
        for each in before.values():
            each.stop()
        self._leaving = frozenset(before)
        if self.running:
            self._begin()

    def present(self) -> Iterator[tuple[str, bytes]]:
        """The topic and payload of every response now: for a worker that begins."""
        return ((STAPLE, payload_of(key, staple)) for key, staple in self._held.items())

    def states(self) -> list[StapleState]:
        """As HeldStaples says."""
        return [self._state(key, each) for key, each in self._stapled.items()]

    @property
    def outcomes(self) -> Mapping[str, int]:
        """As HeldStaples says."""
        return self._outcomes

    def _state(self, key: bytes, stapled: _Stapled) -> StapleState:
        now = self._wall.seconds()
        held = self._held.get(key) if self.staple(key) else None
        timer = stapled.timer
        return StapleState(
            names=stapled.subject.names,
            status="none" if held is None else _outcome(held),
            next_update=None if held is None else held.until,
            renewal=None if timer is None else timer.getTime() - self._clock.seconds() + now,
            problem=stapled.error,
        )

    # -- one certificate

    def _take_up(self, kept: dict[bytes, bytes]) -> None:
        """What was kept is stapled, as far as it still proves something."""
        for key, response in kept.items():
            stapled = self._stapled.get(key) or self._coming.get(key)
            if stapled is None or key in self._held:
                continue
            found = proven_staple(response, stapled.subject, self._wall.seconds())
            if isinstance(found, Staple):
                self._hold(key, found)

    def _begin(self) -> None:
        for key, stapled in self._stapled.items():
            if not stapled.is_begun:
                self._schedule(key, stapled)

    def _schedule(self, key: bytes, stapled: _Stapled) -> None:
        """Has it asked about when that is due: at once where nothing is known, and no request has failed."""
        held, now = self._held.get(key), self._wall.seconds()
        if stapled.failures:
            delay = retry_delay(stapled.failures, self._random.random())
        elif held is None:
            delay = 0.0
        else:
            delay = renewal_delay(held.until, now, self._random.random())
        stapled.timer = self._clock.callLater(delay, self._due, key, stapled)

    def _due(self, key: bytes, stapled: _Stapled) -> None:
        stapled.timer = None
        log_failure(self._ask(key, stapled), self.log, "asking about a certificate of the gateway")

    def _ask(self, key: bytes, stapled: _Stapled) -> Deferred[None]:
        """Asks once; fires when that is done, well or badly."""
        subject = stapled.subject
        route = ResponderRoute(
            destinations=subject.responders,
            timeout=TIMEOUT,
            open_networks=(),
            open_ports=REDIRECT_PORTS,
            is_operators=True,
        )

        def accept(response: bytes) -> Staple | Unusable:
            return proven_staple(response, subject, self._wall.seconds())

        asking = stapled.asking = self._turns.run(self._asker.ask, subject.request.der, route, accept)
        answered = asking.addErrback(self._broken, stapled, asking)
        return answered.addCallback(partial(self._answered, key, stapled, asking))

    def _broken(self, failure: Failure, stapled: _Stapled, asking: Deferred[Staple | NoAnswer]) -> NoAnswer:
        """A defect is a request that failed; the next one may do better."""
        if stapled.asking is asking:
            self.log.failure("Unexpected error while asking about a certificate of the gateway", failure)
        return CouldNotAsk("unexpected error")

    def _answered(
        self,
        key: bytes,
        stapled: _Stapled,
        asking: Deferred[Staple | NoAnswer],
        answer: Staple | NoAnswer,
    ) -> None:
        if stapled.asking is not asking:
            return  # it is not in force any more
        stapled.asking = None
        if isinstance(answer, Staple) and not answer.is_news_after(self._held.get(key)):
            answer = Unusable("the response is older than another")  # of a cache in between, or of an attacker
        self._outcomes[_outcome(answer)] += 1
        if isinstance(answer, Staple):
            self._learnt(key, stapled, answer)
        else:
            self._failed(key, stapled, answer)
        if self._stapled.get(key) is stapled:
            self._schedule(key, stapled)

    def _learnt(self, key: bytes, stapled: _Stapled, staple: Staple) -> None:
        held, failed = self._held.get(key), bool(stapled.error)
        stapled.failures, stapled.error, stapled.complaint = 0, "", ""
        if failed or held is None or held.is_revoked != staple.is_revoked:
            self._announce(stapled, staple)
        if staple != held:
            self._hold(key, staple)
            self._store.put(key, staple.response)

    def _announce(self, stapled: _Stapled, staple: Staple) -> None:
        if staple.is_revoked:
            self.log.error("ssl_certificate {names}: the certificate is revoked", names=_named(stapled))
        else:
            message = "ssl_certificate {names}: an OCSP response is stapled, valid until {until}"
            self.log.info(message, names=_named(stapled), until=utc_text(staple.until))

    def _failed(self, key: bytes, stapled: _Stapled, failure: NoAnswer) -> None:
        stapled.failures += 1
        stapled.error = failure.reason
        meanwhile = "the one before is stapled meanwhile" if self.staple(key) else "none is stapled"
        complaint = f"{failure.reason}; {meanwhile}"
        if stapled.complaint != complaint:
            message = "ssl_certificate {names}: no OCSP response: {complaint}"
            self.log.warn(message, names=_named(stapled), complaint=complaint)
        stapled.complaint = complaint

    def _hold(self, key: bytes, staple: Staple | None) -> None:
        if staple is not None:
            self._held[key] = staple
        elif self._held.pop(key, None) is None:
            return
        self._siblings.publish(STAPLE, payload_of(key, staple))

    def _clock_was_set(self) -> None:
        """What is left of a response has changed."""
        for key, stapled in self._stapled.items():
            if stapled.timer is not None:
                stapled.stop()  # the timer alone: nothing is asked
                self._schedule(key, stapled)


def _named(stapled: _Stapled) -> str:
    return ", ".join(stapled.subject.names)


def _outcome(answer: Staple | NoAnswer) -> str:
    """The word for what became of a request."""
    match answer:
        case Staple():
            return "revoked" if answer.is_revoked else "good"
        case Unusable():
            return "unusable"
        case Unreachable():
            return "unreachable"
        case CouldNotAsk():
            return "could_not_ask"
