"""One address and port: its limits, TLS and the gate in front of every client, and all live connections.

What becomes of a client that is known is for the subclasses: HTTP is read (`http.port`), or bytes are relayed
(`relay.port`).
"""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, Final, Generic

import attrs
from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.identity.clients import (
    NO_PROOF,
    Admitted,
    ClientConnection,
    PendingClient,
    TurnedAway,
    unauthenticated,
)
from agwtwisted.core.listening.admission import address_block
from agwtwisted.core.listening.proxy_protocol import Endpoint
from agwtwisted.core.listening.stream_places import StreamPlaces
from agwtwisted.core.operations.records import HandshakeRecord, RecordFrame, render_handshake
from agwtwisted.core.plan.plan import PortPlan
from agwtwisted.core.plan.routing import S
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.verification.verdicts import Refusing
from agwtwisted.identity.revalidation import Check
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.arrivals import ProxiedArrival, TlsArrival
from agwtwisted.listening.expired_roots import ExpiredRoots
from agwtwisted.listening.succession import Belonging, Succession, Turns
from agwtwisted.listening.tracking import LiveConnections, PortSession, TrackedConnection
from agwtwisted.operations.access_log import AccessLog
from agwtwisted.operations.counters import ListenerCounters
from agwtwisted.operations.metrics import Metrics
from agwtwisted.operations.refusals import Refusals, RefusedParty
from agwtwisted.tls.anew import shown_anew
from agwtwisted.tls.codec import TlsCodec
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.tls.resumption import Resumption
from agwtwisted.tls.staples import StapleOf, no_staple
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.deferreds import TrackedSet
from agwtwisted.transport.outbox import NO_OUTBOX, Outbox


def unchecked(profile: SslProfile | None) -> None:
    """No further check, whatever the profile."""


NO_TRUST: Final = ""
"""By what clients are judged where no TLS is spoken."""

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
    resumption: Resumption = attrs.field()  # judges clients that resume sessions
    staple_of: StapleOf = no_staple  # finds what is stapled to the gateway's certificates
    check_of: Callable[[SslProfile | None], Check | None] = unchecked
    """How trusted clients of a profile are judged further, if they are."""
    places: StreamPlaces = attrs.Factory(StreamPlaces)  # for several requests of one connection at once
    metrics: Metrics = attrs.Factory(Metrics)
    refusals: Refusals = attrs.Factory(Refusals)  # notes clients that are refused
    numbers: Iterator[int] = attrs.Factory(lambda: count(1))  # of the process's clients
    turns: Turns = attrs.field()
    """In which connections go over to these ports."""

    @turns.default
    def _own_turns(self) -> Turns:
        return Turns(self.clock)

    @resumption.default
    def _no_memory_in_common(self) -> Resumption:
        return Resumption(self.clock.seconds)


