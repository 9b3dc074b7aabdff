"""The serial numbers of a revocation list, to be looked up in microseconds (RFC 5280 section 5.1.2.6).

A list may have millions of entries, so nothing is made of them: the table has positions in the bytes of the list alone,
four bytes a slot, in an open-addressed hash table that is between a third and two thirds full: 6 to 12 bytes an entry,
and no step of its making that keeps the interpreter for long, as sorting them all would. What is found is compared with
the whole serial number in the list, so that a collision of hashes costs a comparison and says nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from agwtwisted.core.certificates.der import INTEGER, SEQUENCE, DerError
from agwtwisted.core.certificates.der_spans import Octets, Span, span_at
from agwtwisted.core.revocation.crl_entries import CrlEntry, judge_entry_extensions, plain_serial, read_entry

MAX_LIST_BYTES: Final = 2**32 - 1
"""Positions have four bytes."""

ENTRIES_A_STEP: Final = 1_000
"""Entries that are read in one step: about a millisecond."""

_POSITION: Final = "I"
_HASH: Final = "q"
_REMEMBERED_EXTENSIONS: Final = 64
"""Extensions of entries, word for word, that are remembered as harmless: most lists have a reason or two."""

_TIMES: Final = (b"\x17\x0d", b"\x18\x0f")
"""How a UTCTime and a GeneralizedTime begin that RFC 5280 section 5.1.2.6 allows: their seconds are there, and Z."""


class CrlTable:
    """Which serial numbers a list has."""

    def __init__(self, data: Octets, slots: array[int], count: int) -> None:
        """`slots`: positions of entries, 0 where there is none; a power of two of them."""
        self._data = data
        self._slots = slots
        self._count = count

    def __len__(self) -> int:
        """How many entries the list has."""
        return self._count

    @property
    def size(self) -> int:
        """How many bytes the table takes, beside the list itself."""
        return self._slots.itemsize * len(self._slots)

    def find(self, serial: bytes) -> CrlEntry | None:
        """The entry of a certificate with this serial number (contents of the INTEGER); None where there is none."""
        serial = plain_serial(serial)
        last = len(self._slots) - 1
        slot = hash(serial) & last
        while position := self._slots[slot]:
            if serial_at(self._data, position) == serial:
                return read_entry(self._data, position)
            slot = (slot + 1) & last
        return None


class CrlTableBuilder:
    """Makes the table of a list in steps of about a millisecond each; `table` is there after the last one."""

    def __init__(self, data: Octets, entries: Span | None) -> None:
        """`entries`: the element revokedCertificates of the list; None where the list has none."""
        self.table = CrlTable(data, array(_POSITION, bytes(4)), 0)
        self._data = data
        self._entries = entries
        self._positions = array(_POSITION)
        self._hashes = array(_HASH)
        self._harmless: set[bytes] = set()

    def steps(self) -> Iterator[None]:
        """Does the work, a part for each value that is taken of it.

        Raises:
            UnusableCrlError: an entry for which the list does not count.
            DerError: entries that cannot be read.
        """
        if self._entries is None:
            return
        at = self._entries.start
        while at < self._entries.end:
            at = self._read(at, self._entries.end)
            yield
        yield from self._filled()

    def _read(self, at: int, end: int) -> int:
        """Reads entries from a position on; returns where the next ones begin."""
        data, positions, hashes = self._data, self._positions, self._hashes
        try:
            for _ in range(ENTRIES_A_STEP):
                if at >= end:
                    break
                # Most entries are shorter than 128 bytes: these lines are what a large list costs.
                length, start = data[at + 1], at + 2
                if data[at] != SEQUENCE or length >= 0x80 or start + length > end:
                    start, after = self._bounds(at, end)
                else:
                    after = start + length
                size = data[start + 1]
                date = start + 2 + size
                if data[start] != INTEGER or not 0 < size < 0x80 or data[date : date + 2] not in _TIMES:
                    raise DerError("an entry without a serial number or a time")
                rest = date + 2 + data[date + 1]
                if rest != after:
                    self._judge_extensions(rest, after)
                serial = data[start + 2 : date]
                hashes.append(hash(plain_serial(serial) if serial[0] in (0, 0xFF) else serial))
                positions.append(at)
                at = after
        except IndexError:
            raise DerError("truncated") from None
        return at

    def _bounds(self, at: int, end: int) -> tuple[int, int]:
        """Where the contents of an entry begin and end that is longer, or none at all."""
        entry = span_at(self._data, at, end)
        if entry.tag != SEQUENCE:
            raise DerError("an entry that is not a sequence")
        return entry.start, entry.end

    def _judge_extensions(self, at: int, after: int) -> None:
        """Raises for extensions for which the list does not count, and for anything else that is no extensions."""
        encoded = self._data[at:after]
        if encoded in self._harmless:
            return
        if at > after or span_at(self._data, at, after).end != after:
            raise DerError("an entry with more than its extensions")
        judge_entry_extensions(encoded)
        if len(self._harmless) < _REMEMBERED_EXTENSIONS:
            self._harmless.add(encoded)

    def _filled(self) -> Iterator[None]:
        """Puts the positions into the table."""
        count = len(self._positions)
        slots = array(_POSITION, bytes(4)) * (1 << (count + (count >> 1)).bit_length())
        for start in range(0, count, ENTRIES_A_STEP):
            self._put(slots, start, min(start + ENTRIES_A_STEP, count))
            yield
        self.table = CrlTable(self._data, slots, count)

    def _put(self, slots: array[int], start: int, end: int) -> None:
        data, last = self._data, len(slots) - 1
        for index in range(start, end):
            position = self._positions[index]
            slot = self._hashes[index] & last
            while (other := slots[slot]) and serial_at(data, other) != serial_at(data, position):
                slot = (slot + 1) & last
            if not other:  # of two entries of one number the first counts: both revoke
                slots[slot] = position


def serial_at(data: Octets, at: int) -> bytes:
    """The serial number of the entry at a position, as `plain_serial` gives it."""
    length = data[at + 1]
    start = at + 2 + (length & 0x7F if length >= 0x80 else 0)
    return plain_serial(data[start + 2 : start + 2 + data[start + 1]])
