"""When answers are asked for again ahead of their end."""

from __future__ import annotations

from itertools import pairwise

from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.memory import FAILURE_TTL
from agwtwisted.core.revocation.status import Good, Revoked, Unknown, Unreachable
from agwtwisted.revocation.ocsp_client import ResponderRoute
from agwtwisted.revocation.renewals import MIN_RENEWAL, SET_PER_TURN
from tests.revocations import (
    HOUR,
    ISSUER,
    NOW,
    PROFILE,
    SKEW,
    SUBJECT,
    RevocationCase,
    profile,
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
        self.revocation.watch([SUBJECT], PROFILE, lambda: None)
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
        self.revocation.watch([SUBJECT], PROFILE, lambda: told.append("device"))
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


class OtherProfilesTests(RevocationCase):
    """Another configuration comes into force."""

    def due(self) -> list[ResponderRoute]:
        """Whom the questions went to that come until the end of an answer that was learnt just now."""
        before = len(self.asker.questions)
        self.clock.advance(HOUR * 0.9)
        return [each.route for each in self.asker.questions[before:]]

    def test_by_the_profile_in_force(self) -> None:
        """A renewal asks as the profile of the same name says that is in force then: its responder, its timeout."""
        self.learn()
        self.known()
        self.revocation.use([profile(ocsp_responder_url="http://127.0.0.1:9/new", ocsp_timeout=1.0)])
        [route] = self.due()
        self.assertEqual([each.url for each in route.destinations], ["http://127.0.0.1:9/new"])
        self.assertEqual(route.timeout, 1.0)

    def test_known_stays(self) -> None:
        """What is known of a certificate is known under a changed profile, too; failures are not, which begin anew."""
        self.learn()
        changed = profile(ocsp_responder_url="http://127.0.0.1:9/new")
        self.revocation.use([changed])
        self.assertIsInstance(self.known(by=changed), Good)
        other = ISSUER.issue("other")
        self.status(other, changed)
        self.give_up()
        self.assertIsInstance(self.known(other, changed), Unreachable)
        self.revocation.use([PROFILE])
        self.assertNoResult(self.status(other))

    def test_revoked_stays(self) -> None:
        """A revocation counts under every profile of every configuration."""
        self.learn("revoked")
        for by in (profile(ocsp_timeout=1.0), profile(name="other"), profile(ocsp_max_age=60.0)):
            self.revocation.use([by])
            self.assertIsInstance(self.known(by=by), Revoked)

    def test_gone(self) -> None:
        """By a profile that is gone nothing is asked, though a connection is open that came by it."""
        self.learn()
        self.revocation.watch([SUBJECT], PROFILE, lambda: None)
        self.revocation.use([])
        self.assertEqual(self.due(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_other_name(self) -> None:
        """What was asked for by a profile that is gone is renewed by the one that uses the answer now."""
        self.learn()
        renamed = profile(name="renamed", ocsp_responder_url="http://127.0.0.1:9/renamed")
        self.revocation.use([renamed])
        self.assertIsInstance(self.known(by=renamed), Good)
        [route] = self.due()
        self.assertEqual([each.url for each in route.destinations], ["http://127.0.0.1:9/renamed"])

    def test_other_ages(self) -> None:
        """Where an answer ends earlier by the changed profile, it is renewed earlier; others are not moved."""
        self.learn()
        self.known()
        before = [call.getTime() for call in self.clock.getDelayedCalls()]
        self.revocation.use([profile(), profile(name="new")])
        self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], before)
        self.revocation.use([profile(ocsp_max_age=600.0)])
        [call] = self.clock.getDelayedCalls()
        self.assertLess(call.getTime() - self.clock.seconds(), 600)

    def test_many(self) -> None:
        """Where many answers are concerned their timers are set anew over turns of the reactor; a stop leaves none."""
        devices = [ISSUER.issue(f"device {number}") for number in range(SET_PER_TURN + 2)]
        for device in devices:
            self.learn(device=device)
        self.revocation.use([profile(ocsp_max_age=600.0)])
        self.assertEqual(self.later_than(1200), 2)
        self.clock.advance(0)
        self.assertEqual(self.later_than(600), 0)
        self.revocation.use([profile(ocsp_max_age=1200.0)])
        self.successResultOf(self.revocation.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def later_than(self, seconds: float) -> int:
        """How many timers run for longer."""
        return len([call for call in self.clock.getDelayedCalls() if call.getTime() > NOW + seconds])

    def test_bridging(self) -> None:
        """An answer that bridges failures is asked for again by each profile that is still the same, by no other."""
        for changes, asked in (({}, [5.0, 5.0]), ({"ocsp_timeout": 1.0}, [5.0])):
            self.setUp()
            other = profile(name="other")
            self.revocation.use([PROFILE, other])
            self.learn()
            self.clock.advance(HOUR)
            self.give_up()
            self.status(by=other)
            self.give_up()
            self.assertIsInstance(self.known(by=other), Good)
            before = len(self.asker.questions)
            self.revocation.use([PROFILE, profile(name="other", **changes)])
            self.clock.advance(FAILURE_TTL)
            self.assertEqual([each.route.timeout for each in self.asker.questions[before:]], asked)

    def test_no_longer_bridging(self) -> None:
        """Once no profile is bridged any more, an answer is renewed at the usual times."""
        self.learn()
        self.clock.advance(HOUR)
        self.give_up()
        self.revocation.use([profile(ocsp_timeout=1.0)])
        held = self.answers._memory.held(ocsp.key_of(*SUBJECT), self.wall.seconds())
        assert held
        self.assertEqual(len(held.bridging), 1)
        self.clock.advance(FAILURE_TTL)
        self.assertEqual(held.bridging, set())

    def test_under_way(self) -> None:
        """What was asked by a profile that is gone meanwhile is learnt, and not asked again by it."""
        waiting = self.status()
        self.revocation.use([])
        self.answer()
        self.assertIsInstance(self.successResultOf(waiting), Good)
        self.assertEqual(self.due(), [])
