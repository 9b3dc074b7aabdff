"""What gateways have of each other's answers: who asks, who waits, and what counts of what a store has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.imported import imported
from agwtwisted.core.revocation.ocsp import OcspRules, ProvenResponse
from agwtwisted.core.revocation.status import NoAnswer, Unreachable
from agwtwisted.operations.counters import SharedStoreCounters
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.shared_source import (
    FIRST_LOOK,
    MAX_WAIT,
    REVOKED,
    SharedSource,
    hear_revocations,
    share_brought,
)
from tests import pki
from tests.clocks import SettableClock
from tests.responder import Response, Single, delegate
from tests.revocations import DEVICE, ISSUER, NOW, PROFILE, SUBJECT, Asker, profile
from tests.shared_stores import StoreInHand

KEY = ocsp.key_of(*SUBJECT)
ANSWER, REVOCATION = f"ocsp:{KEY.hex()}", f"revoked:{KEY.hex()}"


class SourceCase(SynchronousTestCase):
    """Two gateways on one store, each with responders in the test's hand."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wall = SettableClock(self.clock)
        self.clock.advance(NOW)
        self.store = StoreInHand()
        self.askers = (Asker(), Asker())
        self.counters = (SharedStoreCounters(), SharedStoreCounters())
        self.sources = tuple(
            SharedSource(
                OcspSource(asker, self.wall.seconds, self.clock.seconds), self.store, self.clock, self.wall, counters
            )
            for asker, counters in zip(self.askers, self.counters, strict=True)
        )

    def learn(self, number: int, newer_than: float = -inf, **keys: Any) -> Deferred[ProvenResponse | NoAnswer]:
        """What a gateway learns about the device."""
        return self.sources[number].learn(SUBJECT, profile(**keys) if keys else PROFILE, newer_than=newer_than)

    def response(
        self, status: str = "good", signer: pki.Credential = ISSUER, ago: float = 0.0, **options: Any
    ) -> bytes:
        """An answer about the device, signed some seconds ago, that holds for an hour from then."""
        then = datetime.fromtimestamp(self.wall.seconds() - ago, UTC)
        options = {"this_update": then, "next_update": then + timedelta(hours=1), "certificate": DEVICE, **options}
        return Response(signer=signer, singles=[Single(status=status, **options)], produced_at=then).der()

    def answer(self, number: int, response: bytes) -> None:
        """The responder answers a gateway."""
        asked = self.askers[number].questions[-1]
        asked.answered.callback(asked.accept(response))

    def asked(self) -> list[int]:
        """How often each gateway has asked a responder."""
        return [len(asker.questions) for asker in self.askers]


