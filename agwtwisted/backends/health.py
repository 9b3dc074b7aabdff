"""Probes backend servers on a timer, and moves their health by what it sees.

A probe is a request like any other, over a new connection of the server's own making: so it resolves, connects and
verifies just as requests do, and a server that answers it is one that they reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectionTimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.connecting import is_shortage
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.targets import Target
from agwtwisted.backends.upstream import Server, UpstreamConnection
from agwtwisted.core.backends.health import LOOKED_AT, ConnectionRefused, Health, Shortage, State
from agwtwisted.core.base.errors import printable
from agwtwisted.core.http.messages import ResponseHead
from agwtwisted.core.plan.probing import Question, question
from agwtwisted.core.resources.resources import BackendAddressPool, BackendHttpSettings
from agwtwisted.transport.deferreds import log_failure

PACE: Final = 0.005
"""Seconds between the first probes of two servers: a thousand of them are not asked at once."""

SOON: Final = 1.0
"""Seconds to the next probe of a server that may be about to start; twice as long after each that fails, too."""

MAX_HEAD_BYTES: Final = 32768
"""Of the answer to a probe; the product's limit for headers."""

Ask = Callable[[], Deferred[str]]
"""Asks once: fires with what is wrong with the server, empty when nothing is; may be cancelled.

A `ConnectionRefused` says that the connection was refused.
"""


class Watch:
    """One target, asked again and again. Each question begins an interval after the one before, or once that is over.

    Args:
        clock: holds the timer.
        target: whose health it is.
        name: what the log calls it.
        ask: asks it.
        interval: seconds.
        threshold: failures in a row that make it unhealthy.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, target: Target, name: str, ask: Ask, *, interval: float, threshold: int
    ) -> None:
        self.interval = interval
        self._clock = clock
        self._target = target
        self._name = name
        self._ask = ask
        self._threshold = threshold
        self._is_short = False  # the last questions could not be put
        self._soon = SOON  # seconds to the next question ahead of its time, 0: there is no reason
        self._began = 0.0
        self._timer: IDelayedCall | None = None
        self._asking: Deferred[None] | None = None

    def start(self, delay: float) -> None:
        """The first question comes after `delay` seconds."""
        self._target.when_refused = self._refused
        self._target.when_reached = self._reached
        self._timer = self._clock.callLater(delay, self._begin)

    def stop(self) -> None:
        """Asks no more; what is known stays as it is."""
        self._target.when_refused = self._target.when_reached = None
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
        except Exception as defect:  # ours; taken for one of the server, since it must show
            self.log.failure("Unexpected error while probing {name}", name=self._name)
            problem = str(defect) or "the probe has a defect"
        self._answered(problem)

    def _answered(self, problem: str) -> None:
        wait = self._began + self.interval - self._clock.seconds()
        if not problem:
            self._is_short = False
            self._soon = 0.0
            self._move(self._target.health.succeeded(self._clock.seconds()), "the probe's answer is as it should be")
        elif isinstance(problem, Shortage):
            if not self._is_short:
                self._is_short = True
                self.log.warn("{name} was not probed: {problem}", name=self._name, problem=problem)
        else:
            if self._soon:
                wait, self._soon = min(wait, self._soon), 2 * self._soon
            refused = isinstance(problem, ConnectionRefused)
            self._move(self._target.health.failed(self._clock.seconds(), self._threshold, refused=refused), problem)
        self._timer = self._clock.callLater(max(wait, 0.0), self._begin)

    def _refused(self) -> None:
        """A request was refused a connection, which counts like a failed probe (nginx calls it passive)."""
        before = self._target.health
        if before.state is State.DOWN:
            return
        health = before.failed(self._clock.seconds(), self._threshold, refused=True)
        self._move(health, "connections are refused")
        if health.state is State.DOWN:
            # A server that is started anew is not to be missed for a whole interval.
            self._soon = 2 * SOON
            if self._timer is not None and self._timer.getTime() > self._clock.seconds() + SOON:
                self._timer.reset(SOON)

    def _reached(self) -> None:
        """A server that is down accepts connections again: it is asked now, though not twice within `SOON`."""
        now = self._clock.seconds()
        due = max(self._began + SOON, now)
        if self._timer is not None and self._timer.getTime() > due:
            self._timer.reset(due - now)

    def _move(self, health: Health, reason: str) -> None:
        before = self._target.state
        self._target.found(health)
        if health.state is before:
            return
        (self.log.warn if health.state is State.DOWN else self.log.info)(
            "Backend server {name}: {before} -> {after}: {reason}",
            name=self._name,
            before=before.value,
            after=health.state.value,
            reason=printable(reason),
        )


class Prober(Service):
    """Watches every server that some rule leads to.

    Args:
        reactor: holds the timers.
        backends: where the servers are.
        ways: each pool with the settings under which some rule leads to it.
        random: spreads the first questions.
        more: what else is watched: the servers behind L4 listeners.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        backends: Backends,
        ways: Iterable[tuple[BackendAddressPool, BackendHttpSettings]],
        random: Random,
        more: Iterable[Watch] = (),
    ) -> None:
        self.setName("probes")
        self._random = random
        watches = {
            server: _watch(reactor, backends, server, settings)
            for pool, settings in ways
            for server in backends.pool(pool, settings).servers  # some of which may be in other pools, too
        }
        self._watches = (*watches.values(), *more)

    def startService(self) -> None:
        """Asks every server, the first at once."""
        super().startService()
        for index, watch in enumerate(self._watches):
            pace = min(PACE, watch.interval / len(self._watches))
            watch.start((index + self._random.random()) * pace)

    def stopService(self) -> None:
        """Asks no more."""
        super().stopService()
        for watch in self._watches:
            watch.stop()


