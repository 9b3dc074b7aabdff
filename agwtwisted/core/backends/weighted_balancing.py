"""Whose turn it is where servers have weights, and by the address of the client.

As `core.backends.balancing`, for load distribution policies. Shares follow the weights without chance: servers have
their turns at regular places of a round, and a round has as many turns as all weights together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from heapq import heapify, heappop, heappush, heapreplace
from itertools import chain
from math import lcm, log
from typing import Final, Generic, TypeVar

from agwtwisted.core.backends.balancing import EQUAL, Candidate, Order, may_be_back
from agwtwisted.core.backends.health import HealthState

T = TypeVar("T", bound=Candidate)


def _spaces(servers: Iterable[T], weights: Mapping[T, int]) -> dict[T, int]:
    """How far the turns of each server are apart: whole and even numbers, in proportion to what its weight divides."""
    found = {server: weights.get(server, 1) for server in servers}
    length = 2 * lcm(*found.values())
    return {server: length // weight for server, weight in found.items()}


def _further(servers: Iterable[T], others: Iterable[T], asked: set[T]) -> Iterator[T]:
    """Those that are asked next: others that are up, then those that may be back."""
    in_turn = list(servers)
    for server in in_turn:
        if server not in asked and server.state is not HealthState.DOWN:
            asked.add(server)
            yield server
    for server in chain(in_turn, others):
        if server not in asked and may_be_back(server):
            asked.add(server)
            yield server


class WeightedRoundRobin(Generic[T]):
    """One after the other, each as often as its weight says, and as evenly spread over a round as can be.

    In a round of length 1 a server of weight w has its turns at 1/2w, 3/2w, 5/2w and so on, so in each round exactly w.
    A choice costs the logarithm of the number of servers.
    """

    def __init__(self) -> None:
        self._servers: tuple[T, ...] = ()
        self._others: tuple[T, ...] = ()
        self._weights: Mapping[T, int] = EQUAL
        self._spaces: dict[T, int] = {}
        self._turns: list[tuple[int, int]] = []  # a heap: where a server has its next turn, and its index

    def use(self, servers: Sequence[T], others: Sequence[T] = (), weights: Mapping[T, int] = EQUAL) -> None:
        """As Balancer says; other servers than before begin a round anew."""
        self._others = tuple(others)
        if self._servers != tuple(servers) or self._weights != weights:
            self._servers, self._weights = tuple(servers), weights
            self._spaces = _spaces(servers, weights)
            self._turns = [(self._spaces[server] // 2, index) for index, server in enumerate(self._servers)]
            heapify(self._turns)

    def order(self, bound: T | None = None, client: str = "") -> Order[T]:
        """As Balancer says; a request that is bound to a server does not take the turn of another."""
        asked: set[T] = set()
        if bound is None and self._turns:
            at, index = self._turns[0]
            bound = self._servers[index]
            heapreplace(self._turns, (at + self._spaces[bound], index))
        if bound is not None:
            asked.add(bound)
            yield bound
        servers = self._servers
        yield from _further((servers[index] for _, index in sorted(self._turns)), self._others, asked)


class WeightedLeastConnections(Generic[T]):
    """The server with the fewest exchanges in progress for its weight; of several, whose turn it is by their weights.

    What is asked of a server under another pool or policy does not count. A choice costs about the logarithm of the
    number of servers: they stand in a heap, in which each change leaves an entry behind that no longer holds.
    """

    def __init__(self) -> None:
        self._counts: dict[T, int] = {}  # of all that have any
        self._servers: dict[T, int] = {}  # those that take turns, with their places in the order of the configuration
        self._others: tuple[T, ...] = ()
        self._spaces: dict[T, int] = {}
        self._turns: dict[T, int] = {}  # as those of WeightedRoundRobin
        self._now = 0  # the place of the last turn
        self._heap: list[tuple[int, int, int, T]] = []  # load, turn, place, server

    def use(self, servers: Sequence[T], others: Sequence[T] = (), weights: Mapping[T, int] = EQUAL) -> None:
        """As Balancer says; a round begins anew."""
        self._others = tuple(others)
        self._servers = {server: place for place, server in enumerate(servers)}
        self._spaces = _spaces(servers, weights)
        self._turns = {server: space // 2 for server, space in self._spaces.items()}
        self._now = 0
        self._build()

    def order(self, bound: T | None = None, client: str = "") -> Order[T]:
        """As Balancer says."""
        asked: set[T] = set()
        server = self._best() if bound is None else bound
        if bound is None and server is not None:
            self._take_turn(server)
        further = None
        while server is not None:
            asked.add(server)
            self._count(server, 1)
            try:
                yield server
            finally:
                self._count(server, -1)
            if further is None:
                further = _further(self._by_load(), self._others, asked)
            server = next(further, None)

    def _best(self) -> T | None:
        heap = self._heap
        while heap and self._entry(heap[0][3]) != heap[0]:
            heappop(heap)
        return heap[0][3] if heap else None

    def _take_turn(self, server: T) -> None:
        """One that had enough to do does not get the turns later that it was passed over for."""
        self._now = max(self._now, self._turns[server])
        self._turns[server] = self._now + self._spaces[server]

    def _entry(self, server: T) -> tuple[int, int, int, T] | None:
        """What stands in the heap for a server; None: it takes no turns."""
        place = self._servers.get(server)
        if place is None:
            return None
        return self._counts.get(server, 0) * self._spaces[server], self._turns[server], place, server

    def _count(self, server: T, change: int) -> None:
        number = self._counts.get(server, 0) + change
        if number:
            self._counts[server] = number
        else:
            del self._counts[server]
        entry = self._entry(server)
        if entry is None:
            return
        heappush(self._heap, entry)
        if len(self._heap) > 4 * len(self._servers) + 64:
            self._build()

    def _build(self) -> None:
        self._heap = [*filter(None, map(self._entry, self._servers))]
        heapify(self._heap)

    def _by_load(self) -> list[T]:
        return [server for *_, server in sorted(filter(None, map(self._entry, self._servers)))]


REMEMBERED: Final = 4096
"""Clients whose server `IpHash` remembers, the last of them."""

_PARTS: Final = 1 << 52  # of the interval from 0 to 1: a float distinguishes the middle of each


class IpHash(Generic[T]):
    """The same server for all requests from one address, as long as it is there: the highest random weight.

    Every server has a number for every address (D. Thaler, C. Ravishankar: "Using Name-Based Mappings to Increase Hit
    Rates", 1998; with weights: J. Schindelhauer, G. Schomaker: "Weighted Distributed Hash Tables", 2005), and the
    largest one wins. So where a server goes, its clients alone go to others, by their weights, and they come back with
    it. Processes and gateways with the same servers agree, as nothing of it is random.

    A new address costs about a microsecond for each server, one that is remembered as much as any other choice.

    Args:
        name: of a server; distinguishes it from the others.
    """

    def __init__(self, name: Callable[[T], bytes]) -> None:
        self._name = name
        self._others: tuple[T, ...] = ()
        self._weighted: list[tuple[T, bytes, int]] = []  # with their names and weights
        self._found: OrderedDict[str, T] = OrderedDict()  # by the addresses of clients

    def use(self, servers: Sequence[T], others: Sequence[T] = (), weights: Mapping[T, int] = EQUAL) -> None:
        """As Balancer says."""
        self._others = tuple(others)
        weighted = [(server, self._name(server), weights.get(server, 1)) for server in servers]
        if weighted != self._weighted:
            self._weighted = weighted
            self._found.clear()

    def order(self, bound: T | None = None, client: str = "") -> Order[T]:
        """As Balancer says."""
        first = self._first(client) if bound is None else bound
        if first is None:
            return
        yield first
        yield from _further(self._ranked(client), self._others, {first})

    def _first(self, client: str) -> T | None:
        found = self._found.get(client)
        if found is None and self._weighted:
            found = self._found[client] = max(self._weighted, key=lambda each: _score(client, *each[1:]))[0]
            if len(self._found) > REMEMBERED:
                self._found.popitem(last=False)
        return found

    def _ranked(self, client: str) -> list[T]:
        ranked = sorted(self._weighted, key=lambda each: _score(client, *each[1:]), reverse=True)
        return [server for server, _, _ in ranked]


def _score(client: str, server: bytes, weight: int) -> float:
    """The number of a server for an address; the largest one of several is that of each in proportion to its weight."""
    digest = blake2b(b"%b %b" % (client.encode(), server), digest_size=8).digest()
    return -weight / log((int.from_bytes(digest, "big") % _PARTS + 0.5) / _PARTS)
