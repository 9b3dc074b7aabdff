"""Counts connections and handshakes, and decides which one is closed for a new one; shared by all ports of a
gateway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final
from typing import Protocol as TypingProtocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.listening.admission import Connections, HandshakeSlots, SlotHolder, Tracked
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.verification.handshake_failures import NO_PLACE, NO_SLOT

RETRY: Final = 0.1
"""Seconds until it is tried again to accept, where no connection could give way."""

AT_ONCE: Final = 16
"""Handshakes that waited for a slot and begin in one turn of the reactor, at most."""


class AcceptedConnection(Tracked, TypingProtocol):
    """A connection that was accepted."""

    def give_way(self, reason: str) -> None:
        """Closes it, and has it counted no longer when this returns."""


class SlotHandshake(SlotHolder, TypingProtocol):
    """A handshake that takes a slot."""

    block: str  # of the client's address: core.admission.address_block

    def go_on(self) -> None:
        """The slot that it waited for is there."""

    def give_way(self, reason: str) -> None:
        """Others get its slot: it fails."""


class Slot:
    """The place of one connection, released once, however often that is asked for."""

    __slots__ = ("_connection", "_released")

    def __init__(self, connection: AcceptedConnection, released: Callable[[AcceptedConnection], None]) -> None:
        self._connection: AcceptedConnection | None = connection
        self._released = released

    def release(self) -> None:
        """The connection counts no longer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._released(connection)


class Limits:
    """Counts connections and handshakes, and decides which is closed for another.

    Args:
        gateway: the limits.
        clock: time.
        room: connections that there may be, where that is less than `max_connections`.
    """

    log = Logger()

    def __init__(self, gateway: Gateway, clock: IReactorTime, *, room: int | None = None) -> None:
        self._gateway = gateway
        self._clock = clock
        self.connections: Connections[AcceptedConnection] = Connections(_room(gateway, room), gateway.silent_timeout)
        self.handshakes: HandshakeSlots[SlotHandshake] = HandshakeSlots(gateway.max_handshakes, gateway.silent_timeout)
        self.evicted = 0
        """How many connections were closed for others."""
        self.paused = False
        """Whether further connections wait in the kernel's backlog, because none can be closed."""
        self._by_address: Counter[str] = Counter()
        self._subscribers: dict[Callable[[], None], None] = {}
        self._retry: IDelayedCall | None = None
        self._next_slot: IDelayedCall | None = None
        self._granting = False
        self._said = LogRateLimiter(clock.seconds, lines=2)

    def change(self, gateway: Gateway, room: int | None = None) -> None:
        """Other limits hold from now on. What there is stays, and gives way to others as it does at the limit."""
        self._gateway = gateway
        self.connections.change(_room(gateway, room), gateway.silent_timeout)
        self.handshakes.change(gateway.max_handshakes, gateway.silent_timeout)
        if self.paused and not self.full:
            self._resume()
        self._grant()

    # -- connections

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Has `changed` called whenever `paused` has changed."""
        self._subscribers[changed] = None

    def unsubscribe(self, changed: Callable[[], None]) -> None:
        """Has it called no longer."""
        self._subscribers.pop(changed, None)

    @property
    def full(self) -> bool:
        """Whether a connection has to be closed for the next one."""
        return self.connections.full

    @property
    def room(self) -> int:
        """How many connections there may be."""
        return self.connections.room

    def reserve(self) -> bool:
        """Whether there is a place for the next `open`; it may be kept for that until `give_back`."""
        return not self.connections.full

    def give_back(self) -> None:
        """A place that is kept for an `open` is not needed; nothing where none is."""

    def admits(self, address: str) -> bool:
        """Whether this address may have one connection more."""
        limit = self._gateway.max_connections_per_address
        return not limit or self._by_address[address] < limit

    def open(self, connection: AcceptedConnection, *, silent: bool = True) -> Slot:
        """One connection more, until its place is released; one whose `block` is empty has no address yet.

        It is `silent` until it speaks, unless its protocol may leave the first word to the server.
        """
        if connection.block:
            self._by_address[connection.block] += 1
        self.connections.enter(connection, silent=silent, now=self._clock.seconds())
        return Slot(connection, self._closed)

    def _closed(self, connection: AcceptedConnection) -> None:
        address = connection.block
        if address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
        self.connections.leave(connection)
        if self.paused and not self.full:
            self._resume()

    def victim(self) -> AcceptedConnection | None:
        """The connection to close at the limit; None: the gateway is working for all of them."""
        return self.connections.victim(self._clock.seconds())

    def make_room(self, victim: AcceptedConnection) -> None:
        """Closes one for another."""
        self.say("{room} connections, the limit: silent and idle ones are closed for new ones")
        self.evicted += 1
        victim.give_way(NO_PLACE)

    def pause(self) -> None:
        """No further connection is accepted, until one is gone or for a moment."""
        if not self.paused:
            self.paused = True
            self._retry = self._clock.callLater(RETRY, self._resume)
            self._tell()

    def _resume(self) -> None:
        self.paused = False
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None
        self._tell()

    def _tell(self) -> None:
        for changed in tuple(self._subscribers):
            changed()

    def say(self, words: str) -> None:
        """Warns of a shortage, a few times a minute at most; ``{room}`` is how many connections there may be."""
        omitted = self._said.admit(words)
        if omitted is not None:
            self.log.warn(words + " ({omitted} more of this before)", room=self.room, omitted=omitted)

    # -- handshakes

    def begin_handshake(self, handshake: SlotHandshake) -> bool:
        """Whether a handshake whose ClientHello has come may begin; else `go_on` is called when it may."""
        begins, victim = self.handshakes.enter(handshake, handshake.block, self._clock.seconds())
        if victim is not None:
            victim.give_way(NO_SLOT)
        if not begins:
            self.say("max_handshakes is reached: further handshakes wait")
            self._await_slot()
        return begins

    def end_handshake(self, handshake: SlotHandshake) -> None:
        """It is over, well or badly."""
        self.handshakes.leave(handshake)
        if self.handshakes.waiting or self._next_slot is not None:
            self._grant()

    def _grant(self) -> None:
        """Has those begin that there are slots for."""
        if self._granting:  # one that begins may be over at once
            return
        self._granting = True
        try:
            for _ in range(AT_ONCE):
                granted = self.handshakes.next(self._clock.seconds())
                if granted is None:
                    break
                handshake, victim = granted
                if victim is not None:
                    victim.give_way(NO_SLOT)
                handshake.go_on()
        finally:
            self._granting = False
            self._await_slot()

    def _await_slot(self) -> None:
        if not self.handshakes.waiting:
            if self._next_slot is not None:
                self._next_slot.cancel()
                self._next_slot = None
            return
        left = max(self.handshakes.oldest_may_give_way() - self._clock.seconds(), 0.0)
        if self._next_slot is None:
            self._next_slot = self._clock.callLater(left, self._slot_timeout)
        else:
            self._next_slot.reset(left)

    def _slot_timeout(self) -> None:
        self._next_slot = None
        self._grant()


def _room(gateway: Gateway, room: int | None) -> int:
    return gateway.max_connections if room is None else min(room, gateway.max_connections)
