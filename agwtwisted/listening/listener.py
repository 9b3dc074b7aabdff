"""Accepts connections on one bound socket; bound before the start, so that a busy port stops it."""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.base.errors import AgwError
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.ports import Port
from agwtwisted.transport.descriptors import SHORTAGES
from agwtwisted.transport.sockets import BoundSocket, StreamSocket, begin

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


class InheritedSocket(socket.socket):
    """A listening socket that another process has made, and keeps: nothing of this gateway's end may remain on it."""


def bind(address: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A listening socket; raises `BindError`. On ``::`` it takes IPv6 only, so that 0.0.0.0 may stand beside it.

    With `reuse_port` other sockets of the same user may listen on the same address, if they say so as well. Such a one
    is bound alone: it gets its share of the connections from when `ListeningSocket` starts, and not in a start that
    fails, which would reset them.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # no descriptor is left, or the system has no IPv6
        raise BindError(address, port, error) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # for every connection that it accepts
        bound.bind((address, port))
        if not reuse_port:
            bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise BindError(address, port, error) from error
    return bound


class ListeningSocket(Service):
    """One bound socket. At the limit of connections one is closed for a new one, or else new ones wait.

    Its `port` may be replaced at any time: connections that are accepted from then on are those of the new one.
    """

    _log = Logger()

    def __init__(self, reactor: PosixReactorBase, bound: socket.socket, port: Port[Any], limits: Limits) -> None:
        self.setName("listener " + display(*bound.getsockname()[:2]))
        self.port = port
        self._reactor = reactor
        self._bound = BoundSocket(reactor, bound, self._accept)
        self._limits = limits
        self._accepted = 0
        self._is_left = isinstance(bound, InheritedSocket)
        limits.subscribe(self._limits_changed)

    def startService(self) -> None:
        """Begins to accept."""
        super().startService()
        if not isinstance(self._bound.socket, InheritedSocket):
            self._bound.socket.listen(BACKLOG)
        self._bound.start()

    def leave(self) -> None:
        """Has the end leave the socket as it is, for another process that has it as well, and serves it next.

        Connections that come meanwhile wait there for that one.
        """
        self._is_left = True

    def stopService(self) -> Deferred[None]:
        """Accepts no more; fires once the socket is closed."""
        if not self.running:
            self._let_go()
            return succeed(None)
        self.running = 0
        if self._is_left:  # connections that wait are for the next process
            self._let_go()
            return succeed(None)
        drop_newcomers(self._bound.socket)
        return deferLater(self._reactor, SETTLING, self._close)

    def _close(self) -> None:
        self._accept_waiting()
        self._let_go()

    def _let_go(self) -> None:
        self._limits.unsubscribe(self._limits_changed)
        self._bound.close()

    def _accept_waiting(self) -> None:
        """Connections in the backlog are served: closing the socket would reset them."""
        for _ in range(BACKLOG // AT_ONCE + 1):
            before = self._accepted
            self._accept()
            if self._accepted == before:
                return

    def _accept(self) -> None:
        """Accepts waiting connections; at the limit, each in the place of another."""
        for _ in range(AT_ONCE):
            limits = self._limits
            if limits.paused:
                return
            victim = None
            if not limits.reserve():
                victim = limits.victim()
                if victim is None:
                    limits.pause()
                    return
            try:
                accepted, client = self._bound.socket.accept()
            except BlockingIOError:
                limits.give_back()
                return
            except OSError as error:
                if error.errno in SHORTAGES:
                    self._fall_short(error)
                    limits.give_back()
                    return
                continue  # that one is gone already (accept(2))
            if victim is not None:
                limits.make_room(victim)
            self._take(accepted, client)
        limits.give_back()

    def _take(self, accepted: socket.socket, client: tuple[Any, ...]) -> None:
        """Gives a connection its transport, unless the port refuses it."""
        try:
            if len(client) == 4 and client[3]:  # its host is one of a link, which its name says then
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
        accepted.setblocking(False)
        try:
            stream = StreamSocket(self._reactor, accepted, protocol, client[:2], number)
        except Exception:  # the reactor cannot watch one more, perhaps
            self._log.failure("Unexpected error while a connection is accepted")
            accepted.close()
            protocol.connectionLost(Failure(ConnectionAborted()))
            return
        begin(stream, protocol)

    def _fall_short(self, error: OSError) -> None:
        """There is no descriptor or no memory: a connection that keeps the gateway waiting is closed, and accepting
        pauses for a moment.
        """
        limits = self._limits
        limits.say(f"no connection can be accepted ({error.strerror}): is LimitNOFILE (ulimit -n) high enough?")
        victim = limits.victim()
        if victim is not None:
            limits.make_room(victim)
        limits.pause()

    def _limits_changed(self) -> None:
        # What cannot be accepted now waits in the kernel's backlog.
        if self.running and self._limits.paused:
            self._bound.stop()
        elif self.running:
            self._bound.start()
