"""`agwtwisted.core.certificates.name_comparison`: which names are the same, and which only look it."""

from __future__ import annotations

import contextlib
import itertools
import unicodedata

from cryptography import x509
from cryptography.x509.name import _ASN1Type as StringType
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.name_comparison import _folded, normalised_name
from tests import pki

CN, O = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME  # noqa: E741 - as the attribute is called
CN_DER, O_DER = b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x0a"
UTF8, PRINTABLE, TELETEX, IA5, UNIVERSAL, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E


def attribute(kind: bytes, tag: int, value: bytes) -> bytes:
    """An AttributeTypeAndValue."""
    return pki.tlv(0x30, kind, pki.tlv(tag, value))


def name(*relatives: tuple[bytes, ...]) -> bytes:
    """A Name of these RDNs, each of these attributes, in the order given (DER or not)."""
    return pki.tlv(0x30, *(pki.tlv(0x31, *relative) for relative in relatives))


def common_name(tag: int, value: bytes) -> bytes:
    """The normal form of a Name that is a common name alone."""
    return normalised_name(name((attribute(CN_DER, tag, value),)))


class SameTests(SynchronousTestCase):
    """Names that differ in what does not count."""

    def test_string_type_case_and_white_space_do_not_count(self) -> None:
        """One issuer written in six string types, two cases and three spacings is one name."""
        wanted = common_name(UTF8, b"Test CA")
        for tag, encoding in ((PRINTABLE, "ascii"), (TELETEX, "latin-1"), (IA5, "ascii"), (UNIVERSAL, "utf-32-be"),
                              (BMP, "utf-16-be"), (UTF8, "utf-8")):  # fmt: skip
            for text in ("Test CA", "TEST ca", "  test \t\n ca "):
                self.assertEqual(common_name(tag, text.encode(encoding)), wanted, (tag, text))

    def test_letters_beyond_ascii_fold(self) -> None:
        """Case and compatibility forms of other scripts, and decomposed accents."""
        for one, other in (
            ("ÄRGER", "ärger"),
            ("Straße", "STRASSE"),
            ("É", "e\u0301"),
            ("\uff23\uff21", "ca"),
            ("\u03d2", "\u03c5"),
        ):
            self.assertEqual(common_name(UTF8, one.encode()), common_name(BMP, other.encode("utf-16-be")), one)

    def test_the_order_within_a_multi_valued_rdn_does_not_count(self) -> None:
        """An RDN is a set."""
        attributes = [attribute(O_DER, UTF8, value) for value in map(bytes, itertools.combinations(b"abcdefgh", 4))]
        self.assertEqual(normalised_name(name(tuple(attributes))), normalised_name(name(tuple(reversed(attributes)))))

    def test_cryptography_and_our_reader_agree_on_ordinary_names(self) -> None:
        """The same name in PrintableString and UTF8String."""
        names = [
            x509.Name([x509.NameAttribute(O, "Contoso", kind), x509.NameAttribute(CN, "Device CA", kind)])
            for kind in (StringType.UTF8String, StringType.PrintableString)
        ]
        self.assertEqual(*(normalised_name(each.public_bytes()) for each in names))


