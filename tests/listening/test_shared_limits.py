"""Limits of several workers together."""

from __future__ import annotations

from errno import ECONNABORTED, EMFILE
from typing import Any
from unittest import mock

import attrs
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.gateway import Gateway as GatewayKeys
from agwtwisted.interfaces import NO_SIBLINGS
from agwtwisted.listening.admission import RETRY
from agwtwisted.listening.listener import AT_ONCE, ListeningSocket
from agwtwisted.listening.shared_limits import SharedLimits
from agwtwisted.sharing.memory import SharedMemory
from tests import clients, configurations, forks
from tests.clients import text
from tests.hubs import Hub
from tests.listening import test_listener
from tests.listening.test_admission import Conn, Shake
from tests.sockets import until


class SharedLimitsTestCase(SynchronousTestCase):
    """Workers that are objects of one process."""

    def workers(self, count: int, *, room: int | None = None, **values: Any) -> list[SharedLimits]:
        """So many, under a configuration with these values."""
        keys = "".join(f"{key} = {value}\n" for key, value in values.items())
        loaded = configurations.load(text("basic -", gateway=keys), clients.files())
        self.clock, self.hub = Clock(), Hub()
        self.memory = SharedMemory.create(loaded.gateway.max_connections, count)
        return [
            SharedLimits(
                *(loaded.gateway, self.clock),
                index=index,
                count=count,
                memory=self.memory,
                siblings=self.hub.member(),
                room=room,
            )
            for index in range(1, count + 1)
        ]

    def counted(self) -> list[int]:
        """The connections of each worker, as the memory has them."""
        return self.memory.connections[1 : len(self.hub.members) + 1].tolist()

    def opened(self, worker: SharedLimits) -> Conn:
        """A connection in a place that there is."""
        self.assertTrue(worker.reserve())
        return Conn(worker)


class ConnectionsTests(SharedLimitsTestCase):
    """max_connections."""

    def test_sum(self) -> None:
        """The limit is that of all together; a place that is free again is any worker's."""
        first, second = self.workers(2, max_connections=3)
        connections = [self.opened(first), self.opened(second), self.opened(second)]
        self.assertEqual((first.reserve(), second.reserve(), self.counted()), (False, False, [1, 2]))
        self.assertTrue(first.full)
        connections[1].slot.release()
        self.assertFalse(first.full)
        self.opened(first)
        self.assertEqual((second.reserve(), self.counted()), (False, [2, 1]))

    def test_counted_before_it_looks(self) -> None:
        """A worker counts its place, has that be seen, and only then looks at the others': what they had written by
        then it sees, and theirs looks after its own was written.
        """
        first, _ = self.workers(2, max_connections=1, max_connections_per_address=1)
        seen: list[list[int]] = []

        def fence() -> None:
            seen.append(self.counted())
            self.memory.connections[2] = 1
            self.memory.addresses(2).add(self.memory.key_of("192.0.2.7"))

        first._fence = fence  # type: ignore[assignment]
        self.assertFalse(first.reserve())
        self.assertEqual((seen, self.counted()), ([[1, 0]], [0, 1]))
        self.memory.addresses(2).discard(self.memory.key_of("192.0.2.7"))
        self.assertFalse(first.admits("192.0.2.7"))
        self.assertEqual(len(seen), 2)

    def test_reserved(self) -> None:
        """A place is kept for one connection, however often that is asked for, until it comes or is given back."""
        first, second = self.workers(2, max_connections=1)
        self.assertTrue(first.reserve())
        self.assertTrue(first.reserve())
        self.assertFalse(second.reserve())
        first.give_back()
        first.give_back()
        self.assertEqual(self.counted(), [0, 0])
        self.opened(second)
        second.give_back()
        self.assertEqual(self.counted(), [0, 1])

    def test_handed_over(self) -> None:
        """The place of a connection that gives way is the next one's: no other worker gets it in between."""
        first, second = self.workers(2, max_connections=1)
        victim = self.opened(first)
        self.assertFalse(first.reserve())
        self.assertIs(first.victim(), victim)
        with capturedLogs() as events:
            first.make_room(victim)
        self.assertIn("1 connections, the limit", formatEvent(events[0]))
        self.assertFalse(second.reserve())
        Conn(first)
        self.assertEqual(self.counted(), [1, 0])
        self.assertFalse(second.reserve())

    def test_handed_over_for_nothing(self) -> None:
        """Where the connection does not come, its place is free."""
        first, second = self.workers(2, max_connections=1)
        first.make_room(self.opened(first))
        first.give_back()
        self.assertEqual(self.counted(), [0, 0])
        self.assertTrue(second.reserve())

    def test_unknown_address(self) -> None:
        """One that counts without a place that was taken for it, as when its address becomes known, is counted."""
        [first] = self.workers(1, max_connections=5)
        before = self.opened(first)
        Conn(first)
        before.slot.release()
        self.assertEqual(self.counted(), [1])

    def test_descriptors(self) -> None:
        """What this worker has descriptors for is its own limit."""
        first, second = self.workers(2, room=1, max_connections=4)
        self.opened(first)
        self.assertTrue(first.full)
        self.assertFalse(first.reserve())
        self.opened(second)

    def test_part(self) -> None:
        """Who gives way is decided by the worker's part of all places; messages have the whole."""
        first, _ = self.workers(2, max_connections=9)
        self.assertEqual((first.connections.room, first.room), (4, 9))

    def test_dead(self) -> None:
        """The connections of a worker that died count until they are cleared."""
        first, second = self.workers(2, max_connections=1)
        self.opened(first)
        self.assertFalse(second.reserve())
        self.memory.clear(1)
        self.assertTrue(second.reserve())


