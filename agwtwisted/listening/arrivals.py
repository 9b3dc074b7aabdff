"""What stands behind a connection before its session: its PROXY header, its handshake, and the gate.

For the ports. Where a port of a new configuration takes over meanwhile, what is begun goes on there. A handshake made
by the old trust, or a client that waits at the gate for the old profile's check, is judged by the new profile where
that is another.
"""

from __future__ import annotations

from typing import Any, Final, Generic

from OpenSSL import SSL
from twisted.logger import Logger

from agwtwisted.core.identity.clients import (
    Admitted,
    CertificateProof,
    ClientConnection,
    PendingClient,
    TurnedAway,
)
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.listening.proxy_protocol import Endpoint, ProxyHeader
from agwtwisted.core.operations.live_clients import ClientState, LiveClient
from agwtwisted.core.plan.routing import S
from agwtwisted.core.verification.handshake_failures import (
    GATEWAY_STOPS,
    LISTENER_REMOVED,
    RESUMED_IN_VAIN,
    HandshakeFailure,
    failure_of,
)
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, Refused, admits
from agwtwisted.identity.gate import Gate
from agwtwisted.listening.interfaces import EntryPort
from agwtwisted.listening.proxied import ProxyHeaderReceiver
from agwtwisted.listening.succession import Succession, Turns
from agwtwisted.listening.tracking import DISMISSED
from agwtwisted.tls.client_certificates import ClientCertificates, pending_client, proof_of
from agwtwisted.tls.handshake import ServerHandshake
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.receiver import NO_RECEIVER

REMOVED: Final = LISTENER_REMOVED
"""Why connections end that no request or session of is under way."""


class ProxiedArrival:
    """A connection that must begin with a PROXY protocol header: every connection of such a port does."""

    def __init__(self, port: EntryPort[Any], host: str, number: int) -> None:
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
        port.live.all.add(self.connection)
        port.live.stand_behind(self.connection, self)
        self._tracked = port.track(self.connection)

    @property
    def listener(self) -> str:
        """As PortSession says."""
        return self._port.listener_of(None)

    def shown(self) -> LiveClient:
        """What is known is the proxy's address."""
        facts = ClientConnection(address=self._host, port=self._number)
        state, protocol = ClientState.PROXY_HEADER, self._port.protocol
        return LiveClient(listener=self.listener, protocol=protocol, state=state, connection=facts)

    def dismiss(self) -> None:
        """Nothing was begun for the client."""
        self.connection.abort(DISMISSED)

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

    def moved(self, succession: Succession) -> None:
        """The client that the header names is the new port's."""
        self._port = succession.port

    def retire(self, turns: Turns) -> None:
        """No client is known yet, and nothing was begun for one."""
        self._header.abort()

    def _found(self, header: ProxyHeader, seconds: float) -> bool:
        """The header is whole; the client has what is left of the time."""
        host, number, reached = self._host, self._number, None
        if header.source is not None:
            source, number = header.source
            host, reached = str(source), header.destination
        self._tracked.replaced()
        self._port.live.stand_behind(self.connection, None)
        return self._port.admit(self.connection, host, number, seconds, reached)

    def _failed(self, reason: str) -> None:
        self._port.header_failed(self._host, self._number, f"PROXY protocol: {reason}")


