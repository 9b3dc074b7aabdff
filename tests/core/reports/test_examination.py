"""`agwtwisted.core.reports.examination`: what follows from a verdict on a listener."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.judging import Anchors, Evidence
from agwtwisted.core.verification.verdicts import Missing, NotAsked, Refused, Trusted, Unchecked, Verdict
from tests import clients, configurations, pki

[LISTENER] = configurations.load(clients.text("s strict"), clients.files()).http_listeners
MIDDLE = configurations.clients_root().intermediate("Middle", ocsp_url="http://ocsp.example:8888/")
LEAF = MIDDLE.issue("named", ocsp_url="http://ocsp.example/")


def examined(verdict: Verdict, **keys: Any) -> Examination:
    """What was found out on a listener whose profile has these keys."""
    assert LISTENER.ssl_profile
    profile = attrs.evolve(LISTENER.ssl_profile, **keys)
    return Examination(
        source="",
        sent=(),
        listener=attrs.evolve(LISTENER, ssl_profile=profile),
        now=pki.NOW,
        verdict=verdict,
        evidence=Evidence(chain=LEAF.chain_der, error=0),
        anchors=Anchors.of([each.chain for each in profile.trusted_client_certificates], False),
    )


class ExaminationTests(SynchronousTestCase):
    """Whether the client is accepted, and what is asked about it."""

    def test_accepted(self) -> None:
        """As the verdict says, where no revocation is asked about."""
        for verdict, accepted in (
            (Trusted(), True),
            (NotAsked(), True),
            (Unchecked(), True),
            (Refused("x"), False),
            (Missing(), False),
        ):
            self.assertEqual(examined(verdict).accepted, accepted)

    def test_scope(self) -> None:
        """The leaf is asked about, or all but the root; one that cannot be asked about refuses, or is let through."""
        keys: dict[str, Any] = {"verify_client_revocation": (RevocationSource.OCSP,)}
        leaf_alone = examined(Trusted(), **keys)
        self.assertEqual([each.der for each in leaf_alone.questions], [LEAF.der])
        self.assertTrue(leaf_alone.accepted)
        chain = examined(Trusted(), **keys, ocsp_scope=RevocationScope.CHAIN)
        self.assertEqual([each.is_askable for each in chain.questions], [True, False])
        self.assertEqual(chain.concluded(chain.verdict), Refused(reasons.STATUS_UNAVAILABLE))
        self.assertFalse(chain.accepted)
        allowed = examined(
            Trusted(), **keys, ocsp_scope=RevocationScope.CHAIN, ocsp_unavailable=RevocationUnavailable.ALLOW
        )
        self.assertTrue(allowed.is_unaskable and allowed.accepted)

    def test_verified(self) -> None:
        """A Passthrough listener whose paths require nothing verifies nothing, whatever CAs its profile names."""
        self.assertTrue(examined(Trusted()).is_verified)
        self.assertFalse(examined(Unchecked()).is_verified)
