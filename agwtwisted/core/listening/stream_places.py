"""How many requests may be under way on connections that carry several, beside the first of each.

A request that is forwarded takes a file descriptor. The first one of each connection has its own, which is counted with
the connection; a client of HTTP/2 may ask for a hundred more. Those share the descriptors that are left: without a
place a request waits until one of its own connection has ended, or a place is free. So clients that hold all places
make others slower, as over HTTP/1.1, and shut out none.

Answers that their clients do not take hold no descriptor, but memory: that of all connections is counted here, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from math import inf
from typing import Final

from agwtwisted.core.listening.admission import LOOKS, SHARE

ENOUGH_PLACES: Final = inf
"""Where descriptors need not be counted."""

MOST_QUEUED: Final = 256 << 20
"""Octets of answers that wait for all clients together, from which on each connection has one request at a time, and
each stream keeps its share alone. The last quarter is for addresses that have less than a quarter of all.
"""


class Backlog:
    """What waits to be sent on all connections of a process that carry several requests at once."""

    __slots__ = ("_by_block", "octets")

    def __init__(self) -> None:
        self.octets = 0
        self._by_block: Counter[str] = Counter()

    def add(self, block: str, octets: int) -> None:
        """So many more wait for the clients of an address (`admission.address_block`), or fewer."""
        self.octets += octets
        self._by_block[block] += octets
        if not self._by_block[block]:
            del self._by_block[block]

    def crowds(self, block: str) -> bool:
        """Whether too much waits for a client of this address to have more."""
        left = MOST_QUEUED - self.octets
        return left < MOST_QUEUED // SHARE and (left < 0 or self._by_block[block] > MOST_QUEUED // SHARE)


class BacklogShare:
    """What of it is one connection's."""

    __slots__ = ("_backlog", "_block", "octets")

    def __init__(self) -> None:
        self._backlog = Backlog()
        self._block = ""
        self.octets = 0

    @property
    def crowded(self) -> bool:
        """Whether too much waits on all connections together for this one to have more."""
        return self._backlog.crowds(self._block)

    def join(self, backlog: Backlog, block: str) -> None:
        """It is part of this one from now on, and of a client of this address."""
        octets = self.octets
        self.count(0)
        self._backlog, self._block = backlog, block
        self.count(octets)

    def count(self, octets: int) -> None:
        """So many octets wait now."""
        if octets != self.octets:
            self._backlog.add(self._block, octets - self.octets)
            self.octets = octets


class StreamPlaces:
    """The places of a process. Of the last quarter an address gets none beyond a quarter of all.

    Args:
        room: how many there are.
    """

    __slots__ = ("_by_block", "_share", "_taken", "_waiting", "backlog", "room")

    def __init__(self, room: float = ENOUGH_PLACES) -> None:
        self.backlog = Backlog()
        self._taken = 0
        self._by_block: Counter[str] = Counter()
        self._waiting: dict[Callable[[], None], str] = {}  # the longest first
        self.change(room)

    def change(self, room: float) -> None:
        """So many there are from now on; those that are taken beyond stay."""
        self.room = room
        self._share = max(room / SHARE, 1.0)
        self._wake(LOOKS)

    @property
    def short(self) -> bool:
        """Whether a request waits for a place."""
        return bool(self._waiting)

    @property
    def waiting(self) -> int:
        """How many connections wait for one."""
        return len(self._waiting)

    @property
    def taken(self) -> int:
        """How many are."""
        return self._taken

    def take(self, block: str) -> bool:
        """Takes one for a client's address (`admission.address_block`); False: there is none for it."""
        if not self._admits(block):
            return False
        self._taken += 1
        self._by_block[block] += 1
        return True

    def give_back(self, block: str, count: int) -> None:
        """So many are needed no longer."""
        self._taken -= count
        self._by_block[block] -= count
        if not self._by_block[block]:
            del self._by_block[block]
        self._wake(count)

    def wait(self, block: str, go_on: Callable[[], None]) -> None:
        """Has `go_on` called once it may `take` one; it comes back by itself, with nothing in between."""
        self._waiting.setdefault(go_on, block)

    def wait_no_more(self, go_on: Callable[[], None]) -> None:
        """Has it not called; nothing where it does not wait."""
        self._waiting.pop(go_on, None)

    def _admits(self, block: str) -> bool:
        left = self.room - self._taken
        return left > self._share or (left > 0 and self._by_block[block] < self._share)

    def _wake(self, count: int) -> None:
        """Wakes those that may take what is free, of some that are looked at; the others have their turn later."""
        looked = list(islice(self._waiting.items(), LOOKS)) if self._waiting else []
        for go_on, block in looked:
            if not count:
                break
            del self._waiting[go_on]
            if self._admits(block):
                count -= 1
                go_on()
            else:
                self._waiting[go_on] = block
