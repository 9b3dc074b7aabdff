"""The requests of one connection that have come and are not begun yet: in their order, a bounded number in a turn.

They wait while the session has the client judged again, or goes over to another configuration; while the client does
not read; and for the next turn of the reactor, where too many have begun in this one.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from agwtwisted.core.http2.header_codec import Fields, list_size
from agwtwisted.http2.sending import Http2Sender
from agwtwisted.http2.streams import Http2Stream
from agwtwisted.interfaces import ConnectionSession

ANSWERS_A_TURN: Final = 32
"""Requests of one connection that are begun in one turn of the reactor, as of a connection of HTTP/1.1."""

MAX_WAITING: Final = 256 * 1024
"""Octets of fields that wait; further streams are refused meanwhile, and may come again."""


class WaitingRequests:
    """Those of one connection.

    Args:
        session: says when a hold is over.
        sender: says whether the client reads.
    """

    __slots__ = ("_begun_in_turn", "_sender", "_session", "_size", "_waiting", "on_hold")

    def __init__(self, session: ConnectionSession, sender: Http2Sender) -> None:
        self.on_hold = False
        self._session = session
        self._sender = sender
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
        first = self._waiting.popleft()
        self._size -= list_size(first[1])
        return first

    def end_turn(self) -> None:
        """What is begun from now on counts for another turn."""
        self._begun_in_turn = 0

    def remove(self, stream: Http2Stream) -> None:
        """Takes one out, in its turn or not."""
        for each in self._waiting:
            if each[0] is stream:
                self._waiting.remove(each)
                self._size -= list_size(each[1])
                return

    def clear(self) -> list[Http2Stream]:
        """Takes all out."""
        streams = [stream for stream, _, _ in self._waiting]
        self._waiting.clear()
        self._size = 0
        return streams

    def _may_begin(self) -> bool:
        if self.on_hold:
            self.on_hold = not self._session.settled()
        return not self.on_hold and self._begun_in_turn < ANSWERS_A_TURN and not self._sender.behind
