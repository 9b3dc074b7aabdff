"""The one connection of an OCSP request: which addresses of a responder may be connected to, and how much may come.

Responders are named by certificates and mostly answer over plain HTTP, so that neither is trusted: an address is
checked before it is connected to, and what was checked is what is connected to; every byte that comes is counted.
Caller: the OCSP client.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Any, Final

import attrs
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from agwtwisted.backends.reactor_resolver import ReactorResolver
from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.http.destinations import Destination, closed, refusal_of
from agwtwisted.core.revocation.ocsp import MAX_RESPONSE_BYTES
from agwtwisted.outbound.fetching import AddressRules
from agwtwisted.transport.descriptors import SHORTAGES

MAX_HEAD_BYTES: Final = 16384
"""Room for the head of a response, and for what TLS adds."""

_SHORTAGES: Final = SHORTAGES | {errno.EADDRNOTAVAIL}
"""Errors of a connection that say nothing about the responder: no descriptor, memory or local port is left."""


class AddressRefusedError(AgwError):
    """The address rules do not allow the connection."""


def descriptor_shortage() -> str:
    """Why no descriptor is to be had now; empty where one is. Resolvers and TLS do not report that they lacked one."""
    try:
        socket.socket().close()
    except OSError as error:
        return _shortage(error.errno)
    return ""


def _shortage(code: int | None) -> str:
    return f"the gateway cannot open a connection: {os.strerror(code or 0)}"


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class ResponderConnection:
    """A connection to an address of a responder that may be connected to, with a bound on the bytes received.

    Args:
        reactor: connects.
        destination: the responder.
        rules: which addresses and ports are allowed; None: all, since the operator chose the responder.
        resolver: looks its name up.
    """

    def __init__(
        self, reactor: PosixReactorBase, destination: Destination, rules: AddressRules | None, resolver: ReactorResolver
    ) -> None:
        self.abort_reason = ""
        self.is_queued = False  # the lookup of the name waits for lookups of other names
        self._reactor = reactor
        self._destination = destination
        self._rules = rules
        self._resolver = resolver
        self._protocols: list[_CountingProtocol] = []
        self._shortages: list[str] = []
        self._failures = 0

    @property
    def shortage(self) -> str:
        """Which resource of our own was lacking when no connection was made; empty where none was.

        A host without IPv6 has no local address for it either (EADDRNOTAVAIL): that counts only where no other address
        was tried.
        """
        sure = [each for each in self._shortages if each]
        if sure:
            return sure[0]
        only_ipv6 = self._shortages and len(self._shortages) == self._failures
        return _shortage(errno.EADDRNOTAVAIL) if only_ipv6 else ""

    def failed(self, host: str, code: int | None) -> None:
        """Notes that connecting to an address failed with this error code of the system."""
        self._failures += 1
        if code in _SHORTAGES:
            is_sure = code != errno.EADDRNOTAVAIL or not isIPv6Address(host)
            self._shortages.append(_shortage(code) if is_sure else "")

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """The endpoint of the destination; there is no other: a redirect gets a connection of its own."""
        if self._destination.scheme == "https":
            options = optionsForClientTLS(self._destination.host)
            endpoint: IStreamClientEndpoint = wrapClientTLS(options, self)
            return endpoint
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """Connects, to the first permitted address that answers."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        endpoint = self._endpoint(await self._addresses(self._destination.host))
        counting: Any = WrappingFactory(factory)
        counting.noisy = False
        counting.protocol = self._counting
        counted: Any = await endpoint.connect(counting)
        protocol: IProtocol = counted.wrappedProtocol
        return protocol

    def _endpoint(self, addresses: Sequence[str]) -> IStreamClientEndpoint:
        """The endpoint of these addresses. HostnameEndpoint would report the failure of a single one only later."""
        reactor, port = _PinnedReactor(self._reactor, self, addresses), self._destination.port
        if len(addresses) != 1:
            several: IStreamClientEndpoint = HostnameEndpoint(reactor, self._destination.host, port)
            return several
        kind = TCP6ClientEndpoint if isIPv6Address(addresses[0]) else TCP4ClientEndpoint
        single: IStreamClientEndpoint = kind(reactor, addresses[0], port)
        return single

    async def _addresses(self, host: str) -> Sequence[str]:
        """The addresses that may be connected to; none where the name has none. Raises AddressRefusedError."""
        found: Sequence[str] = (host,)
        if not isIPAddress(host) and not isIPv6Address(host):

            def begun() -> None:
                self.is_queued = False

            self.is_queued = True
            found = await self._resolver.addresses(host, begun)
        if self._rules is None:
            return found
        permitted = [each for each in found if not closed(each, self._rules.networks)]
        is_port_open = any(self._destination.port in each for each in self._rules.ports)
        if is_port_open and (permitted or not found):
            return permitted
        raise AddressRefusedError(refusal_of(self._destination, () if permitted else found, self._rules.ports))

    def abort(self) -> None:
        """Closes the connection at once, if there is one."""
        for protocol in self._protocols:
            protocol.abort()

    def leads_to_ourselves(self, transport: Any) -> bool:
        """Whether the other end is a listener of this gateway."""
        host, peer = transport.getHost(), transport.getPeer()
        return self._rules is not None and peer.port in self._rules.own_ports and peer.host == host.host

    def _counting(self, factory: Any, wrapped: IProtocol) -> _CountingProtocol:
        protocol = _CountingProtocol(factory, wrapped, self)
        self._protocols.append(protocol)
        return protocol


