"""What all gateways have to hear of while a store is away, or full."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation.unsent_news import MAX_BYTES, RETRY, UnsentNews, ValueWithNews


class UnsentNewsTests(SynchronousTestCase):
    """Attempts until the store takes what it is sent."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.refused: set[str] = set()
        self.sent: list[str] = []
        self.unsent = UnsentNews(self.clock, self.send)

    def send(self, announced: ValueWithNews) -> Deferred[bool]:
        """The store takes it, or does not."""
        self.sent.append(announced.key)
        return succeed(announced.key not in self.refused)

    def add(self, *keys: str, until: float = 60.0, size: int = 1) -> None:
        """Announces them."""
        for key in keys:
            self.unsent.add(ValueWithNews(key=key, value=bytes(size), until=until, topic="revoked", news=key.encode()))

    def test_taken(self) -> None:
        """What is taken at once is sent once, and leaves no timer."""
        self.add("a", "b")
        self.assertEqual((self.sent, len(self.unsent), self.clock.getDelayedCalls()), (["a", "b"], 0, []))

    def test_store_away(self) -> None:
        """What is not taken is sent again, one at a time; once one is taken all others are, without a pause."""
        self.refused = {"a", "b", "c"}
        self.add("a", "b", "c")
        self.sent.clear()
        self.clock.pump([RETRY] * 3)
        self.assertEqual(self.sent, ["a", "b", "c"])
        self.refused.clear()
        self.clock.advance(RETRY)
        self.clock.pump([0.0] * 3)
        self.assertEqual((self.sent[3:], len(self.unsent)), (["a", "b", "c"], 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_never_taken(self) -> None:
        """One that the store never takes holds up no other."""
        self.refused = {"a", "b"}
        self.add("a", "b")
        self.refused = {"a"}
        self.clock.pump([RETRY] * 2)
        self.assertEqual(len(self.unsent), 1)

    def test_over(self) -> None:
        """What is over meanwhile is not sent, and a later value takes the place of an earlier one."""
        self.refused = {"a"}
        self.add("a")
        self.add("a", until=RETRY)
        self.assertEqual(len(self.unsent), 1)
        self.clock.advance(RETRY)
        self.assertEqual((self.sent, len(self.unsent)), (["a", "a"], 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bounded(self) -> None:
        """The values that wait have a bound: the oldest ones make room."""
        self.refused = {"a", "b", "c"}
        self.add("a", "b", "c", size=MAX_BYTES // 2)
        self.refused.clear()
        self.sent.clear()
        self.clock.advance(RETRY)
        self.clock.pump([0.0] * 3)
        self.assertEqual(self.sent, ["b", "c"])

    def test_stopped(self) -> None:
        """At the end nothing is sent any more."""
        self.refused = {"a"}
        self.add("a")
        self.unsent.stop()
        self.add("a")
        self.assertEqual(self.clock.getDelayedCalls(), [])
