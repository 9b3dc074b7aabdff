"""Lists from files, in DER and in PEM."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.crl_encodings import CrlFileError, encoded_lists, encoded_lists_in_steps
from tests import pki
from tests.crls import Crl, Listed

ISSUER = pki.Authority.root("Root")
FIRST = Crl(signer=ISSUER)
SECOND = Crl(signer=ISSUER, number=2, entries=[Listed(serial=number) for number in range(1, 9000)])


class CrlFileTests(SynchronousTestCase):
    """`encoded_lists`."""

    def test_der(self) -> None:
        """A file in DER is the list itself."""
        data = FIRST.der()
        self.assertEqual(encoded_lists(data), (data,))

    def test_pem(self) -> None:
        """A file in PEM may have several, beside text and certificates, with either end of lines."""
        first, second = FIRST.pem(), SECOND.pem()
        text = b"\xef\xbb\xbfOf the CA\n" + first + ISSUER.pem + second.replace(b"\n", b"\r\n") + b"the end"
        found = encoded_lists(text)
        self.assertEqual([len(each) for each in found], [len(each) for each in map(crl_der, (first, second))])

    def test_steps(self) -> None:
        """A long list is decoded in portions, to the same octets."""
        data = SECOND.pem()
        self.assertGreater(len(list(encoded_lists_in_steps(data))), 3)
        self.assertEqual(encoded_lists(data), (crl_der(data),))

    def test_no_list(self) -> None:
        """Files without a list are an error."""
        for data in (b"", b"0", b"<html>", ISSUER.pem, b"\xff\xfe-\0-\0"):
            with self.assertRaises(CrlFileError):
                encoded_lists(data)

    def test_broken_blocks(self) -> None:
        """A block that does not end, or that is not base64, is an error, wherever it breaks."""
        whole = SECOND.pem()
        begin, end = b"-----BEGIN X509 CRL-----\n", b"-----END X509 CRL-----\n"
        for data in (
            whole.removesuffix(end),
            whole.replace(b"END X509 CRL", b"END CERTIFICATE"),
            begin + begin + whole,
            begin + end,
            begin + b"AAA" + end,
            begin + b"AAAAA" + end,
            begin + b"AA==AAAA" + end,
            begin + b"AAA=" + b"\n" * 70_000 + b"AAAA" + end,
            begin + b"AA!A" + end,
            whole[:100_000] + b"\x80" + whole[100_000:],
        ):
            with self.assertRaises(CrlFileError):
                encoded_lists(data)

    def test_many(self) -> None:
        """There is a bound of lists in a file."""
        with self.assertRaises(CrlFileError):
            encoded_lists(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n" * 1001)


def crl_der(text: bytes) -> bytes:
    """The DER of a list in PEM, by cryptography's reader."""
    return pki.x509.load_pem_x509_crl(text).public_bytes(pki.serialization.Encoding.DER)
