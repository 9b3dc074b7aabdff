"""`agwtwisted.core.certificates.der`: strict, bounded, and only its own error."""

from __future__ import annotations

from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates import der
from tests import pki


class ElementsTests(SynchronousTestCase):
    """`elements` and `only_element`."""

    @given(st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=300)), max_size=5))
    @example([(0x10, b"x" * size) for size in (0, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000)])
    def test_what_was_encoded_is_read_back(self, wanted: list[tuple[int, bytes]]) -> None:
        """Elements of any length come back with tag and contents, in order."""
        data = b"".join(pki.tlv(tag, content) for tag, content in wanted)
        self.assertEqual([(element.tag, element.content) for element in der.elements(data)], wanted)

    @given(st.binary(max_size=200))
    def test_only_its_own_error_comes_out(self, data: bytes) -> None:
        """Any bytes are elements, which are the same in DER, or a DerError."""
        try:
            found = der.elements(data)
        except der.DerError:
            return
        self.assertEqual(der.elements(b"".join(der.encoded(each.tag, each.content) for each in found)), found)

    def test_every_beginning_of_a_name_is_refused(self) -> None:
        """A name cut anywhere is truncated, not half a name."""
        data = pki.name("device", organization_name="Contoso" * 30).public_bytes()
        self.assertEqual(len(der.elements(der.only_element(data, der.SEQUENCE))), 2)
        for end in range(1, len(data)):
            with self.assertRaises(der.DerError):
                der.elements(data[:end])

    def test_lengths_that_are_not_der(self) -> None:
        """A length that is not minimal, and an indefinite one, are read as OpenSSL reads them."""
        for data, content in (
            (b"\x04\x81\x01x", b"x"),
            (b"\x04\x82\x00\x80" + b"x" * 0x80, b"x" * 0x80),
            (b"\x04\x88\0\0\0\0\0\0\0\x01x", b"x"),
            (b"\x30\x80\0\0", b""),
            (b"\x30\x80\x05\0\0\0", b"\x05\0"),
            (b"\x30\x80\x30\x80\x04\x02\0\0\0\0\0\0", b"\x30\x80\x04\x02\0\0\0\0"),
        ):
            wanted = (der.Element(data[0], content), der.Element(0x05, b""))
            self.assertEqual(der.elements(data + b"\x05\0"), wanted, data.hex())
            self.assertEqual(der.first_encoding(data + b"\x05\0"), data)

    def test_what_is_nothing(self) -> None:
        """Lengths beyond the end, missing end marks, end marks of what is not constructed, and tag numbers above 30."""
        for data in (
            b"\x04\x80\0\0",
            b"\x30\x80",
            b"\x30\x80\0",
            b"\x30\x80\x30\x80\0\0",
            b"\x30\x80\x04\x05\0\0",
            b"\x1f\x01\0",
            b"\x04\x85\0\0\0\x01\x01x",
            b"\x04\x84\xff\xff\xff\xff",
            b"\x04",
            b"\x04\x82\x01",
        ):
            with self.assertRaises(der.DerError, msg=data.hex()):
                der.elements(data)
        for read in (der.first_element, der.first_encoding):
            self.assertRaises(der.DerError, read, b"")
        self.assertRaises(der.DerError, der.first_of, b"\x05\0", der.SEQUENCE)

    def test_strings_in_pieces(self) -> None:
        """The pieces are joined, to the depth that OpenSSL goes."""
        string = der.Element(0x24, b"\x04\1a\x24\x80\x04\1b\x0c\1c\0\0")
        self.assertEqual(der.string_octets(string), b"abc")
        self.assertEqual(der.string_octets(der.Element(0x04, b"a")), b"a")
        for levels in (der.MAX_PIECES, der.MAX_PIECES + 1):
            data = b"\x04\1a"
            for _ in range(levels):
                data = der.encoded(0x24, data)
            nested = der.first_element(data)
            if levels == der.MAX_PIECES:
                self.assertEqual(der.string_octets(nested), b"a")
            else:
                self.assertRaises(der.DerError, der.string_octets, nested)

    def test_the_number_of_elements_is_bounded(self) -> None:
        """One element more than the limit is refused."""
        self.assertEqual(len(der.elements(b"\x05\0" * der.MAX_ELEMENTS)), der.MAX_ELEMENTS)
        with self.assertRaises(der.DerError):
            der.elements(b"\x05\0" * (der.MAX_ELEMENTS + 1))

    def test_one_element_and_nothing_else(self) -> None:
        """`only_element` refuses nothing, another tag, and bytes after the element."""
        self.assertEqual(der.only_element(b"\x30\x01x", der.SEQUENCE), b"x")
        for data in (b"", b"\x31\x01x", b"\x30\x01x\x05\0"):
            with self.assertRaises(der.DerError, msg=data.hex()):
                der.only_element(data, der.SEQUENCE)


class ObjectIdentifierTests(SynchronousTestCase):
    """`object_identifier`."""

    def test_known_identifiers(self) -> None:
        """Small, large and many-octet arcs print as cryptography prints them."""
        for dotted in (
            "2.5.4.3",
            "1.2.840.113549.1.9.1",
            "2.999.1",
            "0.9.2342.19200300.100.1.1",
            "0.0",
            "1.39",
            "2.40.1",
        ):
            first, second, *rest = map(int, dotted.split("."))
            content = b"".join(pki._base128(arc) for arc in (first * 40 + second, *rest))
            self.assertEqual(der.object_identifier(content), dotted)
            self.assertEqual(x509.ObjectIdentifier(dotted).dotted_string, dotted)

    @given(st.binary(max_size=80))
    def test_only_its_own_error_comes_out(self, content: bytes) -> None:
        """Any contents are an identifier, which encodes to the same contents, or a DerError."""
        try:
            dotted = der.object_identifier(content)
        except der.DerError:
            return
        first, second, *rest = map(int, dotted.split("."))
        self.assertEqual(b"".join(pki._base128(arc) for arc in (first * 40 + second, *rest)), content)

    def test_bad_identifiers(self) -> None:
        """Empty, truncated, padded and endless identifiers are errors."""
        for content in (b"", b"\x55\x84", b"\x55\x80\x01", b"\x55" + b"\x81" * 63 + b"\x01"):
            with self.assertRaises(der.DerError, msg=content.hex()):
                der.object_identifier(content)
