"""The limits of connections for the sum over several worker processes.

Each worker counts its own connections, and those of each address, in memory that all see, and takes a place only where
the sum allows it: `sharing.memory` says why no lock is needed for that. Where all places are taken and no connection of
this worker can give way, another worker is asked for one: a client that has filled that worker alone must not keep out
the clients of this one. `max_handshakes` is divided: each worker has its part.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import Final

import attrs
from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.interfaces import Siblings
from agwtwisted.listening.admission import AcceptedConnection, Limits, Slot
from agwtwisted.sharing.memory import Fence, SharedMemory

GIVE_WAY: Final = "give way"
"""Published by a worker that has no place and no connection that could give way: its index, and that of who has."""

GAVE_WAY: Final = "gave way"
"""The answer, once there is a place: the index of the worker that has asked."""

REMEMBERED_KEYS: Final = 4096
"""Addresses whose numbers are not computed anew, those seen last."""

_WORKERS: Final = struct.Struct("!HH")


class SharedLimits(Limits):
    """As `Limits`, for one worker of several.

    Args:
        gateway: the limits of all workers together.
        clock: time.
        index: of this worker, from 1.
        count: of workers.
        memory: that they share.
        siblings: the way to the others.
        room: connections that this worker may have, where that is less than `max_connections`.
    """

    def __init__(
        self,
        gateway: Gateway,
        clock: IReactorTime,
        *,
        index: int,
        count: int,
        memory: SharedMemory,
        siblings: Siblings,
        room: int | None = None,
    ) -> None:
        super().__init__(_part(gateway, count), clock, room=room)
        self._index = index
        self._count = count
        self._siblings = siblings
        self._key_of = lru_cache(REMEMBERED_KEYS)(memory.key_of)
        self._places = memory.connections[: count + 1]
        self._addresses = memory.addresses(index)
        self._others = [memory.addresses(other) for other in range(1, count + 1) if other != index]
        self._fence = Fence()
        self._in_all = gateway.max_connections
        self._own_room = inf if room is None else room
        self._reserved = False  # a place is counted for a connection that is not accepted yet
        self._admitted = ""  # an address is counted for one that has no place yet
        self._hands_over = False  # the place of the next connection that is closed is another's already
        self._asked = 0  # workers in a row that had no connection which gave way
        siblings.subscribe(GIVE_WAY, self._give_way)
        siblings.subscribe(GAVE_WAY, self._gave_way)

    def change(self, gateway: Gateway, room: int | None = None) -> None:
        """Other limits hold from now on."""
        self._in_all = gateway.max_connections
        self._own_room = inf if room is None else room
        super().change(_part(gateway, self._count), room)

    # -- connections

    @property
    def full(self) -> bool:
        """Whether there is no place for one more."""
        return len(self.connections) >= self._own_room or sum(self._places) >= self._in_all

    @property
    def room(self) -> int:
        """How many connections there may be in all workers."""
        return self._in_all

    def reserve(self) -> bool:
        """Takes a place, for the next `open` or until it is given back; False where there is none."""
        if self._reserved:
            return True
        if len(self.connections) >= self._own_room:
            return False
        self._places[self._index] += 1
        self._fence()
        if sum(self._places) > self._in_all:
            self._places[self._index] -= 1
            return False
        self._reserved = True
        return True

    def give_back(self) -> None:
        """No connection has come for the place that was taken."""
        if self._reserved:
            self._reserved = False
            self._places[self._index] -= 1

    def admits(self, address: str) -> bool:
        """Whether this address may have one connection more in all workers; it is counted for the next `open`."""
        if self._admitted:  # whose connection has come to nothing
            self._addresses.discard(self._key_of(self._admitted))
            self._admitted = ""
        limit = self._gateway.max_connections_per_address
        if not limit:
            return True
        key = self._key_of(address)
        if not self._addresses.add(key):
            self.say("connections of more addresses than can be counted: further ones are closed")
            return False
        self._fence()
        if self._addresses.count(key) + sum(table.count(key) for table in self._others) > limit:
            self._addresses.discard(key)
            return False
        self._admitted = address
        return True

    def open(self, connection: AcceptedConnection, *, silent: bool = True) -> Slot:
        """One connection more, in the place that was taken for it, until that is released."""
        if self._reserved:
            self._reserved = False
        else:
            self._places[self._index] += 1
        block = connection.block
        if block and block == self._admitted:
            self._admitted = ""
        elif block:
            self._addresses.add(self._key_of(block))
        return super().open(connection, silent=silent)

    def _closed(self, connection: AcceptedConnection) -> None:
        if connection.block:
            self._addresses.discard(self._key_of(connection.block))
        if self._hands_over:
            self._hands_over, self._reserved = False, True
        else:
            self._places[self._index] -= 1
        super()._closed(connection)

    def make_room(self, victim: AcceptedConnection) -> None:
        """Closes one for another, which has its place then: no other worker can take it in between."""
        self._hands_over = not self._reserved
        try:
            super().make_room(victim)
        finally:
            self._hands_over = False

    # -- places of other workers

    def pause(self) -> None:
        """No further connection is accepted for a moment, or until another worker has made room."""
        if not self.paused and sum(self._places) >= self._in_all:
            self._ask_another()
        super().pause()

    def _ask_another(self) -> None:
        """Asks the worker with the most connections; the next one, where that had none to give."""
        others = _by_size(self._places, self._index)
        if others:
            other = others[self._asked % len(others)]
            self._asked += 1
            self._siblings.publish(GIVE_WAY, _WORKERS.pack(self._index, other))

    def _give_way(self, payload: bytes) -> None:
        """Another worker asks for a place."""
        asker, asked = _WORKERS.unpack(payload)
        if asked != self._index:
            return
        if self.full:
            victim = self.victim()
            if victim is None:
                return
            super().make_room(victim)
        self._siblings.publish(GAVE_WAY, _WORKERS.pack(self._index, asker))

    def _gave_way(self, payload: bytes) -> None:
        """Another worker has made room for one that has asked."""
        if _WORKERS.unpack(payload)[1] == self._index:
            self._asked = 0
            if self.paused:
                self._resume()


def _part(gateway: Gateway, count: int) -> Gateway:
    """One worker's part of what is divided, by which it also chooses who gives way; at least one."""
    return attrs.evolve(
        gateway,
        max_connections=max(gateway.max_connections // count, 1),
        max_handshakes=max(gateway.max_handshakes // count, 1),
    )


def _by_size(places: Sequence[int], index: int) -> list[int]:
    """The workers that have connections, but for one; those with the most of them first."""
    others = [other for other, count in enumerate(places) if count and other != index]
    return sorted(others, key=lambda other: -places[other])
