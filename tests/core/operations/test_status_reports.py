"""What is known about the revocation of one client's certificates, as the control API shows it."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.status_reports import CertificateReport, reports_members, status_name
from agwtwisted.core.revocation.status import CouldNotAsk, Good, Revoked, Unknown, Unreachable, Unusable
from agwtwisted.core.revocation.status_facts import SourceReport, StatusFacts
from tests.revocations import DEVICE, ISSUER


class StatusReportsTests(SynchronousTestCase):
    """Its members."""

    def test_names(self) -> None:
        """Every status has the name that it has in the access log; nothing has none."""
        for status, name in (
            (None, None),
            (Good(1.0), "good"),
            (Revoked(1.0, "superseded", 2.0), "revoked"),
            (Unknown(), "unknown"),
            (Unusable("r"), "unavailable"),
            (Unreachable("r"), "unavailable"),
            (CouldNotAsk("r"), "not-asked"),
        ):
            self.assertEqual(status_name(status), name)

    def test_members(self) -> None:
        """The certificate, and of each source what was known, what it was asked, and what is known now."""
        known = StatusFacts(
            status=Good(60.0),
            origin="a.crl",
            this_update=0.0,
            next_update=float("inf"),
            renewal=30.0,
            notes=("a note",),
        )
        report = SourceReport(source="CRL", known=known, asked=Revoked(1.0, "", 2.0), steps=("a step",), now=known)
        [members] = reports_members([CertificateReport(subject=(DEVICE.der, ISSUER.der), sources=(report,))])
        self.assertEqual((members["subject"], members["issuer"]), ("CN=device", "CN=Issuer"))
        self.assertEqual(int(members["serial"], 16), DEVICE.certificate.serial_number)
        [source] = members["sources"]
        self.assertEqual(source["known"], source["now"])
        self.assertEqual(
            source["known"],
            {
                "status": "good",
                "until": "1970-01-01T00:01:00Z",
                "revoked_at": None,
                "reason": None,
                "origin": "a.crl",
                "this_update": "1970-01-01T00:00:00Z",
                "next_update": None,
                "renewal": "1970-01-01T00:00:30Z",
                "notes": ["a note"],
            },
        )
        self.assertEqual((source["asked"]["status"], source["asked"]["reason"]), ("revoked", None))
        self.assertEqual((source["asked"]["revoked_at"], source["steps"]), ("1970-01-01T00:00:01Z", ["a step"]))
        self.assertEqual(json.loads(json.dumps(members)), members)
