"""What lists in memory say, and who is called when they say something else."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.crl_status import CrlSubject
from agwtwisted.core.revocation.status import Good, Revoked, Unusable
from agwtwisted.revocation.crl_knowledge import CrlKnowledge
from tests import pki
from tests.crls import DAY
from tests.revocation.test_held_lists import held
from tests.revocation_lists import DEVICE, ISSUER, NOW, OTHER, ROOT


class CrlKnowledgeTests(SynchronousTestCase):
    """Lists and watchers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.knowledge = CrlKnowledge(self.clock, lambda: NOW, most=2)

    def status(self, certificate: pki.Credential = DEVICE) -> Good | Revoked | Unusable:
        """What is known about a certificate."""
        about = self.knowledge.about(certificate.der, ISSUER.der)
        assert isinstance(about, CrlSubject)
        return self.knowledge.status(about)

    def test_newer(self) -> None:
        """A newer list counts from the moment it is taken, and keeps what was noted about its place."""
        one, two = held(), held(number=2)
        one.profile, one.used = "strict", True
        self.assertIsInstance(self.status(), Unusable)
        for each in (one, two):
            self.assertIs(self.knowledge.take(each), each)
            self.assertIsInstance(self.status(), Good)
        self.assertEqual((two.profile, two.used), ("strict", True))
        self.assertIsNone(self.knowledge.take(one))
        self.assertIs(self.knowledge.take(two), two)

    def test_early(self) -> None:
        """One that is not valid yet leaves the one before in force: by it no certificate would be good till then."""
        one = held()
        self.knowledge.take(one)
        self.assertIsNone(self.knowledge.take(held(number=2, this_update=pki.NOW + DAY, days=3)))
        self.assertEqual([*self.knowledge.lists], [one])

    def test_logged(self) -> None:
        """The log says which list is in force, and which one had to go."""
        with capturedLogs() as logs:
            for issuer in (ISSUER, ROOT, pki.Authority.root("Third")):
                self.knowledge.take(held(issuer))
        lines = [formatEvent(each) for each in logs]
        end = "0 certificates, until 2026-06-02T12:00:00Z (http://pki.example/ca.crl)"
        self.assertEqual(lines[0], f"The CRL 1 of CN=Issuer is in force: {end}")
        self.assertEqual(lines[-1], f"The CRL 1 of CN=Issuer had to go: there are too many lists: {end}")

    def test_watched(self) -> None:
        """Certificates that lists were not asked about are watched, too; those that cannot be read are passed over."""
        called: list[int] = []
        for at_once in (True, False):
            subjects = [(DEVICE.der, ISSUER.der), (b"unreadable", ISSUER.der)]
            self.knowledge.watch(subjects, lambda: called.append(1), at_once=at_once)
        self.knowledge.watch([(OTHER.der, ISSUER.der)], lambda: called.append(2), at_once=False)
        self.knowledge.take(held(listed=[DEVICE]))
        self.clock.pump([0.0, 0.0])
        self.assertEqual(called, [1, 1])
        self.assertEqual(self.knowledge.issuers(), (ISSUER.der,))
        self.knowledge.stop()
