"""What is known about certificates: asked once, kept while it holds, judged again at every use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import attrs
from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs

from agwtwisted.core.identity.clients import ClientRevocationStatus
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable, WithoutNocheck
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.finding import FAIL_OPEN_SECONDS
from agwtwisted.core.revocation.memory import FAILURE_TTL, Forgotten
from agwtwisted.core.revocation.ocsp import FORGIVEN_FOR, ProvenResponse
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)
from agwtwisted.core.verification.verdicts import Refused
from agwtwisted.revocation.check import check_of
from agwtwisted.revocation.ocsp_answers import OcspAnswers
from agwtwisted.revocation.ocsp_store import MemoryStore, StoredResponse
from agwtwisted.revocation.unproven import ANSWER, payload_of
from agwtwisted.transport.clocks import LOOK
from tests import pki
from tests.hubs import Hub
from tests.responder import TRY_LATER, Response, Single, delegate
from tests.revocations import (
    DEVICE,
    HOUR,
    ISSUER,
    NOW,
    PROFILE,
    ROOT,
    SKEW,
    SUBJECT,
    RevocationCase,
    client,
    profile,
)

OTHER = ISSUER.issue("another device", ocsp_url="http://ocsp.example/")


class AskingTests(RevocationCase):
    """A cold memory."""

    def test_waits_for_the_answer(self) -> None:
        """The first client waits for the answer, and need not retry; the next one does not wait."""
        waiting = self.status()
        self.assertNoResult(waiting)
        self.answer()
        self.assertEqual(self.successResultOf(waiting), Good(NOW + HOUR))
        self.assertEqual(self.known(), Good(NOW + HOUR))

    def test_stampede(self) -> None:
        """A thousand clients with one certificate: one request."""
        waiting = [self.status() for _ in range(1000)]
        self.assertEqual(len(self.asker.questions), 1)
        self.answer()
        self.assertEqual({type(self.successResultOf(each)) for each in waiting}, {Good})

    def test_slow_responder(self) -> None:
        """Many certificates wait side by side, and none for another's answer."""
        devices = [ISSUER.issue(f"device {number}") for number in range(20)]
        waiting = [self.status(device) for device in devices]
        for number in reversed(range(20)):
            self.answer(self.response(device=devices[number]), number)
            self.assertIsInstance(self.successResultOf(waiting[number]), Good)

    def test_most_leave(self) -> None:
        """Of a thousand clients all but one may leave: it gets its answer, of the one request."""
        waiting = [self.status() for _ in range(1000)]
        for each in waiting[1:]:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.answer()
        self.assertIsInstance(self.successResultOf(waiting[0]), Good)
        self.assertEqual((len(self.asker.questions), self.asker.cancelled), (1, 0))

    def test_one_leaves(self) -> None:
        """A client that leaves does not take the answer from the others."""
        first, second = self.status(), self.status()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.answer()
        self.assertIsInstance(self.successResultOf(second), Good)
        self.assertEqual(self.asker.cancelled, 0)

    def test_all_leave(self) -> None:
        """A request outlives those who wait for it: the client finds its answer when it comes again."""
        waiting = self.status()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        again = self.status()
        again.cancel()
        self.failureResultOf(again, CancelledError)
        self.assertEqual((len(self.asker.questions), self.asker.cancelled), (1, 0))
        self.answer()
        self.assertIsInstance(self.known(), Good)

    def test_no_one_waits_at_the_end(self) -> None:
        """At the end a request is cancelled that goes on without waiters."""
        waiting = self.status()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.answers.stop()  # type: ignore[unused-awaitable]
        self.assertEqual(self.asker.cancelled, 1)

    def test_certificates_are_not_mixed_up(self) -> None:
        """What is known of one certificate is not known of another, nor of it under another issuer."""
        self.learn()
        self.assertNoResult(self.status(ISSUER.issue("other")))
        self.waiting.append(self.answers.status((DEVICE.der, ROOT.der), PROFILE))
        self.assertNoResult(self.waiting[-1])

    def test_false_answers(self) -> None:
        """An answer about another certificate, or an old one, is none."""
        other = ISSUER.issue("other")
        old = {"this_update": pki.NOW - timedelta(days=2), "next_update": pki.NOW - timedelta(days=1)}
        for response in (self.response(device=other), self.response(**old), TRY_LATER, b""):
            self.setUp()
            waiting = self.status()
            self.answer(response)
            self.assertIsInstance(self.successResultOf(waiting), Unusable)

    def test_next_responder(self) -> None:
        """A response that proves nothing now is returned to the caller, which may turn to another responder."""
        self.status()
        accept = self.asker.questions[-1].accept
        self.assertIsInstance(accept(self.response(next_update=pki.NOW - timedelta(days=1))), Unusable)
        self.assertIsInstance(accept(self.response("revoked", next_update=pki.NOW - timedelta(days=1))), ProvenResponse)

    def test_profiles_ask_for_themselves(self) -> None:
        """Clients of one profile do not wait for the responder of another."""
        self.status()
        self.status(by=profile(name="other", ocsp_responder_url="http://127.0.0.1/"))
        self.assertEqual(len(self.asker.questions), 2)

    def test_profiles_of_one_name(self) -> None:
        """Nor do they wait for it where it has the same name, in the next configuration; one of equal content does."""
        self.status()
        self.status(by=profile())
        self.assertEqual(len(self.asker.questions), 1)
        self.status(by=profile(ocsp_responder_without_nocheck=WithoutNocheck.ALLOW))
        self.assertEqual(len(self.asker.questions), 2)

    def test_unreadable_certificate(self) -> None:
        """About a certificate that cannot be parsed no OCSP request is sent, and nothing is good."""
        self.assertIsInstance(self.successResultOf(self.answers.status((b"x", b"y"), PROFILE)), Unusable)
        self.assertEqual(self.asker.questions, [])

    def test_defect(self) -> None:
        """An error while asking fails all waiters, and is not cached."""
        waiting = self.status()
        self.asker.questions[-1].answered.errback(RuntimeError())
        self.failureResultOf(waiting, RuntimeError)
        self.assertNoResult(self.status())