class DifferentTests(SynchronousTestCase):
    """Names that only look alike."""

    def test_order_of_rdns_grouping_and_types_count(self) -> None:
        """A/B, B/A, A+B, A, the empty name and other attribute types are all different."""
        cn, o = attribute(CN_DER, UTF8, b"a"), attribute(O_DER, UTF8, b"b")
        names = [
            name((cn,), (o,)), name((o,), (cn,)), name((cn, o)), name((cn,)), name((cn,), (cn,)), name(),
            name((attribute(O_DER, UTF8, b"a"),)), name((attribute(CN_DER, UTF8, b"b"),)),
            name((attribute(CN_DER, UTF8, b"a, o=b"),)), name((attribute(CN_DER, UTF8, b"a/o=b"),)),
        ]  # fmt: skip
        self.assertEqual(len({normalised_name(each) for each in names}), len(names))

    def test_invisible_characters_count(self) -> None:
        """NUL, separators, soft hyphen, zero-width space and the like make another name, in every string type."""
        plain = {common_name(UTF8, b"victim"), common_name(UTF8, b"vic tim")}
        for character in ("\0", "\x1f", "\xad", "\u200b", "\u202e", "\x1b", "\ue000", "\U0010ffff", "\U000e0041"):
            text = f"vic{character}tim"
            forms = {common_name(UTF8, text.encode()), common_name(UNIVERSAL, text.encode("utf-32-be"))}
            self.assertFalse(plain & forms, repr(character))

    def test_undecodable_and_other_types_are_compared_byte_by_byte(self) -> None:
        """Bad UTF-8, half a character and an integer equal themselves and nothing else."""
        forms = [common_name(tag, value) for tag, value in (
            (UTF8, b"\xff"), (TELETEX, b"\xff"), (0x02, b"a"), (0x02, b"A"), (UTF8, b"a"),
            (BMP, b"\0a\0"),
        )]  # fmt: skip
        self.assertEqual(len(set(forms)), len(forms))

    def test_many_combining_characters(self) -> None:
        """Thirty in a row are put in order; more, which cost by their square, are compared as they stand."""
        for below, above in (("\u0323", "\u0301"), ("\u0f73", "\u0301")):
            for pairs, same in ((15, True), (16, False), (600, False)):
                text = "a" + (below + above) * pairs
                ordered = "a" + below * pairs + above * pairs
                forms = [common_name(UTF8, each.encode()) for each in (text, ordered)]
                self.assertEqual(forms[0] == forms[1], same, (below, pairs))
        apart = ("a" + "\u0301\u0323" * 15) * 50
        self.assertEqual(common_name(UTF8, apart.encode()), common_name(UTF8, apart.upper().encode()))

    def test_characters_that_grow(self) -> None:
        """A text that would grow to more than four times its length is compared as it stands; a few such are not it."""
        for text, same in (("\ufdfa" * 900, False), ("abcdefgh" * 4 + "\ufdfa", True), ("\u1f82" * 900, True)):
            forms = [common_name(UTF8, each.encode()) for each in (text, unicodedata.normalize("NFKD", text))]
            self.assertEqual(forms[0] == forms[1], same, text[-1])


class AnythingTests(SynchronousTestCase):
    """Bytes from anywhere."""

    def test_what_is_no_name_is_refused(self) -> None:
        """Wrong tags, empty sets, attributes of one or three parts, and bytes after the end."""
        good = attribute(CN_DER, UTF8, b"a")
        for data in (
            b"",
            pki.tlv(0x31),
            name((good,)) + b"\0",
            name(()),
            pki.tlv(0x30, good),
            pki.tlv(0x30, pki.tlv(0x30, good)),
            name((pki.tlv(0x31, CN_DER, pki.tlv(UTF8)),)),
            name((pki.tlv(0x30, CN_DER),)),
            name((pki.tlv(0x30, pki.tlv(UTF8), CN_DER),)),
            name((pki.tlv(0x30, CN_DER, pki.tlv(UTF8), pki.tlv(UTF8)),)),
        ):
            with self.assertRaises(DerError, msg=data.hex()):
                normalised_name(data)

    @given(st.binary(max_size=60), st.integers(0, 30))
    def test_any_value_has_a_normal_form(self, value: bytes, tag: int) -> None:
        """No string, however broken, raises."""
        self.assertTrue(common_name(tag, value))

    @given(st.text(max_size=20))
    def test_folding_is_idempotent(self, text: str) -> None:
        """A folded name folds to itself."""
        twice = _folded(_folded(text))
        self.assertEqual(_folded(twice), twice)

    @given(st.binary(max_size=80))
    def test_only_its_own_error_comes_out(self, data: bytes) -> None:
        """Any bytes are a name or a DerError."""
        with contextlib.suppress(DerError):
            self.assertIsInstance(normalised_name(data), bytes)
