"""Many calls are spread over turns of the reactor."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.spread_calls import SpreadCalls
from tests.clocks import turn

PER_TURN = 5
MANY = 3 * PER_TURN + 1


class SpreadCallsTests(SynchronousTestCase):
    """Calls that note that they were made."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.made: list[int] = []
        self.failures = 0
        self.calls = SpreadCalls(self.clock, PER_TURN, self.failed)
        self.many = [self.call(number) for number in range(MANY)]

    def failed(self) -> None:
        """A call has raised."""
        self.failures += 1

    def call(self, number: int) -> Callable[[], None]:
        """A call with this number."""
        return lambda: self.made.append(number)

    def turn(self) -> int:
        """How many are made in the reactor's next turn."""
        before = len(self.made)
        turn(self.clock)
        return len(self.made) - before

    def test_few(self) -> None:
        """A few are made at once, and no timer is left."""
        self.calls.add(self.many[:PER_TURN])
        self.assertEqual((self.made, self.clock.getDelayedCalls()), (list(range(PER_TURN)), []))

    def test_many(self) -> None:
        """Of many so many are made in a turn, in their order, and each of them once."""
        self.calls.add(self.many)
        self.assertEqual([len(self.made), *(self.turn() for _ in range(4))], [PER_TURN, PER_TURN, PER_TURN, 1, 0])
        self.assertEqual((self.made, self.clock.getDelayedCalls()), (list(range(MANY)), []))

    def test_added_one_by_one(self) -> None:
        """The bound is that of a turn, however they are added."""
        for call in self.many:
            self.calls.add([call])
        self.assertEqual([len(self.made), *(self.turn() for _ in range(3))], [PER_TURN, PER_TURN, PER_TURN, 1])

    def test_again(self) -> None:
        """One that was made may be added again; one that waits is made once all the same."""
        self.calls.add(self.many[: PER_TURN + 1])
        self.calls.add(self.many[: PER_TURN + 1])
        while self.turn():
            pass
        self.assertEqual(sorted(self.made), sorted([*range(PER_TURN), *range(PER_TURN + 1)]))

    def test_discarded(self) -> None:
        """One that is discarded before its turn is not made, and takes no other's place."""
        self.calls.add(self.many)
        for number in range(PER_TURN, MANY - 1):
            self.calls.discard(self.many[number])
        self.assertEqual((self.turn(), self.made[-1]), (1, MANY - 1))
        self.calls.discard(self.many[0])

    def test_added_by_a_call(self) -> None:
        """Calls that add calls have them made, not one within another."""
        depths: list[int] = []

        def call(number: int) -> None:
            depths.append(len(inspect.stack(0)))
            if number:
                self.calls.add([lambda: call(number - 1)])

        self.calls.add([lambda: call(PER_TURN - 1)])
        self.assertEqual((len(depths), len(set(depths))), (PER_TURN, 1))

    def test_defect(self) -> None:
        """One that raises is reported, and does not keep the others from being made."""

        def broken() -> None:
            raise KeyError

        self.calls.add([broken, *self.many])
        while self.turn():
            pass
        self.assertEqual((self.failures, self.made), (1, list(range(MANY))))

    def test_stop(self) -> None:
        """After the end nothing is called, and no timer is left."""
        self.calls.add(self.many)
        self.calls.stop()
        self.assertEqual((self.clock.getDelayedCalls(), len(self.made)), ([], PER_TURN))
