"""Deferreds without waiters, and waiting for an empty set."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.deferreds import SingleFlight, TrackedSet, log_failure


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


class TrackedSetTests(SynchronousTestCase):
    """`TrackedSet`."""

    def setUp(self) -> None:
        self.members: TrackedSet[str] = TrackedSet()

    def test_empty(self) -> None:
        """An empty set has no waiters."""
        self.assertIsNone(self.successResultOf(self.members.when_empty()))
        self.assertEqual(len(self.members), 0)

    def test_last_one_leaves(self) -> None:
        """All waiters are notified when the last one leaves, not before."""
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
        """A waiter that gave up is not notified; the others are."""
        self.members.add("a")
        left, stays = self.members.when_empty(), self.members.when_empty()
        left.cancel()
        self.failureResultOf(left, CancelledError)
        self.members.discard("a")
        self.assertIsNone(self.successResultOf(stays))

    def test_cancelled_by_another(self) -> None:
        """A notified waiter may cancel another whose turn comes next."""
        self.members.add("a")
        first: Deferred[None] = self.members.when_empty()
        second: Deferred[None] = self.members.when_empty()
        first.addCallback(lambda _: second.cancel())
        self.members.discard("a")
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)


class SingleFlightTests(SynchronousTestCase):
    """One question for many."""

    def setUp(self) -> None:
        self.flights: SingleFlight[str, int] = SingleFlight()
        self.asked: list[Deferred[int]] = []
        self.cancelled: list[Deferred[int]] = []

    def ask(self) -> Deferred[int]:
        """A question, answered later."""
        self.asked.append(Deferred(self.cancelled.append))
        return self.asked[-1]

    def join(self, key: str = "a") -> Deferred[int]:
        """One more who waits."""
        return self.flights.join(key, self.ask)

    def test_one_question(self) -> None:
        """Waiters that come while it is in progress get the same result; later ones begin a new request."""
        waiting = [self.join() for _ in range(1000)]
        self.assertEqual(len(self.asked), 1)
        self.asked[0].callback(7)
        self.assertEqual({self.successResultOf(each) for each in waiting}, {7})
        self.join()
        self.assertEqual(len(self.asked), 2)

    def test_goes_on(self) -> None:
        """A question that goes on without waiters has its answer for who comes next; `cancel` ends it all the same."""
        self.flights = SingleFlight(goes_on=True)
        left, answered, ended = self.join(), self.join("b"), self.join("c")
        for each in (left, answered, ended):
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.assertEqual(self.cancelled, [])
        again = self.join()
        self.asked[0].callback(7)
        self.assertEqual(self.successResultOf(again), 7)
        self.asked.pop(1).errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.flights.cancel()
        self.assertEqual(self.cancelled, [self.asked[1]])
        self.assertEqual(len(self.flights), 0)

    def test_keys(self) -> None:
        """Different questions are different."""
        self.join("a")
        self.join("b")
        self.assertEqual((len(self.asked), len(self.flights)), (2, 2))

    def test_failure(self) -> None:
        """A failure reaches all waiters."""
        waiting = [self.join(), self.join()]
        self.asked[0].errback(RuntimeError())
        for each in waiting:
            self.failureResultOf(each, RuntimeError)
        self.assertEqual(len(self.flights), 0)

    def test_answered_at_once(self) -> None:
        """An answer that is there at once is handed on at once."""
        self.assertEqual(self.successResultOf(self.flights.join("a", lambda: succeed(7))), 7)
        self.assertEqual(len(self.flights), 0)

    def test_one_leaves(self) -> None:
        """Who leaves does not take the question along."""
        first, second = self.join(), self.join()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(self.cancelled, [])
        self.asked[0].callback(7)
        self.assertEqual(self.successResultOf(second), 7)

    def test_last_one_leaves(self) -> None:
        """The last one does; a later waiter begins a new request, and does not get the old result."""
        first, second = self.join(), self.join()
        first.cancel()
        second.cancel()
        self.failureResultOf(first, CancelledError)
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.cancelled, [self.asked[0]])
        third = self.join()
        self.assertEqual(len(self.asked), 2)
        self.assertNoResult(third)

    def test_cancelled_by_another(self) -> None:
        """A notified waiter may cancel another whose turn comes next."""
        first, second = self.join(), self.join()
        first.addCallback(lambda _: second.cancel())
        self.asked[0].callback(7)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)

    def test_cancel_all(self) -> None:
        """All requests can be cancelled; all waiters are notified."""
        waiting = [self.join("a"), self.join("b")]
        self.flights.cancel()
        self.assertEqual(len(self.cancelled), 2)
        for each in waiting:
            self.failureResultOf(each, CancelledError)
