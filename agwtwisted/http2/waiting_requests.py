"""The requests of one connection that have come and are not begun yet: in their order, a bounded number in a turn.

They wait while the session has the client judged again, or goes over to another configuration; while the client does
not read; for the next turn of the reactor, where too many have begun in this one; and, but for the first that is under
way, for a place among those of the process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from agwtwisted.core.http2.header_codec import Fields, list_size
from agwtwisted.core.listening.admission import address_block
from agwtwisted.core.listening.stream_places import StreamPlaces
from agwtwisted.http2.sending import Http2Sender
from agwtwisted.http2.streams import Http2Stream
from agwtwisted.interfaces import ConnectionSession

ANSWERS_A_TURN: Final = 32
"""Requests of one connection that are begun in one turn of the reactor, as of a connection of HTTP/1.1."""

SPARE: Final = 8
"""Places that a connection keeps beyond twice those that it needs: to take one for each request would cost more."""

MAX_WAITING: Final = 256 * 1024
"""Octets of fields that wait; further streams are refused meanwhile, and may come again."""


class WaitingRequests:
    """Those of one connection.

    Args:
        session: says when a hold is over.
        sender: says whether the client reads.
        go_on: has them looked at in the next turn.
    """

    __slots__ = (
        "_begun_in_turn",
        "_block",
        "_go_on",
        "_held",
        "_sender",
        "_session",
        "_size",
        "_under_way",
        "_waiting",
        "on_hold",
        "places",
    )

    def __init__(self, session: ConnectionSession, sender: Http2Sender, go_on: Callable[[], None]) -> None:
        self.on_hold = False
        self.places: StreamPlaces = StreamPlaces()  # of the process
        self._session = session
        self._sender = sender
        self._go_on = go_on
        self._under_way = 0
        self._held = 0  # places: of all that are under way but the first, and of some that were
        self._block = ""  # of the client's address, once a place was asked for
        self._waiting: deque[tuple[Http2Stream, Fields, int]] = deque()
        self._size = 0
        self._begun_in_turn = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no further one is kept."""
        return self._size > MAX_WAITING

    @property
    def held_for_turn(self) -> bool:
        """Whether the next turn begins one."""
        return self._begun_in_turn >= ANSWERS_A_TURN and bool(self._waiting)

    def take_turn(self) -> bool:
        """Whether a request that comes now may be begun, and counts it."""
        if self._waiting or not self._may_begin():
            return False
        self._begun_in_turn += 1
        self._under_way += 1
        return True

    def add(self, stream: Http2Stream, fields: Fields, size: int) -> None:
        """Keeps one, whose header block had so many octets."""
        self._waiting.append((stream, fields, size))
        self._size += list_size(fields)

    def next(self) -> tuple[Http2Stream, Fields, int] | None:
        """The first one, if it may be begun now."""
        if not (self._waiting and self._may_begin() and self._waiting):  # the session may have emptied it
            return None
        self._begun_in_turn += 1
        self._under_way += 1
        first = self._waiting.popleft()
        self._size -= list_size(first[1])
        self._look_whether_empty()
        return first

    def end_turn(self) -> None:
        """What is begun from now on counts for another turn."""
        self._begun_in_turn = 0

    def ended(self) -> None:
        """One that was begun is over."""
        self._under_way -= 1
        if self._held > 2 * self._under_way + SPARE or (self._held and (self.places.short or not self._under_way)):
            self._give_back(max(self._under_way - 1, 0))
        if self._waiting:
            self._go_on()

    def stop(self) -> None:
        """The connection is over."""
        self.clear()
        self._give_back(0)
        self._go_on = _nothing

    def remove(self, stream: Http2Stream) -> None:
        """Takes one out, in its turn or not."""
        for each in self._waiting:
            if each[0] is stream:
                self._waiting.remove(each)
                self._size -= list_size(each[1])
                self._look_whether_empty()
                return

    def clear(self) -> list[Http2Stream]:
        """Takes all out."""
        streams = [stream for stream, _, _ in self._waiting]
        self._waiting.clear()
        self._size = 0
        self._look_whether_empty()
        return streams

    def _may_begin(self) -> bool:
        if self.on_hold:
            self.on_hold = not self._session.settled()
        if self.on_hold or self._begun_in_turn >= ANSWERS_A_TURN or self._sender.behind:
            return False
        return self._under_way <= self._held or self._takes_place()

    def _takes_place(self) -> bool:
        if not self._block:
            self._block = address_block(self._session.client.connection.address)
        if self.places.take(self._block):
            self._held += 1
            return True
        self.places.wait(self._block, self._go_on)
        return False

    def _look_whether_empty(self) -> None:
        """Nothing waits for a place any more: it is others' turn."""
        if not self._waiting:
            self.places.wait_no_more(self._go_on)

    def _give_back(self, needed: int) -> None:
        surplus, self._held = self._held - needed, needed
        if surplus > 0:
            self.places.give_back(self._block, surplus)


def _nothing() -> None:
    """Nothing waits any more."""
