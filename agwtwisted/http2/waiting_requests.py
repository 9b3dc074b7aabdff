"""The requests of one connection that have come and are not begun yet: in their order, a bounded number in a turn.

They wait while the session has the client judged again, or goes over to another configuration; while the client does
not read; for the next turn of the reactor, where too many have begun in this one; for those before them to be answered
and taken, where too much is queued on all connections; and, but for the first that is under way, for a place among
those of the process. Those that have waited too long, but for a verdict, are answered with 503.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final, TypeAlias

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.core.http.messages import RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
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

PLACE_TIMEOUT: Final = 20.0
"""Seconds that a request waits before it is answered with 503: as many as a server has, where nothing else is said."""

_LOOK: Final = 2.0  # seconds between two looks at those that wait

_Waiting: TypeAlias = tuple[Http2Stream, Fields, int, float]  # with the octets of its header block, and when it came


def unserved(request: RequestHead | UnfitRequest) -> UnfitRequest:
    """A request that has waited too long, as one that the gateway answers itself."""
    if isinstance(request, UnfitRequest):
        return request
    return UnfitRequest(
        status=503,
        error_info=ErrorInfo.UPSTREAM_NO_LIVE,
        method=request.method,
        target=request.target,
        version=request.version,
        authority=request.authority,
        user_agent=request.user_agent,
        size=request.size,
    )


class WaitingRequests:
    """Those of one connection.

    Args:
        session: says when a hold is over.
        sender: says whether the client reads.
        go_on: has them looked at in the next turn.
        clock: time.
    """

    __slots__ = (
        "_begun_in_turn",
        "_clock",
        "_go_on",
        "_held",
        "_late",
        "_sender",
        "_session",
        "_size",
        "_timer",
        "_under_way",
        "_waiting",
        "block",
        "on_hold",
        "places",
    )

    def __init__(
        self, session: ConnectionSession, sender: Http2Sender, go_on: Callable[[], None], clock: IReactorTime
    ) -> None:
        self.on_hold = False
        self.places: StreamPlaces = StreamPlaces()  # of the process
        self._session = session
        self._sender = sender
        self._go_on = go_on
        self._clock = clock
        self._timer: IDelayedCall | None = None  # while any waits, and some time longer
        self._late = -inf  # those that came until then have waited too long
        self._under_way = 0
        self._held = 0  # places: of all that are under way but the first, and of some that were
        self.block = address_block(session.client.connection.address)
        self._waiting: deque[_Waiting] = deque()
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
        self._waiting.append((stream, fields, size, self._clock.seconds()))
        self._size += list_size(fields)
        if self._timer is None:
            self._timer = self._clock.callLater(_LOOK, self._look)

    def next(self) -> _Waiting | None:
        """The first one, if it may be begun now, or has waited too long."""
        waiting = self._waiting
        if not waiting or not (self.is_late(waiting[0]) or self._may_begin()) or not waiting:  # the session empties it
            return None
        self._begun_in_turn += 1
        self._under_way += 1
        first = waiting.popleft()
        self._size -= list_size(first[1])
        self._look_whether_empty()
        return first

    def is_late(self, waiting: _Waiting) -> bool:
        """Whether one has waited too long."""
        return waiting[3] <= self._late

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
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
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
        streams = [each[0] for each in self._waiting]
        self._waiting.clear()
        self._size = 0
        self._look_whether_empty()
        return streams

    def _may_begin(self) -> bool:
        if self.on_hold:
            self.on_hold = not self._session.settled()
        if self.on_hold or self._begun_in_turn >= ANSWERS_A_TURN or self._sender.behind:
            return False
        if (self._under_way or self._sender.queued) and self._sender.backlog.crowded:
            return False
        return self._under_way <= self._held or self._takes_place()

    def _takes_place(self) -> bool:
        if self.places.take(self.block):
            self._held += 1
            return True
        self.places.wait(self.block, self._go_on)
        return False

    def _look(self) -> None:
        self._timer = None
        if self._waiting:
            self._timer = self._clock.callLater(_LOOK, self._look)
            if not self.on_hold:
                self._late = self._clock.seconds() - PLACE_TIMEOUT
            self._go_on()

    def _look_whether_empty(self) -> None:
        """Nothing waits for a place any more: it is others' turn."""
        if not self._waiting:
            self.places.wait_no_more(self._go_on)

    def _give_back(self, needed: int) -> None:
        needed = min(needed, self._held)  # less where one is answered that got no place
        surplus, self._held = self._held - needed, needed
        if surplus > 0:
            self.places.give_back(self.block, surplus)


def _nothing() -> None:
    """Nothing waits any more."""
