"""A gateway without a store that it shares with others."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED


class NothingSharedTests(SynchronousTestCase):
    """Each gateway asks for itself."""

    def test_has_nothing(self) -> None:
        """There is no value of any key, before and after it was put."""
        self.assertIsNone(self.successResultOf(NOTHING_SHARED.get("ocsp:1")))
        self.assertFalse(self.successResultOf(NOTHING_SHARED.put("ocsp:1", b"value", 60.0)))
        self.assertIsNone(self.successResultOf(NOTHING_SHARED.get("ocsp:1")))
        self.assertFalse(NOTHING_SHARED.is_usable)
        self.assertIsNone(NOTHING_SHARED.state)

    def test_every_lease_is_given(self) -> None:
        """Who asks for a lease gets it: no other gateway finds out instead."""
        for _ in range(2):
            self.assertTrue(self.successResultOf(NOTHING_SHARED.lease("ocsp:1", 5.0)))
        self.assertIsNone(self.successResultOf(NOTHING_SHARED.release("ocsp:1")))

    def test_news_reach_no_other(self) -> None:
        """What is published is heard by none."""
        NOTHING_SHARED.start()
        NOTHING_SHARED.subscribe("revoked", lambda news: self.fail(f"heard {news!r}"))
        NOTHING_SHARED.publish("revoked", b"1")
        NOTHING_SHARED.announce("1", b"", 1.0, topic="revoked", news=b"1")
        self.assertIsNone(self.successResultOf(NOTHING_SHARED.stop()))
