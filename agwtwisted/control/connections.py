"""The connections of one socket of the control API: so many, and fair.

A connection that comes when all places are taken gets that of the oldest one that only waits for its client. So those
that send nothing, or do not read, never shut out one that asks. Connections that carry events have a bound of their
own below: the rest is the reserve for commands such as `agw reload`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from agwtwisted.control.channel import ChannelOwner, ChannelState, ControlChannel, ControlRequest

CONNECTIONS: Final = 32
"""Connections of one socket at once."""

STREAMS: Final = 16
"""Those of them that may carry events."""


class ControlConnections(Factory):
    """The factory of one socket's connections.

    Args:
        reactor: has the clock.
        respond: answers a complete request, now or later; a defect is answered here.
        channel: makes each connection.
        most: how many there are at once.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        respond: Callable[[ControlRequest], None],
        channel: Callable[[ChannelOwner], ControlChannel] = ControlChannel,
        most: int = CONNECTIONS,
    ) -> None:
        self._reactor = reactor
        self._respond = respond
        self._channel = channel
        self._most = most
        self.channels: dict[ControlChannel, None] = {}
        """In the order in which they came."""

    def buildProtocol(self, addr: IAddress | None) -> ControlChannel | None:
        """A connection has come; None: it is closed, since all others are being answered."""
        if len(self.channels) >= self._most and not self._make_room():
            return None
        channel = self._channel(self)
        channel.factory = self
        self.channels[channel] = None
        return channel

    @property
    def has_stream(self) -> bool:
        """Whether one more connection may carry events."""
        return sum(each.state is ChannelState.STREAMING for each in self.channels) < STREAMS

    def respond(self, request: ControlRequest) -> None:
        """As `ChannelOwner` has it."""
        channel = request.channel  # a request that is answered has none
        try:
            self._respond(request)
        except Exception:
            self._log.failure("Unexpected error while answering on the control API")
            channel.abort()

    def closed(self, channel: ControlChannel) -> None:
        """As `ChannelOwner` has it."""
        self.channels.pop(channel, None)

    def call_later(self, seconds: float, call: Any) -> IDelayedCall:
        """As `ChannelOwner` has it."""
        return self._reactor.callLater(seconds, call)

    def log(self, request: ControlRequest) -> None:
        """Requests are not logged, as Twisted's site would."""

    def _make_room(self) -> bool:
        """Ends the oldest connection that waits for its client, one that was answered before the others."""
        waiting = [each for each in self.channels if each.gives_way]
        if not waiting:
            return False
        victim = min(waiting, key=lambda each: each.rank)
        self.channels.pop(victim)
        victim.abort()
        return True