class TimeTests(RevocationCase):
    """A warm memory."""

    def test_judged_at_every_use(self) -> None:
        """At nextUpdate it is requested again, used or not, and the new response decides."""
        self.learn()
        self.clock.advance(HOUR - 1)
        self.assertIsInstance(self.known(), Good)
        self.clock.advance(1)
        waiting = self.status()
        self.assertNoResult(waiting)
        self.answer(self.response("revoked"))
        self.assertIsInstance(self.successResultOf(waiting), Revoked)

    def test_by_the_rules_of_who_asks(self) -> None:
        """A profile that is stricter about age does not take what is good enough for another."""
        self.learn()
        self.clock.advance(100)
        self.assertIsInstance(self.known(), Good)
        self.assertNoResult(self.status(by=profile(name="stricter", ocsp_max_age=99)))

    def test_failures_are_remembered_shortly(self) -> None:
        """After a failure there is no other request for some seconds; then one may succeed."""
        waiting = self.status()
        self.give_up("dead")
        self.assertEqual(self.successResultOf(waiting), Unreachable("dead"))
        self.assertEqual(self.known(), Unreachable("dead"))
        self.clock.advance(FAILURE_TTL)
        self.assertIsInstance(self.learn(), Good)
        self.assertIsInstance(self.known(), Good)

    def test_unknown_is_remembered_shortly(self) -> None:
        """So is the answer that the issuer does not know the certificate: it may just have issued it."""
        self.assertEqual(self.learn("unknown"), Unknown())
        self.assertEqual(self.known(), Unknown())
        self.clock.advance(FAILURE_TTL)
        self.assertIsInstance(self.learn(), Good)

    def test_failures_are_the_profiles(self) -> None:
        """What one profile's responder did not answer another one's may."""
        self.status()
        self.give_up()
        self.assertNoResult(self.status(by=profile(name="other", ocsp_responder_url="http://127.0.0.1/")))

    def test_bounded(self) -> None:
        """Memory holds so many answers, and forgets the least recently used one."""
        self.started(max_answers=2)
        devices = [ISSUER.issue(f"device {number}") for number in range(3)]
        for device in devices:
            self.learn(device=device)
        self.assertIsInstance(self.known(devices[2]), Good)
        self.assertNoResult(self.status(devices[0]))

    def test_failures_are_bounded(self) -> None:
        """Failures are forgotten likewise when there are too many."""
        self.started(max_answers=2)
        devices = [ISSUER.issue(f"device {number}") for number in range(3)]
        for device in devices:
            self.status(device)
            self.give_up()
        self.assertIsInstance(self.known(devices[2]), Unreachable)
        self.assertNoResult(self.status(devices[0]))


