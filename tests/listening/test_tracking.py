"""Connections as they are tracked."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.tracking import PortSession, TrackedConnection
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.gateways import gateway
from tests.wires import Line, Network


class Session:
    """What stands behind it later."""

    def drain(self) -> None:
        """Not asked for."""

    def abort(self) -> None:
        """Not asked for."""

    def ended(self) -> None:
        """Not asked for."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The next request."""
        return Awaited.REQUEST, now - 1


class TrackedTests(SynchronousTestCase):
    """What admission asks, and when a place is free."""

    def setUp(self) -> None:
        """A connection with its place."""
        self.network = Network()
        self.connection = Connection(self.network, NO_OUTBOX)
        self.sessions: dict[Connection, PortSession] = {}
        self.limits = Limits(gateway(), Clock())
        self.closed: list[Any] = []
        self.tracked = self.track("192.0.2.0/24")
        self.line: Line = self.network.dial(self.connection)

    def track(self, block: str) -> TrackedConnection:
        """A place of the connection."""
        return TrackedConnection(self.connection, self.sessions, self.limits, block, self.closed.append)

    def test_awaited(self) -> None:
        """At the gate the gateway is at work for it; else it is what stands behind it that says."""
        self.assertEqual(self.tracked.awaited(1.0), (Awaited.NOTHING, 1.0))
        self.sessions[self.connection] = Session()
        self.assertEqual(self.tracked.awaited(2.0), (Awaited.REQUEST, 1.0))

    def test_has_spoken(self) -> None:
        """Bytes count once they have arrived, read or not."""
        self.assertEqual((self.tracked.has_spoken(), self.tracked.has_arrived()), (False, False))
        self.connection.pause()
        self.line.send(b"x")
        self.assertEqual((self.tracked.has_spoken(), self.tracked.has_arrived()), (True, True))
        self.connection.resume()
        self.network.advance(0)
        self.assertEqual((self.tracked.has_spoken(), self.tracked.has_arrived()), (True, False))

    def test_give_way(self) -> None:
        """It closes at once, and its place is free."""
        self.tracked.give_way("max_connections")
        self.assertEqual(self.connection.end_reason, "max_connections")
        self.assertEqual((self.closed, len(self.limits.connections)), ([self.connection], 0))

    def test_replaced(self) -> None:
        """Once its address is known the place is another one, and there is no other left in the end."""
        self.tracked.replaced()
        self.track("198.51.100.0/24")
        self.assertEqual(self.limits._by_address, {"198.51.100.0/24": 1})
        self.line.crash()
        self.assertEqual((self.closed, self.limits._by_address), ([self.connection], {}))
