"""The servers behind L4 listeners: load balancing, and new connections to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.posixbase import PosixReactorBase as Reactor
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.connecting import Dialer, Encryption
from agwtwisted.backends.failure_log import ConnectionFailureLog
from agwtwisted.backends.resolver import Resolver
from agwtwisted.backends.server_pools import ServerKey, ServerPools, least_of
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.balancing import Pool, RoundRobin
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.plan.server_identity import IdentityRule, server_identity
from agwtwisted.core.resources.backend_pools import BackendAddressPool
from agwtwisted.core.resources.resources import BackendSettings, StreamProtocol
from agwtwisted.tls.backend_contexts import BackendContexts, BackendTls
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX, Outbox

DRAIN_TIMEOUT: Final = 30.0
"""Seconds that sessions have to end once their server is down; the product's, which cannot be configured on L4."""


class RelayBackends:
    """The servers behind L4 listeners; each is one for each settings under which it is spoken to, as with HTTP.

    Args:
        reactor: connects.
        resolver: resolves names of servers.
        outbox: of the reactor, if its turns end with sending.
        previous: those of the configuration in force. Where servers are the same, these are taken; nothing of it
            changes before `take_over`.
    """

    def __init__(
        self,
        reactor: Reactor,
        resolver: Resolver,
        outbox: Outbox = NO_OUTBOX,
        *,
        previous: RelayBackends | None = None,
    ) -> None:
        self._resolver = resolver
        self._failures: ConnectionFailureLog = (
            ConnectionFailureLog(reactor.seconds) if previous is None else previous._failures
        )
        self._contexts: BackendContexts = BackendContexts(None if previous is None else previous._contexts)
        maker = _RelayServerMaker(
            reactor=reactor,
            resolver=resolver,
            contexts=self._contexts,
            failures=self._failures,
            outbox=outbox,
        )
        self._servers: ServerPools[RelayServer, BackendSettings] = ServerPools(
            maker.new_server,
            lambda servers, settings: Pool(servers, RoundRobin(), least=least_of(settings)),
            None if previous is None else previous._servers,
            maker.is_current,
        )

    def pool(self, pool: BackendAddressPool, settings: BackendSettings) -> Pool[RelayServer]:
        """The servers of a pool under these settings, which take turns."""
        return self._servers.pool(pool, settings)

    def server(self, host: str, port: int, settings: BackendSettings) -> RelayServer:
        """A server under these settings."""
        return self._servers.server(host, port, settings)

    def items(self) -> Iterable[tuple[ServerKey, RelayServer]]:
        """Every server that was asked for, with what it is known by."""
        return self._servers.items()

    def placed(self) -> Iterable[tuple[tuple[str, str], Pool[RelayServer]]]:
        """Every pool, by its name and that of the settings."""
        return self._servers.placed()

    def prepare(self, settings: BackendSettings) -> None:
        """Makes now what settings need, rather than with their first connection."""
        if settings.protocol is StreamProtocol.TLS:
            self._contexts.of(settings)

    def take_over(self, previous: RelayBackends) -> None:
        """Takes the place of those of the configuration before, as `ServerPools.take_over` says."""
        self._contexts.settle()
        self._servers.take_over(previous._servers)

    def stop(self) -> None:
        """Leaves no timer behind, at the end."""
        for server in self._servers:
            server.stop()


@attrs.frozen(kw_only=True, eq=False)
class _RelayServerMaker:
    """What servers are made with: apart from `RelayBackends`, which are free at once when others take over."""

    reactor: Reactor
    resolver: Resolver
    contexts: BackendContexts
    failures: ConnectionFailureLog
    outbox: Outbox

    def is_current(self, server: RelayServer, settings: BackendSettings) -> bool:
        """Whether a server is spoken to as the settings say today."""
        return settings.protocol is not StreamProtocol.TLS or server.trusts(self.contexts.of(settings))

    def new_server(self, host: str, port: int, settings: BackendSettings) -> RelayServer:
        """A server under the settings."""
        encryption = None
        if settings.protocol is StreamProtocol.TLS:
            name = settings.host_name or (host if settings.pick_host_name_from_backend_address else "")
            encryption = Encryption(tls=self.contexts.of(settings), rule=IdentityRule.chosen(name, host))
        dialer = Dialer(self.reactor, host, port, self.resolver, encryption, outbox=self.outbox)
        return RelayServer(self.reactor, host, port, dialer, self.failures)


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
    ) -> Deferred[Connection]:
        """A new connection within `timeout` seconds, on which `preamble` was sent ahead of everything.

        Fails as `connecting.Dialer.dial` does; may be cancelled.

        Args:
            timeout: seconds.
            preamble: bytes.
            server_name: the name that the server must prove over TLS; empty: as the settings say.
            protocol: that the client has agreed on, which a server over TLS is offered (ALPN); empty: none.
        """

        identity = server_identity(server_name) if server_name else None
        return self._dialer.dial(timeout, identity, preamble=preamble, protocol=protocol)

    def trusts(self, tls: BackendTls) -> bool:
        """Whether this is how TLS is spoken with the server."""
        return self._dialer.trusts(tls)

    def complain(self, failure: Failure) -> None:
        """Logs why there is no connection."""
        self._failures.add(self.name, failure)
