"""By when a client has to send or read what is due on an HTTP/2 connection: one timer, whatever the number of streams.

A connection has a deadline for its preface, for a header block that has begun, and while it has no stream; a stream
while the rest of its body is due, and while its client does not open a window for what is to be read. A request that
comes whole and is answered at once has none of them: what is kept here is kept for streams that wait.

Rates are those of HTTP/1.1: a client has `body_timeout`, and each byte gives it the time that it is worth at the lowest
rate, but no more than `body_timeout` in all.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.transport.connection import LINGER
from agwtwisted.transport.deadlines import Deadline


class ClientTimes(Protocol):
    """How long each wait may take, in seconds, and the lowest rates, in bytes a second (0: any): of the gateway."""

    @property
    def header_timeout(self) -> float:
        """A head, from its first byte on."""

    @property
    def body_timeout(self) -> float:
        """A pause within a body, or within a response that is to be read."""

    @property
    def min_body_rate(self) -> int:
        """Of a body."""

    @property
    def min_response_rate(self) -> int:
        """Of a response."""

    @property
    def http2_idle_timeout(self) -> float:
        """A connection without a stream."""


class Waiting(Protocol):
    """What is queued for the client, of a stream or of all of them."""

    @property
    def blocked(self) -> bool:
        """Whether its window has no room."""

    @property
    def sent(self) -> int:
        """Octets of DATA that have left, in total."""


class TimedStream(Protocol):
    """A stream that is waited for."""

    @property
    def queue(self) -> Waiting:
        """What it has to send."""


S = TypeVar("S", bound=TimedStream)
S_contra = TypeVar("S_contra", bound=TimedStream, contravariant=True)


class DeadlineOwner(Protocol[S_contra]):
    """The connection's protocol, which ends what is late."""

    def body_late(self, stream: S_contra) -> None:
        """The body of a request does not come, or too slowly, or is not over soon after the answer."""

    def response_stalled(self, stream: S_contra) -> None:
        """The client opens no window for a response, or too slowly."""

    def head_late(self) -> None:
        """The preface or the rest of a header block has not come."""

    def idle_too_long(self) -> None:
        """There was no stream for long enough."""


class _Stall:
    """A response that waits for a window: by when it has to move on, and what had left when that was set."""

    __slots__ = ("at", "sent", "sent_by_all")

    def __init__(self, at: float, sent: int, sent_by_all: int) -> None:
        self.at = at
        self.sent = sent
        self.sent_by_all = sent_by_all