class RevokedTests(RevocationCase):
    """A revocation, once proven."""

    def test_stays(self) -> None:
        """It stays past nextUpdate, past eviction of others, and when the responder fails."""
        self.started(max_answers=1)
        self.assertIsInstance(self.learn("revoked"), Revoked)
        for number in range(3):
            self.learn(device=ISSUER.issue(f"device {number}"))
        self.assertIsInstance(self.known(), Revoked)
        self.clock.advance(HOUR + SKEW)
        waiting = self.status()
        self.give_up()
        self.assertIsInstance(self.successResultOf(waiting), Revoked)
        self.assertIsInstance(self.known(), Revoked)

    def test_are_not_counted(self) -> None:
        """Revocations do not push each other out where answers would."""
        self.started(max_answers=1)
        devices = [ISSUER.issue(f"device {number}") for number in range(3)]
        for device in devices:
            self.learn("revoked", device)
        for device in devices:
            self.assertIsInstance(self.known(device), Revoked)

    def test_older_revocation(self) -> None:
        """An older *revoked* makes no room for a *good* of between, not after a restart either."""
        good = {"this_update": pki.NOW - timedelta(hours=1), "next_update": pki.NOW + timedelta(days=1)}
        self.learn("revoked")
        self.clock.advance(HOUR + SKEW)
        self.learn("revoked", this_update=pki.NOW - timedelta(hours=2))
        for _ in range(2):
            self.clock.advance(HOUR)
            self.assertIsInstance(self.learn(**good), Revoked)
            self.started()

    def test_every_failure(self) -> None:
        """Neither a false answer, nor an old one, nor *unknown* makes it undone."""
        self.learn("revoked")
        before = {"this_update": pki.NOW - timedelta(minutes=1)}
        same = {"this_update": pki.NOW, "next_update": pki.NOW + timedelta(days=1)}
        for response in (TRY_LATER, b"", None, self.response(**before), self.response(**same)):
            self.clock.advance(HOUR + SKEW)
            waiting = self.status()
            self.answer(self.response("unknown") if response is None else response)  # of this very moment
            self.assertIsInstance(self.successResultOf(waiting), Revoked)
            self.assertIsInstance(self.known(), Revoked)

    def test_replayed(self) -> None:
        """A good response of before the revocation, still within its time, does not undo it."""
        long = {"this_update": pki.NOW - timedelta(seconds=1), "next_update": pki.NOW + timedelta(days=1)}
        replayed = self.response(**long)
        self.learn("revoked")
        self.clock.advance(HOUR + SKEW)
        waiting = self.status()
        self.answer(replayed)
        self.assertIsInstance(self.successResultOf(waiting), Revoked)

    def test_newer_good(self) -> None:
        """A newer *good* does: a hold was lifted."""
        self.learn("revoked", reason=6)
        self.clock.advance(HOUR + SKEW)
        self.assertIsInstance(self.learn(), Good)
        self.assertIsInstance(self.known(), Good)
        [stored] = self.store.load(self.wall.seconds(), 10)
        self.assertTrue(stored.is_newer_than_revocation)  # else a file would keep the revocation

    def test_of_the_future(self) -> None:
        """A responder whose clock was years ahead when it said *revoked* can still say *good* later."""
        ahead = {"this_update": pki.NOW + timedelta(days=999), "next_update": pki.NOW + timedelta(days=1000)}
        self.assertIsInstance(self.learn("revoked", **ahead), Revoked)
        self.assertIsInstance(self.known(), Revoked)
        self.clock.advance(PROFILE.ocsp_max_age)
        self.assertIsInstance(self.learn(), Good)

    def test_good_of_before_by_a_clock_ahead(self) -> None:
        """A responder's clock that is ahead orders its answers: a *good* of before the revocation does not undo it."""
        for ahead in (timedelta(seconds=SKEW - 50), timedelta(hours=2)):
            self.setUp()
            before = self.response(this_update=pki.NOW + ahead / 4, next_update=pki.NOW + timedelta(days=1))
            self.learn("revoked", this_update=pki.NOW + ahead, next_update=pki.NOW + ahead / 2)
            self.clock.advance(ahead.total_seconds() / 2)
            waiting = self.status()
            self.answer(before)
            self.assertIsInstance(self.successResultOf(waiting), Revoked)
            self.clock.advance(ahead.total_seconds())
            self.assertIsInstance(self.learn(), Good)

    def test_signed_after_a_clock_was_ahead(self) -> None:
        """An answer that came ahead of its thisUpdate keeps out no newer one, once the responder's clock is right."""
        ahead = pki.NOW + timedelta(seconds=SKEW - 50)
        for status, expected in (("revoked", Revoked), ("good", Good)):
            for restarts in (False, True):
                self.setUp()
                self.learn(this_update=ahead, next_update=ahead + timedelta(seconds=10))
                if restarts:
                    self.started()
                    self.assertIsInstance(self.known(), Good)
                self.clock.advance(SKEW - 60)  # it is renewed ahead of its end
                self.answer(self.response(status))
                self.clock.advance(60)
                self.assertIsInstance(self.known(), expected)

    def test_by_a_clock_that_was_years_ahead(self) -> None:
        """What was asked about while the system's clock was years ahead is still revoked when it is right again."""
        self.learn("revoked")
        years = 100 * 365 * 24 * HOUR
        self.wall.step(years)
        self.status()
        self.give_up()
        self.wall.step(-years)
        self.clock.advance(HOUR + FAILURE_TTL)
        waiting = self.status()
        self.give_up()
        self.assertIsInstance(self.successResultOf(waiting), Revoked)

    def test_old_revocation_is_not_asked_at_every_use(self) -> None:
        """One whose own time was over when it came is not asked about again for some seconds."""
        old = {"this_update": pki.NOW - timedelta(days=2), "next_update": pki.NOW - timedelta(days=1)}
        self.assertIsInstance(self.learn("revoked", **old), Revoked)
        self.assertIsInstance(self.known(), Revoked)
        self.clock.advance(FAILURE_TTL)
        self.assertIsInstance(self.learn(), Good)

    def test_older_than_good(self) -> None:
        """A revocation older than what is known does not undo it: that hold was lifted."""
        self.learn()
        held = self.response("revoked", this_update=pki.NOW - timedelta(days=1), next_update=None)
        self.clock.advance(HOUR)
        self.answer(held)
        self.assertIsInstance(self.known(), Good)

    def test_watchers(self) -> None:
        """Only watchers of a certificate are notified when it becomes known as revoked."""
        told: list[str] = []
        other = ISSUER.issue("other")
        self.answers.watch([SUBJECT], PROFILE, lambda: told.append("device"))
        self.answers.watch([(other.der, ISSUER.der)], PROFILE, lambda: told.append("other"))
        unwatch = self.answers.watch([SUBJECT], PROFILE, lambda: told.append("gone"))
        unwatch()
        self.learn("revoked")
        self.assertEqual(told, ["device"])
        self.clock.advance(HOUR + SKEW)
        self.learn("revoked")
        self.assertEqual(told, ["device"])

    def test_watchers_are_forgotten(self) -> None:
        """Nothing remains of a watcher that is gone."""
        unwatch = [self.answers.watch([SUBJECT], PROFILE, lambda: None) for _ in range(2)]
        for each in unwatch:
            each()
        self.assertEqual(self.answers._watchers._watchers, {})


