"""What extensions say."""

from __future__ import annotations

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates import extensions
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.reading import Certificate
from tests import pki
from tests.odd import NULL, extension, odd_certificate, sequence
from tests.pki import tlv
from tests.strategies import identifier

ROOT = pki.Authority.root("Root")


def holding(dotted: str, value: bytes) -> Certificate:
    """A certificate with this extension alone."""
    return Certificate.read(odd_certificate(extensions=(extension(dotted, value),)))


class ReadingTests(SynchronousTestCase):
    """One extension after the other."""

    def test_ordinary_ones(self) -> None:
        """A CA and a leaf say what they were made to say."""
        leaf = ROOT.issue(ocsp_url="http://o.example/")
        above, below = ROOT.parsed, leaf.parsed
        self.assertEqual([extensions.is_authority(each) for each in (above, below)], [True, False])
        self.assertEqual(extensions.key_usage(below), extensions.DIGITAL_SIGNATURE)
        self.assertEqual(extensions.key_usage(above), 0x86)
        self.assertEqual(extensions.purposes(below), {extensions.CLIENT_AUTH})
        self.assertEqual(extensions.key_identifier(above), extensions.issuer_key_identifier(below))
        self.assertEqual(extensions.ocsp_urls(below), ("http://o.example/",))

    def test_none_at_all(self) -> None:
        """What is not there says nothing."""
        bare = Certificate.read(odd_certificate(extensions=None))
        self.assertFalse(extensions.is_authority(bare))
        for read in (extensions.key_usage, extensions.purposes, extensions.key_identifier):
            self.assertIsNone(read(bare))
        self.assertIsNone(extensions.issuer_key_identifier(bare))
        self.assertEqual((extensions.authority_key_identifier(bare), extensions.constrains_names(bare)), ({}, False))
        self.assertEqual((extensions.ocsp_urls(bare), extensions.policies(bare)), ((), frozenset()))
        self.assertFalse(extensions.has_unknown_qualifier(bare))

    def test_bits(self) -> None:
        """Unused bits do not count, nor do the octets after the first; no bits are none."""
        for value, wanted in (
            (b"\x03\x02\x07\x80", 0x80),
            (b"\x03\x02\x07\xff", 0x80),
            (b"\x03\x03\x07\xff\xff", 0xFF),
            (b"\x03\x04\0\x80\0\0", 0x80),
            (b"\x03\x01\0", 0),
            (b"\x03\x02\x07\x80\0\0", 0x80),
            (tlv(0x23, b"\x03\x02\x02\x86"), 0x84),
        ):
            self.assertEqual(extensions.key_usage(holding("2.5.29.15", value)), wanted, value)
        for value in (b"", b"\x03\0", b"\x03\x02\x08\x80", b"\x04\x02\0\x80", b"\x03\x05\0"):
            self.assertRaises(DerError, extensions.key_usage, holding("2.5.29.15", value))

    def test_authorities(self) -> None:
        """cA is true where it is any octet but zero, and false where it is left out, or a length stands alone."""
        for value, wanted in (
            (sequence(b"\x01\x01\xff"), True),
            (sequence(b"\x01\x01\x01"), True),
            (sequence(b"\x01\x01\0"), False),
            (sequence(), False),
            (sequence(b"\x02\x01\0"), False),
        ):
            self.assertIs(extensions.is_authority(holding("2.5.29.19", value)), wanted, value)
        for value in (b"", NULL, sequence(b"\x01\0"), sequence(b"\x01\x02\xff\xff")):
            self.assertRaises(DerError, extensions.is_authority, holding("2.5.29.19", value))

    def test_path_lengths(self) -> None:
        """pathLenConstraint is the first number of basicConstraints, with its sign; most have none."""
        for value, wanted in (
            (sequence(b"\x01\x01\xff", b"\x02\x01\x03"), 3),
            (sequence(b"\x02\x01\xff"), -1),
            (sequence(b"\x02\x02\x01\0", b"\x02\x01\x05"), 256),
            (sequence(b"\x01\x01\xff"), None),
        ):
            self.assertEqual(extensions.path_length(holding("2.5.29.19", value)), wanted, value)
        self.assertRaises(DerError, extensions.path_length, holding("2.5.29.19", NULL))
        self.assertIsNone(extensions.path_length(Certificate.read(odd_certificate(extensions=None))))

    def test_authority_key_identifiers(self) -> None:
        """Its parts by their tags, of which each may be missing."""
        value = sequence(tlv(0x80, b"key"), tlv(0xA1, b"names"), tlv(0x82, b"\7"))
        found = extensions.authority_key_identifier(holding("2.5.29.35", value))
        self.assertEqual(found, {0x80: b"key", 0xA1: b"names", 0x82: b"\7"})
        self.assertEqual(extensions.authority_key_identifier(holding("2.5.29.35", sequence())), {})
        self.assertRaises(DerError, extensions.authority_key_identifier, holding("2.5.29.35", NULL))

    def test_name_constraints(self) -> None:
        """They constrain whatever they hold."""
        self.assertTrue(extensions.constrains_names(holding("2.5.29.30", b"")))
        self.assertFalse(extensions.constrains_names(ROOT.parsed))

    def test_responders(self) -> None:
        """Only URIs of the OCSP method count, in their order, and none with an octet that no URI has."""
        ocsp, issuers = identifier("1.3.6.1.5.5.7.48.1"), identifier("1.3.6.1.5.5.7.48.2")
        entries = (
            sequence(ocsp, tlv(0x86, b"http://a/")),
            sequence(issuers, tlv(0x86, b"http://b/")),
            sequence(ocsp, tlv(0x82, b"c")),
            sequence(ocsp, tlv(0x86, b"http://\xe9/")),
            sequence(ocsp, tlv(0xA6, tlv(0x16, b"http:"), tlv(0x16, b"//d/"))),
        )
        found = extensions.ocsp_urls(holding("1.3.6.1.5.5.7.1.1", sequence(*entries)))
        self.assertEqual(found, ("http://a/", "http://d/"))
        self.assertRaises(DerError, extensions.ocsp_urls, holding("1.3.6.1.5.5.7.1.1", b"zz"))

    def test_policies(self) -> None:
        """Their names are read whatever qualifies them; which qualifiers are known is another question."""
        cps, unknown = identifier("1.3.6.1.5.5.7.2.1"), identifier("1.2.3.5")
        for qualifiers, wanted in (((), False), ((sequence(cps, NULL),), False), ((sequence(unknown, NULL),), True)):
            value = sequence(sequence(identifier("1.2.3.4"), sequence(*qualifiers)))
            certificate = holding("2.5.29.32", value)
            self.assertEqual(extensions.policies(certificate), {identifier("1.2.3.4")[2:]})
            self.assertIs(extensions.has_unknown_qualifier(certificate), wanted)
        for value in (b"zz", sequence(sequence()), sequence(sequence(NULL))):
            self.assertRaises(DerError, extensions.policies, holding("2.5.29.32", value))

    def test_the_names_are_those_of_rfc_5280(self) -> None:
        """Identifiers here and in cryptography are the same."""
        oid = x509.ExtensionOID
        for ours, theirs in (
            (extensions.BASIC_CONSTRAINTS, oid.BASIC_CONSTRAINTS),
            (extensions.KEY_USAGE, oid.KEY_USAGE),
            (extensions.SUBJECT_ALTERNATIVE_NAME, oid.SUBJECT_ALTERNATIVE_NAME),
            (extensions.NAME_CONSTRAINTS, oid.NAME_CONSTRAINTS),
            (extensions.CRL_DISTRIBUTION_POINTS, oid.CRL_DISTRIBUTION_POINTS),
            (extensions.CERTIFICATE_POLICIES, oid.CERTIFICATE_POLICIES),
            (extensions.POLICY_MAPPINGS, oid.POLICY_MAPPINGS),
            (extensions.POLICY_CONSTRAINTS, oid.POLICY_CONSTRAINTS),
            (extensions.EXTENDED_KEY_USAGE, oid.EXTENDED_KEY_USAGE),
            (extensions.INHIBIT_ANY_POLICY, oid.INHIBIT_ANY_POLICY),
            (extensions.SUBJECT_KEY_IDENTIFIER, oid.SUBJECT_KEY_IDENTIFIER),
            (extensions.AUTHORITY_KEY_IDENTIFIER, oid.AUTHORITY_KEY_IDENTIFIER),
            (extensions.AUTHORITY_INFORMATION_ACCESS, oid.AUTHORITY_INFORMATION_ACCESS),
            (extensions.OCSP_NO_CHECK, oid.OCSP_NO_CHECK),
            (extensions.CLIENT_AUTH, pki.CLIENT_AUTH),
            (extensions.OCSP_SIGNING, pki.OCSP_SIGNING),
        ):
            self.assertEqual(identifier(theirs.dotted_string)[2:], ours, theirs)
