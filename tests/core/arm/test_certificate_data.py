"""Certificates in every encoding in which documents have them."""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.certificate_data import LARGEST, VirtualFile, certificate_bytes, suffix_of
from agwtwisted.core.base.errors import UnacceptableError
from tests.arm_gateways import authority, pfx, text_of


class CertificateDataTests(SynchronousTestCase):
    """From text to the bytes of a file."""

    def test_files(self) -> None:
        """Base64 of PEM, DER and PFX is that file."""
        for data, suffix in ((authority().pem, ".pem"), (authority().der, ".cer"), (pfx("secret"), ".pfx")):
            self.assertEqual(certificate_bytes(text_of(data)), data)
            self.assertEqual(suffix_of(data), suffix)

    def test_pem_text(self) -> None:
        """The text of a PEM file stands for itself, also where its line ends are written as such."""
        text = authority().pem.decode()
        for written in (text, f"\ufeff{text}", text.replace("\n", "\r\n"), text.replace("\n", "\\n")):
            data = certificate_bytes(written)
            self.assertEqual(data.replace(b"\r", b"").strip(), authority().pem.strip())
            self.assertEqual(suffix_of(data), ".pem")

    def test_forms_of_base64(self) -> None:
        """White space, missing padding, the alphabet for URLs and base64 of base64 are taken."""
        for size in range(3):
            data = authority().der + bytes(size)
            text = text_of(data)
            folded = "\r\n ".join(text[start : start + 64] for start in range(0, len(text), 64))
            url = base64.urlsafe_b64encode(data).decode()
            for written in (folded, text.rstrip("="), url, url.rstrip("="), text_of(text.encode())):
                self.assertEqual(certificate_bytes(written), data)

    def test_placeholders(self) -> None:
        """What documentation has in the place of data is called so."""
        for text in ("****", "<Base64-encoded-PFX-data>", "[parameters('data')]", "xx", "...", "{{data}}"):
            error = self.assertRaises(UnacceptableError, certificate_bytes, text)
            self.assertIn("placeholder", error.message)

    def test_no_data(self) -> None:
        """Neither PEM nor base64 is refused, and nothing of it is in the message."""
        for text in ("no base64!", "q", "secret&password", "x" * (LARGEST + 1)):
            error = self.assertRaises(UnacceptableError, certificate_bytes, text)
            self.assertNotIn(text[:20], error.message)

    def test_secrets_are_not_shown(self) -> None:
        """The bytes of a file are not in its repr."""
        self.assertNotIn("KEY", repr(VirtualFile(data=b"KEY")))
