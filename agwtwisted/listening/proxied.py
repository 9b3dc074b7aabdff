"""A connection that a balancer ahead of the gateway makes: its PROXY protocol header is read, then it steps aside."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.listening.proxy_protocol import HeaderReader, NoHeader, ProxyHeader
from agwtwisted.transport.sockets import Socket
from agwtwisted.transport.streaming import TcpWire


class HeaderProtocol(Protocol):
    """The protocol of a transport until the header is whole; the wire of the client then takes its place.

    Args:
        clock: time.
        timeout: seconds for the header.
        silent_timeout: seconds for its first byte.
        found: is given the header and the seconds that are left; returns the client's wire, None to close.
        failed: is told why there is no header; not where nothing came at all.
        gone: is called once, after `found` or in the end.
    """

    transport: Socket  # type: ignore[assignment]

    def __init__(
        self,
        clock: IReactorTime,
        timeout: float,
        silent_timeout: float,
        *,
        found: Callable[[ProxyHeader, float], TcpWire | None],
        failed: Callable[[str], None],
        gone: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._silent_timeout = min(silent_timeout, timeout)
        self._found = found
        self._failed = failed
        self._gone = gone
        self._reader = HeaderReader()
        self._timer: IDelayedCall | None = None
        self._began = 0.0
        self._heard = False
        self._over = False

    def connectionMade(self) -> None:
        """The transport is there: starts the clock."""
        self._began = self._clock.seconds()
        self._timer = self._clock.callLater(self._silent_timeout, self._too_slow)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the header, and what follows it."""
        if self._over:
            return
        if not self._heard:
            self._heard = True
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._clock.callLater(self._left(), self._too_slow)
        answer = self._reader.feed(data)
        if isinstance(answer, NoHeader):
            self._fail(answer.reason)
            self.abort()
        elif answer is not None:
            self._step_aside(answer)

    def writable(self) -> None:
        """Nothing is sent."""

    def readConnectionLost(self) -> None:
        """FIN."""
        self.transport.close_now()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The socket is closed, by whomever."""
        if self._heard:
            self._fail("the connection ended within the header")
        self._end()

    def abort(self) -> None:
        """Closes at once."""
        self._heard = False
        self.transport.abort()

    # -- where room is needed

    def has_spoken(self) -> bool:
        """Whether any byte of the header has come."""
        return self._heard

    def has_arrived(self) -> bool:
        """Whether there are bytes that were not read yet."""
        return self.transport.has_unread()

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The rest of the header."""
        return Awaited.HEAD, self._began

    def give_way(self, reason: str) -> None:
        """Closes before this returns."""
        if self._heard:
            self._fail(reason)
        self._heard = False
        self.transport.close_now()

    def drain(self, quiet: float) -> None:
        """The gateway stops: a header that has begun has `silent_timeout`, one that has not closes after `quiet`."""
        begun = self._heard or self.has_arrived()
        left = min(self._left(), self._silent_timeout if begun else self._left() - self._timeout + quiet)
        if self._timer is not None:
            self._timer.reset(max(left, 0.0))

    # -- how

    def _left(self) -> float:
        return max(self._timeout - (self._clock.seconds() - self._began), 0.0)

    def _step_aside(self, header: ProxyHeader) -> None:
        transport, rest = self.transport, self._reader.rest
        wire = self._found(header, self._left())
        if wire is None:
            self.abort()
            return
        self._end()
        transport.hand_over(wire)
        if rest:
            wire.dataReceived(rest)

    def _too_slow(self) -> None:
        self._timer = None
        if self._heard:
            self._fail("the header took too long")
        self.abort()

    def _fail(self, reason: str) -> None:
        if not self._over:
            self._failed(reason)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._gone()
