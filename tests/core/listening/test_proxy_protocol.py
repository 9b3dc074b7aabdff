"""PROXY protocol headers: written, read byte by byte, refused at the first octet that does not fit."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening import proxy_protocol
from agwtwisted.core.listening.proxy_protocol import (
    CRC32C,
    MAX_ACCEPTED,
    MAX_LENGTH,
    MAX_LINE,
    SIGNATURE,
    Endpoint,
    HeaderReader,
    NoHeader,
    ProxyHeader,
    Tlv,
    TooLongError,
    crc32c,
    encoded,
    joined,
    split,
)

REST = b"\x16\x03\x01 whatever follows"


def end(text: str, port: int) -> Endpoint:
    """An address and a port."""
    return ipaddress.ip_address(text), port


ONE, OTHER = end("192.0.2.7", 50000), end("198.51.100.1", 443)
SIX = end("2001:db8::7", 50001)


def read(data: bytes) -> ProxyHeader | NoHeader | None:
    """What is read of these bytes; the same whether they come at once or one by one."""
    whole = HeaderReader()
    answer = whole.feed(data)
    reader = HeaderReader()
    for position in range(len(data)):
        single = reader.feed(data[position : position + 1])
        if single is not None:
            if isinstance(single, ProxyHeader):
                assert data[position + 1 :] == whole.rest
                assert not reader.rest
            assert single == answer, (single, answer)
            return answer
    assert answer is None
    return None


def version_2(
    body: bytes, *, command: int = 0x21, family: int = 0x11, length: int | None = None, signature: bytes = SIGNATURE
) -> bytes:
    """A header of version 2, right or wrong."""
    size = len(body) if length is None else length
    return signature + bytes((command, family)) + size.to_bytes(2, "big") + body


V4 = b"\xc0\x00\x02\x07\xc6\x33\x64\x01\xc3\x50\x01\xbb"
"""192.0.2.7:50000 to 198.51.100.1:443."""

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda each: each.ipv4_mapped is None))
ends = st.tuples(addresses, st.integers(0, 65535))
tlvs = st.lists(
    st.builds(Tlv, st.integers(0, 255).filter(lambda number: number != CRC32C), st.binary(max_size=300)), max_size=5
)


class RoundTripTests(SynchronousTestCase):
    """What is written is read again."""

    @given(source=ends, destination=ends, values=tlvs)
    def test_any(self, source: Endpoint, destination: Endpoint, values: list[Tlv]) -> None:
        """Addresses of both families, in any mixture, ports, and values; what follows stays whole."""
        data = encoded(source, destination, values)
        expected = ProxyHeader(source=source, destination=destination, tlvs=tuple(values))
        self.assertEqual(read(data + REST), expected)
        self.assertIsNone(read(data[:-1]))

    @given(source=ends, destination=ends, values=tlvs)
    def test_as_twisted_reads_it(self, source: Endpoint, destination: Endpoint, values: list[Tlv]) -> None:
        """Twisted's own reader finds the same addresses."""
        info, rest = V2Parser().feed(encoded(source, destination, values) + REST)
        assert info
        for told, expected in ((info.source, source), (info.destination, destination)):
            address = ipaddress.ip_address(told.host)
            mapped = getattr(address, "ipv4_mapped", None)
            self.assertEqual((mapped or address, told.port), expected)
        self.assertEqual(rest, REST)

    @given(source=ends, port=st.integers(0, 65535))
    def test_lines_as_twisted_reads_them(self, source: Endpoint, port: int) -> None:
        """Version 1, which others write: the same addresses as Twisted finds."""
        address, number = source
        line = f"PROXY TCP{address.version} {address} {address} {number} {port}\r\n".encode()
        info, rest = V1Parser().feed(line + REST)
        assert info
        found = read(line + REST)
        assert isinstance(found, ProxyHeader)
        self.assertEqual(found.source, (ipaddress.ip_address(info.source.host), info.source.port))
        self.assertEqual(found.destination, (ipaddress.ip_address(info.destination.host), info.destination.port))
        self.assertEqual(rest, REST)

    @given(data=st.binary(max_size=200))
    def test_nothing_is_taken_that_twisted_refuses(self, data: bytes) -> None:
        """Whatever is taken as a header is one for Twisted too."""
        for start in (b"", SIGNATURE + b"\x21\x11", b"PROXY TCP4 "):
            found = read(start + data)
            if isinstance(found, ProxyHeader):
                parser = V2Parser if start.startswith(SIGNATURE) else V1Parser
                try:
                    parser().feed(start + data)
                except InvalidProxyHeader:
                    self.fail("Twisted refuses it")


