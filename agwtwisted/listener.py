"""Accepts connections on one bound socket; bound before the start, so that a busy port stops it."""

from __future__ import annotations

import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.address import IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Connection as TcpConnection
from twisted.internet.tcp import Port as TcpPort
from twisted.internet.tcp import Server as TcpServer

from agwtwisted.core.errors import AgwError
from agwtwisted.ports import Limits, Port

BACKLOG = 1024
"""Connections that the kernel completes ahead of us; the system's own limit (somaxconn) may be lower."""


class BindError(AgwError):
    """An address and port that cannot be listened on; the message says which and why."""

    def __init__(self, address: str, port: int, error: OSError) -> None:
        self.where = (address, port)
        super().__init__(f"cannot listen on {display(address, port)}: {error.strerror or error}")


def display(address: str, port: int) -> str:
    """``address:port``, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def bind(address: str, port: int) -> socket.socket:
    """A listening socket; raises `BindError`. On ``::`` it takes IPv6 only, so that 0.0.0.0 may stand beside it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
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


class _Accepting(Factory):
    """Asks the port for the protocol of each connection."""

    noisy = False
    accepting: TcpPort | None = None

    def __init__(self, port: Port[Any]) -> None:
        self._port = port

    def logPrefix(self) -> str:
        """What the log calls the port."""
        return "agwgateway"

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:  # type: ignore[override]
        """The connection's protocol; None closes it."""
        if self.accepting is not None:
            # Twisted sets this anew after each turn, to what it accepted in it, 1 at least: so a turn accepts one, and
            # a limit that is reached holds for the very next.
            self.accepting.numberAccepts = 0
        return self._port.accept(addr)


class Listener(Service):
    """One bound socket. Stops accepting while the gateway has as many connections as it may."""

    def __init__(self, reactor: Any, bound: socket.socket, port: Port[Any], limits: Limits) -> None:
        self.setName("listener " + display(*bound.getsockname()[:2]))
        self.port = port
        self._reactor = reactor
        self._bound = bound
        self._limits = limits
        self._accepting: TcpPort | None = None
        limits.subscribe(self._limits_changed)

    def startService(self) -> None:
        """Begins to accept."""
        super().startService()
        factory = _Accepting(self.port)
        self._accepting = self._reactor.adoptStreamPort(self._bound.fileno(), self._bound.family, factory)
        self._accepting.transport = _Accepted
        factory.accepting = self._accepting
        factory.accepting.numberAccepts = 1
        self._bound.close()  # the reactor has its own descriptor now

    def stopService(self) -> Deferred[None]:
        """Accepts no more; fires once the socket is closed."""
        self.running = 0
        accepting, self._accepting = self._accepting, None
        if accepting is None:
            self._bound.close()
            return succeed(None)
        stopped = accepting.stopListening()
        return succeed(None) if stopped is None else stopped

    def _limits_changed(self) -> None:
        # What cannot be accepted now waits in the kernel's backlog.
        if self._accepting is not None:
            if self._limits.may_accept:
                self._accepting.startReading()
            else:
                self._accepting.stopReading()
