"""What was written to one connection and has not left yet, and how long its peer may take to read it.

Bytes wait in up to three places, in this order: those that are being sent, as far as the kernel took no more; those
behind them; those that are held until the reactor's turn ends, while nothing of the first two kinds is there. While
more than `QUEUE_LIMIT`, or another limit, lies behind what is being sent the queue is `full`, and its source has to
stop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from agwtwisted.transport.deadlines import Deadline
from agwtwisted.transport.outbox import Outbox
from agwtwisted.transport.sockets import Socket

QUEUE_LIMIT: Final = 128 * 1024
"""Bytes queued for a slow reader before its source is stopped; one read of the source (256 KiB) may come on top."""

HELD: Final = 16384
"""Bytes that wait for the end of the turn at most; what is larger is not copied for that, but sent at once."""

_NOTHING: Final = memoryview(b"")


class SendQueue:
    """Sends at once what the kernel takes, or together with others at the end of the reactor's turn; queues the rest.

    A connection is one: it says what follows once all is sent, once the queue is no longer full, and where the peer
    has not read in time. Nothing of that is called once the queue has stopped.

    Args:
        clock: time.
        outbox: ends the turns.
    """

    __slots__ = (
        "_behind",
        "_clock",
        "_held",
        "_held_size",
        "_outbox",
        "_send",
        "_sending",
        "_socket",
        "_stopped",
        "_timeout",
        "bounds",
        "full",
        "limit",
        "sending",
    )

    _socket: Socket

    def __init__(self, clock: IReactorTime, outbox: Outbox) -> None:
        self.full = False
        self.limit = QUEUE_LIMIT
        self.sending = False  # whether the kernel has refused something
        self.bounds: tuple[float, int] | None = None
        """Seconds and rate (bytes a second, 0 for any) of `SendTimeout`, from when on something is queued; or none."""
        self._clock = clock
        self._outbox = outbox
        self._stopped = True  # no socket is there, or none any more
        self._send: Callable[[bytes | memoryview], int] = _nothing_taken
        self._held: list[bytes] = []
        self._held_size = 0
        self._sending = _NOTHING
        self._behind = bytearray()
        self._timeout: SendTimeout | None = None

    def open_queue(self, socket: Socket) -> None:
        """The socket is there; nothing may be sent before."""
        self._socket = socket
        self._stopped = False
        self._send = socket.send

    def stop_queue(self) -> None:
        """The socket is closed: what is queued is lost."""
        self._stopped = True
        self._send = _nothing_taken
        if self._timeout is not None:
            self._timeout.stop()
            self._timeout = None
        self._held = []
        self._sending = _NOTHING
        self._behind = bytearray()
        self.sending = False

    @property
    def holds(self) -> bool:
        """Whether something waits for the end of the turn."""
        return bool(self._held)

    @property
    def behind(self) -> int:
        """Bytes behind what is being sent."""
        return len(self._behind)

    def send(self, data: bytes | memoryview) -> None:
        """Sends bytes as they are, in whatever way they leave; takes a view only until this returns."""
        if self.sending:
            self._append(data)
            return
        held, outbox = self._held, self._outbox
        if outbox.open and (size := self._held_size + len(data)) <= HELD:
            if not held:
                outbox.add(self)
            held.append(bytes(data))
            self._held_size = size
            return
        if held:
            self.flush()
        self._send_now(data)

    def flush(self) -> None:
        """Sends what has waited for the end of the turn."""
        held = self._held
        if held:
            self._held, self._held_size = [], 0
            data = held[0] if len(held) == 1 else b"".join(held)
            try:
                sent = self._send(data)
            except OSError as error:
                self._wait_whole(data, error)
                return
            if sent < len(data):
                self._wait(data[sent:])

    def bound_sending(self, seconds: float, min_rate: int, *, unsent: int = 0) -> None:
        """From now on the peer has to read: while something is queued it has `seconds`, and earns more by taking bytes.

        It earns a second with each `min_rate` bytes, `seconds` at most; where that is 0, with any byte all of them. A
        peer whose time is over is cut off.

        `unsent`: nothing lies behind what is being sent, and the kernel takes no more than so many bytes beyond those
        under way: what is more urgent than the rest, and comes later, need not wait for all of it.
        """
        self.bounds = seconds, min_rate
        if unsent and not self._stopped:
            self.limit = 0
            self._socket.bound_unsent(unsent)

    def start_timeout(self, seconds: float, min_rate: int) -> None:
        """From now on the peer has to read, as `SendTimeout` has it."""
        if self._timeout is None and not self._stopped:
            self._timeout = SendTimeout(self._clock, self._socket, self.send_timed_out)
        if self._timeout is not None:
            self._timeout.start(seconds, min_rate)

    def writable(self) -> None:
        """The kernel takes bytes again."""
        self._sending = self._rest_of(self._sending)
        if self._sending:
            return
        if self._behind:  # the kernel may take that, too: then what is written next goes there without being copied
            behind, self._behind = memoryview(self._behind), bytearray()
            self._sending = self._rest_of(behind)
        if not self._sending:
            self._end_wait()
        if self.full and not self._behind:
            self.full = False
            if not self._stopped:
                self.queue_drained()

    # -- what a connection does about it

    def all_sent(self) -> None:
        """The kernel has taken everything that it had refused before."""

    def queue_drained(self) -> None:
        """The queue was full and is no more."""

    def send_timed_out(self) -> None:
        """The peer has not read fast enough."""

    # -- how

    def _send_now(self, data: bytes | memoryview) -> None:
        # Writing to the socket here saves a turn of the reactor for every message.
        if self.sending:  # since what was held did not leave
            self._append(data)
            return
        try:
            sent = self._send(data)
        except OSError as error:
            self._wait_whole(data, error)
            return
        if sent < len(data):
            self._wait(data[sent:])

    def _rest_of(self, data: memoryview) -> memoryview:
        """What the kernel has not taken of data."""
        try:
            return data[self._send(data) :]
        except OSError as error:
            self._socket.took_none(error)
            return data

    def _wait_whole(self, data: bytes | memoryview, error: OSError) -> None:
        self._socket.took_none(error)
        self._wait(data)

    def _wait(self, rest: bytes | memoryview) -> None:
        """For the kernel, which has refused this."""
        self.sending = True
        self.full = self.full or not self.limit
        self._sending = memoryview(bytes(rest))
        if self.bounds is not None:
            self.start_timeout(*self.bounds)
        self._socket.start_writing()

    def _append(self, data: bytes | memoryview) -> None:
        self._behind += data
        if len(self._behind) > self.limit:
            self.full = True

    def _end_wait(self) -> None:
        self.sending = False
        if self._timeout is not None:
            self._timeout.clear()
        if not self._stopped:
            self._socket.stop_writing()
            self.all_sent()


def _nothing_taken(data: bytes | memoryview) -> int:
    return len(data)  # a closed socket swallows all


class SendTimeout:
    """A peer has so many seconds to read, and earns more by bytes that have arrived at its kernel.

    What our own kernel has taken says little of a slow peer: it holds megabytes, and asks for more only once a third of
    them is gone.
    """

    __slots__ = ("_acknowledged", "_deadline", "_expired", "_min_rate", "_seconds", "_socket")

    def __init__(self, clock: IReactorTime, socket: Socket, expired: Callable[[], None]) -> None:
        self._deadline = Deadline(clock, self._look)
        self._socket = socket
        self._expired = expired
        self._acknowledged = 0
        self._seconds = 0.0
        self._min_rate = 0

    def start(self, seconds: float, min_rate: int) -> None:
        """It has `seconds`, and earns one more with each `min_rate` bytes, or all with any byte where that is 0.

        It cannot save up more than `seconds`.
        """
        self._seconds, self._min_rate = seconds, min_rate
        self._acknowledged = self._socket.acknowledged()
        self._deadline.set(seconds)

    def clear(self) -> None:
        """Nothing is to be read, until the next `start`."""
        self._deadline.clear()

    def stop(self) -> None:
        """No timer is left, and nothing that leads back here."""
        self._deadline.end()

    def _look(self) -> None:
        before, self._acknowledged = self._acknowledged, self._socket.acknowledged()
        count = self._acknowledged - before
        earned = count / self._min_rate if self._min_rate else count * self._seconds
        if earned >= 1:
            self._deadline.set(min(earned, self._seconds))
        else:
            self._expired()