class ChangeTests(SharedLimitsTestCase):
    """Another configuration."""

    def test_change(self) -> None:
        """Other limits hold for the sum, other parts for each worker, and what this one has descriptors for."""
        first, second = self.workers(2, max_connections=2)
        connections = [self.opened(first), self.opened(second)]
        second.pause()
        gateway = attrs.evolve(first._gateway, max_connections=6, max_handshakes=4)
        for worker in (first, second):
            worker.change(gateway, 2)
        self.assertEqual((second.room, second.connections.room, second.paused), (6, 2, False))
        self.opened(second)
        self.assertFalse(second.reserve())
        for worker in (first, second):
            worker.change(attrs.evolve(gateway, max_connections=1))
        connections[1].slot.release()
        self.assertFalse(second.reserve())

    def test_handshakes(self) -> None:
        """Each worker has its part of the new number."""
        first, _ = self.workers(2, max_handshakes=2)
        events: list[tuple[str, Shake]] = []
        shakes = [Shake(first, "a", events) for _ in range(3)]
        self.assertEqual([first.begin_handshake(shake) for shake in shakes], [True, False, False])
        first.change(attrs.evolve(first._gateway, max_handshakes=4))
        self.assertEqual((events, len(first.handshakes)), ([("begins", shakes[1])], 2))


class GiveWayTests(SharedLimitsTestCase):
    """A worker without a place and without a connection that could give way."""

    def setUp(self) -> None:
        """Two silent connections, both of the first worker."""
        self.first, self.second, self.third = self.workers(3, max_connections=2)
        self.connections = [self.opened(self.first), self.opened(self.first)]
        self.assertFalse(self.second.reserve())
        self.assertIsNone(self.second.victim())

    def test_another_gives_way(self) -> None:
        """The worker with the most connections closes one, and the one that waits goes on at once."""
        self.second.pause()
        self.second.pause()
        self.assertEqual(len(self.hub.members[1].published), 1)
        self.hub.deliver()
        self.assertEqual((self.second.paused, self.counted()), (False, [1, 0, 0]))
        self.opened(self.second)
        self.assertEqual([len(each.reasons) for each in self.connections].count(1), 1)

    def test_one_worker(self) -> None:
        """One connection is closed for one: the workers that are not asked keep theirs."""
        self.connections[0].slot.release()
        silent = self.opened(self.third)
        self.second.pause()
        self.hub.deliver()
        self.assertEqual(len(silent.reasons) + len(self.connections[1].reasons), 1)
        self.assertEqual(sum(len(member.published) for member in self.hub.members), 2)

    def test_none_can(self) -> None:
        """Where it works for all of its connections, nothing is closed; the pause ends by itself."""
        for connection in self.connections:
            connection.spoken = True
        self.second.pause()
        self.hub.deliver()
        self.assertTrue(self.second.paused)
        self.clock.advance(RETRY)
        self.assertEqual((self.second.paused, self.counted()), (False, [2, 0, 0]))

    def test_next(self) -> None:
        """The one that had none is not asked again before the others."""
        self.connections[0].slot.release()
        self.connections[1].spoken = True
        silent = self.opened(self.third)
        for _ in range(2):
            self.second.pause()
            self.hub.deliver()
            self.clock.advance(RETRY)
        self.assertEqual((len(silent.reasons), self.counted()), (1, [1, 0, 0]))

    def test_late_question(self) -> None:
        """Where there is a place by then, no connection is closed for it, and the one that waits goes on."""
        self.second.pause()
        self.connections[0].slot.release()
        self.hub.deliver()
        self.assertEqual((self.second.paused, self.counted()), (False, [1, 0, 0]))
        self.assertEqual(self.connections[1].reasons, [])

    def test_own_shortage(self) -> None:
        """A worker that lacks descriptors of its own asks no other one."""
        self.connections[0].slot.release()
        self.second.pause()
        self.assertEqual(self.hub.members[1].published, [])

    def test_alone_at_the_limit(self) -> None:
        """Where all connections are its own, it asks no other one."""
        self.first.pause()
        self.assertEqual(self.hub.members[0].published, [])

    def test_own_connection_ends(self) -> None:
        """A pause ends once there is a place, as in one process."""
        self.first.pause()
        self.connections[0].slot.release()
        self.assertFalse(self.first.paused)