class TlsArrival(Generic[S]):
    """One connection's handshake, as handshake.HandshakeOwner says, and what follows it."""

    _before: EntryPort[S] | None = None  # whose contexts the handshake is made by, where another port has taken over

    def __init__(
        self,
        port: EntryPort[S],
        contexts: PortContexts,
        connection: Connection,
        address: str,
        number: int,
        seconds: float,
        reached: Endpoint | None,
        block: str,
    ) -> None:
        self.block, self.fingerprints = block, port.fingerprints
        self._port = port
        self._notes = ClientCertificates(port.wall.seconds, port.staple_of)
        self.tls: SSL.Connection = contexts.connection(self._notes, port.resumption.keys_for(address))
        self.connection = connection
        gateway = port.gateway
        self.handshake = ServerHandshake(
            port.clock, connection, self, seconds, gateway.max_client_chain_bytes, gateway.silent_timeout
        )
        port.live.stand_behind(connection, self)
        self._facts = port.connection_of(self.connection, address, number, reached)

    @property
    def name_refused(self) -> bool:
        """Whether no site answers to the name that the client asked for."""
        return self._notes.name_refused

    def begins(self, hello: bytes) -> bool:
        """Whether there is a slot for it."""
        self._notes.hello = hello
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

    @property
    def listener(self) -> str:
        """That of the name that the client asked for, once it has."""
        return self._port.listener_of(self._site)

    def shown(self) -> LiveClient:
        """Nothing is proven yet."""
        state, protocol = ClientState.HANDSHAKE, self._port.protocol
        return LiveClient(listener=self.listener, protocol=protocol, state=state, connection=self._facts)

    def dismiss(self) -> None:
        """Nothing was begun for the client."""
        self.connection.abort(DISMISSED)

    def drain(self) -> None:
        """The gateway stops."""
        self.handshake.drain(self._port.quiet)

    def abort(self) -> None:
        """There is no more time."""
        self.connection.abort(GATEWAY_STOPS)

    def ended(self) -> None:
        """The connection is gone, as the handshake has heard."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The rest of the handshake."""
        return self.handshake.awaited(now)

    def moved(self, succession: Succession) -> None:
        """The handshake goes on as it began; what follows it is the new port's, and its verdict."""
        if self._before is None:
            self._before = self._port
        self._port = succession.port

    def retire(self, turns: Turns) -> None:
        """Nothing was begun for the client."""
        self.connection.abort(REMOVED)

    # -- what becomes of it

    def completed(self) -> None:
        """The handshake is through: the gate opens once the verdict is in."""
        self._over()
        port, connection, notes = self._port, self.connection, self._notes
        proof = port.resumption.completed(notes, self.tls, port.wall.seconds(), self.handshake.bytes_taken)
        client, site = self._pending_client(proof), self._site
        self.tls.set_app_data(None)  # the notes have said all, and would stay as long as the connection
        before = self._before
        if before is not None:
            if site is None:
                self._failed(client, REMOVED)
                connection.abort(REMOVED)
                return
            if before.trust_of(self._chosen_site) != port.trust_of(site):
                client = port.judged_anew(connection, client, site)
        if not self._has_to_end(client):
            facts = client.connection
            port.counters_of(site).shook_hands(facts.tls_version, resumed=facts.session_reused)
            GateArrival(port, connection, site).judge(client)

    def _has_to_end(self, client: PendingClient) -> bool:
        """Ends a resumed connection for what would have ended a full handshake; whether there was such a thing."""
        chosen = self._notes.site_context
        if not client.connection.session_reused:
            return False
        if admits(client.proof.verdict):
            if isinstance(client.proof.strict_verdict, Refused) and client.proof.strict_verdict != UNJUDGED:
                # Its paths that require a certificate may have let it in before: with what it sends in full.
                self._port.resumption.refused(client.connection.address)
            return False
        if chosen is None or not chosen.rules.refuses_in_handshake:
            return False
        self._port.resumption.refused(client.connection.address)
        self._failed(client, RESUMED_IN_VAIN)
        self.connection.receiver = NO_RECEIVER
        self.connection.close(linger=True)
        return True

    def failed(self, reason: str, received: int) -> None:
        """The handshake came to nothing; a connection that said nothing at all is not worth a line."""
        self._over()
        if received:
            self._failed(self._pending_client(proof_of(self._notes, reason), reason), reason)

    def _failed(self, client: PendingClient, reason: str) -> None:
        """Counts it, and has its line written."""
        site, verdict = self._site, client.proof.verdict
        kind, counters = failure_of(reason, verdict), self._port.counters_of(site)
        counters.failed(kind, resumed=client.connection.session_reused)
        if kind in (HandshakeFailure.CERTIFICATE, HandshakeFailure.NO_CERTIFICATE):
            counters.judged(verdict)
            if isinstance(verdict, Missing | Refused):
                self._port.refused("handshake", self.listener, client, verdict, self._notes.presented)
        self._port.handshake_failed(client, site, reason)

    def plain_text(self) -> None:
        """The client speaks no TLS."""
        self._over()
        client = PendingClient(connection=self._facts, proof=CertificateProof(verdict=Missing()))
        self._port.counters_of(None).failed(HandshakeFailure.PLAIN_TEXT)
        self._port.plain_text(self.connection, client)

    def _over(self) -> None:
        self._port.live.stand_behind(self.connection, None)
        self._port.limits.end_handshake(self)

    @property
    def _chosen_site(self) -> S | None:
        """The site whose context the handshake is made by."""
        chosen = self._notes.site_context
        site: Any = None if chosen is None else chosen.site
        return site  # type: ignore[no-any-return]

    @property
    def _site(self) -> S | None:
        """The site that the connection belongs to: that of the new port where one has taken over."""
        if self._before is None or self._notes.site_context is None:
            return self._chosen_site if self._before is None else None
        return self._port.sites.of_handshake(self._notes.server_name)

    def _pending_client(self, proof: CertificateProof, failure: str = "") -> PendingClient:
        known, suites, ja4 = (self._notes, self.tls, self._facts), self.connection.offered_suites, self.connection.ja4
        client = pending_client(*known, proof, offered_suites=suites, ja4=ja4, failure=failure)
        chosen, verdict = self._notes.site_context, proof.verdict
        if chosen is not None and isinstance(verdict, Refused) and verdict != UNJUDGED:
            self._port.expired_roots.refused(chosen)
        return client


