"""Bytes to and from one peer, with back-pressure.

A wire sends what the kernel takes, at once or with others at the end of the reactor's turn, and queues the rest; while
more than `QUEUE_LIMIT` is queued it is `full`, and whoever feeds it stops until `drained`. How long a peer may take to
read what is queued is the wire's own question, since it alone sees how much of it has arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as TypingProtocol

from twisted.internet.error import ConnectionClosed, ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.transport.deadlines import Deadline
from agwtwisted.transport.outbox import NO_OUTBOX, Outbox
from agwtwisted.transport.sockets import Socket

QUEUE_LIMIT = 128 * 1024
"""Bytes queued for a slow reader before its source is stopped; one read of the source (256 KiB) may come on top."""

SEND_TIMEOUT = 60.0
"""Seconds that the peer of a closing connection has for what is queued, beside those that it earns by reading."""

MIN_RATE = 240
"""Bytes a second that it has to take then."""

HELD = 16384
"""Bytes that wait for the end of the turn at most; what is larger is not copied for that, but sent at once."""

LINGER = 5.0
"""Seconds in which the input of a closing connection is thrown away, so that no reset overtakes the last answer; again
as many while the peer still takes what our kernel has of it."""


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


class TcpWire(Protocol):
    """One TCP connection. Made before its transport; `receiver` may be exchanged at any time."""

    transport: Socket  # type: ignore[assignment]
    _take: Callable[[bytes | memoryview], int]  # has the kernel take bytes, and says how many it took
    offered_suites = b""  # by which the peer would encrypt: `core.tls.client_hello`

    # What most connections never change is the class's: an object of more than thirty attributes takes 1.3 KB more.
    when_open: Callable[[], None] | None = None
    when_closed: Callable[[], None] | None = None
    full = False
    closing = False
    cut = False  # it ended without a farewell of the peer, whose last words may be missing
    failed = False  # it ended by an error of the gateway's own
    input_ended = False  # the peer sends no more, and may still be sent to: of wires that can be half open
    paused = False
    _taken = 0  # bytes that the peer had acknowledged when that was asked last
    _end_reason = ""  # where the transport knows less about it
    _held: list[bytes] | None = None  # until the end of the turn
    _held_size = 0
    _queued = False
    _sending = memoryview(b"")  # the first of what is queued
    _linger = False
    _bounds: tuple[float, int] | None = None  # seconds and rate of `bound_sending`
    _patience: Deadline | None = None
    _deadline: Deadline | None = None  # of `deadline`

    def __init__(self, clock: IReactorTime, receiver: Receiver = NOBODY) -> None:
        self.receiver = receiver
        self.bytes_in = 0
        self.bytes_out = 0
        self._clock = clock
        self._outbox: Outbox = getattr(clock, "outbox", NO_OUTBOX)
        self._pending = bytearray()

    # -- what Twisted tells

    def connectionMade(self) -> None:
        """The transport is there."""
        self._take = self.transport.send
        self.opened()

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the socket; those that come while the connection closes are thrown away."""
        if not self.closing:
            self.bytes_in += len(data)
            self.receiver.received(data)

    def readConnectionLost(self) -> None:
        """FIN."""
        self.transport.close_now()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The socket is closed, by whomever."""
        if self._patience is not None:
            self._patience.stop()
            self._patience = None  # it leads back to the wire: without it the wire is free at once
        if self._deadline is not None:
            self._deadline.stop()
            self._deadline = None
        self._held = None
        self._pending.clear()
        self.closing = True
        if not isinstance(reason.value, ConnectionDone):
            self.cut = True
            self.failed = not isinstance(reason.value, ConnectionClosed)
        receiver, self.receiver = self.receiver, NOBODY
        try:
            receiver.ended(self._end_reason or str(reason.value))
        finally:
            if self.when_closed is not None:
                self.when_closed()

    # -- what a receiver may ask

    def opened(self) -> None:
        """The connection is there."""
        if self.when_open is not None:
            self.when_open()

    def acknowledged(self) -> int:
        """Bytes that have arrived at the peer's kernel, TLS included.

        What our own kernel has taken says little of a slow peer: it holds megabytes, and asks for more only once a
        third of them is gone.
        """
        return self.transport.acknowledged()

    def round_trip_time(self) -> bytes:
        """To the peer and back, in microseconds as the kernel estimates it now; empty where it does not tell."""
        return self.transport.round_trip_time()

    @property
    def busy(self) -> bool:
        """Whether something written has not left yet."""
        return self._queued or self._held is not None

    @property
    def turn(self) -> int:
        """The turn of the reactor, -1 between two: what is read in one came before what is written in it is sent."""
        return self._outbox.turn if self._outbox.open else -1

    @property
    def holds(self) -> bool:
        """Whether something waits for the end of the turn."""
        return self._held is not None

    def write(self, data: bytes) -> None:
        """Sends bytes, at once as far as the kernel takes them."""
        self.bytes_out += len(data)
        self._send(data)

    def deadline(self, missed: Callable[[], None]) -> Deadline:
        """What the peer has to keep; each receiver in its turn has it call another, and one timer does for all."""
        if self._deadline is None:
            self._deadline = Deadline(self._clock, missed)
        self._deadline.missed = missed
        return self._deadline

    def next_turn(self, go_on: Callable[[], None]) -> IDelayedCall:
        """Has something done in the reactor's next turn, after what has come for others; may be cancelled."""
        return self._clock.callLater(0, self._outbox.gather, go_on)

    def bound_sending(self, seconds: float, min_rate: int) -> None:
        """From now on the peer has to read: while something is queued it has `seconds`, and earns more by taking bytes.

        It earns a second with each `min_rate` bytes, `seconds` at most; where that is 0, with any byte all of them. A
        peer whose time is over is cut off.
        """
        self._bounds = seconds, min_rate

    def pause(self) -> None:
        """Stops reading; at most what was read already still comes."""
        if not self.paused and not self.closing:
            self.paused = True
            self.transport.pause()

    def resume(self) -> None:
        """Reads on."""
        if self.paused:
            self.paused = False
            if not self.closing:
                self.transport.resume()

    def close(self, *, linger: bool = False) -> None:
        """Closes once everything written has left.

        With `linger` only the sending side is closed then, and input thrown away for a while: a socket closed over
        unread input sends a reset, which may destroy the answer on its way (RFC 9112 section 9.6).
        """
        if self.closing:
            return
        self._farewell()
        self.send_held()
        self._linger = linger
        if linger:
            self.resume()
        self.closing = True
        if self._queued and self._bounds is None:
            self._await_reader(SEND_TIMEOUT)
        if not linger:
            self.transport.pause()
        if not self._queued:
            self._end_sending()

    def end(self) -> None:
        """Closes, since the peer sends no more and nothing is due to it. Not while the receiver is told of bytes."""
        self.close()

    def is_reset(self) -> bool:
        """Whether the peer has reset the connection: one that is not read any more is not told."""
        return self.transport.is_reset()

    def abort(self) -> None:
        """Closes at once; what the kernel has not taken is lost."""
        self.send_held()
        self.closing = True
        self.transport.abort()

    # -- where room is needed

    def has_spoken(self) -> bool:
        """Whether any byte of the peer was read."""
        return self.bytes_in > 0

    def has_arrived(self) -> bool:
        """Whether there are bytes of the peer's that were not read yet."""
        return self.transport.has_unread()

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the peer keeps us waiting for, and since when."""
        return Awaited.NOTHING, now

    def give_way(self, reason: str) -> None:
        """Closes before this returns: what the kernel has not taken is lost."""
        self._end_reason = reason
        if not self.closing:
            self._farewell()
            self.send_held()
        self._close_now()

    def drain(self, quiet: float) -> None:
        """The gateway stops; what this peer is waited for has a deadline of another's."""

    # -- how

    def _close_now(self) -> None:
        """Closes at once, all being sent: the reactor would take a turn to send nothing first."""
        self.closing = True
        self.transport.close_now()

    def _farewell(self) -> None:
        """What is to be written before the end; for subclasses."""

    def _bear(self, seconds: float) -> None:
        if self._patience is None:
            self._patience = Deadline(self._clock, self._out_of_patience)
        self._patience.set(seconds)

    def _await_reader(self, seconds: float) -> None:
        self._taken = self.acknowledged()
        self._bear(seconds)

    def _out_of_patience(self) -> None:
        """Cuts the peer off, unless it has taken enough to earn some time more."""
        seconds, min_rate = self._bounds or (SEND_TIMEOUT, MIN_RATE)
        before, self._taken = self._taken, self.acknowledged()
        count = self._taken - before
        earned = count / min_rate if min_rate else count * seconds
        if earned >= 1:
            self._bear(min(earned, seconds if self._queued else LINGER))
        else:
            self.abort()

    def _end_sending(self) -> None:
        """All is sent, and the connection closing."""
        if self._linger:
            self._half_close()
        else:
            self.transport.close_later()

    def _half_close(self) -> None:
        self._await_reader(LINGER)
        self.transport.shut_down_output()

    def _send(self, data: bytes | memoryview) -> None:
        # Writing to the socket here saves a turn of the reactor for every message.
        if self._queued:
            self._queue(data)
        elif self._outbox.open and self._held_size + len(data) <= HELD:
            if self._held is None:
                self._held = []
                self._outbox.add(self.send_held)
            self._held.append(bytes(data))
            self._held_size += len(data)
        else:
            self.send_held()
            self._send_now(data)

    def send_held(self) -> None:
        """Sends what has waited for the end of the turn."""
        held = self._held
        if held is not None:
            self._held, self._held_size = None, 0
            self._send_now(held[0] if len(held) == 1 else b"".join(held))

    def _send_now(self, data: bytes | memoryview) -> None:
        if self._queued:  # by what was held
            self._queue(data)
            return
        sent = self._take(data)
        if sent < len(data):
            self._queued = True
            self._sending = memoryview(bytes(data[sent:]))
            if self._bounds is not None:
                self._await_reader(self._bounds[0])
            self.transport.start_writing()

    def _queue(self, data: bytes | memoryview) -> None:
        self._pending += data
        if len(self._pending) > QUEUE_LIMIT:
            self.full = True

    def writable(self) -> None:
        """The kernel takes bytes again."""
        self._sending = self._sending[self._take(self._sending) :]
        if self._sending:
            return
        if self._pending:
            self._sending, self._pending = memoryview(self._pending), bytearray()
        else:
            self._queued = False
            if self._patience is not None:
                self._patience.clear()
            self.transport.stop_writing()
            self.all_sent()
        if self.full and not self._pending:
            self.full = False
            self.receiver.drained()

    def all_sent(self) -> None:
        """Nothing is queued any more."""
        if self.closing:
            self._end_sending()