class AddressesTests(SharedLimitsTestCase):
    """max_connections_per_address."""

    def test_sum(self) -> None:
        """An address has so many in all workers; those of another address do not count."""
        first, second = self.workers(2, max_connections_per_address=2)
        connections = []
        for worker in (first, second):
            self.assertTrue(worker.admits(Conn.block))
            connections.append(self.opened(worker))
        self.assertEqual((first.admits(Conn.block), second.admits(Conn.block)), (False, False))
        self.assertTrue(first.admits("192.0.2.8"))
        connections[0].slot.release()
        self.assertTrue(second.admits(Conn.block))

    def test_came_to_nothing(self) -> None:
        """One that was admitted, and has no place in the end, is not counted."""
        first, second = self.workers(2, max_connections_per_address=1)
        self.assertTrue(first.admits(Conn.block))
        self.assertFalse(second.admits(Conn.block))
        self.assertTrue(first.admits("192.0.2.8"))
        self.assertTrue(second.admits(Conn.block))

    def test_no_limit(self) -> None:
        """Without a limit addresses are counted all the same: a reload may set one."""
        first, _ = self.workers(2)
        for _ in range(3):
            self.assertTrue(first.admits(Conn.block))
            connection = self.opened(first)
        address = self.memory.key_of(Conn.block)
        self.assertEqual(self.memory.addresses(1).count(address), 3)
        connection.slot.release()
        self.assertEqual(self.memory.addresses(1).count(address), 2)

    def test_full_table(self) -> None:
        """An address that cannot be counted is not admitted, and it is said."""
        [first] = self.workers(1, max_connections=1, max_connections_per_address=1)
        for number in range(1, self.memory.entries + 1):
            self.memory.addresses(1).add(number)
        with capturedLogs() as events:
            self.assertFalse(first.admits(Conn.block))
        self.assertIn("more addresses than can be counted", formatEvent(events[0]))


class HandshakesTests(SharedLimitsTestCase):
    """max_handshakes."""

    def test_part(self) -> None:
        """Each worker has its part."""
        first, _ = self.workers(2, max_handshakes=5)
        events: list[tuple[str, Shake]] = []
        shakes = [Shake(first, "a", events) for _ in range(3)]
        self.assertEqual([first.begin_handshake(shake) for shake in shakes], [True, True, False])
        self.assertEqual(len(first.handshakes), 2)
        first.end_handshake(shakes[0])
        self.assertEqual((events, len(first.handshakes)), ([("begins", shakes[2])], 2))
        for shake in shakes[1:]:
            first.end_handshake(shake)
        self.assertEqual(len(first.handshakes), 0)


