"""Stacks TLS, gate and frontend for one connection, and knows every live one.

A connection is admitted here, gets a `Session` that all its requests share, and is counted until it is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.access_log import AccessLog
from agwtwisted.contexts import ClientCertificates, PortContexts, peer_of
from agwtwisted.core import reasons
from agwtwisted.core.forwarding import client_address, identity_block
from agwtwisted.core.messages import HeaderNames
from agwtwisted.core.peer import Peer
from agwtwisted.core.rates import HandshakeLimiter
from agwtwisted.core.records import ClientFrame, HandshakeRecord, render_handshake
from agwtwisted.core.resources import Gateway, SslProfile
from agwtwisted.core.routing import Action, Site, Sites
from agwtwisted.core.server_variables import Client
from agwtwisted.core.verdicts import Missing, NotAsked, Refused, Trusted, admits
from agwtwisted.deferreds import Members
from agwtwisted.exchange import HttpExchanges
from agwtwisted.frontend import Frontend
from agwtwisted.gate import Gate
from agwtwisted.standing import Judged, Recheck, Standing, no_answer
from agwtwisted.streaming import TcpWire
from agwtwisted.tls import TlsWire


class Limits:
    """How many connections there are, and from whom; shared by all ports of a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._connections = 0
        self._handshakes = 0
        self._by_address: Counter[str] = Counter()
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Has `changed` called whenever the answer of `may_accept` has become another."""
        self._subscribers.append(changed)

    @property
    def may_accept(self) -> bool:
        """Whether further connections may be accepted; else they wait in the backlog."""
        gateway = self._gateway
        return self._connections < gateway.max_connections and self._handshakes < gateway.max_handshakes

    def admits(self, address: str) -> bool:
        """Whether this address may have one connection more."""
        limit = self._gateway.max_connections_per_address
        return not limit or self._by_address[address] < limit

    def opened(self, address: str) -> None:
        """One connection more."""
        self._by_address[address] += 1
        self._change(connections=1)

    def closed(self, address: str) -> None:
        """One connection less."""
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        self._change(connections=-1)

    def handshake(self, change: int) -> None:
        """One handshake more (1) or less (-1) under way."""
        self._change(handshakes=change)

    def _change(self, *, connections: int = 0, handshakes: int = 0) -> None:
        before = self.may_accept
        self._connections += connections
        self._handshakes += handshakes
        if self.may_accept is not before:
            for changed in self._subscribers:
                changed()


class HttpSession:
    """What all requests of one connection share, as interfaces.Session says."""

    log = Logger()

    def __init__(
        self,
        port: HttpPort,
        wire: TcpWire,
        peer: Peer,
        profile: SslProfile | None,
        listener: str,
        *,
        plain_text: bool = False,
        verified: Peer | None = None,
    ) -> None:
        """`verified` is the client as the handshake left it, before any further check; None where it is the same."""
        self.peer = peer
        self.client = Client(peer=peer, port=port.number)
        self.profile = profile
        self.sites = port.sites
        self.listener = listener
        self.plain_text = plain_text
        self.draining = False
        self.address = client_address(peer)
        self.frame = ClientFrame.from_peer(peer)
        self._port = port
        self._identities: dict[Action, bytes] = {}
        self._required_identities: dict[Action, bytes] = {}
        self._wire = wire
        self._frontend = Frontend(wire, self, port.exchanges, port.gateway, port.names, port.clock)
        self._standing: Standing | None = None
        self._patience: IDelayedCall | None = None
        wire.receiver = self._frontend
        if isinstance(peer.verdict, Trusted):
            self._stand(self, verified or peer, peer.until)

    def required(self) -> Deferred[Peer]:
        """The client as a Strict profile takes it, for a path that requires a certificate; may be cancelled.

        Judged at every request: what was found out about a certificate is remembered elsewhere.
        """
        verified = self.peer.as_required()
        if not isinstance(verified.verdict, Trusted):
            return succeed(verified)
        if self._port.clock.seconds() >= verified.until:
            return succeed(attrs.evolve(verified, verdict=Refused(reasons.EXPIRED)))
        check = self._port.check_of(self.profile)
        checked = succeed(verified) if check is None else check(verified)
        return checked.addErrback(no_answer, verified, self.log).addCallback(self._required, verified)

    def _required(self, peer: Peer, verified: Peer) -> Peer:
        """Once a path has let the client in, its certificate is looked after as on a Strict listener."""
        if isinstance(peer.verdict, Trusted) and self._standing is None:
            self._stand(_OfSomePaths(self), verified, peer.until)
        return peer

    def _stand(self, judged: Judged, verified: Peer, until: float) -> None:
        if until < inf:
            self._standing = Standing(self._port.clock, judged, verified, self._port.check_of(self.profile))
            self._standing.until(until)

    def frame_of(self, peer: Peer) -> ClientFrame:
        """What all records of the client have in common, with a verdict that may be that of a path."""
        return self.frame if peer is self.peer else ClientFrame.from_peer(peer)

    def identity(self, action: Action, peer: Peer) -> bytes:
        """The request header lines that tell a backend who the client is; rendered once for each verdict."""
        identities = self._identities if peer is self.peer else self._required_identities
        identity = identities.get(action)
        if identity is None:
            identity = identities[action] = identity_block(peer, self._port.number, action.certificate_headers)
        return identity

    def drain(self) -> None:
        """Takes no further request: closes now, or after the answer under way."""
        self.draining = True
        self._frontend.drain()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._wire.abort()

    def hold(self) -> None:
        """The verdict is over, and the new one not in: no further request is begun."""
        self._frontend.hold()

    def renewed(self, peer: Peer) -> None:
        """The client was judged again. Refused, it sends no further request, and gets little time for the last one."""
        if peer.verdict != self.peer.verdict or peer.ocsp_status is not self.peer.ocsp_status:
            self.frame = ClientFrame.from_peer(peer)
        self.peer = peer
        self.client = attrs.evolve(self.client, peer=peer)
        if admits(peer.verdict):
            self._frontend.go_on()
        else:
            self.expel()

    def expel(self) -> None:
        """The client is not welcome any more."""
        if self._frontend.tunnel:
            self.abort()
        elif self._patience is None:
            self._patience = self._port.clock.callLater(self._port.gateway.drain_timeout, self._out_of_patience)
            self.drain()

    def ended(self) -> None:
        """The connection is gone."""
        if self._standing is not None:
            self._standing.stop()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _out_of_patience(self) -> None:
        self._patience = None
        self.abort()


@attrs.frozen
class _OfSomePaths:
    """Whose certificate some paths require: `standing.Judged` of a client that may come without one."""

    session: HttpSession

    def hold(self) -> None:
        """Every request to such a path waits for the verdict by itself."""

    def renewed(self, peer: Peer) -> None:
        """A request or an upgraded connection of such a path may be under way: no further one follows it here."""
        if not admits(peer.verdict):
            self.session.expel()


def unchecked(profile: SslProfile | None) -> None:
    """No further check, whatever the profile."""


class HttpPort:
    """One address and port: its sites, and its live connections.

    Args:
        number: of the port.
        sites: who answers there.
        contexts: None on a plain port.
        exchanges: what requests become.
        gateway: limits.
        limits: counts the connections of all ports.
        names: which request headers go where.
        clock: time.
        access_log: takes the lines of failed handshakes.
        limiter: says which failed handshakes get a line.
        check_of: how trusted clients of a profile are judged further, if they are.
    """

    def __init__(
        self,
        *,
        number: int,
        sites: Sites,
        contexts: PortContexts | None,
        exchanges: HttpExchanges,
        gateway: Gateway,
        limits: Limits,
        names: HeaderNames,
        clock: IReactorTime,
        access_log: AccessLog,
        limiter: HandshakeLimiter,
        check_of: Callable[[SslProfile | None], Recheck | None] = unchecked,
    ) -> None:
        self.number = number
        self.sites = sites
        self.exchanges = exchanges
        self.gateway = gateway
        self.limits = limits
        self.names = names
        self.clock = clock
        self.check_of = check_of
        self.connections: Members[TcpWire] = Members()
        self._contexts = contexts
        self._access_log = access_log
        self._limiter = limiter
        self._sessions: dict[TcpWire, HttpSession] = {}
        self._listener = sites.all()[0].listener.name

    def accept(self, address: IAddress) -> TcpWire | None:
        """The protocol of a new connection; None when its address has too many."""
        host, port = address.host, address.port  # type: ignore[attr-defined]
        host = host.removeprefix("::ffff:")  # IPv4 on a socket of both families
        if not self.limits.admits(host):
            return None
        if self._contexts is None:
            wire = TcpWire(self.clock)
            wire.when_open = lambda: self.begin(wire, Peer(address=host, port=port, verdict=NotAsked()))
        else:
            wire = _TlsConnection(self, self._contexts, host, port).wire
        self.connections.add(wire)
        self.limits.opened(host)
        wire.when_closed = lambda: self._closed(wire, host)
        return wire

    def begin(
        self,
        wire: TcpWire,
        peer: Peer,
        site: Site | None = None,
        *,
        plain_text: bool = False,
        verified: Peer | None = None,
    ) -> None:
        """Reads requests from a connection whose client is known; the arguments are those of its HttpSession."""
        profile = None if site is None else site.profile
        listener = self._listener if site is None else site.listener.name
        session = HttpSession(self, wire, peer, profile, listener, plain_text=plain_text, verified=verified)
        self._sessions[wire] = session

    def handshake_failed(self, peer: Peer, site: Site | None, reason: str) -> None:
        """Writes the line of a handshake that came to nothing, unless there were too many from this address."""
        omitted = self._limiter.admit(peer.address)
        if omitted is not None:
            listener = self._listener if site is None else site.listener.name
            record = HandshakeRecord(
                timestamp=self._access_log.timestamp(),
                frame=self.exchanges.frame(listener, None),
                peer=peer,
                error=reason,
                omitted=omitted,
            )
            self._access_log.write(render_handshake(record))

    def drain(self) -> None:
        """Idle connections close; the others take no further request."""
        for wire in self.connections.snapshot():
            session = self._sessions.get(wire)
            if session is None:
                wire.abort()
            else:
                session.drain()

    def abort(self) -> None:
        """Ends every connection at once."""
        for wire in self.connections.snapshot():
            wire.abort()

    def _closed(self, wire: TcpWire, address: str) -> None:
        wire.when_open = wire.when_closed = None  # they lead back to the wire: without them it is free at once
        session = self._sessions.pop(wire, None)
        if session is not None:
            session.ended()
        self.connections.discard(wire)
        self.limits.closed(address)


class _TlsConnection:
    """One connection's handshake, as tls.Handshake says, and what follows it."""

    def __init__(self, port: HttpPort, contexts: PortContexts, address: str, port_number: int) -> None:
        self._port = port
        self._address = address
        self._port_number = port_number
        self._notes = ClientCertificates(port.clock.seconds)
        self.connection: SSL.Connection = contexts.connection(self._notes)
        self.wire = TlsWire(port.clock, self, port.gateway.handshake_timeout, port.gateway.max_client_chain_bytes)
        port.limits.handshake(1)

    @property
    def name_refused(self) -> bool:
        """Whether no site answers to the name that the client asked for."""
        return self._notes.name_refused

    def completed(self) -> None:
        """The handshake is through: the gate opens once the verdict is in."""
        self._port.limits.handshake(-1)
        verified, site = self._peer(), self._site

        def admitted(peer: Peer) -> None:
            self._port.begin(self.wire, peer, site, verified=verified)

        check = None if site is None else self._port.check_of(site.profile)
        Gate(self.wire, admitted).judge(verified, check)

    def failed(self, reason: str, received: int) -> None:
        """The handshake came to nothing; a connection that said nothing at all is not worth a line."""
        self._port.limits.handshake(-1)
        if received:
            self._port.handshake_failed(self._peer(reason), self._site, reason)

    def plain_text(self) -> None:
        """The client speaks no TLS: if it is HTTP, it is told so."""
        self._port.limits.handshake(-1)
        peer = Peer(address=self._address, port=self._port_number, verdict=Missing())
        self._port.begin(self.wire, peer, plain_text=True)

    @property
    def _site(self) -> Site | None:
        chosen = self._notes.site_context
        return None if chosen is None else chosen.site

    def _peer(self, failure: str = "") -> Peer:
        return peer_of(self._notes, self.connection, self._address, self._port_number, failure=failure)
