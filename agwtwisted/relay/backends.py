"""The servers behind L4 listeners: whose turn it is, and new connections to them."""

from __future__ import annotations

from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.posixbase import PosixReactorBase as Reactor
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.connecting import Dialer, Encryption
from agwtwisted.backends.failure_log import ConnectionFailureLog
from agwtwisted.backends.resolver import Resolver
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.balancing import Pool, RoundRobin
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.plan.server_identity import IdentityRule, server_identity
from agwtwisted.core.resources.resources import BackendAddressPool, BackendSettings, StreamProtocol
from agwtwisted.tls.backend_contexts import BackendTls
from agwtwisted.tls.relay_wires import RelayTlsClientWire, RelayWire

DRAIN_TIMEOUT: Final = 30.0
"""Seconds that sessions have to end once their server is down; the product's, which cannot be configured on L4."""


class RelayBackends:
    """The servers behind L4 listeners; each is one for each settings under which it is spoken to, as with HTTP.

    Args:
        reactor: connects.
        resolver: resolves names of servers.
    """

    def __init__(self, reactor: Reactor, resolver: Resolver) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._failures = ConnectionFailureLog(reactor.seconds)
        self._tls: dict[str, BackendTls] = {}
        self._servers: dict[tuple[str, str, int], RelayServer] = {}
        self._pools: dict[tuple[str, str], Pool[RelayServer]] = {}

    def pool(self, pool: BackendAddressPool, settings: BackendSettings) -> Pool[RelayServer]:
        """The servers of a pool under these settings, which take turns."""
        found = self._pools.get((pool.name, settings.name))
        if found is None:
            addresses = [(each.host, each.port or settings.port) for each in pool.backend_addresses]
            servers = tuple(dict.fromkeys(self.server(*address, settings) for address in addresses))
            found = self._pools[pool.name, settings.name] = Pool(servers, RoundRobin())
            for server in servers:
                server.subscribe(found.changed)
        return found

    def server(self, host: str, port: int, settings: BackendSettings) -> RelayServer:
        """A server under these settings."""
        key = (settings.name, host, port)
        server = self._servers.get(key)
        if server is None:
            server = self._servers[key] = self._new_server(host, port, settings)
        return server

    def prepare(self, settings: BackendSettings) -> None:
        """Makes now what settings need, rather than with their first connection."""
        if settings.protocol is StreamProtocol.TLS and settings.name not in self._tls:
            roots = [root for trusted in settings.trusted_root_certificates for root in trusted.certificates]
            self._tls[settings.name] = BackendTls.trusting(roots)

    def stop(self) -> None:
        """Leaves no timer behind, at the end."""
        for server in self._servers.values():
            server.stop()

    def _new_server(self, host: str, port: int, settings: BackendSettings) -> RelayServer:
        encryption = None
        self.prepare(settings)
        if settings.protocol is StreamProtocol.TLS:
            name = settings.host_name or (host if settings.pick_host_name_from_backend_address else "")
            encryption = Encryption(tls=self._tls[settings.name], rule=IdentityRule.chosen(name, host))
        dialer = Dialer(
            self._reactor, host, port, self._resolver, encryption, plain=RelayWire, encrypted=RelayTlsClientWire
        )
        return RelayServer(self._reactor, host, port, dialer, self._failures)


class RelayServer(Target):
    """One server of a pool."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, host: str, port: int, dialer: Dialer, failures: ConnectionFailureLog
    ) -> None:
        super().__init__(clock, DRAIN_TIMEOUT)
        self.name = f"{bracketed(host)}:{port}"
        self.host = host
        self.port = port
        self._dialer = dialer
        self._failures = failures

    def dial(
        self, timeout: float, preamble: bytes = b"", *, server_name: str = "", protocol: bytes = b""
    ) -> Deferred[RelayWire]:
        """A new connection within `timeout` seconds, on which `preamble` was sent ahead of everything.

        Fails as `connecting.Dialer.dial` does; may be cancelled.

        Args:
            timeout: seconds.
            preamble: bytes.
            server_name: whom the server must prove to be over TLS; empty: as the settings say.
            protocol: that the client has agreed on, which a server over TLS is offered (ALPN); empty: none.
        """

        def prepare(wire: RelayWire) -> None:
            wire.preamble = preamble

        identity = server_identity(server_name) if server_name else None
        return cast(Deferred[RelayWire], self._dialer.dial(timeout, identity, prepare, protocol=protocol))

    def complain(self, failure: Failure) -> None:
        """Logs why there is no connection."""
        self._failures.add(self.name, failure)