class SharingTests(SourceCase):
    """Answers that other gateways have."""

    def test_one_asks(self) -> None:
        """While one gateway asks the other waits, and has its answer without a question of its own."""
        first, second = self.learn(0), self.learn(1)
        self.assertEqual(self.asked(), [1, 0])
        self.answer(0, response := self.response())
        self.clock.advance(FIRST_LOOK)
        for learnt in (first, second):
            found = self.successResultOf(learnt)
            assert isinstance(found, ProvenResponse)
            self.assertEqual(found.response, response)
        self.assertEqual((self.asked(), self.store.leases), ([1, 0], {}))
        self.assertEqual([dict(each.answers) for each in self.counters], [{"asked": 1}, {"waited": 1}])

    def test_later(self) -> None:
        """Who comes later has it at once; it is stored for as long as it holds."""
        self.learn(0)  # type: ignore[unused-awaitable]
        self.answer(0, self.response())
        self.assertEqual(self.store.ttls, {ANSWER: 3600.0})
        self.assertIsInstance(self.successResultOf(self.learn(1)), ProvenResponse)
        self.assertEqual((self.asked(), self.counters[1].answers["hit"]), ([1, 0], 1))

    def test_slow_responder(self) -> None:
        """Whose wait is over asks for itself; the lease stays with who has it."""
        self.learn(0)  # type: ignore[unused-awaitable]
        second = self.learn(1)
        self.clock.pump([0.1] * int(MAX_WAIT / 0.1 + 3))
        self.assertEqual(self.asked(), [1, 1])
        self.answer(1, self.response())
        self.assertIsInstance(self.successResultOf(second), ProvenResponse)
        self.assertEqual(list(self.store.leases), [KEY.hex()])

    def test_impatient_profile(self) -> None:
        """No profile waits for longer than half of its own timeout."""
        self.learn(0)  # type: ignore[unused-awaitable]
        self.learn(1, ocsp_timeout=1.0)  # type: ignore[unused-awaitable]
        self.clock.pump([0.1] * 8)
        self.assertEqual(self.asked(), [1, 1])

    def test_responder_fails(self) -> None:
        """Where the one who asks has no answer, the next one asks at once: its responder may be another."""
        first, second = self.learn(0), self.learn(1)
        self.askers[0].questions[0].answered.callback(Unreachable("dead"))
        self.assertEqual(self.successResultOf(first), Unreachable("dead"))
        self.clock.advance(FIRST_LOOK)
        self.assertEqual(self.asked(), [1, 1])
        self.answer(1, self.response())
        self.assertIsInstance(self.successResultOf(second), ProvenResponse)

    def test_client_leaves(self) -> None:
        """Whose client leaves while it asks gives the lease back, and who waits leaves no timer."""
        first, second = self.learn(0), self.learn(1)
        for learnt in (first, second):
            learnt.cancel()
            self.failureResultOf(learnt, CancelledError)
        self.assertEqual((self.store.leases, self.askers[0].cancelled, self.clock.getDelayedCalls()), ({}, 1, []))

    def test_lease_that_is_over(self) -> None:
        """A lease that is over may be another's: it is not given back."""
        self.learn(0)  # type: ignore[unused-awaitable]
        self.clock.advance(self.store.leases[KEY.hex()])
        self.answer(0, self.response())
        self.assertEqual(list(self.store.leases), [KEY.hex()])

    def test_no_store(self) -> None:
        """A store that cannot be used is not asked, and one that goes away meanwhile not again."""
        self.store.is_usable = False
        self.learn(0)  # type: ignore[unused-awaitable]
        self.assertEqual((self.asked(), self.store.reads), ([1, 0], 0))
        self.store.is_usable = True
        self.store.leases[KEY.hex()] = 5.0
        self.learn(1)  # type: ignore[unused-awaitable]
        self.store.is_usable = False
        self.clock.advance(FIRST_LOOK)
        self.assertEqual(self.asked(), [1, 1])

    def test_news(self) -> None:
        """Who asks again has use for a newer answer alone: with what it knows the responder is asked."""
        self.store.values[ANSWER] = self.response(ago=60)
        this_update = self.wall.seconds() - 60
        self.learn(0, newer_than=this_update)  # type: ignore[unused-awaitable]
        self.assertEqual(self.asked(), [1, 0])
        self.answer(0, self.response())
        self.assertIsInstance(self.successResultOf(self.learn(1, newer_than=this_update)), ProvenResponse)
        self.assertEqual(self.asked(), [1, 0])

    def test_traced(self) -> None:
        """An operator who asks now has a responder asked, whatever others know, and the others have the answer."""
        self.store.values[ANSWER] = self.response(ago=60)
        traced = self.sources[0].learn(SUBJECT, PROFILE, trace=lambda line: None)
        self.assertEqual(self.asked(), [1, 0])
        self.answer(0, response := self.response())
        self.successResultOf(traced)
        self.assertEqual(self.store.values[ANSWER], response)


class RevokedTests(SourceCase):
    """Revocations."""

    def test_published(self) -> None:
        """A revocation is stored by itself, for the life of its certificate, and all gateways hear of it."""
        self.learn(0)  # type: ignore[unused-awaitable]
        self.answer(0, self.response("revoked"))
        self.assertEqual(list(self.store.values), [REVOCATION])
        self.assertGreater(self.store.ttls[REVOCATION], 3600.0)
        self.assertEqual(self.store.published, [(REVOKED, KEY)])

    def test_store_away(self) -> None:
        """One that is learnt while the store is away is announced all the same, to be sent later."""
        self.store.is_usable = False
        self.learn(0)  # type: ignore[unused-awaitable]
        self.answer(0, self.response("revoked"))
        self.assertEqual(self.store.published, [(REVOKED, KEY)])

    def test_old_good_beside(self) -> None:
        """A *good* that is older than a revocation does not hide it, and one that is newer ends it."""
        for good_ago, expected in ((120, True), (30, False)):
            self.store.values = {REVOCATION: self.response("revoked", ago=60), ANSWER: self.response(ago=good_ago)}
            found = self.successResultOf(self.learn(0))
            assert isinstance(found, ProvenResponse)
            self.assertEqual(found.is_revoked, expected)

    def test_unknown(self) -> None:
        """*Unknown* is not shared: a responder may know the certificate a moment later."""
        self.learn(0)  # type: ignore[unused-awaitable]
        self.answer(0, self.response("unknown"))
        self.assertEqual((self.store.values, self.store.published), ({}, []))


