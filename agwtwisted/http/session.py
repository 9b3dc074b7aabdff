"""What all requests of one client's connection share, and how that goes over to a new configuration.

What is under way ends as it began. A session takes on all of the port that has taken over as soon as its protocol may
go over, which HTTP/1.1 may between two requests. Whether its client is still trusted does not wait for that, where the
profile of its site is another now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.core.exchange.forwarding import IdentityBlocks, client_address
from agwtwisted.core.identity.clients import Admitted, Client, PendingClient, TurnedAway
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.operations.live_clients import ClientState, LiveClient
from agwtwisted.core.plan.actions import Action
from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.verification.verdicts import Refusing
from agwtwisted.http1.frontend import Frontend
from agwtwisted.identity.revalidation import Check, Revalidation, StrictClient
from agwtwisted.interfaces import ClientProtocol, Exchange, KeptForClient, RequestHandling
from agwtwisted.listening.succession import Belonging, Succession, Turns
from agwtwisted.operations.refusals import RefusedParty
from agwtwisted.tls.contexts import HTTP2
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.connection import Connection


class SessionPort(Protocol):
    """The port of a session: `port.HttpPort`."""

    clock: IReactorTime
    wall: WallClock
    gateway: Gateway
    quiet: float
    sites: Sites
    handling: RequestHandling
    protocol: str
    identities: IdentityBlocks
    check_of: Callable[[SslProfile | None], Check | None]

    def listener_of(self, site: Site | None) -> str:
        """The name of a site's listener."""

    def trust_of(self, site: Site | None) -> object:
        """By what the clients of a site are judged."""

    def refused(
        self, stage: str, listener: str, client: RefusedParty, verdict: Refusing, presented: Sequence[bytes] = ()
    ) -> None:
        """A client of a listener is turned away: counts it, and notes who it is and what it has sent."""

    def presented_by(self, connection: Connection) -> tuple[bytes, ...]:
        """The certificates that a client has sent, in DER, its own first."""

    def misused(self, listener: str, client: Client, kind: str, reason: str) -> None:
        """A client's connection is ended for what it did: counts it, and says so in the log."""

    def judged_anew(self, connection: Connection, client: PendingClient, site: Site) -> PendingClient:
        """The client as its handshake would have left it under this site's profile."""


