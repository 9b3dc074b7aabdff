"""Responses that wait for their certificates."""

from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation.ocsp_store import StoredResponse
from agwtwisted.revocation.unproven import (
    ANSWER,
    PublishedRevocations,
    UnprovenResponses,
    payload_of,
    published,
)
from tests.hubs import Hub


def stored(key: int, response: bytes = b"response", *, is_revoked: bool = False) -> StoredResponse:
    """A response about a certificate."""
    return StoredResponse(key=key.to_bytes(32, "big"), response=response, is_revoked=is_revoked, until=1.5)


class UnprovenTests(SynchronousTestCase):
    """What is kept."""

    def test_published(self) -> None:
        """A response comes to other workers as it is; what is none is an error."""
        for each in (stored(1), stored(2, b"", is_revoked=True)):
            self.assertEqual(published(payload_of(each)), each)
        with self.assertRaises(struct.error):
            published(b"short")

    def test_last(self) -> None:
        """Of revocations the last one is kept, and so is the last one of others: neither replaces the other kind."""
        kept = UnprovenResponses(10)
        revoked = stored(1, b"revoked", is_revoked=True)
        for each in (stored(1, b"old", is_revoked=True), stored(1, b"old"), revoked, stored(1, b"good"), stored(2)):
            kept.put(each)
        self.assertTrue(stored(1).key in kept)
        self.assertEqual(kept.pop(stored(1).key), [revoked, stored(1, b"good")])
        self.assertFalse(stored(1).key in kept)
        self.assertEqual((kept.pop(stored(1).key), kept.pop(stored(2).key)), ([], [stored(2)]))

    def test_bounded(self) -> None:
        """So many that are no revocations are kept, and revocations are not evicted by them."""
        kept = UnprovenResponses(2)
        kept.put(stored(9, is_revoked=True))
        for number in range(5):
            kept.put(stored(number))
        self.assertEqual([number for number in range(10) if stored(number).key in kept], [3, 4, 9])

    def test_discarded(self) -> None:
        """One that is no revocation can be forgotten by its key, and a revocation stays."""
        kept = UnprovenResponses(10)
        for each in (stored(1, is_revoked=True), stored(1), stored(2)):
            kept.put(each)
        for number in (1, 2, 3):
            kept.discard_good(stored(number).key)
        self.assertEqual([number for number in range(4) if stored(number).key in kept], [1])


class PublishedTests(SynchronousTestCase):
    """What the parent keeps for a worker to come."""

    def setUp(self) -> None:
        self.hub = Hub()
        self.worker = self.hub.member()

    def kept(self, *published_responses: StoredResponse, most: int = 10_000) -> list[StoredResponse]:
        """What is given to the next worker after these."""
        known = PublishedRevocations(self.hub.member(), most)
        for each in published_responses:
            self.worker.publish(ANSWER, payload_of(each))
        self.hub.deliver()
        present = list(known.present())
        self.assertEqual({topic for topic, _ in present} | {ANSWER}, {ANSWER})
        return [published(payload) for _, payload in present]

    def test_revocations(self) -> None:
        """Revocations are kept, each certificate's last one; what is said of others is not."""
        revoked = [stored(number, b"new", is_revoked=True) for number in (1, 2)]
        self.assertEqual(self.kept(stored(1, b"old", is_revoked=True), stored(3), *revoked), revoked)

    def test_later(self) -> None:
        """What came after a revocation is kept beside it, the last one: only who proves both knows which is newer."""
        revoked = stored(1, is_revoked=True)
        self.assertEqual(self.kept(revoked, stored(1, b"a"), stored(1, b"b")), [revoked, stored(1, b"b")])
        self.assertEqual(self.kept(stored(1, b"a"), revoked), [revoked])

    def test_bounded(self) -> None:
        """So many bytes are kept, of the last ones."""
        many = [stored(number, bytes(1000), is_revoked=True) for number in range(100)]
        self.assertEqual(self.kept(*many, *many, most=3500), many[-3:])
