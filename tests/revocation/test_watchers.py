"""Connections are called when a certificate becomes known as revoked: all of them, a few in a turn."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation.watchers import CALLS_PER_TURN, RevocationWatchers
from tests.clocks import turn

MANY = 3 * CALLS_PER_TURN + 1


class RevocationWatchersTests(SynchronousTestCase):
    """Watchers that note when they are called."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.watchers = RevocationWatchers(self.clock)
        self.called: list[int] = []

    def watch(self, key: bytes, number: int) -> Callable[[], None]:
        """One more watcher."""
        return self.watchers.watch([key], lambda: self.called.append(number))

    def watch_many(self, key: bytes = b"key") -> list[Callable[[], None]]:
        """More than are called in a few turns."""
        return [self.watch(key, number) for number in range(MANY)]

    def turn(self) -> int:
        """How many are called in the reactor's next turn."""
        before = len(self.called)
        turn(self.clock)
        return len(self.called) - before

    def test_few(self) -> None:
        """A few are called at once, those of the certificate alone."""
        self.watch(b"key", 1)
        self.watch(b"other", 2)
        self.watchers.notify(b"key")
        self.watchers.notify(b"nobody's")
        self.assertEqual((self.called, self.clock.getDelayedCalls()), ([1], []))

    def test_many(self) -> None:
        """Of many so many are called in a turn, and in the end each of them once."""
        self.watch_many()
        self.watchers.notify(b"key")
        self.assertEqual(len(self.called), CALLS_PER_TURN)
        self.assertEqual([self.turn() for _ in range(4)], [CALLS_PER_TURN, CALLS_PER_TURN, 1, 0])
        self.assertEqual(sorted(self.called), list(range(MANY)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_certificates(self) -> None:
        """The bound is that of all certificates together."""
        for number in range(MANY):
            self.watch(b"%d" % number, number)
        for number in range(MANY):
            self.watchers.notify(b"%d" % number)
        self.assertEqual(len(self.called), CALLS_PER_TURN)
        self.assertEqual([self.turn() for _ in range(3)], [CALLS_PER_TURN, CALLS_PER_TURN, 1])

    def test_leaving(self) -> None:
        """A connection that closes before its turn is not called, and takes no other's place."""
        unwatch = self.watch_many()
        self.watchers.notify(b"key")
        waiting = sorted(set(range(MANY)) - set(self.called))
        for number in waiting[:-1]:
            unwatch[number]()
        self.turn()
        self.assertEqual(self.called[CALLS_PER_TURN:], waiting[-1:])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_leaving_when_called(self) -> None:
        """Who is called may stop watching, for others too, and nothing is forgotten or called twice."""
        unwatch: list[Callable[[], None]] = []

        def call() -> None:
            self.called.append(0)
            for each in unwatch:
                each()

        unwatch += [self.watchers.watch([b"key"], call), self.watch(b"key", 1), self.watch(b"key", 2)]
        self.watchers.notify(b"key")
        self.assertIn(self.called, ([0], [1, 0], [2, 0], [1, 2, 0], [2, 1, 0]))
        self.assertNotIn(b"key", self.watchers)

    def test_defect(self) -> None:
        """A defect of one connection is logged and does not keep the others, in this turn or the next, from it."""

        def broken() -> None:
            raise KeyError

        for key in (b"key", b"other"):
            self.watchers.watch([key], broken)
        self.watch_many()
        self.watchers.notify(b"other")
        self.watchers.notify(b"key")
        while self.turn():
            pass
        self.assertEqual(sorted(self.called), list(range(MANY)))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 2)

    def test_stop(self) -> None:
        """After the end nothing is called, and no timer is left."""
        self.watch_many()
        self.watchers.notify(b"key")
        self.watchers.stop()
        self.assertEqual((self.clock.getDelayedCalls(), len(self.called)), ([], CALLS_PER_TURN))
