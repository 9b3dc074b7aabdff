"""What streams ask of a connection that is over."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.http2.table_owner import NO_TABLE_OWNER
from tests.http2.connections import Http2Case
from tests.http2_clients import get


class NoOwnerTests(SynchronousTestCase):
    """A connection that is over."""

    def test_nothing_is_done(self) -> None:
        """Nothing comes of what it is asked for; it does not rest, so that nothing is asked for a turn."""
        NO_TABLE_OWNER.in_next_turn()
        NO_TABLE_OWNER.begun(1)
        NO_TABLE_OWNER.emptied()
        self.assertFalse(NO_TABLE_OWNER.rests)


class EndedTests(Http2Case):
    """A connection that ends under a request."""

    def test_body_is_resumed(self) -> None:
        """An exchange that takes more of a body then has no effect."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        self.last.reply.pause_body()
        self.line.hang_up()
        self.last.reply.resume_body()
        self.assertTrue(self.last.lost)
        self.assertFalse(self.network.getDelayedCalls())