class _CountingProtocol(ProtocolWrapper):
    """Counts received bytes, and aborts the connection when there are too many."""

    def __init__(self, factory: Any, wrapped: IProtocol, connection: ResponderConnection) -> None:
        super().__init__(factory, wrapped)
        self._connection = connection
        self._room = MAX_HEAD_BYTES + MAX_RESPONSE_BYTES

    def makeConnection(self, transport: Any) -> None:
        """Connected; nothing has been sent yet."""
        super().makeConnection(transport)
        if self._connection.leads_to_ourselves(transport):
            peer = transport.getPeer()
            where = f"{peer.host} port {peer.port}"
            self._connection.abort_reason = f"the responder's address {where} is one of the gateway's own listeners"
            self.abort()

    def dataReceived(self, data: bytes) -> None:
        """Passes bytes on while there is room for them."""
        self._room -= len(data)
        if self._room < 0:
            self._connection.abort_reason = "the response is too long"
            self.abort()
        else:
            super().dataReceived(data)

    def abort(self) -> None:
        """Closes the connection at once."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


@implementer(IReactorTime, IReactorTCP, IReactorPluggableNameResolver)
class _PinnedReactor:
    """What an endpoint needs of a reactor, with a resolver that has these addresses and no others.

    So the addresses that were checked are those that are connected to: nothing is resolved twice.
    """

    def __init__(self, reactor: PosixReactorBase, connection: ResponderConnection, addresses: Sequence[str]) -> None:
        self.seconds = reactor.seconds
        self.callLater = reactor.callLater
        self.getDelayedCalls = reactor.getDelayedCalls
        self.listenTCP = reactor.listenTCP
        self.nameResolver = _PinnedResolver(addresses)
        self._connect_tcp = reactor.connectTCP
        self._connection = connection

    def connectTCP(self, host: str, port: int, factory: Any, *args: Any, **options: Any) -> Any:  # noqa: N802
        """As the reactor's, and notes why it failed: endpoints keep one reason of several."""
        fails = factory.clientConnectionFailed

        def failed(connector: Any, reason: Failure) -> None:
            self._connection.failed(host, getattr(reason.value, "osError", None))
            fails(connector, reason)

        factory.clientConnectionFailed = failed
        return self._connect_tcp(host, port, factory, *args, **options)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:  # noqa: N802
        """Is not called: raises NotImplementedError."""
        raise NotImplementedError


@implementer(IHostResolution)
@attrs.frozen
class _Complete:
    """A resolution that needs no time."""

    name: str

    def cancel(self) -> None:
        """Does nothing: it is complete."""


@implementer(IHostnameResolver)
class _PinnedResolver:
    """Has the addresses already."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    def resolveHostName(  # noqa: N802
        self,
        resolutionReceiver: IResolutionReceiver,  # noqa: N803
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        *args: Any,
        **options: Any,
    ) -> IHostResolution:
        """As IHostnameResolver says, at once."""
        resolution = _Complete(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for each in self._addresses:
            kind = IPv6Address if isIPv6Address(each) else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", each, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution
