"""What the log says where lists give no answer."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.crl import read_head
from agwtwisted.core.revocation.status import Good, Unreachable, Unusable
from agwtwisted.revocation.crl_complaints import CrlComplaints
from agwtwisted.revocation.crl_files import UnprovenList
from tests.revocation_lists import DEVICE, ISSUER, crl

SUBJECT = (DEVICE.der, ISSUER.der)
CLOSED = Unreachable("the distribution point is not used")


class CrlComplaintsTests(SynchronousTestCase):
    """Reasons, each a few times a minute."""

    def setUp(self) -> None:
        self.complaints = CrlComplaints(Clock().seconds)

    def said(self, found: Good | Unreachable, *failures: Unreachable) -> str:
        """What the log says about an answer."""
        with capturedLogs() as events:
            self.assertIs(self.complaints.about(SUBJECT, found, failures), found)
        return "".join(str(formatEvent(each)) for each in events)

    def test_no_answer(self) -> None:
        """Why lists say nothing is in the log with the certificate, unless a download has said it; a few times."""
        self.assertRegex(
            self.said(CLOSED), "^No CRL says anything about the certificate [0-9a-f]{40}: the distribution"
        )
        self.assertEqual(self.said(CLOSED, CLOSED), "")
        self.assertEqual(self.said(Good(1.0)), "")
        self.assertLess(len([each for each in range(100) if self.said(CLOSED)]), 10)

    def test_waiting(self) -> None:
        """A list with the name of a trusted CA, and signed by another, is said once while its file has it."""
        head = read_head(crl().der())
        assert not isinstance(head, Unusable)
        waiting = UnprovenList(data=b"", head=head, file="a.crl")
        alien = attrs.evolve(waiting, file="b.crl", is_of_other_key=True)
        with capturedLogs() as events:
            self.complaints.wait_for_issuers([waiting])
            self.complaints.wait_for_issuers([waiting, alien])
            self.complaints.wait_for_issuers([alien])
        [said] = (str(formatEvent(each)) for each in events)
        self.assertIn("b.crl: the CRL of CN=Issuer says nothing about the certificates of the trusted CA", said)
