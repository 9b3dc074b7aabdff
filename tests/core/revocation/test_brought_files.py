"""What a file is that an operator has brought."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.brought_files import LONGEST_BEGINNING, Brought, brought
from tests import pki
from tests.responder import TRY_LATER, Response, Single
from tests.revocations import DEVICE, ISSUER


def lists() -> x509.CertificateRevocationList:
    """A list without entries."""
    name = x509.Name.from_rfc4514_string("CN=Issuer")
    builder = x509.CertificateRevocationListBuilder(name, pki.NOW, pki.NOW + timedelta(days=1))
    return builder.sign(ISSUER.key, hashes.SHA256())  # type: ignore[arg-type]


class BroughtTests(SynchronousTestCase):
    """By its first bytes."""

    def test_kinds(self) -> None:
        """Responses, lists in both encodings with text before them, and what is neither."""
        response = Response(signer=ISSUER, singles=[Single(certificate=DEVICE)]).der()
        pem = lists().public_bytes(Encoding.PEM)
        for data, kind in (
            (response, Brought.RESPONSE),
            (TRY_LATER, Brought.RESPONSE),
            (lists().public_bytes(Encoding.DER), Brought.LISTS),
            (b"Issued by hand\n" + pem, Brought.LISTS),
            (DEVICE.pem, Brought.OTHER),
            (b"", Brought.OTHER),
            (b"0", Brought.OTHER),
            (b"0\x84\0\0", Brought.OTHER),
            (b"a text", Brought.OTHER),
        ):
            self.assertIs(brought(data[:LONGEST_BEGINNING]), kind, data[:20])
