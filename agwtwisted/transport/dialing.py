"""TCP connections to IP addresses: a socket while it is being connected."""

from __future__ import annotations

import os
import socket
from errno import EINPROGRESS
from typing import Any, Final

from twisted.internet.error import ConnectBindError, ConnectError, TimeoutError, UserError, getConnectError
from twisted.internet.interfaces import IDelayedCall, IReactorTCP, IReadWriteDescriptor
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from agwtwisted.transport.sockets import StreamSocket, address_of, begin

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def connect(reactor: IReactorTCP, host: str, port: int, factory: ClientFactory, timeout: float) -> None:
    """Connects to an IP address, and has the factory make the `Owner` of the socket, as IReactorTCP.connectTCP does.

    A reactor that is none of Twisted's on POSIX, like those of tests, connects by itself, to sockets of its own.
    """
    if isinstance(reactor, PosixReactorBase):
        Dialing(reactor, host, port, factory, timeout).connect()
    else:
        reactor.connectTCP(host, port, factory, timeout=timeout)


@implementer(IReadWriteDescriptor)
class Dialing:
    """One connection that is being made, and its connector (IConnector), which a factory may have connect again."""

    def __init__(self, reactor: PosixReactorBase, host: str, port: int, factory: ClientFactory, timeout: float) -> None:
        self._reactor = reactor
        self._where = (host, port)
        self._factory = factory
        self._seconds = timeout
        self._timer: IDelayedCall | None = None
        self._socket: socket.socket | None = None
        self._connecting = False

    def connect(self) -> None:
        """Begins; the factory hears of the outcome in a later turn."""
        self._connecting = True
        self._timer = self._reactor.callLater(self._seconds, self._fail, TimeoutError())
        try:
            error = self._begin()
        except OSError as failed:  # there is no descriptor, perhaps
            self._reactor.callLater(0, self._fail, ConnectBindError(failed.errno, failed.strerror))
        else:
            if error not in (0, EINPROGRESS):
                self._reactor.callLater(0, self._fail, getConnectError((error, os.strerror(error))))
        self._factory.startedConnecting(self)  # type: ignore[arg-type]

    def stopConnecting(self) -> None:  # noqa: N802
        """Gives up."""
        self._fail(UserError())

    def fileno(self) -> int:
        """The descriptor."""
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """What the log calls it."""
        return "agwgateway"

    def doRead(self) -> None:  # noqa: N802
        """Not asked for."""

    def doWrite(self) -> None:  # noqa: N802
        """It is connected, or is not."""
        self._decide()

    def connectionLost(self, reason: Failure) -> None:
        """It is not."""
        self._decide()

    def _begin(self) -> int:
        host, port = self._where
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=_NUMERIC)[0]
        made = self._socket = socket.socket(family, socket.SOCK_STREAM)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = made.connect_ex(where)
        if error in (0, EINPROGRESS):
            self._reactor.addWriter(self)
        return error

    def _decide(self) -> None:
        made = self._socket
        if made is None:
            return
        error = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        try:
            peer = made.getpeername()
        except OSError as failed:
            self._fail(getConnectError((error, os.strerror(error))) if error else ConnectError(failed.errno))
            return
        self._stop()
        self._socket = None
        owner: Any = self._factory.buildProtocol(address_of(peer))
        if owner is None:
            made.close()
        else:
            begin(StreamSocket(self._reactor, made, owner, peer[:2]), owner)

    def _fail(self, error: ConnectError) -> None:
        if not self._connecting:
            return
        self._stop()
        made, self._socket = self._socket, None
        if made is not None:
            made.close()
        self._factory.clientConnectionFailed(self, Failure(error))  # type: ignore[arg-type]

    def _stop(self) -> None:
        self._connecting = False
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if self._socket is not None:
            self._reactor.removeWriter(self)
