"""One address and port: its limits, TLS and the gate in front of every client, and all live connections.

What becomes of a client that is known is for the subclasses: HTTP is read (`http1.port`), or bytes are relayed
(`relay.port`).
"""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Generic, cast

import attrs
from OpenSSL import SSL
from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.identity.clients import (
    NO_PROOF,
    Admitted,
    CertificateProof,
    ClientConnection,
    PendingClient,
    TurnedAway,
    unauthenticated,
)
from agwtwisted.core.listening.admission import Awaited, address_block
from agwtwisted.core.listening.proxy_protocol import Endpoint, ProxyHeader
from agwtwisted.core.operations.records import HandshakeRecord, RecordFrame, render_handshake
from agwtwisted.core.plan.plan import PortPlan
from agwtwisted.core.plan.routing import S
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, Refused
from agwtwisted.identity.gate import Gate
from agwtwisted.identity.revalidation import Check
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.expired_roots import ExpiredRoots
from agwtwisted.listening.proxied import ProxyHeaderReceiver
from agwtwisted.listening.tracking import PortSession, TrackedConnection
from agwtwisted.operations.access_log import AccessLog
from agwtwisted.tls.client_certificates import ClientCertificates, pending_client
from agwtwisted.tls.handshake import ServerHandshake
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.connection import STOPPING, Connection
from agwtwisted.transport.deferreds import TrackedSet
from agwtwisted.transport.outbox import NO_OUTBOX, Outbox


def unchecked(profile: SslProfile | None) -> None:
    """No further check, whatever the profile."""


QUIET: Final = 1.0
"""Seconds without a byte after which a connection is closed while the gateway stops: what was on its way has come."""


@attrs.frozen(kw_only=True, eq=False)
class PortEnvironment:
    """What the ports of one configuration have in common."""

    gateway: Gateway  # limits
    limits: Limits  # counts the connections of all ports
    clock: IReactorTime  # what is waited by
    outbox: Outbox = NO_OUTBOX  # of the reactor's turns
    wall: WallClock  # what certificates are judged by
    access_log: AccessLog  # takes the lines of failed handshakes
    limiter: LogRateLimiter  # says which failed handshakes get a line
    check_of: Callable[[SslProfile | None], Check | None] = unchecked
    """How trusted clients of a profile are judged further, if they are."""


