"""One connection to Redis: commands, and their replies in the same order, each within its time.

A reply that is late, too long or none at all ends the connection: which command a later reply belongs to would not be
known. Every command has a reply, be it that of the connection's end. Callers: the link, which keeps one, and the store.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.revocation.redis_replies import ProtocolError, RedisProblem, RedisReplies, RedisReply, command
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.deadlines import Deadline

MAX_REPLY: Final = 256 * 1024
"""Bytes of one reply: a value of the greatest length, or a batch of news."""

MAX_WAITING: Final = 1024
"""Commands without reply at once; beyond them Redis is as good as too slow."""

MAX_OWED: Final = 4 * 1024 * 1024
"""Bytes of commands without reply: those of values that are stored."""

LATE: Final = "no reply in time"
GONE: Final = RedisProblem("GONE the connection has ended")
BUSY: Final = RedisProblem("BUSY too many commands wait for their reply")


@attrs.frozen(eq=False)
class _Waiting:
    """A command without reply."""

    reply: Deferred[RedisReply]
    until: float  # on the clock
    size: int  # bytes of the command


class RedisConnection:
    """Commands over one connection, whose receiver it is.

    Args:
        clock: monotonic.
        transport: is open, TLS included.
    """

    def __init__(self, clock: IReactorTime, transport: Connection) -> None:
        self.over: Deferred[None] = Deferred()
        """Fires once the connection has ended; `end_reason` says why."""
        self.end_reason = ""
        self.has_replied = False  # to any command in time
        self._clock = clock
        self._transport = transport
        self._replies = RedisReplies(MAX_REPLY)
        self._waiting: deque[_Waiting] = deque()
        self._owed = 0
        self._deadline = Deadline(clock, self._late)
        transport.receiver = self

    def ask(self, *words: bytes, seconds: float) -> Deferred[RedisReply]:
        """The reply to a command, or a problem that says why there is none; may be cancelled.

        `seconds` is the command's time: that of those before it must not be longer.
        """
        sent = command(*words)
        if self._transport.closing:
            return succeed(GONE)
        if len(self._waiting) >= MAX_WAITING or self._owed + len(sent) > MAX_OWED:
            return succeed(BUSY)
        waiting = _Waiting(Deferred(), self._clock.seconds() + seconds, len(sent))
        self._waiting.append(waiting)
        self._owed += len(sent)
        if len(self._waiting) == 1:
            self._deadline.set(seconds)
        self._transport.write(sent)
        return waiting.reply

    def end(self, reason: str) -> None:
        """Ends the connection; commands without reply get one that says so."""
        self.end_reason = self.end_reason or reason
        self._transport.abort(reason)

    def close(self) -> None:
        """Ends the connection once all commands have left."""
        self._transport.close()

    # -- from the connection, as Receiver says

    def received(self, data: bytes) -> None:
        """Replies, or parts of them."""
        try:
            replies = self._replies.feed(data)
        except ProtocolError as error:
            self.end(f"{error}")
            return
        for reply in replies:
            if self._transport.closing:
                return
            self._answer(reply)

    def drained(self) -> None:
        """Redis takes commands again, of which few wait."""

    def finished(self) -> None:
        """Redis sends no more, and what waits for a reply gets none."""
        self.end("Redis has closed the connection")

    def ended(self, reason: str) -> None:
        """The connection is gone."""
        self._deadline.end()
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            _fire(each.reply, GONE)
        self.end_reason = self.end_reason or reason
        self.over.callback(None)

    # -- how

    def _answer(self, reply: RedisReply) -> None:
        if not self._waiting:
            self.end("there was a reply to no command")
            return
        answered = self._waiting.popleft()
        self._owed -= answered.size
        self.has_replied = True
        if self._waiting:
            self._deadline.set(max(self._waiting[0].until - self._clock.seconds(), 0.0))
        else:
            self._deadline.clear()
        _fire(answered.reply, reply)

    def _late(self) -> None:
        """The first command's time is over; a reply that has come, and was not read yet, still counts."""
        first = self._waiting[0]
        self._clock.callLater(0, lambda: self._give_up(first))

    def _give_up(self, first: _Waiting) -> None:
        if self._waiting and self._waiting[0] is first:
            self.end(LATE)


def _fire(waiting: Deferred[RedisReply], reply: RedisReply) -> None:
    if not waiting.called:  # else it was cancelled
        waiting.callback(reply)
