"""Attempts of which one has to succeed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.outbound.racing import ATTEMPT_DELAY, first_of


class FirstOfTests(SynchronousTestCase):
    """Three attempts, in the test's hand."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.begun: list[Deferred[str]] = []
        self.cancelled: list[int] = []

    def attempt(self) -> Deferred[str]:
        """Begins one."""
        number = len(self.begun)
        self.begun.append(Deferred(lambda _: self.cancelled.append(number)))
        return self.begun[-1]

    def begin(self, count: int = 3) -> Deferred[str]:
        """Begins with so many to come."""
        attempts: list[Callable[[], Deferred[str]]] = [self.attempt] * count
        return first_of(attempts, self.clock)

    def test_each_a_little_later(self) -> None:
        """The next one begins while the one before is silent."""
        won = self.begin()
        self.assertEqual(len(self.begun), 1)
        self.clock.advance(ATTEMPT_DELAY)
        self.assertEqual(len(self.begun), 2)
        self.clock.advance(ATTEMPT_DELAY)
        self.assertEqual(len(self.begun), 3)
        self.begun[0].callback("first")
        self.assertEqual((self.successResultOf(won), self.cancelled), ("first", [1, 2]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_next_after_a_failure(self) -> None:
        """The next one begins at once where the one before has failed."""
        won = self.begin()
        self.begun[0].errback(ValueError())
        self.assertEqual(len(self.begun), 2)
        self.begun[1].callback("second")
        self.assertEqual((self.successResultOf(won), self.cancelled), ("second", []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_fail(self) -> None:
        """Where all fail, what the first one failed with is the failure."""
        won = self.begin()
        for number, error in enumerate((ValueError("a"), KeyError("b"), ValueError("c"))):
            self.begun[number].errback(error)
        self.assertEqual(str(self.failureResultOf(won, ValueError).value), "a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """All that are under way are cancelled with it, and no further one begins."""
        won = self.begin()
        self.clock.advance(ATTEMPT_DELAY)
        won.cancel()
        self.failureResultOf(won, CancelledError)
        self.clock.advance(ATTEMPT_DELAY)
        self.assertEqual((len(self.begun), self.cancelled), (2, [0, 1]))

    def test_at_once(self) -> None:
        """One that succeeds before it returns ends it, and so do failures; a single attempt has nothing around it."""
        attempts: list[Callable[[], Deferred[str]]] = [self.failed, self.succeeded, self.attempt]
        self.assertEqual(self.successResultOf(first_of(attempts, self.clock)), "at once")
        self.failureResultOf(first_of([self.failed, self.failed], self.clock), ValueError)
        self.assertIs(self.begin(1), self.begun[0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def failed(self) -> Deferred[str]:
        """One that fails at once."""
        deferred: Deferred[str] = Deferred()
        deferred.errback(ValueError())
        return deferred

    def succeeded(self) -> Deferred[str]:
        """One that succeeds at once."""
        deferred: Deferred[str] = Deferred()
        deferred.callback("at once")
        return deferred