class StreamDeadlines(Generic[S]):
    """All deadlines of one HTTP/2 connection.

    Args:
        clock: time.
        deadline: makes the deadline of the connection, given what is called when it is missed.
        times: how long each may take.
        sender: what is queued for the client, of all streams: is `blocked` while the connection's window has no room.
        owner: ends what is late.
    """

    def __init__(
        self,
        clock: IReactorTime,
        deadline: Callable[[Callable[[], None]], Deadline],
        times: ClientTimes,
        sender: Waiting,
        owner: DeadlineOwner[S],
    ) -> None:
        self._clock = clock
        self._deadline = deadline(self._look)
        self._times = times
        self._sender = sender
        self._owner = owner
        self._bodies: dict[S, float] = {}
        self._stalls: dict[S, _Stall] = {}
        self._head_at = clock.seconds() + times.header_timeout
        self._idle_since = clock.seconds()
        self._has_preface = False
        self._has_asked = False
        self._look_by(self._head_at)

    # -- the connection

    @property
    def head_open(self) -> bool:
        """Whether the preface or the rest of a header block is due."""
        return self._head_at < inf

    def preface_came(self) -> None:
        """With the client's SETTINGS, the first of which counts; the first request may take as long as any other."""
        if not self._has_preface:
            self._has_preface = True
            self._head_at = inf
            self.idle()

    def head(self, *, opened: bool) -> None:
        """Whether a header block, or a frame of one, has begun and is not whole: its first byte counts."""
        if not self._has_preface:
            return
        if not opened:
            self._head_at = inf
        elif self._head_at == inf:
            self._head_at = self._clock.seconds() + self._times.header_timeout
            self._look_by(self._head_at)

    def idle(self) -> None:
        """There is no stream any more."""
        now = self._idle_since = self._clock.seconds()
        self._look_by(now + self._times.http2_idle_timeout)

    def busy(self) -> None:
        """There is a stream: the connection is not idle."""
        self._idle_since = inf
        self._has_asked = True

    def count_by(self, times: ClientTimes) -> None:
        """What is due from now on is due by these times; what is due already keeps its own."""
        self._times = times

    def stop(self) -> None:
        """The connection ends."""
        self._bodies.clear()
        self._stalls.clear()
        self._deadline.stop()

    # -- its streams

    @property
    def watching(self) -> bool:
        """Whether any stream is waited for."""
        return bool(self._bodies or self._stalls)

    def body_due(self, stream: S) -> None:
        """The rest of a body is due, if it was not before."""
        if stream not in self._bodies:
            at = self._bodies[stream] = self._clock.seconds() + self._times.body_timeout
            self._look_by(at)

    def body_came(self, stream: S, count: int) -> None:
        """So many bytes of a body came that is due."""
        before = self._bodies.get(stream)
        if before is not None:
            rate, most = self._times.min_body_rate, self._times.body_timeout
            earned = count / rate if rate else count * most
            self._bodies[stream] = min(before + earned, self._clock.seconds() + most)

    def body_not_due(self, stream: S) -> None:
        """A body is whole, or paused: waiting for it is not the client's fault."""
        self._bodies.pop(stream, None)

    def body_lingers(self, stream: S) -> None:
        """A request that was answered before it was whole may go on for a while."""
        at = self._bodies[stream] = self._clock.seconds() + LINGER
        self._look_by(at)

    def stalled(self, stream: S) -> None:
        """Something of a response waits for a window, and has to move on."""
        if stream not in self._stalls:
            at = self._clock.seconds() + self._times.body_timeout
            self._stalls[stream] = _Stall(at, stream.queue.sent, self._sender.sent)
            self._look_by(at)

    def flowing(self, stream: S) -> None:
        """Nothing of the response waits any more."""
        self._stalls.pop(stream, None)

    def forget(self, stream: S) -> None:
        """A stream is over."""
        self._bodies.pop(stream, None)
        self._stalls.pop(stream, None)

    # -- what follows from it

    def awaited(self, now: float, streams: int) -> tuple[Awaited, float]:
        """What the client, which has so many streams, keeps the gateway waiting for, and since when."""
        if self._head_at < inf:
            return Awaited.HEAD, self._head_at - self._times.header_timeout
        if not streams:
            return (Awaited.REQUEST if self._has_asked else Awaited.HEAD), min(self._idle_since, now)
        return (Awaited.MORE if len(self._bodies.keys() | self._stalls.keys()) >= streams else Awaited.NOTHING), now

    # -- how

    def _look_by(self, at: float) -> None:
        """Looks then, or sooner where something else is due before."""
        before = self._deadline.at
        if before is None or at < before:
            self._deadline.set(max(at - self._clock.seconds(), 0.0))

    def _look(self) -> None:
        """Ends what is late, and waits for what is next; a timer may have been set for what is over."""
        now = self._clock.seconds()
        if self._head_at <= now:
            self._owner.head_late()
        elif self._idle_since + self._times.http2_idle_timeout <= now:
            self._owner.idle_too_long()
        else:
            self._end_streams(now)
            self._look_again()

    def _end_streams(self, now: float) -> None:
        for stream in [each for each, at in self._bodies.items() if at <= now]:
            if self._bodies.pop(stream, None) is not None:  # what is done about one may end others
                self._owner.body_late(stream)
        for stream, stall in [(each, stall) for each, stall in self._stalls.items() if stall.at <= now]:
            if self._stalls.get(stream) is stall and not self._goes_on(stream, stall):
                del self._stalls[stream]
                self._owner.response_stalled(stream)

    def _goes_on(self, stream: S, stall: _Stall) -> bool:
        """Whether a response that had to wait may wait on: for other streams, or since the client has read enough.

        Where the window of the connection has no room, what has left of any stream counts: the client reads those.
        """
        sent, sent_by_all = stream.queue.sent, self._sender.sent
        most, rate = self._times.body_timeout, self._times.min_response_rate
        earned = most
        if stream.queue.blocked or self._sender.blocked:
            count = sent - stall.sent if stream.queue.blocked else sent_by_all - stall.sent_by_all
            earned = min(count / rate if rate else count * most, most)
        stall.at, stall.sent, stall.sent_by_all = self._clock.seconds() + earned, sent, sent_by_all
        return earned >= 1

    def _look_again(self) -> None:
        due = [self._head_at, self._idle_since + self._times.http2_idle_timeout, *self._bodies.values()]
        at = min(*due, *(stall.at for stall in self._stalls.values()))
        if at < inf:
            self._look_by(at)
