"""Who gives way: the silent, the slow and the idle, in this order; and no address takes what is the others'."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.admission import LOOKS, Awaited, Connections, HandshakeSlots, address_block

PATIENCE = 3.0


class Conn:
    """A connection that is what a test says."""

    def __init__(self, block: str = "a", awaited: Awaited | None = None, since: float = 0.0) -> None:
        self.block = block
        self.kind = awaited
        self.since = since
        self.arrived = False

    def has_spoken(self) -> bool:
        """Whether any byte of it has come."""
        return self.kind is not None or self.arrived

    def has_arrived(self) -> bool:
        """Whether any was not read yet."""
        return self.arrived

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What it is waited for."""
        return self.kind or Awaited.NOTHING, self.since


class AddressTests(SynchronousTestCase):
    """What counts as one address."""

    def test_blocks(self) -> None:
        """Of IPv4 each, of IPv6 a /64, in whatever spelling; what is no address is itself."""
        for address, block in (
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:0DB8:1:2::1", "2001:db8:1:2::"),
            ("fe80::1%eth0", "fe80::"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("", ""),
        ):
            self.assertEqual(address_block(address), block)


class ConnectionsTests(SynchronousTestCase):
    """Which connection gives way."""

    def setUp(self) -> None:
        self.table: Connections[Conn] = Connections(8, PATIENCE)

    def enter(self, *connections: Conn) -> list[Conn]:
        """They come, in this order."""
        for connection in connections:
            self.table.enter(connection)
        return list(connections)

    def come(self, connection: Conn, now: float = 0.0) -> Conn | None:
        """One more; who gives way to it."""
        victim = self.table.victim(now) if self.table.full else None
        if victim is not None:
            self.table.leave(victim)
        self.table.enter(connection)
        return victim

    def test_silent(self) -> None:
        """A flood of silent ones takes the places of its own: those before it keep theirs until one speaks."""
        first = self.enter(*(Conn() for _ in range(8)))
        flood = [Conn() for _ in range(20)]
        gone = [self.come(each) for each in flood]
        self.assertEqual(gone, [*first[4:], *flood[:16]])
        speaking = flood[16]
        speaking.kind = Awaited.NOTHING
        self.assertIs(self.come(Conn()), first[0])
        self.assertEqual(len(self.table), 8)

    def test_silent_of_one_address(self) -> None:
        """However fast one address comes, one of another that has just connected is not the one that goes."""
        self.table = Connections(64, PATIENCE)
        self.enter(*(Conn("flood") for _ in range(64)))
        honest = Conn("honest")
        gone = [self.come(honest), *(self.come(Conn("flood")) for _ in range(1000))]
        self.assertNotIn(honest, gone)
        honest.kind = Awaited.NOTHING
        self.assertNotIn(honest, [self.come(Conn("flood")) for _ in range(1000)])
        self.assertEqual(len(self.table), 64)

    def test_order(self) -> None:
        """The silent one, the slow one, the idle one; of each kind the oldest; one that is worked for never."""
        working, idle = Conn(awaited=Awaited.NOTHING), Conn(awaited=Awaited.REQUEST, since=5)
        longer, slow = Conn(awaited=Awaited.REQUEST, since=4), Conn(awaited=Awaited.HEAD, since=6)
        silent = Conn()
        others = [Conn(block=str(number), awaited=Awaited.NOTHING) for number in range(3)]
        self.enter(silent, working, idle, longer, slow, *others)
        for expected in (silent, slow, longer, idle, None):
            self.assertIs(self.table.victim(10), expected)
            if expected is not None:
                self.table.leave(expected)
                self.table.enter(Conn(block="new", awaited=Awaited.NOTHING), silent=False)

    def test_begun(self) -> None:
        """A connection that has begun a head has some time for it, before it is closed for another."""
        self.enter(*(Conn(str(number), Awaited.HEAD, since=number) for number in range(8)))
        self.assertIsNone(self.table.victim(2.9))
        victim = self.table.victim(3)
        assert victim
        self.assertEqual(victim.since, 0)

    def test_latest(self) -> None:
        """Who came a moment ago and had no time to speak yet stays; who began before it and does not go on goes."""
        for kind in (Awaited.HEAD, Awaited.MORE):
            self.setUp()
            slow = [Conn(str(number), kind, since=number / 10) for number in range(7)]
            self.enter(*slow)
            latest = Conn("honest")
            self.table.enter(latest, now=0.35)
            for each in (*slow[:4], latest):
                self.assertIs(self.table.victim(0.8), each)
                self.table.leave(each)
            self.assertEqual(self.table._came, {})

    def test_first_word(self) -> None:
        """Silence on L4, from however many addresses, holds no place for longer than a head that has begun."""
        for number in range(8):
            self.table.enter(Conn(str(number), Awaited.MORE, since=number), silent=False)
        self.assertIsNone(self.table.victim(2.9))
        victim = self.table.victim(3.1)
        assert victim
        self.assertEqual(victim.since, 0)

    def test_share(self) -> None:
        """Of an address with more than its share who has just begun, or does not send on, gives way too."""
        for kind in (Awaited.HEAD, Awaited.MORE):
            self.setUp()
            few = [Conn(str(number), kind) for number in range(5)]
            many = [Conn("many", kind, since=number / 10) for number in range(3)]
            self.enter(*few, *many)
            self.assertEqual(self.come(Conn("new", Awaited.NOTHING)), many[0])
            self.assertIsNone(self.table.victim(0))  # two of eight are its share

    def test_balancer(self) -> None:
        """A balancer, whose client is not known yet, has no share: its address does not count."""
        self.enter(*(Conn("", Awaited.HEAD) for _ in range(8)))
        self.assertIsNone(self.table.victim(0))
        self.assertEqual(self.table._by_block, {})

    def test_arrived(self) -> None:
        """One whose bytes have arrived is not the one that is waited for."""
        idle = self.enter(*(Conn(str(number), Awaited.REQUEST, since=number) for number in range(8)))
        idle[0].arrived = True
        self.assertIs(self.table.victim(0), idle[1])
        for each in idle:
            each.arrived = True
        self.assertIsNone(self.table.victim(0))

    def test_server_speaks_first(self) -> None:
        """Silence is no offence where the server may be the first to speak."""
        for _ in range(8):
            self.table.enter(Conn("", Awaited.NOTHING), silent=False)
        self.assertIsNone(self.table.victim(0))

    def test_looks(self) -> None:
        """Among many busy ones an idle one is found, though not at once: a look costs the same, however many."""
        self.table = Connections(1000, PATIENCE)
        idle = Conn(awaited=Awaited.REQUEST)
        self.enter(*(Conn(str(number), Awaited.NOTHING) for number in range(999)), idle)
        found = [self.table.victim(0) for _ in range(1000 // LOOKS + 2)]
        self.assertIn(idle, found)
        self.assertIsNone(found[0])

    @given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, *Awaited])), max_size=60))
    @settings(max_examples=60)
    def test_counts(self, steps: list[tuple[int, Awaited | None]]) -> None:
        """Whatever comes, speaks and goes: the counts are those that are there, and never more than may be."""
        table: Connections[Conn] = Connections(5, PATIENCE)
        there: dict[int, Conn] = {}
        for number, kind in steps:
            if number in there and kind is None:
                table.leave(there[number])
                table.leave(there.pop(number))
            elif number in there:
                there[number].kind = kind
            else:
                victim = table.victim(0) if table.full else None
                if table.full and victim is None:
                    continue
                if victim is not None:
                    there = {key: each for key, each in there.items() if each is not victim}
                    table.leave(victim)
                there[number] = Conn(str(number % 3), kind)
                table.enter(there[number])
            self.assertEqual(len(table), len(there))
            self.assertLessEqual(len(table), 5)
        for each in there.values():
            table.leave(each)
        self.assertEqual((len(table), table._by_block), (0, {}))


