"""When lists are asked for again, and what failed."""

from __future__ import annotations

from random import Random

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.status import Unreachable
from agwtwisted.revocation.crl_renewals import FIRST_RETRY, LAST_RETRY, LOOKED_FOR_EVERY, CrlRenewals, Retries
from agwtwisted.revocation.crl_store import Validators
from agwtwisted.revocation.held_lists import HeldList
from agwtwisted.revocation.renewals import RENEW_FROM, RENEW_TO
from tests.clocks import SettableClock
from tests.revocation.test_held_lists import held
from tests.revocation_lists import DAY, NOW

SECONDS = DAY.total_seconds()


class CrlRenewalsTests(SynchronousTestCase):
    """Timers of lists."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wall = SettableClock(self.clock)
        self.wall.ahead = NOW
        self.due: list[HeldList] = []
        self.renewals = CrlRenewals(self.clock, self.wall, Random(1), self.due.append)
        self.renewals.start()

    def test_spread(self) -> None:
        """A list is renewed somewhere between half and four fifths of what is left of it; some are not alike."""
        delays: set[float] = set()
        for _ in range(20):
            one = held(days=2)
            self.renewals.schedule(one)
            left = self.renewals.left(one)
            assert left is not None
            self.assertTrue(RENEW_FROM <= left / (2 * SECONDS) <= RENEW_TO)
            delays.add(left)
            self.renewals.cancel(one)
        self.assertEqual(len(delays), 20)

    def test_once(self) -> None:
        """A list has one timer, and none once it has fired, or the list is about to end."""
        one = held()
        for _ in range(2):
            self.renewals.schedule(one)
        self.clock.advance(SECONDS)
        self.assertEqual((self.due, self.renewals.left(one)), ([one], None))
        self.renewals.schedule(one)
        self.renewals.cancel(one)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_validators(self) -> None:
        """Of a server that says whether there is a newer list one is asked for within the hour."""
        one = held(days=300)
        one.stored = attrs.evolve(one.stored, validators=Validators(etag='"1"'))
        self.renewals.schedule(one)
        self.assertLessEqual(self.renewals.left(one) or 0, LOOKED_FOR_EVERY)

    def test_set_clock(self) -> None:
        """Once the clock was set, what is left of each list counts."""
        one = held()
        self.renewals.schedule(one)
        self.wall.ahead += 0.9 * SECONDS
        self.renewals.reschedule()
        self.assertLess(self.renewals.left(one) or SECONDS, 0.1 * SECONDS)
        self.renewals.stop()
        self.renewals.schedule(one)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RetriesTests(SynchronousTestCase):
    """Failures."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.retries: Retries[str] = Retries(self.clock, most=2)
        self.tried: list[str] = []

    def fail_for(self, key: str) -> None:
        """It failed."""
        self.retries.failed(key, Unreachable(key), lambda: self.tried.append(key))

    def test_ever_less_often(self) -> None:
        """The time to the next try doubles up to a bound, as long as clients want it."""
        waits: list[float] = []
        for _ in range(5):
            self.fail_for("a")
            self.assertEqual(self.retries.failure("a"), Unreachable("a"))
            [timer] = self.clock.getDelayedCalls()
            waits.append(timer.getTime() - self.clock.seconds())
            self.clock.advance(waits[-1])
        self.assertEqual(waits, [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY, LAST_RETRY, LAST_RETRY])
        self.assertEqual(len(self.tried), 5)
        self.assertEqual(self.retries.failure("a"), Unreachable("a"))  # while it is tried
        self.retries.forget("a")
        self.assertIsNone(self.retries.failure("a"))

    def test_unwanted(self) -> None:
        """What nothing asked for meanwhile is forgotten, without a try."""
        self.fail_for("a")
        self.clock.advance(FIRST_RETRY)
        self.assertEqual((self.tried, self.retries.failure("a")), ([], None))

    def test_bound(self) -> None:
        """So many failures are kept, the last ones, and none at the end."""
        for key in "abc":
            self.fail_for(key)
        self.assertEqual([self.retries.failure(key) is None for key in "abc"], [True, False, False])
        self.retries.clear()
        self.assertEqual(self.clock.getDelayedCalls(), [])
