"""Probes backend servers on a timer, and changes their health by the results.

How a server is probed is not known here: `http_probe` and the relay's `probe` give a `Probing` for each server. Caller:
the generation, which builds the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Final, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectionTimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.connecting import UntrustedError, is_shortage
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import (
    NOT_CONNECTED,
    NOT_RESOLVED,
    TIMED_OUT,
    ConnectionRefused,
    Health,
    HealthState,
    LastProbe,
    ProbeFinding,
    Shortage,
)
from agwtwisted.core.base.errors import printable
from agwtwisted.transport.deferreds import log_failure

S = TypeVar("S", bound=Target)
C = TypeVar("C")

PACE: Final = 0.005
"""Seconds between the first probes of two servers: a thousand of them are not probed at once."""

SOON: Final = 1.0
"""Seconds to the next probe of a server that may be about to start; twice as long after each that fails, too."""

Ask = Callable[[], Deferred[str]]
"""Probes a server once: fires with its problem, empty when there is none; may be cancelled.

The problem is a `ConnectionRefused` or a `Shortage` where it is one of these.
"""


@attrs.frozen(kw_only=True)
class Probing:
    """How one server is probed."""

    name: str  # of the server, for the log
    ask: Ask
    interval: float  # seconds
    threshold: int  # failures in a row that make it unhealthy
    probe: object = None  # a value that is equal where a server is probed in the same way


Moved = Callable[[str, HealthState, HealthState, str], object]
"""Is called with the name of a server, its state before and after, and why."""


def _not_published(name: str, before: HealthState, after: HealthState, reason: str) -> None:
    """Where nothing hears of it."""


class Watch:
    """Probes one target again and again: each probe begins an interval after the last one began, or once that ends.

    Args:
        clock: runs the timer.
        target: whose health it is.
        name: of the target, for the log.
        ask: probes it.
        interval: seconds.
        threshold: failures in a row that make it unhealthy.
        probe: as Probing has it.
    """

    log = Logger()
    moved: Moved = staticmethod(_not_published)  # set by the prober

    def __init__(
        self,
        clock: IReactorTime,
        target: Target,
        name: str,
        ask: Ask,
        *,
        interval: float,
        threshold: int,
        probe: object = None,
    ) -> None:
        self.target = target
        self.interval = interval
        self.probe = probe
        self.running = False
        self._clock = clock
        self._name = name
        self._ask = ask
        self._threshold = threshold
        self._is_short = False  # the last probes could not be sent
        self._soon = SOON  # seconds to a next probe ahead of its time; 0: there is no reason for one
        self._began = 0.0
        self._timer: IDelayedCall | None = None
        self._asking: Deferred[None] | None = None

    def start(self, delay: float) -> None:
        """Probes first after `delay` seconds."""
        self.running = True
        self.target.found(self.target.health.anew())
        self.target.when_refused = self._refused
        self.target.when_reached = self._reached
        self._timer = self._clock.callLater(delay, self._begin)

    def stop(self) -> None:
        """Probes no more; the health stays as it is."""
        self.running = False
        self.target.when_refused = self.target.when_reached = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._asking is not None:
            self._asking.cancel()

    def _begin(self) -> None:
        self._timer = None
        self._began = self._clock.seconds()
        self._asking = Deferred.fromCoroutine(self._probe())
        log_failure(self._asking, self.log, "probing a server")

    async def _probe(self) -> None:
        try:
            problem = await self._ask()
        except CancelledError:
            raise
        except Exception as defect:  # of our own; it counts as a problem of the server, so that it is seen
            self.log.failure("Unexpected error while probing {name}", name=self._name)
            problem = str(defect) or "the probe has a defect"
        self._answered(problem)

    def _answered(self, problem: str) -> None:
        self._note(problem.log if isinstance(problem, ProbeFinding) else problem)
        wait = self._began + self.interval - self._clock.seconds()
        if not problem:
            self._is_short = False
            self._soon = 0.0
            self._move(self.target.health.succeeded(self._clock.seconds()), "the probe's answer is as it should be")
        elif isinstance(problem, Shortage):
            if not self._is_short:
                self._is_short = True
                self.log.warn("{name} was not probed: {problem}", name=self._name, problem=problem)
        else:
            if self._soon:
                wait, self._soon = min(wait, self._soon), 2 * self._soon
            refused = isinstance(problem, ConnectionRefused)
            self._move(self.target.health.failed(self._clock.seconds(), self._threshold, refused=refused), problem)
        self._timer = self._clock.callLater(max(wait, 0.0), self._begin)

    def _refused(self) -> None:
        """A request was refused a connection, which counts like a failed probe (a passive health check)."""
        before = self.target.health
        if before.state is HealthState.DOWN:
            return
        health = before.failed(self._clock.seconds(), self._threshold, refused=True)
        self._note(f"{NOT_CONNECTED} A request was refused a connection.")
        self._move(health, "connections are refused")
        if health.state is HealthState.DOWN:
            # A server that restarts must not stay out for a whole interval.
            self._soon = 2 * SOON
            if self._timer is not None and self._timer.getTime() > self._clock.seconds() + SOON:
                self._timer.reset(SOON)

    def _reached(self) -> None:
        """A server that is down accepts connections again: it is probed now, though not twice within `SOON`."""
        now = self._clock.seconds()
        due = max(self._began + SOON, now)
        if self._timer is not None and self._timer.getTime() > due:
            self._timer.reset(due - now)

    def _note(self, log: str) -> None:
        self.target.last_probe = LastProbe(at=self._clock.seconds(), log=log)

    def _move(self, health: Health, reason: str) -> None:
        before = self.target.health.state
        self.target.found(health)
        if health.state is before:
            return
        (self.log.warn if health.state is HealthState.DOWN else self.log.info)(
            "Backend server {name}: {before} -> {after}: {reason}",
            name=self._name,
            before=before.value,
            after=health.state.value,
            reason=printable(reason),
        )
        self.moved(self._name, before, health.state, reason)


class Prober(Service):
    """Probes all servers that routes lead to.

    Args:
        watches: one for each server.
        random: spreads the first probes.
        moved: hears of each change of a server's state.
    """

    def __init__(self, watches: Iterable[Watch], random: Random, moved: Moved = _not_published) -> None:
        self.setName("probes")
        self._random = random
        self._watches = tuple(watches)
        for watch in self._watches:
            watch.moved = moved

    def startService(self) -> None:
        """Probes every server that is not probed yet, the first at once."""
        super().startService()
        fresh = [watch for watch in self._watches if not watch.running]
        for index, watch in enumerate(fresh):
            pace = min(PACE, watch.interval / len(fresh))
            watch.start((index + self._random.random()) * pace)

    def stopService(self) -> None:
        """Probes no more."""
        super().stopService()
        for watch in self._watches:
            watch.stop()

    def take_over(self, previous: Prober) -> None:
        """Goes on with the watches of the configuration before, where the server and its probe are the same.

        They keep their times. The others end, also those of servers whose probe is another one now: the health that
        they have found stays until the first result of the new probe. The previous prober has none from now on.
        """
        former = {watch.target: watch for watch in previous._watches if watch.running}
        previous._watches = ()
        self._watches = tuple(_same(former, watch) for watch in self._watches)
        for left in former.values():
            left.stop()


def _same(former: dict[Target, Watch], watch: Watch) -> Watch:
    """The running watch of the same server by the same probe, taken out of the former ones, or else the new one."""
    known = former.get(watch.target)
    return watch if known is None or known.probe != watch.probe else former.pop(watch.target)


def watches(clock: IReactorTime, servers: Iterable[tuple[S, C]], probing_of: Callable[[S, C], Probing]) -> list[Watch]:
    """A watch for each server with its settings; one alone where several routes lead to the server."""
    return [_watch(clock, server, probing_of(server, settings)) for server, settings in dict(servers).items()]


def _watch(clock: IReactorTime, server: Target, probing: Probing) -> Watch:
    return Watch(
        *(clock, server, probing.name, probing.ask),
        interval=probing.interval,
        threshold=probing.threshold,
        probe=probing.probe,
    )


def connection_problem(failure: Failure) -> str:
    """The problem of a server to which no connection came about; raises what is no failure of a connection."""
    failure.trap(ConnectError, DNSLookupError)
    message = failure.getErrorMessage()
    if is_shortage(failure):
        return Shortage(message)
    if failure.check(ConnectionRefusedError):
        return ConnectionRefused(message, f"{NOT_CONNECTED} {message}")
    return ProbeFinding(message, f"{_kind_of(failure)}{message}")


def _kind_of(failure: Failure) -> str:
    """The product's words for it, ahead of what is known; none for a server whose certificate is not accepted."""
    if failure.check(DNSLookupError):
        return f"{NOT_RESOLVED} "
    if failure.check(ConnectionTimeoutError):
        return f"{TIMED_OUT} "
    return "" if failure.check(UntrustedError) else f"{NOT_CONNECTED} "
