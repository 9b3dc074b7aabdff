"""Names are looked up once for all, a few at a time, and it is known which ones."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.reactor_resolver import MAX_LOOKUPS, ReactorResolver


class ReactorResolverTests(SynchronousTestCase):
    """A resolver that answers when the test says so."""

    def setUp(self) -> None:
        self.nameResolver = self
        self.receivers: dict[str, Any] = {}
        self.begun: list[str] = []
        self.resolver = ReactorResolver(self)

    def resolveHostName(self, receiver: Any, name: str, *rest: Any, **options: Any) -> Any:  # noqa: N802
        """As IHostnameResolver says."""
        self.receivers[name] = receiver
        receiver.resolutionBegan(None)

    def answer(self, name: str, *addresses: str) -> None:
        """The resolver knows these addresses."""
        receiver = self.receivers.pop(name)
        for address in addresses:
            receiver.addressResolved(IPv4Address("TCP", address, 0))
        receiver.resolutionComplete()

    def ask(self, name: str) -> Any:
        """The addresses of a name."""
        return self.resolver.addresses(name, lambda: self.begun.append(name))

    def test_addresses(self) -> None:
        """Those that the resolver knows, and none where it knows none."""
        for addresses in (("192.0.2.1", "192.0.2.2"), ()):
            asked = self.ask("a.example")
            self.answer("a.example", *addresses)
            self.assertEqual(self.successResultOf(asked), addresses)

    def test_once(self) -> None:
        """A name is looked up once for all who wait; each of them learns that it has begun."""
        asked = [self.ask("a.example") for _ in range(3)]
        self.assertEqual(self.begun, ["a.example"] * 3)
        self.answer("a.example", "192.0.2.1")
        self.assertEqual([self.successResultOf(each) for each in asked], [("192.0.2.1",)] * 3)

    def fill(self) -> list[Any]:
        """As many names as may be are looked up, and one more waits, twice."""
        asked = [self.ask(f"{number}.example") for number in range(MAX_LOOKUPS)]
        self.begun.clear()
        return [*asked, self.ask("late.example"), self.ask("late.example")]

    def test_a_few_at_a_time(self) -> None:
        """A name waits until another has been looked up, and those who wait for it learn when it begins."""
        asked = self.fill()
        self.assertEqual((len(self.receivers), self.begun), (MAX_LOOKUPS, []))
        self.answer("0.example", "192.0.2.1")
        self.assertEqual(self.begun, ["late.example"] * 2)
        self.answer("late.example", "192.0.2.2")
        self.assertEqual([self.successResultOf(each) for each in asked[-2:]], [("192.0.2.2",)] * 2)

    def test_left(self) -> None:
        """A lookup without waiters keeps its slot until it ends; one that has not begun leaves nothing."""
        asked = self.fill()
        for each in (asked[0], *asked[-2:]):
            each.cancel()
            self.failureResultOf(each, CancelledError)
        again = self.ask("late.example")
        self.assertEqual(len(self.receivers), MAX_LOOKUPS)
        self.answer("0.example")
        self.answer("late.example", "192.0.2.2")
        self.assertEqual(self.successResultOf(again), ("192.0.2.2",))
        self.assertEqual(self.begun, ["late.example"])
