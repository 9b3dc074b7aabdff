"""Which servers of a pool may get a request, and which one is next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar, cast

from agwtwisted.core.backends.affinity import Affinity
from agwtwisted.core.backends.health import Health, HealthState
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.identity.clients import Admitted


class Candidate(Protocol):
    """A server, as far as its turn goes."""

    state: HealthState
    refusing: bool  # it is down, and no more is known than that connections were refused
    draining: bool  # it is down, but has not been for long: who is bound to it may still come


class PooledCandidate(Candidate, Protocol):
    """The same for a pool, which may count it as healthy whatever its probes find."""

    health: Health  # that its probes find
    kept: bool  # its state is up, though its probes find it down
    drained_by_operator: bool

    def keep(self, keeper: object, *, kept: bool) -> None:
        """That a pool counts it as healthy from now on, or does so no more."""


T = TypeVar("T", bound=Candidate)
Order: TypeAlias = Generator[T, None, None]
"""The order in which one request tries servers: every server once, and the next only when it is needed.

Servers that are down come last, and only those that refused connections: they may be back. A server counts as busy with
the request until the next is asked for, or the order closed.
"""


EQUAL: Final[Mapping[Any, int]] = MappingProxyType({})
"""The weights of servers that have none: each counts like any other."""


class Balancer(Protocol[T]):
    """Decides whose turn it is."""

    def use(self, servers: Sequence[T], others: Sequence[T] = (), weights: Mapping[T, int] = EQUAL) -> None:
        """These take turns from now on; `others` are asked once none of them is left that is not down.

        Those here heed no weights; those of `core.backends.weighted_balancing` do.
        """

    def order(self, bound: T | None = None, client: str = "") -> Order[T]:
        """The order for one request; a server that it is bound to comes first, even if it takes no turns.

        Args:
            client: the address of who has sent the request.
        """


class RoundRobin(Generic[T]):
    """One after the other, in the order of the configuration."""

    def __init__(self) -> None:
        self._servers: tuple[T, ...] = ()
        self._others: tuple[T, ...] = ()
        self._next = 0

    def use(self, servers: Sequence[T], others: Sequence[T] = (), weights: Mapping[T, int] = EQUAL) -> None:
        """As Balancer says."""
        self._servers, self._others = tuple(servers), tuple(others)

    def order(self, bound: T | None = None, client: str = "") -> Order[T]:
        """As Balancer says; a request that is bound to a server does not take the turn of another."""
        servers = self._servers
        if bound is not None:
            yield bound
        if not servers:
            return
        turn = self._next % len(servers)
        self._next = turn + 1
        first = bound or servers[turn]
        if bound is None:
            yield first
        # Others are rarely wanted: nothing is made ready for them before.
        asked = {first}
        in_turn = [servers[index] for index in chain(range(turn, len(servers)), range(turn))]
        for server in in_turn:
            if server not in asked and server.state is not HealthState.DOWN:
                asked.add(server)
                yield server
        for server in chain(in_turn, self._others):
            if server not in asked and may_be_back(server):
                asked.add(server)
                yield server


class LeastConnections(Generic[T]):
    """The server with the fewest exchanges in progress; of several, the one that has been so for longest.

    What is asked of a server under another pool does not count. A choice costs the same however many servers there are:
    they stand in line by the number of their exchanges, one line for each number.
    """

    def __init__(self) -> None:
        self._counts: dict[T, int] = {}  # of all that have any
        self._lines: dict[int, OrderedDict[T, None]] = {}  # of those that take turns
        self._others: tuple[T, ...] = ()
        self._least = 0  # no line has a smaller number

    def use(self, servers: Sequence[T], others: Sequence[T] = (), weights: Mapping[T, int] = EQUAL) -> None:
        """As Balancer says."""
        self._lines, self._others = {}, tuple(others)
        for server in servers:
            self._line_up(server, self._counts.get(server, 0))
        self._least = min(self._lines, default=0)

    def order(self, bound: T | None = None, client: str = "") -> Order[T]:
        """As Balancer says."""
        asked: list[T] = []
        server = self._best(asked) if bound is None else bound
        while server is not None:
            asked.append(server)
            self._count(server, 1)
            try:
                yield server
            finally:
                self._count(server, -1)
            server = self._best(asked)

    def _best(self, asked: Sequence[T]) -> T | None:
        if not asked:
            while self._least not in self._lines:
                if not self._lines:
                    return None
                self._least += 1
            return next(iter(self._lines[self._least]))
        # A second choice is rare enough to be looked for.
        standing = [server for number in sorted(self._lines) for server in self._lines[number] if server not in asked]
        up = next((each for each in standing if each.state is not HealthState.DOWN), None)
        others = (each for each in self._others if each not in asked)
        return up or next(filter(may_be_back, chain(standing, others)), None)

    def _count(self, server: T, change: int) -> None:
        before = self._counts.get(server, 0)
        number = before + change
        if number:
            self._counts[server] = number
        else:
            del self._counts[server]
        line = self._lines.get(before)
        if line is not None and server in line:
            del line[server]
            if not line:
                del self._lines[before]
            self._line_up(server, number)
            self._least = min(self._least, number)

    def _line_up(self, server: T, number: int) -> None:
        self._lines.setdefault(number, OrderedDict())[server] = None


def may_be_back(server: Candidate) -> bool:
    """Whether a server may be asked that does not take turns."""
    return server.state is not HealthState.DOWN or server.refusing


def _takes_bound(server: Candidate) -> bool:
    """Whether a server may be asked by who is bound to it."""
    return server.state is not HealthState.DOWN or server.draining


def _badness(health: Health) -> int:
    if health.state is HealthState.DOWN:
        return 3 if health.refusing else 2
    return 0 if health.state is HealthState.UP else 1


class Pool(Generic[T]):
    """The servers of one pool under one backend settings, or those of all pools of a load distribution policy.

    Those that are healthy are asked; `least` of them always count as that. Where none is known to be, those that no
    probe has asked yet are, too: else all requests that come before the first probes are answered would be lost, at
    every start. Where all are down, those are that refused connections, because that may be over at any time. No
    request goes to a server that is down because of its answers, or its silence, except a request that is bound to one
    that is being drained.

    Args:
        servers: each once.
        balancer: decides whose turn it is.
        affinity: leads clients back to their server; None: every request is asked of whose turn it is.
        weights: of the servers, for a balancer that heeds them.
        least: how many servers count as healthy, whatever their probes find: `min_servers` of the probe. Those of which
            the least bad is known: healthy ones, those that were not probed yet, those that answer, those that refuse
            connections; in the order of the configuration. None that an operator has drained.
    """

    def __init__(
        self,
        servers: Sequence[T],
        balancer: Balancer[T],
        affinity: Affinity[T] | None = None,
        weights: Mapping[T, int] = EQUAL,
        least: int = 0,
    ) -> None:
        self.servers = tuple(servers)
        self._least = least
        self._kept: frozenset[T] = frozenset()
        self._weights = weights
        self.affinity = affinity
        self._balancer = balancer
        self._stale = True
        self._notified = True

    def take_over(self, previous: Pool[T]) -> None:
        """Goes on where the same pool of the configuration before is: whose turn it is, and what is in progress.

        What that one is asked for from now on begins anew; it serves the requests that are under way there.
        """
        if type(self._balancer) is type(previous._balancer):
            self._balancer, previous._balancer = previous._balancer, self._balancer
        self._stale = previous._stale = True

    def not_notified(self) -> None:
        """`changed` is not called from now on: the health of the servers is looked at for each request."""
        self._notified = False
        self._stale = True

    def changed(self) -> None:
        """The health of a server has changed: it is looked at before the next request."""
        self._stale = True
        if self._least:
            self._keep(frozenset(self._least_bad()))

    def release(self) -> None:
        """No server counts as healthy because of this pool any more."""
        self._keep(frozenset())

    def _keep(self, kept: frozenset[T]) -> None:
        """Notifies the servers; each notifies this pool again, for which nothing changes then."""
        before, self._kept = self._kept, kept
        for server in self.servers:
            if (server in kept) is not (server in before):
                cast(PooledCandidate, server).keep(self, kept=server in kept)

    def _least_bad(self) -> Iterator[T]:
        servers = [server for server in self.servers if not cast(PooledCandidate, server).drained_by_operator]
        servers.sort(key=lambda server: _badness(cast(PooledCandidate, server).health))
        yield from servers[: self._least]

    def order(self, client: Admitted, headers: Sequence[Header] = (), kept: T | None = None) -> Order[T]:
        """The order of servers for an admitted client; for any other client no server is chosen.

        Args:
            headers: of the request.
            kept: the server to which the client has a connection of its own, and stays unless a cookie says another.
        """
        if self._stale:
            self._stale = not self._notified
            usable = self._usable()
            taken = {*usable}
            self._balancer.use(usable, [server for server in self.servers if server not in taken], self._weights)
        bound = None if self.affinity is None else self._bound(self.affinity, headers)
        if kept is not None and bound is None and _takes_bound(kept):
            bound = kept
        return self._balancer.order(bound, client.connection.address)

    def _usable(self) -> list[T]:
        up = [server for server in self.servers if server.state is HealthState.UP]
        if self._least:
            return self._usable_of(up)
        unknown = up or [server for server in self.servers if server.state is HealthState.UNKNOWN]
        return unknown or [server for server in self.servers if server.refusing]

    def _usable_of(self, up: Sequence[T]) -> list[T]:
        """The same where some always count as healthy: those that are up for this pool, and its own."""
        healthy = {server for server in up if not cast(PooledCandidate, server).kept}
        if not healthy:
            healthy = {server for server in self.servers if server.state is HealthState.UNKNOWN}
        kept = {server for server in self._kept if server.state is not HealthState.DOWN}
        return [server for server in self.servers if server in healthy or server in kept]

    def _bound(self, affinity: Affinity[T], headers: Sequence[Header]) -> T | None:
        for server in affinity.servers(headers):
            if _takes_bound(server):
                return server
        return None
