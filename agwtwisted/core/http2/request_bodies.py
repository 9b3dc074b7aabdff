"""The body of one request as DATA frames bring it: how long it may be, and what waits until it is wanted.

A client may send ahead as much as the window of its stream says, whether it is wanted or not. What nothing has taken
yet is kept here, and its room in the window is given back once it is taken: so no more than the window can wait.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from agwtwisted.core.http2.windows import ReceiveWindow

ANY_LENGTH: Final = -1
"""Of a body whose length the head does not say."""


PIECE: Final = 64 * 1024
"""Bytes that are handed on at once, where several frames bring them in one turn. A frame has 16 KB as a rule: each by
itself would cost its way through the exchange, and a call to the kernel."""


class BodyFault(Enum):
    """What is wrong with a body."""

    OVERDRAWN = "more DATA than the window of the stream has room for"
    NOT_AS_LONG = "DATA of another length than Content-Length says"
    TOO_LONG = "more DATA than a body may have"


class RequestBody:
    """What of a body has come, and what of that was not handed on.

    Args:
        window: of the stream.
    """

    __slots__ = ("_held", "_length", "_most", "ended", "held", "paused", "received", "whole", "window")

    def __init__(self, window: ReceiveWindow) -> None:
        self.window = window
        self.received = 0  # bytes so far, padding not counted
        self.whole = False  # whether END_STREAM has come
        self.ended = False  # whether that was handed on, behind all else
        self.held = 0  # bytes of it that nothing has taken yet
        self.paused = False  # whether they, and those that come, wait
        self._held: list[bytes] = []
        self._length = ANY_LENGTH
        self._most: float = float("inf")

    def expect(self, length: int, most: int) -> BodyFault | None:
        """The head is read: the body has this `length`, or any with ANY_LENGTH, up to `most` bytes."""
        self._length, self._most = length, most
        return self._fault()

    def add(self, data: bytes, size: int, *, end: bool) -> BodyFault | None:
        """A DATA frame came, with so many bytes of the window; its data is to be taken, or to be kept by `hold`."""
        if not self.window.take(size):
            return BodyFault.OVERDRAWN
        self.received += len(data)
        self.whole = end
        return self._fault()

    def hold(self, data: bytes) -> None:
        """Keeps data until it is wanted."""
        self._held.append(data)
        self.held += len(data)

    @property
    def enough(self) -> bool:
        """Whether what is kept is as much as is handed on at once, or the last of the body."""
        return self.whole or self.held >= PIECE

    def take(self) -> bytes:
        """All that was kept."""
        held, self._held, self.held = self._held, [], 0
        return held[0] if len(held) == 1 else b"".join(held)

    def _fault(self) -> BodyFault | None:
        length, received = self._length, self.received
        if length >= 0 and (received > length or (self.whole and received < length)):
            return BodyFault.NOT_AS_LONG  # RFC 9113 section 8.1.1
        return BodyFault.TOO_LONG if received > self._most else None


class AbsentBody:
    """Of a request without one: END_STREAM came with its head."""

    whole = True
    held = 0

    @property
    def paused(self) -> bool:
        """Nothing waits."""
        return False


NO_BODY: Final = AbsentBody()
