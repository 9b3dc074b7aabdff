"""Several sources together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.status import CouldNotAsk, Good, RevocationStatus, Revoked, Unknown, Unreachable
from agwtwisted.revocation.revocation import Kinds, Revocation
from tests.revocations import SUBJECT, profile

OCSP, CRL = RevocationSource
BOTH = (OCSP, CRL)
NOTHING = (Unreachable("x"), CouldNotAsk("x"), Unknown())


@attrs.define(eq=False)
class ScriptedSource:
    """A source that says what the test says."""

    kind: RevocationSource
    says: RevocationStatus | None = None  # None: it has to be asked
    proven: Revoked | None = None
    profiles: list[str] = attrs.Factory(list)
    asked: list[Deferred[RevocationStatus]] = attrs.Factory(list)
    watching: list[Callable[[], None]] = attrs.Factory(list)
    cancelled: int = 0
    stopped: Deferred[None] = attrs.Factory(Deferred)
    running: bool = False

    def use(self, profiles: Iterable[SslProfile]) -> None:
        """As StatusSource says."""
        self.profiles = [each.name for each in profiles]

    def known(self, subject: Subject, profile: SslProfile) -> RevocationStatus | None:
        """As StatusSource says."""
        return self.says

    def status(self, subject: Subject, profile: SslProfile) -> Deferred[RevocationStatus]:
        """As StatusSource says."""
        if self.says is not None:
            return succeed(self.says)
        self.asked.append(Deferred(self._cancel))
        return self.asked[-1]

    def _cancel(self, deferred: Deferred[RevocationStatus]) -> None:
        self.cancelled += 1

    def revoked(self, subject: Subject) -> Revoked | None:
        """As StatusSource says."""
        return self.proven

    def watch(self, subjects: Iterable[Subject], profile: SslProfile, call: Callable[[], None]) -> Callable[[], None]:
        """As StatusSource says."""
        self.watching.append(call)
        return lambda: self.watching.remove(call)

    def start(self) -> None:
        """As StatusSource says."""
        self.running = True

    def stop(self) -> Deferred[None]:
        """As StatusSource says."""
        return self.stopped


def good(kind: RevocationSource) -> Good:
    """Not revoked."""
    return Good(until=9.0, source=kind)


def revoked(kind: RevocationSource) -> Revoked:
    """Revoked."""
    return Revoked(1.0, "", 9.0, source=kind)


class PolicyCase(SynchronousTestCase):
    """Two sources in the test's hand."""

    def setUp(self) -> None:
        self.ocsp, self.crl = ScriptedSource(OCSP), ScriptedSource(CRL)
        self.revocation = Revocation([self.ocsp, self.crl], lambda: 0.0)

    def of(self, kind: RevocationSource) -> ScriptedSource:
        """The source of a kind."""
        return self.ocsp if kind is OCSP else self.crl

    def known(self, kinds: Kinds = BOTH) -> RevocationStatus | None:
        """What is known."""
        return self.revocation.known(SUBJECT, profile(), kinds)

    def status(self, kinds: Kinds = BOTH) -> Deferred[RevocationStatus]:
        """What is known, or becomes known."""
        return self.revocation.status(SUBJECT, profile(), kinds)


class OrderTests(PolicyCase):
    """The order of a profile."""

    def test_first_word(self) -> None:
        """The first source that says good or revoked ends the search: the next one is not asked."""
        for order, made in product((BOTH, BOTH[::-1]), (good, revoked)):
            self.setUp()
            first, second = map(self.of, order)
            first.says = made(first.kind)
            self.assertEqual(self.known(order), made(first.kind))
            self.assertEqual(self.successResultOf(self.status(order)), made(first.kind))
            self.assertEqual(second.asked, [])

    def test_next_source(self) -> None:
        """A source that cannot say, or does not know the certificate, leaves it to the next one."""
        for order, nothing in product((BOTH, BOTH[::-1]), NOTHING):
            self.setUp()
            first, second = map(self.of, order)
            waiting = self.status(order)
            self.assertIsNone(self.known(order))
            first.asked[0].callback(nothing)
            self.assertNoResult(waiting)
            second.asked[0].callback(good(second.kind))
            self.assertEqual(self.successResultOf(waiting), good(second.kind))

    def test_known_in_part(self) -> None:
        """Nothing is known while a source that comes before the deciding one has to be asked."""
        self.crl.says = good(CRL)
        self.assertIsNone(self.known())
        self.ocsp.says = NOTHING[0]
        self.assertEqual(self.known(), good(CRL))
        self.crl.says = None
        self.assertIsNone(self.known())

    def test_no_word(self) -> None:
        """Where no source has a word, unknown weighs most, then that the gateway could not ask."""
        for one, other in product(NOTHING, repeat=2):
            self.ocsp.says, self.crl.says = one, other
            heaviest = max(one, other, key=NOTHING.index)
            self.assertEqual((self.known(), self.successResultOf(self.status())), (heaviest, heaviest))

    def test_alone(self) -> None:
        """A source that the profile does not list is not asked."""
        waiting = self.status((CRL,))
        self.crl.asked[0].callback(NOTHING[0])
        self.assertEqual(self.successResultOf(waiting), NOTHING[0])
        self.assertEqual(self.ocsp.asked, [])

    def test_cancelled(self) -> None:
        """Who leaves takes the question along, whichever source it is at."""
        for kind in BOTH:
            self.setUp()
            waiting = self.status()
            if kind is CRL:
                self.ocsp.asked[0].callback(NOTHING[0])
            waiting.cancel()
            self.failureResultOf(waiting, CancelledError)
            self.assertEqual(self.of(kind).cancelled, 1)