class StepTests(RevocationCase):
    """The system's clock is set: answers are judged by it, and nothing waits by it."""

    def setUp(self) -> None:
        super().setUp()
        self.wall.startService()
        self.addCleanup(self.wall.stopService)

    def test_answer_over(self) -> None:
        """An answer that does not hold at the new time is asked again; once the clock is right, it is as before."""
        self.learn()
        for step in (2 * HOUR, -2 * HOUR):
            self.wall.step(step)
            waiting = self.status()
            self.assertNoResult(waiting)
            now = datetime.fromtimestamp(self.clock.seconds(), UTC)  # the responder's clock is right
            self.answer(self.response(this_update=now, next_update=now + timedelta(hours=1)))
            self.assertIsInstance(self.successResultOf(waiting), Unusable)
            self.wall.step(-step)
            self.clock.advance(FAILURE_TTL)
            if step > 0:
                self.assertNoResult(self.status())
                self.answer()
            self.assertIsInstance(self.known(), Good)

    def test_failures(self) -> None:
        """A failure is remembered as long as ever: the next request is put in time, and not before."""
        for step in (HOUR, -HOUR):
            self.status()
            self.give_up()
            self.assertIsInstance(self.known(), Unreachable)
            self.wall.step(step)
            self.assertIsInstance(self.known(), Unreachable)
            self.clock.advance(FAILURE_TTL - LOOK)
            self.assertNoResult(self.status())
            self.answer()
            self.wall.step(2 * step)

    def test_renewal_after_a_step_back(self) -> None:
        """What lives an hour longer by the new time is renewed later, and ahead of its end."""
        self.learn()
        self.known()
        self.wall.step(-HOUR)
        self.clock.advance(2 * HOUR * 0.49)
        self.assertEqual(len(self.asker.questions), 1)
        self.clock.advance(2 * HOUR * 0.4)
        self.assertEqual(len(self.asker.questions), 2)

    def test_renewal_after_a_step_forward(self) -> None:
        """What lives less long by the new time is renewed sooner, ahead of its end."""
        self.learn()
        self.known()
        self.wall.step(HOUR / 2)
        self.clock.advance(HOUR / 2 * 0.9)
        self.assertEqual(len(self.asker.questions), 2)
        self.answer()
        self.assertIsInstance(self.known(), Good)

    def test_stopped(self) -> None:
        """One that has stopped renews nothing because of a step."""
        self.learn()
        self.known()
        self.answers.stop()
        self.wall.step(HOUR / 2)
        self.clock.advance(HOUR)
        self.assertEqual(len(self.asker.questions), 1)

    def test_allowed(self) -> None:
        """The end of what Allow let in is one of the system's time."""
        by = profile(ocsp_unavailable=RevocationUnavailable.ALLOW)
        self.wall.step(HOUR)
        self.status(by=by)
        self.give_up()
        check = check_of(self.revocation, by)
        assert check
        self.assertEqual(self.found(check(client(DEVICE))).until, self.wall.seconds() + FAIL_OPEN_SECONDS)


