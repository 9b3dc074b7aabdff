"""Field blocks: what the library makes of them, in a fraction of its time, and nothing that RFC 7541 forbids."""

from __future__ import annotations

from traceback import format_exception

from hpack import Decoder, Encoder, HPACKError
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2 import header_codec
from agwtwisted.core.http2.header_codec import (
    TABLE_SIZE,
    Fields,
    HeaderCodecError,
    HeaderDecoder,
    HeaderEncoder,
    encoded,
    list_size,
)
from tests.field_oracle import blocks_agree

FIELDS: Fields = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"api.example"),
    (b":path", b"/orders/1"),
    (b"user-agent", b"me"),
    (b"cookie", b"a=b"),
)

_NAMES = st.sampled_from([b":path", b":method", b"x-a", b"x-b", b"user-agent", b"via", b"www-authenticate"])
_VALUES = st.one_of(
    st.sampled_from([b"", b"/", b"GET", b"a", b"/orders/1"]),
    st.binary(max_size=12),
    st.binary(min_size=126, max_size=130),
    st.binary(min_size=600, max_size=1300),
)
_BLOCK_FIELDS = st.lists(st.tuples(_NAMES, _VALUES, st.booleans()), max_size=5)
_PIECES = st.sampled_from(
    (
        *(b"\x80", b"\x82", b"\xbe", b"\xbf", b"\xc0", b"\xff", b"\xff\x00", b"\x20", b"\x3f\xe1\x1f", b"\x3f"),
        *(b"\x04\x01/", b"\x44\x01/", b"\x04\x81\x60", b"\x04\x81\x1f", b"\x0f\x01\x01a", b"\x14\x02ab", b"\x04"),
        *(b"\x00\x01a\x01b", b"\x40\x01a", b"\x40\x01a\x84\xff\xff\xff\xff", b"\x04\x82\x1f\xff", b"\x04\x7f"),
        b"\x04\x7f\x00" + b"x" * 127,
    )
)


def by_library(library: Decoder, block: bytes) -> Fields | None:
    """What the library makes of it."""
    try:
        return tuple((bytes(name), bytes(value)) for name, value in library.decode(block, raw=True))
    except HPACKError:
        return None


class DecoderTests(SynchronousTestCase):
    """Blocks that come."""

    @given(st.lists(_BLOCK_FIELDS, max_size=4), st.sampled_from([0, 60, 200, TABLE_SIZE]), st.booleans())
    def test_blocks_of_an_encoder(
        self, lists: list[list[tuple[bytes, bytes, bool]]], table_size: int, huffman: bool
    ) -> None:
        """What an encoder has made of header lists is decoded to the same, whatever its table, and however often."""
        encoder, decoder = Encoder(), HeaderDecoder()
        encoder.header_table_size = table_size
        for fields in lists:
            for _ in range(2):
                block = encoder.encode(fields, huffman=huffman)
                self.assertEqual(decoder.decode(block), tuple((name, value) for name, value, _ in fields))

    @given(st.lists(st.lists(st.one_of(_PIECES, st.binary(max_size=8)), max_size=8), max_size=4))
    @example([[b"\x82", b"\x20"]])
    @example([[b"\x20", b"\x20", b"\x20"]])
    def test_hostile_blocks(self, blocks: list[list[bytes]]) -> None:
        """What the library refuses is refused, and of what is taken both read the same; a third table update is new."""
        blocks_agree([b"".join(pieces) for pieces in blocks])

    def test_faults(self) -> None:
        """What RFC 7541 has be an error is one, and a defect never."""
        for block in (
            b"\x80",  # index 0
            b"\xbe",  # beyond the table
            b"\xff" + b"\xff" * 9 + b"\x01",  # an integer beyond all bounds
            b"\xff" + b"\x80" * 1000 + b"\x00",  # of many octets of nothing
            b"\xff",  # cut
            b"\x44",
            b"\x04",
            b"\x04\x05/",
            b"\x40\x01a",
            b"\x40\x7f\xff\x7fab",
            b"\x3f\xe2\x1f\x82",  # a table of 4097 octets
            b"\x82\x20",  # a table update behind a field
            b"\x82\x21\x00",
            b"\x20\x20\x20\x82",  # and three of them
            b"\x3f",
            b"\x04\x81\x60",  # Huffman: padding of zeros
            b"\x04\x82\x1f\xff",  # of eight bits
            b"\x04\x84\xff\xff\xff\xff",  # EOS
        ):
            with self.subTest(block=block):
                self.assertRaises(HeaderCodecError, HeaderDecoder().decode, block)

    def test_fault_without_secret(self) -> None:
        """An error does not repeat the block, nor does its cause."""
        said = "secret"[::-1]
        with self.assertRaises(HeaderCodecError) as caught:
            HeaderDecoder().decode(b"\xff" + b"\xff" * 9 + said.encode())
        self.assertNotIn(said, "".join(format_exception(caught.exception)))

    def test_table_updates(self) -> None:
        """A smaller table and a larger one again, in one block, empty the table."""
        decoder, encoder = HeaderDecoder(), Encoder()
        decoder.decode(encoder.encode(FIELDS))
        self.assertEqual(decoder.decode(b"\x20\x3f\xe1\x1f\x82"), FIELDS[:1])
        self.assertRaises(HeaderCodecError, decoder.decode, b"\xbe")

    def test_remembered(self) -> None:
        """A block that changes no table is taken apart once, and means what the table says now, not before."""
        decoder, encoder = HeaderDecoder(), Encoder()
        decoder.decode(encoder.encode(((b"x", b"1"),)))
        self.assertEqual(decoder.decode(b"\xbe"), ((b"x", b"1"),))
        self.assertIs(decoder.decode(b"\xbe"), decoder.decode(b"\xbe"))
        decoder.decode(encoder.encode(((b"x", b"2"),)))
        self.assertEqual(decoder.decode(b"\xbe\xbf"), ((b"x", b"2"), (b"x", b"1")))
        self.assertEqual(decoder.decode(b"\xbe"), ((b"x", b"2"),))
        self.assertIs(decoder.decode(b"\x04\x02/a\xbe"), decoder.decode(b"\x04\x02/a\xbe"))
        changes = encoder.encode(((b"x", b"3"),))
        self.assertIsNot(decoder.decode(changes), decoder.decode(changes))
        self.assertIsNot(decoder.decode(b"\x3f\xe1\x1f\x82"), decoder.decode(b"\x3f\xe1\x1f\x82"))

    def test_bound(self) -> None:
        """A list over the bound is a fault, whether its fields are literals or many references to one long field."""
        decoder, encoder = HeaderDecoder(max_list=8192), Encoder()
        decoder.decode(encoder.encode(((b"x", b"y" * 4000),)))
        self.assertEqual(len(decoder.decode(b"\xbe" * 2)), 2)
        self.assertRaises(HeaderCodecError, decoder.decode, b"\xbe" * 3)
        self.assertRaises(HeaderCodecError, decoder.decode, b"\xbe" * 16000)
        long = HeaderDecoder(max_list=8192)
        self.assertRaises(HeaderCodecError, long.decode, encoded(((b"x", b"y" * 8192),)))
        self.assertRaises(HeaderCodecError, long.decode, encoded(((b"x", b""),) * 300))

    def test_early_end(self) -> None:
        """What is beyond the bound is not even looked at."""
        for begin in (b"\x82" * 300, b"\x00\x01x\x7f\xa1\x1f" + b"y" * 4000 + b"\x00\x01x\x7f\xa1\x1f" + b"y" * 4000):
            with self.assertRaisesRegex(HeaderCodecError, "too long"):
                HeaderDecoder(max_list=8000).decode(begin + b"\x80")

    def test_memory(self) -> None:
        """Few blocks are remembered, however many there are."""
        decoder = HeaderDecoder()
        for first in range(1, 62):
            decoder.decode(bytes((0x80 + first,)))
        decoder.decode(b"\x82" * 200)
        kept = tuple(decoder._blocks)
        self.assertLess(len(kept), 20)
        self.assertLess(max(map(len, kept)), 200)