class Port(ABC, Generic[S]):
    """One address and port.

    Args:
        plan: of the port.
        contexts: None on a plain port.
        environment: what it shares with the other ports.
    """

    protocol: str
    """Of its clients, as answers name it."""

    fingerprints = False
    """Whether requests may be asked for those of their clients: `core.tls.ja4`."""

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
        self.resumption = environment.resumption
        self.staple_of = environment.staple_of
        self.metrics = environment.metrics
        self._refusals = environment.refusals
        host, number = plan.address
        self.counters = self.metrics.addresses[(f"{bracketed(host)}:{number}",)]
        self._numbers = environment.numbers
        self.live = LiveConnections(self.counters, self._numbers)
        self.draining = False
        self.quiet = min(QUIET, self.gateway.drain_timeout / 4)
        self._contexts = contexts
        self.expired_roots = ExpiredRoots(environment.limiter, environment.wall)
        self._limiter = environment.limiter
        self._turns = environment.turns
        self._trust = plan.trust
        first = self.sites.all()[0].listener
        self._listener = first.name
        self._proxies = first.accept_proxy_protocol  # the same for every listener of a port

    @property
    def connections(self) -> TrackedSet[Connection]:
        """Those that are live, and of L4 those to servers."""
        return self.live.all

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self.live.numbered)

    def by_listener(self) -> Mapping[str, int]:
        """How many clients each listener has, by its name; where there is one alone, none is looked at."""
        names = {site.listener.name for site in self.sites.all()}
        if len(names) == 1:
            return {names.pop(): len(self.live.numbered)}
        return {**dict.fromkeys(names, 0), **self.live.by_listener()}

    @property
    def _sessions(self) -> dict[Connection, PortSession]:
        return self.live.sessions

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
            if not self.admit(connection, host, port, self.gateway.handshake_timeout):
                return None
            self.counters.accepted += 1
            return connection
        address = ipaddress.ip_address(host.partition("%")[0])
        if not any(address in network for network in self._proxies):
            self.header_failed(host, port, "this address may not send PROXY protocol headers, and none is let in")
            return None
        self.counters.accepted += 1
        return ProxiedArrival(self, host, port).connection

    def listener_of(self, site: S | None) -> str:
        """The name of a site's listener, or else of the port's first one."""
        return self._listener if site is None else site.listener.name

    def header_failed(self, host: str, port: int, reason: str) -> None:
        """There is no PROXY header, from there."""
        self.counters.rejected += 1
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
            self.counters.rejected += 1
            return False
        begin: Callable[[], None]
        if self._contexts is None:
            client = unauthenticated(self.connection_of(connection, host, port, reached))
            begin = partial(self.begin, connection, client)
        else:
            shaking = TlsArrival(self, self._contexts, connection, host, port, seconds, reached, block)
            begin = shaking.handshake.opened
        self.live.all.add(connection)
        self.track(connection, block, silent=self.client_begins or self._contexts is not None)
        if connection.connected:
            begin()
        else:
            connection.when_open = begin
        return True

    def track(self, connection: Connection, block: str = "", *, silent: bool = True) -> TrackedConnection:
        """Gives a connection a place among all."""
        live = self.live
        live.enter(connection, self.clock.seconds())
        return TrackedConnection(connection, live.sessions, self.limits, block, live.closed, silent=silent)

    def connection_of(self, connection: Connection, host: str, port: int, reached: Endpoint | None) -> ClientConnection:
        """What is known of a client's connection before any byte of it is read."""
        return ClientConnection(
            address=host, port=port, gateway_port=self.number, reached=reached, tcp_rtt=connection.round_trip_time
        )

    def counters_of(self, site: S | None) -> ListenerCounters:
        """Those of a site's listener; of the first one of the port where no site was selected."""
        return self.metrics.listeners[(self._listener if site is None else site.listener.name,)]

    def handshake_failed(self, client: PendingClient, site: S | None, reason: str) -> None:
        """Writes the line of a handshake that came to nothing, unless there were too many from this address."""
        omitted = self._limiter.admit(client.connection.address)
        if omitted is not None:
            record = HandshakeRecord(
                timestamp=self.access_log.timestamp(),
                frame=self.frame(self.listener_of(site)),
                client=client,
                error=reason,
                omitted=omitted,
            )
            self.access_log.write(render_handshake(record, self.gateway.log_refused_certificates))

    def refused(
        self, stage: str, listener: str, client: RefusedParty, verdict: Refusing, presented: Sequence[bytes] = ()
    ) -> None:
        """A client of a listener is turned away: counts it, and notes who it is and what it has sent."""
        self.metrics.listeners[(listener,)].refused(stage, verdict)
        keeps = self.gateway.log_refused_certificates
        self._refusals.note(stage, listener, client, presented, keeps=keeps)

    def presented_by(self, connection: Connection) -> tuple[bytes, ...]:
        """The certificates that a client has sent, in DER, its own first; nothing where it has resumed a session."""
        codec = connection.codec
        return codec.presented() if isinstance(codec, TlsCodec) else ()

    # -- how a client is judged

    def trust_of(self, site: S | None) -> object:
        """By what the clients of a site are judged; equal, in this configuration or another, where the judgement is."""
        if site is None or self._contexts is None:
            return NO_TRUST
        known = self._trust.get(site)
        return object() if known is None else known  # equal to no other where it is not known

    def judged_anew(self, connection: Connection, client: PendingClient, site: S) -> PendingClient:
        """The client as its handshake would have left it under this site's profile, by what was shown in it."""
        if self._contexts is None:
            raise AssertionError("a client is judged where TLS is spoken")
        chosen = self._contexts.by_site[site]
        proof = shown_anew(chosen, self.presented_by(connection), client.proof.chain_der, self.wall.seconds())
        return attrs.evolve(client, proof=proof)

    # -- how connections come from the port of one configuration to that of the next, and how they end

    def take_over(self, previous: Port[Any]) -> None:
        """Takes the connections of the port that listened here before; this one has none yet.

        What is under way ends as it began, and what follows is of this port. Clients whose profile is another are
        judged by it, and nothing of theirs is forwarded meanwhile. Where the ports do not speak the same, and where a
        connection's site is there no more, it ends as that of a removed listener.
        """
        live, self.live, previous.live = previous.live, previous.live, LiveConnections(self.counters, self._numbers)
        if not self._speaks_as(previous):
            for session in live.behind():
                session.retire(self._turns)
            return
        succession = Succession(self, self._belonging)
        for session in live.behind():
            session.moved(succession)
        succession.schedule(self.clock, self._turns)

    def retire(self) -> None:
        """The listener is there no more: its connections end once what is under way is done, within `drain_timeout`."""
        self.draining = True
        for session in self.live.behind():
            session.retire(self._turns)

    def _speaks_as(self, previous: Port[Any]) -> bool:
        """Whether a connection of that port could be one of this."""
        encrypted, before = self._contexts is not None, previous._contexts is not None
        return type(self) is type(previous) and encrypted == before and self._proxies == previous._proxies

    def _belonging(self, server_name: str) -> Belonging | None:
        if self._contexts is None:
            return Belonging(port=self, site=None, trust=NO_TRUST)
        site = self.sites.of_handshake(server_name)
        return None if site is None else Belonging(port=self, site=site, trust=self.trust_of(site))

    def drain(self) -> None:
        """The gateway stops, and accepts no more: what has reached it is served; each session ends when it can."""
        self.draining = True
        self.live.drain()

    def abort(self) -> None:
        """Ends every connection at once."""
        self.live.abort()