class HttpSession:
    """What all requests of one connection share, as interfaces.Session says."""

    log = Logger()

    dedicated: KeptForClient | None = None

    def __init__(
        self,
        port: SessionPort,
        connection: Connection,
        client: Client,
        site: Site | None,
        *,
        handling: RequestHandling,
        silent: bool = False,
    ) -> None:
        """`silent` is a client that has not shown yet that it speaks at all."""
        self.client = client
        self.profile = None if site is None else site.profile
        self.sites = port.sites
        self.listener = port.listener_of(site)
        self.draining = False
        self.expelled = False
        self.requests = 0
        self.host = b""
        self.address = client_address(client.connection)
        self._port = port
        self._connection = connection
        self._trust = port.trust_of(site)  # by what the client was judged last
        self._successor: Belonging | None = None  # on the port that has taken over, until the session has gone there
        self._settling = False
        self._overlaps = False  # requests were under way as it took on the configuration in force
        self._unjudged = False  # the client is judged by another profile, and the verdict is not in
        self._revalidation: Revalidation | None = None
        self._strict: StrictClient | None = None
        self._ending: IDelayedCall | None = None
        self._is_http2 = client.connection.protocol == HTTP2
        if self._is_http2:
            from agwtwisted.http2.client_protocol import Http2ClientProtocol  # `loading` has

            protocol: Http2ClientProtocol | Frontend = Http2ClientProtocol(connection, self, handling, port.clock)
        else:
            seconds = port.gateway.silent_timeout if silent else port.gateway.header_timeout
            protocol = Frontend(connection, self, handling, seconds)
        connection.receiver = protocol
        self._protocol: ClientProtocol = protocol
        if isinstance(client, Admitted):
            check = port.check_of(self.profile)
            self._revalidation = Revalidation.of(port.clock, port.wall, self, client, check)
        self._leave_if_unspoken(site)

    def strict_client(self) -> Deferred[Client]:
        """The client as a Strict profile takes it, for a path that requires a certificate; may be cancelled."""
        self._judge_if_due()
        strict = self._strict
        if strict is None:
            successor = self._successor
            port, profile = self._port, self.profile
            if successor is not None:  # a request is under way, and its client is judged by what counts now
                port, profile = successor.port, _profile_of(successor.site)
            strict = self._strict = StrictClient(port.clock, port.wall, port.check_of(profile), self.expel)
        client = self.client
        if self._unjudged and self._revalidation is not None:
            client = self._revalidation.provisional
        return strict.judged(client).addCallback(self._strictly_judged, strict)

    def _strictly_judged(self, client: Client, by: StrictClient) -> Client | Deferred[Client]:
        """The client, unless the profile was replaced meanwhile."""
        self._judge_if_due()
        return client if by is self._strict else self.strict_client()

    def identity(self, action: Action, client: Admitted) -> bytes:
        """The request header lines that identify the client to a backend; rendered once for each client."""
        identity: bytes | None = client.remembered.get(action)
        if identity is None:
            identity = self._port.identities.block(
                client, action.certificate_headers, fingerprinted=action.fingerprinted
            )
            if not self._overlaps or self._is_in_force(action):
                client.remembered[action] = identity
        return identity

    def _is_in_force(self, action: Action) -> bool:
        """Whether an action is none of a request that began under another configuration, of which nothing is kept."""
        return any(action in site.actions.all() for site in self.sites.all())

    def drain(self) -> None:
        """The gateway stops: the next answer, or the one in progress, is the last."""
        self.draining = True
        self._protocol.drain(self._port.clock.seconds(), self._port.quiet)

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when."""
        return self._protocol.awaited(now)

    def abort(self) -> None:
        """Ends the connection at once."""
        self._connection.abort()

    def shown(self) -> LiveClient:
        """Who the client is, and what is under way."""
        client, under_way = self.client, self._protocol.under_way
        state = self._state()
        servers = dict.fromkeys(each.backend for each in under_way if each.backend)
        return LiveClient.of(
            client,
            listener=self.listener,
            protocol="h2" if self._is_http2 else self._port.protocol,
            state=state,
            requests=self.requests,
            host=self.host,
            backend=b", ".join(servers).decode(),
            under_way=len(under_way),
        )

    def _state(self) -> ClientState:
        if self._connection.closing:
            return ClientState.CLOSING
        if isinstance(self.client, TurnedAway):
            return ClientState.REFUSED
        if not self._protocol.under_way:
            return ClientState.IDLE
        return ClientState.STREAMING if self._protocol.endless else ClientState.ACTIVE

    def dismiss(self) -> None:
        """An operator ends it: as that of a client that is trusted no more."""
        self._expel()

    # -- under a new configuration

    def moved(self, succession: Succession) -> None:
        """What is under way goes on; no request is begun before the session has gone over, or its client was judged."""
        if self.expelled or isinstance(self.client, TurnedAway):
            return
        belonging = succession.belonging(self.client.connection.server_name)
        if belonging is None:
            succession.move(self._retire)
            return
        if self.draining:  # its site was removed; if it is back with another profile, it ends sooner
            if belonging.site is not None and belonging.trust != self._trust:
                self.hold()
                succession.judge(self._expel)
            return
        self._successor = belonging
        self._protocol.hold()
        if belonging.trust == self._trust:
            succession.move(self._go_over)
        else:
            succession.judge(self._go_over, idle=not self._protocol.under_way)

    def retire(self, turns: Turns) -> None:
        """The listener is there no more: the answer under way is the last, and ends within `drain_timeout`."""
        turns.moves.add([self._retire])

    def _retire(self) -> None:
        if not (self.draining or self._connection.closing):
            self._end_within(self._port.gateway.drain_timeout)
            self.drain()

    def _expel(self) -> None:
        if not self._connection.closing:
            self.expel()

    def settled(self) -> bool:
        """Before a request: what has changed takes effect. Whether it may be begun."""
        self._settling = True
        try:
            self._judge_if_due()
            successor = self._successor
            if successor is not None:
                self._successor = None
                self._take_on(successor.port, successor.site)
        finally:
            self._settling = False
        return not (self._unjudged or self.expelled)

    def misused(self, kind: str, reason: str) -> None:
        """The protocol ends the connection for what the client did."""
        self._port.misused(self.listener, self.client, kind, reason)

    def _go_over(self) -> None:
        """Its turn has come."""
        if self._connection.closing:
            return
        try:
            self._judge_if_due()
            self._go_on()
        except Exception:
            self.log.failure("Unexpected error while a connection goes over to a new configuration")
            self.abort()

    def _go_on(self) -> None:
        """Lets the next request begin, where it need not wait for the answer of one that is under way."""
        if not self._settling and self._protocol.may_go_over and self.settled():
            self._protocol.go_on()

    def _take_on(self, port: SessionPort, site: Site | None) -> None:
        """All of the new port: but for requests under way nothing refers to the old one after this."""
        self._port, self.sites = port, port.sites
        self.profile, self.listener = _profile_of(site), port.listener_of(site)
        check = port.check_of(self.profile)
        if self._revalidation is not None:
            self._revalidation.check_by(check)
        if self._strict is not None:
            self._strict.check_by(check)
        self._overlaps = bool(self._protocol.under_way)
        if self._overlaps:
            self.client = attrs.evolve(self.client)  # those keep theirs, and what it remembers of the old port
        else:
            self.client.remembered.clear()
        self._protocol.serve_by(port.handling)
        self._leave_if_unspoken(site)

    def _leave_if_unspoken(self, site: Site | None) -> None:
        """HTTP/2 that the listener does not speak any more ends as on one that was removed; requests are served."""
        if self._is_http2 and not (site is not None and site.listener.http2):
            self._retire()

    # -- whether the client is trusted

    def _judge_if_due(self) -> None:
        successor = self._successor
        if successor is not None and successor.trust != self._trust:
            self._judge(successor.port, successor.site, successor.trust)

    def _judge(self, port: SessionPort, site: Site | None, trust: object) -> None:
        """Judges the client by the profile of its site as it is now; until the verdict is in no request is begun."""
        self._trust, self._unjudged = trust, True
        before, strict = self._revalidation, self._strict
        if before is not None:
            before.stop()
        if strict is not None:
            strict.stop()
        if site is None:
            raise AssertionError("without TLS all clients are judged alike")
        asked = PendingClient(connection=self.client.connection, proof=self.client.proof)
        pending, check = port.judged_anew(self._connection, asked, site), port.check_of(site.profile)
        self._strict = StrictClient(port.clock, port.wall, check, self.expel)
        revalidation = self._revalidation = Revalidation.anew(port.clock, port.wall, self, pending, check)
        if strict is not None and strict.has_let_in:
            self._strict.judge_again(revalidation.provisional)
        revalidation.begin()

    def hold(self) -> None:
        """The verdict is over, and the new one not in: no further request is begun."""
        self._unjudged = True
        self._protocol.hold()

    def renewed(self, client: Client) -> None:
        """The client was judged again. Turned away, it sends no further request, and soon ends the last one."""
        try:
            self.client = client
            self._unjudged = False
            if isinstance(client, Admitted):
                self._go_on()
            else:
                presented = self._port.presented_by(self._connection)
                self._port.refused("revalidation", self.listener, client, client.verdict, presented)
                self.expel()
        except Exception:
            self.log.failure("Unexpected error after a revalidation")
            self.abort()

    def expel(self) -> None:
        """The client is turned away: no further request of it is begun."""
        self.draining = self.expelled = True
        self._end_within(self._port.gateway.drain_timeout)
        self._protocol.finish()

    # -- the end

    def ended(self) -> None:
        """The connection is gone."""
        if self.dedicated is not None:
            self.dedicated.close()
        if self._revalidation is not None:
            self._revalidation.stop()
        if self._strict is not None:
            self._strict.stop()
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        self._protocol = _GONE  # it leads back here

    def _end_within(self, seconds: float) -> None:
        """Ends at the latest then, or when that was said before."""
        if self._ending is None:
            self._ending = self._port.clock.callLater(seconds, self._too_late)

    def _too_late(self) -> None:
        self._ending = None
        self.abort()


def _profile_of(site: Site | None) -> SslProfile | None:
    return None if site is None else site.profile


class _Gone:
    """The protocol of a client that is gone: nothing is under way, and nothing comes of what is said to it."""

    under_way: tuple[Exchange, ...] = ()
    endless = False
    may_go_over = False

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """Nothing."""
        return Awaited.NOTHING, now

    def drain(self, now: float, quiet: float) -> None:
        """It has ended."""

    def finish(self) -> None:
        """It has ended."""

    def hold(self) -> None:
        """No request comes."""

    def go_on(self) -> None:
        """No request comes."""

    def serve_by(self, handling: RequestHandling) -> None:
        """No request comes."""


_GONE: Final = _Gone()
