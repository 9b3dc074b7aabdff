"""Bytes to and from one peer, with back-pressure; either direction may end before the other.

A `Connection` is put together: a socket (`sockets`), a queue for what is sent (`send_queue`), and, once TLS is agreed
on, a codec for its records. What comes goes to its receiver, which may be exchanged at any time: the reader of a PROXY
header, a TLS handshake, a gate, a client protocol each put the next in their place.

A peer that has finished sending (FIN, or close_notify over TLS) may still be sent to. On TLS a FIN alone ends the
connection: without close_notify something may be missing (RFC 8446 section 6.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionClosed, ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from agwtwisted.transport.codec import TLS_PENDING, Codec
from agwtwisted.transport.deadlines import Deadline
from agwtwisted.transport.outbox import Outbox
from agwtwisted.transport.receiver import NO_RECEIVER, Receiver
from agwtwisted.transport.send_queue import QUEUE_LIMIT, SendQueue
from agwtwisted.transport.sockets import Socket

CLOSE_TIMEOUT: Final = 60.0  # seconds that the peer of a closing connection has for what is queued, beside those that
MIN_RATE: Final = 240  # it earns by reading, one for so many bytes
LINGER: Final = 5.0
"""Lingering close (RFC 9112 section 9.6): seconds in which input is discarded after our FIN, so that no reset overtakes
the last answer; as many again while the peer still acknowledges data."""

ABORTED: Final = "given up"  # why connections are aborted, where nothing else is said


class Connection(SendQueue):
    """One connection, and the queue of what is sent to its peer; made before its socket.

    Args:
        clock: time.
        outbox: what is written in a turn of the reactor is sent at its end.
        receiver: of what comes.
        preamble: sent ahead of everything, TLS included.
    """

    codec: Codec | None = None  # of TLS

    # What most connections never change is the class's: an object of more than thirty attributes takes 1.3 KB more.
    offered_suites = ja4 = b""  # of the peer's ClientHello: `core.tls.client_hello`, and where asked for `core.tls.ja4`
    when_open: Callable[[], None] | None = None
    when_closed: Callable[[], None] | None = None
    connected = False
    is_secure = False  # TLS is agreed on
    closing = False
    cut = False  # it ended without FIN or close_notify of the peer: data may be truncated
    failed = False  # it ended by a defect of the gateway
    input_ended = False  # the peer sends no more, and may still be sent to; a receiver that comes later looks at it
    output_ended = False  # so do we
    paused = False
    number = 0  # of a client's connection, in the order in which they came; 0: it is none
    since = 0.0  # when it came
    end_reason = ""  # why the gateway ended it, or TLS; empty where the peer did
    _preamble, _linger = b"", False
    _deadline: Deadline | None = None

    def __init__(
        self, clock: IReactorTime, outbox: Outbox, receiver: Receiver = NO_RECEIVER, *, preamble: bytes = b""
    ) -> None:
        self.receiver = receiver
        self.bytes_in = 0  # of data, TLS and its handshake not counted
        self.bytes_out = 0
        super().__init__(clock, outbox)
        if preamble:
            self.bytes_out, self._preamble = len(preamble), preamble

    # -- from the socket, as `sockets.Owner` says

    def makeConnection(self, transport: Socket) -> None:
        """The socket is there."""
        self.connected = True
        self.open_queue(transport)
        if self._preamble:
            self.send(self._preamble)
        if self.when_open is not None:
            opened, self.when_open = self.when_open, None  # it leads to a port, whose place another may take
            opened()

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the socket; those that come while the connection closes are discarded."""
        if self.closing or self.input_ended:
            return
        codec = self.codec
        if codec is None:
            self.bytes_in += len(data)
            self.receiver.received(data)
            return
        data = codec.decrypt(data)
        if codec.answers_due:
            self._answer(codec)
        if data and not self.closing:
            self.bytes_in += len(data)
            self.receiver.received(data)
        if codec.over:
            self._end_input(codec)

    def readConnectionLost(self) -> None:
        """FIN."""
        if self.closing and self.sending:  # the peer may still read, and gets what is queued first
            self.input_ended = True
        elif self.closing or (self.codec is not None and not self.input_ended):
            self._socket.close_now()
        elif not self.input_ended:
            self._finish_input()

    def connectionLost(self, reason: Failure) -> None:
        """The socket is closed, by either side."""
        codec, self.codec = self.codec, None  # OpenSSL's memory is free at once, whatever still refers to this
        text = self.end_reason or str(reason.value)
        if codec is not None and not codec.close_notify_received:
            self.cut = True
            text = self.end_reason or "the connection ended without close_notify"
        self.stop_queue()
        if self._deadline is not None:
            self._deadline.end()
            self._deadline = None
        self.closing = True
        if not isinstance(reason.value, ConnectionDone):
            self.cut = True
            self.failed = not isinstance(reason.value, ConnectionClosed)
        receiver, self.receiver = self.receiver, NO_RECEIVER
        try:
            receiver.ended(text)
        finally:
            if self.when_closed is not None:
                self.when_closed()

    # -- from the queue

    def all_sent(self) -> None:
        """Nothing is queued any more."""
        if self.closing:
            self._end_sending()
        elif self.output_ended:
            self._end_output()

    def queue_drained(self) -> None:
        """The peer takes bytes again."""
        self.receiver.drained()

    def send_timed_out(self) -> None:
        """The peer has had its time to read."""
        self.abort("the peer does not read what is sent to it")

    # -- from a receiver that reads what comes ahead of the data

    def restart_input(self) -> None:
        """What has come so far was no data, but a header ahead of it."""
        self.bytes_in = 0

    def expect_tls(self) -> None:
        """TLS is to be agreed on: until then nothing is written but by `send`, and a FIN ends the connection."""
        self.codec = TLS_PENDING

    def secure(self, codec: Codec) -> None:
        """TLS is agreed on."""
        self.codec = codec
        self.is_secure = True
        self.bytes_in = 0

    def stay_plain(self) -> None:
        """There is no TLS after all."""
        self.codec = None

    def decrypt(self, records: bytes) -> None:
        """Records that came with the end of the handshake, if any did."""
        if self.codec is not None:
            self.dataReceived(records)

    # -- what a receiver may ask

    @property
    def busy(self) -> bool:
        """Whether something written has not left yet."""
        return self.sending or bool(self._held)

    @property
    def turn(self) -> int:
        """The turn of the reactor, -1 between two: what is read in one came before what is written in it is sent."""
        return self._outbox.turn if self._outbox.open else -1

    def acknowledged(self) -> int:
        """Bytes that have arrived at the peer's kernel, TLS included."""
        return self._socket.acknowledged()

    def round_trip_time(self) -> bytes:
        """To the peer and back, in microseconds as the kernel estimates it now; empty where it has no estimate."""
        return self._socket.round_trip_time()

    def host(self) -> IPv4Address | IPv6Address:
        """The gateway's end."""
        return self._socket.getHost()

    def is_reset(self) -> bool:
        """Whether the peer has reset the connection: one that is not read any more gets no event."""
        return self._socket.is_reset()

    def write(self, data: bytes) -> None:
        """Sends data, at once as far as the kernel takes it; nothing once the connection closes."""
        if self.closing:
            return
        self.bytes_out += len(data)
        if self.codec is None:
            self.send(data)
        elif not self.codec.encrypt(data, self.send):
            self.abort()

    def deadline(self, missed: Callable[[], None]) -> Deadline:
        """What the peer has to keep; each receiver in its turn has it call another, and one timer does for all."""
        if self._deadline is None:
            self._deadline = Deadline(self._clock, missed)
        self._deadline.missed = missed
        return self._deadline

    def next_turn(self, go_on: Callable[[], None]) -> IDelayedCall:
        """Has something done in the reactor's next turn, after what has come for others; may be cancelled."""
        return self._clock.callLater(0, self._outbox.gather, go_on)

    def at_end_of_turn(self, write: Callable[[], None]) -> None:
        """Has `write` called once all that came in this turn is handled, before it is sent; at once between turns."""
        self._outbox.before_sending(write)

    def bound_reads(self, size: int) -> None:
        """From now on a read brings so many bytes at most, TLS included, and as many queued are enough; 0: as usual."""
        self._socket.bound_reads(size)
        self.limit = size or QUEUE_LIMIT

    def pause(self) -> None:
        """Stops reading; at most what was read already still comes."""
        if not (self.paused or self.closing or self.input_ended):
            self.paused = True
            self._socket.pause()

    def resume(self) -> None:
        """Reads on, if there can be more."""
        if self.paused and not self.input_ended:
            self.paused = False
            if not self.closing:
                self._socket.resume()

    def finish(self) -> None:
        """Sends no more, once everything written has left; goes on reading."""
        if self.closing or self.output_ended:
            return
        self._send_close_notify()
        self.flush()
        self.output_ended = True
        if not self.sending:
            self._end_output()

    def end(self) -> None:
        """Closes, since both directions have ended. Not from within a receiver's `received`."""
        if not self.closing:
            self._send_close_notify()
            self.output_ended = True
            self.close()

    def close(self, *, linger: bool = False) -> None:
        """Closes once everything written has left: at once, where that is so and our own end was sent.

        With `linger` only the sending side is closed then, and input discarded for a while: a socket closed over unread
        input sends a reset, which may destroy the answer on its way (RFC 9112 section 9.6).
        """
        if self.closing:
            return
        self._send_close_notify()
        self.flush()
        sending = self.sending
        if self.output_ended and not sending and not linger:
            self.close_now()
            return
        self._linger = linger
        if linger:
            self.resume()
        else:
            self._socket.pause()
        self.closing = True
        if not sending:
            self._end_sending()
        elif self.bounds is None:
            self.start_timeout(CLOSE_TIMEOUT, MIN_RATE)

    def break_off(self) -> None:
        """Closes once everything written has left, without close_notify: a TLS peer sees the stream cut."""
        self.output_ended = True
        self.close()

    def abort(self, reason: str = ABORTED) -> None:
        """Closes in the next turn, with a reset; what the kernel has not taken is lost."""
        self.end_reason = self.end_reason or reason
        self.flush()
        self.closing = True
        self._socket.abort()

    def close_now(self) -> None:
        """Closes before this returns; what the kernel has not taken is lost."""
        if not self.closing:
            self._send_close_notify()
            self.flush()
        self.closing = True
        self._socket.close_now()

    # -- where room is needed

    def has_spoken(self) -> bool:
        """Whether any byte of the peer was read, since it is the one that counts."""
        return self.bytes_in > 0 or self.is_secure

    def has_arrived(self) -> bool:
        """Whether there are bytes of the peer's that were not read yet."""
        return self._socket.has_unread()

    def give_way(self, reason: str) -> None:
        """Does so for this reason."""
        self.end_reason = reason
        self.close_now()

    # -- how

    def _answer(self, codec: Codec) -> None:
        """Sends what OpenSSL answers by itself, to a KeyUpdate for instance, before much of it has gathered.

        A peer that asks for such answers and does not read them is cut off.
        """
        self.end_reason = self.end_reason or codec.failure
        before = self.behind
        codec.flush(self.send)
        if self.full and self.behind > before:
            self.abort()

    def _end_input(self, codec: Codec) -> None:
        if codec.failure:
            self.close()
        elif not self.closing and not self.input_ended:
            self._finish_input()

    def _finish_input(self) -> None:
        self.input_ended = True
        self.receiver.finished()

    def _send_close_notify(self) -> None:
        if self.codec is not None and not self.output_ended:
            self.codec.close_notify(self.send)

    def _end_output(self) -> None:
        if self.codec is None:  # else close_notify was all
            self._socket.shut_down_output()

    def _end_sending(self) -> None:
        """All is sent, and the connection closing."""
        if self._linger and not self.input_ended:
            _, min_rate = self.bounds or (CLOSE_TIMEOUT, MIN_RATE)
            self.start_timeout(LINGER, min_rate)
            self._socket.shut_down_output()
        else:
            self._socket.close_later()