class Shake:
    """A handshake."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.arrived = False

    def __repr__(self) -> str:
        return self.name

    def has_arrived(self) -> bool:
        """Whether any byte of it was not read yet."""
        return self.arrived


class HandshakeSlotsTests(SynchronousTestCase):
    """Which handshake begins."""

    def setUp(self) -> None:
        self.slots: HandshakeSlots[Shake] = HandshakeSlots(8, PATIENCE)

    def enter(self, block: str, count: int = 1, now: float = 0.0) -> list[tuple[Shake, bool, Shake | None]]:
        """So many of an address come: each with whether it begins, and in whose place."""
        made = [Shake(f"{block}{number}") for number in range(count)]
        return [(each, *self.slots.enter(each, block, now)) for each in made]

    def test_one_address(self) -> None:
        """Alone, an address has all slots; one of another gets the place of its oldest, until it has its share."""
        taken = [each for each, begins, _ in self.enter("a", 8) if begins]
        self.assertEqual(len(taken), 8)
        self.assertEqual([begins for _, begins, _ in self.enter("a", 2)], [False, False])
        others = self.enter("b", 3)
        self.assertEqual([each[1:] for each in others], [(True, taken[0]), (True, taken[1]), (False, None)])
        self.assertEqual((len(self.slots), self.slots.waiting), (8, 3))

    def test_share_is_never_taken(self) -> None:
        """Who has its share and no more loses nothing to others that are as many."""
        for block in "abcd":
            self.enter(block, 2)
        [(_, begins, victim)] = self.enter("e")
        self.assertEqual((begins, victim), (False, None))

    def test_patience(self) -> None:
        """A client that lets the gateway wait too long loses its slot; none whose bytes have arrived does."""
        first, *_ = self.enter("a", 8)
        first[0].arrived = True
        self.assertEqual([each[1:] for each in self.enter("a", now=2.9)], [(False, None)])
        granted = self.slots.next(2.9)
        self.assertIsNone(granted)
        granted = self.slots.next(3)
        assert granted
        assert granted[1]
        self.assertEqual((granted[0].name, granted[1].name), ("a0", "a1"))
        self.assertEqual(self.slots.oldest_may_give_way(), 3)

    def test_turns(self) -> None:
        """Those that wait have their turn by address: one with many keeps no other waiting."""
        taken = [each for block in "abcd" for each, _, _ in self.enter(block, 2)]
        self.enter("e", 3)
        self.enter("f", 1)
        names = []
        for each in taken[:4]:
            self.slots.leave(each)
            granted = self.slots.next(0)
            assert granted
            names.append(granted[0].name)
        self.assertEqual(names, ["e0", "f0", "e1", "e2"])
        self.assertIsNone(self.slots.next(100))

    def test_leaves_while_it_waits(self) -> None:
        """A connection that closes waits no longer, and nothing is remembered of any in the end."""
        everybody = self.enter("a", 10)
        for each, _, _ in reversed(everybody):
            self.slots.leave(each)
            self.slots.leave(each)
        self.assertEqual((len(self.slots), self.slots.waiting, self.slots._waiting), (0, 0, {}))
        self.assertEqual((self.slots._since, self.slots._taken._members, self.slots._taken._over), ({}, {}, {}))


class ChangedTests(SynchronousTestCase):
    """Other numbers, while there are some."""

    def test_room(self) -> None:
        """The share of each address is that of the new room: who has more than it gives way first."""
        table: Connections[Conn] = Connections(8, PATIENCE)
        alone, *many = [Conn("b"), *(Conn("a") for _ in range(2))]
        for conn in (alone, *many):
            table.enter(conn)
        self.assertIs(table.victim(0.0), alone)
        table.change(4, PATIENCE)
        self.assertIs(table.victim(0.0), many[0])
        table.change(8, PATIENCE)
        self.assertIs(table.victim(0.0), alone)

    def test_slots(self) -> None:
        """A handshake gives way by the new share of its address, and after the new time."""
        slots: HandshakeSlots[Conn] = HandshakeSlots(8, PATIENCE)
        for _ in range(2):
            self.assertEqual(slots.enter(Conn("a"), "a", 0.0), (True, None))
        slots.change(2, 1.0)
        self.assertEqual(slots.oldest_may_give_way(), 1.0)
        begins, victim = slots.enter(Conn("b"), "b", 0.0)
        self.assertTrue(begins)
        assert victim is not None
        self.assertEqual(victim.block, "a")
