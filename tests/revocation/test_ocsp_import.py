"""OCSP responses that were brought here: which are kept, and what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.revocation.imported import imported
from agwtwisted.core.revocation.status import Good, Revoked
from agwtwisted.revocation.ocsp_import import KEPT_FOR
from tests.revocations import DEVICE, HOUR, ISSUER, PROFILE, SUBJECT, RevocationCase

OLDER = "the certificate is known as revoked, and this is not newer"


class ImportTests(RevocationCase):
    """In memory, in the store, and beside what is known."""

    def bring(self, status: str = "good", **options: Any) -> str:
        """Brings a response of this moment; returns why it is not taken."""
        found = imported(self.response(status, **options), [Certificate.read(ISSUER.der)])
        assert isinstance(found, list)
        return self.answers.take(found[0])

    def before(self, seconds: float) -> datetime:
        """A time that long ago."""
        return datetime.fromtimestamp(self.wall.seconds() - seconds, UTC)

    def test_counts(self) -> None:
        """A response counts once its certificate comes, without a question."""
        self.assertEqual(self.bring(), "")
        self.assertIsInstance(self.known(), Good)

    def test_outlives(self) -> None:
        """It is stored for the next process, a good one until it ends, and a revocation without an end."""
        for status, kind in (("good", Good), ("revoked", Revoked)):
            self.assertEqual(self.bring(status), "")
            self.started()
            self.assertIsInstance(self.known(), kind)
        self.assertEqual([each.is_revoked for each in self.store.load(self.wall.seconds() + 99 * HOUR, 9)], [True])

    def test_no_next_update(self) -> None:
        """One without nextUpdate is stored for a day."""
        self.bring(next_update=None)
        self.assertEqual(len(self.store.load(self.wall.seconds() + KEPT_FOR - 1, 9)), 1)
        self.assertEqual(self.store.load(self.wall.seconds() + KEPT_FOR, 9), [])

    def test_at_hand(self) -> None:
        """A revocation of a certificate that clients are connected with calls who watches it, at once."""
        self.learn()
        called: list[int] = []
        self.addCleanup(self.answers.watch([SUBJECT], PROFILE, lambda: called.append(1)))
        self.clock.advance(1)
        self.assertEqual(self.bring("revoked"), "")
        self.clock.advance(0)
        self.assertEqual(called, [1])
        self.assertIsInstance(self.known(), Revoked)

    def test_no_way_back(self) -> None:
        """A good one does not end a revocation that is as new, in memory or stored; a newer one does, for good."""
        self.bring("revoked")
        self.assertEqual(self.bring(this_update=self.before(60)), OLDER)
        self.known()
        self.assertEqual(self.bring(this_update=self.before(60)), OLDER)
        self.clock.advance(60)
        self.assertEqual(self.bring(), "")
        self.assertIsInstance(self.known(), Good)
        self.started()
        self.assertIsInstance(self.known(), Good)

    def test_newer_than_a_stored_one(self) -> None:
        """The same where the revocation is only stored, since its certificate was not seen yet."""
        self.bring("revoked")
        self.clock.advance(60)
        self.started()
        self.assertEqual(self.bring(this_update=self.before(120)), OLDER)
        self.assertEqual(self.bring(), "")
        self.assertIsInstance(self.known(), Good)

    def test_unproven(self) -> None:
        """What no issuer has signed is not taken."""
        found = imported(self.response(), [])
        assert isinstance(found, list)
        self.assertIn("its issuer is not among", self.answers.take(found[0]))
        self.assertEqual(self.store.load(0.0, 9), [])

    def test_about_another(self) -> None:
        """It says nothing about other certificates of the issuer."""
        self.bring()
        other = ISSUER.issue("other")
        self.assertIsNone(self.answers.known((other.der, ISSUER.der), PROFILE))
        self.assertIsNotNone(self.answers.known((DEVICE.der, ISSUER.der), PROFILE))

    def test_expired_meanwhile(self) -> None:
        """It ends at its nextUpdate, as if it had come from the responder."""
        self.bring(next_update=datetime.fromtimestamp(self.wall.seconds(), UTC) + timedelta(seconds=60))
        self.clock.advance(61)
        self.assertIsNone(self.answers.known(SUBJECT, PROFILE))
