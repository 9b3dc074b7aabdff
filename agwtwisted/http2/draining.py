"""The end of a connection in good order: GOAWAY twice (RFC 9113 section 6.8), so that no request is lost.

The first says that the connection will end, and refuses nothing: 2^31-1 is the last stream. What the client has sent
before it heard of that has come once it answers a PING. The second then names the last stream that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.core.http2 import frames
from agwtwisted.core.http2.codes import LARGEST_STREAM, NO_ERROR
from agwtwisted.http2.sending import Http2Sender

ROUND_TRIP: Final = 1.0
"""Seconds that a client has to answer a PING, where nothing else is said: what it sent before has come by then."""

_PING: Final = b"draining"


class Going(Enum):
    """How far the end of a connection is."""

    STAYING = "it takes requests, and nothing else was said"
    ANNOUNCED = "its end is announced, and it takes requests"
    GOING = "it takes no further request, and ends with the last one"


# Before Python 3.12 each look at a member of an Enum costs a call.
STAYING, ANNOUNCED, GOING = Going


class Leave:
    """How a connection takes its leave.

    Args:
        clock: time.
        sender: of the frames.
        last_stream: the highest one that the client has used.
        going: is called once no further request is taken.
    """

    __slots__ = ("_clock", "_going", "_last_stream", "_sender", "_timer", "last", "state")

    def __init__(
        self,
        clock: IReactorTime,
        sender: Http2Sender,
        last_stream: Callable[[], int],
        going: Callable[[], None],
    ) -> None:
        self.state = STAYING
        self.last = LARGEST_STREAM  # that counts; no GOAWAY may name a higher one later (RFC 9113 section 6.8)
        self._clock = clock
        self._sender = sender
        self._last_stream = last_stream
        self._going = going
        self._timer: IDelayedCall | None = None

    def announce(self, quiet: float) -> None:
        """The connection is to end: says so, and takes requests until the client has answered, or for `quiet`."""
        if self.state is STAYING:
            self.state = ANNOUNCED
            self._sender.control(frames.goaway(LARGEST_STREAM, NO_ERROR) + frames.ping(_PING))
            self._timer = self._clock.callLater(quiet, self._waited)

    def answered(self, opaque: bytes) -> None:
        """The client has answered a PING."""
        if self.state is ANNOUNCED and opaque == _PING:
            self.go()

    def go(self) -> None:
        """No further request is taken."""
        if self.state is not GOING:
            self.state = GOING
            self.stop()
            self.last = self._last_stream()
            self._sender.control(frames.goaway(self.last, NO_ERROR))
            self._going()

    def stop(self) -> None:
        """Waits for nothing any more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _waited(self) -> None:
        self._timer = None
        self.go()