class Port(ABC, Generic[S]):
    """One address and port.

    Args:
        plan: of the port.
        contexts: None on a plain port.
        environment: what it shares with the other ports.
    """

    client_begins = True
    """Whether a client without TLS speaks first, and may be taken for a stranger while it does not."""

    def __init__(self, plan: PortPlan[S], contexts: PortContexts | None, environment: PortEnvironment) -> None:
        self.number = plan.number
        self.sites = plan.sites
        self.gateway = environment.gateway
        self.limits = environment.limits
        self.clock = environment.clock
        self.outbox = environment.outbox
        self.wall = environment.wall
        self.check_of = environment.check_of
        self.access_log = environment.access_log
        self.connections: TrackedSet[Connection] = TrackedSet()
        self.draining = False
        self.quiet = min(QUIET, self.gateway.drain_timeout / 4)
        self._contexts = contexts
        self.expired_roots = ExpiredRoots(environment.limiter, environment.wall)
        self._limiter = environment.limiter
        self._sessions: dict[Connection, PortSession] = {}
        first = self.sites.all()[0].listener
        self._listener = first.name
        self._proxies = first.accept_proxy_protocol  # the same for every listener of a port

    # -- what the subclasses say

    @abstractmethod
    def begin(self, connection: Connection, client: Admitted, site: S | None = None) -> None:
        """Gives the connection of an admitted client a session.

        Args:
            connection: whose receiver is to be set.
            client: who is at the other end.
            site: that it selected; None on a plain port.
        """

    @abstractmethod
    def turned_away(self, connection: Connection, client: TurnedAway, site: S | None) -> None:
        """Ends the connection of a client that is refused after its handshake, once it could read why.

        Args:
            connection: whose receiver is to be set.
            client: who is at the other end.
            site: that it selected; None where it selected none.
        """

    @abstractmethod
    def plain_text(self, connection: Connection, client: PendingClient) -> None:
        """Takes a connection whose client speaks no TLS on a port of TLS."""

    @abstractmethod
    def frame(self, listener: str) -> RecordFrame:
        """What the records of failed handshakes of a listener have in common."""

    # -- how connections come

    def accept(self, host: str, port: int) -> Connection | None:
        """A new connection from there, to be given its socket; None when it is to be closed at once."""
        host = host.removeprefix("::ffff:")  # IPv4 on a socket of both families
        if not self._proxies:
            connection = Connection(self.clock, self.outbox)
            return connection if self.admit(connection, host, port, self.gateway.handshake_timeout) else None
        address = ipaddress.ip_address(host.partition("%")[0])
        if not any(address in network for network in self._proxies):
            self.header_failed(host, port, "this address may not send PROXY protocol headers, and none is let in")
            return None
        return _ProxiedConnection(self, host, port).connection

    def header_failed(self, host: str, port: int, reason: str) -> None:
        """There is no PROXY header, from there."""
        client = PendingClient(connection=ClientConnection(address=host, port=port), proof=NO_PROOF)
        self.handshake_failed(client, None, reason)

    def admit(
        self, connection: Connection, host: str, port: int, seconds: float, reached: Endpoint | None = None
    ) -> bool:
        """Gives a client its place, and `seconds` for its handshake; False when its address has too many.

        Both begin once the connection has its socket, or now where it has.
        """
        block = address_block(host)
        if not self.limits.admits(block):
            return False
        begin: Callable[[], None]
        if self._contexts is None:
            client = unauthenticated(self.connection_of(connection, host, port, reached))
            begin = partial(self.begin, connection, client)
        else:
            shaking = _TlsConnection(self, self._contexts, connection, host, port, seconds, reached, block)
            begin = shaking.handshake.opened
        self.connections.add(connection)
        self.track(connection, block, silent=self.client_begins or self._contexts is not None)
        if connection.connected:
            begin()
        else:
            connection.when_open = begin
        return True

    def track(self, connection: Connection, block: str = "", *, silent: bool = True) -> TrackedConnection:
        """Gives a connection a place among all."""
        return TrackedConnection(connection, self._sessions, self.limits, block, self._closed, silent=silent)

    def stand_behind(self, connection: Connection, session: PortSession | None) -> None:
        """Something else does from now on; None: nothing, while it waits at the gate."""
        if session is None:
            self._sessions.pop(connection, None)
        else:
            self._sessions[connection] = session

    def connection_of(self, connection: Connection, host: str, port: int, reached: Endpoint | None) -> ClientConnection:
        """What is known of a client's connection before any byte of it is read."""
        return ClientConnection(
            address=host, port=port, gateway_port=self.number, reached=reached, tcp_rtt=connection.round_trip_time
        )

    def handshake_failed(self, client: PendingClient, site: S | None, reason: str) -> None:
        """Writes the line of a handshake that came to nothing, unless there were too many from this address."""
        omitted = self._limiter.admit(client.connection.address)
        if omitted is not None:
            record = HandshakeRecord(
                timestamp=self.access_log.timestamp(),
                frame=self.frame(self._listener if site is None else site.listener.name),
                client=client,
                error=reason,
                omitted=omitted,
            )
            self.access_log.write(render_handshake(record, self.gateway.log_refused_certificates))

    # -- how they end

    def drain(self) -> None:
        """The gateway stops, and accepts no more: what has reached it is served; each session ends when it can."""
        self.draining = True
        for connection in self.connections.snapshot():
            session = self._sessions.get(connection)
            if session is not None:
                session.drain()

    def abort(self) -> None:
        """Ends every connection at once."""
        for connection in self.connections.snapshot():
            session = self._sessions.get(connection)
            if session is None:
                connection.abort(STOPPING)
            else:
                session.abort()

    def _closed(self, connection: Connection) -> None:
        session = self._sessions.pop(connection, None)
        if session is not None:
            session.ended()
        self.connections.discard(connection)


