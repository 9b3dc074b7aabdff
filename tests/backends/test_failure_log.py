"""What the log says of servers that cannot be connected to."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.connecting import UnreachableError, UntrustedError
from agwtwisted.backends.failure_log import ConnectionFailureLog
from agwtwisted.core.plan.server_identity import ServerIdentity

NAME = "127.0.0.1:9000"


class ConnectionFailureLogTests(SynchronousTestCase):
    """Failures of one server, on a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.failures = ConnectionFailureLog(self.clock.seconds)

    def lines(self, error: Exception, times: int = 1) -> list[str | None]:
        """What is logged of the same failure, so many times."""
        with capturedLogs() as events:
            for _ in range(times):
                self.failures.add(NAME, Failure(error))
        return [formatEvent(event) for event in events]

    def test_bound(self) -> None:
        """A few times a minute, with a count of what was left out."""
        self.assertEqual(len(self.lines(UnreachableError("x"), 50)), 5)
        self.clock.advance(60)
        self.assertEqual(self.lines(UnreachableError("x")), [f"No connection to {NAME}: x (45 times more before)"])

    def test_printable(self) -> None:
        """A reason from outside is escaped."""
        self.assertEqual(self.lines(UnreachableError("a\n\x1b[31m")), [f"No connection to {NAME}: a\\n\\x1b[31m"])

    def test_clients(self) -> None:
        """What clients ask for in vain does not hide what is wrong with a server."""
        of_client = UntrustedError("x", ServerIdentity(name="a.example", of_client=True))
        self.lines(of_client, 50)
        self.assertEqual(len(self.lines(UntrustedError("x", ServerIdentity(name="a.example")))), 1)
