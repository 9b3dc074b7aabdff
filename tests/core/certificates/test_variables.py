"""Certificate variables."""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
from datetime import UTC, datetime
from urllib.parse import quote

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError, Element
from agwtwisted.core.certificates.reading import to_be_signed
from agwtwisted.core.certificates.variables import (
    BAD_TIME,
    CertificateVariables,
    alternative_names,
    certificate_variables,
    printed_time,
    url_encoded_pem,
)
from tests import pki
from tests.pki import tlv
from tests.strategies import UTF8, certificate, certificates, damaged, identifier, integer, simple_name, string
from tests.strategies import alternative_names as san

PRINTABLE_ASCII = re.compile(rb"[ -~]*")


def read(variables: CertificateVariables) -> dict[str, bytes]:
    """The variables that depend on reading the certificate."""
    return {field: getattr(variables, field) for field in UNREADABLE}


UNREADABLE = {"subject": b"", "issuer": b"", "serial": b"", "start_date": b"", "end_date": b""}


class CertificateVariablesTests(SynchronousTestCase):
    """The variables of a whole certificate."""

    def test_an_ordinary_certificate(self) -> None:
        """Every variable has the product's form."""
        authority = pki.Authority.root(pki.name("Devices, Inc.", country_name="US"))
        der = authority.issue(
            pki.name("device-1", organization_name="Contoso"),
            serial=0x184487C4436B56824CCCA9B809653FC9,
            not_before=datetime(2023, 4, 30, 15, 32, tzinfo=UTC),
            not_after=datetime(2063, 5, 1, 5, 2, 9, tzinfo=UTC),
        ).der
        found = certificate_variables(der)
        expected = {
            "subject": b"CN=device-1,O=Contoso",
            "issuer": rb"CN=Devices\, Inc.,C=US",
            "serial": b"184487C4436B56824CCCA9B809653FC9",
            "start_date": b"Apr 30 15:32:00 2023 GMT",
            "end_date": b"May  1 05:02:09 2063 GMT",
        }
        self.assertEqual(read(found), expected)
        self.assertEqual(found.certificate, quote(ssl.DER_cert_to_PEM_cert(der), safe="").encode())
        self.assertEqual(found.fingerprint, hashlib.sha1(der).hexdigest().encode())

    def test_version_1(self) -> None:
        """A certificate without version and extensions is read like any other."""
        variables = certificate_variables(pki.self_signed("old", version=1, serial=5).der)
        self.assertEqual((variables.subject, variables.serial), (b"CN=old", b"05"))

    def test_what_cryptography_refuses(self) -> None:
        """Month 13, an unknown version, a negative serial number and a torn extension leave the rest readable."""
        der = certificate(
            version=b"\xa0\x03\x02\x01\x09",
            serial=integer(-2),
            subject=simple_name(("2.5.4.3", string(UTF8, "odd"))),
            validity=tlv(0x30, pki.utc_time(b"231301000000Z"), pki.utc_time(b"491231235959Z")),
            extensions=[tlv(0x30, b"\5\0")],
        )
        expected = {"subject": b"CN=odd", "issuer": b"", "serial": b"-02", "start_date": BAD_TIME}
        self.assertEqual(read(certificate_variables(der)), {**expected, "end_date": b"Dec 31 23:59:59 2049 GMT"})

    def test_one_odd_part_does_not_spoil_the_others(self) -> None:
        """A name that cannot be taken apart is dumped; parts of the wrong type are empty, each by itself."""
        subject = simple_name(("2.5.4.3", string(UTF8, "good")))
        der = certificate(subject=subject, issuer=tlv(0x30, b"\5\0"), serial=b"\5\0", validity=tlv(0x30, b"\5\0"))
        expected = {**UNREADABLE, "subject": b"CN=good", "issuer": b"#0500"}
        self.assertEqual(read(certificate_variables(der)), expected)
        der = certificate(subject=tlv(0x31, subject[2:]), serial=b"\5\1a", validity=tlv(0x30, b"\x17\x09"))
        self.assertEqual(read(certificate_variables(der)), UNREADABLE)
        self.assertEqual(read(certificate_variables(certificate(serial=b"\2\0"))), UNREADABLE)

    def test_too_few_parts(self) -> None:
        """A certificate that says nothing, or not all of it, is not read at all."""
        for parts in ((), (integer(1),), (integer(1), b"\x30\0", b"\x30\0", b"\x30\0")):
            for der in (tlv(0x30, tlv(0x30, *parts)), tlv(0x30, *parts)):
                self.assertEqual(read(certificate_variables(der)), UNREADABLE)
        self.assertEqual(read(certificate_variables(b"\x31" + certificate()[1:])), UNREADABLE)

    def test_every_beginning(self) -> None:
        """Of a certificate that is cut off, itself and its fingerprint are shown, and nothing else."""
        whole = pki.self_signed("device").der
        for end in range(len(whole)):
            variables = certificate_variables(whole[:end])
            self.assertEqual(read(variables), UNREADABLE)
            self.assertEqual(variables.certificate, url_encoded_pem(whole[:end]))
            self.assertEqual(variables.fingerprint, hashlib.sha1(whole[:end]).hexdigest().encode())

    @given(st.one_of(st.binary(max_size=64), certificates(), damaged(certificates())))
    def test_never_raises(self, der: bytes) -> None:
        """Whatever the bytes are, the values are printable ASCII, and certificate and fingerprint are there."""
        variables = certificate_variables(der)
        values = attrs.astuple(variables, filter=attrs.filters.exclude("der"))
        self.assertTrue(all(PRINTABLE_ASCII.fullmatch(value) for value in values))
        self.assertTrue(variables.certificate)
        self.assertEqual(len(variables.fingerprint), 40)

    def test_a_repr_is_short(self) -> None:
        """A certificate in a log line is its names, not its bytes."""
        self.assertNotIn("BEGIN", repr(certificate_variables(pki.self_signed("device").der)))