class BroughtTests(SourceCase):
    """Answers that an operator has brought to one gateway."""

    def bring(self, response: bytes) -> None:
        """Shares what a response proves."""
        found = imported(response, [ISSUER.parsed])
        assert isinstance(found, list)
        share_brought(self.store, found[0], OcspRules(), self.wall.seconds())

    def test_counts_elsewhere(self) -> None:
        """Another gateway has a good one without asking, until its nextUpdate."""
        self.bring(response := self.response())
        found = self.successResultOf(self.learn(1))
        assert isinstance(found, ProvenResponse)
        self.assertEqual((found.response, self.asked()), (response, [0, 0]))

    def test_revoked(self) -> None:
        """A revocation is published as well."""
        self.bring(self.response("revoked"))
        self.assertEqual((list(self.store.values), self.store.published), ([REVOCATION], [(REVOKED, KEY)]))

    def test_nothing(self) -> None:
        """What is not proven, or says unknown, is kept from others."""
        self.bring(self.response(signer=pki.Authority.root("Stranger")))
        self.bring(self.response("unknown"))
        self.assertEqual(self.store.values, {})


class UntrustedTests(SourceCase):
    """What a store has that does not count."""

    def assert_not_believed(self, value: bytes, **keys: Any) -> None:
        """Checks that a responder is asked all the same, whichever place the value has."""
        for name in (ANSWER, REVOCATION):
            self.setUp()
            self.store.values[name] = value
            self.learn(0, **keys)  # type: ignore[unused-awaitable]
            self.assertEqual(self.asked(), [1, 0])

    def test_no_answers(self) -> None:
        """Garbage, another certificate's answer, another signer's, *unknown*, and one whose signature was changed."""
        other = ISSUER.issue("other device")
        changed = bytearray(self.response())
        changed[-1] ^= 1
        self.assert_not_believed(b"garbage")
        self.assert_not_believed(bytes(100_000))
        self.assert_not_believed(self.response(certificate=other))
        self.assert_not_believed(self.response(signer=pki.Authority.root("Stranger")))
        self.assert_not_believed(self.response("unknown"))
        self.assert_not_believed(bytes(changed))

    def test_time(self) -> None:
        """An answer that is over is over: the skew of the clocks is for those that come from a responder."""
        self.assert_not_believed(self.response(ago=3601))
        self.assert_not_believed(self.response(ago=7200))
        self.assert_not_believed(self.response(ago=-3600))

    def test_rules_of_the_reader(self) -> None:
        """A reader whose profile takes no answer that old asks for a newer one."""
        self.assert_not_believed(self.response(ago=1800), ocsp_max_age=600)

    def test_signer(self) -> None:
        """Nor does one believe a revocation by a delegate that its profile takes no answer of."""
        now = datetime.fromtimestamp(self.wall.seconds(), UTC)
        single = Single(certificate=DEVICE, status="revoked", this_update=now, next_update=now + timedelta(hours=1))
        signer = delegate(ISSUER, extra=())
        self.assert_not_believed(
            Response(signer=signer, certificates=[signer], singles=[single], produced_at=now).der()
        )


class HearingTests(SourceCase):
    """News of revocations."""

    def setUp(self) -> None:
        super().setUp()
        self.concerned = True
        self.taken: list[tuple[bytes, list[bytes]]] = []
        hear_revocations(self.store, self.sources[0], self)

    def concerns(self, key: bytes) -> bool:
        """As shared_source.Hearer says."""
        return self.concerned

    def take_shared(self, key: bytes, responses: Any) -> None:
        """As shared_source.Hearer says."""
        self.taken.append((key, list(responses)))

    def test_concerned(self) -> None:
        """What matters here is looked up; the rest of the news is not waited for meanwhile."""
        self.store.values = {REVOCATION: b"revoked", ANSWER: b"good"}
        waiting = self.store.heard(KEY)
        assert waiting is not None
        self.successResultOf(waiting)
        self.assertEqual(self.taken, [(KEY, [b"revoked", b"good"])])

    def test_not_concerned(self) -> None:
        """What does not matter costs no look at the store, and neither does what is no key."""
        self.concerned = False
        self.assertIsNone(self.store.heard(KEY))
        self.concerned = True
        for news in (b"", KEY[:-1], KEY + b"x"):
            self.assertIsNone(self.store.heard(news))
        self.assertEqual((self.store.reads, self.taken), (0, []))
