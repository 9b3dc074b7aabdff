"""What is shown of lists."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.crl_status import CrlRules, CrlSubject, status_of
from agwtwisted.core.revocation.status import Unusable
from agwtwisted.core.revocation.status_facts import NOTHING_KNOWN, StatusFacts
from agwtwisted.revocation.crl_facts import list_facts, list_states, taken_text
from agwtwisted.revocation.held_lists import HeldList
from tests.crls import ONLY_USERS, issuing_point
from tests.revocation.test_held_lists import held
from tests.revocation_lists import DEVICE, ISSUER, NOW, URL


class CrlFactsTests(SynchronousTestCase):
    """Lists of one issuer."""

    def facts(self, *lists: HeldList) -> StatusFacts:
        """What they say about the device."""
        about = CrlSubject.of(DEVICE.der, ISSUER.der)
        assert isinstance(about, CrlSubject)
        status = status_of([each.crl for each in lists], about, CrlRules(), NOW)
        return list_facts(lists, about, status, lambda _: None, NOW)

    def test_deciding(self) -> None:
        """The list is shown that revokes the certificate, and that there are others."""
        of_users = held(extensions=[issuing_point(ONLY_USERS)], number=3)
        found = self.facts(of_users, held(listed=[DEVICE], number=2))
        self.assertEqual((found.origin, found.renewal), (f"CRL 2 ({URL})", None))
        self.assertEqual(found.notes[-1], f"there is CRL 3 ({URL}), too")
        self.assertEqual(self.facts(), NOTHING_KNOWN)

    def test_expired(self) -> None:
        """Of a list that has ended it is said why it clears nothing, and what became of its last download."""
        one = held(days=-0.5, number=None)
        one.problem = "no response"
        found = self.facts(one)
        self.assertIsNone(found.status)
        self.assertEqual(found.notes[1:], ("the CRL has expired", "its last download: no response"))
        self.assertEqual(found.origin, f"CRL ({URL})")

    def test_states(self) -> None:
        """Of all lists so many are shown, with their members as JSON has them."""
        lists: Sequence[HeldList] = [held(number=255, listed=[DEVICE]), held(extensions=[issuing_point(ONLY_USERS)])]
        one, two = list_states(lists, lambda _: 5.0, NOW, 2)
        members = one.members()
        self.assertEqual((members["issuer"], members["number"], members["entries"]), ("CN=Issuer", "FF", 1))
        self.assertEqual((members["renewal"], members["problem"]), ("2026-06-01T12:00:05Z", None))
        self.assertEqual((one.is_limited, two.is_limited), (False, True))
        self.assertEqual(len(list_states(lists, lambda _: None, NOW, 1)), 1)

    def test_taken(self) -> None:
        """A list that was brought is said in a line."""
        end = "0 certificates, until 2026-06-02T12:00:00Z"
        self.assertEqual(taken_text(held(), None), end)
        self.assertEqual(taken_text(held(), Unusable("the CRL has expired")), f"{end}; the CRL has expired")
