"""One connection to Redis, made again and again: what is said first, and when the next attempt comes."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation.redis_connection import RedisConnection
from agwtwisted.revocation.redis_link import CONNECT_SECONDS, FIRST_DELAY, LAST_DELAY, LOGIN_SECONDS, Login, RedisLink
from tests.redis_lines import RedisInHand, commands
from tests.wires import Network


class LinkCase(SynchronousTestCase):
    """A link whose work is a wait for the end of its connection."""

    login = Login()

    def setUp(self) -> None:
        self.network = Network()
        self.server = RedisInHand(self.network, self.login)
        self.heard: list[str] = []
        self.link = RedisLink(self.network, self.server, Random(0), self.work, self.heard.append)
        self.link.start()
        self.addCleanup(self.link.stop)
        self.network.advance(0)

    def work(self, connection: RedisConnection) -> Deferred[None]:
        """What is done with a connection."""
        return connection.over

    def ready(self) -> None:
        """The server answers the first command."""
        self.assertEqual(commands(self.server.line()), [[b"PING"]])
        self.server.line().send(b"+PONG\r\n")

    def next_attempt(self, most: float) -> None:
        """Lets time go on until there is another attempt."""
        before = self.server.backend.attempts
        self.network.advance(most / 2 - 0.001)
        self.assertEqual(self.server.backend.attempts, before)
        self.network.advance(most / 2 + 0.001)
        self.network.advance(0)
        self.assertEqual(self.server.backend.attempts, before + 1)


class LoginTests(LinkCase):
    """What is said first."""

    login = Login(user="gateway", password=b"secret", database=3)

    def test_all(self) -> None:
        """User and password, the database, and a command that shows that all is well; then the link is there."""
        line = self.server.line()
        self.assertEqual(commands(line), [[b"AUTH", b"gateway", b"secret"]])
        line.send(b"+OK\r\n")
        self.assertEqual(commands(line), [[b"SELECT", b"3"]])
        line.send(b"+OK\r\n")
        self.assertIsNone(self.link.connection)
        self.ready()
        self.assertIsNotNone(self.link.connection)
        self.assertEqual(self.heard, [""])

    def test_refused(self) -> None:
        """Where the password is wrong there is no connection, and Redis' own words say why; it is tried again."""
        self.server.line().send(b"-WRONGPASS invalid username-password pair\r\n")
        self.assertEqual((self.link.connection, self.heard), (None, ["WRONGPASS invalid username-password pair"]))
        self.next_attempt(FIRST_DELAY)

    def test_password_is_no_text(self) -> None:
        """No repr has the password."""
        self.assertNotIn("secret", repr(self.login))


class AttemptTests(LinkCase):
    """The next connection."""

    def test_again(self) -> None:
        """After an end there is another connection, later each time, up to a bound, until a command had a reply."""
        self.ready()
        delay = FIRST_DELAY
        for _ in range(7):
            self.server.line().crash()
            self.assertIsNone(self.link.connection)
            self.next_attempt(delay)
            delay = min(2 * delay, LAST_DELAY)
            self.ready()
        assert self.link.connection is not None
        self.assertNoResult(self.link.connection.ask(b"GET", b"a", seconds=1.0))
        self.server.line().send(b"$-1\r\n")
        self.server.line().crash()
        self.next_attempt(FIRST_DELAY)

    def test_no_reply(self) -> None:
        """A server that takes connections and says nothing is given its time, in which there is none."""
        self.network.advance(LOGIN_SECONDS)
        self.assertEqual((self.link.connection, self.heard), (None, ["no reply in time"]))
        self.next_attempt(FIRST_DELAY)

    def test_unreachable(self) -> None:
        """So is one that refuses connections, and one that does not accept them."""
        self.server.backend.refusing = True
        self.server.line().crash()
        self.next_attempt(FIRST_DELAY)
        self.server.backend.refusing, self.server.backend.silent = False, True
        self.next_attempt(2 * FIRST_DELAY)
        self.network.advance(CONNECT_SECONDS)
        self.assertEqual(len(self.heard), 3)
        self.assertNotIn("", self.heard)

    def test_files(self) -> None:
        """Where a file is not what it has to be, the link says so, and reads it again for the next attempt."""
        self.server.error = ValueError("password has no password")
        self.server.line().crash()
        self.network.advance(FIRST_DELAY)
        self.network.advance(0)
        self.assertEqual(self.heard[-1], "password has no password")
        self.server.error = None
        self.network.advance(2 * FIRST_DELAY)
        self.network.advance(0)
        self.ready()
        self.assertIsNotNone(self.link.connection)

    def test_stopped(self) -> None:
        """A link that was stopped closes its connection, makes no other, and leaves no timer."""
        self.ready()
        self.link.stop()
        self.network.advance(0)
        self.network.advance(0)
        self.assertEqual((self.link.connection, self.server.line().connected), (None, False))
        self.network.advance(10 * LAST_DELAY)
        self.assertEqual((self.server.backend.attempts, self.network.timers()), (1, []))


class DefectTests(LinkCase):
    """Work that breaks."""

    def work(self, connection: RedisConnection) -> Deferred[None]:
        """Breaks."""
        raise RuntimeError("a defect")

    def test_goes_on(self) -> None:
        """A defect in the work is logged, and there is another connection."""
        self.ready()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.next_attempt(FIRST_DELAY)

    def test_defect_of_an_attempt(self) -> None:
        """So is one that keeps a connection from being made, and one of a cancellation that was not asked for."""
        self.server.line().crash()
        for error, logged in ((RuntimeError("a defect"), RuntimeError), (CancelledError(), CancelledError)):
            self.server.error = error
            self.network.advance(LAST_DELAY)
            self.assertGreaterEqual(len(self.flushLoggedErrors(logged)), 1)
        self.server.error = None
        self.network.advance(LAST_DELAY)
        self.network.advance(0)
        self.ready()
        self.flushLoggedErrors(RuntimeError)
