"""Connections as they are tracked."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.listening.tracking import Abortable, PortSession, TrackedConnection


class Connection:
    """One that is waited for, as listening.tracking.Giving says."""

    def __init__(self) -> None:
        self.spoken = self.arrived = False
        self.reasons: list[str] = []

    def abort(self) -> None:
        """Not asked for."""

    def has_spoken(self) -> bool:
        """As the test says."""
        return self.spoken

    def has_arrived(self) -> bool:
        """As the test says."""
        return self.arrived

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """A handshake."""
        return Awaited.HEAD, now

    def give_way(self, reason: str) -> None:
        """Keeps why."""
        self.reasons.append(reason)

    def drain(self, quiet: float) -> None:
        """Not asked for."""


class Session:
    """What stands behind it later."""

    def drain(self) -> None:
        """Not asked for."""

    def ended(self) -> None:
        """Not asked for."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """Nothing."""
        return Awaited.NOTHING, now


class TrackedTests(SynchronousTestCase):
    """What admission asks."""

    def test_awaited(self) -> None:
        """The connection is waited for until it has a session, and then what the session says."""
        connection = Connection()
        sessions: dict[Abortable, PortSession] = {}
        tracked = TrackedConnection(connection, sessions, "192.0.2.0/24")
        self.assertEqual(tracked.awaited(1.0), (Awaited.HEAD, 1.0))
        sessions[connection] = Session()
        self.assertEqual(tracked.awaited(2.0), (Awaited.NOTHING, 2.0))

    def test_has_spoken(self) -> None:
        """Bytes count once they have arrived, read or not."""
        connection = Connection()
        tracked = TrackedConnection(connection, {}, "")
        for spoken, arrived in ((False, False), (True, False), (False, True)):
            connection.spoken, connection.arrived = spoken, arrived
            self.assertEqual((tracked.has_spoken(), tracked.has_arrived()), (spoken or arrived, arrived))

    def test_give_way(self) -> None:
        """The connection is told why."""
        connection = Connection()
        TrackedConnection(connection, {}, "").give_way("max_connections")
        self.assertEqual(connection.reasons, ["max_connections"])
