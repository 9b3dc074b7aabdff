"""Memory and a lock of several processes."""

from __future__ import annotations

import mmap
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.sharing.memory import MAX_ADDRESSES, MIN_ADDRESSES, Fence, SharedMemory, entries_for
from tests import forks


class SharedMemoryTests(SynchronousTestCase):
    """What stands in it."""

    def setUp(self) -> None:
        """Of two workers."""
        self.memory = SharedMemory.create(100, 2)

    def test_inherited(self) -> None:
        """Each process that has the descriptor sees the same: counts, addresses, and the key of their hash."""
        other = SharedMemory(self.memory.descriptor)
        self.memory.connections[2] = 7
        self.memory.addresses(2).add(self.memory.key_of("192.0.2.7"))
        self.assertEqual(other.connections[2], 7)
        self.assertEqual(other.addresses(2).count(other.key_of("192.0.2.7")), 1)
        self.assertEqual(other.addresses(1).count(other.key_of("192.0.2.7")), 0)

    def test_key(self) -> None:
        """Two gateways give an address different numbers; it cannot be known which addresses share a place."""
        self.assertNotEqual(self.memory.key_of("a"), SharedMemory.create(100, 2).key_of("a"))

    def test_clear(self) -> None:
        """A worker that is gone has no connections; those of the others stay."""
        for index in (1, 2):
            self.memory.connections[index] = 5
            for address in range(1, 200):
                self.memory.addresses(index).add(address)
        self.memory.clear(1)
        self.assertEqual(self.memory.connections[1:3].tolist(), [0, 5])
        self.assertEqual([self.memory.addresses(index).count(99) for index in (1, 2)], [0, 1])

    def test_clear_without_advice(self) -> None:
        """So it is where the system takes no pages back."""
        for index in (1, 2):
            self.memory.addresses(index).add(99)
        with mock.patch.object(mmap, "MADV_REMOVE", 9999):
            self.memory.clear(1)
        self.assertEqual([self.memory.addresses(index).count(99) for index in (1, 2)], [0, 1])

    def test_entries(self) -> None:
        """A table is never more than half full, except beyond its most."""
        self.assertEqual(entries_for(1), MIN_ADDRESSES)
        self.assertEqual(entries_for(20_000), 65_536)
        self.assertEqual(entries_for(32_768), 65_536)
        self.assertEqual(entries_for(10_000_000), MAX_ADDRESSES)


class FenceTests(SynchronousTestCase):
    """Places that are taken without a lock."""

    def test_barrier(self) -> None:
        """A lock is released and taken again: what stands between the two is seen in that order by other processes."""
        fence = Fence()
        self.assertTrue(fence._lock.locked())
        with mock.patch.object(fence, "_lock") as lock:
            fence()
        self.assertEqual([name for name, *_ in lock.method_calls], ["release", "acquire"])

    def test_one_place(self) -> None:
        """Two processes that take the only place again and again never both have it, and both get it."""
        said = forks.run(
            """
memory, other = SharedMemory.create(1, 2), SharedMemory.create(1, 2)

def work(index):
    mine, fence, both, had = memory.connections, Fence(), 0, 0
    inside = other.connections
    end = time.monotonic() + 2
    while time.monotonic() < end:
        mine[index] += 1
        fence()
        if sum(mine[0:3]) <= 1:
            had += 1
            inside[index] = 1
            fence()
            both += inside[3 - index]
            for _ in range(5):
                both += inside[3 - index]
            inside[index] = 0
        mine[index] -= 1
    os.write(1, b"%d %d\\n" % (both, had))

all_well(forked(work, 1), forked(work, 2))
"""
        )
        both, had = zip(*(map(int, line.split()) for line in said.splitlines()), strict=True)
        self.assertEqual(both, (0, 0))
        self.assertGreater(min(had), 10)


class BatchLockTests(SynchronousTestCase):
    """The lock of the access log."""

    def test_one_process(self) -> None:
        """One process has it; the kernel gives it to the next when that process is killed."""
        said = forks.run(
            """
memory = SharedMemory.create(1, 2)
read, write = os.pipe()

def holds():
    with memory.batch_lock():
        memory.batch_lock().unfinished = 77
        os.write(write, b"has it\\n")
        time.sleep(50)

def waits():
    with memory.batch_lock():
        os.write(write, b"has it then, after %d\\n" % memory.batch_lock().unfinished)

first = forked(holds)
said = os.read(read, 100)
second = forked(waits)
import select
assert not select.select([read], [], [], 0.3)[0], "both have it"
os.kill(first, signal.SIGKILL)
os.waitpid(first, 0)
all_well(second)
print((said + os.read(read, 100)).decode())
"""
        )
        self.assertEqual(said.split("\n")[:2], ["has it", "has it then, after 77"])
