"""Lists in memory: one of each kind, and so many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation.crl_store import StoredList
from agwtwisted.revocation.held_lists import HeldList, HeldLists
from tests import pki
from tests.crls import ONLY_USERS, issuing_point
from tests.revocation_lists import ISSUER, ROOT, URL, crl

SCOPED = [issuing_point(ONLY_USERS)]


def held(
    signer: pki.Authority = ISSUER, file: str = "", listed: Sequence[pki.Credential] = (), **keys: Any
) -> HeldList:
    """A list as it is held."""
    made = crl(*listed, signer=signer, **keys)
    return HeldList(crl=made.proven(), stored=StoredList(data=made.der(), issuer=signer.der, url=URL), file=file)


class HeldListsTests(SynchronousTestCase):
    """Lists of two issuers, of two kinds."""

    def test_kinds(self) -> None:
        """A list takes the place of the one of the same issuer and scope, and no other."""
        lists = HeldLists()
        one, of_users, newer, other = held(), held(extensions=SCOPED), held(number=2), held(ROOT)
        for each in (one, of_users, other, newer):
            self.assertIsNone(lists.put(each))
        self.assertCountEqual(lists.of_issuer(one.crl.issuer_key), [newer, of_users])
        self.assertEqual((lists.of_issuer(other.crl.issuer_key), len(lists)), ((other,), 3))
        self.assertIs(lists.get(one.crl.key), newer)
        self.assertEqual(lists.of_issuer(b"unheard-of"), ())

    def test_origins(self) -> None:
        """A list is found by where it came from, and by its bytes, each with its issuer."""
        lists, one = HeldLists(), held()
        lists.put(one)
        self.assertIs(lists.fetched_from(URL, ISSUER.der), one)
        self.assertIsNone(lists.fetched_from(URL, ROOT.der))
        self.assertIs(lists.same_as(StoredList(data=one.stored.data, issuer=ISSUER.der)), one)
        self.assertIsNone(lists.same_as(StoredList(data=one.stored.data, issuer=ROOT.der)))
        self.assertEqual([each.origin for each in (one, held(file="/a.crl"))], [URL, "/a.crl"])

    def test_bound(self) -> None:
        """Of too many the one goes that was used longest ago, and none of an operator's file."""
        lists = HeldLists(2)
        of_file, one, two, three = held(file="/a.crl"), held(ROOT), held(extensions=SCOPED), held(pki.Authority.root())
        self.assertEqual([lists.put(each) for each in (of_file, one, two)], [None, None, one])
        lists.use(of_file)
        lists.use(one)  # which is gone
        self.assertIs(lists.put(three), two)
        self.assertCountEqual(list(lists), [of_file, three])
        self.assertEqual(lists.of_issuer(one.crl.issuer_key), ())
