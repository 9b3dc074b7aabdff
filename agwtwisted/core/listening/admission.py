"""Which connection is closed for a new one at the limit, and which handshake.

A client can open connections faster than deadlines end them. So at the limit a new connection is still accepted as long
as another one keeps the gateway waiting: the oldest that has sent nothing is closed, then one whose message has begun
and does not end, then one between two requests; of an address that has more than its share also one that has just
begun, or that does not send or read on; at last, before the one that came last and had no time to speak, one that has
begun or been silent for longer. A connection for which the gateway is at work never does, nor one whose bytes have
arrived: it is not the client then who is slow.

All of it costs the same however many connections there are.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Hashable
from enum import IntEnum
from itertools import islice
from math import inf
from typing import Final, Generic, Protocol, TypeVar

SHARE: Final = 4
"""The part of all places that is one address's own: a quarter. It has more than that only while no other address needs
them.
"""

LOOKS: Final = 64
"""Connections that have spoken which are looked at to find one that gives way."""


def address_block(address: str) -> str:
    """What counts as one address: of IPv6 a /64, since that is what a single host is given (RFC 6177)."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped
    if mapped is not None:
        return str(mapped)
    return str(ipaddress.IPv6Address(int(found) >> 64 << 64))


class Awaited(IntEnum):
    """What a connection keeps the gateway waiting for."""

    NOTHING = 0
    """The gateway, or a server, is at work for it."""
    REQUEST = 1
    """The next request: it is idle. So is one that is only being closed."""
    HEAD = 2
    """The rest of a PROXY header, of a handshake, or of a request's head."""
    MORE = 3
    """The rest of a body, or that it reads, since now: its rates are bounded.

    On L4 a first word, which its protocol may leave to the server, or the next one where nothing moves.
    """


class Tracked(Hashable, Protocol):
    """An accepted connection."""

    @property
    def block(self) -> str:
        """Its address, as `address_block` has it; empty for a balancer's, before the client is known."""

    def has_spoken(self) -> bool:
        """Whether any byte of it has come, were it unread."""

    def has_arrived(self) -> bool:
        """Whether there are received bytes of it that are not read yet."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What it keeps the gateway waiting for, and since when, in seconds of the clock of `now`."""


T = TypeVar("T", bound=Hashable)


class _ByAddress(Generic[T]):
    """Members in the order in which they came, and those of each address; who has more than its `share` is known."""

    def __init__(self, share: int) -> None:
        self.share = share
        self._blocks: dict[T, str] = {}
        self._members: dict[str, dict[T, None]] = {}
        self._over: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, member: T) -> bool:
        return member in self._blocks

    def change(self, share: int) -> None:
        """Another share holds from now on."""
        self.share = share
        self._over = {block: None for block, members in self._members.items() if block and len(members) > share}

    def count(self, block: str) -> int:
        """How many are of this address."""
        return len(self._members.get(block, ()))

    def add(self, member: T, block: str) -> None:
        """One more."""
        self._blocks[member] = block
        members = self._members.setdefault(block, {})
        members[member] = None
        if block and len(members) > self.share:
            self._over[block] = None

    def discard(self, member: T) -> None:
        """One less, if it was there."""
        block = self._blocks.pop(member, None)
        if block is not None:
            members = self._members[block]
            del members[member]
            if len(members) <= self.share:
                self._over.pop(block, None)
            if not members:
                del self._members[block]

    def oldest(self) -> T:
        """Who came first; there must be one."""
        return next(iter(self._blocks))

    def oldest_over(self) -> T | None:
        """Who came first of an address that has more than its share."""
        return next(iter(self._members[next(iter(self._over))])) if self._over else None


C = TypeVar("C", bound=Tracked)


