"""Whose certificates a new list has: found in it a few in each turn, and no others called."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.memory import Subject
from agwtwisted.revocation.crl_watchers import LOOKED_UP_PER_TURN, SORTED_PER_TURN, CrlWatchers, Watched
from tests.clocks import turn

CA, OTHER = b"a CA", b"another CA"


class CrlWatchersTests(SynchronousTestCase):
    """Watchers that note when they are called, and lists that are sets."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.revoked: set[Watched] = set()
        self.read: list[Subject] = []
        self.looked_up: list[Watched] = []
        self.watchers = CrlWatchers(self.clock, self.watched, self.has)
        self.called: list[bytes] = []

    def watched(self, subject: Subject) -> Watched | None:
        """What a certificate is known by."""
        self.read.append(subject)
        return None if subject[0] == b"unreadable" else (subject[1], subject[0])

    def has(self, watched: Watched, subject: Subject) -> bool:
        """Whether a list in force has a certificate."""
        self.assertEqual(subject, (watched[1], watched[0]))
        self.looked_up.append(watched)
        return watched in self.revoked

    def watch(self, serial: bytes, issuer: bytes = CA, *, sort: bool = True) -> Callable[[], None]:
        """One more client."""
        return self.watchers.watch([(serial, issuer)], lambda: self.called.append(serial), sort=sort)

    def test_called(self) -> None:
        """Clients whose certificates a new list has are called; not those of other issuers with the same number."""
        self.watch(b"1")
        self.watch(b"2")
        self.watch(b"1", OTHER)
        self.watch(b"unreadable")
        self.revoked = {(CA, b"1"), (OTHER, b"1")}
        self.watchers.replaced(CA)
        self.assertEqual((self.called, self.clock.getDelayedCalls()), ([b"1"], []))
        self.watchers.replaced(b"a third CA")
        self.assertEqual(self.called, [b"1"])

    def test_many(self) -> None:
        """So many are looked up in a turn; a list that comes meanwhile begins from the first one again."""
        serials = [b"%d" % number for number in range(2 * LOOKED_UP_PER_TURN)]
        for serial in serials:
            self.watch(serial)
        self.watchers.replaced(CA)
        self.assertEqual(len(self.looked_up), LOOKED_UP_PER_TURN)
        self.revoked = {(CA, serials[0])}
        self.watchers.replaced(CA)
        self.assertEqual(len(self.looked_up), LOOKED_UP_PER_TURN)  # in the turns to come
        for _ in range(4):
            turn(self.clock)
        self.assertEqual(len(self.looked_up), 3 * LOOKED_UP_PER_TURN)
        self.assertEqual((self.called, self.clock.getDelayedCalls()), ([serials[0]], []))

    def test_read_late(self) -> None:
        """Certificates that lists were not asked about are read once there is one, so many in a turn."""
        count = 2 * SORTED_PER_TURN
        for number in range(count):
            self.watch(b"%d" % number, sort=False)
        self.assertEqual((self.read, self.watchers.watches(CA), self.watchers.issuers()), ([], False, [CA]))
        self.revoked = {(CA, b"%d" % (count - 1))}
        self.watchers.replaced(CA)
        self.assertEqual(len(self.read), SORTED_PER_TURN)
        for _ in range(3):
            turn(self.clock)
        self.assertEqual((len(self.read), self.called), (count, [b"%d" % (count - 1)]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """Of a client that is gone nothing is looked up, unless another one has the same certificate."""
        one, two = self.watch(b"1"), self.watch(b"1")
        late = self.watch(b"2", sort=False)
        self.assertTrue(self.watchers.watches(CA))
        one()
        late()
        self.revoked = {(CA, b"1")}
        self.watchers.replaced(CA)
        self.assertEqual(self.called, [b"1"])
        two()
        self.assertFalse(self.watchers.watches(CA))
        self.watchers.replaced(CA)
        self.assertEqual((len(self.looked_up), len(self.read)), (1, 1))

    def test_stopped(self) -> None:
        """What stops looks nothing up any more."""
        for number in range(LOOKED_UP_PER_TURN + 1):
            self.watch(b"%d" % number)
        self.watchers.replaced(CA)
        self.watchers.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
