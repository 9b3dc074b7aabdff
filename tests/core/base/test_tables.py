"""`agwtwisted.core.base.tables`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.tables import WIDTH, beside, table, wrapped

WORDS = st.text(st.sampled_from("ab ,."), max_size=300)


class TableTests(SynchronousTestCase):
    """Columns of plain text."""

    def test_columns_are_as_wide_as_what_they_hold(self) -> None:
        """Every column begins at one place, and no line ends in white space."""
        self.assertEqual(
            table("Things", ("NAME", "X"), [("a", "1"), ("longer", "")]),
            "Things\n  NAME    X\n  a       1\n  longer\n",
        )

    def test_lines_of_a_cell(self) -> None:
        """A cell of several lines makes its row as high."""
        self.assertEqual(
            table("T", ("A", "B", "C"), [("1", "2\n3", "4"), ("5", "6", "7")]),
            "T\n  A  B  C\n  1  2  4\n     3\n  5  6  7\n",
        )

    def test_the_widest_column_gives_way(self) -> None:
        """What does not fit is continued below, in its own column."""
        lines = table("T", ("A", "B"), [("x" * 30, ",".join(["word"] * 40))]).splitlines()
        self.assertEqual(max(map(len, lines)), WIDTH - 1)
        self.assertEqual(lines[2][:34], "  " + "x" * 30 + "  ")
        self.assertEqual("".join(line[34:] for line in lines[2:]), ",".join(["word"] * 40))

    def test_words_stay_whole(self) -> None:
        """A fingerprint is whole, to be copied, as long as other columns can give way."""
        fingerprint, name = "0123456789abcdef0123456789abcdef01234567", "CN=agwtwisted gateway,O=agwtwisted local"
        lines = table("T", ("NAME", "SUBJECT", "DAYS LEFT", "SHA-1"), [("server", name, "396", fingerprint)] * 2)
        self.assertEqual(lines.count(f"{fingerprint}\n"), 2)

    @given(st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), max_size=3))
    def test_fits(self, rows: list[tuple[str, ...]]) -> None:
        """Whatever the cells hold, no line is too long."""
        for line in table("T", ("A", "B", "C", "D"), rows).splitlines():
            self.assertLessEqual(len(line), WIDTH)


class WrappedTests(SynchronousTestCase):
    """Where a text is broken."""

    def test_places(self) -> None:
        """After a space, which is dropped, or a comma; in a longer word after a dot, or anywhere."""
        for text, lines in (
            ("", [""]),
            ("one two", ["one two"]),
            ("one two three", ["one two", "three"]),
            ("CN=abc,O=abcd", ["CN=abc,", "O=abcd"]),
            ("abc.de.fghij", ["abc.de.", "fghij"]),
            ("abcdefghijkl", ["abcdefgh", "ijkl"]),
            ("a.b abcdefgh.", ["a.b", "abcdefgh", "."]),
        ):
            self.assertEqual(list(wrapped(text, 8)), lines)

    @given(WORDS, st.integers(1, 20))
    def test_nothing_is_lost(self, text: str, width: int) -> None:
        """All but spaces comes out again, in lines that are not too long."""
        lines = list(wrapped(text, width))
        self.assertEqual("".join(lines).replace(" ", ""), text.replace(" ", ""))
        self.assertLessEqual(max(map(len, lines)), width)

    def test_beside(self) -> None:
        """Further lines stand below the text, not below its label."""
        first, second = beside("label: ", " ".join(["word"] * 30))
        self.assertEqual((first[:12], second[:12]), ("label: word ", "       word "))
        self.assertLessEqual(len(first), WIDTH)
        self.assertEqual(list(beside("file ", "in a " + "x" * WIDTH)), ["file in a", "     " + "x" * WIDTH])
