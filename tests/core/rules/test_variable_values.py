"""Several values as one text."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.rules.variable_values import joined, joined_values, listed, speakable


class ListTests(SynchronousTestCase):
    """Values of a certificate."""

    def test_listed(self) -> None:
        """A name with a comma, a space or no printable octet is left out."""
        self.assertEqual(listed([b"a", b"b, admin", b"c,d", b"e f", b"\xff", b"", b"z"]), b"a, z")

    def test_speakable(self) -> None:
        """What separates, and what a header could lose, is percent-encoded."""
        for raw, text in ((b" a ", b"%20a%20"), (b"50%;x", b"50%25%3Bx"), (b"\xff\0", b"%FF%00"), (b"a b", b"a b")):
            self.assertEqual(speakable(raw), text)

    @given(st.lists(st.binary(min_size=1), max_size=4))
    def test_can_be_split(self, values: list[bytes]) -> None:
        """Split and decoded, a list of values is what it was; none of it can break a header."""
        text = joined_values(values)
        self.assertRegex(text, rb"\A(?:[!-~](?:[ -~]*[!-~])?)?\Z")
        self.assertEqual([unquote_to_bytes(each) for each in text.split(b";") if each], values)


class JoinedTests(SynchronousTestCase):
    """Header lines of one name."""

    def test_lists(self) -> None:
        """Lines make one list, cookies with semicolons; names are compared in their canonical spelling."""
        lines = [
            (b"Accept", b"a"),
            (b"X-Own", b"1"),
            (b"ACCEPT", b"b"),
            (b"Cookie", b"c=d"),
            (b"x_own", b""),
            (b"cookie", b"e"),
        ]
        for name, expected in {b"accept": b"a, b", b"cookie": b"c=d; e", b"x-own": b"1, ", b"acc": b""}.items():
            self.assertEqual(joined(lines, name), expected)

    @given(st.lists(st.tuples(st.sampled_from([b"A", b"b"]), st.binary(max_size=3)), max_size=4))
    def test_loses_nothing(self, lines: list[tuple[bytes, bytes]]) -> None:
        """Every value of the name is in the list, in order."""
        values = [content for name, content in lines if name == b"A"]
        self.assertEqual(joined(lines, b"a"), b", ".join(values))
