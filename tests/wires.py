"""TCP in memory: the real `TcpWire` on a kernel that a test holds in its hand, and a reactor that connects to it.

What the gateway does happens in turns of a `Network`, as it would in turns of a reactor; what the peer does takes
effect at once. `tests/test_wires.py` holds it to what real sockets do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from errno import EMFILE
from socket import IPPROTO_TCP, SHUT_WR, TCP_INFO
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.base import BaseConnector
from twisted.internet.error import (
    ConnectBindError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IResolutionReceiver
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from agwtwisted.transport.streaming import TcpWire

READ = 65536
"""Bytes of one read, as in Twisted."""


class Handle:
    """A socket, as far as it is asked something: what Linux tells of the bytes that have arrived at the peer."""

    def __init__(self, line: Any = None) -> None:
        self.arrived = 0
        self.state = 1  # TCP_ESTABLISHED
        self._line = line

    def shutdown(self, how: int) -> None:
        """One direction is at its end."""
        assert how == SHUT_WR
        self._line.eof = True

    def getsockopt(self, level: int, name: int, size: int) -> bytes:
        """The struct tcp_info, empty but for tcpi_state and tcpi_bytes_acked."""
        assert (level, name) == (IPPROTO_TCP, TCP_INFO)
        return bytes((self.state,)) + bytes(119) + self.arrived.to_bytes(size - 120, sys.byteorder)


class Line(FileDescriptor):
    """One connection: a transport to the wire on this end, the peer's hands on the other."""

    def __init__(self, network: Network, protocol: Any = None, port: int = 40000) -> None:
        super().__init__(network)  # type: ignore[arg-type]
        self.received = bytearray()  # what reached the peer and was not taken
        self.eof = False  # the peer knows that nothing more will come
        self.reset = False  # and that something may be lost
        self.room: float = float("inf")  # bytes that the kernel takes before the peer reads them
        self.sent_on = 0  # bytes of the peer that the wire has read
        self._network = network
        self._handle = Handle(self)
        self._inbox = bytearray()
        self._hung_up = False
        self._port = port
        self._connector: Any = None
        self.protocol = protocol
        if protocol is not None:
            self.open(protocol)

    # -- the peer's hands

    def send(self, data: bytes) -> None:
        """The peer sends."""
        if not self.connected or self.disconnecting:
            self.reset = True
            return
        self._inbox += data
        self._deliver()
        self._network.advance(0)

    def take(self) -> bytes:
        """The peer reads all there is, and the kernel's buffer is empty again."""
        taken, self.received = bytes(self.received), bytearray()
        self._network.advance(0)
        return taken

    def stall(self, room: int = READ) -> None:
        """The peer reads nothing until `read`: the kernel takes `room` bytes more."""
        self.room = room

    def read(self, count: float = float("inf")) -> None:
        """The peer reads so many bytes more, or as fast as it can."""
        self.room += count
        if self._network.is_writing(self):
            self._network.callLater(0, self._write)
        self._network.advance(0)

    def hang_up(self) -> None:
        """The peer closes, or closes its sending side only: both are a FIN."""
        self._hung_up = True
        self._deliver()
        self._network.advance(0)

    def crash(self) -> None:
        """The peer is gone, with a reset."""
        self.connectionLost(Failure(ConnectionLost()))
        self._network.advance(0)

    # -- the wire's transport

    def open(self, protocol: Any) -> None:
        """The connection is there."""
        self.protocol = protocol
        self.connected = 1
        self.startReading()
        protocol.makeConnection(self)

    def deliver_later(self) -> None:
        """What lies in the kernel comes in the next turn."""
        self._network.callLater(0, self._deliver)

    def _deliver(self) -> None:
        while self._inbox and self._network.is_reading(self):
            piece = bytes(self._inbox[:READ])
            del self._inbox[:READ]
            self.sent_on += len(piece)
            self.protocol.dataReceived(piece)
        if self._hung_up and self.connected and self._network.is_reading(self):
            self._end_input()

    def _end_input(self) -> None:
        half_closeable = IHalfCloseableProtocol(self.protocol, None)
        if half_closeable is None:
            self.connectionLost(Failure(ConnectionDone()))
        else:
            self.stopReading()
            half_closeable.readConnectionLost()

    def _write(self) -> None:
        if self._network.is_writing(self) and (self.room or not self.dataBuffer):
            ended = self.doWrite()
            if ended is not None:
                self.connectionLost(Failure(ended if isinstance(ended, Exception) else ConnectionDone()))
            else:
                self._network.callLater(0, self._write)

    def write_later(self) -> None:
        """The kernel takes something in the next turn."""
        self._network.callLater(0, self._write)

    def writeSomeData(self, data: bytes) -> Any:  # noqa: N802
        """As much as the kernel takes."""
        if not self.connected:
            return CONNECTION_LOST
        count = int(min(len(data), self.room))
        self.received += data[:count]
        self._handle.arrived += count
        self.room -= count
        return count

    def _closeWriteConnection(self) -> None:  # noqa: N802
        self.eof = True
        half_closeable = IHalfCloseableProtocol(self.protocol, None)
        if half_closeable is not None:
            half_closeable.writeConnectionLost()

    def abortConnection(self) -> None:
        """Ends the connection in the next turn."""
        if self.connected and not self.reset:
            self.reset = True
            self.stopReading()
            self.stopWriting()
            self._network.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def connectionLost(self, reason: Failure) -> None:
        """It is over; over unread input the kernel sends a reset."""
        if not self.connected:
            return
        super().connectionLost(reason)
        self.reset = self.reset or bool(self._inbox)
        self.eof = True
        protocol, self.protocol = self.protocol, None
        protocol.connectionLost(reason)
        if self._connector is not None:
            self._connector.connectionLost(reason)

    def getHandle(self) -> Handle:  # noqa: N802
        """The socket."""
        return self._handle

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is delayed here."""

    def getHost(self) -> IAddress:
        """The gateway's end."""
        return IPv4Address("TCP", "127.0.0.1", self._port)

    def failIfNotConnected(self, error: Exception) -> None:  # noqa: N802
        """An attempt to connect is over; BaseConnector asks for it."""
        if not self.connected and self._connector is not None:
            connector, self._connector = self._connector, None
            connector.connectionFailed(Failure(error))

    def belong_to(self, connector: Any) -> None:
        """The line of a connection that the gateway opens."""
        self._connector = connector


