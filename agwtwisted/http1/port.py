"""HTTP on the connections of a port: each gets a frontend, and a `Session` that all its requests share."""

from __future__ import annotations

from math import inf

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.exchange.forwarding import IdentityBlocks, client_address
from agwtwisted.core.http.heads import PlainRequests
from agwtwisted.core.http.messages import HeaderNames
from agwtwisted.core.identity.peer import Peer
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.operations.records import ClientFrame, RecordFrame
from agwtwisted.core.plan.plan import PortPlan
from agwtwisted.core.plan.routing import Action, Site
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.rules.variable_context import Client
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Refused, Trusted, Verdict, admits
from agwtwisted.exchange.exchange import HttpExchanges
from agwtwisted.http1.frontend import Frontend
from agwtwisted.identity.standing import Judged, Standing, asked_of, no_answer
from agwtwisted.listening.ports import Port, PortEnvironment
from agwtwisted.tls.contexts import PortContexts
from agwtwisted.tls.handshake import Handshake, TlsWire
from agwtwisted.tls.relay_wires import RelayTlsWire, RelayWire
from agwtwisted.transport.streaming import TcpWire


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
        silent: bool = False,
        verified: Peer | None = None,
    ) -> None:
        """`verified` is the client as the handshake left it, before any further check; None where it is the same.

        `silent` is one that has not shown yet that it speaks at all.
        """
        self.peer = peer
        self.client = Client(
            peer=peer, port=port.number, offered_suites=wire.offered_suites, tcp_rtt=wire.round_trip_time
        )
        self.profile = profile
        self.sites = port.sites
        self.listener = listener
        self.plain_text = plain_text
        self.draining = False
        self.expelled = False
        self.address = client_address(peer)
        self._framed: tuple[Peer, ClientFrame] | None = None  # what `frame_of` made last
        self._port = port
        self._identities: dict[Action, bytes] = {}
        self._other_identities: dict[tuple[Action, Verdict], bytes] = {}  # where a path takes the client differently
        self._wire = wire
        patience = port.gateway.silent_timeout if silent else port.gateway.header_timeout
        self._frontend = Frontend(wire, self, port.exchanges, port.gateway, port.plain, patience)
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
        if self._port.wall.seconds() >= verified.until:
            return succeed(attrs.evolve(verified, verdict=Refused(reasons.EXPIRED)))
        check = self._port.check_of(self.profile)
        checked = succeed(verified) if check is None else asked_of(check, verified)
        return checked.addErrback(no_answer, verified, self.log).addCallback(self._required, verified)

    def _required(self, peer: Peer, verified: Peer) -> Peer:
        """Once a path has let the client in, its certificate is looked after as on a Strict listener."""
        if isinstance(peer.verdict, Trusted) and self._standing is None:
            self._stand(_OfSomePaths(self), verified, peer.until)
        return peer

    def _stand(self, judged: Judged, verified: Peer, until: float) -> None:
        if until < inf:
            port = self._port
            self._standing = Standing(port.clock, port.wall, judged, verified, port.check_of(self.profile))
            self._standing.until(until)

    def frame_of(self, peer: Peer) -> ClientFrame:
        """What all records of the client have in common, with a verdict that may be that of a path.

        Made when it is asked for: that is with the first lines of the access log, all at once.
        """
        framed = self._framed
        if framed is None or framed[0] is not peer:
            framed = self._framed = (
                peer,
                ClientFrame.from_peer(peer, names_refused=self._port.gateway.log_refused_certificates),
            )
        return framed[1]

    def identity(self, action: Action, peer: Peer) -> bytes:
        """The request header lines that tell a backend who the client is; rendered once for each verdict."""
        if peer is self.peer:
            identity = self._identities.get(action)
            if identity is None:
                identity = self._identities[action] = self._identity(action, peer)
            return identity
        identity = self._other_identities.get((action, peer.verdict))
        if identity is None:
            identity = self._other_identities[action, peer.verdict] = self._identity(action, peer)
        return identity

    def _identity(self, action: Action, peer: Peer) -> bytes:
        return self._port.identities.block(peer, self._port.number, action.certificate_headers)

    def drain(self) -> None:
        """The gateway stops: the next answer, or the one under way, is the last."""
        self.draining = True
        self._frontend.drain(self._port.clock.seconds(), self._port.quiet)

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when."""
        return self._frontend.awaited(now)

    def abort(self) -> None:
        """Ends the connection at once."""
        self._wire.abort()

    def hold(self) -> None:
        """The verdict is over, and the new one not in: no further request is begun."""
        self._frontend.hold()

    def renewed(self, peer: Peer) -> None:
        """The client was judged again. Refused, it sends no further request, and gets little time for the last one."""
        try:
            self.peer = peer
            self.client = attrs.evolve(self.client, peer=peer)
            if admits(peer.verdict):
                self._frontend.go_on()
            else:
                self.expel()
        except Exception:
            self.log.failure("Unexpected error after a revalidation")
            self.abort()

    def expel(self) -> None:
        """The client is not welcome any more."""
        if self._frontend.endless:
            self.abort()
        elif self._patience is None:
            self._patience = self._port.clock.callLater(self._port.gateway.drain_timeout, self._out_of_patience)
            self.draining = self.expelled = True
            self._frontend.finish()

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


class HttpPort(Port[Site]):
    """A port whose clients speak HTTP.

    Args:
        exchanges: what requests become.
        names: which request headers go where.
        others: those of `ports.Port`.
    """

    def __init__(
        self,
        plan: PortPlan[Site],
        contexts: PortContexts | None,
        environment: PortEnvironment,
        *,
        exchanges: HttpExchanges,
        names: HeaderNames,
    ) -> None:
        super().__init__(plan, contexts, environment)
        self.exchanges = exchanges
        self.plain = PlainRequests(names, max_header_lines=self.gateway.max_header_lines)
        self.identities = IdentityBlocks()

    def plain_wire(self) -> TcpWire:
        """The wire of a connection without TLS, which a client that has asked may half close."""
        return RelayWire(self.clock)

    def encrypted_wire(self, handshake: Handshake, seconds: float) -> TlsWire:
        """The same with TLS."""
        gateway = self.gateway
        return RelayTlsWire(self.clock, handshake, seconds, gateway.max_client_chain_bytes, gateway.silent_timeout)

    def begin(self, wire: TcpWire, peer: Peer, site: Site | None = None, *, verified: Peer | None = None) -> None:
        """Reads requests from a connection whose client is known; a refused one is told so."""
        profile = None if site is None else site.profile
        listener = self._listener if site is None else site.listener.name
        session = self._sessions[wire] = HttpSession(
            self, wire, peer, profile, listener, silent=self._contexts is None, verified=verified
        )
        if self.draining:
            session.drain()

    def plain_text(self, wire: TcpWire, peer: Peer) -> None:
        """Who speaks HTTP where TLS is wanted is told so."""
        self._sessions[wire] = HttpSession(self, wire, peer, None, self._listener, plain_text=True)

    def frame(self, listener: str) -> RecordFrame:
        """What the records of failed handshakes of a listener have in common."""
        return self.exchanges.frame(listener, None)
