"""Certificates, read in every form that OpenSSL takes."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError, Element
from agwtwisted.core.certificates.reading import Certificate, certificate_of, moment, signature_of, to_be_signed
from tests import odd, pki
from tests.strategies import certificate, certificates, damaged

ROOT = pki.Authority.root("Root")


class ReadTests(SynchronousTestCase):
    """`Certificate.read`."""

    def test_an_ordinary_certificate(self) -> None:
        """Every part is the one that was written."""
        leaf = ROOT.issue("device", serial=0x0ABC)
        found = Certificate.read(leaf.der)
        self.assertEqual(
            (found.serial, found.not_before, found.not_after), (b"\x0a\xbc", pki.NOT_BEFORE, pki.NOT_AFTER)
        )
        self.assertEqual((pki.tlv(0x30, found.issuer), pki.tlv(0x30, found.subject)), (ROOT.subject, leaf.subject))
        self.assertEqual(pki.tlv(0x30, found.public_key), pki._public(leaf.key))
        self.assertEqual([each.critical for each in found.extensions], [True, True, False, False, False])

    def test_odd_ones(self) -> None:
        """What OpenSSL verifies is read, whatever is odd about it, and the odd part does not hide the others."""
        for what, leaf in odd.leaves(odd.SERVED):
            found = certificate_of(leaf.der)
            assert found is not None, what
            self.assertEqual(found.not_after.year, 2049, what)

    def test_nothing_else(self) -> None:
        """Rubbish, parts that are missing or of another type, and octets behind the certificate are none."""
        whole = ROOT.issue().der
        for rubbish in (b"", b"\0", b"\x30\0", whole[:-1], whole + b"\0", odd.odd_certificate(serial=b"\x04\1a")):
            self.assertIsNone(certificate_of(rubbish))
        for extension in (b"\x30\0", odd.NULL, odd.sequence(odd.NULL, odd.NULL), odd.sequence(b"\x06\1\x2a", odd.NULL)):
            self.assertIsNone(certificate_of(odd.odd_certificate(extensions=(extension,))), extension)

    def test_an_extension_twice(self) -> None:
        """To ask for it is an error; for the others it is not."""
        found = Certificate.read(ROOT.issue(extra=[pki.key_usage("digital_signature")]).der)
        self.assertRaises(DerError, found.extension, b"\x55\x1d\x0f")
        self.assertIsNotNone(found.extension(b"\x55\x1d\x25"))
        self.assertIsNone(found.extension(b"\x55\x1d\x11"))

    def test_what_was_signed(self) -> None:
        """It is as it stands there, whatever the form of its length."""
        for wrap in (
            odd.sequence,
            lambda parts: odd.long_length(0x30, parts),
            lambda parts: odd.end_marked(0x30, parts),
        ):
            der = odd.odd_certificate(wrap=wrap)
            signed, signature = signature_of(Certificate.read(der))
            self.assertIn(signed, der)
            self.assertTrue(der.endswith(signature))

    @given(st.one_of(certificates(), damaged(certificates()), st.binary(max_size=64)))
    def test_never_raises(self, der: bytes) -> None:
        """Any bytes are a certificate, or None."""
        found = certificate_of(der)
        if found is not None:
            self.assertEqual(found.der, der)


class RememberedTests(SynchronousTestCase):
    """What strangers send is remembered where it is short."""

    def test_parts(self) -> None:
        """The parts of a certificate are found once, but for those of a long one, which are found each time."""
        for octets, is_known in ((100, True), (9000, False)):
            der = certificate(public_key=pki.tlv(0x30, bytes(octets)))
            first, second = to_be_signed(der), to_be_signed(der)
            self.assertEqual((first == second, first is second), (True, is_known))


class MomentTests(SynchronousTestCase):
    """`moment`."""

    def test_both_forms(self) -> None:
        """Of a UTCTime, years below 50 are of this century; the year 0 is the year 1."""
        for tag, octets, wanted in (
            (0x17, b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
            (0x17, b"500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
            (0x18, b"20200229120000Z", datetime(2020, 2, 29, 12, tzinfo=UTC)),
            (0x18, b"00000101000000Z", datetime(1, 1, 1, tzinfo=UTC)),
            (0x18, b"99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ):
            self.assertEqual(moment(Element(tag, octets)), wanted)

    def test_what_is_none(self) -> None:
        """Neither what OpenSSL verifies nothing with, nor other types, nor digits of other scripts."""
        for tag, octets in (
            (0x17, b"250230000000Z"),
            (0x17, b"251301000000Z"),
            (0x17, b"2501010000Z"),
            (0x17, b"250101000000+0100"),
            (0x17, b"250101000060Z"),
            (0x17, b"250101000000Z\n"),
            (0x17, b""),
            (0x18, b"20250101000000.5Z"),
            (0x18, b"250101000000Z"),
            (0x13, b"250101000000Z"),
        ):
            self.assertRaises(DerError, moment, Element(tag, octets))
