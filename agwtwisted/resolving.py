"""The addresses of servers' names: asked when needed, kept for as long as the answer says, and asked again.

No request waits for a name twice: an answer whose time is over is still given while a new one is asked for, and the
last good one for as long as there is no other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, TimeoutError, maybeDeferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IAddress, IHostResolution, IReactorTime, IResolutionReceiver
from twisted.logger import Logger
from twisted.names.hosts import searchFileForAll
from twisted.python.filepath import FilePath
from zope.interface import implementer

from agwtwisted.core.resolv_conf import ResolvConf, parse
from agwtwisted.deferreds import SingleFlight, log_failure
from agwtwisted.dns_client import Answer, NoAnswerError, look_up

SHORTEST, LONGEST = 1.0, 3600.0
"""Seconds that an answer is kept at least and at most, whatever it says of itself."""

SYSTEM_TTL: Final = 30.0
"""Seconds that an answer holds which says nothing of itself: of the hosts file, and of the system's resolver."""

STALE: Final = 60.0
"""Seconds after its time in which an answer is given while a new one is asked for; later the new one is waited for."""

RETRY: Final = 5.0
"""Seconds until a name that did not resolve is asked for again."""

TIMEOUT: Final = 10.0
"""Seconds for all that is asked about one name."""

MAX_QUESTIONS: Final = 64
"""Names that are asked for at once."""

MAX_SYSTEM_QUESTIONS: Final = 4
"""Threads that wait for the system's resolver at once."""

Ask: TypeAlias = Callable[[str], Deferred[Answer]]
"""Asks for the addresses of a name; fails with NoAnswerError; may be cancelled."""


class _Known:
    """What is known of one name."""

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()  # the last good ones
        self.until = 0.0
        self.problem = ""  # why they were not renewed
        self.asked = False  # whether they are being renewed
        self._turn = 0

    def usable(self, now: float) -> bool:
        """Whether nobody has to wait: there are addresses, or it is too early to ask again where there are none."""
        return now < self.until + (STALE if self.addresses else 0.0)

    def in_turn(self) -> tuple[str, ...]:
        """The addresses, of each family another one first than the last time; those of IPv4 come first."""
        turn = self._turn
        self._turn += 1
        families: tuple[list[str], list[str]] = ([], [])
        for address in self.addresses:
            families[isIPv6Address(address)].append(address)
        return tuple(family[(turn + at) % len(family)] for family in families for at in range(len(family)))


