"""The ports of removed listeners, which get no further connections while the gateway goes on."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.listening.listener import ListeningSocket
from agwtwisted.listening.ports import Port
from agwtwisted.transport.deferreds import TrackedSet, log_failure


class RetiredPorts:
    """Ports whose last connections have yet to end.

    Args:
        clock: waits for them.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._closing: TrackedSet[ListeningSocket] = TrackedSet()
        self._ports: dict[Port[Any], IDelayedCall] = {}

    @property
    def ports(self) -> tuple[Port[Any], ...]:
        """Those that have any."""
        return tuple(self._ports)

    @property
    def connections(self) -> int:
        """How many connections of clients they have."""
        return sum(port.clients for port in self._ports)

    def close(self, listener: ListeningSocket, drain_timeout: float) -> None:
        """Closes the socket of a running gateway; its connections have `drain_timeout` seconds to end after that."""
        self._closing.add(listener)
        closed = maybeDeferred(listener.disownServiceParent).addBoth(self._closed, listener, drain_timeout)
        log_failure(closed, self._log, "closing a listening socket")

    def all_closed(self) -> Deferred[None]:
        """Fires once every socket that was to be closed is."""
        return self._closing.when_empty()

    def drain(self) -> None:
        """The gateway stops: each session ends when it can."""
        for port in tuple(self._ports):
            port.drain()

    def abort(self) -> None:
        """Ends every connection at once."""
        for port in tuple(self._ports):
            port.abort()

    async def when_empty(self) -> None:
        """Fires once the last connection is gone."""
        for port in tuple(self._ports):
            await port.connections.when_empty()

    def _closed(self, result: object, listener: ListeningSocket, drain_timeout: float) -> object:
        port = listener.port
        self._ports[port] = self._clock.callLater(drain_timeout, self._late, port)
        try:
            port.retire()
        except Exception:  # its connections end when their time is over
            self._log.failure("Unexpected error while the port of a removed listener is retired")
        self._closing.discard(listener)
        emptied = port.connections.when_empty().addCallback(lambda _: self._forget(port))
        log_failure(emptied, self._log, "waiting for the last connection of a port")
        return result

    def _forget(self, port: Port[Any]) -> None:
        timer = self._ports.pop(port)
        if timer.active():
            timer.cancel()

    def _late(self, port: Port[Any]) -> None:
        self._log.warn(LATE, count=len(port.connections))
        port.abort()


LATE: Final = "drain_timeout is over for the last {count} connections of a removed listener"
