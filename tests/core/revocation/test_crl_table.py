"""Looking up serial numbers, among one and among thousands."""

from __future__ import annotations

import mmap
import random
import tempfile

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.der_spans import Octets, span_at
from agwtwisted.core.revocation.crl_entries import UnusableCrlError
from agwtwisted.core.revocation.crl_table import ENTRIES_A_STEP, CrlTable, CrlTableBuilder
from tests import crls, pki
from tests.crls import Listed
from tests.pki import tlv


def contents(number: int) -> bytes:
    """The contents of an INTEGER."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def encoded(*entries: Listed | bytes) -> bytes:
    """The element revokedCertificates."""
    return tlv(0x30, *(each if isinstance(each, bytes) else each.der() for each in entries))


def built(data: Octets) -> CrlTable:
    """The table of these entries."""
    builder = CrlTableBuilder(data, span_at(data, 0, len(data)))
    for _ in builder.steps():
        pass
    return builder.table


class CrlTableTests(SynchronousTestCase):
    """`CrlTable.find`."""

    @given(st.sets(st.integers(-(2**159), 2**159), max_size=40), st.sets(st.integers(-(2**159), 2**159), max_size=40))
    def test_finds_what_is_there(self, there: set[int], others: set[int]) -> None:
        """Serial numbers of the list are found, whatever number they are, and no others."""
        table = built(encoded(*(Listed(serial=number) for number in there)))
        self.assertEqual(len(table), len(there))
        for number in there | others:
            self.assertEqual(table.find(contents(number)) is not None, number in there)

    def test_many(self) -> None:
        """Of thousands each is found, and no neighbour; the table takes at most twelve bytes for each."""
        chosen = random.Random(7)
        numbers = {chosen.randrange(2**127) for _ in range(3_000)}
        table = built(encoded(*(Listed(serial=number, reason=number % 2) for number in numbers)))
        self.assertEqual(len(table), len(numbers))
        self.assertLessEqual(table.size, 12 * len(numbers))
        for number in numbers:
            entry = table.find(contents(number))
            assert entry is not None
            self.assertEqual(entry.reason, ("unspecified", "keyCompromise")[number % 2])
        self.assertFalse(
            [number for number in numbers if number + 1 not in numbers and table.find(contents(number + 1))]
        )

    def test_without_entries(self) -> None:
        """A list without entries has none."""
        self.assertIsNone(CrlTableBuilder(b"", None).table.find(b"\1"))
        self.assertIsNone(built(encoded()).find(b"\1"))

    def test_the_whole_number_counts(self) -> None:
        """One that begins, ends or continues like a listed one is another number."""
        table = built(encoded(Listed(serial=0x010203)))
        for other in ("0102", "0203", "01020300", "010204", "fe0203", ""):
            self.assertIsNone(table.find(bytes.fromhex(other)))

    def test_collisions_of_hashes(self) -> None:
        """Numbers whose hashes are equal differ by their octets: a slot that is taken is no match."""
        numbers = [contents(number) for number in range(300, 400)]
        data = encoded(*(Listed(serial=number) for number in numbers))
        builder = CrlTableBuilder(data, span_at(data, 0, len(data)))
        steps = builder.steps()
        next(steps)
        for index in range(len(numbers)):
            builder._hashes[index] = hash(numbers[0])  # as if all of them collided
        for _ in steps:
            pass
        table = builder.table
        self.assertIsNotNone(table.find(numbers[0]))
        self.assertIsNone(table.find(next(each for each in map(contents, range(9999)) if each not in numbers)))
        self.assertEqual(len([slot for slot in table._slots if slot]), len(numbers))

    def test_numbers_in_other_forms(self) -> None:
        """A number with leading zeros is the same number, on both sides; 00 80 and 80 are two."""
        table = built(encoded(Listed(serial=b"\0\0\x05"), Listed(serial=b"\0\x80"), Listed(serial=b"\xff\xff\x81")))
        for same in ("05", "0005", "0080", "000080", "81", "ff81"):
            self.assertIsNotNone(table.find(bytes.fromhex(same)), same)
        for other in ("80", "7f", "0081", "ff05"):
            self.assertIsNone(table.find(bytes.fromhex(other)), other)

    def test_entered_twice(self) -> None:
        """However often a number is listed it takes one slot, and the first entry says why."""
        entries = [Listed(serial=7, reason=reason) for reason in (1, 8)] * 600
        table = built(encoded(*entries))
        entry = table.find(b"\7")
        assert entry is not None
        self.assertEqual(entry.reason, "keyCompromise")
        self.assertEqual(len([slot for slot in table._slots if slot]), 1)

    def test_long_entries(self) -> None:
        """Entries of more than 127 octets are entries like others."""
        note = crls.extension(crls.UNHEARD_OF, bytes(300))
        table = built(encoded(Listed(serial=1, extensions=[note], reason=4), Listed(serial=2)))
        entry = table.find(b"\1")
        assert entry is not None
        self.assertEqual((entry.reason, table.find(b"\2") is not None), ("superseded", True))

    def test_mapped_files(self) -> None:
        """A list need not be in memory: a mapped file has the same entries."""
        with tempfile.TemporaryFile() as file:
            file.write(encoded(*(Listed(serial=number, reason=1) for number in range(1, 2000))))
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                table = built(data)
                self.assertTrue(all(table.find(contents(number)) for number in range(1, 2000)))
                self.assertIsNone(table.find(contents(2000)))


class BuilderTests(SynchronousTestCase):
    """`CrlTableBuilder`."""

    def test_steps(self) -> None:
        """A step reads, or enters, so many entries and no more."""
        data = encoded(*(Listed(serial=number) for number in range(1, 2 * ENTRIES_A_STEP + 2)))
        builder = CrlTableBuilder(data, span_at(data, 0, len(data)))
        self.assertEqual(len(list(builder.steps())), 3 + 3)

    def test_what_is_no_entry(self) -> None:
        """Something else in the place of an entry makes the list unreadable."""
        entry = Listed(serial=1)
        time = pki._time(entry.at)
        number = tlv(0x02, b"\1")
        for bad in (
            tlv(0x31, number, time),
            tlv(0x30),
            tlv(0x30, number),
            tlv(0x30, time, number),
            tlv(0x30, tlv(0x02), time),
            tlv(0x30, tlv(0x02, bytes(130)), time),
            tlv(0x30, number, tlv(0x17, b"2601010000Z")),
            tlv(0x30, number, time, b"\0"),
            tlv(0x30, number, time, tlv(0x31)),
            tlv(0x30, number, time, tlv(0x30, b"x")),
            tlv(0x30, number, time, tlv(0x30), tlv(0x30)),
            tlv(0x30, number, time)[:-1],
            b"\x30\x80" + number + time + b"\0\0",
            b"\x30\x81\x12" + number + time,
            b"\x30\x7f" + number + time,
            b"\x30",
            b"\x02\x01\x01",
        ):
            with self.assertRaises(DerError, msg=bad.hex()):
                built(encoded(entry, bad))

    def test_an_entry_that_goes_on_after_the_list(self) -> None:
        """No entry reaches beyond the element that has them all, whatever stands behind it."""
        entry = Listed(serial=1).der()
        data = tlv(0x30, entry[:-5]) + entry[-5:]
        with self.assertRaises(DerError):
            built(data)

    def test_extensions_of_entries(self) -> None:
        """A critical one that is unknown is found wherever it stands, behind harmless ones that are alike too."""
        bad = Listed(serial=9, extensions=[crls.extension(crls.UNHEARD_OF, b"x", critical=True)], reason=1)
        harmless = [Listed(serial=number, reason=number % 7) for number in range(1, 200)]
        with self.assertRaises(UnusableCrlError):
            built(encoded(*harmless, bad))
        table = built(
            encoded(*harmless, *(Listed(serial=n, invalidity_date=pki.NOW + n * crls.DAY) for n in range(200, 400)))
        )
        self.assertEqual(len(table), 399)
