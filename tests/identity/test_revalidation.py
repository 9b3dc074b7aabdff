"""A verdict is true while the connection lives, or the connection ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import (
    NOT_CHECKED,
    Admitted,
    Client,
    ClientRevocationStatus,
    PendingClient,
    RevocationFinding,
    TurnedAway,
    identify,
)
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable, SslProfile
from agwtwisted.core.revocation.finding import FAIL_OPEN_SECONDS
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, NotAsked, Refused, Trusted, Unchecked
from agwtwisted.identity.revalidation import EXPIRED, Answer, Revalidation, StrictClient
from agwtwisted.revocation.check import check_of
from agwtwisted.revocation.watchers import CALLS_PER_TURN
from agwtwisted.transport.clocks import LOOK
from tests import identities, pki
from tests.clocks import SettableClock, turn
from tests.responder import Response, Single
from tests.revocations import DEVICE, HOUR, ISSUER, PROFILE, SKEW, RevocationCase, client, profile

VERIFIED = identities.pending(Trusted(), until=1000.0)
REVOKED = RevocationFinding(status=ClientRevocationStatus.REVOKED, refusal=Refused("certificate revoked"))


class Check:
    """What judges further; answers what and when the test says."""

    def __init__(self) -> None:
        self.asked: list[PendingClient] = []
        self.cancelled: list[object] = []
        self.answers: list[Answer] = []
        self.watchers: list[Callable[[], None]] = []

    def __call__(self, client: PendingClient) -> Answer:
        """As revalidation.Check says."""
        self.asked.append(client)
        return self.answers.pop(0) if self.answers else Deferred(self.cancelled.append)

    def watch(self, client: PendingClient, told: Callable[[], None]) -> Callable[[], None]:
        """As revalidation.Check says."""
        self.watchers.append(told)
        return lambda: self.watchers.remove(told)


class Defective(Check):
    """One that raises."""

    def __call__(self, client: PendingClient) -> Answer:
        """A defect."""
        raise RuntimeError


class RevalidationTests(SynchronousTestCase):
    """The verdict about one client."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wall = SettableClock(self.clock)
        self.wall.startService()
        self.check = Check()
        self.told: list[object] = []

    def hold(self) -> None:
        """As Revalidated says."""
        self.told.append("hold")

    def renewed(self, client: Client) -> None:
        """As Revalidated says."""
        self.told.append(client)

    def timers(self) -> list[object]:
        """What is waited for, but for the clock's own look."""
        return [call for call in self.clock.getDelayedCalls() if call is not self.wall._timer]

    def revalidation(self, until: float, check: Check | None) -> Revalidation:
        """That of a verdict that holds until then."""
        revalidation = Revalidation(self.clock, self.wall, self, VERIFIED, check)
        revalidation.until(until)
        return revalidation

    def good(self, until: float) -> RevocationFinding:
        """The client's certificate is good."""
        return RevocationFinding(status=ClientRevocationStatus.GOOD, until=until)

    def client(self, finding: RevocationFinding) -> Client:
        """The client, by this finding."""
        return identify(VERIFIED, finding)

    def assert_unavailable(self) -> None:
        """The client was turned away, since nothing was found out about it."""
        client = self.told[-1]
        assert isinstance(client, TurnedAway), client
        self.assertEqual(client.verdict, Refused("certificate status request failed"))
        self.assertEqual((client.revocation_status, client.proof), (ClientRevocationStatus.UNAVAILABLE, VERIFIED.proof))

    def test_certificate_ends(self) -> None:
        """At the end of its certificate a client is refused, with nothing else to check or with."""
        refused = self.client(EXPIRED)
        self.assertEqual(refused.verdict, Refused("certificate has expired"))
        for check in (None, self.check):
            self.setUp()
            self.revalidation(1000.0, check and self.check)
            self.clock.advance(999)
            self.assertEqual(self.told, [])
            self.clock.advance(1)
            self.assertEqual(self.told, [refused])
            self.assertEqual((self.timers(), self.check.asked), ([], []))

    def test_judged_again(self) -> None:
        """At the end of the answer the client is judged again as it was verified; nothing goes on meanwhile."""
        self.revalidation(100.0, self.check)
        answer: Deferred[RevocationFinding] = Deferred()
        self.check.answers.append(answer)
        self.clock.advance(100)
        self.assertEqual((self.told, self.check.asked), (["hold"], [VERIFIED]))
        answer.callback(self.good(200.0))
        self.assertEqual(self.told, ["hold", self.client(self.good(200.0))])
        self.check.answers.append(succeed(self.good(300.0)))
        self.clock.advance(100)
        self.assertEqual(self.told[-1], self.client(self.good(300.0)))

    def test_refused(self) -> None:
        """Found revoked, it is refused, and that is the end of it, whether the answer is an old one or a new one."""
        for answer in (succeed(REVOKED), REVOKED):
            self.setUp()
            self.check.answers.append(answer)
            self.revalidation(100.0, self.check)
            self.clock.advance(100)
            self.assertEqual(self.told, ["hold", self.client(REVOKED)])
            self.assertEqual((self.check.watchers, self.timers()), ([], []))

    def test_news(self) -> None:
        """Bad news has it judged at once, and the timer of before does not come on top."""
        self.revalidation(100.0, self.check)
        self.check.answers.append(succeed(self.good(500.0)))
        self.check.watchers[0]()
        self.assertEqual(self.told, ["hold", self.client(self.good(500.0))])
        self.clock.advance(100)
        self.assertEqual(len(self.check.asked), 1)

    def test_news_while_asking(self) -> None:
        """News during a check does not begin another one."""
        self.revalidation(100.0, self.check)
        self.clock.advance(100)
        self.check.watchers[0]()
        self.assertEqual(len(self.check.asked), 1)

    def test_failure(self) -> None:
        """A check that fails is a refusal, and logged."""
        answer: Deferred[RevocationFinding] = Deferred()
        self.check.answers.append(answer)
        self.revalidation(100.0, self.check)
        self.clock.advance(100)
        answer.errback(RuntimeError("broken"))
        self.assert_unavailable()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_failure_at_once(self) -> None:
        """So is one that raises at once: no client is held for ever."""
        self.revalidation(100.0, Defective())
        self.clock.advance(100)
        self.assert_unavailable()
        self.assertEqual(self.told[:-1], ["hold"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_stop(self) -> None:
        """A connection that is gone leaves no timer, no watcher and no question behind, and gets no event."""
        revalidation = self.revalidation(100.0, self.check)
        self.clock.advance(100)
        revalidation.stop()
        self.assertEqual(len(self.check.cancelled), 1)
        self.assertEqual((self.check.watchers, self.timers(), self.told), ([], [], ["hold"]))
        revalidation = self.revalidation(500.0, self.check)
        revalidation.stop()
        self.assertEqual((self.check.watchers, self.timers()), ([], []))

    def test_clock_set_back(self) -> None:
        """After an hour back the certificate is valid for an hour more, as its dates say."""
        self.revalidation(1000.0, None)
        self.clock.advance(500)
        self.wall.step(-HOUR)
        self.clock.advance(500 + HOUR - LOOK - 1)
        self.assertEqual(self.told, [])
        self.clock.advance(1)
        self.assertEqual(len(self.told), 1)

    def test_clock_set_forward(self) -> None:
        """A client whose certificate has expired by the new time is refused as soon as the step is seen."""
        for check in (None, self.check):
            self.setUp()
            self.revalidation(1000.0, check)
            self.wall.step(HOUR)
            self.assertEqual(self.told, [self.client(EXPIRED)])

    def test_judged_again_at_a_step(self) -> None:
        """A client with a further check is checked again at a step in either direction, and the new end counts."""
        for step in (HOUR, -HOUR):
            self.setUp()
            verified = identities.pending(Trusted(), until=1e6)
            revalidation = Revalidation(self.clock, self.wall, self, verified, self.check)
            revalidation.until(100.0)
            self.check.answers.append(succeed(self.good(200.0 + step)))
            self.wall.step(step)
            self.assertEqual((len(self.check.asked), self.told[0]), (1, "hold"))
            self.clock.advance(200 - LOOK - 1)
            self.assertEqual(len(self.check.asked), 1)
            self.clock.advance(1)
            self.assertEqual(len(self.check.asked), 2)

    def test_step_after_the_end(self) -> None:
        """A connection that is gone is not notified of steps."""
        self.revalidation(1000.0, self.check).stop()
        self.wall.step(HOUR)
        self.assertEqual((self.told, self.check.asked), ([], []))


def _breaks(*arguments: object) -> Client:
    raise ZeroDivisionError


class AnewTests(RevalidationTests):
    """Clients of which another profile judges."""

    def begun(self, pending: PendingClient, check: Check | None) -> Revalidation:
        """The revalidation of a client that is judged anew."""
        revalidation = Revalidation.anew(self.clock, self.wall, self, pending, check)
        revalidation.begin()
        return revalidation

    def test_by_the_certificate_alone(self) -> None:
        """Without a check the verdict is there at once, and ends with the certificate."""
        self.begun(VERIFIED, None)
        self.assertEqual(self.told, [identify(VERIFIED, NOT_CHECKED)])
        self.clock.advance(1000)
        self.assertEqual(self.told[1:], [self.client(EXPIRED)])

    def test_by_the_check(self) -> None:
        """With a check the client is held until it has answered, and is called when it is revoked."""
        answer: Deferred[RevocationFinding] = Deferred()
        self.check.answers.append(answer)
        revalidation = self.begun(VERIFIED, self.check)
        self.assertEqual(self.told, ["hold"])
        self.assertEqual(revalidation.provisional, identify(VERIFIED, NOT_CHECKED))
        answer.callback(self.good(900.0))
        self.assertEqual(self.told[1:], [self.client(self.good(900.0))])
        self.check.answers.append(REVOKED)
        self.check.watchers[0]()
        self.assertEqual(self.told[2:], ["hold", self.client(REVOKED)])
        self.assertEqual((self.check.watchers, self.timers()), ([], []))

    def test_not_trusted(self) -> None:
        """No status is asked for about a certificate that did not verify, and nothing is waited for."""
        for verdict in (Unchecked(), NotAsked(), Missing(), Refused("certificate has expired")):
            self.setUp()
            pending = identities.pending(verdict, strict_verdict=Trusted(), until=-1.0)
            self.begun(pending, self.check).stop()
            self.assertEqual(self.told, [identify(pending, NOT_CHECKED)])
            self.assertEqual((self.check.asked, self.check.watchers, self.timers()), ([], [], []))

    def test_expired(self) -> None:
        """A certificate that has ended meanwhile is refused."""
        self.clock.advance(1000)
        self.begun(VERIFIED, self.check)
        self.assertEqual((self.told, self.check.asked), ([self.client(EXPIRED)], []))

    def test_checked_by_another(self) -> None:
        """A check that judges as the one before does takes its place."""
        other = Check()
        self.revalidation(100.0, self.check).check_by(other)
        other.answers.append(self.good(200.0))
        self.clock.advance(100)
        self.assertEqual((self.check.asked, other.asked), ([], [VERIFIED]))


class StrictClientTests(SynchronousTestCase):
    """A client of a Passthrough listener, for the paths that require a certificate."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wall = SettableClock(self.clock)
        self.check = Check()
        self.expelled = 0
        self.shown = identities.admitted(Unchecked(), strict_verdict=Trusted(), until=1000.0)

    def expel(self) -> None:
        """The connection is to end."""
        self.expelled += 1

    def strict(self, check: Check | None = None) -> StrictClient:
        """Such a client's, checked further or not."""
        return StrictClient(self.clock, self.wall, check, self.expel)

    def test_by_the_strict_verdict(self) -> None:
        """It is admitted where a Strict profile trusts it, until its certificate ends, and else turned away."""
        client = self.successResultOf(self.strict().judged(self.shown))
        self.assertEqual(client, identities.admitted(Trusted(), strict_verdict=Trusted(), until=1000.0))
        for verdict in (Missing(), Refused("certificate has expired"), UNJUDGED):
            shown = identities.admitted(Unchecked(), strict_verdict=verdict)
            found = self.successResultOf(self.strict().judged(shown))
            assert isinstance(found, TurnedAway), found
            self.assertEqual(found.verdict, verdict)

    def test_never_asked(self) -> None:
        """A client that was asked for no certificate has none that a path could require."""
        client = self.successResultOf(self.strict().judged(identities.admitted(NotAsked())))
        self.assertIsInstance(client, TurnedAway)

    def test_judged_again(self) -> None:
        """A client that such a path has let in by another profile is expelled, unless this one lets it in, too."""
        for finding, expelled in ((self.good(), 0), (REVOKED, 1)):
            self.setUp()
            strict = self.strict(self.check)
            answer: Deferred[RevocationFinding] = Deferred()
            self.check.answers.append(answer)
            strict.judge_again(self.shown)
            self.assertEqual(self.expelled, 0)
            answer.callback(finding)
            self.assertEqual((self.expelled, strict.has_let_in), (expelled, not expelled))
            strict.stop()
        self.setUp()
        self.strict().judge_again(identities.admitted(Unchecked(), strict_verdict=Missing()))
        self.assertEqual(self.expelled, 1)

    def test_not_judged_again(self) -> None:
        """One that leaves meanwhile is not expelled; one of whom that breaks is."""
        strict = self.strict(self.check)
        strict.judge_again(self.shown)
        strict.stop()
        self.assertEqual((len(self.check.cancelled), self.expelled), (1, 0))
        strict = self.strict(self.check)
        strict._judged = _breaks  # type: ignore[method-assign]
        self.check.answers.append(self.good())
        strict.judge_again(self.shown)
        self.assertEqual(self.expelled, 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_replaced(self) -> None:
        """One whose place another has taken lets nothing in, and leaves no timer."""
        strict = self.strict(self.check)
        answer: Deferred[RevocationFinding] = Deferred()
        self.check.answers.append(answer)
        judged = strict.judged(self.shown)
        strict.stop()
        answer.callback(self.good())
        self.assertIsInstance(self.successResultOf(judged), Admitted)
        self.assertEqual((strict.has_let_in, self.clock.getDelayedCalls()), (False, []))

    def test_checked_by_another(self) -> None:
        """A check that judges as the one before does takes its place, for what goes on, too."""
        strict, other = self.strict(self.check), Check()
        self.check.answers.append(self.good())
        client = self.successResultOf(strict.judged(self.shown))
        client.remembered["block"] = b""
        strict.check_by(other)
        self.assertEqual(client.remembered, {"block": b""})  # a request under way is its client's as it began
        other.answers.append(self.good())
        self.assertEqual(self.successResultOf(strict.judged(self.shown)).remembered, {})
        other.answers.append(REVOKED)
        self.check.watchers[0]()
        self.assertEqual((len(self.check.asked), len(other.asked), self.expelled), (1, 2, 1))

    def good(self) -> RevocationFinding:
        """The client's certificate is good."""
        return RevocationFinding(status=ClientRevocationStatus.GOOD, until=900.0)

    def test_turned_away(self) -> None:
        """A client that is turned away meanwhile stays so, and nothing is asked about it."""
        away = identities.turned_away(Refused("certificate revoked"))
        self.assertIs(self.successResultOf(self.strict(self.check).judged(away)), away)
        self.assertEqual(self.check.asked, [])

    def test_the_same_while_nothing_changes(self) -> None:
        """What was found for one request is the same value for the next, with what it remembers."""
        strict = self.strict(self.check)
        good = RevocationFinding(status=ClientRevocationStatus.GOOD, until=500.0)
        self.check.answers += [good, good, attrs.evolve(good, until=600.0)]
        first, second, third = (self.successResultOf(strict.judged(self.shown)) for _ in range(3))
        self.assertIs(first, second)
        self.assertIsNot(second, third)
        strict.stop()

    def test_expired(self) -> None:
        """At the end of the certificate, or of the listener's own verdict, it is turned away."""
        trusted = identities.admitted(
            Trusted(), until=1000.0, finding=RevocationFinding(status=ClientRevocationStatus.GOOD, until=100.0)
        )
        for judged, end in ((self.shown, 1000.0), (trusted, 100.0)):
            self.setUp()
            self.clock.advance(end)
            found = self.successResultOf(self.strict(self.check).judged(judged))
            assert isinstance(found, TurnedAway), found
            self.assertEqual(
                (found.verdict, found.revocation_status), (Refused(reasons.EXPIRED), judged.revocation_status)
            )
            self.assertEqual(self.check.asked, [])

    def test_expels(self) -> None:
        """Once a path has let it in its certificate is watched; bad news ends the connection, good news does not."""
        strict = self.strict(self.check)
        good = RevocationFinding(status=ClientRevocationStatus.GOOD, until=500.0)
        self.check.answers += [good, good, REVOKED]
        self.assertIsInstance(self.successResultOf(strict.judged(self.shown)), Admitted)
        self.check.watchers[0]()
        self.assertEqual(self.expelled, 0)
        self.check.watchers[0]()
        self.assertEqual((self.expelled, self.check.watchers), (1, []))

    def test_stop(self) -> None:
        """A connection that is gone leaves no watcher and no timer behind."""
        strict = self.strict(self.check)
        self.check.answers.append(RevocationFinding(status=ClientRevocationStatus.GOOD, until=500.0))
        self.successResultOf(strict.judged(self.shown))
        strict.stop()
        self.assertEqual((self.check.watchers, self.clock.getDelayedCalls(), self.expelled), ([], [], 0))

    def test_the_listener_watches(self) -> None:
        """A client that the listener itself verified has a revalidation already, and gets no second one."""
        self.check.answers.append(RevocationFinding(status=ClientRevocationStatus.GOOD, until=500.0))
        trusted = identities.admitted(Trusted(), until=1000.0)
        self.assertIsInstance(self.successResultOf(self.strict(self.check).judged(trusted)), Admitted)
        self.assertEqual(self.check.watchers, [])


class Session:
    """A connection: its events."""

    def __init__(self) -> None:
        self.held = 0
        self.verdicts: list[object] = []

    def hold(self) -> None:
        """As Revalidated says."""
        self.held += 1

    def renewed(self, client: Client) -> None:
        """As Revalidated says."""
        self.verdicts.append(client.verdict)


class RevokedWhileConnectedTests(RevocationCase):
    """Verdicts over a true memory of revocations."""

    def session(self, by: SslProfile = PROFILE) -> Session:
        """A connection of the device, judged as it came."""
        check = check_of(self.revocation, by)
        assert check
        judged = check(client(DEVICE))
        if not isinstance(judged, RevocationFinding):
            self.answer()
        found = self.found(judged)
        assert isinstance(found, Admitted), found
        session = Session()
        revalidation = Revalidation.of(self.clock, self.wall, session, found, check)
        assert revalidation
        self.addCleanup(revalidation.stop)
        return session

    def test_revoked(self) -> None:
        """All sessions of a device end once its revocation becomes known, without another OCSP request."""
        sessions = [self.session() for _ in range(3)]
        self.clock.advance(HOUR)
        self.answer(self.response("revoked"))
        self.assertEqual([session.verdicts for session in sessions], [[Refused("certificate revoked")]] * 3)
        self.assertEqual((len(self.asker.questions), self.answers._watchers._watchers), (2, {}))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_connections(self) -> None:
        """Thousands of sessions of a device are not ended in one turn of the reactor, and all of them are."""
        sessions = [self.session() for _ in range(1000)]
        self.clock.advance(HOUR / 2)
        self.renew()
        self.answer(self.response("revoked"))
        counts = [self.ended(sessions)]
        while self.clock.getDelayedCalls():
            turn(self.clock)
            counts.append(self.ended(sessions))
        self.assertEqual((counts[0], counts[-1]), (CALLS_PER_TURN, 1000))
        self.assertLessEqual(max(after - before for before, after in pairwise(counts)), CALLS_PER_TURN)

    def renew(self) -> None:
        """Time passes until the answer is asked for again."""
        asked = len(self.asker.questions)
        while len(self.asker.questions) == asked:
            self.clock.advance(60)

    def ended(self, sessions: list[Session]) -> int:
        """How many sessions are refused."""
        return sum(session.verdicts == [Refused("certificate revoked")] for session in sessions)

    def test_revoked_long_ago(self) -> None:
        """So they do when the response that says so is over itself."""
        session = self.session()
        self.clock.advance(HOUR)
        self.answer(self.response("revoked", next_update=pki.NOW))
        self.assertEqual(session.verdicts, [Refused("certificate revoked")])

    def test_renewed(self) -> None:
        """A session lives on over renewed answers: held at the end of the first one, but for no time at all."""
        session = self.session()
        self.clock.advance(HOUR)
        self.answer()
        self.clock.advance(SKEW)
        self.assertEqual((session.held, session.verdicts), (1, [Trusted()]))

    def test_responder_dead(self) -> None:
        """A session is held at the end of the answer until it was asked again, lives for the skew, and then ends."""
        session = self.session()
        self.clock.advance(HOUR)
        self.assertEqual((session.held, session.verdicts), (1, []))
        self.give_up()
        for _ in range(int(SKEW) - 1):
            self.clock.advance(1)
            if not self.asker.questions[-1].answered.called:
                self.give_up()
        self.assertEqual(set(session.verdicts), {Trusted()})
        self.clock.advance(1)
        self.assertEqual(set(session.verdicts), {Trusted()})
        self.give_up()
        self.assertEqual(session.verdicts[-1], Refused("certificate status request failed"))

    def test_allowed(self) -> None:
        """A session let in with Allow is judged again after a while, and ends if it is revoked."""
        by = profile(ocsp_unavailable=RevocationUnavailable.ALLOW)
        self.status(by=by)
        self.give_up()
        session = self.session(by)
        self.clock.advance(FAIL_OPEN_SECONDS)
        self.assertEqual((session.held, session.verdicts), (1, []))
        self.answer(self.response("revoked"))
        self.assertEqual(session.verdicts, [Refused("certificate revoked")])

    def test_intermediate(self) -> None:
        """With ocsp_scope = Chain an intermediate that is revoked ends the session."""
        by = profile(ocsp_unavailable=RevocationUnavailable.ALLOW, ocsp_scope=RevocationScope.CHAIN)
        root = ISSUER.issuers[0]
        intermediate = self.answers.status((ISSUER.der, root.der), by)
        self.give_up()
        self.successResultOf(intermediate)
        session = self.session(by)
        self.clock.advance(FAIL_OPEN_SECONDS)
        single = Single(certificate=ISSUER, status="revoked")
        self.answer(Response(signer=root, singles=[single]).der())
        self.assertEqual(session.verdicts, [Refused("certificate revoked")])