class EncoderTests(SynchronousTestCase):
    """Blocks that are sent."""

    @given(st.lists(st.lists(st.tuples(_NAMES, _VALUES), max_size=6), max_size=6))
    def test_decoded(self, lists: list[list[tuple[bytes, bytes]]]) -> None:
        """A decoder of the library reads what was encoded, and its table stays empty."""
        encoder, library = HeaderEncoder(), Decoder()
        for fields in lists:
            self.assertEqual(by_library(library, encoder.encode(fields)), tuple(fields))
        self.assertEqual(len(library.header_table.dynamic_entries), 0)

    def test_static(self) -> None:
        """What the static table has takes an octet, and what has a name there no name."""
        self.assertEqual(encoded(((b":status", b"200"), (b":status", b"201"))), b"\x88\x08\x03201")

    def test_sensitive(self) -> None:
        """Cookies that are set must not be put in a table by an intermediary, either."""
        self.assertEqual(encoded(((b"set-cookie", b"a=b"),)), b"\x1f\x28\x03a=b")

    def test_memory(self) -> None:
        """Fields that are long, or may be secrets, are not remembered: the memory is that of all connections."""
        known = header_codec._known_octets.cache_info
        for name, value in ((b"x" * 200, b""), (b"x", b"y" * 200), (b"set-cookie", b"a=b"), (b"authorization", b"c")):
            before = known()
            encoded(((name, value),))
            self.assertEqual(known(), before)

    def test_smaller_table(self) -> None:
        """Where the client allows less than what may be in use the next block says so, and no further one."""
        encoder, library = HeaderEncoder(), Decoder()
        encoder.resize(8192)
        self.assertEqual(encoder.encode(FIELDS[:1]), b"\x82")
        encoder.resize(100)
        library.max_allowed_table_size = 100
        self.assertEqual(by_library(library, encoder.encode(FIELDS)), FIELDS)
        self.assertEqual(encoder.encode(FIELDS[:1]), b"\x82")
        encoder.resize(0)
        encoder.resize(4096)
        self.assertEqual(encoder.encode(FIELDS[:1]), b"\x82")

    def test_encoded(self) -> None:
        """Octets that were made before are sent as a block of their own."""
        encoder = HeaderEncoder()
        encoder.resize(0)
        octets = encoded(FIELDS[:1])
        self.assertEqual([encoder.encode(octets), encoder.encode(octets)], [b"\x20\x82", b"\x82"])


class SizeTests(SynchronousTestCase):
    """RFC 7541 section 4.1."""

    def test_size(self) -> None:
        """32 for each field, and the octets of name and value."""
        self.assertEqual(list_size(((b"a", b"bc"), (b"", b""))), 67)
