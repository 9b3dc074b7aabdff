"""Header lists and field blocks: HPACK (RFC 7541) by the library hpack, with short ways for what comes and goes mostly.

hpack keeps the table, takes blocks apart and knows the Huffman code. It was chosen over jh2's decoder in Rust (version
5.0.15, a third of its time): that one panics at a block that is cut within a field, takes table updates behind fields
and padding of zeros, which RFC 7541 has be errors, and is a private module. What hpack costs is left out where it is
not needed: fields of one client are the same from request to request, and so are those of the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from hpack import Decoder, Encoder, HPACKError
from hpack.hpack import decode_integer
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from agwtwisted.core.http.header_lines import Header

Fields: TypeAlias = tuple[Header, ...]
"""A header list: names and values in their order, pseudo-headers among them."""

FieldList: TypeAlias = Sequence[Header] | bytes
"""A header list to be sent, or the octets that `encoded` has made of one."""

TABLE_SIZE: Final = 4096
"""Octets of a decoder's dynamic table at most: the initial value of SETTINGS_HEADER_TABLE_SIZE (RFC 9113 section
6.5.2), which the gateway leaves as it is."""

MAX_LIST: Final = 65536
"""Octets of a header list at most, counted as RFC 7541 section 4.1 says: a longer one ends the connection."""

_STATIC: Final[tuple[Header, ...]] = ((b"", b""), *HeaderTable.STATIC_TABLE)  # index 0 is none (RFC 7541 section 6.1)
_SHORT: Final = 512  # octets of a block that is read here to its end
_REMEMBERED_BLOCKS: Final = 4
_LONGEST_BLOCK: Final = 128  # octets of one that is remembered
_MAX_UPDATES: Final = 2  # in a block (RFC 7541 section 4.2)

SENSITIVE: Final = frozenset((b"set-cookie", b"authorization", b"proxy-authorization", b"cookie"))
"""Names of fields that no intermediary may put in a table (RFC 7541 section 7.1.3)."""

_LONGEST_REMEMBERED: Final = 128
_NO_TABLE: Final = b"\x20"  # a table update to 0


class HeaderCodecError(Exception):
    """A field block that cannot be decoded, so that no later one could: the connection ends (RFC 9113 section 4.3)."""


def list_size(fields: Sequence[Header]) -> int:
    """Octets of a header list as RFC 7541 section 4.1 counts them: 32 for each field, and those of name and value."""
    return 32 * len(fields) + sum([len(name) + len(value) for name, value in fields])


class HeaderDecoder:
    """Decodes the field blocks of one connection, each once and in their order.

    Args:
        max_list: octets of a header list at most, by `list_size`.
    """

    __slots__ = ("_blocks", "_library", "_max_list", "_table")

    def __init__(self, max_list: int = MAX_LIST) -> None:
        self._max_list = max_list
        self._library = Decoder(max_list)
        self._library.max_allowed_table_size = TABLE_SIZE
        self._table: tuple[Header, ...] = _STATIC  # as it is now, by index
        self._blocks: dict[bytes, Fields] = {}  # that change no table, and what they say while it is this one

    def decode(self, block: bytes) -> Fields:
        """The header list of a block.

        Raises:
            HeaderCodecError: the block is not sound, or the list too long.
        """
        known = self._blocks.get(block)
        if known is not None:
            return known
        try:
            return self._decoded(block)
        except (HPACKError, IndexError) as error:
            raise HeaderCodecError(type(error).__name__) from error  # hpack's messages repeat the block

    def _decoded(self, block: bytes) -> Fields:
        at = self._behind_updates(block)
        fields, end = self._short_way(block, at)
        if end < len(block):
            fields += self._long_way(block[end:], self._max_list - list_size(fields))
        found = tuple(fields)
        if list_size(found) > self._max_list:
            raise HeaderCodecError("OversizedHeaderListError")
        if at == 0 and end == len(block) <= _LONGEST_BLOCK:
            if len(self._blocks) == _REMEMBERED_BLOCKS:  # of a client whose requests differ
                self._blocks.clear()
            self._blocks[block] = found
        return found

    def _short_way(self, block: bytes, at: int) -> tuple[list[Header], int]:
        """Fields that change no table, from a place on, and where another one or the end is.

        These are indexed ones, and literals with an indexed name; integers that take more than an octet are left to
        the library.
        """
        fields: list[Header] = []
        table, end = self._table, len(block)
        if end > _SHORT:
            return fields, at
        while at < end:
            octet = block[at]
            if 0x80 < octet < 0xFF:
                fields.append(table[octet & 0x7F])
                at += 1
            elif octet < 0x20 and octet & 0x0F not in (0, 0x0F):
                length = block[at + 1]
                begin = at + 2
                next_at = begin + (length & 0x7F)
                if length & 0x7F == 0x7F or next_at > end:
                    break
                value = block[begin:next_at]
                fields.append((table[octet & 0x0F][0], decode_huffman(value) if length & 0x80 else value))
                at = next_at
            elif 0x20 <= octet < 0x40:
                raise HeaderCodecError("table update behind a field")
            else:
                break
        return fields, at

    def _long_way(self, rest: bytes, room: int) -> list[Header]:
        """The fields of a block from one on that is no table update; they may change the table."""
        library = self._library
        library.max_header_list_size = room
        found: list[Header] = [*library.decode(rest, raw=True)]
        self._take_table()
        return found

    def _behind_updates(self, block: bytes) -> int:
        """Takes the table updates at the beginning of a block, and says where they end."""
        at = count = 0
        while at < len(block) and 0x20 <= block[at] < 0x40:
            count += 1
            if count > _MAX_UPDATES:
                raise HeaderCodecError("more than two table updates")
            used = decode_integer(block[at : at + 16], 5)[1]
            self._library.decode(block[at : at + used], raw=True)
            self._take_table()
            at += used
        return at

    def _take_table(self) -> None:
        self._table = (*_STATIC, *self._library.header_table.dynamic_entries)
        self._blocks.clear()


class HeaderEncoder:
    """Encodes header lists for one connection, without a dynamic table: each field has its octets, whatever was before.

    To find them takes a fraction of the time that it takes to keep a table, and a block can be kept for the next client
    that gets the same. It costs the octets of the values once more with each answer, as in HTTP/1.1.
    """

    __slots__ = ("_begin", "_table_size")

    def __init__(self) -> None:
        self._table_size = TABLE_SIZE  # as the peer may think
        self._begin = b""

    def resize(self, table_size: int) -> None:
        """The peer's SETTINGS_HEADER_TABLE_SIZE: says with the next block that there is no table, where that is due.

        That is after the size was reduced below what is in use (RFC 9113 section 4.3.1).
        """
        if table_size < self._table_size:
            self._table_size = 0
            self._begin = _NO_TABLE

    def encode(self, fields: FieldList) -> bytes:
        """The next block that is sent; names are in lower case."""
        octets = fields if isinstance(fields, bytes) else encoded(fields)
        if not self._begin:
            return octets
        begin, self._begin = self._begin, b""
        return begin + octets


def encoded(fields: Sequence[Header]) -> bytes:
    """A header list as octets that mean the same on every connection, and before and after any others."""
    return b"".join([_field(field) if field[0] not in SENSITIVE else _octets(field, True) for field in fields])


def _field(field: Header) -> bytes:
    return _remembered(field) if len(field[1]) <= _LONGEST_REMEMBERED else _octets(field, False)


def _octets(field: Header, sensitive: bool) -> bytes:
    """One field: indexed where the static table has it, else a literal."""
    octets = _WITHOUT_TABLE.add(field, True, False)
    if sensitive or not 0x10 <= octets[0] < 0x20:
        return octets
    return bytes((octets[0] & 0x0F,)) + octets[1:]  # from "never indexed" to "without indexing" (RFC 7541 section 6.2)


def _without_table() -> Encoder:
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder


_WITHOUT_TABLE: Final = _without_table()
_remembered = lru_cache(maxsize=1024)(lambda field: _octets(field, False))
