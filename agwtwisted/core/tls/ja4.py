"""JA4: the fingerprint of a TLS client, made of what its ClientHello offers.

By FoxIO's specification of JA4, https://github.com/FoxIO-LLC/ja4 (technical_details/JA4.md), which is open under the
BSD 3-Clause licence; others of its family are not, and not here. Placeholders (GREASE, RFC 8701) do not count
anywhere, and the order of suites and extensions does not count either, because browsers shuffle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from struct import Struct, pack, unpack
from typing import Final

_HANDSHAKE: Final = 0x16  # type of a record
_CLIENT_HELLO: Final = 1
_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
_RANDOM_END: Final = 34  # version and random
_LARGEST: Final = 16_384
"""Octets of a ClientHello at most that gets a fingerprint: those of browsers have some 2000. What one costs grows with
its lists, of which OpenSSL takes eight times as much, from any stranger.
"""

_MOST_RECORDS: Final = 64
"""Records of a ClientHello at most that gets one: clients send it in one or two, and each takes its time, too."""

_SERVER_NAME: Final = 0
_SIGNATURE_ALGORITHMS: Final = 13
_ALPN: Final = 16
_SUPPORTED_VERSIONS: Final = 43

_TWO_NUMBERS: Final = Struct(">HH").unpack_from
_GREASE: Final = frozenset(each << 8 | each for each in range(0x0A, 0x100, 0x10))

_VERSIONS: Final = {0x0304: b"13", 0x0303: b"12", 0x0302: b"11", 0x0301: b"10", 0x0300: b"s3", 0x0002: b"s2"}
_NONE: Final = b"000000000000"
_MOST: Final = 99  # that two digits can count

FORM: Final = "t(?:1[0-3]|s[23]|00)[di][0-9]{4}[0-9A-Za-z]{2}(?:_[0-9a-f]{12}){2}"
"""A pattern that every fingerprint fits."""

REMEMBERED: Final = 1024
"""Kinds of clients whose fingerprint is remembered: the same program says the same each time."""

LONGEST: Final = 512
"""Length of all lists that a remembered fingerprint is made of: hostile ones are long, and would take much room."""


class ClientHelloReader:
    """Puts the message ClientHello together from the records that a connection begins with.

    It may come in several records (RFC 8446 section 5.1), and these in pieces of any size: what each piece costs does
    not depend on what came before it.
    """

    __slots__ = ("_message", "_records", "_rest")

    def __init__(self) -> None:
        self._message = bytearray()
        self._records = 0
        self._rest = bytearray()  # of a record that is not whole

    def feed(self, data: bytes) -> bytes | None:
        """The message without its header, once it is whole; empty: it is none, or an unusual one. None: more is needed.

        It is not asked again after an answer.
        """
        rest = self._rest
        rest += data
        at = 0
        while len(rest) >= at + _RECORD_HEADER:
            size = int.from_bytes(rest[at + 3 : at + 5], "big")
            if rest[at] != _HANDSHAKE or not size:
                return b""
            end = at + _RECORD_HEADER + size
            if len(rest) < end:
                break
            self._message += rest[at + _RECORD_HEADER : end]
            self._records += 1
            found = self._found() if self._records <= _MOST_RECORDS else b""
            if found is not None:
                return found
            at = end
        del rest[:at]
        return None

    def _found(self) -> bytes | None:
        message = self._message
        if message[0] != _CLIENT_HELLO:
            return b""
        if len(message) < _MESSAGE_HEADER:
            return None
        length = int.from_bytes(message[1:4], "big")
        if length > _LARGEST:
            return b""
        end = _MESSAGE_HEADER + length
        return bytes(message[_MESSAGE_HEADER:end]) if len(message) >= end else None


def whole_hello(data: bytes) -> bytes | None:
    """What `ClientHelloReader` says of records where these are one, with the message in it and nothing else: as nearly
    all are. None: they are not.
    """
    size = len(data) - _RECORD_HEADER
    if size < _MESSAGE_HEADER or data[0] != _HANDSHAKE or data[5] != _CLIENT_HELLO:
        return None
    length = data[6] << 16 | data[7] << 8 | data[8]
    if data[3] << 8 | data[4] != size or length != size - _MESSAGE_HEADER or length > _LARGEST:
        return None
    return data[_RECORD_HEADER + _MESSAGE_HEADER :]


def ja4(hello: bytes) -> bytes:
    """The fingerprint of a message ClientHello over TCP, 36 characters; empty where the message is malformed."""
    try:
        facts = _facts(hello)
        is_short = sum(map(len, facts[2:])) <= LONGEST
        return (_remembered_fingerprint if is_short else _fingerprint)(*facts)
    except (IndexError, ValueError):
        return b""


def _facts(hello: bytes) -> tuple[int, bool, bytes, tuple[int, ...], bytes, bytes]:
    """Version, whether a name is asked for, suites, sorted extensions, signature algorithms, the first protocol.

    Raises IndexError or ValueError where a length leads out of what contains it.
    """
    version = hello[0] << 8 | hello[1]
    at = _RANDOM_END + 1 + hello[_RANDOM_END]
    suites = _vector(hello, at, 2)
    at += 2 + len(suites)
    at += 1 + len(_vector(hello, at, 1))
    extensions = _vector(hello, at, 2) if at < len(hello) else b""
    kinds: list[int] = []
    algorithms = protocol = b""
    at, end = 0, len(extensions)
    while at < end:
        kind, size = _TWO_NUMBERS(extensions, at) if at + 4 <= end else (0, end)
        at += 4
        if at + size > end:
            raise ValueError("an extension is longer than all of them")
        kinds.append(kind)
        if kind == _SIGNATURE_ALGORITHMS:
            algorithms = _vector(extensions[at : at + size], 0, 2)
        elif kind == _ALPN:
            protocol = _vector(_vector(extensions[at : at + size], 0, 2), 0, 1)
        elif kind == _SUPPORTED_VERSIONS:
            offered = _vector(extensions[at : at + size], 0, 1)
            version = max([each for each in _numbers(offered) if each not in _GREASE], default=version)
        at += size
    return version, _SERVER_NAME in kinds, suites, tuple(sorted(kinds)), algorithms, protocol


def _vector(data: bytes, at: int, width: int) -> bytes:
    """A vector behind its length in so many octets (RFC 8446 section 3.4)."""
    begin = at + width
    size = int.from_bytes(data[at:begin], "big")
    found = data[begin : begin + size]
    if len(found) != size or len(data) < begin:
        raise ValueError("a vector is longer than what it is in")
    return found


def _numbers(octets: bytes) -> tuple[int, ...]:
    """Numbers of two octets; raises ValueError for half a one."""
    if len(octets) % 2:
        raise ValueError("a list of numbers ends within one")
    return unpack(f">{len(octets) // 2}H", octets)


def _fingerprint(
    version: int, named: bool, suites: bytes, kinds: tuple[int, ...], algorithms: bytes, protocol: bytes
) -> bytes:
    offered = sorted([each for each in _numbers(suites) if each not in _GREASE])
    extensions = [each for each in kinds if each not in _GREASE]
    listed = _hexadecimal([each for each in extensions if each not in (_SERVER_NAME, _ALPN)])
    signatures = _hexadecimal([each for each in _numbers(algorithms) if each not in _GREASE])
    return b"t%b%b%02d%02d%b_%b_%b" % (
        _VERSIONS.get(version, b"00"),
        b"d" if named else b"i",
        min(len(offered), _MOST),
        min(len(extensions), _MOST),
        _ends(protocol),
        _hash(_hexadecimal(offered)),
        _hash(b"%b_%b" % (listed, signatures) if signatures else listed),
    )


_remembered_fingerprint = lru_cache(maxsize=REMEMBERED)(_fingerprint)


def _hexadecimal(numbers: Sequence[int]) -> bytes:
    """Four digits each, with commas between them."""
    return pack(f">{len(numbers)}H", *numbers).hex(",", 2).encode()


def _hash(text: bytes) -> bytes:
    return sha256(text).hexdigest()[:12].encode() if text else _NONE


def _ends(protocol: bytes) -> bytes:
    """The first and the last character of the first protocol of ALPN; of one with others than letters and digits
    there, those of its hexadecimal form.
    """
    if not protocol:
        return b"00"
    ends = protocol[:1] + protocol[-1:]
    if ends.isalnum():
        return ends
    return (protocol[:1].hex()[0] + protocol[-1:].hex()[1]).encode()
