"""The control API on TCP: an address of this machine alone, bound before the start, so that a busy port stops it.

In an upgrade, where two gateways share their ports (`reuse_port`), it is taken once the other gateway ends: requests
to the one must not reach the other.
"""

from __future__ import annotations

import socket
from errno import EADDRINUSE
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocolFactory
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.control.accepting import AGAIN, Acceptor

_BACKLOG: Final = 64


class ControlPort(Service):
    """Serves on TCP.

    Args:
        reactor: runs it.
        address: an IP address of loopback.
        port: its port.
        factory: makes the protocol of each connection.
        waits: whether a busy port is waited for.
    """

    _log = Logger()
    serves = "Control API and console on http://{where}/"
    """What the log says once it serves."""

    def __init__(
        self, reactor: PosixReactorBase, address: str, port: int, factory: IProtocolFactory, *, waits: bool = False
    ) -> None:
        self.setName("control port")
        self._reactor = reactor
        self._address = address
        self._port = port
        self._factory = factory
        self._waits = waits
        self._acceptor: Acceptor | None = None
        self._timer: IDelayedCall | None = None

    @property
    def where(self) -> str:
        """As the log has it, and a URL."""
        return authority(self._address, self._port)

    def open(self) -> bool:
        """Takes the port, if it has not yet; False: another program has it, and it is waited for. Raises OSError."""
        if self._acceptor is None:
            try:
                bound = _bound(self._address, self._port)
            except OSError as error:
                if self._waits and error.errno == EADDRINUSE:
                    return False
                raise
            self._acceptor = Acceptor(self._reactor, bound, self._factory)
        return True

    def startService(self) -> None:
        """Serves, from when the port can be had."""
        super().startService()
        if not self._serve():
            self._log.warn("The control port {where} is another program's: waiting for its end", where=self.where)

    def stopService(self) -> Deferred[None] | None:
        """Closes it: the next gateway may have it."""
        super().stopService()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.stop()
        return None

    def _serve(self) -> bool:
        self._timer = None
        try:
            taken = self.open()
        except OSError as error:  # it was bound before the start, except where it was waited for
            self._log.error("The control port {where}: {reason}", where=self.where, reason=error.strerror)
            return True
        if taken and self._acceptor is not None:
            self._acceptor.start()
            self._log.info(self.serves, where=self.where)
        else:
            self._timer = self._reactor.callLater(AGAIN, self._serve)
        return taken


def authority(host: str, port: int) -> str:
    """Host and port as a URL and the header Host have them (RFC 3986, section 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def hosts(address: str, port: int) -> frozenset[str]:
    """What the header Host may be for the control port: its address or ``localhost``, in small letters."""
    named = [authority(each, port) for each in (address, "localhost")]
    return frozenset(named) | (frozenset((address, "localhost")) if port == _DEFAULT else frozenset())


_DEFAULT: Final = 80
"""The port that a client leaves out (RFC 9110, section 4.2.1)."""


def _bound(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(_BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound
