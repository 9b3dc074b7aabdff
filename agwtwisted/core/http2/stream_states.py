"""Which streams of a connection have been, and where one stands that is not open any more.

RFC 9113 section 5.1, from the server's end, where only clients open streams. Open ones are their owner's; this
remembers the others, by their numbers alone.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

REMEMBERED: Final = 512
"""Streams that are remembered as reset, by either side; a frame on an older one is dropped without a word."""

GAPS: Final = 64
"""Gaps between the numbers that a client has used that are remembered: clients leave none."""


class StreamState(Enum):
    """Where a stream stands that is not open."""

    IDLE = "it was not opened yet, or never can be"
    PASSED = "a later one was opened before it, and so it never can be"
    ENDED = "both sides have sent END_STREAM"
    RESET = "the gateway has reset it, and frames may still be on their way"
    LEFT = "the client has reset it"


# Before Python 3.12 each look at a member of an Enum costs a call.
IDLE, PASSED, ENDED, RESET, LEFT = StreamState


class StreamStates:
    """The streams of one connection that are not open."""

    __slots__ = ("_forgotten", "_gaps", "_reset", "last")

    def __init__(self) -> None:
        self.last = 0  # the highest number that the client has used
        self._gaps: list[range] = []
        self._reset: dict[int, StreamState] = {}  # in the order in which they were
        self._forgotten = 0  # streams up to this one may have been reset

    def open(self, stream: int) -> bool:
        """A client opens a stream; false: its number is an old one, or a server's (RFC 9113 section 5.1.1)."""
        last = self.last
        if stream <= last or not stream & 1:
            return False
        if stream > last + 2 and len(self._gaps) < GAPS:
            self._gaps.append(range(last + 1, stream))
        self.last = stream
        return True

    def reset(self, stream: int) -> None:
        """The gateway has reset it."""
        self._remember(stream, RESET)

    def left(self, stream: int) -> None:
        """The client has reset it."""
        self._remember(stream, LEFT)

    def of(self, stream: int) -> StreamState:
        """Where a stream stands that is not open."""
        if stream > self.last or not stream & 1:
            return IDLE
        state = self._reset.get(stream)
        if state is not None:
            return state
        if any(stream in gap for gap in self._gaps):
            return PASSED
        return RESET if stream <= self._forgotten else ENDED

    def _remember(self, stream: int, state: StreamState) -> None:
        known = self._reset
        known[stream] = state
        if len(known) > REMEMBERED:
            oldest = next(iter(known))
            del known[oldest]
            self._forgotten = max(self._forgotten, oldest)
