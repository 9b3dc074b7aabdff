"""TCP in memory: the real `Connection` on a kernel that a test holds in its hand, and a reactor that connects to it.

What the gateway does happens in turns of a `Network`, as it would in turns of a reactor; what the peer does takes
effect at once. `tests/test_wires.py` holds it to what real sockets do.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EBADF, EMFILE
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.base import BaseConnector
from twisted.internet.error import (
    ConnectBindError,
    ConnectionAborted,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import IAddress, IResolutionReceiver
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from agwtwisted.transport.connection import Connection
from agwtwisted.transport.sockets import CLOSED

READ = 65536
"""Bytes of one read, as in Twisted."""


class End:
    """The gateway's end of a line, as `sockets.Socket` says."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._network = line.network

    def send(self, data: bytes | memoryview) -> int:
        """As much as the kernel takes."""
        return self._line.taken(data)

    def took_none(self, error: OSError) -> None:
        """Nothing is raised here."""

    def start_writing(self) -> None:
        """Room is reported."""
        if self._line.connected:
            self._network.watch_writing(self._line)

    def stop_writing(self) -> None:
        """No more."""
        self._network.forget_writing(self._line)

    def pause(self) -> None:
        """Reads no more."""
        self._network.forget_reading(self._line)

    def resume(self) -> None:
        """Reads on."""
        if self._line.connected:
            self._network.watch_reading(self._line)

    def bound_reads(self, size: int) -> None:
        """The next reads bring so many bytes at most."""
        self._line.read_size = size or READ

    def bound_unsent(self, size: int) -> None:
        """Noted."""
        self._line.unsent = size

    def shut_down_output(self) -> None:
        """FIN."""
        self._line.eof = True

    def close_now(self) -> None:
        """Closes."""
        self._line.connectionLost(CLOSED)

    def close_later(self) -> None:
        """Closes in the next turn."""
        self._line.closing = True
        self.pause()
        self._network.callLater(0, self.close_now)

    def abort(self) -> None:
        """Ends the connection in the next turn."""
        if self._line.connected and not self._line.reset:
            self._line.reset = True
            self.pause()
            self.stop_writing()
            self._network.callLater(0, self._line.connectionLost, Failure(ConnectionAborted()))

    def has_unread(self) -> bool:
        """Whether something was not read yet."""
        return self._line.has_unread()

    def is_reset(self) -> bool:
        """Whether the connection is gone."""
        return self._line.is_gone

    def acknowledged(self) -> int:
        """What has arrived; a closed socket has no answer."""
        if not self._line.connected:
            raise OSError(EBADF, "Bad file descriptor")
        return self._line.arrived

    def round_trip_time(self) -> bytes:
        """None worth a word."""
        return b"0"

    def getHost(self) -> IPv4Address:
        """The gateway's end."""
        return IPv4Address("TCP", "127.0.0.1", self._line.port)


