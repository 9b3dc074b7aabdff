"""Counts of connections and handshakes, and what is done where there are as many as may be."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.listening.admission import AT_ONCE, RETRY, Limits
from tests import clients, configurations
from tests.clients import text


class Conn:
    """A connection, silent until a test says otherwise."""

    block = "192.0.2.7"

    def __init__(self, limits: Limits) -> None:
        self.spoken = False
        self.reasons: list[str] = []
        self.slot = limits.open(self)

    def has_spoken(self) -> bool:
        """Whether any byte of it has come."""
        return self.spoken

    def has_arrived(self) -> bool:
        """None is unread."""
        return False

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The gateway is at work for it."""
        return Awaited.NOTHING, now

    def give_way(self, reason: str) -> None:
        """Is gone."""
        self.reasons.append(reason)
        self.slot.release()


class Shake:
    """A handshake that writes down what becomes of it."""

    def __init__(self, limits: Limits, block: str, events: list[tuple[str, Shake]]) -> None:
        self.block = block
        self.ends_at_once = False
        self._limits = limits
        self._events = events

    def has_arrived(self) -> bool:
        """None is unread."""
        return False

    def go_on(self) -> None:
        """Begins."""
        self._events.append(("begins", self))
        if self.ends_at_once:
            self._limits.end_handshake(self)

    def give_way(self, reason: str) -> None:
        """Fails."""
        self._events.append(("fails", self))
        self._limits.end_handshake(self)


