"""Datagram ports without lines in the log: a lookup of a name has several, each for one question."""

from __future__ import annotations

from typing import Any

from twisted.internet import udp
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import DatagramProtocol
from twisted.python import log


class _QuietLog:
    """Takes the place of twisted.python.log in twisted.internet.udp, and leaves out what is no error."""

    def msg(self, *_: object, **__: object) -> None:
        """Says nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(log, name)


def listen_quietly(reactor: Any, port: int, protocol: DatagramProtocol, *args: Any, **options: Any) -> IListeningPort:
    """As reactor.listenUDP, without a line for each port that is opened and closed, and each protocol.

    Twisted asks the protocol about its own lines (`noisy`), and nothing about those of ports.
    """
    vars(udp)["log"] = _QuietLog()
    protocol.noisy = False
    listening: IListeningPort = reactor.listenUDP(port, protocol, *args, **options)
    return listening
