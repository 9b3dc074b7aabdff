"""Connections to one server: its addresses in turn, and TLS where settings say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall, IReactorTime
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from agwtwisted.backends.resolver import Resolver
from agwtwisted.core.plan.server_identity import IdentityRule, ServerIdentity
from agwtwisted.tls.backend_contexts import BackendTls
from agwtwisted.tls.client import ClientHandshake
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.descriptors import SHORTAGES
from agwtwisted.transport.dialing import connect
from agwtwisted.transport.outbox import NO_OUTBOX, Outbox


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


class Dialer:
    """Opens connections to one server.

    Args:
        reactor: connects.
        host: a name, or an IP address.
        port: of the server.
        resolver: resolves the name.
        encryption: None where the server is spoken to in plain text.
        make_room: closes what is not needed, where the system gives no descriptor for a connection.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        host: str,
        port: int,
        resolver: Resolver,
        encryption: Encryption | None = None,
        *,
        outbox: Outbox = NO_OUTBOX,
        make_room: Callable[[], None] | None = None,
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._literal = isIPAddress(host) or isIPv6Address(host)
        self._port = port
        self._resolver = resolver
        self._encryption = encryption
        self._outbox = outbox
        self._make_room = make_room

    def trusts(self, tls: BackendTls) -> bool:
        """Whether this is how TLS is spoken with the server."""
        return self._encryption is not None and self._encryption.tls is tls

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
        *,
        preamble: bytes = b"",
        protocol: bytes = b"",
    ) -> Deferred[Connection]:
        """A new connection, with its TLS handshake done and the server's certificate checked.

        All of it (name, addresses, handshakes) has `timeout` seconds. Set its receiver when this fires: what the server
        says first comes right after. Cancelling ends the attempt.

        Args:
            timeout: seconds.
            identity: the result of `identity`, or another identity that the server must prove.
            preamble: bytes ahead of everything, TLS included.
            protocol: that is offered by ALPN over TLS, instead of what the settings offer.

        Raises:
            ConnectError: no address answered; UntrustedError where the last one failed over TLS.
            DNSLookupError: the name does not resolve.
        """
        if self._literal:
            return self._open(self._host, self._reactor.seconds() + timeout, identity, preamble, protocol)
        return Deferred.fromCoroutine(self._dial(timeout, identity, preamble, protocol))

    async def _dial(
        self, timeout: float, identity: ServerIdentity | None, preamble: bytes, protocol: bytes
    ) -> Connection:
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
                return await self._open(address, now + share, identity, preamble, protocol)
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
        preamble: bytes,
        protocol: bytes,
    ) -> Deferred[Connection]:
        """One address."""
        connection = Connection(self._reactor, self._outbox, preamble=preamble)
        if self._encryption is None:
            attempt = _Attempt(connection, self._reactor, self._make_room)
        else:
            identity = identity or self._encryption.rule.identity()
            tls = self._encryption.tls.handshake(self._reactor, connection, identity, until, protocol=protocol)
            attempt = _Attempt(connection, self._reactor, self._make_room, tls, identity)
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
        connection: Connection,
        clock: IReactorTime,
        make_room: Callable[[], None] | None,
        tls: ClientHandshake | None = None,
        identity: ServerIdentity | None = None,
    ) -> None:
        """With `tls` the connection may be used after that handshake, with a server that has proven `identity`."""
        self.outcome: Deferred[Connection] = Deferred(self._give_up)
        self._connection = connection
        self._identity = identity
        self._connector: IConnector | None = None
        self._clock = clock
        self._make_room = make_room
        self._again: IDelayedCall | None = None
        if tls is None:
            connection.when_open = self._opened
        else:
            tls.when_open, tls.when_failed = self._opened, self._failed

    def startedConnecting(self, connector: IConnector) -> None:
        """Keeps the connector, to be able to stop it."""
        self._connector = connector

    def buildProtocol(self, addr: IAddress | None) -> Connection:  # type: ignore[override]  # an Owner is enough
        """The connection that waits for its socket."""
        return self._connection

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
        self._connection.when_open = self._connector = None  # they lead back to the connection, and to this
        self.outcome.callback(self._connection)

    def _failed(self, reason: str) -> None:
        if not self.outcome.called:
            self.outcome.errback(UntrustedError(reason, self._identity or ServerIdentity()))

    def _give_up(self, outcome: Deferred[Connection]) -> None:
        outcome.errback(CancelledError())  # stopping fails with a ConnectError, as if no address had answered
        if self._connection.connected:
            self._connection.abort()
        elif self._again is not None and self._again.active():
            self._again.cancel()
        elif self._connector is not None:
            self._connector.stopConnecting()
