"""Tables and lists of values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.output import Style
from agwtwisted.cli.tables import Cell, count, duration, endpoint, listed, pairs, size, table
from tests.cli.answered import PIPE, on_terminal

HEADS = ("NAME", "SUBJECT")
ROWS = [("a", "CN=a rather long name of a device"), ("bcd", "CN=b")]


class TableTests(SynchronousTestCase):
    """What becomes of rows."""

    def test_pipe(self) -> None:
        """In a pipe lines are whole, columns aligned, and nothing stands behind the last value."""
        expected = "NAME  SUBJECT\na     CN=a rather long name of a device\nbcd   CN=b"
        self.assertEqual(table(HEADS, ROWS, PIPE), expected)

    def test_terminal(self) -> None:
        """On a terminal the widest column is cut off, with an ellipsis."""
        expected = "NAME  SUBJECT\na     CN=a rather l…\nbcd   CN=b"
        self.assertEqual(table(HEADS, ROWS, on_terminal(20)), expected)
        self.assertEqual(table(HEADS, ROWS, on_terminal(200)), table(HEADS, ROWS, PIPE))

    def test_narrow_terminal(self) -> None:
        """Where columns could not be read any more, each row is a list of its values, which go on below themselves."""
        heads = ("NAME", "FIRST", "SECOND", "THIRD")
        rows = [("a", "first value of it", "second value", None)]
        expected = "NAME    a\nFIRST   first value of\n        it\nSECOND  second value\nTHIRD   -"
        self.assertEqual(table(heads, rows, on_terminal(24)), expected)

    def test_what_is_short_stays_whole(self) -> None:
        """An address with its port, or a time, is never cut off: where it has no room, each row is a list."""
        heads, row = ("SERVER", "SINCE", "PROBE"), ("203.0.113.10:8080", "2026-11-30T10:56:18Z", "Success. " * 5)
        cut = "SERVER             SINCE                 PROBE\n203.0.113.10:8080  2026-11-30T10:56:18Z  Success. Succ…"
        self.assertEqual(table(heads, [row], on_terminal(55)), cut)
        self.assertEqual(table(heads, [(*row[:2], "Success.")], on_terminal(45)).splitlines()[0], f"SERVER  {row[0]}")

    def test_color(self) -> None:
        """Heads and values with a style are painted, and widths do not count that."""
        made = table(HEADS, [(Cell("Up", Style.GOOD), "x"), ("Down!", "y")], on_terminal(80, color=True))
        self.assertEqual(
            made.splitlines(),
            ["\x1b[1mNAME\x1b[0m   \x1b[1mSUBJECT\x1b[0m", "\x1b[32mUp\x1b[0m     x", "Down!  y"],
        )

    def test_empty(self) -> None:
        """No row is said in words; a value that there is not is a dash."""
        self.assertEqual(table(HEADS, [], PIPE, empty="no client"), "no client")
        self.assertEqual(table(HEADS, [(None, "")], PIPE), "NAME  SUBJECT\n-     -")

    def test_wide_characters(self) -> None:
        """Characters that take two columns, or none, count as that."""
        made = table(("N", "X"), [("漢字", "1"), ("e\u0301", "2"), ("abcd", "3")], PIPE)
        self.assertEqual(made.splitlines(), ["N     X", "漢字  1", "e\u0301     2", "abcd  3"])

    @given(
        st.lists(st.tuples(*[st.text(max_size=60)] * 4), min_size=1, max_size=4),
        st.integers(min_value=20, max_value=200),
    )
    def test_fits(self, rows: list[tuple[str, str, str, str]], width: int) -> None:
        """Whatever is in it, no line of ASCII is wider than the terminal, and all of it is printable."""
        for line in table(("A", "BB", "CCC", "DDDD"), rows, on_terminal(width)).splitlines():
            self.assertTrue(line.isprintable())
            if line.replace("…", "").isascii():
                self.assertLessEqual(len(line), width)


class WordsTests(SynchronousTestCase):
    """Values in words."""

    def test_pairs(self) -> None:
        """Names and values are aligned, and escaped."""
        self.assertEqual(pairs([("a", 1), ("long", "\x1b")], PIPE), "a     1\nlong  \\x1b")

    def test_count(self) -> None:
        """One is singular."""
        self.assertEqual((count(1, "client"), count(0, "client")), ("1 client", "0 clients"))

    def test_endpoint(self) -> None:
        """An IPv6 address is in brackets."""
        self.assertEqual(endpoint({"address": "::1", "port": 1}), "[::1]:1")
        self.assertEqual(endpoint({"address": "a", "port": 1}), "a:1")

    def test_listed(self) -> None:
        """Commas are between values."""
        self.assertEqual(listed(["a", 1]), "a, 1")

    def test_duration(self) -> None:
        """The two greatest units."""
        texts = ["0 s", "59 s", "1 min", "1 min 1 s", "1 h", "1 d 2 h"]
        self.assertEqual([duration(each) for each in (0.9, 59, 60, 61, 3600, 93784)], texts)

    def test_size(self) -> None:
        """The greatest unit of which there is one."""
        texts = ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "2048.0 TiB"]
        self.assertEqual([size(each) for each in (0, 1023, 1024, 3 << 19, 2 << 50)], texts)
