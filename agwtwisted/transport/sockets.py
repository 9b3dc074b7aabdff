"""TCP sockets, listening or connected, as a reactor watches them and a connection uses them; `dialing` makes them, too.

They stand on the public interfaces of Twisted's reactors: `IReactorFDSet` there, `IReadWriteDescriptor` and
`IHalfCloseableDescriptor` here; Twisted's own transports take three times as many steps. Only these two modules and
`reactor` know how a reactor treats what it watches; all others know `Socket`, and what a socket calls: `Owner`.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import ENOBUFS, EWOULDBLOCK
from typing import Any, Final, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableDescriptor, IReadDescriptor, IReadWriteDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()

READ: Final = 64 * 1024  # bytes of one read
LONG_READ: Final = 256 * 1024  # of one whose last read was full: a large body costs a tenth less than with 64 KiB

CLOSED: Final = Failure(ConnectionDone())  # the reason of an end that both sides wanted
_INFO_SIZE: Final = 128
_TCP_CLOSE: Final = 7  # the state, tcpi_state, of a socket whose connection is gone
_ROUND_TRIP_TIME: Final = slice(68, 72)
_BYTES_ACKNOWLEDGED: Final = slice(120, 128)
"""The places of tcpi_rtt and tcpi_bytes_acked in Linux's struct tcp_info, since Linux 4.1."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close(2) drops what is queued, with a reset


class Reactor(Protocol):
    """What is asked of a reactor: a clock, and that it watches descriptors (IReactorTime, IReactorFDSet)."""

    def seconds(self) -> float:
        """The time."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> IDelayedCall:  # noqa: N802
        """Has something called."""

    def addReader(self, reader: Any) -> None:  # noqa: N802
        """Watches for bytes to read."""

    def removeReader(self, reader: Any) -> None:  # noqa: N802
        """Watches no more."""

    def addWriter(self, writer: Any) -> None:  # noqa: N802
        """Watches for room to write."""

    def removeWriter(self, writer: Any) -> None:  # noqa: N802
        """Watches no more."""


class Owner(Protocol):
    """What a socket calls; the names are those of Twisted's IProtocol, where that has them."""

    def makeConnection(self, transport: Any) -> None:
        """The connection is there; `transport` is the `Socket`."""

    def dataReceived(self, data: bytes) -> None:
        """Bytes came."""

    def writable(self) -> None:
        """The kernel takes bytes again; called after `start_writing` alone."""

    def readConnectionLost(self) -> None:
        """FIN: the peer sends no more. Reading has stopped."""

    def connectionLost(self, reason: Failure) -> None:
        """The socket is closed, by either side; called once."""


class Socket(Protocol):
    """A connected socket, as its owner uses it."""

    @property
    def send(self) -> Callable[[bytes | memoryview], int]:
        """Returns how many bytes the kernel has taken. What it raises, an OSError, is for `took_none`."""

    def took_none(self, error: OSError) -> None:
        """The kernel is full, or the connection is broken: which of both `start_writing` shows."""

    def start_writing(self) -> None:
        """Has `Owner.writable` called whenever the kernel takes bytes."""

    def stop_writing(self) -> None:
        """No more."""

    def pause(self) -> None:
        """Stops reading; one read that was made ahead still comes."""

    def resume(self) -> None:
        """Reads on."""

    def bound_reads(self, size: int) -> None:
        """Has one read bring so many bytes at most; 0: `LONG_READ`."""

    def bound_unsent(self, size: int) -> None:
        """Has the kernel take no more than so many bytes beyond those that are under way."""

    def shut_down_output(self) -> None:
        """Sends FIN behind what was sent."""

    def close_now(self) -> None:
        """Closes, and calls `Owner.connectionLost`, before this returns."""

    def close_later(self) -> None:
        """Closes in the reactor's next turn."""

    def abort(self) -> None:
        """Closes in the next turn with a reset; what the kernel has not sent is lost."""

    def has_unread(self) -> bool:
        """Whether bytes of the peer lie in the kernel."""

    def is_reset(self) -> bool:
        """Whether the connection is gone: a socket that is not read gets no event."""

    def acknowledged(self) -> int:
        """Bytes that have arrived at the peer's kernel."""

    def round_trip_time(self) -> bytes:
        """To the peer and back, in microseconds, as the kernel estimates it now; empty where it has no estimate."""

    def getHost(self) -> IPv4Address | IPv6Address:
        """The gateway's end."""


