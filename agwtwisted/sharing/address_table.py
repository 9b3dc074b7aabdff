"""How many connections of each client address a worker has, in memory that other processes read.

A hash table with linear probing, which one process writes. A reader without a lock finds the right count, or one that
is too high for a moment: an entry's number is written before its count, an entry that counts something never moves,
and no entry before it, as far as its own place by hash, is emptied meanwhile.
"""

from __future__ import annotations

from typing import Final

ENTRY_BYTES: Final = 16
"""The number of an address (0: no address yet, and the end of a search) and its count, 8 bytes each."""


class AddressTable:
    """The table of one worker.

    Args:
        cells: numbers and counts in turn, a power of two of both.
    """

    def __init__(self, cells: memoryview[int]) -> None:
        self._cells = cells
        self._last = len(cells) // 2 - 1

    def count(self, address: int) -> int:
        """How many connections there are of the address with this number."""
        cells, last, at = self._cells, self._last, address & self._last
        for _ in range(last + 1):
            number = cells[2 * at]
            if number == address:
                return cells[2 * at + 1]
            if not number:
                break
            at = (at + 1) & last
        return 0

    def add(self, address: int) -> bool:
        """One more; False where the table is full."""
        cells, last, at = self._cells, self._last, address & self._last
        free = -1
        for _ in range(last + 1):
            number = cells[2 * at]
            if number == address:
                cells[2 * at + 1] += 1
                return True
            if free < 0 and not cells[2 * at + 1]:
                free = at
            if not number:
                break
            at = (at + 1) & last
        if free < 0:
            return False
        cells[2 * free] = address
        cells[2 * free + 1] = 1
        return True

    def discard(self, address: int) -> None:
        """One less; nothing where there is none."""
        cells, last, at = self._cells, self._last, address & self._last
        for _ in range(last + 1):
            number = cells[2 * at]
            if number == address:
                if cells[2 * at + 1]:
                    cells[2 * at + 1] -= 1
                    self._empty(at)
                return
            if not number:
                return
            at = (at + 1) & last

    def _empty(self, at: int) -> None:
        """Entries that count nothing, at the end of a run, are as if they had never been used."""
        cells, last = self._cells, self._last
        if cells[2 * ((at + 1) & last)]:
            return
        while cells[2 * at] and not cells[2 * at + 1]:
            cells[2 * at] = 0
            at = (at - 1) & last
