"""What a process can staple now."""

from __future__ import annotations

from agwtwisted.revocation.held_staples import FollowedStaples, HeldStaples
from tests.revocation.test_stapling import StaplingCase, subject
from tests.revocations import HOUR


class WorkersTests(StaplingCase):
    """What workers have of their parent."""

    def test_followed(self) -> None:
        """A worker staples what its parent has learnt, until that ends or is out of force."""
        worker = FollowedStaples(self.wall, self.hub)
        worker.use([subject()])
        key = subject().key
        data = self.answer()
        self.assertEqual(worker.staple(key), data)
        self.clock.advance(HOUR)
        self.assertEqual(worker.staple(key), b"")
        revoked = self.answer(self.response("revoked"))
        self.assertEqual(worker.staple(key), revoked)
        self.stapling.use([])
        self.assertEqual(worker.staple(key), revoked)  # it may not be as far as its parent
        self.stapling.use([])
        self.assertEqual(worker.staple(key), b"")

    def test_late(self) -> None:
        """A worker that begins later hears of everything."""
        data = self.answer()
        worker = FollowedStaples(self.wall, self.hub)
        for topic, payload in self.stapling.present():
            self.hub.publish(topic, payload)
        self.assertEqual(worker.staple(subject().key), data)


class HeldTests(StaplingCase):
    """A process that asks for nothing."""

    def test_nothing(self) -> None:
        """It has nothing to say, and nothing to prepare."""
        held = HeldStaples(self.wall)
        held.use([subject()])
        self.successResultOf(held.prepare([subject()]))
        self.assertEqual((held.states(), held.outcomes, held.staple(subject().key)), ([], {}, b""))