@implementer(IReadWriteDescriptor, IHalfCloseableDescriptor)
class StreamSocket:
    """A connected socket, `Socket` for its owner and a descriptor for the reactor, which reads it from the beginning.

    Args:
        reactor: watches it.
        connected: non-blocking, with TCP_NODELAY.
        owner: whose `makeConnection` is to be called next.
        peer: address and port at the other end.
        number: for logs.
    """

    __slots__ = (
        "__weakref__",
        "_broken",
        "_number",
        "_owner",
        "_peer",
        "_reactor",
        "connected",
        "longest_read",
        "read_size",
        "reader",
        "send",
    )

    def __init__(
        self, reactor: Reactor, connected: socket.socket, owner: Owner, peer: tuple[str, int], number: int = 0
    ) -> None:
        self.read_size = READ
        self.longest_read = LONG_READ
        self._reactor = reactor
        self.connected = connected
        self.send: Final[Callable[[bytes | memoryview], int]] = connected.send  # as `Socket` says
        self._owner: Owner | None = owner  # None once the socket is closed
        self.reader: Owner | None = owner  # who gets what is read; None, too, once the connection is aborted
        self._peer = peer
        self._number = number
        self._broken = False
        reactor.addReader(self)

    def __repr__(self) -> str:
        return f"<connection {self._number} of {self._peer[0]}>"

    # -- as `Socket` says

    def took_none(self, error: OSError) -> None:
        """As `Socket` says."""
        self._broken |= error.errno not in (EWOULDBLOCK, ENOBUFS)  # which `doWrite` reports to the reactor

    def start_writing(self) -> None:
        """As `Socket` says."""
        if self._is_open:
            self._reactor.addWriter(self)

    def stop_writing(self) -> None:
        """As `Socket` says."""
        if self._is_open:
            self._reactor.removeWriter(self)

    def pause(self) -> None:
        """As `Socket` says."""
        if self._is_open:
            self._reactor.removeReader(self)

    def resume(self) -> None:
        """As `Socket` says."""
        if self._is_open:
            self._reactor.addReader(self)

    def bound_reads(self, size: int) -> None:
        """As `Socket` says."""
        self.longest_read, self.read_size = size or LONG_READ, min(self.read_size, size or READ)

    def bound_unsent(self, size: int) -> None:
        """As `Socket` says."""
        with suppress(OSError):  # it is gone
            self.connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)

    def shut_down_output(self) -> None:
        """As `Socket` says."""
        with suppress(OSError):  # it is gone, as the reactor will find
            self.connected.shutdown(socket.SHUT_WR)

    def close_now(self) -> None:
        """As `Socket` says."""
        self.connectionLost(CLOSED)

    def close_later(self) -> None:
        """As `Socket` says."""
        if self._is_open:
            self._reactor.removeReader(self)
            self._reactor.callLater(0, self.close_now)

    def abort(self) -> None:
        """As `Socket` says."""
        if self._is_open:
            self.reader = None
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._reactor.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def has_unread(self) -> bool:
        """As `Socket` says."""
        try:
            return bool(self.connected.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:  # there are none, or no socket any more
            return False

    def is_reset(self) -> bool:
        """As `Socket` says."""
        return self._info()[0] == _TCP_CLOSE

    def acknowledged(self) -> int:
        """As `Socket` says."""
        return int.from_bytes(self._info()[_BYTES_ACKNOWLEDGED], sys.byteorder)

    def round_trip_time(self) -> bytes:
        """As `Socket` says."""
        try:
            return b"%d" % int.from_bytes(self._info()[_ROUND_TRIP_TIME], sys.byteorder)
        except OSError:  # no socket any more
            return b""

    def getHost(self) -> IPv4Address | IPv6Address:
        """As `Socket` says."""
        return address_of(self.connected.getsockname())

    def getPeer(self) -> IPv4Address | IPv6Address:
        """The other end."""
        return address_of(self._peer)

    # -- for the reactor

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self.connected.fileno()

    def logPrefix(self) -> str:
        """What the log calls it."""
        return "agwgateway"

    def read(self) -> bytes | Exception | None:
        """What has come, none of it where the peer has finished; the exception of a lost connection; None: nothing."""
        size = self.read_size
        try:
            data = self.connected.recv(size)
        except OSError as error:
            return self.read_none(error)
        self.read_size = self.longest_read if len(data) == size else size
        return data

    def read_none(self, error: OSError) -> Exception | None:
        """What `read` returns for what the kernel has raised."""
        return None if error.errno == EWOULDBLOCK else CONNECTION_LOST

    def hand_on(self, data: bytes | Exception) -> Exception | None:
        """Gives the owner what `read` has returned; returns what ends the reading, as `doRead` does."""
        owner = self.reader
        if owner is None:
            return None
        if data.__class__ is not bytes or not data:
            return data or CONNECTION_DONE  # type: ignore[return-value]
        owner.dataReceived(data)
        return None

    def doRead(self) -> Exception | None:  # type: ignore[override]  # noqa: N802  # as Twisted's own
        """There is something to read."""
        data = self.read()
        return None if data is None else self.hand_on(data)

    def doWrite(self) -> Exception | None:  # type: ignore[override]  # noqa: N802
        """There is room to write, or a broken connection."""
        if not self._broken and self._owner is not None:
            self._owner.writable()
        return CONNECTION_LOST if self._broken and self._is_open else None

    def readConnectionLost(self, reason: Failure) -> None:
        """`doRead` has returned that the peer has finished."""
        if self._owner is not None:
            try:
                self._owner.readConnectionLost()
            except Exception:
                self.connectionLost(Failure())

    def writeConnectionLost(self, reason: Failure) -> None:
        """Of IHalfCloseableDescriptor; not called, since `doWrite` does not return what causes it."""

    def connectionLost(self, reason: Failure) -> None:
        """The end, by either side; the owner hears of it once."""
        owner, self._owner, self.reader = self._owner, None, None
        if owner is None:
            return
        self._reactor.removeReader(self)  # while it has its descriptor
        self._reactor.removeWriter(self)
        if reason.check(ConnectionAborted):
            with suppress(OSError):
                self.connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.connected.close()
        owner.connectionLost(reason)

    @property
    def _is_open(self) -> bool:
        return self.reader is not None

    def _info(self) -> bytes:
        info: bytes = self.connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
        return info


def begin(stream: StreamSocket, owner: Owner) -> None:
    """Gives an owner its socket; one that raises loses it."""
    try:
        owner.makeConnection(stream)
    except Exception:
        _log.failure("Unexpected error while a connection begins")
        stream.abort()


@implementer(IReadDescriptor)
class BoundSocket:
    """A bound socket whose backlog calls `ready` while connections wait in it, between `start` and `stop`."""

    def __init__(self, reactor: Reactor, bound: socket.socket, ready: Callable[[], None]) -> None:
        self._reactor = reactor
        self.socket = bound
        self._ready = ready

    def start(self) -> None:
        """Looks for connections."""
        self._reactor.addReader(self)

    def stop(self) -> None:
        """They wait in the kernel."""
        self._reactor.removeReader(self)

    def close(self) -> None:
        """For good; nothing if it is closed already."""
        if self.socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self.socket.close()

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """What the log calls it."""
        return "agwgateway"

    def doRead(self) -> None:  # noqa: N802
        """A connection waits."""
        self._ready()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gives it up."""
        self.close()


def address_of(where: tuple[Any, ...]) -> IPv4Address | IPv6Address:
    """An address of the socket module, in Twisted's words."""
    host, port = where[:2]
    return IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)
