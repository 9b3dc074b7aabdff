"""Certificates from PKCS #7 bundles."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.pkcs7 import is_bundle, read_bundles
from tests import pki

ROOT = pki.Authority.root("Root")
FIRST = ROOT.intermediate("First")
CERTIFICATES = [FIRST.certificate, ROOT.certificate]
DER = pkcs7.serialize_certificates(CERTIFICATES, Encoding.DER)
PEM = pkcs7.serialize_certificates(CERTIFICATES, Encoding.PEM)


def in_ber(bundle: bytes) -> bytes:
    """The same with an outermost SEQUENCE of indefinite length (X.690 section 8.1.3.6)."""
    header = 2 if bundle[1] < 0x80 else 2 + (bundle[1] & 0x7F)
    return b"\x30\x80" + bundle[header:] + b"\0\0"


class ReadTests(SynchronousTestCase):
    """What a file holds."""

    def test_every_form(self) -> None:
        """DER, BER, PEM under each of its labels with text around it, base64 of DER."""
        cms = PEM.replace(b"PKCS7", b"CMS")
        for data in (DER, in_ber(DER), PEM, b"subject=x\r\n" + cms.replace(b"\n", b"\r\n"), base64.encodebytes(DER)):
            self.assertEqual(set(read_bundles(data) or ()), set(CERTIFICATES), data[:20])

    def test_several(self) -> None:
        """A file may hold more than one."""
        one, other = (pkcs7.serialize_certificates([each], Encoding.PEM) for each in CERTIFICATES)
        self.assertEqual(read_bundles(one + other), tuple(CERTIFICATES))

    def test_other_files(self) -> None:
        """Certificates, keys, text and nothing are no bundles."""
        for data in (b"", b"x", ROOT.pem, ROOT.der, FIRST.issue().key_pem, b"\x30", DER[1:]):
            self.assertIsNone(read_bundles(data))

    def test_broken(self) -> None:
        """A bundle that cannot be read is an error, and no file without certificates."""
        for data in (DER[:-1], DER[:40], PEM.replace(b"MI", b"!!", 1), b"-----BEGIN CMS-----\n\n-----END CMS-----"):
            self.assertRaises(ValueError, read_bundles, data)

    def test_enveloped(self) -> None:
        """Other content under a label of bundles is refused as well."""
        other = DER.replace(bytes.fromhex("2a864886f70d010702"), bytes.fromhex("2a864886f70d010703"), 1)
        self.assertFalse(is_bundle(other))
        text = b"-----BEGIN PKCS7-----\n" + base64.encodebytes(other) + b"-----END PKCS7-----\n"
        self.assertRaises(ValueError, read_bundles, text)