class Connections(Generic[C]):
    """All connections, and which of them gives way.

    A silent connection in the last half of the places is closed for the next one, the oldest of an address that has
    more than its share first: a flood of silent connections replaces its own. Silent connections before it are closed
    when a client that sends needs the place.

    Args:
        room: connections that there may be.
        timeout: seconds for which the gateway waits for the rest of a head, before the connection may be closed for
            another.
    """

    def __init__(self, room: int, timeout: float) -> None:
        self.room = room
        self._timeout = timeout
        self._last = max(room // 2, 1)
        self._share = max(room // SHARE, 1)
        self._silent: _ByAddress[C] = _ByAddress(self._share)
        self._silent_last: _ByAddress[C] = _ByAddress(max(self._last // SHARE, 1))  # in the last places
        self._came: dict[C, float] = {}  # the silent ones
        self._spoken: dict[C, None] = {}
        self._by_block: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._came) + len(self._spoken)

    def change(self, room: int, timeout: float) -> None:
        """Another room and timeout hold from now on; connections that there are too many of stay."""
        self.room = room
        self._timeout = timeout
        self._last = max(room // 2, 1)
        self._share = max(room // SHARE, 1)
        self._silent.change(self._share)
        self._silent_last.change(max(self._last // SHARE, 1))

    @property
    def full(self) -> bool:
        """Whether a connection has to be closed for the next one."""
        return len(self) >= self.room

    def enter(self, connection: C, *, silent: bool = True, now: float = 0.0) -> None:
        """One more; not `silent` is one that has spoken, or whose protocol may leave the first word to the server."""
        block = connection.block
        if not silent:
            self._spoken[connection] = None
        else:
            group = self._silent if len(self) < self.room - self._last else self._silent_last
            group.add(connection, block)
            self._came[connection] = now
        if block:
            self._by_block[block] += 1

    def leave(self, connection: C) -> None:
        """One less; nothing if it has left before."""
        if self._came.pop(connection, None) is not None:
            self._silent.discard(connection)
            self._silent_last.discard(connection)
        elif connection in self._spoken:
            del self._spoken[connection]
        else:
            return
        block = connection.block
        if block:
            self._by_block[block] -= 1
            if not self._by_block[block]:
                del self._by_block[block]

    def victim(self, now: float) -> C | None:
        """Who is to give way to the next one; it stays until it leaves. None: all are at work."""
        if len(self._silent_last) >= self._last:
            found = self._oldest_silent(self._silent_last, 1)
            if found is not None:
                return found
        found = self._oldest_silent(self._silent, len(self._silent))
        if found is not None:
            return found
        # Who has come a moment ago is silent, too: others have kept us waiting for longer then.
        latest = self._oldest_silent(self._silent_last, len(self._silent_last))
        before = now - self._timeout if latest is None else self._came[latest]
        return self._waited_for(now, before) or latest

    def _oldest_silent(self, silent: _ByAddress[C], looks: int) -> C | None:
        """The first that is still silent; those before it, which are not, go where they belong: each does so once."""
        for _ in range(looks):
            connection = silent.oldest_over() or silent.oldest()
            if not connection.has_spoken():
                return connection
            silent.discard(connection)
            del self._came[connection]
            self._spoken[connection] = None
        return None

    def _waited_for(self, now: float, before: float) -> C | None:
        """The one of some that has been waited for the longest, in the order of their kinds.

        Who has begun and does not go on is among them where that was `before`.
        """
        looked = list(islice(self._spoken, LOOKS))
        ranks = [(self._rank(connection, now, before), number) for number, connection in enumerate(looked)]
        for connection in looked:  # the next time it is the turn of others
            del self._spoken[connection]
            self._spoken[connection] = None
        for rank, number in sorted(ranks):
            if rank[0] < _NEVER and not looked[number].has_arrived():
                return looked[number]
        return None

    def _rank(self, connection: C, now: float, before: float) -> tuple[int, float]:
        awaited, since = connection.awaited(now)
        if awaited is Awaited.REQUEST:
            return 1, since
        if awaited is Awaited.HEAD and now - since >= self._timeout:
            return 0, since
        if awaited is not Awaited.NOTHING and self._by_block[connection.block] > self._share:
            return (2 if awaited is Awaited.HEAD else 3), since
        if awaited is not Awaited.NOTHING and since < before:
            return 4, since
        return _NEVER, since


_NEVER: Final = 5


class SlotHolder(Hashable, Protocol):
    """A handshake whose ClientHello has come."""

    def has_arrived(self) -> bool:
        """Whether there are received bytes of it that are not read yet."""


H = TypeVar("H", bound=SlotHolder)


class HandshakeSlots(Generic[H]):
    """Handshakes under way, of which there may be so many at once.

    Where all slots are taken, one whose client has kept the gateway waiting for longer than `timeout` fails for
    another, or else one of an address that has more than its share, for one of an address that has not. Otherwise the
    newcomer waits, and each address has its turn.
    """

    def __init__(self, slots: int, timeout: float) -> None:
        self._slots = slots
        self._timeout = timeout
        self._taken: _ByAddress[H] = _ByAddress(max(slots // SHARE, 1))
        self._since: dict[H, float] = {}  # each has its slot, the oldest first
        self._waiting: dict[str, dict[H, None]] = {}  # by address, whose turn is next first
        self._blocks: dict[H, str] = {}  # of those that wait

    def change(self, slots: int, timeout: float) -> None:
        """Another number of slots and timeout hold from now on; handshakes that there are too many of go on."""
        self._slots = slots
        self._timeout = timeout
        self._taken.change(max(slots // SHARE, 1))

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._blocks)

    def enter(self, handshake: H, block: str, now: float) -> tuple[bool, H | None]:
        """Whether it may begin, and which one has lost its slot for that; one that may not waits for `next`."""
        if len(self._taken) < self._slots:
            self._take(handshake, block, now)
            return True, None
        victim = self._stale(now)
        if victim is None and self._taken.count(block) < self._taken.share:
            victim = self._taken.oldest_over()
        if victim is None:
            self._waiting.setdefault(block, {})[handshake] = None
            self._blocks[handshake] = block
            return False, None
        self.leave(victim)
        self._take(handshake, block, now)
        return True, victim

    def leave(self, handshake: H) -> None:
        """It is over, well or badly, or waits no longer; nothing if it has left before."""
        if self._since.pop(handshake, None) is not None:
            self._taken.discard(handshake)
        elif handshake in self._blocks:
            self._stop_waiting(handshake, self._blocks[handshake])

    def next(self, now: float) -> tuple[H, H | None] | None:
        """The next that may begin now, and which one has lost its slot for that; None: there is none yet."""
        if not self._waiting:
            return None
        victim = None
        if len(self._taken) >= self._slots:
            victim = self._stale(now)
            if victim is None:
                return None
            self.leave(victim)
        block = next(iter(self._waiting))
        handshake = next(iter(self._waiting[block]))
        self._stop_waiting(handshake, block)
        if block in self._waiting:
            self._waiting[block] = self._waiting.pop(block)  # the next turn is another's
        self._take(handshake, block, now)
        return handshake, victim

    def oldest_may_give_way(self) -> float:
        """When the oldest handshake may have to give way; while there is a free slot at any time."""
        if len(self._taken) < self._slots:
            return -inf
        return next(iter(self._since.values())) + self._timeout

    def _stale(self, now: float) -> H | None:
        """The oldest, if its client has had its time."""
        for _ in range(LOOKS):
            if now < self.oldest_may_give_way():
                break
            oldest = next(iter(self._since))
            if not oldest.has_arrived():
                return oldest
            del self._since[oldest]  # it is the gateway that is slow
            self._since[oldest] = now
        return None

    def _take(self, handshake: H, block: str, now: float) -> None:
        self._taken.add(handshake, block)
        self._since[handshake] = now

    def _stop_waiting(self, handshake: H, block: str) -> None:
        del self._blocks[handshake]
        del self._waiting[block][handshake]
        if not self._waiting[block]:
            del self._waiting[block]
