"""In which order the streams of a connection send: by urgency, and none of them never (RFC 9218 section 10).

A stream sends a piece at a time, and comes again for the next. The rules:

* The lowest number of urgency first. Of `SHARE_OF_LESS_URGENT` pieces one is of a less urgent stream, whose urgencies
  take turns: RFC 9218 section 10 recommends that no response starves, and leaves open how.
* Within one urgency, a stream of which the client has said that it is not incremental comes before the others, in the
  order in which they were opened: half an image is of no use. Of `SHARE_OF_OTHERS` pieces one is of the others all the
  same, since such a response may be of any length.
* The others take turns: incremental ones, and those of which the client has said nothing. Its silence is no wish
  that a large response be sent before a small one that was asked for later.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from typing import Final, Generic, Protocol, TypeVar

from agwtwisted.core.http2.priorities import Priority

SHARE_OF_LESS_URGENT: Final = 16
"""Of so many pieces one is of a less urgent stream, where one has something to send."""

SHARE_OF_OTHERS: Final = 4
"""Of so many pieces of one urgency one is of another stream than the first of those that are not incremental."""


class Scheduled(Protocol):
    """A stream that has something to send."""

    @property
    def stream(self) -> int:
        """Its number: those that were opened later have larger ones."""

    @property
    def priority(self) -> Priority:
        """How it stands beside the others; it changes only while the stream is out of the schedule."""


Item = TypeVar("Item", bound=Scheduled)


class Schedule(Generic[Item]):
    """The streams that could send now."""

    __slots__ = ("_lesser", "_levels", "_turn", "_urgencies", "count")

    def __init__(self) -> None:
        self._levels: dict[int, _Level[Item]] = {}
        self._urgencies: list[int] = []  # those of which there are streams, in order
        self.count = 0  # of the streams
        self._turn = 0
        self._lesser = 0  # the urgency that the last piece of a less urgent stream was of

    def add(self, item: Item) -> None:
        """A stream that is not in the schedule comes in, behind its equals."""
        self.count += 1
        urgency = item.priority.urgency
        level = self._levels.get(urgency)
        if level is None:
            level = self._levels[urgency] = _Level()
        if not level.count:
            insort(self._urgencies, urgency)
        level.add(item)

    def remove(self, item: Item) -> None:
        """A stream that is in the schedule leaves it."""
        self._levels[item.priority.urgency].remove(item)
        self._gone(item)

    def take(self) -> Item:
        """The stream that sends the next piece, which is out of the schedule then; raises IndexError for none."""
        urgencies = self._urgencies
        urgency = urgencies[0]
        if len(urgencies) > 1:
            self._turn += 1
            if not self._turn % SHARE_OF_LESS_URGENT:
                urgency = self._less_urgent()
        item = self._levels[urgency].take()
        self._gone(item)
        return item

    def _less_urgent(self) -> int:
        """Another urgency than the first, in its turn."""
        lesser = self._urgencies[1:]
        self._lesser = next((urgency for urgency in lesser if urgency > self._lesser), lesser[0])
        return self._lesser

    def _gone(self, item: Item) -> None:
        self.count -= 1
        urgency = item.priority.urgency
        if not self._levels[urgency].count:
            self._urgencies.remove(urgency)


class _Level(Generic[Item]):
    """The streams of one urgency."""

    __slots__ = ("_last", "_ordered", "_ring", "_turn", "count")

    def __init__(self) -> None:
        self.count = 0  # of its streams
        self._ordered: list[Item] = []  # explicitly not incremental, in the order of their numbers
        self._ring: deque[Item] = deque()
        self._turn = 0
        self._last = 0  # the number of the one that was the last to go before the first of `_ordered`

    def add(self, item: Item) -> None:
        """As `Schedule.add`."""
        self.count += 1
        if _is_ordered(item.priority):
            insort(self._ordered, item, key=_number)
        else:
            self._ring.append(item)

    def remove(self, item: Item) -> None:
        """As `Schedule.remove`."""
        self.count -= 1
        if _is_ordered(item.priority):
            self._ordered.remove(item)
        else:
            self._ring.remove(item)

    def take(self) -> Item:
        """As `Schedule.take`."""
        ordered, ring = self._ordered, self._ring
        self.count -= 1
        if not ordered:
            return ring.popleft()
        self._turn += 1
        if self._turn % SHARE_OF_OTHERS or not self.count:
            return ordered.pop(0)
        if ring and (len(ordered) == 1 or self._turn % (2 * SHARE_OF_OTHERS)):
            return ring.popleft()
        at = bisect_right(ordered, self._last, lo=1, key=_number)
        item = ordered.pop(at if at < len(ordered) else 1)
        self._last = item.stream
        return item


def _is_ordered(priority: Priority) -> bool:
    return priority.explicit and not priority.incremental


def _number(item: Scheduled) -> int:
    return item.stream
