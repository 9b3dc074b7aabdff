"""One server is asked neither too often nor too many things at once, nor at all while it is dead."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.turns import BURST, PAUSE, RATE, UNDER_WAY, Turns

DEAD, LEFT_ALONE = "dead", "left alone"


class TurnsTests(SynchronousTestCase):
    """The questions to one server; each is answered when the test says so."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.turns = Turns(self.clock)
        self.asked: list[Deferred[str]] = []

    def ask(self) -> Deferred[str]:
        """One question."""

        async def put() -> str:
            """Puts the question."""
            deferred: Deferred[str] = Deferred()
            self.asked.append(deferred)
            return await deferred

        return Deferred.fromCoroutine(self.turns.take(put, lambda outcome: outcome != DEAD, LEFT_ALONE))

    def ask_many(self, count: int) -> list[Deferred[str]]:
        """Questions at the pace that is kept."""
        questions = []
        for _ in range(count):
            questions.append(self.ask())
            self.clock.advance(1.01 / RATE)
        return questions

    def die(self) -> None:
        """One question that is not answered."""
        question = self.ask()
        self.clock.advance(5)
        self.asked.pop().callback(DEAD)
        self.assertEqual(self.successResultOf(question), DEAD)

    def test_answer(self) -> None:
        """An answer is handed on."""
        question = self.ask()
        self.asked[0].callback("answer")
        self.assertEqual(self.successResultOf(question), "answer")

    def test_under_way(self) -> None:
        """Only so many are under way; the next one is put when one is answered, or given up."""
        questions = self.ask_many(UNDER_WAY + 2)
        self.assertEqual(len(self.asked), UNDER_WAY)
        self.asked[0].callback("answer")
        self.assertEqual(len(self.asked), UNDER_WAY + 1)
        questions[1].cancel()
        self.failureResultOf(questions[1], CancelledError)
        self.assertEqual(len(self.asked), UNDER_WAY + 2)

    def test_rate(self) -> None:
        """After a few that are put together there are only so many a second, however fast they are answered."""
        for _ in range(3 * RATE):
            self.ask()
        self.assertEqual(len(self.asked), BURST)
        for _ in range(1000):
            self.clock.advance(0.001)
            for deferred in self.asked:
                if not deferred.called:
                    deferred.callback("answer")
        self.assertLess(abs(len(self.asked) - RATE - BURST), 5)

    def test_dead(self) -> None:
        """A server that answered nobody is left alone for a while: that costs nobody any time."""
        self.die()
        for _ in range(3):
            self.assertEqual(self.successResultOf(self.ask()), LEFT_ALONE)
        self.assertEqual(self.asked, [])

    def test_those_who_wait(self) -> None:
        """Questions that wait for their turn are not put any more to a server found dead."""
        questions = self.ask_many(UNDER_WAY + 5)
        self.clock.advance(5)
        for deferred in tuple(self.asked):
            deferred.callback(DEAD)
        self.assertEqual(len(self.asked), UNDER_WAY)
        outcomes = [self.successResultOf(question) for question in questions]
        self.assertEqual(outcomes, [DEAD] * UNDER_WAY + [LEFT_ALONE] * 5)

    def test_slow_for_one(self) -> None:
        """A server that answered somebody else meanwhile is not dead."""
        slow, other = self.ask(), self.ask()
        self.clock.advance(2)
        self.asked[1].callback("answer")
        self.clock.advance(3)
        self.asked[0].callback(DEAD)
        self.assertEqual([self.successResultOf(each) for each in (slow, other)], [DEAD, "answer"])
        self.assertNoResult(self.ask())

    def test_after_the_pause(self) -> None:
        """After the pause one question decides: the others go without until it is answered."""
        self.die()
        self.clock.advance(PAUSE)
        probe = self.ask()
        self.assertEqual(len(self.asked), 1)
        self.assertEqual(self.successResultOf(self.ask()), LEFT_ALONE)
        self.asked[0].callback("answer")
        self.assertEqual(self.successResultOf(probe), "answer")
        self.assertNoResult(self.ask())

    def test_still_dead(self) -> None:
        """When that one fails too, another pause begins."""
        self.die()
        self.clock.advance(PAUSE)
        self.die()
        self.clock.advance(PAUSE - 1)
        self.assertEqual(self.successResultOf(self.ask()), LEFT_ALONE)
        self.clock.advance(1)
        self.assertNoResult(self.ask())

    def test_given_up(self) -> None:
        """When nobody waits any more for that one, the next one decides."""
        self.die()
        self.clock.advance(PAUSE)
        probe = self.ask()
        probe.cancel()
        self.failureResultOf(probe, CancelledError)
        self.assertNoResult(self.ask())
        self.assertEqual(len(self.asked), 2)

    def test_pace_is_kept(self) -> None:
        """Beyond the burst a question waits for its moment, not longer, and whoever gives up there leaves nothing."""
        for _ in range(BURST):
            self.answered()
        late, given_up = self.ask(), self.ask()
        self.assertEqual(self.asked, [])
        given_up.cancel()
        self.failureResultOf(given_up, CancelledError)
        self.clock.advance(1 / RATE)
        self.assertEqual(len(self.asked), 1)
        self.asked.pop().callback("answer")
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
            """Fails in a way nobody foresees."""
            raise ValueError

        for _ in range(UNDER_WAY + 1):
            question = Deferred.fromCoroutine(self.turns.take(broken, lambda _: True, LEFT_ALONE))
            self.failureResultOf(question, ValueError)
            self.clock.advance(1 / RATE)
        self.answered()

    def test_given_up_while_waiting(self) -> None:
        """Who gives up before it is his turn is not put, and takes no turn from others."""
        questions = self.ask_many(UNDER_WAY + 2)
        questions[UNDER_WAY].cancel()
        self.failureResultOf(questions[UNDER_WAY], CancelledError)
        self.assertEqual(len(self.asked), UNDER_WAY)
        self.asked[0].callback("answer")
        self.assertEqual(len(self.asked), UNDER_WAY + 1)
        self.assertNoResult(questions[UNDER_WAY + 1])

    def answered(self) -> None:
        """One question that is answered at once."""
        question = self.ask()
        self.asked.pop().callback("answer")
        self.assertEqual(self.successResultOf(question), "answer")
