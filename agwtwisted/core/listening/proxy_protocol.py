"""The PROXY protocol: the real address of a client, in a header before its first byte.

After HAProxy's proxy-protocol.txt, versions 1 (a line of text) and 2 (binary, with type-length-values). The reader is
fed as bytes come, and knows at the first octet that does not fit that there is no header.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.http.host_names import IpAddress

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""How a header of version 2 begins (section 2.2)."""

MAX_LENGTH: Final = 65535
"""Octets after the first 16 of a header of version 2: what its length field can say."""

MAX_ACCEPTED: Final = 16384
"""How many of these are read: addresses, and type-length-values with a client's certificate among them."""

MAX_LINE: Final = 107
"""Octets of a header of version 1, its end included (section 2.1)."""

ALPN: Final = 0x01
AUTHORITY: Final = 0x02
CRC32C: Final = 0x03
SSL: Final = 0x20
SSL_VERSION: Final = 0x21
SSL_CN: Final = 0x22
SSL_CIPHER: Final = 0x23
SSL_SIG_ALG: Final = 0x24
SSL_KEY_ALG: Final = 0x25
SSL_CLIENT_CERT: Final = 0x28
"""Types of values, PP2_TYPE_* and PP2_SUBTYPE_* of the specification."""

CLIENT_SSL: Final = 0x01
CLIENT_CERT_CONN: Final = 0x02
CLIENT_CERT_SESS: Final = 0x04
"""Bits of the client field: TLS is spoken; a certificate came on this connection; one came in this TLS session."""

_PREFIX: Final = b"PROXY "
_FIXED: Final = 16
_LOCAL, _PROXY = 0x20, 0x21
_STREAM: Final = 1
_FAMILIES: Final = {0x1: 4, 0x2: 16}  # AF_INET, AF_INET6: octets of an address
_UNIX_OCTETS: Final = 216
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")

Endpoint: TypeAlias = tuple[IpAddress, int]
"""An address and a port."""


@attrs.frozen
class Tlv:
    """One type-length-value."""

    type: int
    value: bytes


@attrs.frozen(kw_only=True)
class ProxyHeader:
    """What a header says. Without `source` the connection speaks for itself: a health check of the proxy's own."""

    source: Endpoint | None = None
    destination: Endpoint | None = None
    tlvs: tuple[Tlv, ...] = ()


@attrs.frozen
class NoHeader:
    """What came is no header that could be taken, for this reason."""

    reason: str


class TooLongError(AgwError):
    """More type-length-values than the length field can count."""


def encoded(source: Endpoint, destination: Endpoint, tlvs: Iterable[Tlv] = ()) -> bytes:
    """A header of version 2 for a TCP connection; where the families differ, IPv4 addresses are written as IPv6 ones.

    Raises:
        TooLongError: it would be longer than `MAX_LENGTH`.
    """
    ends = (source, destination)
    family = 0x1
    if any(address.version == 6 for address, _ in ends):
        family = 0x2
        ends = (_mapped(source), _mapped(destination))
    body = b"".join(address.packed for address, _ in ends)
    body += b"".join(port.to_bytes(2, "big") for _, port in ends)
    body += joined(tlvs)
    if len(body) > MAX_LENGTH:
        raise TooLongError(f"a PROXY protocol header of {len(body)} octets")
    return SIGNATURE + bytes((_PROXY, family << 4 | _STREAM)) + len(body).to_bytes(2, "big") + body


LOCAL: Final = SIGNATURE + bytes((_LOCAL, 0, 0, 0))
"""A header of version 2 for a connection that the sender makes for itself, to see whether the receiver is well."""


def joined(tlvs: Iterable[Tlv]) -> bytes:
    """Type-length-values one after the other; TooLongError for a value that its length field cannot count."""
    pieces = []
    for tlv in tlvs:
        if len(tlv.value) > MAX_LENGTH:
            raise TooLongError(f"a value of {len(tlv.value)} octets")
        pieces.append(bytes((tlv.type,)) + len(tlv.value).to_bytes(2, "big") + tlv.value)
    return b"".join(pieces)


def split(data: bytes) -> tuple[Tlv, ...] | None:
    """Type-length-values that fill `data`; None where the last one is cut."""
    found = []
    position = 0
    while position < len(data):
        start = position + 3
        end = start + int.from_bytes(data[position + 1 : start], "big")
        if end > len(data) or start > len(data):
            return None
        found.append(Tlv(data[position], data[start:end]))
        position = end
    return tuple(found)


