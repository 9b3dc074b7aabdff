"""Twisted's epoll reactor with less around each event: ``twistd --reactor=agwepoll agwgateway …``.

The gateway takes it by itself where no other reactor was chosen. The stock one pushes a logging context for every
event, which is not used here and costs a keep-alive request a tenth of its time.

A turn has three phases: what came is read from all sockets, then handled, then what was written meanwhile is sent. The
stock order, socket by socket, costs a busy gateway a quarter more: the kernel and the interpreter do not fit into a
processor's caches together, and take turns in throwing each other out.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from select import EPOLLIN
from typing import Any, Final

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import CONNECTION_LOST, installReactor
from twisted.python import log
from zope.interface import implementer

from agwtwisted.transport.outbox import ITurns, Outbox
from agwtwisted.transport.sockets import StreamSocket
from agwtwisted.transport.turn_times import SHORT, TurnTimes

GROUP: Final = 32
"""Events that are handled together at most: written data does not wait longer. More would share a processor's caches;
with 64 the CPU time is the same, and the 99th percentile of a busy gateway longer by a quarter."""

AHEAD: Final = 256 * 1024
"""Bytes that are read together, about: as much as stays in a processor's cache until it is handled."""


@implementer(ITurns)
class LeanEPollReactor(EPollReactor):
    """The same events in the same order; what an event raises is logged and ends its connection, as ever.

    A `StreamSocket` may hand on bytes after it has stopped reading, one read at most: they had been read with those of
    others.
    """

    seconds = staticmethod(time.monotonic)  # what waits must not wait by a clock that can be set

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox()
        self.turn_times = TurnTimes()
        self._woke = 0.0  # when the turn that is under way began; 0: there was none

    def doPoll(self, timeout: float | None) -> None:  # noqa: N802 - Twisted's name
        """Waits for events, `timeout` seconds at most, and handles them."""
        now = time.monotonic()
        turn, times = now - self._woke, self.turn_times  # with timers, and calls of threads
        if turn < SHORT:
            times.short += 1
            times.short_seconds += turn
        elif self._woke:
            times.add(turn, now)
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except InterruptedError:
            return
        finally:
            self._woke = time.monotonic()
        done = 0
        selectables = self._selectables
        while done < len(events):
            group = self._read_ahead(events[done : done + GROUP])
            done += len(group)
            self.outbox.open = True
            for descriptor, event, selectable, data in group:
                try:
                    why: object = None
                    if data.__class__ is bytes and data and (reader := selectable.reader) is not None:
                        reader.dataReceived(data)  # as `hand_on` does: the usual case takes no call more
                    elif data is not None:
                        why = selectable.hand_on(data)
                    elif descriptor not in selectables or selectables[descriptor] is not selectable:
                        continue  # it is gone since
                    elif event == EPOLLIN:
                        why = selectable.doRead()
                    else:
                        self._handle(selectable, descriptor, event)
                except BaseException:  # as the stock reactor: the connection is lost, the reactor goes on
                    why = sys.exc_info()[1]
                    log.err()
                if why:
                    self._lose(selectable, why)
            self.outbox.close()

    doIteration = doPoll  # noqa: N815 - Twisted's name

    def _read_ahead(self, events: Sequence[tuple[int, int]]) -> list[tuple[int, int, Any, Any]]:
        """The events, as far as their data is little enough, with their handlers and the data.

        That is bytes, or the exception that Twisted has for a connection that is lost; None where the selectable is to
        read by itself.
        """
        group: list[tuple[int, int, Any, Any]] = []
        selectable_of = self._selectables.get
        room = AHEAD
        for descriptor, event in events:
            selectable: Any = selectable_of(descriptor)
            data: Any = None
            if event == EPOLLIN and isinstance(selectable, StreamSocket):
                size = selectable.read_size
                try:  # as `StreamSocket.read` does: the usual case takes no call more
                    data = selectable.connected.recv(size)
                except OSError as error:
                    data = selectable.read_none(error)
                else:
                    length = len(data)
                    room -= length
                    if length == size:
                        selectable.read_size = selectable.longest_read
            group.append((descriptor, event, selectable, data))
            if room < 0:
                break
        return group

    def _handle(self, selectable: Any, descriptor: int, event: int) -> None:
        """An event that is not only for reading."""
        try:
            self._doReadOrWrite(selectable, descriptor, event)
        except BaseException:  # at the end of its connection, which is lost
            log.err()

    def _lose(self, selectable: Any, why: Any) -> None:
        try:
            self._disconnectSelectable(selectable, why, True)
        except BaseException:  # what was read of the others must not be lost
            log.err()


class _Probe:
    """A descriptor that shows whether the reactor does what it should."""

    def __init__(self, end: socket.socket) -> None:
        self.story: list[str] = []
        self._end = end

    def fileno(self) -> int:
        """The socket's."""
        return self._end.fileno()

    def logPrefix(self) -> str:
        """What the log calls it."""
        return "-"

    def doRead(self) -> Exception | None:  # noqa: N802
        """There is something to read: the connection is over with that."""
        self.story.append(self._end.recv(10).decode())
        return CONNECTION_LOST

    def doWrite(self) -> None:  # noqa: N802
        """There is room to write."""
        self.story.append("room")

    def connectionLost(self, reason: object) -> None:
        """The end that `doRead` has said."""
        self.story.append("lost")


def _is_known() -> bool:
    """Whether Twisted's epoll reactor has the parts that are used here, and they do what they should."""
    near, far = socket.socketpair()
    reactor = None
    try:
        reactor = LeanEPollReactor()
        probe = _Probe(near)
        reactor.addWriter(probe)
        reactor.doPoll(0)
        reactor.removeWriter(probe)
        reactor.addReader(probe)
        far.send(b"bytes")
        reactor.doPoll(0)
        reactor.doPoll(0)
        return probe.story == ["room", "bytes", "lost"] and near.fileno() not in reactor._selectables
    except Exception:
        return False
    finally:
        if reactor is not None:
            reactor.waker.connectionLost(None)
            reactor._poller.close()
        near.close()
        far.close()


KNOWN: Final = _is_known()
"""Whether the reactor is used."""

FALLBACK: Final = (
    ""
    if KNOWN
    else "the installed version of Twisted is unknown to the gateway: it uses Twisted's epoll reactor, which is slower"
)
"""What is to be said where it is not; else empty."""


def install() -> None:
    """Makes it the reactor of the process; raises ReactorAlreadyInstalledError when there is one.

    It is Twisted's own where that has changed so that this one would not work.
    """
    installReactor(LeanEPollReactor() if KNOWN else EPollReactor())