class BindingTests(PolicyCase):
    """What is proven revoked."""

    def test_whatever_the_order(self) -> None:
        """What one source has proven binds where the other one says good, listed or not, before it or after it."""
        for kind, order in product(BOTH, (BOTH, BOTH[::-1], (OCSP,), (CRL,))):
            self.setUp()
            proving, other = self.of(kind), self.of(CRL if kind is OCSP else OCSP)
            proving.proven = proving.says = revoked(kind)
            other.says = good(other.kind)
            self.assertEqual(self.known(order), revoked(kind))
            self.assertEqual(self.successResultOf(self.status(order)), revoked(kind))

    def test_nothing_is_asked(self) -> None:
        """It binds at once, while another source would have to be asked."""
        self.crl.proven = self.crl.says = revoked(CRL)
        self.assertEqual(self.known(), revoked(CRL))
        self.assertEqual(self.successResultOf(self.status()), revoked(CRL))
        self.assertEqual(self.ocsp.asked, [])

    def test_only_the_same_source_ends_it(self) -> None:
        """A listed source that may have something newer is asked, and its newer good ends it."""
        self.crl.proven, self.ocsp.says = revoked(CRL), good(OCSP)
        self.assertIsNone(self.known())
        waiting = self.status()
        self.crl.proven = None
        self.crl.asked[0].callback(good(CRL))
        self.assertEqual(self.successResultOf(waiting), good(OCSP))

    def test_asked_in_vain(self) -> None:
        """Where the source has nothing newer it binds on, whatever the answer was."""
        for answer in (revoked(CRL), *NOTHING):
            self.setUp()
            self.crl.proven, self.ocsp.says = revoked(CRL), good(OCSP)
            waiting = self.status()
            self.crl.asked[0].callback(answer)
            self.assertEqual(self.successResultOf(waiting), revoked(CRL))

    def test_not_listed(self) -> None:
        """A source that the profile does not list binds without being asked."""
        self.crl.proven, self.ocsp.says = revoked(CRL), good(OCSP)
        self.assertEqual(self.known((OCSP,)), revoked(CRL))
        self.assertEqual(self.successResultOf(self.status((OCSP,))), revoked(CRL))
        self.assertEqual(self.crl.asked, [])

    def test_learnt_meanwhile(self) -> None:
        """What a source proves while another one is asked counts."""
        waiting = self.status()
        self.crl.proven = revoked(CRL)
        self.ocsp.asked[0].callback(good(OCSP))
        self.assertEqual(self.successResultOf(waiting), revoked(CRL))

    def test_watched(self) -> None:
        """Live connections hear of it from every source, until they do not want to."""
        heard: list[int] = []
        unwatch = self.revocation.watch([SUBJECT], profile(), lambda: heard.append(1))
        for each in (self.ocsp, self.crl):
            each.watching[0]()
        self.assertEqual(heard, [1, 1])
        unwatch()
        self.assertEqual((self.ocsp.watching, self.crl.watching), ([], []))


class LifeTests(PolicyCase):
    """Profiles, start and stop."""

    def test_profiles(self) -> None:
        """Each source has the profiles that list it; what they trust is not kept."""
        lists = {"both": BOTH, "crl": (CRL,), "ocsp": (OCSP,)}
        self.revocation.use([profile(name=name, verify_client_revocation=kinds) for name, kinds in lists.items()])
        self.assertEqual((self.ocsp.profiles, self.crl.profiles), (["both", "ocsp"], ["both", "crl"]))
        self.assertEqual([each.name for each in self.revocation.profiles], ["both", "crl", "ocsp"])

    def test_stop(self) -> None:
        """It has stopped once every source has."""
        self.revocation.startService()
        self.assertTrue(self.ocsp.running and self.crl.running)
        stopped = self.revocation.stopService()
        self.ocsp.stopped.callback(None)
        self.assertNoResult(stopped)
        self.crl.stopped.callback(None)
        self.assertIsNone(self.successResultOf(stopped))