class Backend:
    """A server's port: accepts what connects, unless told otherwise."""

    def __init__(self) -> None:
        self.lines: list[Line] = []  # accepted ones
        self.refusing = False
        self.short = 0  # attempts for which this process has no descriptor
        self.silent = False  # neither accepts nor refuses
        self.attempts = 0

    @property
    def line(self) -> Line:
        """The connection accepted last."""
        return self.lines[-1]


class _Connector(BaseConnector):
    """One attempt to connect."""

    def __init__(self, network: Network, backend: Backend, factory: Any, timeout: float) -> None:
        super().__init__(factory, timeout, network)
        self._network = network
        self._backend = backend

    def _makeTransport(self) -> Line:  # noqa: N802
        line = Line(self._network, port=40000 + self._backend.attempts)
        line.belong_to(self)
        self._backend.attempts += 1
        if not self._backend.silent:
            self._network.callLater(0, self._answered, line)
        return line

    def _answered(self, line: Line) -> None:
        if self.state != "connecting":
            return
        if self._backend.short:
            self._backend.short -= 1
            line.failIfNotConnected(ConnectBindError(EMFILE, "Too many open files"))
        elif self._backend.refusing:
            line.failIfNotConnected(ConnectionRefusedError())
        else:
            self._backend.lines.append(line)
            line.open(self.buildProtocol(None))

    def getDestination(self) -> IAddress:  # noqa: N802
        """Where to; nobody asks."""
        return IPv4Address("TCP", "127.0.0.1", 0)


class _Resolver:
    """Knows the addresses of names."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self._names = names

    def resolveHostName(self, receiver: Any, name: str, port: int = 0) -> None:  # noqa: N802
        """Tells them all at once."""
        receiver = IResolutionReceiver(receiver)
        receiver.resolutionBegan(None)
        for address in self._names.get(name, []):
            receiver.addressResolved(IPv4Address("TCP", address, port))
        receiver.resolutionComplete()


class Network(Clock):
    """A reactor: time, the readiness of lines, connections to backends, names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, list[str]] = {}
        self.nameResolver = _Resolver(self.names)
        self._backends: dict[tuple[str, int], Backend] = {}
        self._reading: set[Line] = set()
        self._writing: set[Line] = set()
        self.turns = 0  # for a test that counts its own

    def backend(self, port: int, host: str = "127.0.0.1") -> Backend:
        """The server at that address; made when first asked for."""
        return self._backends.setdefault((host, port), Backend())

    def dial(self, wire: TcpWire) -> Line:
        """A client's connection to the gateway, taken by a wire."""
        return Line(self, wire)

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> Any:  # noqa: N802, N803
        """IReactorTCP."""
        connector = _Connector(self, self.backend(port, host), factory, timeout)
        connector.connect()
        return connector

    def is_reading(self, line: Line) -> bool:
        """Whether the wire wants bytes."""
        return line in self._reading

    def is_writing(self, line: Line) -> bool:
        """Whether the wire has bytes that the kernel did not take, or wants to close."""
        return line in self._writing

    def addReader(self, line: Line) -> None:  # noqa: N802
        """IReactorFDSet."""
        self._reading.add(line)
        line.deliver_later()

    def removeReader(self, line: Line) -> None:  # noqa: N802
        """IReactorFDSet."""
        self._reading.discard(line)

    def addWriter(self, line: Line) -> None:  # noqa: N802
        """IReactorFDSet."""
        self._writing.add(line)
        line.write_later()

    def removeWriter(self, line: Line) -> None:  # noqa: N802
        """IReactorFDSet."""
        self._writing.discard(line)

    def timers(self) -> list[float]:
        """Seconds from now of every timer that runs."""
        return [call.getTime() - self.seconds() for call in self.getDelayedCalls()]


class Recorder:
    """A receiver that notes what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.finished_count = 0
        self.drained_count = 0
        self.reasons: list[str] = []
        self.on_received: Callable[[bytes], None] = lambda data: None

    def received(self, data: bytes) -> None:
        """Bytes."""
        self.data += data
        self.on_received(data)

    def drained(self) -> None:
        """Room again."""
        self.drained_count += 1

    def finished(self) -> None:
        """The peer sends no more."""
        self.finished_count += 1

    def ended(self, reason: str) -> None:
        """The end."""
        self.reasons.append(reason)
