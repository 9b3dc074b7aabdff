"""What the policy expects of a source."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.revocation.sources import StatusSource
from tests.revocations import SUBJECT, RevocationCase


class SourceTests(RevocationCase, SynchronousTestCase):
    """OCSP is a source."""

    def test_ocsp(self) -> None:
        """OCSP says what it knows, and that something is revoked after the end of the answer, too."""
        source: StatusSource = self.answers
        self.assertIs(source.kind, RevocationSource.OCSP)
        self.assertIsNone(source.revoked(SUBJECT))
        found = self.learn("revoked")
        self.assertEqual(source.revoked(SUBJECT), found)
        self.clock.advance(1_000_000)
        self.assertEqual(source.revoked(SUBJECT), found)
