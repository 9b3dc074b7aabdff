"""Whose list is downloaded next: that no server and no profile keeps the others from theirs."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation.crl_turns import (
    AT_ONCE,
    AT_ONCE_OF_PROFILE,
    AT_ONCE_OF_SERVER,
    MAX_WAITING,
    DownloadTurns,
)


class DownloadTurnsTests(SynchronousTestCase):
    """Turns of profiles and servers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = DownloadTurns(self.clock)

    def take(self, profile: str, server: str, count: int = 1) -> list[Deferred[bool]]:
        """So many lists of a server; with `*` each has another one."""
        return [self.turns.take(profile, server.replace("*", str(number)), 30.0) for number in range(count)]

    def begun(self, those: list[Deferred[bool]]) -> int:
        """How many of them are under way."""
        return sum(each.called and each.result is True for each in those)

    def test_server(self) -> None:
        """A slow server has some turns and no more; what waits gets them in its order."""
        slow = self.take("a", "slow", 10)
        self.assertEqual(self.begun(slow), AT_ONCE_OF_SERVER)
        self.assertEqual(self.begun(self.take("a", "prompt")), 1)
        self.turns.give_back("a", "slow")
        self.assertIs(self.successResultOf(slow[AT_ONCE_OF_SERVER]), True)
        self.assertNoResult(slow[AT_ONCE_OF_SERVER + 1])
        self.clock.advance(30)

    def test_profile(self) -> None:
        """Clients of one profile, each with a server of its own, leave turns to those of others."""
        many = self.take("a", "*.example", 2 * AT_ONCE)
        self.assertEqual(self.begun(many), AT_ONCE_OF_PROFILE)
        others = self.take("b", "*.example.net", AT_ONCE - AT_ONCE_OF_PROFILE)
        self.assertEqual(self.begun(others), len(others))
        [third] = self.take("c", "c.example")
        self.assertNoResult(third)
        self.turns.give_back("a", "0.example")
        self.assertIs(self.successResultOf(third), True)  # of those that wait it has the fewest under way
        self.clock.advance(30)

    def test_late(self) -> None:
        """A turn that does not come in time is none, and one that is not wanted any more is another's."""
        *_, second, third, fourth = self.take("a", "slow", AT_ONCE_OF_SERVER + 3)
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.turns.give_back("a", "slow")
        self.assertIs(self.successResultOf(third), True)
        self.clock.advance(30)
        self.assertIs(self.successResultOf(fourth), False)
        for _ in range(AT_ONCE_OF_SERVER):
            self.turns.give_back("a", "slow")
        self.assertEqual(self.begun(self.take("a", "slow", AT_ONCE_OF_SERVER)), AT_ONCE_OF_SERVER)

    def test_bound(self) -> None:
        """So many wait by the rules of one profile, and those of another one all the same."""
        many = self.take("a", "*.example", AT_ONCE_OF_PROFILE + MAX_WAITING + 1)
        self.assertIs(self.successResultOf(many[-1]), False)
        self.assertNoResult(many[-2])
        self.assertEqual(self.begun(self.take("b", "b.example")), 1)
        self.clock.advance(30)
        self.assertIs(self.successResultOf(many[-2]), False)