class Line:
    """One connection: an `End` for the connection, the peer's hands on the other."""

    def __init__(self, network: Network, protocol: Any = None, port: int = 40000) -> None:
        self.network = network
        self.end = End(self)
        self.connected = False
        self.closing = False  # by the connection
        self.arrived = 0  # bytes of the connection that the peer's kernel has
        self.is_gone = False  # reset, which a connection that does not read is not told
        self.port = port
        self.received = bytearray()  # what reached the peer and was not taken
        self.eof = False  # the peer knows that nothing more will come
        self.reset = False  # and that something may be lost
        self.room: float = float("inf")  # bytes that the kernel takes before the peer reads them
        self.unsent = 0  # bytes beyond those under way that the kernel takes; 0: not bounded
        self.sent_on = 0  # bytes of the peer that the connection has read
        self._inbox = bytearray()
        self._hung_up = False
        self._connector: Any = None
        self.protocol = protocol
        self.read_size = READ
        if protocol is not None:
            self.open(protocol)

    # -- the peer's hands

    def send(self, data: bytes) -> None:
        """The peer sends."""
        if not self.connected or self.closing:
            self.reset = True
            return
        self._inbox += data
        self._deliver()
        self.network.advance(0)

    def take(self) -> bytes:
        """The peer reads all there is, and the kernel's buffer is empty again."""
        taken, self.received = bytes(self.received), bytearray()
        self.network.advance(0)
        return taken

    def stall(self, room: int = READ) -> None:
        """The peer reads nothing until `read`: the kernel takes `room` bytes more."""
        self.room = room

    def read(self, count: float = float("inf")) -> None:
        """The peer reads so many bytes more, or as fast as it can."""
        self.room += count
        if self.network.is_writing(self):
            self.write_later()
        self.network.advance(0)

    def hang_up(self) -> None:
        """The peer closes, or closes its sending side only: both are a FIN."""
        self._hung_up = True
        self._deliver()
        self.network.advance(0)

    def crash(self) -> None:
        """The peer is gone, with a reset."""
        self.connectionLost(Failure(ConnectionLost()))
        self.network.advance(0)

    # -- the connection's transport

    def open(self, protocol: Any) -> None:
        """The connection is there."""
        self.protocol = protocol
        self.connected = True
        self.network.watch_reading(self)
        protocol.makeConnection(self.end)

    def deliver_later(self) -> None:
        """What lies in the kernel comes in the next turn."""
        self.network.callLater(0, self._deliver)

    def _deliver(self) -> None:
        while self._inbox and self.network.is_reading(self):
            piece = bytes(self._inbox[: self.read_size])
            del self._inbox[: self.read_size]
            self.sent_on += len(piece)
            self.protocol.dataReceived(piece)
        if self._hung_up and self.connected and self.network.is_reading(self):
            self._end_input()

    def _end_input(self) -> None:
        self.network.forget_reading(self)
        self.protocol.readConnectionLost()

    def _write(self) -> None:
        if self.network.is_writing(self) and self.room:
            self.protocol.writable()
            self.write_later()

    def write_later(self) -> None:
        """The kernel takes something in the next turn."""
        self.network.callLater(0, self._write)

    def taken(self, data: bytes | memoryview) -> int:
        """How much of it the kernel takes."""
        if not self.connected:
            return 0
        count = int(min(len(data), self.room))
        self.received += data[:count]
        self.arrived += count
        self.room -= count
        return count

    def has_unread(self) -> bool:
        """Whether the connection has something to read."""
        return self.connected and bool(self._inbox)

    def connectionLost(self, reason: Failure) -> None:
        """It is over; over unread input the kernel sends a reset."""
        if not self.connected:
            return
        self.network.forget_reading(self)
        self.network.forget_writing(self)
        self.connected = False
        self.reset = self.reset or bool(self._inbox)
        self.eof = True
        protocol, self.protocol = self.protocol, None
        protocol.connectionLost(reason)
        if self._connector is not None:
            self._connector.connectionLost(reason)

    def failIfNotConnected(self, error: Exception) -> None:  # noqa: N802
        """An attempt to connect is over; BaseConnector asks for it."""
        if not self.connected and self._connector is not None:
            connector, self._connector = self._connector, None
            connector.connectionFailed(Failure(error))

    def belong_to(self, connector: Any) -> None:
        """The line of a connection that the gateway opens."""
        self._connector = connector


class Backend:
    """A server's port: accepts connections by default."""

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
        """Where to; not used."""
        return IPv4Address("TCP", "127.0.0.1", 0)


class _Resolver:
    """Knows the addresses of names."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self._names = names

    def resolveHostName(self, receiver: Any, name: str, port: int = 0) -> None:  # noqa: N802
        """Notifies all at once."""
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

    def dial(self, connection: Connection) -> Line:
        """A client's connection to the gateway, taken by a connection."""
        return Line(self, connection)

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> Any:  # noqa: N802, N803
        """IReactorTCP."""
        connector = _Connector(self, self.backend(port, host), factory, timeout)
        connector.connect()
        return connector

    def is_reading(self, line: Line) -> bool:
        """Whether the connection wants bytes."""
        return line in self._reading

    def is_writing(self, line: Line) -> bool:
        """Whether the connection has bytes that the kernel did not take."""
        return line in self._writing

    def watch_reading(self, line: Line) -> None:
        """The connection wants bytes."""
        self._reading.add(line)
        line.deliver_later()

    def forget_reading(self, line: Line) -> None:
        """It wants none."""
        self._reading.discard(line)

    def watch_writing(self, line: Line) -> None:
        """The connection has bytes that the kernel did not take."""
        self._writing.add(line)
        line.write_later()

    def forget_writing(self, line: Line) -> None:
        """It has none."""
        self._writing.discard(line)

    def timers(self) -> list[float]:
        """Seconds from now of every timer that runs."""
        return [call.getTime() - self.seconds() for call in self.getDelayedCalls()]


class Recorder:
    """A receiver that notes its events."""

    def __init__(self) -> None:
        self.data = b""
        self.finished_count = 0
        self.drained_count = 0
        self.reasons: list[str] = []
        self.on_received: Callable[[bytes], None] = lambda data: None
        self.on_finished: Callable[[], None] = lambda: None

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
        self.on_finished()

    def ended(self, reason: str) -> None:
        """The end."""
        self.reasons.append(reason)
