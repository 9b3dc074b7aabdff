"""Header lists and field blocks: HPACK (RFC 7541), on the library hpack.

Its are the tables, the Huffman code and the integers; ours are the loops over the fields of a block. hpack's own copies
the rest of a block for each literal, and takes a hundred times as long where all fields are indexed, as they mostly
are; the tests hold ours to it.

hpack was chosen over jh2, whose decoder in Rust (5.0.15) is fast: that one panics at a block that is cut within a
field, takes table updates behind fields and padding of zeros, which RFC 7541 has be errors, and is a private module.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from hpack import HPACKError
from hpack.hpack import decode_integer, encode_integer
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

MAX_LIST: Final = 32768
"""Octets of a header list at most, where nothing else is said: a longer one ends the connection."""

_STATIC: Final[tuple[Header, ...]] = ((b"", b""), *HeaderTable.STATIC_TABLE)  # index 0 is none (RFC 7541 section 6.1)
_DYNAMIC: Final = len(_STATIC)  # index of the newest field that came
_OF_FIELD: Final = 32
_REMEMBERED_BLOCKS: Final = 4
_LONGEST_BLOCK: Final = 128  # octets of one that is remembered
_MAX_UPDATES: Final = 2  # in a block (RFC 7541 section 4.2)
_LONGEST_INTEGER: Final = 16  # octets; those that hpack takes have fewer

SENSITIVE: Final = frozenset((b"set-cookie", b"authorization", b"proxy-authorization", b"cookie"))
"""Names of fields that no intermediary may put in a table (RFC 7541 section 7.1.3)."""

_STATIC_INDEXES: Final = HeaderTable.STATIC_TABLE_MAPPING  # by name: the first index, and those of values
_NEVER_INDEXED: Final = 0x10
_LONGEST_REMEMBERED: Final = 128  # octets of a field
_NO_TABLE: Final = b"\x20"  # a table update to 0


class HeaderCodecError(Exception):
    """A field block that cannot be decoded, so that no later one could: the connection ends (RFC 9113 section 4.3)."""


def list_size(fields: Sequence[Header]) -> int:
    """Octets of a header list as RFC 7541 section 4.1 counts them: 32 for each field, and those of name and value."""
    return _OF_FIELD * len(fields) + sum([len(name) + len(value) for name, value in fields])


class HeaderDecoder:
    """Decodes the field blocks of one connection, each once and in their order.

    Args:
        max_list: octets of a header list at most, by `list_size`.
    """

    __slots__ = ("_blocks", "_changes", "_dynamic", "_max_list", "_table")

    def __init__(self, max_list: int = MAX_LIST) -> None:
        self._max_list = max_list
        self._table = HeaderTable()
        self._dynamic = self._table.dynamic_entries
        self._blocks: dict[bytes, Fields] = {}  # that change no table, and what they say while it is this one
        self._changes = 0  # of the table

    def allow(self, max_list: int) -> None:
        """Lists may be so long from now on, or as before where that was more: the client may go by it."""
        self._max_list = max(self._max_list, max_list)

    def decode(self, block: bytes) -> Fields:
        """The header list of a block; the same one where nothing has changed.

        Raises:
            HeaderCodecError: the block is not sound, or the list too long.
        """
        known = self._blocks.get(block)
        if known is not None:
            return known
        try:
            return self._decoded(block)
        except (HPACKError, IndexError) as error:
            raise HeaderCodecError(type(error).__name__) from None  # hpack's messages repeat the block

    def _decoded(self, block: bytes) -> Fields:
        fields: list[Header] = []
        changes = self._changes
        dynamic, at, end = self._dynamic, self._behind_updates(block), len(block)
        room = self._max_list  # for literals: indexed fields take none of their own
        most = room // _OF_FIELD
        while at < end:
            octet = block[at]
            if 0x80 < octet < 0xFF:
                index = octet & 0x7F
                fields.append(_STATIC[index] if index < _DYNAMIC else dynamic[index - _DYNAMIC])
                at += 1
            elif octet >= 0x80:
                index, at = _integer(block, at, 7)
                fields.append(self._indexed(index))
            else:
                field, at = self._literal(block, at)
                fields.append(field)
                room -= len(field[0]) + len(field[1])
            if len(fields) > most or room < 0:
                raise HeaderCodecError("a header list that is too long")
        found = tuple(fields)
        if list_size(found) > self._max_list:
            raise HeaderCodecError("a header list that is too long")
        if self._changes == changes and end <= _LONGEST_BLOCK:
            if len(self._blocks) == _REMEMBERED_BLOCKS:  # of a client whose requests differ
                self._blocks.clear()
            self._blocks[block] = found
        return found

    def _literal(self, block: bytes, at: int) -> tuple[Header, int]:
        """A field whose value comes with it, and where it ends (RFC 7541 section 6.2)."""
        octet = block[at]
        if 0x20 <= octet < 0x40:
            raise HeaderCodecError("a table update behind a field")
        is_kept = octet >= 0x40
        index, at = _integer(block, at, 6 if is_kept else 4)
        if index:
            name = self._indexed(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        if is_kept:
            self._table.add(name, value)
            self._change()
        return (name, value), at

    def _indexed(self, index: int) -> Header:
        """The field that a table has there."""
        if not index:
            raise HeaderCodecError("index 0")
        return _STATIC[index] if index < _DYNAMIC else self._dynamic[index - _DYNAMIC]

    def _behind_updates(self, block: bytes) -> int:
        """Takes the table updates at the beginning of a block, and says where they end (RFC 7541 section 6.3)."""
        at = count = 0
        while at < len(block) and 0x20 <= block[at] < 0x40:
            size, at = _integer(block, at, 5)
            count += 1
            if size > TABLE_SIZE or count > _MAX_UPDATES:
                raise HeaderCodecError("a table update beyond its bounds")
            self._table.maxsize = size
            self._change()
        return at

    def _change(self) -> None:
        self._changes += 1
        self._blocks.clear()


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """An integer with a prefix of so many bits, and where it ends (RFC 7541 section 5.1)."""
    most = (1 << bits) - 1
    number = block[at] & most
    if number < most:
        return number, at + 1
    number, used = decode_integer(block[at : at + _LONGEST_INTEGER], bits)
    return number, at + used


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """A string, and where it ends (RFC 7541 section 5.2)."""
    is_coded = block[at] >= 0x80
    length, at = _integer(block, at, 7)
    end = at + length
    if end > len(block):
        raise HeaderCodecError("a string that is cut")
    return decode_huffman(block[at:end]) if is_coded else block[at:end], end


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
    return b"".join([_remembered(field) if field[0] not in SENSITIVE else _octets(field) for field in fields])


def _remembered(field: Header) -> bytes:
    return _known_octets(field) if len(field[0]) + len(field[1]) <= _LONGEST_REMEMBERED else _octets(field)


def _octets(field: Header) -> bytes:
    """One field: indexed where the static table has it, else a literal (RFC 7541 sections 6.1, 6.2.2 and 6.2.3)."""
    name, value = field
    kind = _NEVER_INDEXED if name in SENSITIVE else 0
    known = _STATIC_INDEXES.get(name)
    if known is None:
        return b"%c%b%b%b%b" % (kind, _made_integer(len(name), 7), name, _made_integer(len(value), 7), value)
    index, values = known
    if value in values and not kind:
        return b"%c" % (0x80 | values[value])
    begin = _made_integer(index, 4)
    return b"%c%b%b%b" % (kind | begin[0], begin[1:], _made_integer(len(value), 7), value)


def _made_integer(number: int, bits: int) -> bytes:
    """An integer with a prefix of so many bits, the others 0 (RFC 7541 section 5.1)."""
    return b"%c" % number if number < (1 << bits) - 1 else bytes(encode_integer(number, bits))


_known_octets = lru_cache(maxsize=1024)(_octets)