class NotAskedTests(RevocationCase):
    """The gateway itself could not ask."""

    def lack(self) -> None:
        """The last request was not put."""
        self.asker.questions[-1].answered.callback(CouldNotAsk("too many"))

    def test_is_not_remembered(self) -> None:
        """It is not cached as a failure: the next certificate is asked about at once."""
        waiting = self.status()
        self.lack()
        self.assertEqual(self.successResultOf(waiting), CouldNotAsk("too many"))
        self.assertIsInstance(self.learn(), Good)

    def test_is_not_allowed(self) -> None:
        """Allow does not accept a client about whom no request was sent, alone or in a chain, and the log says why."""
        for scope in RevocationScope:
            self.setUp()
            check = check_of(self.revocation, profile(ocsp_unavailable=RevocationUnavailable.ALLOW, ocsp_scope=scope))
            assert check
            judged = check(client(DEVICE))
            if scope is RevocationScope.CHAIN:
                self.asker.questions[0].answered.callback(Unreachable("dead"))
            with capturedLogs() as events:
                self.lack()
            found = self.found(judged)
            self.assertEqual(found.verdict, Refused("certificate status could not be asked for"))
            self.assertEqual(found.revocation_status, ClientRevocationStatus.NOT_ASKED)
            self.assertEqual([event["reason"] for event in events], ["too many"])

    def test_revoked(self) -> None:
        """What is known as revoked is so, be it asked about or not."""
        self.learn("revoked")
        self.clock.advance(HOUR)
        waiting = self.status()
        self.lack()
        self.assertIsInstance(self.successResultOf(waiting), Revoked)

    def test_left_alone(self) -> None:
        """That a responder is left alone is not remembered against a certificate: its responder may be back."""
        waiting = self.status()
        self.asker.questions[-1].answered.callback(Unreachable("a moment ago", was_asked=False))
        self.assertIsInstance(self.successResultOf(waiting), Unreachable)
        self.assertIsInstance(self.learn(), Good)


class BridgeTests(RevocationCase):
    """A response past its end, and no responder with another."""

    def setUp(self) -> None:
        super().setUp()
        self.learn()
        self.asker.questions.clear()

    def until_end(self, seconds: float = 0.0, fail: bool = True) -> None:
        """Time passes until the end of the answer, renewals fail meanwhile."""
        while self.clock.seconds() < NOW + HOUR + seconds:
            self.clock.advance(1)
            if fail and self.asker.questions and not self.asker.questions[-1].answered.called:
                self.give_up()

    def bridge(self) -> None:
        """The request at the end has no answer."""
        self.until_end()
        waiting = self.status()
        self.assertNoResult(waiting)
        self.give_up()
        self.assertEqual(self.successResultOf(waiting), Good(NOW + HOUR + FORGIVEN_FOR))

    def test_after_a_failure(self) -> None:
        """Once it was asked again in vain the answer counts on, and is requested every few seconds; no client waits."""
        self.bridge()
        for count in range(1, 10):
            asked = len(self.asker.questions)
            self.assertIsInstance(self.known(), Good)
            self.clock.advance(FAILURE_TTL)
            self.assertEqual(len(self.asker.questions), asked + 1, str(count))
            self.assertIsInstance(self.known(), Good)
            self.give_up()

    def test_within_the_skew(self) -> None:
        """It counts as long as the clock's skew, and no moment longer."""
        self.bridge()
        self.until_end(SKEW - 1)
        self.assertEqual(self.known(), Good(NOW + HOUR + SKEW))
        self.clock.advance(1)
        self.assertNotIsInstance(self.found_now(), Good)

    def found_now(self) -> RevocationStatus:
        """What is known, with a request that fails if there has to be one."""
        waiting = self.status()
        if not waiting.called:
            self.give_up()
        return self.successResultOf(waiting)

    def test_revoked(self) -> None:
        """The retry's answer counts as soon as it is there, and open connections are notified."""
        self.bridge()
        told: list[int] = []
        self.answers.watch([SUBJECT], PROFILE, lambda: told.append(1))
        self.clock.advance(FAILURE_TTL)
        self.answer(self.response("revoked"))
        self.assertIsInstance(self.known(), Revoked)
        self.assertEqual(told, [1])

    def test_unknown(self) -> None:
        """An answer that is none of good is an answer: nothing is bridged over it."""
        self.until_end()
        waiting = self.status()
        self.answer(self.response("unknown"))
        self.assertEqual(self.successResultOf(waiting), Unknown())

    def test_good(self) -> None:
        """With a new answer all is as before."""
        self.bridge()
        self.clock.advance(FAILURE_TTL)
        self.answer()
        self.assertEqual(self.known(), Good(self.clock.seconds() + HOUR))

    def test_not_asked(self) -> None:
        """It is not bridged over what the gateway itself did not ask, then and later."""
        self.bridge()
        self.clock.advance(FAILURE_TTL)
        self.asker.questions[-1].answered.callback(CouldNotAsk("x"))
        waiting = self.status()
        self.assertNoResult(waiting)
        self.asker.questions[-1].answered.callback(CouldNotAsk("x"))
        self.assertEqual(self.successResultOf(waiting), CouldNotAsk("x"))

    def test_failure_ahead_of_the_end(self) -> None:
        """A renewal that failed a moment before the end is no reason not to ask at the end."""
        self.until_end(-1)
        key = self.answers._key_of(*SUBJECT)
        held = self.answers._memory.held(key, self.clock.seconds())
        assert held
        held.used = True
        self.answers._renew(key, held)
        self.give_up()
        self.assertIsInstance(self.known(), Good)
        self.clock.advance(1)
        self.assertNoResult(self.status())

    def test_each_profile_for_itself(self) -> None:
        """Who has not asked in vain itself does not get what another one bridges."""
        self.bridge()
        self.assertNoResult(self.status(by=profile(name="other")))

    def test_not_in_use(self) -> None:
        """Without new and open connections the retries end with the skew, and leave nothing."""
        self.bridge()
        for _ in range(int(SKEW)):
            self.clock.advance(1)
            if not self.asker.questions[-1].answered.called:
                self.give_up()
        self.assertNotIsInstance(self.found_now(), Good)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_after_a_step(self) -> None:
        """The retries go on after the system's clock was set."""
        self.bridge()
        self.answers._renewals.reschedule()
        asked = len(self.asker.questions)
        self.clock.advance(FAILURE_TTL)
        self.assertEqual(len(self.asker.questions), asked + 1)

    def test_over_when_it_came(self) -> None:
        """By a clock that is ahead every answer is over when it comes: it counts for a moment, and is asked again."""
        self.until_end()
        self.wall.ahead = SKEW / 2
        for _ in range(3):
            waiting = self.status()
            now = datetime.fromtimestamp(self.clock.seconds(), UTC)  # the responder's clock is right
            self.answer(self.response(this_update=now, next_update=now + timedelta(seconds=1)))
            self.assertIsInstance(self.successResultOf(waiting), Good)
            self.clock.advance(FORGIVEN_FOR - 1)
            self.assertIsInstance(self.known(), Good)
            self.clock.advance(1)

    def test_of_an_earlier_process(self) -> None:
        """What an earlier process has stored is not bridged either without having been asked for in vain."""
        self.until_end(-1)
        [stored] = self.store.load(self.clock.seconds(), 10)
        self.assertEqual(stored.until, NOW + HOUR)
        self.store.put(attrs.evolve(stored, until=NOW + 2 * HOUR))
        self.started()
        self.assertIsInstance(self.known(), Good)
        self.started()
        self.clock.advance(1)
        self.assertNoResult(self.status())


