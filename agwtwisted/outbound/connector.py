"""Opens connections for the gateway's own requests: to permitted addresses, directly or through a proxy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.failure import Failure

from agwtwisted.backends.connecting import Dialer, Encryption, UnreachableError, UntrustedError
from agwtwisted.backends.reactor_resolver import ReactorResolver
from agwtwisted.backends.resolver import resolver_of
from agwtwisted.core.base.expiring import Expiring
from agwtwisted.core.http.destinations import Destination
from agwtwisted.core.http.service_urls import ProxyAddress
from agwtwisted.core.plan.server_identity import IdentityRule
from agwtwisted.outbound.addresses import found_of, is_literal, permitted
from agwtwisted.outbound.fetching import AddressRules
from agwtwisted.outbound.proxy_tunnel import ProxyError, ProxyTunnel
from agwtwisted.outbound.racing import first_of
from agwtwisted.outbound.requests import connect_octets
from agwtwisted.outbound.shortages import FailedAddresses
from agwtwisted.tls import system_roots
from agwtwisted.tls.backend_contexts import HTTP_PROTOCOLS, BackendTls
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import outbox_of

T = TypeVar("T")

LONGEST_DIAL: Final = 3600.0
"""Seconds that a dialler would take: the client ends it before, and knows why."""

NAME_TTL: Final = 5.0
"""Seconds for which the addresses of a name are kept, so that a thread looks it up once for many questions."""

MAX_NAMES: Final = 256


class Waits:
    """What a request waits for now, so that it can be given up, and what it has met on the way."""

    def __init__(self) -> None:
        self.is_queued = False  # the lookup of the name waits for lookups of other names
        self.failed = FailedAddresses()
        self._waiting: Deferred[Any] | None = None

    async def wait(self, waiting: Deferred[T]) -> T:
        """The result of what is waited for."""
        self._waiting = waiting
        return await waiting

    def give_up(self) -> None:
        """Waits no more: who waits gets CancelledError."""
        if self._waiting is not None:
            self._waiting.cancel()


class Connector:
    """Opens connections.

    Args:
        reactor: resolves and connects.
        proxy: through which all connections go; None: none.
    """

    def __init__(self, reactor: PosixReactorBase, proxy: ProxyAddress | None = None) -> None:
        self.proxy = proxy
        self._reactor = reactor
        self._outbox = outbox_of(reactor)
        self._resolver = ReactorResolver(reactor)
        self._no_names = resolver_of(reactor)  # dialers get addresses alone
        self._names: Expiring[str, tuple[str, ...]] = Expiring(MAX_NAMES)
        self._tls: tuple[tuple[str, ...], BackendTls] | None = None

    async def connect(
        self, destination: Destination, rules: AddressRules | None, waits: Waits
    ) -> tuple[Connection, str]:
        """A connection for requests to a destination, and the address that it leads to; empty where a proxy has it.

        Args:
            destination: the server.
            rules: which addresses and ports are allowed; None: all. Through a proxy, which looks names up itself, they
                are the caller's to hold (`addresses.permit_unresolved`).
            waits: what the request waits for, and has met.

        Raises:
            AddressRefusedError: the rules do not allow it.
            ProxyError: the proxy cannot be reached, or passes nothing on.
            UntrustedError: TLS failed.
            ConnectError: no address answered, or there is none.
            OSError: a shortage of the gateway's own.
        """
        if self.proxy is not None:
            return await self._through(self.proxy, destination, waits), ""
        found = await waits.wait(found_of(destination.host, partial(self._look_up, waits)))
        addresses = permitted(found, destination, rules)
        return await self._dial(destination, addresses, self._encryption(destination), waits)

    def _look_up(self, waits: Waits, name: str) -> Deferred[tuple[str, ...]]:
        known = self._names.get(name, self._reactor.seconds())
        if known is not None:
            return succeed(known)

        def begun() -> None:
            waits.is_queued = False

        def keep(found: tuple[str, ...]) -> tuple[str, ...]:
            if found:
                self._names.put(name, found, self._reactor.seconds() + NAME_TTL)
            return found

        waits.is_queued = True
        return self._resolver.addresses(name, begun).addCallback(keep)

    def _encryption(self, destination: Destination) -> Encryption | None:
        if destination.scheme != "https":
            return None
        return Encryption(tls=self._trust(), rule=IdentityRule.chosen(destination.host, destination.host))

    def _trust(self) -> BackendTls:
        """The system's roots, which take their time to read, and are read again once they are others."""
        state = system_roots.state()
        if self._tls is None or self._tls[0] != state:
            self._tls = (state, BackendTls.trusting((), protocols=HTTP_PROTOCOLS))
        return self._tls[1]

    async def _dial(
        self,
        destination: Destination,
        addresses: Sequence[str],
        encryption: Encryption | None,
        waits: Waits,
    ) -> tuple[Connection, str]:
        """A connection to the first address that answers."""
        if not addresses:
            raise UnreachableError(f"DNS lookup failed: {destination.host} has no address")

        def dial(address: str) -> Deferred[tuple[Connection, str]]:
            dialer = Dialer(
                *(self._reactor, address, destination.port, self._no_names, encryption), outbox=self._outbox
            )
            identity = dialer.identity()
            return dialer.dial(LONGEST_DIAL, identity).addCallbacks(_with(address), _noted(address, waits.failed))

        try:
            return await waits.wait(first_of([partial(dial, address) for address in addresses], self._reactor))
        except ConnectError:
            if not is_literal(destination.host):
                self._names.discard(destination.host)  # it may have moved
            raise

    async def _through(self, proxy: ProxyAddress, destination: Destination, waits: Waits) -> Connection:
        """A connection to the proxy; for https, to the server through it."""
        its = Destination(url=str(proxy), scheme="http", host=proxy.host, port=proxy.port)
        try:
            addresses = await waits.wait(found_of(proxy.host, partial(self._look_up, waits)))
            connection, _ = await self._dial(its, addresses, None, waits)
        except ConnectError as error:
            raise ProxyError(f"outbound_proxy {proxy}: {error}") from error
        encryption = self._encryption(destination)
        if encryption is None:
            return connection
        await waits.wait(ProxyTunnel(connection, proxy).open(connect_octets(destination, proxy)))
        return await waits.wait(self._secured(connection, encryption))

    def _secured(self, connection: Connection, encryption: Encryption) -> Deferred[Connection]:
        """The same connection, once TLS is agreed on over it."""
        identity = encryption.rule.identity()
        until = self._reactor.seconds() + LONGEST_DIAL
        handshake = encryption.tls.handshake(self._reactor, connection, identity, until)

        def failed(reason: str) -> None:
            if not outcome.called:
                outcome.errback(UntrustedError(reason, identity))

        outcome: Deferred[Connection] = Deferred(lambda _: connection.abort())
        handshake.when_open = partial(outcome.callback, connection)
        handshake.when_failed = failed
        handshake.begin()
        return outcome


def _with(address: str) -> Callable[[Connection], tuple[Connection, str]]:
    return lambda connection: (connection, address)


def _noted(address: str, failed: FailedAddresses) -> Callable[[Failure], Failure]:
    def note(failure: Failure) -> Failure:
        if not failure.check(CancelledError):
            failed.add(address, getattr(failure.value, "osError", None))
        return failure

    return note