class HeaderReader:
    """Reads one header, of whichever version; `rest` is what came after it."""

    def __init__(self) -> None:
        self.rest = b""
        self._data = b""

    def feed(self, data: bytes) -> ProxyHeader | NoHeader | None:
        """The header, or why there is none; None while more is needed. Not to be fed after an answer."""
        self._data += data
        start = self._data[: len(SIGNATURE)]
        if SIGNATURE.startswith(start):
            return self._version_2() if len(self._data) >= _FIXED else None
        if _PREFIX.startswith(start[: len(_PREFIX)]):
            return self._version_1()
        return NoHeader("it does not begin with a PROXY protocol header")

    def _version_1(self) -> ProxyHeader | NoHeader | None:
        end = self._data.find(b"\r\n", 0, MAX_LINE)
        if end < 0:
            return NoHeader("the line is too long") if len(self._data) >= MAX_LINE else None
        self.rest = self._data[end + 2 :]
        return _line(self._data[:end])

    def _version_2(self) -> ProxyHeader | NoHeader | None:
        data = self._data
        command, family, length = data[12], data[13], int.from_bytes(data[14:16], "big")
        if command not in (_LOCAL, _PROXY):
            return NoHeader("an unknown version or command")
        if length > MAX_ACCEPTED:
            return NoHeader(f"it is too long ({length} octets)")
        end = _FIXED + length
        if len(data) < end:
            return None
        self.rest = data[end:]
        return _binary(command, family, data[:end])


def _line(line: bytes) -> ProxyHeader | NoHeader:
    """A header of version 1, without its end (section 2.1)."""
    try:
        words = line.decode("ascii").split(" ")
    except UnicodeError:
        return NoHeader("the line is not ASCII")
    if words[1] == "UNKNOWN":  # the rest of the line is to be ignored
        return ProxyHeader()
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        return NoHeader("the line is not PROXY TCP4|TCP6 SOURCE DESTINATION SOURCE-PORT DESTINATION-PORT")
    version = int(words[1][-1])
    source, destination = _endpoint(words[2], words[4], version), _endpoint(words[3], words[5], version)
    if source is None or destination is None:
        return NoHeader("an invalid address or port in the line")
    return ProxyHeader(source=source, destination=destination)


def _endpoint(address: str, port: str, version: int) -> Endpoint | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    if found.version != version or "%" in address or not _PORT.fullmatch(port) or int(port) > 65535:
        return None
    return _unmapped(found), int(port)


def _binary(command: int, family: int, header: bytes) -> ProxyHeader | NoHeader:
    """A whole header of version 2 (section 2.2)."""
    size = _FAMILIES.get(family >> 4)
    if command == _LOCAL:  # family and addresses are to be ignored
        return ProxyHeader()
    if family == 0:  # unspecified: nothing is known of the client
        return ProxyHeader()
    if family & 0xF != _STREAM or (size is None and family >> 4 != 0x3):
        return NoHeader("it describes another protocol than TCP")
    ends = 2 * size + 4 if size else _UNIX_OCTETS
    body = header[_FIXED:]
    if len(body) < ends:
        return NoHeader("its addresses are incomplete")
    tlvs = split(body[ends:])
    if tlvs is None:
        return NoHeader("its last value is incomplete")
    if not _sound(header, _FIXED + ends, tlvs):
        return NoHeader("its checksum is wrong")
    if size is None:  # a Unix socket has no address that could be used
        return ProxyHeader(tlvs=tlvs)
    source, destination = (ipaddress.ip_address(body[start : start + size]) for start in (0, size))
    ports = [int.from_bytes(body[start : start + 2], "big") for start in (2 * size, 2 * size + 2)]
    return ProxyHeader(source=(_unmapped(source), ports[0]), destination=(_unmapped(destination), ports[1]), tlvs=tlvs)


def _sound(header: bytes, start: int, tlvs: tuple[Tlv, ...]) -> bool:
    """Whether the checksum in the header is right, its own octets counted as zeros (section 2.2.3); one is enough."""
    sums = 0
    for tlv in tlvs:
        value = start + 3
        start = value + len(tlv.value)
        if tlv.type == CRC32C:
            sums += 1
            blanked = header[:value] + bytes(len(tlv.value)) + header[start:]
            if sums > 1 or tlv.value != crc32c(blanked).to_bytes(4, "big"):
                return False
    return True


def _mapped(end: Endpoint) -> Endpoint:
    address, port = end
    return (address if address.version == 6 else ipaddress.IPv6Address(f"::ffff:{address}")), port


def _unmapped(address: IpAddress) -> IpAddress:
    """An IPv4 address as itself, also where it is written as an IPv6 one: limits and logs know one spelling."""
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _crc_table() -> tuple[int, ...]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720 appendix B.4 (Castagnoli)."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc = _CRC_TABLE[(crc ^ octet) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
