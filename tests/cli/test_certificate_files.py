"""The certificates of a file that a command sends."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.certificate_files import CertificateFileError, certificates_of
from agwtwisted.core.certificates.pem import read_certificates
from tests.revocations import DEVICE


class CertificateFileTests(SynchronousTestCase):
    """Their PEM."""

    def test_certificates_alone(self) -> None:
        """All certificates in their order, of PEM or DER, and nothing else of the file."""
        file = Path(self.mktemp())
        for data, ders in ((DEVICE.key_pem + DEVICE.chain_pem, DEVICE.chain_der[:2]), (DEVICE.der, (DEVICE.der,))):
            file.write_bytes(data)
            pem = certificates_of(str(file))
            self.assertNotIn("KEY", pem)
            found = [each.der for each in read_certificates(pem.encode(), "sent").encoded]
            self.assertEqual(found, list(ders))

    def test_none(self) -> None:
        """A file that is not there, or without a certificate, is an error."""
        empty = Path(self.mktemp())
        empty.write_bytes(DEVICE.key_pem)
        for file in (str(empty), "none.pem"):
            with self.assertRaises(CertificateFileError):
                certificates_of(file)
