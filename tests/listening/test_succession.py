"""How connections are moved, and in which turns."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.listening.succession import JUDGED_A_TURN, MOVED_A_TURN, Belonging, Succession, Turns
from tests.clocks import turn


class SuccessionTests(SynchronousTestCase):
    """The calls for connections, and where these belong."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.made: list[int] = []
        self.succession = Succession(object(), self.belonging)

    def belonging(self, server_name: str) -> Belonging | None:
        """Where connections with a name belong; those without a name nowhere."""
        self.asked.append(server_name)
        return Belonging(port=None, site=None, trust=server_name) if server_name else None

    def test_asked_once(self) -> None:
        """Where connections belong is found out once for each server name."""
        for name in ("a", "", "a", ""):
            found = self.succession.belonging(name)
            self.assertEqual(None if found is None else found.trust, name or None)
        self.assertEqual(self.asked, ["a", ""])

    def test_turns(self) -> None:
        """Nothing is called in the turn of the change, and a bounded number of calls in each that follows."""
        turns = Turns(self.clock)
        for number in range(300):
            self.succession.move(lambda number=number: self.made.append(number))  # type: ignore[misc]
        for number in range(20):
            self.succession.judge(lambda number=number: self.made.append(-1 - number))  # type: ignore[misc]
        self.succession.schedule(self.clock, turns)
        self.assertEqual(self.made, [])
        counts = []
        while self.clock.getDelayedCalls():
            before = len(self.made)
            turn(self.clock)
            counts.append(len(self.made) - before)
        self.assertEqual(counts[0], MOVED_A_TURN + JUDGED_A_TURN)
        self.assertLessEqual(max(counts), MOVED_A_TURN + JUDGED_A_TURN)
        self.assertEqual(sorted(self.made), list(range(-20, 300)))

    def test_idle_last(self) -> None:
        """Clients of idle connections are judged after all others."""
        for number, idle in enumerate((True, False, True, False)):
            self.succession.judge(lambda number=number: self.made.append(number), idle=idle)  # type: ignore[misc]
        self.succession.schedule(self.clock, Turns(self.clock))
        self.clock.advance(0)
        self.assertEqual(self.made, [1, 3, 0, 2])

    def test_defects(self) -> None:
        """A call that raises is logged, and the others are made."""
        turns = Turns(self.clock)
        self.succession.move(lambda: self.made.append(1 // 0))
        self.succession.move(lambda: self.made.append(1))
        self.succession.schedule(self.clock, turns)
        self.clock.advance(0)
        self.assertEqual(self.made, [1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
