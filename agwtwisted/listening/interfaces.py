"""What connections that have no session yet ask of their port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.identity.clients import (
    Admitted,
    ClientConnection,
    PendingClient,
    TurnedAway,
)
from agwtwisted.core.listening.proxy_protocol import Endpoint
from agwtwisted.core.plan.routing import NamedSites, S
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.verification.verdicts import Refusing
from agwtwisted.identity.revalidation import Check
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.expired_roots import ExpiredRoots
from agwtwisted.listening.tracking import LiveConnections, TrackedConnection
from agwtwisted.operations.counters import ListenerCounters
from agwtwisted.operations.refusals import RefusedParty
from agwtwisted.tls.resumption import Resumption
from agwtwisted.tls.staples import StapleOf
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import Outbox


class EntryPort(Protocol[S]):
    """The port that a connection comes to: `ports.Port`."""

    gateway: Gateway
    limits: Limits
    clock: IReactorTime
    outbox: Outbox
    wall: WallClock
    sites: NamedSites[S]
    live: LiveConnections
    expired_roots: ExpiredRoots
    resumption: Resumption
    staple_of: StapleOf
    protocol: str  # of clients: `core.operations.live_clients`
    fingerprints: bool  # whether requests may be asked for those of their clients: `core.tls.ja4`
    check_of: Callable[[SslProfile | None], Check | None]
    quiet: float

    def begin(self, connection: Connection, client: Admitted, site: S | None = None) -> None:
        """Gives the connection of an admitted client a session."""

    def turned_away(self, connection: Connection, client: TurnedAway, site: S | None) -> None:
        """Ends the connection of a client that is refused after its handshake."""

    def plain_text(self, connection: Connection, client: PendingClient) -> None:
        """Takes a connection whose client speaks no TLS on a port of TLS."""

    def admit(
        self, connection: Connection, host: str, port: int, seconds: float, reached: Endpoint | None = None
    ) -> bool:
        """Gives a client its place, and `seconds` for its handshake; False when its address has too many."""

    def track(self, connection: Connection, block: str = "", *, silent: bool = True) -> TrackedConnection:
        """Gives a connection a place among all."""

    def connection_of(self, connection: Connection, host: str, port: int, reached: Endpoint | None) -> ClientConnection:
        """What is known of a client's connection before any byte of it is read."""

    def listener_of(self, site: S | None) -> str:
        """The name of a site's listener, or else of the port's first one."""

    def refused(
        self, stage: str, listener: str, client: RefusedParty, verdict: Refusing, presented: Sequence[bytes] = ()
    ) -> None:
        """A client of a listener is turned away: counts it, and notes who it is and what it has sent."""

    def presented_by(self, connection: Connection) -> tuple[bytes, ...]:
        """The certificates that a client has sent, in DER, its own first."""

    def trust_of(self, site: S | None) -> object:
        """By what the clients of a site are judged; equal where the judgement is."""

    def judged_anew(self, connection: Connection, client: PendingClient, site: S) -> PendingClient:
        """The client as its handshake would have left it under this site's profile."""

    def header_failed(self, host: str, port: int, reason: str) -> None:
        """There is no PROXY header, from there."""

    def handshake_failed(self, client: PendingClient, site: S | None, reason: str) -> None:
        """Writes the line of a handshake that came to nothing."""

    def counters_of(self, site: S | None) -> ListenerCounters:
        """Those of a site's listener; of the first one of the port where no site was selected."""
