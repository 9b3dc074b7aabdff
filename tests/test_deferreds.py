"""Deferreds that nobody waits for, and waiting until nothing is left."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.deferreds import Members, log_failure


class LogFailureTests(SynchronousTestCase):
    """`log_failure`."""

    log = Logger()

    def test_failure(self) -> None:
        """A failure is logged, with what was being done."""
        log_failure(fail(ValueError("broken")), self.log, "counting")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_nothing_wrong(self) -> None:
        """Success and cancellation are not."""
        log_failure(succeed(1), self.log, "counting")
        log_failure(fail(CancelledError()), self.log, "counting")
        self.assertEqual(self.flushLoggedErrors(), [])


class MembersTests(SynchronousTestCase):
    """`Members`."""

    def setUp(self) -> None:
        self.members: Members[str] = Members()

    def test_empty(self) -> None:
        """Where nobody is, nobody waits."""
        self.assertIsNone(self.successResultOf(self.members.when_empty()))
        self.assertEqual(len(self.members), 0)

    def test_last_one_leaves(self) -> None:
        """All who wait are told when the last one leaves, not before."""
        for member in "ab":
            self.members.add(member)
        waiting = [self.members.when_empty() for _ in range(2)]
        self.members.discard("a")
        for deferred in waiting:
            self.assertNoResult(deferred)
        self.assertEqual(self.members.snapshot(), ("b",))
        self.members.discard("b")
        for deferred in waiting:
            self.assertIsNone(self.successResultOf(deferred))

    def test_stranger(self) -> None:
        """To let go who is not there changes nothing."""
        self.members.add("a")
        waiting = self.members.when_empty()
        self.members.discard("b")
        self.assertNoResult(waiting)

    def test_cancelled(self) -> None:
        """Who no longer waits is not told; the others are."""
        self.members.add("a")
        left, stays = self.members.when_empty(), self.members.when_empty()
        left.cancel()
        self.failureResultOf(left, CancelledError)
        self.members.discard("a")
        self.assertIsNone(self.successResultOf(stays))

    def test_cancelled_by_another(self) -> None:
        """One who is told may cancel another whose turn comes next."""
        self.members.add("a")
        first: Deferred[None] = self.members.when_empty()
        second: Deferred[None] = self.members.when_empty()
        first.addCallback(lambda _: second.cancel())
        self.members.discard("a")
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)
