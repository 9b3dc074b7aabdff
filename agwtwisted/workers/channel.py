"""A channel between two processes of the gateway: a pair of AF_UNIX sockets that carries messages in order.

In a process with a reactor a `Channel` never waits: what cannot be sent yet is kept, so much of it at most. The spawner
has no reactor; it uses `send_waiting` and `receive_waiting`.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from agwtwisted.workers.messages import DESCRIPTORS_AT_ONCE, ChannelError, Decoder, Message, pieces

MOST_QUEUED: Final = 8 * 1024 * 1024
"""Bytes of messages that wait for the other process to read, configurations aside."""

CLOSED: Final = "the other end is closed"
"""The reason for the loss of a channel that says nothing against the other process."""

_AT_ONCE: Final = 256 * 1024
"""Bytes that are read or written together, at most."""

_ANCILLARY: Final = socket.CMSG_SPACE((DESCRIPTORS_AT_ONCE + 3) * 4)


@attrs.define
class _Piece:
    """A part of a message that waits."""

    data: memoryview
    descriptors: Sequence[int]
    bounded: bool


@implementer(IReadWriteDescriptor)
class Channel:
    """One end, in a process with a reactor.

    Args:
        reactor: watches it.
        end: the socket, which is the channel's from now on.
        received: called with each message; its descriptors are the callee's.
        lost: called once, when the other process is gone, or does not read, or sends nonsense; with the reason.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, end: socket.socket, received: Callable[[Message], None], lost: Callable[[str], None]
    ) -> None:
        end.setblocking(False)
        self._reactor = reactor
        self._end = end
        self._received = received
        self._lost: Callable[[str], None] | None = lost
        self._decoder = Decoder()
        self._queue: deque[_Piece] = deque()
        self.queued = 0
        """Bytes of bounded messages that wait."""
        reactor.addReader(self)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._lost is not None

    def send(self, message: Message, *, bounded: bool = True) -> None:
        """Sends a message, or keeps it until it can be sent; nothing where the channel is lost.

        Its descriptors stay the caller's. A `bounded` message is one of many: where too much waits, the channel is
        lost, in a later turn, since the other process does not read.

        Raises:
            ChannelError: it is longer than a message may be.
            OSError: its descriptors cannot be kept, since there are too many. Nothing is sent then.
        """
        if not self.is_open:
            return
        waiting = list(pieces(message))
        kept = deque(_duplicates(message.descriptors))
        for data, descriptors in waiting:
            self._queue.append(_Piece(memoryview(data), [kept.popleft() for _ in descriptors], bounded))
            self.queued += len(data) if bounded else 0
        if self.queued > MOST_QUEUED:
            self._give_up("it does not read what it is sent")
            return
        self._reactor.addWriter(self)

    def close(self) -> None:
        """Closes this end at once; `lost` is not called."""
        self._lost = None
        self._shut()

    def wait(self, seconds: float) -> None:
        """Waits until something has come, and handles it, before the reactor runs; raises ChannelError if none does."""
        if not select.select([self._end], [], [], seconds)[0] or self.doRead() is not None:
            raise ChannelError("the other process does not answer")

    def finish(self, seconds: float) -> None:
        """Sends what waits, for so long at most, and closes: when the reactor does not run any more."""
        if self.is_open:
            self._end.settimeout(seconds)
            with suppress(OSError):
                while self._queue:
                    self._write_one()
        self.close()

    # -- for the reactor

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self._end.fileno()

    def logPrefix(self) -> str:
        """What the log calls it."""
        return "agwgateway"

    def doRead(self) -> Exception | None:  # type: ignore[override]  # noqa: N802 - as Twisted's own
        """Messages may have come."""
        try:
            data, descriptors = _receive(self._end)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        self._decoder.feed(data, descriptors)
        if not data:
            return CONNECTION_DONE
        try:
            for message in self._decoder.messages():
                self._hand_on(message)
                if not self.is_open:
                    return None
        except ChannelError as error:
            self._log.error("A channel between processes is given up: {error}", error=str(error))
            return CONNECTION_LOST
        return None

    def _hand_on(self, message: Message) -> None:
        try:
            self._received(message)
        except Exception:
            self._log.failure("Unexpected error about a message of another process")

    def doWrite(self) -> Exception | None:  # type: ignore[override]  # noqa: N802
        """There is room to write."""
        try:
            while self._queue:
                self._write_one()
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        self._reactor.removeWriter(self)
        return None

    def _write_one(self) -> None:
        piece = self._queue[0]
        sent = _send(self._end, piece.data[:_AT_ONCE], piece.descriptors)
        _close_all(piece.descriptors)
        piece.data, piece.descriptors = piece.data[sent:], ()
        self.queued -= sent if piece.bounded else 0
        if not piece.data:
            self._queue.popleft()

    def connectionLost(self, reason: Failure) -> None:
        """The other process is gone."""
        lost, self._lost = self._lost, None
        self._shut()
        if lost is not None:
            lost(CLOSED)

    def _give_up(self, reason: str) -> None:
        lost, self._lost = self._lost, None
        self._shut()
        if lost is not None:
            self._reactor.callLater(0, lost, reason)

    def _shut(self) -> None:
        if self._end.fileno() >= 0:
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._end.close()
        self._decoder.close()
        self.queued = 0
        while self._queue:
            _close_all(self._queue.popleft().descriptors)


def send_waiting(end: socket.socket, message: Message) -> None:
    """Sends a message over a blocking socket; raises OSError."""
    for data, descriptors in pieces(message):
        left, given = memoryview(data), descriptors
        while left:
            left, given = left[_send(end, left, given) :], ()


def receive_waiting(end: socket.socket, decoder: Decoder) -> bool:
    """Reads what has come, and waits for some, over a blocking socket; False: the other end is closed."""
    try:
        data, descriptors = _receive(end)
    except ConnectionError:
        return False
    decoder.feed(data, descriptors)
    return bool(data)


def _send(end: socket.socket, data: memoryview | bytes, descriptors: Sequence[int]) -> int:
    if not descriptors:
        return end.send(data)
    return socket.send_fds(end, [data], list(descriptors))


def _receive(end: socket.socket) -> tuple[bytes, list[int]]:
    data, ancillary, _, _ = end.recvmsg(_AT_ONCE, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
    descriptors: list[int] = []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(content) - len(content) % 4
            descriptors += memoryview(content[:whole]).cast("i").tolist()
    return data, descriptors


def _duplicates(descriptors: Sequence[int]) -> list[int]:
    """A descriptor more for each of these, or none at all; raises OSError."""
    made: list[int] = []
    try:
        for descriptor in descriptors:
            made.append(os.dup(descriptor))
    except OSError:
        _close_all(made)
        raise
    return made


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