class LimitsTests(SynchronousTestCase):
    """How many there may be."""

    def limits(self, room: int | None = None, **values: Any) -> Limits:
        """Those of a configuration with these values."""
        keys = "".join(f"{key} = {value}\n" for key, value in values.items())
        self.clock = Clock()
        loaded = configurations.load(text("basic -", gateway=keys), clients.files())
        self.counted = Limits(loaded.gateway, self.clock, room=room)
        self.changes: list[bool] = []
        self.counted.subscribe(lambda: self.changes.append(self.counted.paused))
        return self.counted

    def test_connections(self) -> None:
        """The silent one gives way, and it is said; where none can, accepting pauses until one is gone."""
        counted = self.limits(max_connections=2)
        first = Conn(counted)
        self.assertFalse(counted.connections.full)
        second = Conn(counted)
        self.assertTrue(counted.connections.full)
        victim = counted.victim()
        assert victim is second
        with capturedLogs() as events:
            counted.make_room(victim)
        self.assertIn("2 connections, the limit", formatEvent(events[0]))
        self.assertEqual((len(second.reasons), counted.connections.full), (1, False))
        second = Conn(counted)
        first.spoken = second.spoken = True
        self.assertIsNone(counted.victim())
        counted.pause()
        counted.pause()
        first.slot.release()
        self.assertEqual((self.changes, self.clock.getDelayedCalls()), ([True, False], []))

    def test_unsubscribed(self) -> None:
        """Who is subscribed no longer is not called; to say so twice does no harm."""
        counted = self.limits()
        counted.subscribe(self.fail)
        for _ in range(2):
            counted.unsubscribe(self.fail)
        counted.pause()
        counted._resume()
        self.assertEqual(self.changes, [True, False])

    def test_retry(self) -> None:
        """A pause ends by itself: who could not give way may do so in a moment."""
        counted = self.limits(max_connections=1)
        counted.pause()
        self.clock.advance(RETRY)
        self.assertEqual((self.changes, counted.paused), ([True, False], False))

    def test_room(self) -> None:
        """Where the system has room for fewer, that counts; never more than the configuration says."""
        for room, expected in ((None, 5), (3, 3), (9, 5)):
            self.assertEqual(self.limits(room, max_connections=5).connections.room, expected)

    def test_changed_connections(self) -> None:
        """Fewer connections than there are leave those: each newcomer takes the place of one; more end a pause."""
        counted = self.limits(max_connections=3)
        conns = [Conn(counted) for _ in range(3)]
        for conn in conns:
            conn.spoken = True
        self.change(max_connections=2)
        self.assertEqual((len(counted.connections), counted.connections.full), (3, True))
        self.assertEqual([conn.reasons for conn in conns], [[]] * 3)
        counted.pause()
        conns[0].slot.release()
        self.assertTrue(counted.paused)
        self.change(max_connections=2, room=1)
        self.assertTrue(counted.paused)
        self.change(max_connections=5, max_connections_per_address=3)
        self.assertEqual((counted.paused, self.changes), (False, [True, False]))
        self.assertTrue(counted.admits(Conn.block))
        self.change(max_connections_per_address=2)
        self.assertFalse(counted.admits(Conn.block))

    def test_changed_handshakes(self) -> None:
        """More slots are taken at once by those that wait; fewer end no handshake."""
        counted, events = self.limits(max_handshakes=1), []
        one, two, three = (Shake(counted, f"192.0.2.{number}", events) for number in range(3))
        self.assertEqual([counted.begin_handshake(each) for each in (one, two, three)], [True, False, False])
        self.change(max_handshakes=2)
        self.assertEqual(events, [("begins", two)])
        self.change(max_handshakes=1)
        counted.end_handshake(one)
        self.assertEqual(events, [("begins", two)])
        counted.end_handshake(two)
        self.assertEqual(events, [("begins", two), ("begins", three)])

    def change(self, room: int | None = None, **values: Any) -> None:
        """Other values are in force."""
        keys = "".join(f"{key} = {value}\n" for key, value in values.items())
        self.counted.change(configurations.load(text("basic -", gateway=keys), clients.files()).gateway, room)

    def test_addresses(self) -> None:
        """Each address has its own limit; 0 is none; nothing is remembered of an address that is gone."""
        counted = self.limits(max_connections_per_address=1)
        connection = Conn(counted)
        self.assertEqual((counted.admits("192.0.2.7"), counted.admits("b")), (False, True))
        connection.slot.release()
        self.assertTrue(counted.admits("192.0.2.7"))
        self.assertEqual(counted._by_address, {})
        unlimited = self.limits(max_connections_per_address=0)
        for _ in range(100):
            Conn(unlimited)
        self.assertTrue(unlimited.admits("192.0.2.7"))

    def test_slot(self) -> None:
        """A place is released once, however often that is asked for: the next connection keeps its own."""
        counted = self.limits(max_connections=2, max_connections_per_address=2)
        first, second = Conn(counted), Conn(counted)
        first.slot.release()
        first.slot.release()
        self.assertEqual((len(counted.connections), counted._by_address), (1, {"192.0.2.7": 1}))
        second.slot.release()
        self.assertEqual((len(counted.connections), counted._by_address), (0, {}))

    def handshakes(self, count: int, block: str = "a") -> list[Shake]:
        """So many whose ClientHello has come; those that begin at once have begun."""
        made = [Shake(self.counted, block, self.events) for _ in range(count)]
        for each in made:
            if self.counted.begin_handshake(each):
                each.go_on()
        return made

    def test_handshakes(self) -> None:
        """Beyond max_handshakes they wait, in turn, for one that ends, or whose client takes its time."""
        self.limits(max_handshakes=1, silent_timeout=3)
        self.events: list[tuple[str, Shake]] = []
        first, second, third = self.handshakes(3)
        self.assertEqual(self.events, [("begins", first)])
        self.counted.end_handshake(first)
        self.assertEqual(self.events, [("begins", first), ("begins", second)])
        self.clock.advance(3)
        self.assertEqual(self.events[2:], [("fails", second), ("begins", third)])
        self.counted.end_handshake(third)
        self.assertEqual((len(self.counted.handshakes), self.clock.getDelayedCalls()), (0, []))

    def test_another_address(self) -> None:
        """One of another address does not wait for those of an address that has more than its share."""
        self.limits(max_handshakes=4)
        self.events = []
        first, *_ = self.handshakes(5)
        [other] = self.handshakes(1, "b")
        self.assertEqual(self.events[-2:], [("fails", first), ("begins", other)])

    def test_many_that_end_at_once(self) -> None:
        """However many fail at once when their turn comes, each is done with once, and a turn begins some alone."""
        self.limits(max_handshakes=1)
        self.events = []
        first, *others = self.handshakes(2000)
        for each in others:
            each.ends_at_once = True
        self.counted.end_handshake(first)
        self.assertEqual(len(self.events), 1 + AT_ONCE)
        self.clock.pump([0.0] * 2000)
        self.assertEqual([each for _, each in self.events], [first, *others])
        self.assertEqual((len(self.counted.handshakes), self.clock.getDelayedCalls()), (0, []))
