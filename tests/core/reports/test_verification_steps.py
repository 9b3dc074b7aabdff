"""`agwtwisted.core.reports.verification_steps`: their outcomes; their texts are in test_explanation.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.pem import EncodedBlock
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.reports.steps import StepOutcome
from agwtwisted.core.reports.verification_steps import verification_steps
from agwtwisted.core.verification.judging import Anchors, Evidence
from agwtwisted.core.verification.verdicts import Trusted
from tests import clients, configurations, pki

[LISTENER] = configurations.load(clients.text("s pinned"), clients.files()).http_listeners
PARTNER = clients.partner()


def failed(client: pki.Credential = PARTNER, issuer_dn: bool = True, **evidence: Any) -> list[str]:
    """The names of the steps that failed."""
    profile = LISTENER.ssl_profile
    assert profile
    profile = attrs.evolve(profile, verify_client_cert_issuer_dn=issuer_dn)
    anchors = Anchors.of([each.chain for each in profile.trusted_client_certificates], issuer_dn)
    found = Evidence(**{"chain": client.chain_der, "error": 0} | evidence)
    examination = Examination(
        source="",
        sent=(EncodedBlock(der=client.der, line=1),),
        listener=LISTENER,
        now=pki.NOW,
        verdict=Trusted(),
        evidence=found,
        anchors=anchors,
    )
    steps = verification_steps(examination, profile, anchors)
    return [each.name for each in steps if each.outcome is StepOutcome.FAILED]


class OutcomeTests(SynchronousTestCase):
    """Which step says that it refuses."""

    def test_trusted(self) -> None:
        """None does."""
        self.assertEqual(failed(), [])

    def test_no_chain(self) -> None:
        """Nothing was verified."""
        self.assertEqual(failed(chain=()), ["chain"])

    def test_openssl(self) -> None:
        """An error of OpenSSL's; one of its first path alone is none."""
        self.assertEqual(failed(error=26), ["openssl"])
        self.assertEqual(failed(first_error=26), [])

    def test_rules(self) -> None:
        """An objection of the gateway's own rules."""
        self.assertEqual(failed(clients.partners().issue(eku=(pki.SERVER_AUTH,))), ["rules"])

    def test_time(self) -> None:
        """A certificate that is out of its time, which the rules object to as well."""
        for times in ({"not_after": pki.NOW - timedelta(1)}, {"not_before": pki.NOW + timedelta(1)}):
            self.assertEqual(failed(clients.partners().issue(**times)), ["rules", "time"])

    def test_another_root(self) -> None:
        """A chain that ends in no trusted root."""
        self.assertEqual(failed(clients.stranger(), issuer_dn=False), ["chain", "rules"])

    def test_issuer_dn(self) -> None:
        """Another issuer, where the profile compares issuers."""
        sibling = clients.partners().issuers[0].intermediate("Others").issue()
        self.assertEqual(failed(sibling), ["rules", "issuer_dn"])
        self.assertEqual(failed(sibling, issuer_dn=False), [])
