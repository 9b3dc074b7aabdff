"""Commands over one connection: their replies in order, each in its time, and no wait without an end."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.redis_replies import RedisReply
from agwtwisted.revocation.redis_connection import BUSY, GONE, LATE, MAX_OWED, MAX_WAITING, RedisConnection
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.clocks import turn
from tests.redis_lines import commands
from tests.wires import Network

SECONDS = 0.2


class ConnectionCase(SynchronousTestCase):
    """One connection, and the server's end of it."""

    def setUp(self) -> None:
        self.network = Network()
        transport = Connection(self.network, NO_OUTBOX)
        self.line = self.network.dial(transport)
        self.connection = RedisConnection(self.network, transport)

    def ask(self, *words: bytes) -> Deferred[RedisReply]:
        """A command."""
        return self.connection.ask(*words, seconds=SECONDS)

    def assert_over(self, reason: str) -> None:
        """Checks that the connection has ended for this reason, and that no timer runs."""
        self.network.advance(0)
        self.successResultOf(self.connection.over)
        self.assertEqual((self.connection.end_reason, self.line.connected), (reason, False))
        self.assertEqual(self.network.timers(), [])


class ReplyTests(ConnectionCase):
    """Commands and replies."""

    def test_in_order(self) -> None:
        """Commands go out at once, and each gets the reply that is its own by its place."""
        asked = [self.ask(b"GET", b"%d" % number) for number in range(3)]
        self.assertEqual(commands(self.line), [[b"GET", b"0"], [b"GET", b"1"], [b"GET", b"2"]])
        self.line.send(b"$1\r\na\r\n$-1\r\n")
        self.assertEqual([self.successResultOf(each) for each in asked[:2]], [b"a", None])
        self.assertNoResult(asked[2])
        self.line.send(b":7\r\n")
        self.assertEqual(self.successResultOf(asked[2]), 7)
        self.assertTrue(self.connection.has_replied)

    def test_cancelled(self) -> None:
        """The reply to a command that was cancelled is passed over; the next one gets its own."""
        first, second = self.ask(b"GET", b"a"), self.ask(b"GET", b"b")
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.line.send(b"$1\r\na\r\n$1\r\nb\r\n")
        self.assertEqual(self.successResultOf(second), b"b")


class BoundTests(ConnectionCase):
    """What a server that does not do its part costs."""

    def test_late(self) -> None:
        """A reply that is late ends the connection, for all that wait: later ones would belong to other commands."""
        asked = [self.ask(b"GET", b"a"), self.ask(b"GET", b"b")]
        self.network.advance(SECONDS)
        self.network.advance(0)
        self.network.advance(0)
        self.assertEqual([self.successResultOf(each) for each in asked], [GONE, GONE])
        self.assert_over(LATE)

    def test_each_has_its_time(self) -> None:
        """The time of a command begins when it is sent, whatever time the one before it took."""
        first = self.ask(b"GET", b"a")
        self.network.advance(SECONDS * 0.8)
        second = self.ask(b"GET", b"b")
        self.line.send(b":1\r\n")
        self.successResultOf(first)
        self.network.advance(SECONDS * 0.8)
        self.line.send(b":2\r\n")
        self.assertEqual(self.successResultOf(second), 2)
        self.network.advance(10 * SECONDS)
        self.assertTrue(self.line.connected)

    def test_the_gateway_was_late(self) -> None:
        """A reply that has come by the end of its time counts, although the gateway has not read it."""
        asked = self.ask(b"GET", b"a")
        self.line.end.pause()
        self.line.send(b":1\r\n")
        self.network.rightNow += SECONDS
        self.line.end.resume()
        turn(self.network)  # in which the time ends, and after that what has come is read
        self.network.advance(0)
        self.assertEqual(self.successResultOf(asked), 1)
        self.network.advance(0)
        self.assertTrue(self.line.connected)

    def test_too_many(self) -> None:
        """Commands and bytes without reply have a bound; further ones get a reply at once, and go nowhere."""
        asked = [self.ask(b"GET", b"a") for _ in range(MAX_WAITING)]
        self.assertIs(self.successResultOf(self.ask(b"GET", b"a")), BUSY)
        self.line.send(b":1\r\n")
        self.assertNoResult(self.ask(b"GET", b"a"))
        self.assertEqual(self.successResultOf(asked[0]), 1)

    def test_too_much(self) -> None:
        """So do the bytes of values that are stored."""
        value = bytes(MAX_OWED // 2)
        self.assertNoResult(self.ask(b"SET", b"a", value))
        self.assertIs(self.successResultOf(self.ask(b"SET", b"a", value)), BUSY)
        self.line.send(b"+OK\r\n")
        self.assertNoResult(self.ask(b"SET", b"a", value))


class EndTests(ConnectionCase):
    """The end of a connection, for whatever reason."""

    def test_server(self) -> None:
        """Where the server closes, waiting commands get a reply that says so, and later ones at once."""
        asked = self.ask(b"GET", b"a")
        self.line.hang_up()
        self.network.advance(0)
        self.assertIs(self.successResultOf(asked), GONE)
        self.assertIs(self.successResultOf(self.ask(b"GET", b"b")), GONE)
        self.assert_over("Redis has closed the connection")

    def test_no_redis(self) -> None:
        """What is no reply of Redis ends the connection, and so does a reply to no command."""
        asked = self.ask(b"GET", b"a")
        self.line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.network.advance(0)
        self.assertIs(self.successResultOf(asked), GONE)
        self.assert_over("what came is no reply of Redis")

    def test_unasked(self) -> None:
        """A reply to no command ends the connection, and what comes with it belongs to none."""
        self.line.send(b":1\r\n:2\r\n")
        self.assert_over("there was a reply to no command")

    def test_own_end(self) -> None:
        """Closed by the gateway, it sends what was asked before."""
        self.assertNoResult(self.ask(b"DEL", b"a"))
        self.connection.close()
        self.network.advance(0)
        self.assertEqual(commands(self.line), [[b"DEL", b"a"]])
        self.network.advance(0)
        self.successResultOf(self.connection.over)
        self.assertEqual(self.network.timers(), [])
