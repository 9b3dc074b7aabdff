"""HTTP on the connections of a port: each gets a frontend, and a `Session` that all its requests share."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.exchange.forwarding import IdentityBlocks, client_address
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.identity.clients import NOT_CHECKED, Admitted, Client, PendingClient, TurnedAway, identify
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.operations.records import RecordFrame
from agwtwisted.core.plan.plan import PortPlan
from agwtwisted.core.plan.routing import Action, Site
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.exchange.exchange import HttpExchanges, PlainHttpExchanges
from agwtwisted.http1.frontend import Frontend
from agwtwisted.identity.revalidation import Revalidation, StrictClient
from agwtwisted.interfaces import ClientProtocol, Exchanges
from agwtwisted.listening.ports import Port, PortEnvironment
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.transport.connection import Connection


class HttpSession:
    """What all requests of one connection share, as interfaces.Session says."""

    log = Logger()

    def __init__(
        self,
        port: HttpPort,
        connection: Connection,
        client: Client,
        profile: SslProfile | None,
        listener: str,
        *,
        exchanges: Exchanges,
        silent: bool = False,
    ) -> None:
        """`silent` is a client that has not shown yet that it speaks at all."""
        self.client = client
        self.profile = profile
        self.sites = port.sites
        self.listener = listener
        self.draining = False
        self.expelled = False
        self.address = client_address(client.connection)
        self._port = port
        self._connection = connection
        seconds = port.gateway.silent_timeout if silent else port.gateway.header_timeout
        frontend = Frontend(connection, self, exchanges, port.gateway, port.parser, seconds)
        self._revalidation: Revalidation | None = None
        self._strict: StrictClient | None = None
        self._expulsion: IDelayedCall | None = None
        connection.receiver = frontend
        self._protocol: ClientProtocol = frontend
        if isinstance(client, Admitted):
            self._revalidation = Revalidation.of(port.clock, port.wall, self, client, port.check_of(profile))

    def strict_client(self) -> Deferred[Client]:
        """The client as a Strict profile takes it, for a path that requires a certificate; may be cancelled."""
        if self._strict is None:
            port = self._port
            self._strict = StrictClient(port.clock, port.wall, port.check_of(self.profile), self.expel)
        return self._strict.judged(self.client)

    def identity(self, action: Action, client: Admitted) -> bytes:
        """The request header lines that identify the client to a backend; rendered once for each client."""
        identity: bytes | None = client.remembered.get(action)
        if identity is None:
            identity = self._port.identities.block(client, action.certificate_headers)
            client.remembered[action] = identity
        return identity

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

    def hold(self) -> None:
        """The verdict is over, and the new one not in: no further request is begun."""
        self._protocol.hold()

    def renewed(self, client: Client) -> None:
        """The client was judged again. Turned away, it sends no further request, and soon ends the last one."""
        try:
            self.client = client
            if isinstance(client, Admitted):
                self._protocol.go_on()
            else:
                self.expel()
        except Exception:
            self.log.failure("Unexpected error after a revalidation")
            self.abort()

    def expel(self) -> None:
        """The client is turned away: no further request of it is begun."""
        if self._protocol.endless:
            self.abort()
        elif self._expulsion is None:
            self._expulsion = self._port.clock.callLater(self._port.gateway.drain_timeout, self._expulsion_due)
            self.draining = self.expelled = True
            self._protocol.finish()

    def ended(self) -> None:
        """The connection is gone."""
        if self._revalidation is not None:
            self._revalidation.stop()
        if self._strict is not None:
            self._strict.stop()
        if self._expulsion is not None:
            self._expulsion.cancel()
            self._expulsion = None

    def _expulsion_due(self) -> None:
        self._expulsion = None
        self.abort()


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
        self.parser = RequestParser(
            names,
            max_header_bytes=self.gateway.max_header_bytes,
            max_header_lines=self.gateway.max_header_lines,
        )
        self.identities = IdentityBlocks()

    def begin(self, connection: Connection, client: Admitted, site: Site | None = None) -> None:
        """Reads the requests of an admitted client."""
        self._serve(connection, client, site, self.exchanges)

    def turned_away(self, connection: Connection, client: TurnedAway, site: Site | None) -> None:
        """Answers the first request of a client that is turned away with the reason; no request of it is routed."""
        self._serve(connection, client, site, self.exchanges)

    def plain_text(self, connection: Connection, client: PendingClient) -> None:
        """Answers the first request of a client that speaks HTTP where TLS is wanted with a page that says so."""
        answers = PlainHttpExchanges(self.exchanges)
        turned_away = identify(client, NOT_CHECKED)
        self._sessions[connection] = HttpSession(self, connection, turned_away, None, self._listener, exchanges=answers)

    def _serve(self, connection: Connection, client: Client, site: Site | None, exchanges: Exchanges) -> None:
        profile = None if site is None else site.profile
        listener = self._listener if site is None else site.listener.name
        session = self._sessions[connection] = HttpSession(
            self, connection, client, profile, listener, exchanges=exchanges, silent=self._contexts is None
        )
        if self.draining:
            session.drain()

    def frame(self, listener: str) -> RecordFrame:
        """What the records of failed handshakes of a listener have in common."""
        return self.exchanges.frame(listener, None)
