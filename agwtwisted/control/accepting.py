"""Accepts the connections of one listening socket of the control API, a Unix socket or TCP."""

from __future__ import annotations

import socket
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IProtocolFactory
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.transport.descriptors import SHORTAGES
from agwtwisted.transport.sockets import BoundSocket

AGAIN: Final = 1.0
"""Seconds between two looks whether there are descriptors, or whether another gateway has let go of the socket."""


class Acceptor:
    """Serves on a bound socket, which is its own from now on.

    Args:
        reactor: runs it.
        bound: the socket, which listens.
        factory: makes the protocol of each connection.
    """

    def __init__(self, reactor: PosixReactorBase, bound: socket.socket, factory: IProtocolFactory) -> None:
        self._reactor = reactor
        self._bound = bound
        self._factory = factory
        self._listening = BoundSocket(reactor, bound, self._accept)
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Begins to accept."""
        self._timer = None
        self._listening.start()

    def stop(self) -> None:
        """Accepts no more, and closes the socket."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._listening.close()

    def _accept(self) -> None:
        try:
            accepted, _ = self._bound.accept()
            with accepted:  # Twisted duplicates the descriptor
                accepted.setblocking(False)
                # Not by adoptStreamPort, which opens a Unix socket to all users.
                self._reactor.adoptStreamConnection(accepted.fileno(), self._bound.family, self._factory)
        except OSError as error:  # it is gone already, or there is no descriptor for it
            if error.errno in SHORTAGES:
                self._pause()

    def _pause(self) -> None:
        """Accepts nothing for a moment: connections wait, and the reactor does not try again in each turn."""
        if self._timer is None:
            self._listening.stop()
            self._timer = self._reactor.callLater(AGAIN, self.start)