class _ProxiedConnection:
    """A connection that must begin with a PROXY protocol header: every connection of such a port does."""

    def __init__(self, port: Port[Any], host: str, number: int) -> None:
        self.connection = Connection(port.clock, port.outbox)
        self._port = port
        self._host = host
        self._number = number
        gateway = port.gateway
        self._header = ProxyHeaderReceiver(
            *(port.clock, self.connection, gateway.handshake_timeout, gateway.silent_timeout),
            found=self._found,
            failed=self._failed,
        )
        self.connection.when_open = self._header.opened
        port.connections.add(self.connection)
        port.stand_behind(self.connection, self)
        self._tracked = port.track(self.connection)

    def drain(self) -> None:
        """The gateway stops."""
        self._header.drain(self._port.quiet)

    def abort(self) -> None:
        """There is no more time."""
        self._header.abort()

    def ended(self) -> None:
        """The connection is gone, as the header's receiver has heard."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The rest of the header."""
        return self._header.awaited(now)

    def _found(self, header: ProxyHeader, seconds: float) -> bool:
        """The header is whole; the client has what is left of the time."""
        host, number, reached = self._host, self._number, None
        if header.source is not None:
            source, number = header.source
            host, reached = str(source), header.destination
        self._tracked.replaced()
        self._port.stand_behind(self.connection, None)
        return self._port.admit(self.connection, host, number, seconds, reached)

    def _failed(self, reason: str) -> None:
        self._port.header_failed(self._host, self._number, f"PROXY protocol: {reason}")


class _TlsConnection(Generic[S]):
    """One connection's handshake, as handshake.HandshakeOwner says, and what follows it."""

    def __init__(
        self,
        port: Port[S],
        contexts: PortContexts,
        connection: Connection,
        address: str,
        number: int,
        seconds: float,
        reached: Endpoint | None,
        block: str,
    ) -> None:
        self.block = block
        self._port = port
        self._notes = ClientCertificates(port.wall.seconds)
        self.tls: SSL.Connection = contexts.connection(self._notes)
        self.connection = connection
        gateway = port.gateway
        self.handshake = ServerHandshake(
            port.clock, connection, self, seconds, gateway.max_client_chain_bytes, gateway.silent_timeout
        )
        port.stand_behind(connection, self)
        self._facts = port.connection_of(self.connection, address, number, reached)

    @property
    def name_refused(self) -> bool:
        """Whether no site answers to the name that the client asked for."""
        return self._notes.name_refused

    def begins(self) -> bool:
        """Whether there is a slot for it."""
        return self._port.limits.begin_handshake(self)

    def has_arrived(self) -> bool:
        """Whether bytes of the client were not read yet."""
        return self.connection.has_arrived()

    def go_on(self) -> None:
        """There is one now."""
        self.handshake.go_on()

    def give_way(self, reason: str) -> None:
        """Others get it."""
        self.connection.give_way(reason)

    # -- as PortSession says

    def drain(self) -> None:
        """The gateway stops."""
        self.handshake.drain(self._port.quiet)

    def abort(self) -> None:
        """There is no more time."""
        self.connection.abort(STOPPING)

    def ended(self) -> None:
        """The connection is gone, as the handshake has heard."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The rest of the handshake."""
        return self.handshake.awaited(now)

    # -- what becomes of it

    def completed(self) -> None:
        """The handshake is through: the gate opens once the verdict is in."""
        self._over()
        port, connection, client, site = self._port, self.connection, self._pending_client(), self._site
        self.tls.set_app_data(None)  # the notes have said all, and would stay as long as the connection
        gate = Gate(
            connection,
            admitted=lambda admitted: port.begin(connection, admitted, site),
            turned_away=lambda turned_away: port.turned_away(connection, turned_away, site),
        )
        gate.judge(client, None if site is None else port.check_of(site.profile))

    def failed(self, reason: str, received: int) -> None:
        """The handshake came to nothing; a connection that said nothing at all is not worth a line."""
        self._over()
        if received:
            self._port.handshake_failed(self._pending_client(reason), self._site, reason)

    def plain_text(self) -> None:
        """The client speaks no TLS."""
        self._over()
        client = PendingClient(connection=self._facts, proof=CertificateProof(verdict=Missing()))
        self._port.plain_text(self.connection, client)

    def _over(self) -> None:
        self._port.stand_behind(self.connection, None)
        self._port.limits.end_handshake(self)

    @property
    def _site(self) -> S | None:
        chosen = self._notes.site_context
        return None if chosen is None else cast(Any, chosen.site)

    def _pending_client(self, failure: str = "") -> PendingClient:
        facts = attrs.evolve(self._facts, offered_suites=self.connection.offered_suites)
        client = pending_client(self._notes, self.tls, facts, failure=failure)
        chosen, verdict = self._notes.site_context, client.proof.verdict
        if chosen is not None and isinstance(verdict, Refused) and verdict != UNJUDGED:
            self._port.expired_roots.refused(chosen)
        return client
