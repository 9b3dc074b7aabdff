"""What sources say about a client's certificates, and what follows."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred

from agwtwisted.core.identity.clients import ClientRevocationStatus
from agwtwisted.core.operations.status_reports import CertificateReport
from agwtwisted.core.resources.resources import RevocationScope, SslProfile
from agwtwisted.core.revocation.status import Good
from agwtwisted.revocation.reporting import MOST_STEPS, finding_for, reports_of
from tests.revocations import ISSUER, PROFILE, ROOT, SUBJECT, RevocationCase

CHAIN = [SUBJECT, (ISSUER.der, ROOT.der)]


class ReportsTests(RevocationCase):
    """Of a client with an intermediate."""

    def reports(self, profile: SslProfile = PROFILE, *, ask: bool) -> Deferred[list[CertificateReport]]:
        """What the sources say."""
        return Deferred.fromCoroutine(reports_of(self.revocation.sources, CHAIN, profile, ask=ask))

    def test_known(self) -> None:
        """Each source that is asked about a certificate says what it knows; the scope says which those are."""
        self.learn()
        leaf, issuer = self.successResultOf(self.reports(ask=False))
        self.assertEqual([each.source for each in leaf.sources], ["OCSP"])
        self.assertIsInstance(leaf.sources[0].known.status, Good)
        self.assertEqual(issuer.sources, ())
        chain = attrs.evolve(PROFILE, ocsp_scope=RevocationScope.CHAIN)
        _, issuer = self.successResultOf(self.reports(chain, ask=False))
        self.assertEqual([(each.source, each.known.status) for each in issuer.sources], [("OCSP", None)])

    def test_asked(self) -> None:
        """Each is asked, with what it says on the way, as far as that has a bound."""
        source: Any = self.answers
        ask = source.ask

        def chatty(subject: Any, profile: Any, trace: Any) -> Any:
            for number in range(2 * MOST_STEPS):
                trace(str(number))
            return ask(subject, profile, trace)

        source.ask = chatty
        waiting = self.reports(ask=True)
        self.answer()
        leaf, _ = self.successResultOf(waiting)
        self.assertEqual(len(leaf.sources[0].steps), MOST_STEPS)
        self.assertIsInstance(leaf.sources[0].asked, Good)
        self.assertIsInstance(leaf.sources[0].now.status, Good)

    def test_finding(self) -> None:
        """What follows is what a connection would get."""
        self.learn("revoked")
        finding = self.successResultOf(Deferred.fromCoroutine(finding_for(self.revocation, [SUBJECT], PROFILE)))
        self.assertIs(finding.status, ClientRevocationStatus.REVOKED)
        self.assertIsNotNone(finding.refusal)