class Names:
    """Knows the addresses of names, one entry for each name that the configuration holds.

    Args:
        clock: tells how old an answer is.
        ask: where answers come from.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, ask: Ask) -> None:
        self._clock = clock
        self._ask = ask
        self._known: dict[str, _Known] = {}
        self._flights: SingleFlight[str, None] = SingleFlight()
        self._room = DeferredSemaphore(MAX_QUESTIONS)

    def addresses(self, name: str) -> Deferred[tuple[str, ...]]:
        """The addresses in the order in which to try them; fails with DNSLookupError where there is none.

        May be cancelled; the question goes on then, for the next who needs the answer.
        """
        known = self._known.setdefault(name, _Known())
        now = self._clock.seconds()
        if now >= known.until and not known.asked:
            log_failure(self._renewed(name), self.log, "resolving a name")
        if known.usable(now):
            return maybeDeferred(_given, known, name)
        return self._renewed(name).addCallback(lambda _: _given(known, name))

    def stop(self) -> None:
        """Nothing is asked any more; who waits is told."""
        self._flights.cancel()

    def _renewed(self, name: str) -> Deferred[None]:
        return self._flights.join(name, lambda: Deferred.fromCoroutine(self._renew(name)))

    async def _renew(self, name: str) -> None:
        known = self._known[name]
        known.asked = True
        try:
            answer = await Deferred.fromCoroutine(self._asked(name)).addTimeout(TIMEOUT, self._clock)
        except CancelledError:
            raise
        except (NoAnswerError, TimeoutError) as error:
            reason = str(error) if isinstance(error, NoAnswerError) else "no answer in time"
            self._keep(known, name, reason)
        except Exception:
            self.log.failure("Unexpected error while resolving {name}", name=name)
            self._keep(known, name, "an unexpected error")
        else:
            self._learn(known, name, answer)
        finally:
            known.asked = False

    async def _asked(self, name: str) -> Answer:
        await self._room.acquire()
        try:
            return await self._ask(name)
        finally:
            self._room.release()

    def _learn(self, known: _Known, name: str, answer: Answer) -> None:
        if known.problem and known.addresses:
            self.log.info("{name} resolves again", name=name)
        known.addresses, known.problem = answer.addresses, ""
        known.until = self._clock.seconds() + min(max(answer.ttl, SHORTEST), LONGEST)

    def _keep(self, known: _Known, name: str, reason: str) -> None:
        if known.addresses and not known.problem:
            self.log.warn("{name} does not resolve: {reason}; its last addresses are used", name=name, reason=reason)
        known.problem = reason
        known.until = self._clock.seconds() + RETRY


def _given(known: _Known, name: str) -> tuple[str, ...]:
    if not known.addresses:
        raise DNSLookupError(f"{name} does not resolve: {known.problem}")
    return known.in_turn()


class System:
    """Where this system has its names from: the hosts file, the name servers of resolv.conf, and else its own resolver.

    Args:
        reactor: asks.
        hosts: hosts(5), read at each question.
        resolv_conf: resolv.conf(5), read at each question.
        port: of the name servers.
    """

    def __init__(
        self, reactor: Any, *, hosts: str = "/etc/hosts", resolv_conf: str = "/etc/resolv.conf", port: int = 53
    ) -> None:
        self._reactor = reactor
        self._hosts = hosts
        self._resolv_conf = resolv_conf
        self._port = port
        self._threads = DeferredSemaphore(MAX_SYSTEM_QUESTIONS)

    def ask(self, name: str) -> Deferred[Answer]:
        """As `Ask` says."""
        return Deferred.fromCoroutine(self._asked(name))

    async def _asked(self, name: str) -> Answer:
        addresses = tuple(searchFileForAll(FilePath(self._hosts), name.encode()))
        if addresses:
            return Answer(addresses=addresses, ttl=SYSTEM_TTL)
        conf = self._conf()
        if conf.servers:
            try:
                return await self._asked_servers(conf, name)
            except NoAnswerError as error:
                if not error.is_final:  # the system's resolver would ask the same servers, and be as unlucky
                    raise
        return await self._asked_system(name)

    def _conf(self) -> ResolvConf:
        try:
            return parse(Path(self._resolv_conf).read_bytes())
        except OSError:
            return ResolvConf()

    async def _asked_servers(self, conf: ResolvConf, name: str) -> Answer:
        """The answer for the first of the names that it may stand for that has one."""
        servers = [(server, self._port) for server in conf.servers]
        none = NoAnswerError("it is too long", is_final=True)
        for candidate in conf.candidates(name):
            try:
                return await look_up(self._reactor, servers, candidate)
            except NoAnswerError as error:
                if not error.is_final:
                    raise
                none = error
        raise none

    async def _asked_system(self, name: str) -> Answer:
        """getaddrinfo(3) in a thread: it knows what only this system knows, but not for how long."""
        await self._threads.acquire()
        return await ask_reactor(self._reactor, name, self._threads.release)


def names_of(reactor: Any) -> Names:
    """Names as the reactor resolves them by itself."""
    return Names(reactor, partial(ask_reactor, reactor))


def ask_reactor(reactor: Any, name: str, done: Callable[[], None] = lambda: None) -> Deferred[Answer]:
    """The answer of a reactor's own resolver, as `Ask` says; `done` is called when it has ended, cancelled or not."""
    resolution = _Resolution(done)
    reactor.nameResolver.resolveHostName(resolution, name)
    return resolution.complete


@implementer(IResolutionReceiver)
class _Resolution:
    """Collects the addresses of a name."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._addresses: list[str] = []
        self._done = done
        self.complete: Deferred[Answer] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N802, N803
        """Nothing to do yet; and it cannot be ended."""

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802
        """One more address."""
        self._addresses.append(address.host)  # type: ignore[attr-defined]

    def resolutionComplete(self) -> None:  # noqa: N802
        """That was all; a name that does not resolve has none."""
        self._done()
        addresses = tuple(dict.fromkeys(self._addresses))
        if self.complete.called:  # cancelled: nobody waits any more
            return
        if addresses:
            self.complete.callback(Answer(addresses=addresses, ttl=SYSTEM_TTL))
        else:
            self.complete.errback(NoAnswerError("there is no such name, or no address", is_final=True))