class WithoutNocheckTests(RevocationCase):
    """Responders whose own certificate lacks id-pkix-ocsp-nocheck."""

    lenient = profile(name="lenient", ocsp_responder_without_nocheck=WithoutNocheck.ALLOW)
    delegate = delegate(ISSUER, extra=())

    def signed(self, status: str = "good", minutes: int = 0) -> bytes:
        """A response by such a one, of this moment or some minutes later."""
        now = datetime.fromtimestamp(self.wall.seconds(), UTC) + timedelta(minutes=minutes)
        single = Single(certificate=DEVICE, status=status, this_update=now, next_update=now + timedelta(hours=1))
        signer = {"signer": self.delegate, "certificates": [self.delegate]}
        return Response(singles=[single], produced_at=now, **signer).der()

    def test_by_profile(self) -> None:
        """It counts for the profile that says so, and for no other, whichever profile asked."""
        waiting = self.status(by=self.lenient)
        self.answer(self.signed())
        self.assertIsInstance(self.successResultOf(waiting), Good)
        self.assertIsInstance(self.known(by=self.lenient), Good)
        strict = self.status()
        self.answer(self.signed())
        self.assertIsInstance(self.successResultOf(strict), Unusable)
        self.assertIsInstance(self.known(by=self.lenient), Good)

    def test_is_not_in_the_way(self) -> None:
        """What one profile believes is no reason for the other not to take an older answer of a better responder."""
        self.status(by=self.lenient)
        self.answer(self.signed(minutes=1))
        self.assertIsInstance(self.learn(), Good)
        self.assertIsInstance(self.known(), Good)

    def test_revoked(self) -> None:
        """A revocation that one profile has learnt counts for all; the other does not learn one so."""
        strict = self.status()
        self.answer(self.signed("revoked"))
        self.assertIsInstance(self.successResultOf(strict), Unusable)
        self.status(by=self.lenient)
        self.answer(self.signed("revoked"))
        self.assertIsInstance(self.known(), Revoked)


