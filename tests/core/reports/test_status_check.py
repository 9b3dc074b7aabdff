"""What sources of revocation status say about a client's certificates, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.status_reports import CertificateReport
from agwtwisted.core.reports.status_check import known_lines, status_check
from agwtwisted.core.reports.steps import Explanation, StepOutcome
from agwtwisted.core.revocation.status import CouldNotAsk, Good, RevocationStatus, Revoked, Unknown, Unreachable
from agwtwisted.core.revocation.status_facts import NOTHING_KNOWN, SourceReport, StatusFacts
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Refused, Trusted
from tests import clients, configurations, pki
from tests.core.reports.test_examination import examined

NOW = pki.NOW.timestamp()

STATUSES: Mapping[str | None, RevocationStatus | None] = {
    None: None,
    "good": Good(NOW + 60),
    "revoked": Revoked(NOW - 60, "superseded", NOW),
    "unknown": Unknown(),
    "unavailable": Unreachable("no response in time"),
    "not-asked": CouldNotAsk("too many questions"),
}


def source(known: str | None, asked: str | None = None, name: str = "OCSP") -> SourceReport:
    """What a source knew, and what it was answered, by the names of the statuses."""
    before, after = (
        StatusFacts(status=STATUSES[each], origin="http://ocsp.example/", this_update=NOW, notes=("as it says",))
        if each
        else NOTHING_KNOWN
        for each in (known, asked)
    )
    steps = ("http://ocsp.example/: answered",) if asked else ()
    return SourceReport(source=name, known=before, asked=STATUSES[asked], steps=steps, now=after)


def certificate(*sources: SourceReport) -> Mapping[str, Any]:
    """What sources say about a device, as an answer has it."""
    subject = clients.device().der, configurations.clients_root().der
    return CertificateReport(subject=subject, sources=sources).members()


def check(*sources: SourceReport, accepted: bool = False, reason: str = reasons.REVOKED) -> Explanation:
    """A check whose sources say this."""
    finding = {"accepted": accepted, "status": "good" if accepted else "revoked", "source": "CRL", "reason": reason}
    examination = attrs.evolve(examined(Trusted()), source="client.pem")
    return status_check(examination, {"certificates": [certificate(*sources)], "finding": finding})


class StatusCheckTests(SynchronousTestCase):
    """The steps and the conclusion."""

    def test_steps(self) -> None:
        """One for each source: what it knew, what it was asked, what it knows now."""
        found = check(source("good", "revoked"), source(None, "unavailable", "CRL"))
        self.assertEqual([each.name for each in found.steps], ["chain", "ocsp", "crl"])
        self.assertEqual(
            found.steps[1].text,
            "OCSP: CN=device 7: revoked on 2026-06-01T11:59:00Z (superseded)\n"
            "   known before: good, by http://ocsp.example/\n"
            "      as of 2026-06-01T12:00:00Z, counts until 2026-06-01T12:01:00Z\n"
            "      as it says\n"
            "   http://ocsp.example/: answered\n"
            "   known now: revoked on 2026-06-01T11:59:00Z (superseded), by http://ocsp.example/\n"
            "      as of 2026-06-01T12:00:00Z\n"
            "      as it says",
        )
        self.assertIn(
            "CRL: CN=device 7: no answer: no response in time\n   known before: nothing\n", found.steps[2].text
        )

    def test_outcomes(self) -> None:
        """Good speaks for the client, revoked against it; of all else the policy decides."""
        for name, outcome in (
            ("good", StepOutcome.PASSED),
            ("revoked", StepOutcome.FAILED),
            ("unknown", StepOutcome.NOTE),
            ("unavailable", StepOutcome.NOTE),
            ("not-asked", StepOutcome.NOTE),
        ):
            self.assertIs(check(source(None, name)).steps[1].outcome, outcome)

    def test_conclusion(self) -> None:
        """The verdict, by which source, and what to do."""
        refused = check(source("good", "revoked"))
        self.assertEqual((refused.accepted, refused.verdict), (False, "Refused: certificate revoked (CRL)"))
        self.assertTrue(refused.conclusion[1].startswith("What to do: "))
        accepted = check(source(None, "good"), accepted=True)
        self.assertEqual((accepted.accepted, accepted.conclusion), (True, ("Accepted: good (CRL)",)))

    def test_refused_before(self) -> None:
        """Where the chain does not verify nothing was asked."""
        examination = examined(Refused(reasons.EXPIRED))
        found = status_check(examination, None)
        self.assertEqual((found.accepted, found.verdict), (False, f"Refused: {reasons.EXPIRED}"))
        self.assertEqual([each.outcome for each in found.steps], [StepOutcome.FAILED, StepOutcome.SKIPPED])

    def test_known(self) -> None:
        """What is known is a few lines of each source."""
        lines = list(known_lines(certificate(source(None), source("unknown", name="CRL"))))
        self.assertEqual(
            lines[:2],
            [
                "   CN=device 7: OCSP: nothing",
                "   CN=device 7: CRL: its issuer does not know it, by http://ocsp.example/",
            ],
        )
