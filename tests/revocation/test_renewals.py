"""When answers are asked for again ahead of their end."""

from __future__ import annotations

from itertools import pairwise

from agwtwisted.core.revocation.status import Good, Revoked, Unknown
from agwtwisted.revocation.check import subjects
from agwtwisted.revocation.renewals import MIN_RENEWAL
from tests.revocations import (
    DEVICE,
    HOUR,
    ISSUER,
    PROFILE,
    SKEW,
    RevocationCase,
    client,
)


class RenewalTests(RevocationCase):
    """Answers are renewed ahead of their end."""

    def test_in_use(self) -> None:
        """What was used is asked again before its end, and no client waits."""
        self.learn()
        self.known()
        self.clock.advance(HOUR * 0.49)
        self.assertEqual(len(self.asker.questions), 1)
        self.clock.advance(HOUR * 0.4)
        self.assertEqual(len(self.asker.questions), 2)
        self.assertIsInstance(self.known(), Good)
        self.answer()
        self.clock.advance(HOUR * 0.5)
        self.assertIsInstance(self.known(), Good)

    def test_not_in_use(self) -> None:
        """A response that is unused, and without a connection, is not renewed for ever."""
        self.learn()
        self.clock.advance(HOUR)
        self.answer()
        self.clock.advance(10 * HOUR)
        self.assertEqual(len(self.asker.questions), 2)

    def test_used_late(self) -> None:
        """What comes into use again after its turn is renewed all the same, and its clients do not wait."""
        self.learn()
        self.clock.advance(HOUR * 0.9)
        self.answer()
        self.clock.advance(HOUR * 0.9)
        self.assertEqual(len(self.asker.questions), 2)
        self.known()
        self.clock.advance(HOUR * 0.09)
        self.assertEqual(len(self.asker.questions), 3)
        self.assertIsInstance(self.known(), Good)

    def test_watched(self) -> None:
        """A response with an open connection is in use."""
        self.learn()
        self.revocation.watch(subjects(client(DEVICE).proof, PROFILE), lambda: None)
        for count in range(2, 6):
            self.clock.advance(HOUR)
            self.assertEqual(len(self.asker.questions), count)
            self.answer()

    def test_not_known_any_more(self) -> None:
        """A renewal that finds the certificate unknown ends what was good."""
        self.learn()
        self.clock.advance(HOUR)
        self.answer(self.response("unknown"))
        self.assertEqual(self.known(), Unknown())

    def test_failures_in_a_row(self) -> None:
        """A renewal that fails is tried again though no client comes, and never at once."""
        self.learn()
        tries: list[float] = []
        for _ in range(int(HOUR + SKEW)):
            self.clock.advance(1)
            if len(self.asker.questions) > len(tries) + 1:
                tries.append(self.clock.seconds())
                self.give_up()
        self.assertGreater(len(tries), 2)
        self.assertGreaterEqual(min(later - earlier for earlier, later in pairwise(tries)), MIN_RENEWAL)

    def test_spread(self) -> None:
        """Certificates that came together are not renewed together."""
        devices = [ISSUER.issue(f"device {number}") for number in range(10)]
        for device in devices:
            self.learn(device=device)
        self.assertEqual(len({round(call.getTime()) for call in self.clock.getDelayedCalls()}), 10)

    def test_failure(self) -> None:
        """When a renewal fails the answer still holds, and another try is made; at the end it is over."""
        self.learn()
        self.known()
        self.clock.advance(HOUR * 0.9)
        self.give_up()
        self.assertIsInstance(self.known(), Good)
        self.clock.advance(HOUR * 0.15)
        self.assertEqual(len(self.asker.questions), 3)
        self.give_up()
        self.clock.advance(HOUR)
        self.assertNoResult(self.status())

    def test_revoked(self) -> None:
        """A renewal that finds a revocation is one."""
        told: list[str] = []
        self.learn()
        self.revocation.watch(subjects(client(DEVICE).proof, PROFILE), lambda: told.append("device"))
        self.clock.advance(HOUR)
        self.answer(self.response("revoked"))
        self.assertEqual(told, ["device"])
        self.assertIsInstance(self.known(), Revoked)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """A stop leaves no timer and no request behind."""
        self.learn()
        self.known()
        self.clock.advance(HOUR)
        self.learn(device=ISSUER.issue("other"))
        self.successResultOf(self.revocation.stopService())
        self.assertEqual((self.asker.cancelled, self.clock.getDelayedCalls()), (1, []))
        self.learn(device=ISSUER.issue("late"))
        self.assertEqual(self.clock.getDelayedCalls(), [])
