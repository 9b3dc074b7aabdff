"""A server that answers no request is left alone; one that does not answer one request is not."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.circuit_breaker import (
    MAX_TIMED_OUT,
    MAX_TRIALS,
    OPEN_SECONDS,
    REFUSED_OPEN_SECONDS,
    TRIP_AFTER,
    WINDOW,
    CircuitBreaker,
)

NAMES = [bytes([number]) for number in range(100)]


class CircuitBreakerTests(SynchronousTestCase):
    """One server, and questions that it answers or not."""

    def setUp(self) -> None:
        self.breaker = CircuitBreaker()
        self.now = 1000.0

    def silence(self, *questions: bytes) -> None:
        """These are put, and have no answer."""
        for question in questions:
            self.assertTrue(self.breaker.admits(question, self.now))
            self.breaker.sent(question)
            self.breaker.timed_out(question, self.now - 5, self.now)

    def die(self) -> None:
        """As many questions as it takes have no answer."""
        self.silence(*NAMES[:TRIP_AFTER])
        self.assertFalse(self.breaker.admits(NAMES[50], self.now))

    def admitted(self, question: bytes) -> bool:
        """Whether it may be put; if so, it is."""
        admitted = self.breaker.admits(question, self.now)
        if admitted:
            self.breaker.sent(question)
        return admitted

    def test_one_question(self) -> None:
        """One question that is never answered, however often it is put, does not have others refused."""
        for _ in range(100):
            self.silence(NAMES[0])
            self.now += 5
        self.assertTrue(self.breaker.admits(NAMES[1], self.now))

    def test_several(self) -> None:
        """Silence towards several is the server's."""
        self.silence(*NAMES[: TRIP_AFTER - 1])
        self.assertTrue(self.breaker.admits(NAMES[50], self.now))
        self.silence(NAMES[TRIP_AFTER - 1])
        self.assertFalse(self.breaker.admits(NAMES[50], self.now))

    def test_window(self) -> None:
        """Silences long ago do not add up."""
        for question in NAMES[: 3 * TRIP_AFTER]:
            self.silence(question)
            self.now += WINDOW / (TRIP_AFTER - 1)
        self.assertTrue(self.breaker.admits(NAMES[50], self.now))

    def test_answer_between(self) -> None:
        """After any answer the count begins again; requests without answer meanwhile count only for themselves."""
        self.silence(*NAMES[: TRIP_AFTER - 1])
        self.breaker.answered(self.now)
        self.silence(NAMES[TRIP_AFTER])
        self.assertTrue(self.breaker.admits(NAMES[50], self.now))
        for question in NAMES[10 : 10 + TRIP_AFTER]:  # put before that answer
            self.breaker.timed_out(question, self.now - 1, self.now)
        self.assertTrue(self.breaker.admits(NAMES[50], self.now))

    def test_probes(self) -> None:
        """After the pause a few others find out; an answer to one of them is enough."""
        self.die()
        self.now += OPEN_SECONDS
        self.assertEqual(
            [self.admitted(each) for each in NAMES[50:60]], [True] * MAX_TRIALS + [False] * (10 - MAX_TRIALS)
        )
        self.breaker.answered(self.now)
        self.assertTrue(all(self.admitted(each) for each in NAMES))

    def test_those_it_was_silent_for(self) -> None:
        """Those that met with silence do not find out, until the others had their chance; then they may, too."""
        self.die()
        self.now += OPEN_SECONDS
        self.assertFalse(any(self.breaker.admits(each, self.now) for each in NAMES[:TRIP_AFTER]))
        self.assertTrue(self.breaker.admits(NAMES[50], self.now))
        self.now += OPEN_SECONDS
        self.assertTrue(self.breaker.admits(NAMES[0], self.now))

    def test_many_it_is_silent_for(self) -> None:
        """However many they are, none of them keeps the others from finding out."""
        for question in NAMES[:50]:  # put before it was dead
            self.breaker.timed_out(question, self.now - 5, self.now)
        self.now += OPEN_SECONDS
        self.assertFalse(any(self.admitted(each) for each in NAMES[:50]))
        self.assertTrue(self.admitted(NAMES[50]))

    def test_bounded(self) -> None:
        """So many are remembered at most."""
        for number in range(2 * MAX_TIMED_OUT):
            self.breaker.timed_out(b"%d" % number, self.now - 5, self.now)
        self.assertEqual(len(self.breaker._timed_out), MAX_TIMED_OUT)

    def test_silent_probes(self) -> None:
        """A further silence is another pause; that of one which met with silence before is not."""
        self.die()
        self.now += 2 * OPEN_SECONDS
        self.silence(NAMES[0])
        self.assertTrue(self.breaker.admits(NAMES[50], self.now))
        self.silence(NAMES[50])
        self.assertFalse(self.breaker.admits(NAMES[51], self.now))
        self.now += OPEN_SECONDS
        self.assertTrue(self.breaker.admits(NAMES[51], self.now))

    def test_probe_without_outcome(self) -> None:
        """A probe that ends without saying anything makes room for the next."""
        self.die()
        self.now += OPEN_SECONDS
        for question in NAMES[50:60]:
            self.assertTrue(self.admitted(question))
            self.breaker.inconclusive(question)

    def test_refused(self) -> None:
        """Where no server listens one request is enough, and a short pause."""
        self.assertTrue(self.admitted(NAMES[0]))
        self.breaker.refused(NAMES[0], self.now)
        self.assertFalse(self.breaker.admits(NAMES[1], self.now))
        self.now += REFUSED_OPEN_SECONDS
        self.assertTrue(self.admitted(NAMES[0]))
        self.breaker.refused(NAMES[0], self.now)
        self.assertFalse(self.breaker.admits(NAMES[1], self.now))
        self.now += REFUSED_OPEN_SECONDS
        self.assertTrue(self.admitted(NAMES[1]))
        self.breaker.answered(self.now)
        self.assertTrue(all(self.admitted(each) for each in NAMES))

    def test_refused_after_a_silence(self) -> None:
        """One silence is no reason to keep a question back once the server refuses no more."""
        self.silence(NAMES[0])
        self.breaker.refused(NAMES[1], self.now)
        self.now += REFUSED_OPEN_SECONDS
        self.assertTrue(self.breaker.admits(NAMES[0], self.now))

    def test_refused_while_dead(self) -> None:
        """A pause is not cut short by a refusal."""
        self.die()
        self.breaker.refused(NAMES[99], self.now)
        self.now += REFUSED_OPEN_SECONDS
        self.assertFalse(self.breaker.admits(NAMES[50], self.now))

    def test_long_ago(self) -> None:
        """A server without requests for a long time counts as alive: of many requests that come together all are
        sent.
        """
        self.die()
        self.now += OPEN_SECONDS + WINDOW
        self.assertTrue(all(self.admitted(each) for each in NAMES))
