"""One admitted client of an L4 listener: joined to a backend, and logged when it is gone.

For `relay.port`, which makes a session for each client.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.backends.balancing import Order
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.identity.clients import Admitted, Client, PendingClient, TurnedAway
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.operations.live_clients import ClientState, LiveClient
from agwtwisted.core.operations.session_records import SessionStatus
from agwtwisted.core.plan.routing import RelaySite
from agwtwisted.core.relay import announcing
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.identity.revalidation import Check, Revalidation
from agwtwisted.listening.ports import Port
from agwtwisted.listening.succession import Belonging, Succession, Turns
from agwtwisted.relay.backends import RelayServer
from agwtwisted.relay.relay_targets import RelayTarget
from agwtwisted.relay.session import End, Joined, Relay
from agwtwisted.relay.session_log import BackendShare, SessionLog
from agwtwisted.relay.waiting import WaitingClient
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.deferreds import log_failure

CONNECT_TIMEOUT = 5.0
"""Seconds in which one server has to accept; the next one is asked then, within the settings' `timeout` in all."""


class RelaySession:
    """One admitted client of an L4 listener, from the open gate to the end of both connections."""

    log = Logger()

    def __init__(
        self,
        port: Port[RelaySite],
        target: RelayTarget,
        connection: Connection,
        client: Admitted,
    ) -> None:
        self.client: Client = client  # replaced as a whole when the client is judged again
        self._admitted = client  # as it was when its server was chosen
        self._port = port
        self._target = target
        self._connection = connection
        self._live = port.live  # where its connection to a server counts, too
        self._trust = port.trust_of(target.site)  # by what the client was judged last
        self._successor: Belonging | None = None  # on the port that has taken over, until the session has gone there
        self._suspect = False  # its profile changed, and nothing is passed on until it is judged by the new one
        self._ending: IDelayedCall | None = None
        self._began = port.clock.seconds()
        self._waiting = WaitingClient(connection, self._client_lost)
        self._servers: Order[RelayServer] | None = None
        self._server: RelayServer | None = None
        self._dialing: Deferred[Connection] | None = None
        self._joined: Joined | None = None
        self._end: End | None = None
        self._status = SessionStatus.OK
        self._preamble = b""
        self._omitted = False
        self._on_hold = False
        connection.receiver = self._waiting
        check = port.check_of(target.site.profile)
        self._revalidation = Revalidation.of(port.clock, port.wall, self, client, check)

    def begin(self) -> None:
        """Looks for a backend."""
        try:
            rule = self._target.site.rule
            if rule.backend_settings.enable_l4_client_ip_preservation:
                self._preamble, self._omitted = self._header()
            self._servers = self._target.servers.order(self._admitted)
            self._dial_next()
        except Exception:
            self._fail()

    # -- from the port

    @property
    def listener(self) -> str:
        """The name of its listener."""
        return self._target.site.listener.name

    def shown(self) -> LiveClient:
        """Who the client is, and its server."""
        client, server = self.client, self._server
        return LiveClient.of(
            client,
            listener=self.listener,
            protocol=self._port.protocol,
            state=ClientState.CONNECTING if self._joined is None else ClientState.RELAY,
            backend="" if self._joined is None or server is None else server.name,
        )

    def dismiss(self) -> None:
        """An operator ends it."""
        self._abort(End.DISMISSED)

    def drain(self) -> None:
        """It has what time there is; so has a client whose server has not accepted yet."""

    def abort(self) -> None:
        """There is no more time."""
        self._abort(End.STOPPED)

    def ended(self) -> None:
        """The client's connection is gone."""
        if self._revalidation is not None:
            self._revalidation.stop()
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def retire(self, turns: Turns) -> None:
        """The listener is there no more: the session has `drain_timeout`."""
        turns.moves.add([self._retire])

    def _retire(self) -> None:
        if self._ending is None and not self._connection.closing:
            self._ending = self._port.clock.callLater(self._port.gateway.drain_timeout, self._removed)

    def moved(self, succession: Succession) -> None:
        """The session goes on where it is; nothing is passed on until its client is judged, where the profile changed.

        One that has no server yet begins anew then, on the new port.
        """
        if not isinstance(self.client, Admitted):
            return
        belonging = succession.belonging(self.client.connection.server_name)
        if belonging is None:
            succession.move(self._retire)
            return
        if self._ending is not None:  # its site was removed; if it is back with another profile, it ends now
            if belonging.site is not None and belonging.trust != self._trust:
                self.hold()
                succession.judge(self._end_now)
            return
        self._successor = belonging
        if belonging.trust == self._trust and not self._suspect:
            succession.move(self._go_over)
            return
        self._suspect = True
        self.hold()
        if self._joined is None:
            self._withdraw()
        succession.judge(self._go_over)

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when.

        A silent client with a server may wait for the server, or may never send anything. If it has sent nothing yet,
        the wait began with the connection, else with the last bytes in either direction: whether the server works for
        it is not known here. A trusted client is waited for only before its first byte, and since now.
        """
        if self._joined is None:
            return Awaited.NOTHING, now
        is_trusted = isinstance(self.client.verdict, Trusted)
        if not self._connection.bytes_in:
            return Awaited.MORE, now if is_trusted else self._began
        return (Awaited.NOTHING, now) if is_trusted else (Awaited.MORE, self._joined.relay.idle_since)

    # -- from the server, as targets.Connection says

    def cut(self, reason: str) -> None:
        """The server is down, and has been for long enough."""
        if self._joined is not None:
            self._joined.relay.abort(End.BACKEND_DOWN)

    # -- as revalidation.Revalidated says

    def hold(self) -> None:
        """The verdict is over, and the new one not in: nothing more of the client is passed on."""
        self._on_hold = True
        if self._joined is not None:
            self._joined.relay.hold()

    def renewed(self, client: Client) -> None:
        """The client was judged again; turned away, it is cut off."""
        try:
            if isinstance(client, Admitted) and self._suspect:  # by a profile that counts no more
                return
            self.client = client
            self._on_hold = False
            if isinstance(client, TurnedAway):
                presented = self._port.presented_by(self._connection)
                self._port.refused("revalidation", self.listener, client, client.verdict, presented)
            if isinstance(client, Admitted):
                self._go_on(client)
            elif self._joined is not None:
                self._joined.relay.abort(End.REFUSED)
            else:
                self._close(End.REFUSED, SessionStatus.FORBIDDEN)
        except Exception:
            self._fail()

    # -- under a new configuration

    def _go_over(self) -> None:
        """Its turn has come: the log, its checks and, before it has a server, its target are those of the new port."""
        successor, self._successor = self._successor, None
        if successor is None or self._connection.closing:
            return
        try:
            self._take_on(successor)
        except Exception:
            self._fail()

    def _take_on(self, successor: Belonging) -> None:
        port = self._port = successor.port
        site = successor.site
        check = port.check_of(None if site is None else site.profile)
        if self._suspect:
            self._suspect, self._trust = False, successor.trust
            self._judge(port, site, check)
        elif self._revalidation is not None:
            self._revalidation.check_by(check)

    def _judge(self, port: Any, site: RelaySite | None, check: Check | None) -> None:
        """Judges the client by the profile of its site as it is now; nothing of it is passed on until that is done."""
        if self._revalidation is not None:
            self._revalidation.stop()
        if self._joined is None:
            self._target = port.target_of(site)
        asked = PendingClient(connection=self.client.connection, proof=self.client.proof)
        pending = port.judged_anew(self._connection, asked, site)
        self._revalidation = Revalidation.anew(port.clock, port.wall, self, pending, check)
        self._revalidation.begin()

    def _go_on(self, client: Admitted) -> None:
        """The client is trusted still."""
        if self._joined is not None:
            self._joined.relay.go_on()
        elif self._servers is None:
            self._admitted = client
            self.begin()

    def _withdraw(self) -> None:
        """Looks for no server any more: none is to read who the client is by the old verdict."""
        dialing, self._dialing = self._dialing, None
        if self._servers is not None:
            self._servers.close()
            self._servers = None
        if dialing is not None:
            dialing.cancel()

    def _end_now(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._removed()

    def _removed(self) -> None:
        self._ending = None
        self._abort(End.REMOVED)

    # -- how

    def _abort(self, end: End) -> None:
        if self._joined is not None:
            self._joined.relay.abort(end)
        else:
            self._close(end, SessionStatus.UNAVAILABLE)
            self._connection.abort()

    def _header(self) -> tuple[bytes, bool]:
        """The PROXY protocol header for backends, and whether it had no room for the client's certificate."""
        connection = self._admitted.connection
        reached = connection.reached
        if reached is None:
            host = self._connection.host()
            reached = announcing.endpoint(host.host, host.port)
        source = announcing.endpoint(connection.address, connection.port)
        return announcing.header(self._admitted, source, reached, self._target.names)

    def _dial_next(self) -> None:
        left = self._began + self._target.site.rule.backend_settings.timeout - self._port.clock.seconds()
        server = next(self._servers, None) if self._servers is not None and left > 0 else None
        if server is None:
            self._close(End.UNREACHABLE, SessionStatus.UNREACHABLE)
            return
        self._target.counters.retries += self._server is not None
        self._server = server
        began = self._port.clock.seconds()
        dialing = self._dialing = server.dial(
            min(left, CONNECT_TIMEOUT), self._preamble, protocol=self._admitted.connection.protocol
        )
        dialed = dialing.addCallbacks(
            self._connected, self._not_connected, callbackArgs=(server, began), errbackArgs=(server,)
        )
        log_failure(dialed.addErrback(self._broken), self.log, "connecting an L4 client")

    def _connected(self, backend: Connection, server: RelayServer, began: float) -> None:
        self._dialing = None
        self._target.counters.connects.observe(self._port.clock.seconds() - began)
        if server.state is HealthState.DOWN:
            server.reached()
        server.used(self)
        port = self._port
        self._live.adopt(backend, self)
        timeout = self._target.site.rule.backend_settings.timeout
        relay = Relay(self._connection, backend, port.clock, timeout, self._over)
        self._joined = Joined(
            backend=backend,
            relay=relay,
            since=port.clock.seconds(),
            source_port=backend.host().port,
        )
        if self._on_hold:
            relay.hold()
        relay.start(self._waiting.early())

    def _not_connected(self, failure: Failure, server: RelayServer) -> Failure | None:
        self._dialing = None
        if failure.check(ConnectError, DNSLookupError) is None:
            return failure  # cancelled, or a defect
        server.complain(failure)
        self._target.counters.server(server.name.encode()).connect_failures += 1
        if failure.check(ConnectionRefusedError):
            server.refused()
        self._dial_next()
        return None

    def _broken(self, failure: Failure) -> Failure | None:
        """A defect of ours: the client is not left waiting."""
        if failure.check(CancelledError):
            return failure
        self._fail(failure)
        return None

    def _fail(self, failure: Failure | None = None) -> None:
        """Ends the session after a defect of the gateway: the one that is being handled, or this one."""
        self.log.failure("Unexpected error while serving an L4 client", failure)
        if self._joined is not None:
            self._joined.relay.abort(End.DEFECT)
        else:
            self._close(End.DEFECT, SessionStatus.DEFECT)

    def _close(self, end: End, status: SessionStatus) -> None:
        """Sends the client away before there was a backend."""
        if self._end is None:
            self._end, self._status = end, status
        self._connection.close()
        if self._dialing is not None:
            self._dialing.cancel()

    def _client_lost(self, reason: str) -> None:
        """The client's connection is gone, and there was no backend."""
        if self._dialing is not None:
            self._dialing.cancel()
        left = End.CLIENT_CUT if self._connection.cut else End.CLIENT
        self._over(self._end or (End.DEFECT if self._connection.failed else left))

    def _over(self, end: End) -> None:
        """Both connections are gone."""
        if end is End.DEFECT:
            self._status = SessionStatus.DEFECT
        if self._servers is not None:
            self._servers.close()
        if self._server is not None:
            self._server.ended(self)
        SessionLog(
            port=self._port,
            target=self._target,
            connection=self._connection,
            client=self.client,
            began=self._began,
            status=self._status,
            end=end,
            share=self._share(),
        ).write()

    def _share(self) -> BackendShare:
        joined = self._joined
        if joined is None:
            return BackendShare(certificate_omitted=self._omitted)
        return BackendShare(
            server=self._server.name if self._server else "",
            sent=joined.backend.bytes_out,
            received=joined.backend.bytes_in,
            since=joined.since,
            source_port=joined.source_port,
            certificate_omitted=self._omitted,
        )
