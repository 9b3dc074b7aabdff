"""Events of a running gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.health import HealthState
from agwtwisted.operations.events import HEALTH, MOST, REFUSAL, SECOND, Events


class EventsTests(SynchronousTestCase):
    """On a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events = Events(self.clock)
        self.heard: list[tuple[str, Mapping[str, Any]]] = []

    def note(self, kind: str, members: Mapping[str, Any]) -> None:
        """A subscriber."""
        self.heard.append((kind, members))

    def test_none_listens(self) -> None:
        """Where nothing listens nothing is wanted, and an event leaves no trace and no timer."""
        self.events.publish(HEALTH, {})
        self.assertEqual((self.events.wanted, self.clock.getDelayedCalls()), (False, []))

    def test_heard(self) -> None:
        """Each subscriber hears each event until it ends that, once or twice."""
        end = self.events.subscribe(self.note)
        self.events.publish(HEALTH, {"a": 1})
        self.assertEqual((self.heard, self.events.wanted), ([(HEALTH, {"a": 1})], True))
        for _ in range(2):
            end()
        self.events.publish(HEALTH, {})
        self.assertEqual((len(self.heard), self.events.wanted, self.clock.getDelayedCalls()), (1, False, []))

    def test_bounded(self) -> None:
        """Of more than so many in a second the rest is counted, by its kind, and the count goes out after it."""
        self.events.subscribe(self.note)
        for number in range(MOST + 5):
            self.events.publish(REFUSAL, {"number": number})
        self.events.publish(HEALTH, {})
        self.assertEqual([kind for kind, _ in self.heard], [REFUSAL] * MOST + [HEALTH])
        self.heard.clear()
        self.clock.advance(SECOND)
        self.assertEqual(self.heard, [(REFUSAL, {"omitted": 5})])
        self.events.publish(REFUSAL, {})
        self.assertEqual(len(self.heard), 2)
        self.events.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_made_where_wanted(self) -> None:
        """The members of an event are not made where nothing listens, nor beyond the bound."""
        made: list[int] = []

        def members() -> Mapping[str, Any]:
            made.append(1)
            return {}

        self.events.publish_made(REFUSAL, members)
        self.assertEqual(made, [])
        self.events.subscribe(self.note)
        for _ in range(MOST + 5):
            self.events.publish_made(REFUSAL, members)
        self.assertEqual(len(made), MOST)
        self.events.stop()

    def test_servers(self) -> None:
        """A change of a server's health is an event, and so is that an operator drains it."""
        self.events.moved("a:80", HealthState.UP, HealthState.DOWN, "no answer")
        self.events.drained("a:80", HealthState.UP, True)
        end = self.events.subscribe(self.note)
        self.events.moved("a:80", HealthState.UP, HealthState.DOWN, "no answer")
        self.events.drained("a:80", HealthState.UP, True)
        self.events.drained("a:80", HealthState.UP, False)
        end()
        self.assertEqual({kind for kind, _ in self.heard}, {HEALTH})
        changes = [(members["before"], members["after"]) for _, members in self.heard]
        self.assertEqual(changes, [("Up", "Down"), ("Up", "Draining"), ("Draining", "Up")])

    def test_defects(self) -> None:
        """A subscriber that raises is logged, and the next one hears the event."""

        def broken(kind: str, members: Mapping[str, Any]) -> None:
            raise ValueError(kind)

        self.events.subscribe(broken)
        self.events.subscribe(self.note)
        self.events.publish(HEALTH, {})
        self.assertEqual(len(self.heard), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.events.stop()
