"""What is counted and logged of an L4 session at its end."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import client_context, device
from tests.relays import Check, Stand, text

OF_BACKEND = ("upstreamSentBytes", "upstreamReceivedBytes", "upstreamSessionTime", "serverRouted", "upstreamSourcePort")


class SessionLogTests(SynchronousTestCase):
    """The same members for a client that was admitted as for one that was turned away."""

    def record(self, *, good: bool) -> dict[str, Any]:
        """The line of a session of two seconds, which begins when its client is judged."""
        check = Check()
        self.stand = stand = Stand(text("mqtt strict"), check_of=check.of)
        client = stand.shake_hands(client_context(device()))
        client.line.stall(0)
        stand.network.advance(1)
        check.answer(good=good)
        if good:
            stand.network.advance(0)
            stand.backend()
        stand.network.advance(2)
        client.line.read()
        client.line.hang_up()
        stand.network.advance(0)
        return stand.record

    def test_members(self) -> None:
        """A session without a backend has the members of one that had a backend, as zeros."""
        served, refused = self.record(good=True), self.record(good=False)
        self.assertEqual(served.keys() - refused.keys(), set())
        self.assertEqual((served["sessionTime"], refused["sessionTime"]), (2, 2))
        self.assertEqual((served["upstreamSessionTime"], served["serverRouted"]), (2, "127.0.0.1:1883"))
        self.assertEqual([refused[name] for name in OF_BACKEND], [0, 0, 0, "", ""])