class ListenersTests(test_listener.ListenerTests):
    """All that a listener does, with limits of this kind: no place is lost on any way."""

    def setUp(self) -> None:
        """Limits of one worker of one, in place of the usual ones."""
        self.memory = SharedMemory.create(100_000, 1)
        patching = mock.patch.object(clients, "Limits", self.limits)
        patching.start()
        self.addCleanup(patching.stop)

    def limits(self, gateway: GatewayKeys, clock: Any) -> SharedLimits:
        """What a test's gateway has."""
        return SharedLimits(gateway, clock, index=1, count=1, memory=self.memory, siblings=NO_SIBLINGS)

    async def end(self, listener: ListeningSocket) -> None:
        """Once everything is closed, nothing is counted."""
        await super().end(listener)
        await until(lambda: self.memory.connections[1] == 0)
        self.assertFalse(any(self.memory.addresses(1)._cells))

    async def test_none_is_accepted(self) -> None:
        """Where a turn accepts none of those that came, no place is kept for one."""
        listener = self.listener()
        accepting: Any = listener._bound
        real = accepting.socket
        accepting.socket = mock.Mock()
        accepting.socket.accept.side_effect = [OSError(ECONNABORTED, "gone")] * AT_ONCE
        listener._accept()
        accepting.socket = real
        self.assertEqual(self.memory.connections[1], 0)

    async def test_shortage(self) -> None:
        """A connection that gave way because descriptors are short leaves no place that is kept."""
        listener = self.listener()
        self.client()
        await until(lambda: self.accepted == 1)
        accepting: Any = listener._bound
        real = accepting.socket
        accepting.socket = mock.Mock()
        accepting.socket.accept.side_effect = OSError(EMFILE, "Too many open files")
        listener._accept()
        accepting.socket = real
        self.assertEqual(self.memory.connections[1], 0)


class ProcessesTests(SynchronousTestCase):
    """Workers that are processes."""

    def test_never_more(self) -> None:
        """However fast two processes open and close connections, there are never more than allowed, of an address
        neither, both go on, and at the end none is left.
        """
        said = forks.run(
            """
from random import Random
from twisted.internet.task import Clock
from agwtwisted.interfaces import NO_SIBLINGS
from agwtwisted.listening.shared_limits import SharedLimits
from tests import clients, configurations
from tests.listening.test_admission import Conn

LIMIT, EACH = 10, 4
keys = f"max_connections = {LIMIT}\\nmax_connections_per_address = {EACH}\\n"
gateway = configurations.load(clients.text("basic -", gateway=keys), clients.files()).gateway
memory = SharedMemory.create(LIMIT, 2)
real, fence = SharedMemory.create(1, 2).connections, Fence()  # connections that there are, of each process
of_addresses = SharedMemory.create(1, 2).connections  # and of each process and address

def work(index):
    limits = SharedLimits(gateway, Clock(), index=index, count=2, memory=memory, siblings=NO_SIBLINGS)
    random, kept, opened, most = Random(index), [], 0, 0
    end = time.monotonic() + 3
    while time.monotonic() < end:
        address = random.randrange(4)
        block = f"192.0.2.{address}"
        if random.random() < 0.6 and limits.reserve():
            if limits.admits(block):
                connection = Conn.__new__(Conn)
                connection.block, connection.spoken, connection.reasons = block, True, []
                connection.slot = limits.open(connection)
                real[index] += 1
                of_addresses[10 * index + address] += 1
                fence()
                assert sum(real[0:3]) <= LIMIT, real[0:3].tolist()
                of_all = of_addresses[10 + address] + of_addresses[20 + address]
                assert of_all <= EACH, of_all
                kept.append((connection, address))
                opened, most = opened + 1, max(most, len(kept))
            limits.give_back()
        elif kept:
            connection, address = kept.pop(random.randrange(len(kept)))
            real[index] -= 1
            of_addresses[10 * index + address] -= 1
            connection.slot.release()
    for connection, address in kept:
        real[index] -= 1
        of_addresses[10 * index + address] -= 1
        connection.slot.release()
    limits.admits("192.0.2.200")
    limits._addresses.discard(memory.key_of("192.0.2.200"))
    os.write(1, b"%d %d\\n" % (opened, most))

all_well(forked(work, 1), forked(work, 2))
assert memory.connections[0:3].tolist() == [0, 0, 0]
for index in (1, 2):
    assert not any(memory.addresses(index)._cells), "an address is left"
"""
        )
        opened, most = zip(*(map(int, line.split()) for line in said.splitlines()), strict=True)
        self.assertGreater(min(opened), 100)
        self.assertGreater(max(most), 4)
