"""Servers are asked in order, in measure, and not at all while they are dead."""

from __future__ import annotations

import inspect

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.circuit_breaker import OPEN_SECONDS, REFUSED_OPEN_SECONDS, TRIP_AFTER
from agwtwisted.core.revocation.concurrency import SILENT
from agwtwisted.revocation import responder_throttle as module
from agwtwisted.revocation.responder_throttle import (
    BURST,
    MAX_CONCURRENT,
    MAX_CONCURRENT_IN_ALL,
    MAX_REJECTED_PER_TURN,
    QUEUE_TIMEOUT,
    RATE,
    NotSent,
    Outcome,
    ResponderThrottle,
)

OUTCOMES = {
    "answer": Outcome.ANSWERED,
    "silence": Outcome.TIMED_OUT,
    "refusal": Outcome.REFUSED,
    "nothing": Outcome.INCONCLUSIVE,
}
ENOUGH = 1.01 / RATE


class ResponderThrottleTests(SynchronousTestCase):
    """Servers, and questions that are answered when the test says so."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.throttle = ResponderThrottle(self.clock)
        self.asked: list[tuple[str, Deferred[str]]] = []
        self.count = 0
        self.questions: list[Deferred[str | NotSent]] = []
        self.addCleanup(self.leave)

    def leave(self) -> None:
        """There are no waiters any more: a half-done task that is collected later would run in another test."""
        for each in reversed(self.questions):
            each.addErrback(lambda _: None)  # type: ignore[unused-awaitable]
            each.cancel()

    def ask(self, server: str = "one", question: bytes | None = None) -> Deferred[str | NotSent]:
        """One question, another one than all before unless it is named."""
        self.count += 1

        async def put() -> str:
            """Puts the question."""
            deferred: Deferred[str] = Deferred()
            self.asked.append((server, deferred))
            return await deferred

        named = b"%d" % self.count if question is None else question
        sending = self.throttle.send(
            server, named, put, OUTCOMES.__getitem__, lambda end: "" if end == "answer" else end
        )
        self.questions.append(Deferred.fromCoroutine(sending))
        return self.questions[-1]

    def ask_many(self, count: int, server: str = "one") -> list[Deferred[str | NotSent]]:
        """Questions at the pace that is kept."""
        questions = []
        for _ in range(count):
            questions.append(self.ask(server))
            self.clock.advance(ENOUGH)
        return questions

    def end(self, outcome: str = "answer", at: int = 0) -> None:
        """One that was put has this outcome."""
        self.asked.pop(at)[1].callback(outcome)

    def die(self) -> None:
        """As many questions as it takes have no answer."""
        questions = self.ask_many(TRIP_AFTER)
        self.clock.advance(5)
        for question in questions:
            self.end("silence")
            self.assertEqual(self.successResultOf(question), "silence")

    def test_answer(self) -> None:
        """An answer is handed on."""
        question = self.ask()
        self.end()
        self.assertEqual(self.successResultOf(question), "answer")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_under_way(self) -> None:
        """Only so many are under way; the next one is put when one is answered, or given up."""
        questions = self.ask_many(MAX_CONCURRENT + 2)
        self.assertEqual(len(self.asked), MAX_CONCURRENT)
        self.end()
        self.assertEqual(len(self.asked), MAX_CONCURRENT)
        self.assertNoResult(questions[MAX_CONCURRENT + 1])
        questions[1].cancel()
        self.failureResultOf(questions[1], CancelledError)
        self.assertEqual(len(self.asked), MAX_CONCURRENT + 1)

    def test_overloaded(self) -> None:
        """A server that answers only a part in time has fewer requests under way, and gets none in place of those."""
        self.ask_many(MAX_CONCURRENT)
        self.end("answer")
        self.clock.advance(5)
        for _ in range(SILENT):
            self.end("silence")
            self.end("answer", at=-1)  # else the circuit would open
        self.ask_many(SILENT * 2)
        self.assertEqual(len(self.asked), MAX_CONCURRENT - 1 - 2 * SILENT)
        for _ in range(MAX_CONCURRENT // 2):
            self.end()
        self.clock.advance(1)
        self.assertEqual(len(self.asked), MAX_CONCURRENT // 2 - 1)

    def test_states(self) -> None:
        """Each server says how its circuit is, what waits, and how it failed last; the one asked last comes first."""
        self.ask("two")
        self.end()
        began = self.clock.seconds()
        self.die()
        self.ask()
        [(first, dead), (second, alive)] = self.throttle.states()
        self.assertEqual((first, dead.circuit, dead.failures, dead.last_error), ("one", "open", TRIP_AFTER, "silence"))
        assert dead.last_failure is not None
        self.assertGreater(dead.last_failure, began)
        self.assertEqual((second, alive.circuit, alive.failures, alive.last_failure), ("two", "closed", 0, None))
        self.clock.advance(OPEN_SECONDS)
        self.assertEqual(next(iter(self.throttle.states()))[1].circuit, "half-open")
        self.ask()
        self.assertEqual(next(iter(self.throttle.states()))[1].under_way, 1)

    def test_in_order(self) -> None:
        """The one that has waited longest is next."""
        first = self.ask_many(MAX_CONCURRENT + 3)
        for _ in range(3):
            self.end()
            self.clock.advance(ENOUGH)
        for at in range(3):
            self.end(at=at - 3)
            self.assertEqual(self.successResultOf(first[MAX_CONCURRENT + at]), "answer")

    def test_patience(self) -> None:
        """Who waits too long has no turn, which says nothing about the server; his time began when he came."""
        self.ask_many(MAX_CONCURRENT)
        late = self.ask()
        self.clock.advance(QUEUE_TIMEOUT / 2)
        later = self.ask()
        self.clock.advance(QUEUE_TIMEOUT / 2)
        self.assertEqual(self.successResultOf(late), NotSent.NO_SLOT)
        self.assertNoResult(later)
        self.end()
        self.end(at=-1)
        self.assertEqual(self.successResultOf(later), "answer")

    def test_too_many_wait(self) -> None:
        """The queue is bounded: further requests get no turn, and no request loses one."""
        self.patch(module, "MAX_QUEUED", 2)
        self.ask_many(MAX_CONCURRENT)
        waiting = [self.ask(), self.ask()]
        self.assertEqual(self.successResultOf(self.ask()), NotSent.NO_SLOT)
        for each in waiting:
            self.assertNoResult(each)
        self.assertNoResult(self.ask("another server"))

    def test_rate(self) -> None:
        """After a few that are put together there are only so many a second, however fast they are answered."""
        for _ in range(3 * RATE):
            self.ask()
        self.assertEqual(len(self.asked), BURST)
        for _ in range(1000):
            self.clock.advance(0.001)
            for _, deferred in self.asked:
                if not deferred.called:
                    deferred.callback("answer")
        self.assertLess(abs(len(self.asked) - RATE - BURST), 5)

    def test_leaving_takes_no_pace(self) -> None:
        """Those who leave before their turn do not delay the others."""
        for _ in range(BURST):
            self.ask()
        for _ in range(RATE):
            leaving = self.ask()
            leaving.cancel()
            self.failureResultOf(leaving, CancelledError)
        self.ask()
        self.clock.advance(ENOUGH)
        self.assertEqual(len(self.asked), BURST + 1)

    def test_dead(self) -> None:
        """A server that answered none of several is left alone for a while, so that no client waits for it."""
        self.die()
        for _ in range(3):
            self.assertEqual(self.successResultOf(self.ask()), NotSent.CIRCUIT_OPEN)
        self.assertEqual(self.asked, [])
        self.assertNoResult(self.ask("another server"))

    def test_one_is_silenced(self) -> None:
        """A question that the server never answers, put again and again, does not affect other clients."""
        for _ in range(20):
            self.ask(question=b"silenced")
            self.clock.advance(5)
            self.end("silence")
            other = self.ask()
            self.end()
            self.assertEqual(self.successResultOf(other), "answer")

    def test_those_who_wait(self) -> None:
        """Questions that wait for their turn are not put to a server found dead, and many fail a few at a time."""
        questions = self.ask_many(MAX_CONCURRENT + 5)
        more = [self.ask() for _ in range(3000)]  # recursion would end before
        self.clock.advance(5)
        for _ in range(MAX_CONCURRENT):
            self.end("silence")
        self.assertLess(len(self.asked), TRIP_AFTER)
        self.assertLess(sum(each.called for each in more), 3 * MAX_REJECTED_PER_TURN)
        self.clock.pump([0.01] * (3000 // MAX_REJECTED_PER_TURN + 1))
        waited = [*questions[MAX_CONCURRENT + len(self.asked) :], *more]
        self.assertEqual({self.successResultOf(each) for each in waited}, {NotSent.CIRCUIT_OPEN})

    def test_refused(self) -> None:
        """Where no server listens one request is enough, and the pause is short."""
        self.ask()
        self.end("refusal")
        self.assertEqual(self.successResultOf(self.ask()), NotSent.CIRCUIT_OPEN)
        self.clock.advance(REFUSED_OPEN_SECONDS)
        self.assertNoResult(self.ask())

    def test_after_the_pause(self) -> None:
        """After the pause others find out, and decide for all."""
        self.die()
        self.clock.advance(OPEN_SECONDS)
        probe = self.ask()
        self.end()
        self.assertEqual(self.successResultOf(probe), "answer")
        for each in self.ask_many(10):
            self.assertNoResult(each)

    def test_given_up(self) -> None:
        """A probe without waiters makes room for another."""
        self.die()
        self.clock.advance(OPEN_SECONDS)
        for _ in range(5):
            probe = self.ask()
            self.assertNoResult(probe)
            probe.cancel()
            self.failureResultOf(probe, CancelledError)

    def test_says_nothing(self) -> None:
        """An outcome that says nothing about the server neither kills nor revives it."""
        for _ in range(2 * TRIP_AFTER):
            self.ask()
            self.end("nothing")
            self.clock.advance(1)
        self.die()
        self.clock.advance(OPEN_SECONDS)
        self.ask()
        self.ask()
        self.end("nothing")
        self.assertNoResult(self.ask())
        self.assertEqual(self.successResultOf(self.ask()), NotSent.CIRCUIT_OPEN)

    def test_all_together(self) -> None:
        """All servers together are asked so many things at once; those with questions waiting take turns for room."""
        for server in ("a", "b", "c"):
            self.ask_many(MAX_CONCURRENT, server)
        self.assertEqual(len(self.asked), MAX_CONCURRENT_IN_ALL)
        self.assertEqual({server for server, _ in self.asked}, {"a", "b"})
        self.ask_many(MAX_CONCURRENT, "d")
        before = len(self.asked)
        for _ in range(6):
            self.end()
            self.clock.advance(ENOUGH)
        servers = [server for server, _ in self.asked[before - 6 :]]
        self.assertEqual((servers.count("c"), servers.count("d")), (3, 3))

    def test_many_servers(self) -> None:
        """Questions that are answered at once have turns one after another, not one within another."""
        self.patch(module, "MAX_CONCURRENT_IN_ALL", 1)
        depths: list[int] = []

        async def at_once() -> str:
            """Is answered."""
            depths.append(len(inspect.stack(0)))
            return "answer"

        first = self.ask()
        for number in range(100):
            turn = self.throttle.send(number, b"%d" % number, at_once, OUTCOMES.__getitem__)
            Deferred.fromCoroutine(turn)  # type: ignore[unused-awaitable]
        self.end()
        self.assertEqual(self.successResultOf(first), "answer")
        self.assertEqual((len(depths), len(set(depths))), (100, 1))

    def test_waiting_takes_no_room(self) -> None:
        """Questions that wait for one server take no room from another."""
        for _ in range(MAX_CONCURRENT_IN_ALL + MAX_CONCURRENT):
            self.ask("slow")
        self.clock.advance(10)
        self.assertNoResult(self.ask("fast"))
        self.assertEqual(self.asked[-1][0], "fast")

    def test_pace_is_kept(self) -> None:
        """Beyond the burst a question waits for its moment, not longer, and a caller that gives up there leaves
        nothing.
        """
        for _ in range(BURST):
            self.answered()
        late, given_up = self.ask(), self.ask()
        self.assertEqual(self.asked, [])
        given_up.cancel()
        self.failureResultOf(given_up, CancelledError)
        self.clock.advance(1 / RATE)
        self.assertEqual(len(self.asked), 1)
        self.end()
        self.assertEqual(self.successResultOf(late), "answer")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_idle_time_is_not_saved_up(self) -> None:
        """However long a server was left in peace, the burst is the same."""
        self.clock.advance(3600)
        for _ in range(BURST - 1):  # the last one may be put a rounding error later
            self.answered()
        for _ in range(3):
            self.ask()
        self.assertLessEqual(len(self.asked), 1)

    def test_broken_question(self) -> None:
        """A question that raises gives its turn back, and says nothing about the server."""

        async def broken() -> str:
            """Fails in an unforeseen way."""
            raise ValueError

        for number in range(MAX_CONCURRENT + 1):
            turn = self.throttle.send("one", b"%d" % number, broken, OUTCOMES.__getitem__)
            self.failureResultOf(Deferred.fromCoroutine(turn), ValueError)
            self.clock.advance(1 / RATE)
        self.answered()

    def test_given_up_while_waiting(self) -> None:
        """Who gives up before it is his turn is not put, and takes no turn from others."""
        questions = self.ask_many(MAX_CONCURRENT + 2)
        questions[MAX_CONCURRENT].cancel()
        self.failureResultOf(questions[MAX_CONCURRENT], CancelledError)
        self.assertEqual(len(self.asked), MAX_CONCURRENT)
        self.end()
        self.end(at=-1)
        self.assertEqual(self.successResultOf(questions[MAX_CONCURRENT + 1]), "answer")

    def answered(self) -> None:
        """One question that is answered at once."""
        question = self.ask()
        self.end(at=-1)
        self.assertEqual(self.successResultOf(question), "answer")
