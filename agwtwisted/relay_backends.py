"""The servers behind L4 listeners: whose turn it is, and new connections to them."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase as Reactor
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backend_contexts import BackendTls
from agwtwisted.connecting import Dialer, Encryption
from agwtwisted.core.balancing import RoundRobin
from agwtwisted.core.errors import printable
from agwtwisted.core.health import State
from agwtwisted.core.rates import HandshakeLimiter
from agwtwisted.core.resources import BackendAddressPool, BackendSettings, StreamProtocol
from agwtwisted.core.server_identity import IdentityRule
from agwtwisted.relay_wires import RelayTlsClientWire, RelayWire
from agwtwisted.resolving import Names


class RelayBackends:
    """The servers of every pool, under the settings that are used with it.

    Args:
        reactor: connects.
        names: resolves names of servers.
    """

    def __init__(self, reactor: Reactor, names: Names) -> None:
        self._reactor = reactor
        self._names = names
        self._complaints = HandshakeLimiter(reactor.seconds)
        self._tls: dict[str, BackendTls] = {}
        self._turns: dict[tuple[str, str], RoundRobin[RelayServer]] = {}

    def order(self, pool: BackendAddressPool, settings: BackendSettings) -> tuple[RelayServer, ...]:
        """The servers of a pool, beginning with the one whose turn it is."""
        turns = self._turns.get((pool.name, settings.name))
        if turns is None:
            servers = [self._server(each.host, each.port or settings.port, settings) for each in pool.backend_addresses]
            turns = self._turns[pool.name, settings.name] = RoundRobin()
            turns.use(servers)
        return tuple(turns.order())

    def prepare(self, settings: BackendSettings) -> None:
        """Makes now what settings need, rather than with their first connection."""
        if settings.protocol is StreamProtocol.TLS and settings.name not in self._tls:
            roots = [root for trusted in settings.trusted_root_certificates for root in trusted.certificates]
            self._tls[settings.name] = BackendTls.trusting(roots)

    def _server(self, host: str, port: int, settings: BackendSettings) -> RelayServer:
        encryption = None
        self.prepare(settings)
        if settings.protocol is StreamProtocol.TLS:
            name = settings.host_name or (host if settings.pick_host_name_from_backend_address else "")
            encryption = Encryption(tls=self._tls[settings.name], rule=IdentityRule.chosen(name, host))
        dialer = Dialer(
            self._reactor, host, port, self._names, encryption, plain=RelayWire, encrypted=RelayTlsClientWire
        )
        return RelayServer(f"{host}:{port}", dialer, self._complaints)


class RelayServer:
    """One server of a pool."""

    state = State.UNKNOWN  # nobody probes it
    draining = False

    log = Logger()

    def __init__(self, name: str, dialer: Dialer, complaints: HandshakeLimiter) -> None:
        """`complaints` bounds what is said of failures."""
        self.name = name
        self._dialer = dialer
        self._complaints = complaints

    def dial(self, timeout: float, preamble: bytes = b"") -> Deferred[RelayWire]:
        """A new connection within `timeout` seconds, on which `preamble` was sent ahead of everything.

        Fails as `connecting.Dialer.dial` does; may be cancelled.
        """

        def prepare(wire: RelayWire) -> None:
            wire.preamble = preamble

        return cast(Deferred[RelayWire], self._dialer.dial(timeout, prepare=prepare))

    def complain(self, failure: Failure) -> None:
        """Says in the log why there is no connection, a few times a minute and with a count of what was left out."""
        omitted = self._complaints.admit(self.name)
        if omitted is not None:
            self.log.warn(
                "No connection to {server}: {reason}{omitted}",
                server=self.name,
                reason=printable(failure.getErrorMessage()),
                omitted=f" ({omitted} times more before)" if omitted else "",
            )
