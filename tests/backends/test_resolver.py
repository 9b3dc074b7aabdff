"""Names of servers: how long an answer is kept, and who waits for a new one."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.dns_client import ResolutionError, ResolvedName
from agwtwisted.backends.resolver import MAX_LOOKUPS, MAX_TTL, RETRY, STALE, TIMEOUT, Resolver

NONE = ResolutionError("there is no such name", is_final=True)
A, B = "192.0.2.1", "192.0.2.2"


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.asked: list[tuple[str, Deferred[ResolvedName]]] = []
        self.given_up: list[str] = []
        self.resolver = Resolver(self.clock, self._ask)

    def _ask(self, name: str) -> Deferred[ResolvedName]:
        self.asked.append((name, Deferred(lambda _: self.given_up.append(name))))
        return self.asked[-1][1]

    def answer(self, *addresses: str, ttl: float = 10) -> None:
        """The last question is answered."""
        self.asked[-1][1].callback(ResolvedName(addresses=addresses, ttl=ttl))

    def no_answer(self) -> None:
        """The last question comes to nothing."""
        self.asked[-1][1].errback(NONE)

    def known(self, *addresses: str, ttl: float = 10) -> None:
        """The name is known, and a request has waited for it."""
        waiting = self.resolver.addresses("app")
        self.answer(*addresses, ttl=ttl)
        self.successResultOf(waiting)

    def got(self) -> tuple[str, ...]:
        """The addresses, without waiting."""
        return self.successResultOf(self.resolver.addresses("app"))


class KeepingTests(_Case):
    """An answer is kept for its time."""

    def test_first_use(self) -> None:
        """The first request for a name waits, and requests that come meanwhile wait for the same answer."""
        waiting = [self.resolver.addresses("app") for _ in range(3)]
        self.assertEqual(len(self.asked), 1)
        self.answer(A)
        self.assertEqual([self.successResultOf(each) for each in waiting], [(A,)] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_kept(self) -> None:
        """Within its TTL there is no other lookup; names are independent."""
        self.known(A)
        self.clock.advance(9)
        self.assertEqual((self.got(), len(self.asked)), ((A,), 1))
        other = self.resolver.addresses("other")
        self.assertNoResult(other)
        self.assertEqual([name for name, _ in self.asked], ["app", "other"])
        self.answer(B)
        self.assertEqual(self.successResultOf(other), (B,))

    def test_renewed(self) -> None:
        """After its time it is still given, while one new lookup runs; no request waits."""
        self.known(A)
        self.clock.advance(10)
        self.assertEqual([self.got() for _ in range(3)], [(A,)] * 3)
        self.assertEqual(len(self.asked), 2)
        self.answer(B)
        self.assertEqual((self.got(), len(self.asked)), ((B,), 2))

    def test_too_old(self) -> None:
        """Long after its TTL it is not used any more: a request for the name waits for the new one."""
        self.known(A)
        self.clock.advance(10 + STALE)
        waiting = self.resolver.addresses("app")
        self.assertNoResult(waiting)
        self.answer(B)
        self.assertEqual(self.successResultOf(waiting), (B,))

    def test_bounds(self) -> None:
        """No answer is kept for less than a second, nor for more than an hour."""
        for ttl, kept in ((0.0, 1.0), (1e9, MAX_TTL)):
            self.setUp()
            self.known(A, ttl=ttl)
            self.clock.advance(kept - 0.5)
            self.got()
            self.assertEqual(len(self.asked), 1)
            self.clock.advance(0.5)
            self.got()
            self.assertEqual(len(self.asked), 2)
            self.resolver.stop()

    def test_takes_turns(self) -> None:
        """The addresses take turns at the beginning, those of IPv6 behind those of IPv4."""
        self.known("2001:db8::1", A, "2001:db8::2", B)
        six = ("2001:db8::1", "2001:db8::2")
        self.assertEqual(self.got(), (B, A, *reversed(six)))
        self.assertEqual(self.got(), (A, B, *six))


class FailureTests(_Case):
    """What becomes of a name that does not resolve."""

    def test_never_known(self) -> None:
        """It fails, and is not asked for again at once."""
        waiting = self.resolver.addresses("app")
        self.no_answer()
        self.assertIn("app does not resolve: there is no such name", str(self.failureResultOf(waiting, DNSLookupError)))
        self.clock.advance(RETRY - 1)
        self.failureResultOf(self.resolver.addresses("app"), DNSLookupError)
        self.assertEqual(len(self.asked), 1)
        self.clock.advance(1)
        self.known(A)
        self.assertEqual(len(self.asked), 2)

    def test_last_good(self) -> None:
        """The last good addresses are kept for as long as there are no others, and no request waits; it is logged
        once.
        """
        self.known(A)
        for _ in range(20):
            self.clock.advance(10)
            self.assertEqual(self.got(), (A,))
            self.no_answer()
        self.assertEqual((self.got(), len(self.asked)), ((A,), 21))
        self.clock.advance(10)
        self.got()
        self.answer(B)
        self.assertEqual(self.got(), (B,))

    def test_last_good_long_ago(self) -> None:
        """A request that waits for a new answer in vain gets the old one, and the next one does not wait."""
        self.known(A)
        self.clock.advance(100 * MAX_TTL)
        waiting = self.resolver.addresses("app")
        self.no_answer()
        self.assertEqual((self.successResultOf(waiting), self.got()), ((A,), (A,)))

    def test_silence(self) -> None:
        """A question has its time, and is ended then."""
        waiting = self.resolver.addresses("app")
        self.clock.advance(TIMEOUT)
        self.assertIn("no response in time", str(self.failureResultOf(waiting, DNSLookupError)))
        self.assertEqual((self.given_up, self.clock.getDelayedCalls()), (["app"], []))

    def test_defect(self) -> None:
        """A defect is logged, and the name does not resolve."""
        waiting = self.resolver.addresses("app")
        self.asked[0][1].errback(KeyError("x"))
        self.assertIn("an unexpected error", str(self.failureResultOf(waiting, DNSLookupError)))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)


class WaitingTests(_Case):
    """Who waits, and who does not."""

    def test_leaving(self) -> None:
        """A waiter that gives up does not end the lookup: the next one gets the answer."""
        waiting = self.resolver.addresses("app")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.answer(A)
        self.assertEqual((self.got(), len(self.asked)), ((A,), 1))

    def test_answered_at_once(self) -> None:
        """An answer that needs no waiting is given at once, and is asked for once."""
        asked: list[str] = []

        def ask(name: str) -> Deferred[ResolvedName]:
            asked.append(name)
            answered: Deferred[ResolvedName] = Deferred()
            answered.callback(ResolvedName(addresses=(A,), ttl=5))
            return answered

        self.resolver = Resolver(self.clock, ask)
        self.assertEqual((self.got(), asked), ((A,), ["app"]))

    def test_stop(self) -> None:
        """After the stop there are no lookups, and waiters get a failure."""
        waiting = self.resolver.addresses("app")
        self.resolver.stop()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual((self.given_up, self.clock.getDelayedCalls()), (["app"], []))

    def test_bound(self) -> None:
        """So many names are asked for at once and no more; the others wait for their turn, in the same time."""
        waiting = [self.resolver.addresses(f"{number}.example") for number in range(MAX_LOOKUPS + 2)]
        self.assertEqual(len(self.asked), MAX_LOOKUPS)
        self.answer(A)
        self.assertEqual(len(self.asked), MAX_LOOKUPS + 1)
        self.clock.advance(TIMEOUT)
        for each in waiting[: MAX_LOOKUPS - 1] + waiting[MAX_LOOKUPS:]:
            self.failureResultOf(each, DNSLookupError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
