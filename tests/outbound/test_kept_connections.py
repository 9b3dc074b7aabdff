"""Which connections are kept, and which make room."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.outbound.kept_connections import MAX_KEPT, MAX_KEPT_IN_ALL, KeptConnections

PLACE = ("http", "a.example", 80)


class Named:
    """One that forgets itself when it is closed, as those do."""

    def __init__(self, name: str, place: tuple[str, str, int], closing: bool, case: KeptConnectionsTests) -> None:
        self.name = name
        self.place = place
        self.transport = SimpleNamespace(closing=closing)
        self.case = case

    def close(self) -> None:
        """Closes it."""
        me: Any = self
        self.case.kept.forget(me)
        self.case.closed.append(self.name)


class KeptConnectionsTests(SynchronousTestCase):
    """Connections that are names."""

    def setUp(self) -> None:
        self.kept = KeptConnections()
        self.closed: list[Any] = []

    def connection(self, name: str, place: tuple[str, str, int] = PLACE, *, closing: bool = False) -> Any:
        """One more is kept."""
        made: Any = Named(name, place, closing, self)
        self.kept.keep(made)
        return made

    def take(self, place: tuple[str, str, int] = PLACE, without: str = "") -> str:
        """The name of the one that is taken."""
        found = self.kept.take(place, lambda each: each.name != without)  # type: ignore[attr-defined]
        return "" if found is None else found.name  # type: ignore[attr-defined,no-any-return]

    def test_last_used_first(self) -> None:
        """The one that was used last is taken first, of those to that place that fit and are not closing."""
        self.connection("a")
        self.connection("b")
        self.connection("c", closing=True)
        self.connection("d", ("https", "a.example", 80))
        self.assertEqual([self.take(without="b"), self.take(), self.take()], ["a", "b", ""])
        self.assertEqual(len(self.kept), 2)

    def test_oldest_makes_room(self) -> None:
        """Beyond what is kept of one place its oldest one is closed; beyond what is kept at all the oldest of all."""
        for number in range(MAX_KEPT + 1):
            self.connection(str(number))
        self.assertEqual((self.closed, len(self.kept)), (["0"], MAX_KEPT))
        for number in range(MAX_KEPT_IN_ALL):
            self.connection(f"other {number}", ("http", "b.example", number + 1))
        self.assertEqual(len(self.kept), MAX_KEPT_IN_ALL)
        self.assertEqual(self.closed, [str(number) for number in range(MAX_KEPT + 1)])

    def test_closed(self) -> None:
        """Once it is closed none is kept; one that is not there is forgotten without a word."""
        first = self.connection("a")
        self.kept.close()
        self.connection("b")
        self.kept.forget(first)
        self.assertEqual((self.closed, len(self.kept), self.take()), (["a", "b"], 0, ""))