class UrlEncodedPemTests(SynchronousTestCase):
    """The certificate itself."""

    @given(st.binary(max_size=300))
    def test_is_percent_encoded_pem(self, der: bytes) -> None:
        """PEM with 64 characters a line and a line end behind it, percent-encoded as a URI component."""
        self.assertEqual(
            url_encoded_pem(der), quote(pki.pem_block("CERTIFICATE", der) if der else EMPTY, safe="").encode()
        )


EMPTY = b"-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n"


class SerialTests(SynchronousTestCase):
    """Serial numbers."""

    def test_whole_octets(self) -> None:
        """Upper-case hexadecimal of the number's octets, no 0x, a minus sign before what is negative."""
        for number, text in (
            (0, b"00"), (1, b"01"), (0x7F, b"7F"), (0x80, b"80"), (0xFF, b"FF"), (0x0ABC, b"0ABC"),
            (2**159, b"80" + b"00" * 19), (-1, b"-01"), (-0x7F, b"-7F"), (-0x80, b"-80"),
            (-0x81, b"-81"), (-0x100, b"-0100"),
        ):  # fmt: skip
            self.assertEqual(certificate_variables(certificate(serial=integer(number))).serial, text)

    def test_long(self) -> None:
        """A number of any length stays on one line."""
        der = certificate(serial=tlv(0x02, b"\x11" * 3000))
        self.assertEqual(certificate_variables(der).serial, b"11" * 3000)