class StoreTests(RevocationCase):
    """Across restarts."""

    def test_known_after_a_restart(self) -> None:
        """What was learnt is known to the next process, which verifies it again."""
        other = ISSUER.issue("other")
        self.learn()
        self.learn("revoked", other)
        self.answers.stop()
        self.started()
        self.assertIsInstance(self.known(), Good)
        self.assertIsInstance(self.known(other), Revoked)

    def test_no_profile_asks(self) -> None:
        """A stored revocation binds clients of profiles with other sources, also once no profile asks responders."""
        self.learn("revoked")
        self.answers.stop()
        self.started().use([])
        self.assertIsInstance(self.answers.revoked(SUBJECT), Revoked)
        self.assertIsNone(self.answers.revoked((ISSUER.issue("other").der, ISSUER.der)))

    def test_revoked_for_long(self) -> None:
        """A revocation is kept until the certificate ends, a good answer until its own end."""
        other = ISSUER.issue("other")
        self.learn()
        self.learn("revoked", other)
        self.answers.stop()
        self.clock.advance(1000 * HOUR)
        self.started()
        self.assertNoResult(self.status())
        waiting = self.status(other)
        self.give_up()
        self.assertIsInstance(self.successResultOf(waiting), Revoked)

    def test_not_believed(self) -> None:
        """What stands in a store is believed as little as what comes over the network."""
        self.learn()
        [stored] = self.store.load(0, 10)
        stranger = pki.Authority.root("Issuer")
        forged = Response(signer=stranger, singles=[Single(certificate=DEVICE)], responder=ISSUER).der()
        for response in (b"", forged, self.response("good", ISSUER.issue("other"))):
            self.store.put(attrs.evolve(stored, response=response))
            self.started()
            self.assertNoResult(self.status())


class SiblingsTests(RevocationCase):
    """Two workers of one gateway."""

    def setUp(self) -> None:
        """The first one has learnt nothing yet."""
        super().setUp()
        self.hub = Hub()
        self.started(siblings=self.hub.member())
        self.first = self.answers
        self.started(siblings=self.hub.member())
        self.second = self.answers

    def at(self, worker: OcspAnswers) -> None:
        """Clients come to this one from now on."""
        self.answers = worker

    def watch(self, worker: OcspAnswers, device: pki.Credential = DEVICE) -> tuple[list[str], Callable[[], None]]:
        """What is called at a worker for a connection of a device, and what ends that."""
        called: list[str] = []
        return called, worker.watch([(device.der, ISSUER.der)], PROFILE, lambda: called.append("called"))

    def test_good(self) -> None:
        """What one worker has learnt the other does not ask for."""
        self.learn()
        self.hub.deliver()
        self.at(self.second)
        self.assertIsInstance(self.known(), Good)

    def test_revoked(self) -> None:
        """A certificate that one worker knows as revoked is refused by the other, which did not know it."""
        self.learn("revoked")
        self.hub.deliver()
        self.at(self.second)
        self.assertIsInstance(self.known(), Revoked)

    def test_live_connections(self) -> None:
        """Connections with the certificate are judged again by the other worker at once, whatever it held."""
        for knew in (False, True):
            if knew:
                self.at(self.second)
                self.learn(device=OTHER)
            device = OTHER if knew else DEVICE
            called, _ = self.watch(self.second, device)
            self.at(self.first)
            self.learn("revoked", device)
            self.assertEqual(called, [])
            self.hub.deliver()
            self.assertEqual(called, ["called"])
            self.at(self.second)
            self.assertIsInstance(self.known(device), Revoked)

    def test_not_believed(self) -> None:
        """A response is proven here as well: one that is signed by another issuer changes nothing."""
        called, _ = self.watch(self.second)
        other = pki.Authority.root("Root").intermediate("Issuer")
        forged = Response(signer=other, singles=[Single(certificate=DEVICE, status="revoked")]).der()
        key = ocsp.key_of(*SUBJECT)
        stored = StoredResponse(key=key, response=forged, is_revoked=True, until=NOW + HOUR)
        self.hub.members[0].publish(ANSWER, payload_of(stored))
        self.hub.deliver()
        self.assertEqual(called, [])
        self.at(self.second)
        self.assertIsInstance(self.learn(), Good)

    def test_not_believed_later(self) -> None:
        """Nor does one that waits until its certificate is seen."""
        other = pki.Authority.root("Root").intermediate("Issuer")
        forged = Response(signer=other, singles=[Single(certificate=DEVICE)]).der()
        stored = StoredResponse(key=ocsp.key_of(*SUBJECT), response=forged, is_revoked=False, until=NOW + HOUR)
        self.hub.members[0].publish(ANSWER, payload_of(stored))
        self.hub.deliver()
        self.at(self.second)
        self.assertIsInstance(self.learn("revoked"), Revoked)

    def test_while_it_asks(self) -> None:
        """A worker that asks meanwhile, and hears that it is good, knows of the revocation nevertheless."""
        self.at(self.second)
        waiting = self.status()
        good = self.response(this_update=datetime.fromtimestamp(NOW - 60, UTC))
        self.at(self.first)
        self.status()
        self.answer(self.response("revoked"))
        self.hub.deliver()
        self.answer(good, 0)
        self.assertIsInstance(self.successResultOf(waiting), Revoked)

    def test_older_good(self) -> None:
        """An answer that is older than a revocation does not lift it, in whichever order they come."""
        good = self.response(this_update=datetime.fromtimestamp(NOW - 60, UTC))
        self.at(self.second)
        self.learn("revoked")
        self.at(self.first)
        self.status()
        self.answer(good)
        self.hub.deliver()
        for worker in (self.first, self.second):
            self.at(worker)
            self.assertIsInstance(self.known(), Revoked)

    def test_reinstated(self) -> None:
        """A newer *good* of one worker counts in the other."""
        self.learn("revoked", next_update=None)
        self.hub.deliver()
        self.clock.advance(HOUR)
        self.at(self.second)
        self.learn()
        self.hub.deliver()
        self.at(self.first)
        self.assertIsInstance(self.known(), Good)

    def test_renewed_once(self) -> None:
        """An answer that both hold is renewed by one of them, for both."""
        self.second._renewals._random = Random(5)
        self.learn()
        self.hub.deliver()
        self.at(self.second)
        self.known()
        self.at(self.first)
        self.known()
        asked = len(self.asker.questions)
        for _ in range(100):
            self.clock.advance(36)
            for question in self.asker.questions[asked:]:
                if not question.answered.called:
                    question.answered.callback(question.accept(self.response()))
            self.hub.deliver()
        self.assertEqual(len(self.asker.questions), asked + 1)

    def test_stored_by_all(self) -> None:
        """A revocation is stored by every worker: the one that has learnt it may be killed before it has."""
        self.store = MemoryStore()
        self.started(siblings=self.hub.member())
        self.at(self.first)
        store = self.store
        self.learn("revoked")
        self.learn(device=OTHER)
        self.assertEqual(store.load(NOW, 10), [])
        self.hub.deliver()
        self.assertEqual([each.is_revoked for each in store.load(NOW, 10)], [True])

    def test_nothing_is_kept(self) -> None:
        """Of connections that are gone nothing is remembered."""
        for _ in range(2):
            _, unwatch = self.watch(self.second)
            _, unwatch_another = self.watch(self.second)
            unwatch()
            self.assertEqual(len(self.second.heard._watched), 1)
            unwatch_another()
            self.assertEqual(self.second.heard._watched, {})


