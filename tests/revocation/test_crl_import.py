"""Lists that are brought: by whom they are signed, and what becomes of each."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.crl_encodings import CrlFileError
from agwtwisted.core.revocation.status import Unusable
from agwtwisted.revocation.crl_import import BroughtList, ListImport
from agwtwisted.revocation.crl_store import StoredList
from agwtwisted.revocation.held_lists import HeldList, HeldLists
from tests import pki
from tests.revocation_lists import DEVICE, ISSUER, NOW, ROOT, crl


class ListImportTests(SynchronousTestCase):
    """Lists in force that are the test's."""

    def setUp(self) -> None:
        self.lists = HeldLists()
        self.kept: list[StoredList] = []
        self.fault: Unusable | None = None
        self.takes = True
        self.imports = ListImport(self.lists, self.accept, self.keep, lambda: NOW)

    def accept(self, stored: StoredList) -> Deferred[Unusable | None]:
        """Takes a list of the devices' issuer."""
        if self.takes:
            self.lists.put(HeldList(crl=crl(DEVICE).proven(), stored=stored))
        return succeed(self.fault)

    def keep(self, stored: StoredList) -> Deferred[None]:
        """Notes it."""
        self.kept.append(stored)
        return succeed(None)

    def take(self, data: bytes, *issuers: bytes) -> list[BroughtList]:
        """What becomes of it."""
        return self.successResultOf(Deferred.fromCoroutine(self.imports.take(data, issuers)))

    def test_taken(self) -> None:
        """A list of an issuer at hand is stored; an expired one revokes, and it is said that it clears nothing."""
        data = crl(DEVICE).der()
        [found] = self.take(data, b"unreadable", ROOT.der, ISSUER.der)
        self.assertTrue(found.taken)
        self.assertEqual(self.kept, [StoredList(data=data, issuer=ISSUER.der, fetched=NOW)])
        self.fault = Unusable("the CRL has expired")
        [found] = self.take(data, ISSUER.der)
        self.assertEqual((found.taken, found.detail.split("; ")[1]), (True, "the CRL has expired"))

    def test_refused(self) -> None:
        """What is of no issuer, does not count, or cannot be read is not stored."""
        [found] = self.take(crl().der(), ROOT.der)
        self.assertEqual(found.detail, "its issuer is not among the trusted client certificates")
        alien = attrs.evolve(pki.Authority.root("x"), subject=ISSUER.subject)
        [found] = self.take(crl(signer=alien).der(), ROOT.der, ISSUER.der)
        self.assertEqual(found.detail, "it is signed with another key than that of the trusted CA of this name")
        self.takes, self.fault = False, Unusable("the CRL is older than another one")
        [found] = self.take(crl(number=9).der(), ISSUER.der)
        wanted = BroughtList(taken=False, what="CRL 9 of CN=Issuer", detail=self.fault.reason)
        self.assertEqual(found, wanted)
        [found] = self.take(crl().der()[:-1], ISSUER.der)
        self.assertFalse(found.taken)
        failed = Deferred.fromCoroutine(self.imports.take(b"", ()))
        self.failureResultOf(failed, CrlFileError)
        self.assertEqual(self.kept, [])
