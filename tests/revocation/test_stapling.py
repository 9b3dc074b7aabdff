"""Stapled responses: asked for, verified, renewed, kept, handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.stapling import StapleSubject, subject_of
from agwtwisted.core.revocation.status import CouldNotAsk, Unreachable
from agwtwisted.revocation.stapling import AT_ONCE, TIMEOUT, Stapling
from tests import pki, servers
from tests.clocks import SettableClock
from tests.core.revocation.test_stapling import MUST_STAPLE
from tests.responder import Response, Single
from tests.revocations import HOUR, ISSUER, NOW, Asker

SITE = ISSUER.issue_server("site.example", ocsp_url="http://127.0.0.1:9/")
OTHER = ISSUER.issue_server("other.example", ocsp_url="http://ocsp.example/")

DEMANDING = ISSUER.issue_server("must.example", ocsp_url="http://ocsp.example/", extra=(MUST_STAPLE,))


def subject(site: pki.Credential = SITE, name: str = "site") -> StapleSubject:
    """What is asked about a certificate."""
    found = subject_of(attrs.evolve(servers.own(site), name=name))
    assert isinstance(found, StapleSubject)
    return found


class KeptInMemory:
    """A store that can be read when the test says."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.puts = 0
        self.loading: Deferred[None] = succeed(None)

    def load(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """What was kept."""
        return {key: self.kept[key] for key in keys if key in self.kept}

    def load_soon(self, keys: Iterable[bytes]) -> Deferred[dict[bytes, bytes]]:
        """The same, once `loading` has fired."""
        asked = tuple(keys)
        return self.loading.addCallback(lambda _: self.load(asked))  # type: ignore[return-value]

    def put(self, key: bytes, response: bytes) -> None:
        """Keeps it."""
        self.kept[key] = response
        self.puts += 1

    def tidy(self, keys: Iterable[bytes], now: float) -> None:
        """Nothing is old."""


class Hub:
    """Processes that hear of each other."""

    def __init__(self) -> None:
        self.heard: dict[str, Callable[[bytes], None]] = {}
        self.published: list[bytes] = []

    def publish(self, topic: str, payload: bytes) -> None:
        """All hear it."""
        self.published.append(payload)
        if topic in self.heard:
            self.heard[topic](payload)

    def subscribe(self, topic: str, heard: Callable[[bytes], None]) -> None:
        """One listens."""
        self.heard[topic] = heard


class StaplingCase(SynchronousTestCase):
    """A clock, and responders in the test's hand."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wall = SettableClock(self.clock)
        self.clock.advance(NOW)
        self.asker = Asker()
        self.store = KeptInMemory()
        self.hub = Hub()
        self.stapling = self.started(subject())

    def started(self, *subjects: StapleSubject) -> Stapling:
        """A service that runs, and has begun what is due."""
        made = Stapling(self.clock, self.wall, self.asker, self.store, Random(0), siblings=self.hub)
        made.use(subjects)
        made.startService()
        self.addCleanup(made.stopService)
        self.clock.advance(0)
        return made

    def response(self, status: str = "good", site: pki.Credential = SITE, hours: float = 1.0, **options: Any) -> bytes:
        """A response of this moment."""
        now = datetime.fromtimestamp(self.wall.seconds(), UTC)
        options = {"this_update": now, "next_update": now + timedelta(hours=hours), **options}
        single = Single(certificate=site, status=status, **options)
        return Response(signer=ISSUER, singles=[single], produced_at=single.this_update).der()

    def answer(self, response: bytes | None = None, number: int = -1) -> bytes:
        """The responder answers, good by default."""
        asked = self.asker.questions[number]
        data = self.response() if response is None else response
        asked.answered.callback(asked.accept(data))
        return data

    def give_up(self, reason: str = "no response in time") -> None:
        """The responder does not answer."""
        self.asker.questions[-1].answered.callback(Unreachable(reason))

    def stapled(self, site: pki.Credential = SITE) -> bytes:
        """What a client gets now."""
        return self.stapling.staple(subject(site).key)

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return len(self.asker.questions)


class AskingTests(StaplingCase):
    """When who is asked, and what comes of it."""

    def test_first(self) -> None:
        """The responder that the certificate names is asked at the start, at any address; its answer is stapled."""
        self.assertEqual(self.asked, 1)
        [asked] = self.asker.questions
        self.assertEqual([each.url for each in asked.route.destinations], ["http://127.0.0.1:9/"])
        self.assertTrue(asked.route.is_operators)
        redirects = [any(port in each for each in asked.route.open_ports) for port in (80, 443, 8080)]
        self.assertEqual(redirects, [True, True, False])
        self.assertEqual(self.stapled(), b"")
        data = self.answer()
        self.assertEqual(self.stapled(), data)
        self.assertEqual(self.stapled(OTHER), b"")
        self.assertEqual(self.store.kept, {subject().key: data})

    def test_ends(self) -> None:
        """Nothing is stapled once it is over."""
        self.answer()
        self.clock.advance(HOUR - 1)
        self.assertNotEqual(self.stapled(), b"")
        self.clock.advance(1)
        self.assertEqual(self.stapled(), b"")

    def test_renewed(self) -> None:
        """It is asked for again between a half and four fifths of its time, while the one before is stapled."""
        before = self.answer()
        self.clock.advance(HOUR / 2 - 1)
        self.assertEqual(self.asked, 1)
        self.clock.advance(0.3 * HOUR + 2)
        self.assertEqual(self.asked, 2)
        self.assertEqual(self.stapled(), before)
        after = self.answer()
        self.assertNotEqual(after, before)
        self.assertEqual(self.stapled(), after)

    def test_proves_nothing(self) -> None:
        """A response that proves nothing is not stapled, and leaves what is."""
        good = self.answer(self.response(hours=99))
        self.clock.advance(80 * HOUR)
        for bad in (self.response("unknown"), self.response(site=OTHER), good[:-9], b""):
            asked = self.asked
            self.answer(bad)
            self.assertEqual(self.stapled(), good)
            self.clock.advance(600)
            self.assertEqual(self.asked, asked + 1)
        self.assertEqual(self.store.kept, {subject().key: good})

    def test_retries(self) -> None:
        """A responder that does not answer is asked again, ever more seldom, and what is stapled stays to its end."""
        self.answer()
        self.clock.advance(0.8 * HOUR)
        waits = []
        for _ in range(8):
            self.give_up()
            asked, waited = self.asked, 0
            while self.asked == asked:
                self.clock.advance(1)
                waited += 1
            waits.append(waited)
        self.assertTrue(all(5 <= wait <= 600 for wait in waits), waits)
        self.assertGreater(waits[-1], 200)
        data = self.answer()
        self.assertEqual(self.stapled(), data)
        self.assertEqual(self.stapling.states()[0].problem, "")

    def test_revoked(self) -> None:
        """A revocation takes the place of what was good, is stapled, and is an error in the log; once."""
        self.answer()
        with capturedLogs() as events:
            for _ in range(2):
                self.clock.advance(0.8 * HOUR)
                data = self.answer(self.response("revoked"))
                self.assertEqual(self.stapled(), data)
        self.assertEqual([formatEvent(each) for each in events], ["ssl_certificate site: the certificate is revoked"])

    def test_revoked_and_over(self) -> None:
        """A revocation that is over ends what was good; it is asked for again, but not at every moment."""
        self.answer(self.response(hours=9))
        self.clock.advance(8 * HOUR)
        now = datetime.fromtimestamp(self.wall.seconds(), UTC)
        over = {"this_update": now - timedelta(hours=2), "next_update": now - timedelta(hours=1)}
        self.answer(self.response("revoked", **over))
        self.assertEqual(self.stapled(), b"")
        for _ in range(5):
            asked = self.asked
            self.clock.advance(4)
            self.assertEqual(self.asked, asked)
            self.clock.advance(1)
            self.assertEqual(self.asked, asked + 1)
            self.answer(self.response("revoked", **over))

    def test_old_answers(self) -> None:
        """A response older than the one that is stapled does not take its place: no *good* that of *revoked*."""
        old = self.response(hours=9)
        self.clock.advance(1)
        revoked = self.answer(self.response("revoked"))
        self.clock.advance(0.8 * HOUR)
        with capturedLogs() as events:
            self.answer(old)
        self.assertEqual(self.stapled(), revoked)
        self.assertIn("older than another", formatEvent(events[0]))
        self.clock.advance(10)
        good = self.answer()
        self.assertEqual(self.stapled(), good)

    def test_same_answer(self) -> None:
        """A responder that says the same again is believed, and nothing is written again."""
        data = self.answer(self.response(hours=2))
        self.clock.advance(1.6 * HOUR)
        self.assertEqual(self.asked, 2)
        self.answer(data)
        self.assertEqual((self.stapled(), self.store.puts), (data, 1))
        self.clock.advance(0.33 * HOUR)
        self.assertEqual(self.asked, 3)

    def test_few_at_once(self) -> None:
        """Of many certificates a few are asked about at once; the others follow."""
        sites = [
            ISSUER.issue_server(f"{number}.example", ocsp_url="http://a.example/") for number in range(AT_ONCE + 2)
        ]
        before = self.asked
        self.started(*map(subject, sites))
        self.assertEqual(self.asked, before + AT_ONCE)
        self.answer(b"", before)
        self.assertEqual(self.asked, before + AT_ONCE + 1)

    def test_defects(self) -> None:
        """A defect of what asks is logged, and the next request is made."""
        self.asker.questions[-1].answered.errback(ValueError("defect"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.clock.advance(10)
        data = self.answer()
        self.assertEqual(self.stapled(), data)

    def test_counted(self) -> None:
        """What becomes of requests is counted."""
        self.answer()
        for answer in (self.response("revoked"), b""):
            self.clock.advance(HOUR)
            self.answer(answer)
        for failure in (Unreachable("x"), CouldNotAsk("x")):
            self.clock.advance(HOUR)
            self.asker.questions[-1].answered.callback(failure)
        words = ("good", "revoked", "unusable", "unreachable", "could_not_ask")
        self.assertEqual(self.stapling.outcomes, dict.fromkeys(words, 1))

    def test_complaints(self) -> None:
        """Why there is no response is said once, and again when nothing is stapled any more, and when it is better."""
        with capturedLogs() as events:
            self.answer()
            self.clock.advance(0.8 * HOUR)
            for _ in range(30):
                self.give_up()
                self.clock.advance(600)
            self.answer()
        lines = [formatEvent(event) for event in events]
        self.assertEqual(len(lines), 4, lines)
        self.assertIn("is stapled, valid until 2026-06-01T13:00:00Z", lines[0])
        self.assertIn("no response in time; the one before is stapled meanwhile", lines[1])
        self.assertIn("no response in time; none is stapled", lines[2])
        self.assertIn("is stapled, valid until", lines[3])


class LivingTests(StaplingCase):
    """What stays over configurations, restarts, and steps of the clock."""

    def test_restart(self) -> None:
        """A new process staples at once what the old one has kept, and asks when that is due."""
        data = self.answer()
        self.stapling.stopService()
        self.clock.advance(60)
        self.stapling = self.started(subject())
        self.assertEqual((self.stapled(), self.asked), (data, 1))
        self.clock.advance(0.8 * HOUR)
        self.assertEqual(self.asked, 2)

    def test_kept_in_vain(self) -> None:
        """What was kept and is over, damaged, or about another certificate is asked for anew."""
        self.stapling.stopService()
        for kept in (self.response(hours=-1), b"junk", self.response(site=OTHER)):
            self.store.kept = {subject().key: kept}
            before = self.asked
            self.stapling = self.started(subject())
            self.assertEqual((self.stapled(), self.asked), (b"", before + 1))
            self.stapling.stopService()

    def test_stopped(self) -> None:
        """A service that stops asks nothing more, and what it has is still handed out."""
        data = self.answer()
        self.stapling.stopService()
        self.clock.advance(HOUR - 1)
        self.assertEqual((self.asked, self.stapled()), (1, data))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        other = self.started(subject(OTHER))
        other.stopService()
        self.assertEqual(self.asker.cancelled, 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_reload(self) -> None:
        """What stays in force keeps its response; what is new is asked about; what is gone is forgotten at the next
        one: workers that are not so far yet still have it in force.
        """
        data = self.answer()
        self.stapling.use([subject(), subject(OTHER)])
        self.clock.advance(0)
        self.assertEqual((self.stapled(), self.asked), (data, 2))
        other = self.answer(self.response(site=OTHER))
        self.stapling.use([subject(OTHER, "renamed")])
        self.assertEqual((self.stapled(), self.stapled(OTHER)), (data, other))
        self.clock.advance(0.8 * HOUR)
        self.assertEqual(self.asked, 3)
        self.stapling.use([subject(OTHER, "renamed")])
        self.assertEqual((self.stapled(), self.stapled(OTHER)), (b"", other))
        self.assertEqual([each.names for each in self.stapling.states()], [("renamed",)])

    def test_gone_meanwhile(self) -> None:
        """A certificate that is out of force while it is asked about is asked about no more."""
        self.stapling.use([])
        self.assertEqual(self.asker.cancelled, 1)
        self.assertEqual((self.stapled(), self.clock.getDelayedCalls()[1:]), (b"", []))
        self.assertEqual(self.stapling.outcomes, {})

    def test_prepared(self) -> None:
        """Before a reload is in force, what was kept of a new certificate is read without a wait, and stapled."""
        self.answer()
        self.store.kept[subject(OTHER).key] = other = self.response(site=OTHER)
        self.store.loading = loading = Deferred()
        ready = self.stapling.prepare([subject(), subject(OTHER)])
        self.assertNoResult(ready)
        loading.callback(None)
        self.successResultOf(ready)
        self.stapling.use([subject(), subject(OTHER)])
        self.clock.advance(0)
        self.assertEqual((self.stapled(OTHER), self.asked), (other, 1))
        self.clock.advance(0.8 * HOUR)
        self.assertEqual(self.asked, 3)

    def test_prepared_for_demands(self) -> None:
        """A new certificate that demands a staple is asked about before it is in force; another one is not."""
        self.answer()
        ready = self.stapling.prepare([subject(), subject(OTHER), subject(DEMANDING)])
        self.assertNoResult(ready)
        self.assertEqual(self.asked, 2)
        data = self.answer(self.response(site=DEMANDING))
        self.successResultOf(ready)
        self.assertEqual(self.stapled(DEMANDING), data)
        self.stapling.use([subject(), subject(OTHER), subject(DEMANDING)])
        self.clock.advance(0)
        self.assertEqual(self.asked, 3)
        self.assertEqual(self.asker.questions[-1].request, subject(OTHER).request.der)
        self.clock.advance(0.8 * HOUR)
        self.assertEqual(self.asked, 5)

    def test_prepared_in_vain(self) -> None:
        """A reload waits only so long for a responder; the answer that comes later counts all the same."""
        ready = self.stapling.prepare([subject(), subject(DEMANDING)])
        self.clock.advance(TIMEOUT)
        self.successResultOf(ready)
        self.stapling.use([subject(), subject(DEMANDING)])
        data = self.answer(self.response(site=DEMANDING))
        self.assertEqual(self.stapled(DEMANDING), data)
        self.clock.advance(0.8 * HOUR)
        self.assertEqual(self.asked, 3)

    def test_given_up(self) -> None:
        """What was prepared for a reload that was given up is forgotten with the next one."""
        self.answer()
        self.stapling.prepare([subject(DEMANDING)])
        self.answer(self.response(site=DEMANDING))
        self.clock.advance(0.8 * HOUR)
        self.assertEqual(self.asked, 3)  # of these one about SITE, which is in force
        self.stapling.use([subject()])
        self.assertEqual(self.stapled(DEMANDING), b"")
        self.clock.advance(HOUR)
        self.stapling.prepare([subject(DEMANDING)])
        self.stapling.prepare([])
        self.assertEqual(self.asker.cancelled, 1)

    def test_clock_is_set(self) -> None:
        """When the system's clock is set ahead, what is over is not stapled, and asked for soon."""
        self.answer()
        self.wall.startService()
        self.addCleanup(self.wall.stopService)
        self.wall.step(2 * HOUR)
        self.assertEqual(self.stapled(), b"")
        self.clock.advance(5)
        self.assertEqual(self.asked, 2)

    def test_states(self) -> None:
        """What is shown of each certificate: its response, when it is renewed, and what went wrong."""
        [state] = self.stapling.states()
        self.assertEqual((state.status, state.next_update, state.renewal, state.problem), ("none", None, None, ""))
        self.give_up("down")
        [state] = self.stapling.states()
        assert state.renewal
        self.assertTrue(NOW + 5 <= state.renewal <= NOW + 10)
        self.assertEqual((state.names, state.problem), (("site",), "down"))
        self.clock.advance(10)
        self.answer()
        [state] = self.stapling.states()
        self.assertEqual((state.status, state.next_update, state.problem), ("good", self.wall.seconds() + HOUR, ""))
        self.clock.advance(HOUR)
        self.assertEqual(self.stapling.states()[0].status, "none")
        self.answer(self.response("revoked"))
        self.assertEqual(self.stapling.states()[0].status, "revoked")
