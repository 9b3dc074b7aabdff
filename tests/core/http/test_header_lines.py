"""Header lines, and how they are held."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_lines import HeaderBlock, rendered, value_of


class HeaderLineTests(SynchronousTestCase):
    """Two ways to hold the same lines."""

    def test_rendered(self) -> None:
        """A line is its name and its value; lines that are rendered once are still the lines that they were."""
        lines = ((b"A", b"1"), (b"b", b""))
        octets = b"A: 1\r\nb: \r\n"
        self.assertEqual(rendered(lines), octets)
        block = HeaderBlock.of(lines)
        self.assertEqual((block, block.octets, rendered(block), value_of(block, b"a")), (lines, octets, octets, b"1"))

    def test_first(self) -> None:
        """The first of that name, in any case; empty when there is none."""
        lines = [(b"A", b"1"), (b"b", b"2"), (b"B", b"3")]
        self.assertEqual((value_of(lines, b"b"), value_of(lines, b"c")), (b"2", b""))

    def test_asked_again(self) -> None:
        """One name after the other, and again: each has its own value."""
        block, names = HeaderBlock(b"A: 1\r\nb: 2\r\n"), (b"a", b"a", b"c", b"b", b"c", b"a")
        self.assertEqual([value_of(block, name) for name in names], [b"1", b"1", b"", b"2", b"", b"1"])

    def test_block(self) -> None:
        """Unparsed lines equal parsed ones, and the list of them."""
        octets = b"A:1\r\nContent-Length: 5\r\nb: \t2 \t3\r\nB: :\r\nC:\r\n"
        block = HeaderBlock(octets, has_length=True)
        lines = ((b"A", b"1"), (b"b", b"2 \t3"), (b"B", b":"), (b"C", b""))
        for _ in range(2):
            values = [value_of(block, name) for name in (b"a", b"b", b"c", b"d", b"1", b"content-length")]
            self.assertEqual(values, [b"1", b"2 \t3", b"", b"", b"", b""])
            self.assertEqual(
                values, [value_of(lines, name) for name in (b"a", b"b", b"c", b"d", b"1", b"content-length")]
            )
            self.assertEqual((tuple(block), len(block), block[1], block[2:]), (lines, 4, lines[1], lines[2:]))
        self.assertEqual((block, hash(block), repr(block)), (lines, hash(lines), repr(lines)))
        self.assertEqual((HeaderBlock(block.octets), block.octets), (block, octets))
        self.assertNotEqual(HeaderBlock(b"A:2\r\n"), block)