def _watch(reactor: IReactorTime, backends: Backends, server: Server, settings: BackendHttpSettings) -> Watch:
    asked = question(settings, server.host, server.port)
    at = backends.server_to_probe(server.host, asked.port, settings)
    return Watch(
        reactor,
        server,
        f"{server.name.decode()} ({settings.name})",
        lambda: ask(at, asked, reactor),
        interval=asked.interval,
        threshold=asked.unhealthy_threshold,
    )


def ask(server: Server, asked: Question, clock: IReactorTime) -> Deferred[str]:
    """Asks a server over a new connection; fires with what is wrong with its answer, empty when nothing is.

    The server is one that no request goes to: they share no connections, and what becomes of theirs when the server
    goes down does not concern its probes.
    """
    asking = Deferred.fromCoroutine(_ask(server, asked))
    return asking.addTimeout(asked.timeout, clock).addErrback(_unanswered, asked)


async def _ask(server: Server, asked: Question) -> str:
    connection = await server.connect_to_probe(asked.timeout, asked.server_name)
    answer = _Answer(connection)
    connection.start(answer, timeout=asked.timeout, to_head_request=False, max_header_bytes=MAX_HEAD_BYTES)
    connection.write(asked.request())
    connection.request_complete()
    await answer.whole
    return answer.problem or asked.match.problem(answer.status, answer.body)


def _unanswered(failure: Failure, asked: Question) -> str:
    if failure.check(TimeoutError, ConnectionTimeoutError):
        return f"no answer within {asked.timeout:g} s"
    failure.trap(ConnectError, DNSLookupError)
    message = failure.getErrorMessage()
    if is_shortage(failure):
        return Shortage(message)
    return ConnectionRefused(message) if failure.check(ConnectionRefusedError) else message


class _Answer:
    """The answer to one probe, as interfaces.UpstreamUser says; `whole` fires once there is enough of it."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self.whole: Deferred[None] = Deferred(lambda _: connection.cancel())
        self.problem = ""
        self.status = 0
        self.body = b""
        self._connection = connection

    def response_head(self, head: ResponseHead) -> None:
        """Its head; interim ones say nothing."""
        self.status = head.status

    def response_body(self, data: bytes) -> None:
        """A piece of its body."""
        self.body += data
        if len(self.body) >= LOOKED_AT:
            self._connection.cancel()
            self._done()

    def response_end(self) -> None:
        """Its end, and that of the connection."""
        self._connection.wire.close()
        self._done()

    def response_flush(self) -> None:
        """Nothing waits for it."""

    def response_lost(self, reason: str, *, timed_out: bool) -> None:
        """There is no more of it."""
        self.problem = reason
        self._done()

    def upstream_drained(self) -> None:
        """The request is sent."""

    def broken(self) -> None:
        """An error of the gateway's own: it has to show."""
        self.problem = "internal error of the gateway"
        self._done()

    def _done(self) -> None:
        if not self.whole.called:
            self.whole.callback(None)