class PrintedTimeTests(SynchronousTestCase):
    """Dates."""

    def assert_printed(self, tag: int, times: dict[bytes, bytes]) -> None:
        """Each time of this type is printed so."""
        self.assertEqual({text: printed_time(Element(tag, text)) for text in times}, times)

    def test_utc_time(self) -> None:
        """Years below 50 are in this century; the day is padded with a space."""
        self.assert_printed(
            0x17,
            {
                b"230530153200Z": b"May 30 15:32:00 2023 GMT",
                b"490101000000Z": b"Jan  1 00:00:00 2049 GMT",
                b"500101000000Z": b"Jan  1 00:00:00 1950 GMT",
                b"2305301532Z": b"May 30 15:32:00 2023 GMT",
                b"230101003000+0100": b"Dec 31 23:30:00 2022 GMT",
            },
        )

    def test_generalized_time(self) -> None:
        """Years have four digits, seconds may have a fraction."""
        self.assert_printed(
            0x18,
            {
                b"20500101000000Z": b"Jan  1 00:00:00 2050 GMT",
                b"00010101000000Z": b"Jan  1 00:00:00 1 GMT",
                b"99991231235959Z": b"Dec 31 23:59:59 9999 GMT",
                b"20230101000000.125Z": b"Jan  1 00:00:00.125 2023 GMT",
                b"20231231233000-0045": b"Jan  1 00:15:00 2024 GMT",
            },
        )

    def test_no_time(self) -> None:
        """What is no moment is a bad time, not an exception."""
        for text in (
            b"",
            b"231301000000Z",
            b"230229000000Z",
            b"230101240000Z",
            b"230101000060Z",
            b"230101000000",
            b"Z",
            b"230101000000+1300",
            b"230101000000+0060",
        ):
            self.assertEqual(printed_time(Element(0x17, text)), BAD_TIME)
        self.assertEqual(printed_time(Element(0x18, b"00000229000000Z")), b"Feb 29 00:00:00 0 GMT")
        for text in (b"00000101000000+0100", b"99991231235959-0100", b"00010101000000+0100", b"20230101000000.Z"):
            self.assertEqual(printed_time(Element(0x18, text)), BAD_TIME)

    def test_no_other_type(self) -> None:
        """Another element is not taken for a time."""
        self.assertEqual(printed_time(Element(0x13, b"230530153200Z")), b"")


class ToBeSignedTests(SynchronousTestCase):
    """The parts of a certificate."""

    def test_the_version_is_left_out(self) -> None:
        """The serial number comes first, with a version and without."""
        for version in (b"", b"\xa0\x03\x02\x01\x02"):
            self.assertEqual(to_be_signed(certificate(version=version))[0], Element(0x02, b"\1"))

    @given(st.one_of(st.binary(max_size=64), damaged(certificates())))
    def test_its_own_error_alone(self, der: bytes) -> None:
        """Bytes that are no certificate raise DerError and nothing else."""
        with contextlib.suppress(DerError):
            to_be_signed(der)


class AlternativeNamesTests(SynchronousTestCase):
    """Reading a subjectAltName."""

    def test_uris_and_dns_names(self) -> None:
        """They are as they stand in the certificate, the other kinds are passed over."""
        der = certificate(extensions=[san((2, b"a"), (6, b"u"), (7, b"\1\2\3\4"), (2, b"b\0"), (1, b"m"))])
        self.assertEqual(alternative_names(der), ((b"u",), (b"a", b"b\0")))

    def test_none(self) -> None:
        """A certificate without the extension, or without any, has none."""
        self.assertEqual(alternative_names(certificate()), ((), ()))
        self.assertEqual(alternative_names(certificate(extensions=[tlv(0x30, b"\5\0")])), ((), ()))

    def test_many(self) -> None:
        """However many there are, the last one is there: a client that one of its names shuts out cannot hide it."""
        der = certificate(extensions=[san(*((2, b"%d" % number) for number in range(5000)))])
        self.assertEqual(alternative_names(der)[1][-1], b"4999")

    def test_twice(self) -> None:
        """Two extensions contradict each other: neither counts."""
        self.assertEqual(alternative_names(certificate(extensions=[san((2, b"a")), san((2, b"b"))])), ((), ()))

    def test_torn(self) -> None:
        """An extension that is no sequence of names has none."""
        for value in (b"\x30\x09abc", tlv(0x31, tlv(0x82, b"abc")), b""):
            torn = tlv(0x30, identifier("2.5.29.17"), tlv(0x04, value))
            self.assertEqual(alternative_names(certificate(extensions=[torn])), ((), ()))

    @given(st.one_of(st.binary(max_size=64), damaged(certificates())))
    def test_never_raises(self, der: bytes) -> None:
        """Whatever the bytes are, names or none come back."""
        self.assertEqual(len(alternative_names(der)), 2)