class OperatorTests(RevocationCase):
    """What an operator sees, and has forgotten."""

    def test_answers(self) -> None:
        """Answers in memory are counted by what they say."""
        self.learn()
        self.learn("revoked", OTHER)
        answers = self.answers.answers
        self.assertEqual((answers.good, answers.revoked, answers.unknown, answers.unproven), (1, 1, 0, 0))

    def test_next_renewals(self) -> None:
        """The answers that are asked for again first come first, with the time."""
        self.learn()
        self.clock.advance(60)
        self.learn(device=OTHER)
        first, second = self.answers.next_renewals(10)
        self.assertEqual({first.subject[0], second.subject[0]}, {DEVICE.der, OTHER.der})
        self.assertLessEqual(first.renewal, second.renewal)
        self.assertLess(first.renewal, first.next_update)
        self.assertEqual(len(self.answers.next_renewals(1)), 1)

    def test_forget_all(self) -> None:
        """What is forgotten is asked for again, and not renewed; a revocation stays."""
        self.learn()
        self.learn("revoked", OTHER)
        self.assertEqual(self.answers.forget(Forgotten()), 1)
        self.assertEqual((self.answers.answers.good, self.answers.answers.revoked), (0, 1))
        self.assertEqual(self.answers.next_renewals(10), [])
        self.assertIsInstance(self.known(OTHER), Revoked)
        self.learn()

    def test_forget_one(self) -> None:
        """Only the answer about a serial number, and an issuer where one is named, is forgotten."""
        self.learn()
        self.learn(device=OTHER)
        serial = DEVICE.certificate.serial_number
        issuer = DEVICE.certificate.issuer.rfc4514_string()
        self.assertEqual(self.answers.forget(Forgotten(serial=serial, issuer="CN=another issuer")), 0)
        self.assertEqual(self.answers.forget(Forgotten(serial=serial, issuer=issuer)), 1)
        self.assertIsInstance(self.known(OTHER), Good)
        self.assertEqual(self.answers.forget(Forgotten(serial=serial)), 0)
        self.learn()

    def test_forget_failures(self) -> None:
        """What was not to be had a moment ago is asked for again at once."""
        waiting = self.status()
        self.give_up()
        self.assertIsInstance(self.successResultOf(waiting), Unreachable)
        self.assertIsInstance(self.known(), Unreachable)
        self.answers.forget(Forgotten())
        self.learn()

    def test_forget_stored(self) -> None:
        """A process that comes later does not find what was forgotten, and finds revocations."""
        self.learn()
        self.learn("revoked", OTHER)
        self.answers.forget(Forgotten(serial=DEVICE.certificate.serial_number))
        self.started()
        self.learn()
        self.assertIsInstance(self.known(OTHER), Revoked)

    def test_forget_unproven(self) -> None:
        """What an earlier process has stored is forgotten before it is proven, too; what it says is revoked is not."""
        self.learn()
        self.learn("revoked", OTHER)
        self.started()
        self.assertEqual(self.answers.answers.unproven, 2)
        self.answers.forget(Forgotten())
        self.assertEqual(self.answers.answers.unproven, 1)
        self.assertIsInstance(self.known(OTHER), Revoked)