class GateArrival(Generic[S]):
    """A connection at the gate, between its handshake and the verdict; mostly for no time at all."""

    log = Logger()

    __slots__ = ("_connection", "_gate", "_judging", "_pending", "_port", "_site", "_trust")

    def __init__(self, port: EntryPort[S], connection: Connection, site: S | None) -> None:
        self._port = port
        self._connection = connection
        self._site = site
        self._judging = False  # the client is to be judged by a changed profile, in one of the next turns
        self._gate = Gate(connection, admitted=self._admitted, turned_away=self._turned_away)

    def judge(self, client: PendingClient) -> None:
        """Has the gate decide, now or when the check of the site's profile has answered."""
        port, site = self._port, self._site
        if not self._gate.judge(client, None if site is None else port.check_of(site.profile)):
            self._pending = client
            self._trust = port.trust_of(site)
            port.live.stand_behind(self._connection, self)

    def _admitted(self, client: Admitted) -> None:
        self._port.counters_of(self._site).judged(client.verdict)
        self._port.begin(self._connection, client, self._site)

    def _turned_away(self, client: TurnedAway) -> None:
        if client.connection.session_reused:
            self._port.resumption.refused(client.connection.address)
        port, presented = self._port, self._port.presented_by(self._connection)
        port.counters_of(self._site).judged(client.verdict)
        port.refused("verdict", self.listener, client, client.verdict, presented)
        port.turned_away(self._connection, client, self._site)

    # -- as PortSession says

    @property
    def listener(self) -> str:
        """That of its site."""
        return self._port.listener_of(self._site)

    def shown(self) -> LiveClient:
        """Its certificate is known, and not judged to the end."""
        pending = self._pending
        return LiveClient(
            listener=self.listener,
            protocol=self._port.protocol,
            state=ClientState.VERDICT,
            connection=pending.connection,
            proof=pending.proof,
            verdict=pending.proof.verdict,
        )

    def dismiss(self) -> None:
        """The client was not admitted, and nothing was begun for it."""
        self._connection.abort(DISMISSED)

    def drain(self) -> None:
        """The gateway stops: the verdict has a deadline, and what has come is served after it."""

    def abort(self) -> None:
        """There is no more time."""
        self._connection.abort(GATEWAY_STOPS)

    def ended(self) -> None:
        """The connection is gone, as the gate has heard."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The client waits for the gateway."""
        return Awaited.NOTHING, now

    def moved(self, succession: Succession) -> None:
        """What follows the verdict is the new port's; if its profile is another, so is the verdict."""
        belonging = succession.belonging(self._pending.connection.server_name)
        if belonging is None:
            self._connection.abort(REMOVED)
            return
        self._port, self._site = belonging.port, belonging.site
        if belonging.trust != self._trust:
            self._trust = belonging.trust
            self._gate.suspend()
            if not self._judging:  # else by this profile, too: a reload before it has asked for that
                self._judging = True
                succession.judge(self._judge_anew)

    def retire(self, turns: Turns) -> None:
        """The client was not admitted, and nothing was begun for it."""
        self._connection.abort(REMOVED)

    def _judge_anew(self) -> None:
        self._judging = False
        if self._connection.closing or self._site is None:
            return
        try:
            self._pending = self._port.judged_anew(self._connection, self._pending, self._site)
            self.judge(self._pending)
        except Exception:
            self.log.failure("Unexpected error while a client is judged by a changed profile")
            self._connection.abort()
