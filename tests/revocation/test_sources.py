"""What the policy expects of a source."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.revocation.sources import StatusSource
from tests import hubs
from tests.revocations import SUBJECT, RevocationCase, profile


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

    def test_of_an_earlier_process(self) -> None:
        """What is stored binds a client whose profile does not list OCSP, before any other client came."""
        found = self.learn("revoked")
        self.started()
        self.assertEqual(self.answers.revoked(SUBJECT), found)

    def test_news_for_others(self) -> None:
        """A connection whose profile does not list OCSP is called when another worker has learnt a revocation."""
        hub = hubs.Hub()
        self.started(siblings=hub.member())
        other = self.answers
        self.started(siblings=hub.member())
        called: list[int] = []
        other.watch([SUBJECT], profile(name="lists", verify_client_revocation=()), lambda: called.append(1))
        self.learn("revoked")
        hub.deliver()
        self.assertEqual(called, [1])
