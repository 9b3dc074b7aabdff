"""L4 listeners: an accepted client is joined to a backend, and the session is logged when both connections are
closed.
"""

from __future__ import annotations

from agwtwisted.core.identity.clients import Admitted, PendingClient, TurnedAway
from agwtwisted.core.operations.records import RecordFrame
from agwtwisted.core.plan.plan import PortPlan
from agwtwisted.core.plan.routing import RelaySite
from agwtwisted.listening.ports import Port, PortEnvironment
from agwtwisted.relay.backends import RelayBackends
from agwtwisted.relay.client_sessions import RelaySession
from agwtwisted.relay.relay_targets import RelayTarget
from agwtwisted.relay.turned_away import TurnedAwaySession
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.transport.connection import Connection


class RelayPort(Port[RelaySite]):
    """A port whose clients are relayed.

    Args:
        backends: the servers that clients are connected to.
        others: those of `ports.Port`.
    """

    client_begins = False  # without TLS the server may be the first to speak, as in SMTP

    def __init__(
        self,
        plan: PortPlan[RelaySite],
        contexts: PortContexts | None,
        environment: PortEnvironment,
        *,
        backends: RelayBackends,
    ) -> None:
        super().__init__(plan, contexts, environment)
        self._targets = {site: RelayTarget.of(site, backends, self.metrics) for site in self.sites.all()}
        self.protocol = "tcp" if contexts is None else "tls"
        names = [site.listener.name for site in self._targets]
        self._frames = {name: RecordFrame.from_names(listener=name) for name in names}
        self._first = self._targets[self.sites.all()[0]]

    def begin(self, connection: Connection, client: Admitted, site: RelaySite | None = None) -> None:
        """Joins an admitted client to a backend."""
        session = RelaySession(self, self.target_of(site), connection, client)
        self.live.stand_behind(connection, session)
        session.begin()

    def turned_away(self, connection: Connection, client: TurnedAway, site: RelaySite | None) -> None:
        """Closes the connection of a client that is refused: on L4 nothing can be said to it."""
        session = TurnedAwaySession(self, self.target_of(site), connection, client)
        self.live.stand_behind(connection, session)
        session.begin()

    def plain_text(self, connection: Connection, client: PendingClient) -> None:
        """Nothing can be said to a client that speaks no TLS."""
        self.handshake_failed(client, None, "the client does not speak TLS")
        connection.abort()

    def frame(self, listener: str) -> RecordFrame:
        """What the records of failed handshakes of a listener have in common."""
        return self._frames[listener]

    def target_of(self, site: RelaySite | None) -> RelayTarget:
        """Where the clients of a site go; on a plain port all go to one target."""
        return self._first if site is None else self._targets[site]
