"""A connection that a balancer ahead of the gateway makes: its PROXY protocol header is read before all else."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.listening.proxy_protocol import HeaderReader, NoHeader, ProxyHeader
from agwtwisted.core.verification.handshake_failures import GATEWAY_STOPS
from agwtwisted.transport.connection import Connection


class ProxyHeaderReceiver:
    """The receiver of a connection until its header is whole; then another takes its place.

    Args:
        clock: time.
        connection: not open yet; its receiver is this from now on.
        timeout: seconds for the header, from `opened` on.
        silent_timeout: seconds for its first byte.
        found: is given the header and the seconds that are left, and sets the connection's receiver; False to close.
        failed: is called with why there is no header; not where nothing came at all.
    """

    def __init__(
        self,
        clock: IReactorTime,
        connection: Connection,
        timeout: float,
        silent_timeout: float,
        *,
        found: Callable[[ProxyHeader, float], bool],
        failed: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._connection = connection
        self._timeout = timeout
        self._silent_timeout = min(silent_timeout, timeout)
        self._found = found
        self._failed = failed
        self._reader = HeaderReader()
        self._began = 0.0
        self._is_worth_a_line = False  # something came, and nothing was said of it
        connection.receiver = self

    def opened(self) -> None:
        """The connection is there: starts the clock."""
        self._began = self._clock.seconds()
        self._set_deadline(self._silent_timeout)

    # -- from the connection

    def received(self, data: bytes) -> None:
        """Bytes of the header, and what follows it."""
        if not self._is_worth_a_line:
            self._is_worth_a_line = True
            self._set_deadline(self._left())
        answer = self._reader.feed(data)
        if isinstance(answer, NoHeader):
            self._fail(answer.reason)
            self.abort()
        elif answer is not None:
            self._step_aside(answer)

    def drained(self) -> None:
        """Nothing is sent."""

    def finished(self) -> None:
        """A FIN ends the connection."""
        self._connection.close_now()

    def ended(self, reason: str) -> None:
        """The connection is gone, for a reason of the gateway's or by the other end."""
        self._fail(self._connection.end_reason or "the connection ended within the header")
        self._found, self._failed = _nothing_found, _unsaid

    # -- from its owner

    def abort(self) -> None:
        """Closes at once, without a line in the log."""
        self._is_worth_a_line = False
        self._connection.abort(GATEWAY_STOPS)

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The rest of the header."""
        return Awaited.HEAD, self._began

    def drain(self, quiet: float) -> None:
        """The gateway stops: a header that has begun has `silent_timeout`, one that has not closes after `quiet`."""
        begun = self._connection.has_spoken() or self._connection.has_arrived()
        left = min(self._left(), self._silent_timeout if begun else self._left() - self._timeout + quiet)
        self._set_deadline(max(left, 0.0))

    # -- how

    def _left(self) -> float:
        return max(self._timeout - (self._clock.seconds() - self._began), 0.0)

    def _set_deadline(self, seconds: float) -> None:
        self._connection.deadline(self._too_slow).set(seconds)

    def _step_aside(self, header: ProxyHeader) -> None:
        connection, rest = self._connection, self._reader.rest
        self._is_worth_a_line = False
        connection.deadline(self._too_slow).clear()
        connection.restart_input()
        found, self._found, self._failed = self._found, _nothing_found, _unsaid  # they lead to a port
        if not found(header, self._left()):
            self.abort()
        elif rest:
            connection.dataReceived(rest)

    def _too_slow(self) -> None:
        self._fail("the header took too long")
        self.abort()

    def _fail(self, reason: str) -> None:
        if self._is_worth_a_line:
            self._is_worth_a_line = False
            self._failed(reason)


def _nothing_found(header: ProxyHeader, seconds: float) -> bool:
    return False


def _unsaid(reason: str) -> None:
    """The header was whole, or its end is in the log."""
