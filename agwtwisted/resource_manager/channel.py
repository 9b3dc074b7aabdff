"""One connection to the control plane: TLS, then one request and one answer, as on the control API.

Only a client that has proven who it is may send a long body: what others send is bounded by little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IHandshakeListener, IOpenSSLServerConnectionCreator, IReactorTime
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from agwtwisted.control.channel import ANSWER_TIMEOUT, BODY, ChannelOwner, ChannelState, ControlChannel, ControlRequest
from agwtwisted.control.connections import ControlConnections

LONGEST_BODY: Final = 16 << 20
"""Bytes of a body, of a client that has proven who it is."""

_MALFORMED_BODY: Final = b'{"error": {"code": "InvalidRequestFormat", "message": "This is no request of HTTP/1.1."}}'


CONNECTIONS: Final = 128
"""At once: so many that one which begins is not pushed out before its handshake is done."""


@implementer(IHandshakeListener)
class ArmChannel(ControlChannel):
    """One connection.

    Args:
        owner: answers its request.
        is_proven: whether the head of a request proves who its client is.
    """

    request_timeout = 60.0
    malformed = (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(_MALFORMED_BODY), _MALFORMED_BODY)
    )

    def __init__(self, owner: ChannelOwner, is_proven: Callable[[ControlRequest], bool]) -> None:
        super().__init__(owner)
        self._is_proven = is_proven
        self._has_begun = False

    def handshakeCompleted(self) -> None:  # noqa: N802
        """TLS has begun: as Twisted has it."""
        self._has_begun = True

    @property
    def rank(self) -> int:
        """One that has not even begun TLS gives way first: silent ones never break off a request or an answer."""
        return self.state if self._has_begun else -1

    def longest_body(self, request: ControlRequest) -> int:
        """As `ControlChannel` has it."""
        return LONGEST_BODY if self._is_proven(request) else BODY

    def loseConnection(self) -> None:
        """Sends what there is, and the end of TLS; the client closes then, in time."""
        transport: Any = self.transport
        if self.state is ChannelState.CLOSING or transport is None:
            return
        self.state = ChannelState.CLOSING
        self._limit(ANSWER_TIMEOUT)
        transport.unregisterProducer()
        transport.resumeProducing()
        transport.loseConnection()


def arm_connections(
    reactor: IReactorTime,
    respond: Callable[[ControlRequest], None],
    is_proven: Callable[[ControlRequest], bool],
) -> ControlConnections:
    """The factory of the connections, within TLS."""
    return ControlConnections(reactor, respond, partial(ArmChannel, is_proven=is_proven), CONNECTIONS)


class TlsConnections(TLSMemoryBIOFactory):
    """The factory of the same connections with TLS around them.

    Args:
        creator: makes the TLS of each.
        connections: what is inside.
        reactor: has the clock.
    """

    noisy = False

    def __init__(
        self, creator: IOpenSSLServerConnectionCreator, connections: ControlConnections, reactor: IReactorTime
    ) -> None:
        super().__init__(creator, False, connections, clock=reactor)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection has come; None: it is closed, since all others are being answered."""
        inside = self.wrappedFactory.buildProtocol(addr)
        return None if inside is None else self.protocol(self, inside)
