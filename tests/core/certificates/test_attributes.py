"""Single attributes of certificates."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.attributes import CertificateAttributes, certificate_attributes, fingerprint_sha256
from tests.pki import tlv
from tests.strategies import (
    BMP,
    COMMON_NAME,
    IA5,
    PRINTABLE,
    T61,
    UTF8,
    alternative_names,
    certificate,
    certificates,
    damaged,
    name,
    relative_name,
    simple_name,
    string,
)

ORGANIZATION, UNIT, EMAIL = "2.5.4.10", "2.5.4.11", "1.2.840.113549.1.9.1"


def of_subject(*attributes: tuple[str, bytes]) -> CertificateAttributes:
    """The attributes of a certificate with this subject."""
    return certificate_attributes(certificate(subject=simple_name(*attributes)))


class SubjectTests(SynchronousTestCase):
    """Values of the subject."""

    def test_several_values_in_their_order(self) -> None:
        """Every value of a type is there by itself, in the order of the certificate, also within one relative name."""
        subject = name(
            relative_name((ORGANIZATION, string(UTF8, "Contoso"))),
            relative_name((UNIT, string(UTF8, "Staff")), (UNIT, string(UTF8, "IT"))),
            relative_name((UNIT, string(PRINTABLE, "Lab")), (COMMON_NAME, string(UTF8, "a"))),
        )
        found = certificate_attributes(certificate(subject=subject))
        self.assertEqual(found.organizational_units, (b"Staff", b"IT", b"Lab"))
        self.assertEqual((found.common_names, found.organizations), ((b"a",), (b"Contoso",)))

    def test_a_value_that_looks_like_another_attribute(self) -> None:
        """A common name with a comma and an OU in it is a common name, as it stands, and there is no OU."""
        found = of_subject((COMMON_NAME, string(UTF8, "a,OU=Staff")))
        self.assertEqual((found.common_names, found.organizational_units), ((b"a,OU=Staff",), ()))

    def test_every_string_type_in_utf_8(self) -> None:
        """One text is the same value in each string type that can hold it."""
        for tag in (UTF8, T61, BMP):
            found = of_subject((ORGANIZATION, string(tag, "M\xfcller & Co")))
            self.assertEqual(found.organizations, ("M\xfcller & Co".encode(),), hex(tag))

    def test_what_cannot_be_seen_is_no_honest_name(self) -> None:
        """Control characters, NUL and separators of lines leave a mark that no honest name has."""
        for character in "\0\n\r\x1f\x7f\x85\u2028":
            found = of_subject((UNIT, string(UTF8, f"Staff{character}")))
            self.assertEqual(found.organizational_units, ("Staff\ufffd".encode(),), repr(character))

    def test_what_is_no_string(self) -> None:
        """A value of another type, or with octets that its type cannot have, is there and equals no text."""
        for value, shown in ((tlv(0x02, b"\x01"), b"#01"), (tlv(UTF8, b"\xff"), b"#FF"), (tlv(BMP, b"a"), b"#61")):
            self.assertEqual(of_subject((COMMON_NAME, value)).common_names, (shown,))

    def test_nothing(self) -> None:
        """Empty values are none, the same value counts once, and bytes that are no certificate have none."""
        value = string(UTF8, "a")
        found = of_subject((UNIT, string(UTF8, "")), (COMMON_NAME, value), (COMMON_NAME, value))
        self.assertEqual((found.organizational_units, found.common_names), ((), (b"a",)))
        self.assertEqual(certificate_attributes(b"no certificate"), CertificateAttributes())


class AlternativeNameTests(SynchronousTestCase):
    """Values of subjectAltName."""

    def test_by_kind(self) -> None:
        """DNS names, URIs and addresses are distinguished by their tags."""
        names = alternative_names(
            (2, b"a.example"), (6, b"urn:a"), (1, b"a@example"), (2, b"b.example"), (7, b"\x7f\0\0\1")
        )
        found = certificate_attributes(certificate(extensions=[names]))
        self.assertEqual((found.dns_names, found.uris), ((b"a.example", b"b.example"), (b"urn:a",)))
        self.assertEqual(found.email_addresses, (b"a@example",))

    def test_e_mail_addresses_of_both_places(self) -> None:
        """Those of the alternative names come before those of the subject, each once."""
        subject = simple_name((EMAIL, string(IA5, "c@example")), (EMAIL, string(IA5, "a@example")))
        names = alternative_names((1, b"a@example"), (1, b"b@example"))
        found = certificate_attributes(certificate(subject=subject, extensions=[names]))
        self.assertEqual(found.email_addresses, (b"a@example", b"b@example", b"c@example"))

    def test_beyond_ascii(self) -> None:
        """Octets above 127, which an IA5String cannot have, are read as Latin-1; a NUL leaves a mark."""
        names = alternative_names((2, b"b\xfccher.example"), (2, b"a.example\0.b.example"))
        found = certificate_attributes(certificate(extensions=[names]))
        self.assertEqual(found.dns_names, ("b\xfccher.example".encode(), "a.example\ufffd.b.example".encode()))

    def test_twice(self) -> None:
        """An extension that is there twice says nothing: each reader would take another one."""
        twice = [alternative_names((2, b"a.example")), alternative_names((2, b"b.example"))]
        self.assertEqual(certificate_attributes(certificate(extensions=twice)), CertificateAttributes())


class AnythingTests(SynchronousTestCase):
    """Whatever the bytes are."""

    @given(st.one_of(certificates(), damaged(certificates()), st.binary(max_size=64)))
    def test_values_are_text(self, der: bytes) -> None:
        """Nothing raises, and every value is UTF-8 without control characters."""
        found = certificate_attributes(der)
        for value in (*found.common_names, *found.organizations, *found.dns_names, *found.email_addresses):
            text = value.decode()
            self.assertTrue(text)
            self.assertFalse(any(character < " " or "\x7f" <= character < "\xa0" for character in text))

    def test_fingerprint(self) -> None:
        """SHA-256 in lower-case hexadecimal."""
        self.assertEqual(fingerprint_sha256(b"x"), hashlib.sha256(b"x").hexdigest().encode())
