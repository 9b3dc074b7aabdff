"""The memory that large data has left behind: which connections release it, and when."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls.grown_buffers import AT_ONCE, INTERVAL, GrownBuffers


class SomeRecords:
    """Those of a connection."""

    def __init__(self) -> None:
        self.has_grown = self.releases = True
        self.released = 0

    def rests(self) -> bool:
        """As `DirectRecords.rests` says."""
        has_grown, self.has_grown = self.has_grown, False
        return not has_grown

    def release(self) -> bool:
        """As `Records.release` says."""
        self.released += 1
        return self.releases


class GrownBuffersTests(SynchronousTestCase):
    """Looks at connections, on a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.grown: set[Any] = set()
        self.service = GrownBuffers(self.clock, self.grown)
        self.service.startService()

    def look(self) -> None:
        """The time of the next look comes."""
        self.clock.advance(INTERVAL)

    def test_rests(self) -> None:
        """A connection is released once when nothing large has passed it between two looks."""
        records = SomeRecords()
        self.grown.add(records)
        self.look()
        self.assertEqual(records.released, 0)
        records.has_grown = True
        self.look()
        self.assertEqual(records.released, 0)
        self.look()
        self.look()
        self.assertEqual((records.released, self.grown), (1, set()))

    def test_unread(self) -> None:
        """One that has data to be read is asked again at the next look."""
        records = SomeRecords()
        records.releases = False
        self.grown.add(records)
        for _ in range(3):
            self.look()
        self.assertEqual((records.released, self.grown), (2, {records}))

    def test_many_unread(self) -> None:
        """However many cannot release theirs, those that can do."""
        stuck, others = ([SomeRecords() for _ in range(count)] for count in (2 * AT_ONCE, 20))
        for each in stuck:
            each.releases = False
        self.grown |= {*stuck, *others}
        self.look()
        self.look()
        self.assertEqual({each.released for each in others}, {1})

    def test_many(self) -> None:
        """A look releases a bounded number, the next ones the others."""
        self.grown |= {SomeRecords() for _ in range(AT_ONCE + 1)}
        self.look()
        self.look()
        self.assertEqual(len(self.grown), 1)
        self.look()
        self.assertEqual(self.grown, set())

    def test_stop(self) -> None:
        """It stops looking with the gateway, and leaves no timer."""
        self.service.stopService()
        self.service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
