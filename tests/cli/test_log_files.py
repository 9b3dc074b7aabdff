"""Lines of files that grow, are renamed and cut off."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import log_files
from agwtwisted.cli.log_files import CUT, GRACE, RENAMED, FollowedLog, LastLines, LineReader, seek_last

LINES = st.lists(st.binary(max_size=5).filter(lambda line: b"\n" not in line), max_size=20)


class ReaderTests(SynchronousTestCase):
    """Lines of bytes that come in pieces."""

    def lines(self, pieces: Iterable[bytes]) -> list[bytes]:
        """What comes of pieces, each followed by nothing for now."""
        given = [each for piece in pieces if piece for each in (piece, b"")]
        coming = iter(given)
        reader = LineReader(lambda _: next(coming, b""))
        found = [line for _ in given for line in reader.lines()]
        return [*found, *reader.rest()]

    @given(st.binary(max_size=60), st.lists(st.integers(min_value=0, max_value=60)))
    def test_pieces(self, data: bytes, cuts: list[int]) -> None:
        """It makes no difference how the bytes come; the last line may have no end."""
        ends = [0, *sorted(cuts), len(data)]
        pieces = [data[start:end] for start, end in itertools.pairwise(ends)]
        expected = data.split(b"\n")
        self.assertEqual(self.lines(pieces), expected if expected[-1] else expected[:-1])

    def test_long(self) -> None:
        """Of a line that is too long the beginning is shown, and nothing of it is kept; the next one is whole."""
        self.patch(log_files, "LONGEST", 10)
        for data in (b"x" * 11 + b"\nnext\n", b"x" * 100 + b"\nnext\n"):
            for step in (1, 7, 1000):
                pieces = [data[at : at + step] for at in range(0, len(data), step)]
                self.assertEqual(self.lines(pieces), [b"x" * 10 + CUT, b"next"])
        self.assertEqual(self.lines([b"x" * 50]), [b"x" * 10 + CUT])


class LastTests(SynchronousTestCase):
    """The last lines."""

    def test_number(self) -> None:
        """So many, and no more bytes than are kept."""
        last = LastLines(3)
        for each in (b"a", b"b", b"c", b"d"):
            last.add(each)
        self.assertEqual(list(last), [b"b", b"c", b"d"])
        self.patch(log_files, "KEPT", 5)
        last.add(b"eeee")
        self.assertEqual(list(last), [b"d", b"eeee"])
        none = LastLines(0)
        none.add(b"a")
        self.assertEqual(list(none), [])

    @given(LINES, st.integers(min_value=0, max_value=25), st.booleans(), st.integers(min_value=1, max_value=9))
    def test_seek(self, lines: list[bytes], number: int, ended: bool, piece: int) -> None:
        """A file is read from where its last lines begin, wherever pieces end."""
        self.patch(log_files, "PIECE", piece)
        data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
        file = io.BytesIO(data)
        seek_last(file, number)
        whole = data.split(b"\n")
        whole = whole if whole[-1] else whole[:-1]
        rest = file.read().split(b"\n")
        self.assertEqual(rest if rest[-1] else rest[:-1], whole[-number:] if number else [])


class FollowedTests(SynchronousTestCase):
    """A log with a name."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "access.log"
        self.path.write_bytes(b"1\n")
        self.log = FollowedLog(self.path)
        self.addCleanup(self.log.close)

    def append(self, path: Path, data: bytes) -> None:
        """More of a file."""
        with path.open("ab") as file:
            file.write(data)

    def test_grows(self) -> None:
        """What is appended comes once it is a whole line."""
        self.assertEqual(list(self.log.new()), [b"1"])
        self.append(self.path, b"2\n3")
        self.assertEqual(list(self.log.new()), [b"2"])
        self.append(self.path, b"3\n")
        self.assertEqual(list(self.log.new()), [b"33"])

    def test_rotated(self) -> None:
        """Lines of a file that was renamed come too, even those that are written to it after the new one is there."""
        old = self.path.rename(self.directory / "access.log.1")
        self.append(old, b"2\n")
        self.assertEqual(list(self.log.new()), [b"1", b"2"])
        self.append(self.path, b"a\n")
        self.append(old, b"3\n4")
        self.assertEqual(list(self.log.new()), [b"3", b"a"])
        self.append(old, b"4\n5")
        self.assertEqual(list(self.log.new()), [b"44"])
        for _ in range(GRACE):
            self.assertEqual(list(self.log.new()), [])
        self.assertEqual(list(self.log.new()), [b"5"])  # it is closed, and no end of that line comes any more
        self.append(self.path, b"b\n")
        self.assertEqual(list(self.log.new()), [b"b"])

    def test_rotated_often(self) -> None:
        """However often it is renamed, no line is lost, and few files are open."""
        list(self.log.new())
        for turn in range(3 * RENAMED):
            self.append(self.path, b"%d\n" % turn)
            self.path.rename(self.directory / f"access.log.{turn}")
            self.path.touch()
            self.assertEqual(list(self.log.new()), [b"%d" % turn])
        self.assertLessEqual(len(self.log._renamed), RENAMED)

    def test_cut_off(self) -> None:
        """A file that was cut off is read from its beginning."""
        list(self.log.new())
        os.truncate(self.path, 0)
        self.assertEqual(list(self.log.new()), [])
        self.append(self.path, b"2\n")
        self.assertEqual(list(self.log.new()), [b"2"])

    def test_missing(self) -> None:
        """A log that is not there any more may come again."""
        list(self.log.new())
        self.path.unlink()
        self.assertEqual(list(self.log.new()), [])
        self.path.write_bytes(b"2\n")
        self.assertEqual(list(self.log.new()), [b"2"])
