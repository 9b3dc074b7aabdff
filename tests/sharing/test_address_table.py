"""The table of addresses of a worker, and what another process reads in it."""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.sharing.address_table import AddressTable


def table(entries: int) -> AddressTable:
    """An empty one."""
    return AddressTable(memoryview(bytearray(16 * entries)).cast("q"))


class AddressTableTests(SynchronousTestCase):
    """Counting addresses."""

    def test_counts(self) -> None:
        """Each address has its own count, those that have the same place by hash included."""
        counts = table(8)
        for number in (1, 9, 1, 17, -7):
            self.assertTrue(counts.add(number))
        self.assertEqual([counts.count(number) for number in (1, 9, 17, -7, 25)], [2, 1, 1, 1, 0])
        counts.discard(1)
        counts.discard(9)
        counts.discard(25)
        counts.discard(9)
        self.assertEqual([counts.count(number) for number in (1, 9, 17, -7)], [1, 0, 1, 1])

    def test_full(self) -> None:
        """A full table takes no further address, but more of one that it has, and one in the place of one that left."""
        counts = table(4)
        self.assertTrue(all(counts.add(number) for number in (1, 2, 3, 4)))
        self.assertFalse(counts.add(5))
        self.assertTrue(counts.add(4))
        self.assertEqual(counts.count(5), 0)
        counts.discard(2)
        self.assertTrue(counts.add(5))
        self.assertEqual([counts.count(number) for number in (1, 2, 3, 4, 5)], [1, 0, 1, 2, 1])

    def test_empty_again(self) -> None:
        """Once all have left, nothing is remembered: searches are as short as at first."""
        counts = table(16)
        numbers = [1, 17, 33, 2, 49, 16]
        for number in numbers:
            counts.add(number)
        for number in numbers:
            counts.discard(number)
        self.assertFalse(any(counts._cells))

    def test_like_a_counter(self) -> None:
        """After any sequence of additions and removals the counts are right, and searches end."""
        random = Random(7)
        counts, expected = table(64), Counter[int]()
        for _ in range(20_000):
            number = random.randrange(1, 200) << 3
            if random.random() < 0.5 and len(+expected) < 48:
                self.assertTrue(counts.add(number))
                expected[number] += 1
            elif expected[number]:
                counts.discard(number)
                expected[number] -= 1
            self.assertEqual(counts.count(number), expected[number])
        for number in range(0, 1600, 8):
            self.assertEqual(counts.count(number or 1), expected[number or 1])
