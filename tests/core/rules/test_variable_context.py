"""What server variables are read from."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.attributes import CertificateAttributes
from agwtwisted.core.verification.verdicts import NotAsked, Unchecked
from tests import rewrites


class CertificateTests(SynchronousTestCase):
    """What is found in the certificate of a client."""

    def test_found_once(self) -> None:
        """It is looked for once for each client, and is nothing of another one's."""
        context = rewrites.context()
        self.assertEqual(context.attributes.common_names, (b"device-7",))
        self.assertIs(context.attributes, context.attributes)
        self.assertIsNot(rewrites.context(verdict=Unchecked()).attributes, context.attributes)

    def test_without_a_certificate(self) -> None:
        """There is nothing in the certificate of a client that has none, or on whose path none counts."""
        for context in (
            rewrites.context(verdict=NotAsked(), certificate=None),
            rewrites.context(verdict=NotAsked()),
        ):
            self.assertEqual(context.attributes, CertificateAttributes())
            self.assertEqual((context.uris, context.dns_names, context.fingerprint_sha256), (b"", b"", b""))