class WrittenTests(SynchronousTestCase):
    """Headers of version 2."""

    def test_octets(self) -> None:
        """Signature, version and command, family, length, addresses, ports: section 2.2."""
        self.assertEqual(encoded(ONE, OTHER), version_2(V4))

    def test_mixed_families(self) -> None:
        """One header has one family: beside an IPv6 address, an IPv4 one is written as an IPv6 one."""
        data = encoded(ONE, SIX)
        self.assertEqual(data[13], 0x21)
        self.assertIn(b"\0" * 10 + b"\xff\xff\xc0\x00\x02\x07", data)

    def test_longest(self) -> None:
        """The length field counts to 65,535; beyond that it is refused, never cut."""
        room = MAX_LENGTH - len(V4) - 3
        self.assertEqual(len(encoded(ONE, OTHER, [Tlv(1, bytes(room))])), 16 + MAX_LENGTH)
        for values in ([Tlv(1, bytes(room + 1))], [Tlv(1, bytes(MAX_LENGTH + 1))]):
            with self.assertRaises(TooLongError):
                encoded(ONE, OTHER, values)


class LineTests(SynchronousTestCase):
    """Version 1."""

    def test_addresses(self) -> None:
        """Both families."""
        found = read(b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n" + REST)
        self.assertEqual(found, ProxyHeader(source=ONE, destination=OTHER))
        found = read(b"PROXY TCP6 2001:db8::7 ::1 50001 0\r\n")
        self.assertEqual(found, ProxyHeader(source=SIX, destination=end("::1", 0)))

    def test_unknown(self) -> None:
        """UNKNOWN leaves the connection's own address standing, whatever else the line says."""
        for line in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 1.2.3.4 x y\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"):
            self.assertEqual(read(line + REST), ProxyHeader())

    def test_mapped_address(self) -> None:
        """An IPv4 address written as an IPv6 one is an IPv4 address: limits and networks know it by one name."""
        found = read(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 50000 1\r\n")
        self.assertEqual(found, ProxyHeader(source=ONE, destination=end("::1", 1)))

    def test_malformed(self) -> None:
        """What is not exactly the specification's line is refused."""
        lines = """PROXY|PROXY |PROXY TCP4|PROXY TCP5 1.1.1.1 2.2.2.2 1 2|PROXY tcp4 1.1.1.1 2.2.2.2 1 2
            PROXY TCP4 1.1.1.1 2.2.2.2 1|PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3|PROXY TCP4  1.1.1.1 2.2.2.2 1 2
            PROXY TCP4 1.1.1.1 2.2.2.2 1 65536|PROXY TCP4 1.1.1.1 2.2.2.2 -1 2|PROXY TCP4 1.1.1.1 2.2.2.2 01 2
            PROXY TCP4 1.1.1 2.2.2.2 1 2|PROXY TCP4 ::1 ::1 1 2|PROXY TCP6 1.1.1.1 2.2.2.2 1 2
            PROXY TCP6 fe80::1%eth0 ::1 1 2|PROXY TCP4 1.1.1.1 2.2.2.2 \u0661 2|PROXY TCP4 1.1.1.01 2.2.2.2 1 2
            PROXY TCP4 1.1.1.1\t2.2.2.2 1 2|PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"""
        for line in "|".join(lines.split("\n            ")).split("|"):
            with self.subTest(line=line):
                self.assertIsInstance(read(line.encode() + b"\r\n"), NoHeader)

    def test_length(self) -> None:
        """A line has 107 octets at most, its end included; one that does not end by then is refused, not awaited."""
        longest = b"PROXY UNKNOWN ".ljust(MAX_LINE - 2, b"x")
        self.assertEqual(read(longest + b"\r\n"), ProxyHeader())
        self.assertIsInstance(read(longest + b"x\r\n"), NoHeader)
        self.assertIsInstance(read(longest + b"xx"), NoHeader)
        self.assertIsNone(read(longest + b"\r"))


class BinaryTests(SynchronousTestCase):
    """Version 2."""

    def test_local(self) -> None:
        """LOCAL, which proxies send for themselves, leaves the connection's own address standing, whatever follows."""
        for family, body in ((0x00, b""), (0x11, V4), (0x11, b"short"), (0xFF, b"\x03\0\x04oops")):
            self.assertEqual(read(version_2(body, command=0x20, family=family) + REST), ProxyHeader())

    def test_unspecified(self) -> None:
        """So does a proxy that does not know the client's address, and one whose client came by a Unix socket."""
        self.assertEqual(read(version_2(b"anything", family=0x00)), ProxyHeader())
        self.assertEqual(read(version_2(bytes(216), family=0x31)), ProxyHeader())

    def test_other_protocols(self) -> None:
        """Datagrams, and families that the specification does not know, are refused."""
        for family in (0x10, 0x12, 0x22, 0x32, 0x30, 0x01, 0x41, 0xF1, 0x13):
            with self.subTest(family=family):
                self.assertIsInstance(read(version_2(bytes(216), family=family)), NoHeader)

    def test_other_commands(self) -> None:
        """Other versions and commands are refused as soon as the first sixteen octets are there."""
        for command in (0x00, 0x01, 0x10, 0x11, 0x22, 0x2F, 0x31, 0xFF):
            with self.subTest(command=command):
                self.assertIsInstance(read(version_2(b"", command=command, length=9)), NoHeader)

    def test_cut_addresses(self) -> None:
        """A length that has no room for the addresses is refused."""
        for family, size in ((0x11, 12), (0x21, 36), (0x31, 216)):
            self.assertIsInstance(read(version_2(bytes(size - 1), family=family)), NoHeader)
            self.assertIsInstance(read(version_2(bytes(size), family=family)), ProxyHeader)

    def test_length(self) -> None:
        """A header that announces too much is refused before it is there."""
        self.assertIsNone(read(version_2(b"", length=MAX_ACCEPTED)))
        self.assertIsInstance(read(version_2(b"", length=MAX_ACCEPTED + 1)), NoHeader)

    def test_cut_values(self) -> None:
        """A value that reaches beyond the header is refused."""
        for values in (b"\x01", b"\x01\0", b"\x01\0\x02x", b"\x04\0\0\x01"):
            self.assertIsInstance(read(version_2(V4 + values)), NoHeader)

    def test_signature(self) -> None:
        """The first octet that is not the signature's is the end."""
        for position in range(len(SIGNATURE)):
            wrong = bytearray(SIGNATURE)
            wrong[position] ^= 1
            reader = HeaderReader()
            for octet in wrong[:position]:
                self.assertIsNone(reader.feed(bytes((octet,))))
            self.assertIsInstance(reader.feed(wrong[position : position + 1]), NoHeader)

    def test_others(self) -> None:
        """TLS, HTTP and silence are no headers."""
        for data in (b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b"PROXIES", b"\r\n\r\nGET", b"P" * 100, b"\0"):
            self.assertIsInstance(read(data), NoHeader)
        self.assertIsNone(HeaderReader().feed(b""))


class ChecksumTests(SynchronousTestCase):
    """CRC32C, which must be right where it is sent."""

    def test_known_values(self) -> None:
        """RFC 3720 appendix B.4."""
        self.assertEqual(crc32c(bytes(32)), 0x8A9136AA)
        self.assertEqual(crc32c(b"\xff" * 32), 0x62A8AB43)
        self.assertEqual(crc32c(bytes(range(32))), 0x46DD794E)

    def test_in_a_header(self) -> None:
        """It counts the whole header, its own octets as zeros; a wrong one, or a second one, is refused."""
        before, after = joined([Tlv(2, b"name")]), joined([Tlv(4, b"xyz")])
        blank = version_2(V4 + before + b"\x03\0\x04" + bytes(4) + after)
        position = 16 + len(V4) + len(before) + 3
        right = blank[:position] + crc32c(blank).to_bytes(4, "big") + blank[position + 4 :]
        found = read(right + REST)
        assert isinstance(found, ProxyHeader)
        self.assertEqual([tlv.type for tlv in found.tlvs], [2, 3, 4])
        for wrong in (blank, right.replace(b"name", b"Name")):
            self.assertIsInstance(read(wrong), NoHeader)
        for values in (b"\x03\0\x03abc", b"\x03\0\0" * 2):
            self.assertIsInstance(read(version_2(V4 + values)), NoHeader)


class ValueTests(SynchronousTestCase):
    """Type-length-values by themselves."""

    @given(values=tlvs)
    def test_round_trip(self, values: list[Tlv]) -> None:
        """What is joined is split again."""
        self.assertEqual(split(joined(values)), tuple(values))

    @given(data=st.binary(max_size=50))
    def test_anything(self, data: bytes) -> None:
        """Bytes are values that fill them, or none."""
        found = split(data)
        if found is not None:
            self.assertEqual(joined(found), data)

    def test_types(self) -> None:
        """The numbers are those of the specification's section 2.2, and they differ."""
        types = proxy_protocol.ALPN, proxy_protocol.AUTHORITY, CRC32C
        self.assertEqual((*types, proxy_protocol.SSL), (0x01, 0x02, 0x03, 0x20))
        names = ("VERSION", "CN", "CIPHER", "SIG_ALG", "KEY_ALG", "CLIENT_CERT")
        below = [getattr(proxy_protocol, f"SSL_{name}") for name in names]
        self.assertEqual(below, [0x21, 0x22, 0x23, 0x24, 0x25, 0x28])
