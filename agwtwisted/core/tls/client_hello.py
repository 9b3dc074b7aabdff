"""What a TLS client offers before anything is agreed: its cipher suites, by OpenSSL's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SESSION_ID: Final = 5 + 4 + 2 + 32
"""Where its length stands: behind the headers of record and message, the version, and the random."""

_RECORD_HEADER: Final = 5

_SERVER_NAME: Final = 0
"""The extension's number."""

_MAX_RECORD: Final = 16384
"""Bytes of a plaintext record at most (RFC 8446 section 5.1)."""


def offered_suites(records: bytes) -> bytes:
    """The cipher suites of a ClientHello, two octets each, in the client's order (RFC 8446 section 4.1.2).

    Empty where the beginning of the message does not lie in these bytes, whole and in one record: a rarity.
    """
    if records[:1] != b"\x16" or records[5:6] != b"\x01" or len(records) <= _SESSION_ID:
        return b""
    start = _SESSION_ID + 1 + records[_SESSION_ID]
    size = int.from_bytes(records[start : start + 2], "big")
    suites = records[start + 2 : start + 2 + size]
    return suites if len(suites) == size else b""


def has_begun(records: bytes | bytearray) -> bool:
    """Whether a handshake has begun: its first record is whole, or none that may come would make it one.

    A ClientHello fits into one record, and is sent so; one in several is a rarity (RFC 8446 section 5.1).
    """
    if len(records) < _RECORD_HEADER:
        return False
    size = int.from_bytes(records[3:5], "big")
    return len(records) >= _RECORD_HEADER + size or records[1] != 3 or size > _MAX_RECORD


def server_name_in(records: bytes) -> bytes | None:
    """The host name that a ClientHello asks for (RFC 6066 section 3), empty where it asks for none.

    None where the message does not lie in these bytes, whole and in one record: a rarity.
    """
    try:
        return _server_name(records)
    except IndexError:
        return None


def _server_name(records: bytes) -> bytes | None:
    size = int.from_bytes(records[3:5], "big")
    if records[0] != 0x16 or records[5] != 1 or int.from_bytes(records[6:9], "big") != size - 4:
        return None
    hello = records[_RECORD_HEADER : _RECORD_HEADER + size]
    if len(hello) < size:
        return None
    at = _SESSION_ID - _RECORD_HEADER
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at] + 2  # behind the compression methods and the length of all extensions
    while at < size:
        kind, length = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == _SERVER_NAME:
            # One name, behind the lengths of the list and of the name, and the name's type.
            return hello[at + 9 : at + 4 + length]
        at += 4 + length
    return b""


def suite_names(suites: bytes) -> bytes:
    """OpenSSL's names with colons between them, as nginx's ``$ssl_ciphers`` has them; unknown ones as ``0x1a1a``."""
    numbers = (int.from_bytes(suites[at : at + 2], "big") for at in range(0, len(suites), 2))
    return b":".join(_NAMES.get(number) or b"0x%04x" % number for number in numbers)


# The IANA registry "TLS Cipher Suites", as far as clients of today offer them.
_NAMES: Final[Mapping[int, bytes]] = {
    0x000A: b"DES-CBC3-SHA",
    0x002F: b"AES128-SHA",
    0x0033: b"DHE-RSA-AES128-SHA",
    0x0035: b"AES256-SHA",
    0x0039: b"DHE-RSA-AES256-SHA",
    0x003C: b"AES128-SHA256",
    0x003D: b"AES256-SHA256",
    0x0067: b"DHE-RSA-AES128-SHA256",
    0x006B: b"DHE-RSA-AES256-SHA256",
    0x009C: b"AES128-GCM-SHA256",
    0x009D: b"AES256-GCM-SHA384",
    0x009E: b"DHE-RSA-AES128-GCM-SHA256",
    0x009F: b"DHE-RSA-AES256-GCM-SHA384",
    0x00FF: b"TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
    0x1301: b"TLS_AES_128_GCM_SHA256",
    0x1302: b"TLS_AES_256_GCM_SHA384",
    0x1303: b"TLS_CHACHA20_POLY1305_SHA256",
    0x1304: b"TLS_AES_128_CCM_SHA256",
    0x1305: b"TLS_AES_128_CCM_8_SHA256",
    0x5600: b"TLS_FALLBACK_SCSV",
    0xC008: b"ECDHE-ECDSA-DES-CBC3-SHA",
    0xC009: b"ECDHE-ECDSA-AES128-SHA",
    0xC00A: b"ECDHE-ECDSA-AES256-SHA",
    0xC012: b"ECDHE-RSA-DES-CBC3-SHA",
    0xC013: b"ECDHE-RSA-AES128-SHA",
    0xC014: b"ECDHE-RSA-AES256-SHA",
    0xC023: b"ECDHE-ECDSA-AES128-SHA256",
    0xC024: b"ECDHE-ECDSA-AES256-SHA384",
    0xC027: b"ECDHE-RSA-AES128-SHA256",
    0xC028: b"ECDHE-RSA-AES256-SHA384",
    0xC02B: b"ECDHE-ECDSA-AES128-GCM-SHA256",
    0xC02C: b"ECDHE-ECDSA-AES256-GCM-SHA384",
    0xC02F: b"ECDHE-RSA-AES128-GCM-SHA256",
    0xC030: b"ECDHE-RSA-AES256-GCM-SHA384",
    0xC09C: b"AES128-CCM",
    0xC09D: b"AES256-CCM",
    0xC09E: b"DHE-RSA-AES128-CCM",
    0xC09F: b"DHE-RSA-AES256-CCM",
    0xC0AC: b"ECDHE-ECDSA-AES128-CCM",
    0xC0AD: b"ECDHE-ECDSA-AES256-CCM",
    0xC0AE: b"ECDHE-ECDSA-AES128-CCM8",
    0xC0AF: b"ECDHE-ECDSA-AES256-CCM8",
    0xCCA8: b"ECDHE-RSA-CHACHA20-POLY1305",
    0xCCA9: b"ECDHE-ECDSA-CHACHA20-POLY1305",
    0xCCAA: b"DHE-RSA-CHACHA20-POLY1305",
}
