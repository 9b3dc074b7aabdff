"""Connections to one server: its addresses in turn, and TLS where settings say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall, IReactorTime
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from agwtwisted.backends.resolver import Resolver
from agwtwisted.core.plan.server_identity import IdentityRule, ServerIdentity
from agwtwisted.tls.backend_contexts import BackendTls
from agwtwisted.tls.client import TlsClientWire
from agwtwisted.transport.descriptors import SHORTAGES
from agwtwisted.transport.sockets import connect
from agwtwisted.transport.streaming import TcpWire


class UnreachableError(ConnectError):
    """There is no way to a server; `str` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(string=reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class UntrustedError(UnreachableError):
    """A server was reached, and TLS with it failed: it is not the one that was wanted, or speaks no TLS of ours."""

    def __init__(self, reason: str, identity: ServerIdentity) -> None:
        super().__init__(reason)
        self.identity = identity

    @property
    def blames_server(self) -> bool:
        """Whether the server is at fault, rather than the client who chose the name that the server must prove."""
        return not self.identity.of_client


@attrs.frozen(kw_only=True, eq=False)
class Encryption:
    """How TLS is spoken with one server, and which name it must prove."""

    tls: BackendTls
    rule: IdentityRule


def _as_it_is(wire: TcpWire) -> None:
    """Nothing to prepare."""


class Dialer:
    """Opens connections to one server.

    Args:
        reactor: connects.
        host: a name, or an IP address.
        port: of the server.
        resolver: resolves the name.
        encryption: None where the server is spoken to in plain text.
        plain: the kind of wire without TLS.
        encrypted: the kind of wire with TLS.
        make_room: closes what is not needed, where the system gives no descriptor for a connection.
    """

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        resolver: Resolver,
        encryption: Encryption | None = None,
        *,
        plain: type[TcpWire] = TcpWire,
        encrypted: type[TlsClientWire] = TlsClientWire,
        make_room: Callable[[], None] | None = None,
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._literal = isIPAddress(host) or isIPv6Address(host)
        self._port = port
        self._resolver = resolver
        self._encryption = encryption
        self._plain = plain
        self._encrypted = encrypted
        self._make_room = make_room

    def identity(self, requested: str = "") -> ServerIdentity | None:
        """The identity that the server must prove for a request to a host; None: it is not verified.

        Connections that were opened with different identities must not be taken for each other.
        """
        return None if self._encryption is None else self._encryption.rule.identity(requested)

    def identity_for_probe(self, host: str) -> ServerIdentity | None:
        """The identity that the server must prove for a probe, which may have a host of its own; None: it is not
        verified.
        """
        return None if self._encryption is None else self._encryption.rule.identity_for_probe(host)

    def dial(
        self,
        timeout: float,
        identity: ServerIdentity | None = None,
        prepare: Callable[[Any], None] = _as_it_is,
        *,
        protocol: bytes = b"",
    ) -> Deferred[TcpWire]:
        """A new connection, with its TLS handshake done and the server's certificate checked.

        All of it (name, addresses, handshakes) has `timeout` seconds. Set the wire's receiver when this fires: what the
        server says first comes right after. Cancelling ends the attempt.

        Args:
            timeout: seconds.
            identity: the result of `identity`, or another identity that the server must prove.
            prepare: is given each wire before it connects.
            protocol: that is offered by ALPN over TLS, instead of what the settings offer.

        Raises:
            ConnectError: no address answered; UntrustedError where the last one failed over TLS.
            DNSLookupError: the name does not resolve.
        """
        if self._literal:
            return self._open(self._host, self._reactor.seconds() + timeout, identity, prepare, protocol)
        return Deferred.fromCoroutine(self._dial(timeout, identity, prepare, protocol))

    async def _dial(
        self, timeout: float, identity: ServerIdentity | None, prepare: Callable[[Any], None], protocol: bytes
    ) -> TcpWire:
        error: ConnectError = UnreachableError(f"{self._host} has no address")
        until = self._reactor.seconds() + timeout
        addresses = await self._addresses(timeout)
        for count, address in enumerate(addresses):
            now = self._reactor.seconds()
            if now >= until:
                break
            # Every address has its share of what is left: one that is silent does not take it all.
            share = (until - now) / (len(addresses) - count)
            try:
                return await self._open(address, now + share, identity, prepare, protocol)
            except ConnectError as failed:
                error = failed
        raise error

    async def _addresses(self, timeout: float) -> Sequence[str]:
        try:
            return await self._resolver.addresses(self._host).addTimeout(timeout, self._reactor)
        except TimeoutError:
            raise UnreachableError(f"{self._host} was not resolved in time") from None

    def _open(
        self,
        address: str,
        until: float,
        identity: ServerIdentity | None,
        prepare: Callable[[Any], None],
        protocol: bytes,
    ) -> Deferred[TcpWire]:
        """One address."""
        wire: TcpWire
        if self._encryption is None:
            wire = self._plain(self._reactor)
        else:
            identity = identity or self._encryption.rule.identity()
            wire = self._encryption.tls.wire(self._reactor, identity, until, protocol=protocol, kind=self._encrypted)
        prepare(wire)
        attempt = _Attempt(wire, identity, self._reactor, self._make_room)
        connect(self._reactor, address, self._port, attempt, until - self._reactor.seconds())
        return attempt.outcome


def is_shortage(failure: Failure) -> bool:
    """Whether a connection could not even be tried: that is no news of the server."""
    return isinstance(failure.value, ConnectError) and failure.value.osError in SHORTAGES


class _Attempt(ClientFactory):
    """Makes one connection and reports when it may be used."""

    noisy = False

    def __init__(
        self,
        wire: TcpWire,
        identity: ServerIdentity | None,
        clock: IReactorTime,
        make_room: Callable[[], None] | None,
    ) -> None:
        self.outcome: Deferred[TcpWire] = Deferred(self._give_up)
        self._wire = wire
        self._identity = identity
        self._connector: IConnector | None = None
        self._clock = clock
        self._make_room = make_room
        self._again: IDelayedCall | None = None
        wire.when_open = self._opened
        if isinstance(wire, TlsClientWire):
            wire.when_failed = self._failed

    def startedConnecting(self, connector: IConnector) -> None:
        """Keeps the connector, to be able to stop it."""
        self._connector = connector

    def buildProtocol(self, addr: IAddress | None) -> TcpWire:
        """The wire that waits for its transport."""
        return self._wire

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """This address did not answer, or there was no descriptor for it; where room can be made, once more."""
        if self.outcome.called:
            return
        make_room, self._make_room = self._make_room, None
        if make_room is not None and is_shortage(reason):
            make_room()
            self._again = self._clock.callLater(0, connector.connect)  # what was closed is closed by then
        else:
            self.outcome.errback(reason)

    def _opened(self) -> None:
        self._wire.when_open = None  # it leads back to the wire
        self.outcome.callback(self._wire)

    def _failed(self, reason: str) -> None:
        if not self.outcome.called:
            self.outcome.errback(UntrustedError(reason, self._identity or ServerIdentity()))

    def _give_up(self, outcome: Deferred[TcpWire]) -> None:
        outcome.errback(CancelledError())  # stopping fails with a ConnectError, as if no address had answered
        if self._wire.connected:
            self._wire.abort()
        elif self._again is not None and self._again.active():
            self._again.cancel()
        elif self._connector is not None:
            self._connector.stopConnecting()
