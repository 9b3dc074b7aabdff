"""Bytes to and from one peer, with back-pressure.

A wire sends at once what the kernel takes and queues the rest; while more than `QUEUE_LIMIT` is queued it is `full`,
and whoever feeds it stops until `drained`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as TypingProtocol
from typing import cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPullProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection as TcpConnection
from twisted.python.failure import Failure
from zope.interface import implementer

from agwtwisted.deadlines import Deadline

QUEUE_LIMIT = 128 * 1024
"""Bytes queued for a slow reader before its source is stopped; one read of the source (64 KiB) may come on top."""

SEND_TIMEOUT = 60.0
"""Seconds that a closing connection may take to send what is queued."""

LINGER = 5.0
"""Seconds in which the input of a closing connection is thrown away, so that no reset overtakes the last answer."""


class Receiver(TypingProtocol):
    """Who is told what a wire brings."""

    def received(self, data: bytes) -> None:
        """Bytes came."""

    def drained(self) -> None:
        """The wire was full and is no more."""

    def ended(self, reason: str) -> None:
        """The connection is over, by whomever; told once, and nothing after it."""


class _Nobody:
    """Takes the input of a connection that is being closed, or has no receiver yet."""

    def received(self, data: bytes) -> None:
        """Thrown away."""

    def drained(self) -> None:
        """Nobody waits."""

    def finished(self) -> None:
        """Nobody waits for more."""

    def ended(self, reason: str) -> None:
        """Nobody minds."""


NOBODY: Receiver = _Nobody()


@implementer(IPullProducer)
class TcpWire(Protocol):
    """One TCP connection. Made before its transport; `receiver` may be exchanged at any time."""

    transport: ITCPTransport

    def __init__(self, clock: IReactorTime, receiver: Receiver = NOBODY) -> None:
        self.receiver = receiver
        self.when_open: Callable[[], None] | None = None
        self.when_closed: Callable[[], None] | None = None
        self.full = False
        self.closing = False
        self.cut = False  # it ended without a farewell of the peer, whose last words may be missing
        self.bytes_in = 0
        self.bytes_out = 0
        self._clock = clock
        self.paused = False
        self._queued = False
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._linger = False
        self._patience: Deadline | None = None

    # -- what Twisted tells

    def connectionMade(self) -> None:
        """The transport is there."""
        self.transport.setTcpNoDelay(True)
        self.opened()

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the socket; those that come while the connection closes are thrown away."""
        if not self.closing:
            self.bytes_in += len(data)
            self.receiver.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The socket is closed, by whomever."""
        if self._patience is not None:
            self._patience.stop()
        self._pending.clear()
        self.closing = True
        if reason.check(ConnectionDone) is None:
            self.cut = True
        receiver, self.receiver = self.receiver, NOBODY
        receiver.ended(reason.getErrorMessage())
        if self.when_closed is not None:
            self.when_closed()

    # -- what a receiver may ask

    def opened(self) -> None:
        """The connection is there."""
        if self.when_open is not None:
            self.when_open()

    @property
    def busy(self) -> bool:
        """Whether something written has not left yet."""
        return self._queued

    def write(self, data: bytes) -> None:
        """Sends bytes, at once as far as the kernel takes them."""
        self.bytes_out += len(data)
        self._send(data)

    def pause(self) -> None:
        """Stops reading; at most what was read already still comes."""
        if not self.paused and not self.closing:
            self.paused = True
            self._transport.pauseProducing()

    def resume(self) -> None:
        """Reads on."""
        if self.paused:
            self.paused = False
            if not self.closing:
                self._transport.resumeProducing()

    def close(self, *, linger: bool = False) -> None:
        """Closes once everything written has left.

        With `linger` only the sending side is closed then, and input thrown away for a while: a socket closed over
        unread input sends a reset, which may destroy the answer on its way (RFC 9112 section 9.6).
        """
        if self.closing:
            return
        self._farewell()
        self._linger = linger
        if linger:
            self.resume()
        self.closing = True
        if self._queued:
            self._bound_the_end(SEND_TIMEOUT)
        if not linger:
            self._transport.loseConnection()
        elif not self._queued:
            self._half_close()

    def abort(self) -> None:
        """Closes at once; what was not sent is lost."""
        self.closing = True
        self._transport.abortConnection()

    # -- how

    @property
    def _transport(self) -> TcpConnection:
        return cast(TcpConnection, self.transport)

    def _farewell(self) -> None:
        """What is to be written before the end; for subclasses."""

    def _bound_the_end(self, seconds: float) -> None:
        if self._patience is None:
            self._patience = Deadline(self._clock, self._transport.abortConnection)
        self._patience.set(seconds)

    def _half_close(self) -> None:
        self._bound_the_end(LINGER)
        self._transport.loseWriteConnection()

    def _send(self, data: bytes) -> None:
        # Writing to the socket here saves a turn of the reactor for every message.
        if self._queued:
            self._queue(data)
            return
        sent = self._transport.writeSomeData(data)
        if not isinstance(sent, int):
            sent = 0  # a broken connection: the queued write lets the reactor find it and end it
        if sent < len(data):
            self._queued = True
            self._pending.append(data[sent:])
            self._transport.registerProducer(self, False)  # calls resumeProducing at once, which takes it

    def _queue(self, data: bytes) -> None:
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size > QUEUE_LIMIT:
            self.full = True

    # -- the pull producer that the transport asks for more once its own buffer is empty

    def resumeProducing(self) -> None:
        """The transport has sent all it had."""
        if self._pending:
            data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
            self._pending.clear()
            self._pending_size = 0
            self._transport.write(data)
        else:
            self._queued = False
            self._transport.unregisterProducer()
            if self._linger:
                self._half_close()
        if self.full and not self._pending_size:
            self.full = False
            self.receiver.drained()

    def stopProducing(self) -> None:
        """The transport is gone; connectionLost follows."""
