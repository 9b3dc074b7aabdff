"""Accepts connections on one bound socket; bound before the start, so that a busy port stops it."""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.address import IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection as TcpConnection
from twisted.internet.tcp import Port as TcpPort
from twisted.internet.tcp import Server as TcpServer
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.base.errors import AgwError
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.ports import Port
from agwtwisted.transport.descriptors import SHORTAGES
from agwtwisted.transport.streaming import CLOSED

BACKLOG = 1024
"""Connections that the kernel completes ahead of us; the system's own limit (somaxconn) may be lower."""

AT_ONCE: Final = 16
"""Connections of one port that a turn of the reactor accepts at most: those that there are wait so long."""


SETTLING: Final = 0.1
"""Seconds in which connections that have begun become whole, before the socket is closed."""

_SO_ATTACH_FILTER: Final = 26  # of Linux, which the socket module does not name

_DROP_SYN: Final = (
    (0x30, 0, 0, 13),  # load the flags of the TCP header
    (0x54, 0, 0, 0x12),  # SYN and ACK of them
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drops the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # lets it pass
)
"""A program of Linux's classic BPF (Documentation/networking/filter.rst): code, steps if true, steps if not, value."""


class BindError(AgwError):
    """An address and port that cannot be listened on; the message says which and why."""

    def __init__(self, address: str, port: int, error: OSError) -> None:
        self.where = (address, port)
        super().__init__(f"cannot listen on {display(address, port)}: {error.strerror or error}")


def display(address: str, port: int) -> str:
    """``address:port``, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def drop_newcomers(listening: socket.socket) -> None:
    """Has the kernel drop whatever would begin a connection, while those that have begun become whole, and wait.

    A client whose SYN is dropped sends it again in a second, and is refused then, or gets the next gateway: it has been
    promised nothing. Closing the socket instead would reset clients that take themselves for connected, and have asked
    already. Where the system knows no socket filters there is that moment.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN))
    described = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(program))
    with suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def bind(address: str, port: int) -> socket.socket:
    """A listening socket; raises `BindError`. On ``::`` it takes IPv6 only, so that 0.0.0.0 may stand beside it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # for every connection that it accepts
        bound.bind((address, port))
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise BindError(address, port, error) from error
    return bound


class _Accepted(TcpServer):
    """Twisted's transport of an accepted connection, without the names for its log that it renders for each."""

    logstr = "agwgateway"
    _shouldShutdown = False  # noqa: N815 - Twisted's name  # close(2) is enough: nobody else has the socket

    def __init__(
        self,
        sock: socket.socket,
        protocol: IProtocol,
        client: tuple[Any, ...],
        server: TcpPort,
        number: int,
        reactor: Any,
    ) -> None:
        TcpConnection.__init__(self, sock, protocol, reactor)
        if len(client) != 2:
            self._addressType = IPv6Address
        self.server = server
        self.client = client
        self.sessionno = number
        self.hostname = client[0]
        self.startReading()
        self.connected = 1

    def __repr__(self) -> str:
        return f"<connection {self.sessionno} of {self.hostname}>"

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Whether small pieces go at once. They do: the listening socket's option is that of its connections."""
        if not enabled:
            super().setTcpNoDelay(enabled)


class _Accepting(Factory):
    """Asks the port for the protocol of each connection."""

    noisy = False

    def __init__(self, port: Port[Any]) -> None:
        self._port = port

    def logPrefix(self) -> str:
        """What the log calls the port."""
        return "agwgateway"

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:  # type: ignore[override]
        """The connection's protocol; None closes it."""
        return self._port.accept(addr.host, addr.port)  # type: ignore[attr-defined]


class ListeningSocket(Service):
    """One bound socket. Where there are as many connections as may be one gives way, or else the next ones wait."""

    _log = Logger()

    def __init__(self, reactor: Any, bound: socket.socket, port: Port[Any], limits: Limits) -> None:
        self.setName("listener " + display(*bound.getsockname()[:2]))
        self.port = port
        self._reactor = reactor
        self._bound = bound
        self._limits = limits
        self._accepting: TcpPort | None = None
        self._accepted = 0
        limits.subscribe(self._limits_changed)

    def startService(self) -> None:
        """Begins to accept."""
        super().startService()
        factory = _Accepting(self.port)
        self._accepting = self._reactor.adoptStreamPort(self._bound.fileno(), self._bound.family, factory)
        self._accepting.doRead = self._accept  # type: ignore[method-assign]  # Twisted's own takes three times as many steps
        self._bound.close()  # the reactor has its own descriptor now

    def stopService(self) -> Deferred[None]:
        """Accepts no more; fires once the socket is closed."""
        self.running = 0
        if self._accepting is None:
            self._bound.close()
            return succeed(None)
        drop_newcomers(self._accepting.socket)
        return deferLater(self._reactor, SETTLING, self._close)

    def _close(self) -> None:
        self._accept_waiting()
        accepting, self._accepting = self._accepting, None
        if accepting is not None:
            accepting.connectionLost(CLOSED)  # in the same breath: Twisted's own way takes a turn of the reactor

    def _accept_waiting(self) -> None:
        """Whoever has connected is served: closing the socket would reset all that wait in the backlog."""
        for _ in range(BACKLOG // AT_ONCE + 1):
            before = self._accepted
            self._accept()
            if self._accepted == before:
                return

    def _accept(self) -> None:
        """Lets those in that wait; where there are as many as there may be, each in the place of another."""
        for _ in range(AT_ONCE):
            accepting, limits = self._accepting, self._limits
            if accepting is None or limits.paused:
                return
            victim = None
            if limits.connections.full:
                victim = limits.victim()
                if victim is None:
                    limits.pause()
                    return
            try:
                accepted, client = accepting.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SHORTAGES:
                    self._fall_short(error)
                    return
                continue  # that one is gone already (accept(2))
            if victim is not None:
                limits.make_room(victim)
            self._take(accepted, client, accepting)

    def _take(self, accepted: socket.socket, client: tuple[Any, ...], accepting: TcpPort) -> None:
        """Gives a connection its transport, unless the port will not have it."""
        try:
            if len(client) == 4 and client[3]:  # its host is one of a link, which its name tells then
                host, _ = socket.getnameinfo(client, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
                client = (host, *client[1:])
            protocol = self.port.accept(client[0], client[1])
        except Exception:  # this one is lost; the reactor would give up the listening socket
            self._log.failure("Unexpected error while a connection is accepted")
            protocol = None
        if protocol is None:
            accepted.close()
            return
        number, self._accepted = self._accepted, self._accepted + 1
        try:
            transport = _Accepted(accepted, protocol, client, accepting, number, self._reactor)
        except Exception:  # the reactor cannot watch one more, perhaps
            self._log.failure("Unexpected error while a connection is accepted")
            accepted.close()
            protocol.connectionLost(Failure(ConnectionAborted()))
            return
        try:
            protocol.makeConnection(transport)
        except Exception:  # the same
            self._log.failure("Unexpected error while a connection begins")
            transport.abortConnection()

    def _fall_short(self, error: OSError) -> None:
        """The system gives no descriptor, or no memory: who keeps us waiting gives way, and all wait for a moment."""
        limits = self._limits
        limits.say(f"no connection can be accepted ({error.strerror}): is LimitNOFILE (ulimit -n) high enough?")
        victim = limits.victim()
        if victim is not None:
            limits.make_room(victim)
        limits.pause()

    def _limits_changed(self) -> None:
        # What cannot be accepted now waits in the kernel's backlog.
        if self._accepting is not None:
            if self._limits.paused:
                self._accepting.stopReading()
            else:
                self._accepting.startReading()
