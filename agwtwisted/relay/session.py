"""Bytes in both directions between a client and a backend, until both have finished or one is gone.

What one side sends goes to the other as it came, no faster than that one reads; the end of one direction is passed on,
and the other goes on. A truncated end (a reset, TLS without close_notify) is passed on as such: a TLS peer gets no
close_notify then.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Final

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from agwtwisted.transport.connection import Connection
from agwtwisted.transport.deadlines import Deadline


class End(Enum):
    """Why a session ended: the access log's ``sessionEnd``."""

    CLIENT = "client closed"
    BACKEND = "backend closed"
    CLIENT_CUT = "client cut off"
    BACKEND_CUT = "backend cut off"
    IDLE = "idle timeout"
    REFUSED = "client certificate refused"
    UNREACHABLE = "no backend reachable"
    BACKEND_DOWN = "backend is down"
    STOPPED = "the gateway is stopping"
    REMOVED = "listener removed"
    DISMISSED = "closed by an operator"
    DEFECT = "internal error"


class _Side:
    """The receiver of one connection; what comes goes to the other one."""

    __slots__ = ("_relay", "connection", "finished_first", "gone", "held", "lost", "other")

    def __init__(self, relay: Relay, connection: Connection, finished: End, lost: End) -> None:
        self.connection = connection
        self.other = connection  # until the relay says which
        self.finished_first = finished
        self.lost = lost
        self.gone = False
        self.held: bytes | None = None  # what came while nothing of this side is to be passed on; None: it is
        self._relay = relay

    def received(self, data: bytes) -> None:
        """Bytes of this side."""
        if self.held is not None:  # one read, which had come already
            self.held += data
            return
        other, relay = self.other, self._relay
        try:
            other.write(data)
            relay.deadline.at = relay.now() + relay.timeout  # its timer runs, to an earlier time
            if other.full:
                self.connection.pause()
        except Exception:
            relay.broken()

    def drained(self) -> None:
        """This side takes bytes again."""
        relay = self._relay
        try:
            relay.touched()
            relay.drained(self)
        except Exception:
            relay.broken()

    def finished(self) -> None:
        """This side sends no more, as its connection remembers."""
        if self.held is not None:  # after what is held
            return
        relay = self._relay
        try:
            relay.finished(self)
        except Exception:
            relay.broken()

    def ended(self, reason: str) -> None:
        """The connection of this side is gone."""
        self.gone = True
        relay = self._relay
        del self._relay  # it leads back here: without it both are free at once
        try:
            relay.lost(self)
        except Exception:
            relay.broken()


class Relay:
    """One client and one backend, joined.

    Args:
        client: an open connection.
        backend: another one.
        clock: time.
        timeout: seconds without a byte in either direction after which both are closed.
        over: called once both connections are gone, with the reason.
    """

    log = Logger()

    def __init__(
        self, client: Connection, backend: Connection, clock: IReactorTime, timeout: float, over: Callable[[End], None]
    ) -> None:
        self.end: End | None = None  # why it ends; the first reason counts
        self.timeout = timeout
        self._over: Callable[[End], None] | None = over
        self.deadline = Deadline(clock, self._idle)
        self.now: Final = clock.seconds
        self._taken: tuple[int, ...] = ()  # what slow readers had acknowledged when they were looked at last
        self._on_hold = False
        self._end_passed = False  # that of the client
        self._client = _Side(self, client, End.CLIENT, End.CLIENT_CUT)
        self._backend = _Side(self, backend, End.BACKEND, End.BACKEND_CUT)
        self._client.other, self._backend.other = backend, client

    def start(self, early: bytes) -> None:
        """Sends what the client has said already, and lets both speak."""
        self._client.connection.receiver, self._backend.connection.receiver = self._client, self._backend
        self._client.held = early
        self.touched()
        if not self._on_hold:
            self.go_on()

    @property
    def idle_since(self) -> float:
        """When something moved for the last time, on the clock."""
        at = self.deadline.at
        return inf if at is None else at - self.timeout

    def hold(self) -> None:
        """Nothing of the client is passed on until `go_on`; what was read already is kept."""
        self._on_hold = True
        self._client.held = self._client.held or b""
        self._client.connection.pause()

    def go_on(self) -> None:
        """The client may speak, or speak again."""
        self._on_hold = False
        client, backend = self._client.connection, self._backend.connection
        held, self._client.held = self._client.held, None
        if held:
            backend.write(held)
        if client.input_ended and not self._end_passed:
            self.finished(self._client)
        if not backend.full:
            client.resume()

    def abort(self, end: End) -> None:
        """Closes both at once."""
        self._ending(end)
        for side in (self._client, self._backend):
            if not side.gone:
                side.connection.abort()

    def broken(self) -> None:
        """Closes both after a defect of the gateway, of which the log gets the traceback."""
        self.log.failure("Unexpected error while relaying")
        self.end = End.DEFECT
        self.abort(End.DEFECT)
        if self._client.gone and self._backend.gone:
            self._finish()

    # -- what the sides say

    def touched(self) -> None:
        """Bytes have moved."""
        self.deadline.set(self.timeout)

    def drained(self, side: _Side) -> None:
        """A side takes bytes again: the other one may send them."""
        source = side.other
        if source is not self._client.connection or not self._on_hold:
            source.resume()

    def finished(self, side: _Side) -> None:
        """One direction is at its end; when both are, the connections are no longer needed."""
        self._end_passed = self._end_passed or side is self._client
        self.touched()
        if side.other.input_ended:
            side.other.end()
            side.connection.end()
        else:
            self._ending(side.finished_first)
            side.other.finish()

    def lost(self, side: _Side) -> None:
        """A connection is gone: the other one gets what is on its way to it, and closes."""
        if side.connection.failed:
            self._ending(End.DEFECT)
        complete = side.connection.input_ended and not side.connection.cut
        self._ending(side.finished_first if complete else side.lost)
        other = self._backend if side is self._client else self._client
        if not other.gone:
            if complete and other.connection.input_ended:
                other.connection.end()
            else:
                other.connection.break_off()
        else:
            self._finish()

    # -- how

    def _finish(self) -> None:
        """Both are gone."""
        self.deadline.end()
        over, self._over = self._over, None
        if over is not None and self.end is not None:
            over(self.end)

    def _ending(self, end: End) -> None:
        if self.end is None:
            self.end = end

    def _idle(self) -> None:
        try:
            self._end_silence()
        except Exception:
            self.broken()

    def _end_silence(self) -> None:
        """Cuts both off, unless a slow reader has taken something all the while."""
        taken = tuple(side.connection.acknowledged() for side in (self._client, self._backend) if side.connection.busy)
        if taken and taken != self._taken:
            self._taken = taken
            self.touched()
            return
        self._ending(End.IDLE)
        for side in (self._client, self._backend):
            if side.connection.busy:
                side.connection.abort()
            else:
                side.connection.break_off()


@attrs.frozen(kw_only=True, eq=False)
class Joined:
    """What a session has once a backend is connected to."""

    backend: Connection
    relay: Relay
    since: float
    source_port: int
