"""The step of an explanation about revocation, by sources; what it says of OCSP alone is in test_explanation."""

from __future__ import annotations

from typing import Any

import attrs
from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.reports.revocation_steps import allowing, revocation_steps
from agwtwisted.core.reports.steps import ExplanationStep, StepOutcome
from agwtwisted.core.resources.certificates import CrlFile
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable
from agwtwisted.core.revocation.status import Good, Revoked, Unreachable
from agwtwisted.core.verification.judging import Evidence
from agwtwisted.core.verification.verdicts import Refused, Trusted
from tests import configurations, pki
from tests.core.reports.test_examination import examined
from tests.core.reports.test_status_check import certificate, source

BOTH = (RevocationSource.OCSP, RevocationSource.CRL)
CRL = (RevocationSource.CRL,)
POINT = x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example/a.crl")], None, None, None)
MIDDLE = configurations.clients_root().intermediate("With lists")
LISTED = MIDDLE.issue("listed", extra=(pki.extension(x509.CRLDistributionPoints([POINT])),))


def examination(device: pki.Credential = LISTED, sources: Any = CRL, **keys: Any) -> Examination:
    """A client whose profile has these sources and keys."""
    found = examined(Trusted(), verify_client_revocation=sources, **keys)
    return attrs.evolve(found, evidence=Evidence(chain=device.chain_der, error=0))


def step(*arguments: Any, **keys: Any) -> ExplanationStep:
    """The step about revocation."""
    [found] = revocation_steps(examination(*arguments, **keys))
    return found


class RevocationStepsTests(SynchronousTestCase):
    """What is asked, and what follows."""

    def test_lists(self) -> None:
        """The distribution points and the files; what becomes of a client without an answer."""
        found = step(crl_files=(CrlFile(path="a.crl"),))
        self.assertIs(found.outcome, StepOutcome.NOTE)
        self.assertEqual(
            found.lines,
            (
                "   CN=listed: lists in a.crl, if they are of its issuer",
                "   CN=listed: the list at http://crl.example/a.crl",
                "   without an answer the client is refused (crl_unavailable = Refuse)",
            ),
        )
        self.assertIn("verify_client_revocation = CRL)", found.title)

    def test_both(self) -> None:
        """Of each source in its order; all of them have to allow a client without an answer."""
        keys = {"ocsp_responder_url": "http://ocsp.example/", "ocsp_unavailable": RevocationUnavailable.ALLOW}
        found = step(sources=BOTH, **keys)
        said = [line.partition("listed: ")[2] for line in found.lines[:2]]
        self.assertEqual(said, ["http://ocsp.example/", "the list at http://crl.example/a.crl"])
        self.assertIn("ocsp_unavailable = Allow and crl_unavailable = Refuse", found.lines[2])
        keys["crl_unavailable"] = RevocationUnavailable.ALLOW
        self.assertIn(
            "accepted (ocsp_unavailable = Allow and crl_unavailable = Allow)", step(sources=BOTH, **keys).text
        )

    def test_scopes(self) -> None:
        """Each source has its own: an intermediate may be asked about by one of them alone."""
        found = examination(sources=BOTH, ocsp_scope=RevocationScope.CHAIN)
        self.assertEqual([each.sources for each in found.questions], [BOTH, (RevocationSource.OCSP,)])

    def test_nothing_to_ask(self) -> None:
        """A certificate without a point, or with one that the address rules refuse, refuses its client."""
        for device, keys, words in (
            (MIDDLE.issue("bare"), {}, "names no distribution point, and there are no crl_files"),
            (LISTED, {"ocsp_allowed_ports": ()}, "the list at http://crl.example/a.crl "),
        ):
            found = step(device, **keys)
            self.assertIs(found.outcome, StepOutcome.FAILED)
            self.assertIn(words, found.text)

    def test_known(self) -> None:
        """The first source that can say it, or has to ask, decides whether it is good; revoked by any binds."""
        for sources, outcome in (
            ((source("good"), source(None, name="CRL")), StepOutcome.PASSED),
            ((source(None), source("good", name="CRL")), StepOutcome.NOTE),
            ((source("unknown"), source("good", name="CRL")), StepOutcome.PASSED),
            ((source("unavailable"), source("unavailable", name="CRL")), StepOutcome.NOTE),
            ((source("good"), source("revoked", name="CRL")), StepOutcome.FAILED),
        ):
            given = {"ocsp_responder_url": "http://ocsp.example/"}
            known = attrs.evolve(examination(sources=BOTH, **given), known=(certificate(*sources),))
            [found] = revocation_steps(known)
            self.assertIs(found.outcome, outcome)
            self.assertEqual(known.accepted, outcome is not StepOutcome.FAILED)

    def test_asked(self) -> None:
        """What the sources said, each step, and the outcome of all together."""
        for answer, report, outcome in (
            (
                Good(pki.NOW.timestamp() + 60, source=RevocationSource.CRL),
                source(None, "good", "CRL"),
                StepOutcome.PASSED,
            ),
            (Revoked(0.0, "", 0.0), source(None, "revoked", "CRL"), StepOutcome.FAILED),
            (Unreachable("no response"), source(None, "unavailable", "CRL"), StepOutcome.FAILED),
        ):
            asked = attrs.evolve(examination(), answers=(answer,), reports=(certificate(report),))
            [found] = revocation_steps(asked)
            self.assertIs(found.outcome, outcome)
            self.assertIn("CRL: ", found.text)
            self.assertIn("http://ocsp.example/: answered", found.text)

    def test_let_in(self) -> None:
        """A client that is let in without a status is a note, with the keys that allow it."""
        allow = examination(crl_unavailable=RevocationUnavailable.ALLOW)
        assert allow.profile is not None
        self.assertEqual(allowing(allow.profile), "crl_unavailable = Allow")
        [found] = revocation_steps(attrs.evolve(allow, answers=(Unreachable("no response"),)))
        self.assertIs(found.outcome, StepOutcome.NOTE)

    def test_refused_before(self) -> None:
        """Nothing is asked about a certificate that is refused, and there is no step where nothing is checked."""
        refused = attrs.evolve(examination(), verdict=Refused("x"))
        self.assertIs(next(revocation_steps(refused)).outcome, StepOutcome.SKIPPED)
        self.assertEqual(list(revocation_steps(examination(sources=()))), [])
