"""Clients of L4 listeners that are turned away."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.relay.turned_away import TurnedAwaySession
from tests.clients import client_context, device
from tests.relays import Check, Stand, text


class TurnedAwayTests(SynchronousTestCase):
    """From the verdict to the line in the log."""

    def refused(self) -> tuple[Stand, Any]:
        """A client that was turned away, and does not read."""
        check = Check()
        stand = Stand(text("mqtt strict"), check_of=check.of)
        client = stand.shake_hands(client_context(device()))
        client.line.stall(0)
        check.answer(good=False)
        return stand, client

    def test_stays_so(self) -> None:
        """Neither draining nor another configuration changes anything about it; it is not waited for."""
        stand, client = self.refused()
        [session] = stand.port._sessions.values()
        self.assertIsInstance(session, TurnedAwaySession)
        session.drain()
        self.assertEqual(session.awaited(5.0), (Awaited.NOTHING, 5.0))
        following = stand.reloaded(text("mqtt passthrough"))
        following.port.retire()
        stand.network.advance(0)
        self.assertEqual([*following.port._sessions.values()], [session])
        client.line.read()
        client.line.hang_up()
        stand.network.advance(0)
        self.assertEqual((stand.record["serverStatus"], stand.backend().attempts), ("403", 0))
        self.assertTrue(following.nothing_is_left())

    def test_abort(self) -> None:
        """When there is no more time it is cut off."""
        stand, client = self.refused()
        stand.port.abort()
        stand.network.advance(0)
        self.assertTrue(client.line.reset)
        self.assertTrue(stand.nothing_is_left())
