"""What workers count together."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.kept_names import KEPT
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.worker_counts import WorkerCounts

REQUESTS, ROUTE = "agw_http_requests", ("shop", "shop", "2xx")
ACCEPTED, CLOSED, CONNECTIONS = "agw_connections_accepted", "agw_connections_closed", "agw_connections"
ADDRESS = ("0.0.0.0:443",)


def counted(requests: int, connections: int = 2) -> Measurements:
    """What a worker has counted, with so many connections that are open."""
    return Measurements(
        {
            REQUESTS: {ROUTE: requests},
            ACCEPTED: {ADDRESS: 10 + connections},
            CLOSED: {ADDRESS: 10},
            CONNECTIONS: {ADDRESS: connections},
        }
    )


class WorkerCountsTests(SynchronousTestCase):
    """Two workers."""

    def setUp(self) -> None:
        self.counts = WorkerCounts()
        for index in (1, 2):
            self.counts.began(index)
        self.counts.reported(1, counted(100))
        self.counts.reported(2, counted(20))

    def requests(self, answered: tuple[int, ...] = (1, 2), now: float = 0.0) -> object:
        """The sum of their requests."""
        return self.counts.all_together(answered, now).samples[REQUESTS].get(ROUTE)

    def test_sum(self) -> None:
        """What both have counted is added."""
        self.assertEqual(self.requests(), 120)
        self.counts.reported(1, counted(101))
        self.assertEqual(self.requests(), 121)

    def test_never_back(self) -> None:
        """A worker that ends leaves its numbers, and its successor counts on from there."""
        self.counts.ended(1)
        self.assertEqual(self.requests((2,)), 120)
        self.counts.began(1)
        self.assertEqual(self.requests(), 120)
        self.counts.reported(1, counted(1))
        self.assertEqual(self.requests(), 121)
        self.counts.ended(1)
        self.counts.ended(2)
        self.assertEqual(self.requests(()), 121)

    def test_silent(self) -> None:
        """Of a worker that does not answer its counters stand for it, and not what was open when it last reported."""
        found = self.counts.all_together((2,), 0.0).samples
        self.assertEqual((found[REQUESTS][ROUTE], found[CONNECTIONS][ADDRESS]), (120, 2))

    def test_connections_end_with_their_worker(self) -> None:
        """The connections of a worker that has ended are closed: none is open."""
        self.counts.ended(1)
        found = self.counts.all_together((2,), 0.0).samples
        self.assertEqual((found[ACCEPTED][ADDRESS], found[CLOSED][ADDRESS]), (24, 22))
        self.assertEqual(found[CONNECTIONS][ADDRESS], 2)

    def test_late_reports(self) -> None:
        """A report of a worker that is known to have ended is no second one."""
        self.counts.ended(1)
        self.counts.reported(1, counted(100))
        self.assertEqual(self.requests((2,)), 120)

    def test_removed_names(self) -> None:
        """What ended workers have counted for names that are removed is forgotten as with those that serve."""
        names = [("listener", "shop"), ("rule", "shop")]
        self.counts.use(names, 0.0)
        for index in (1, 2):
            self.counts.ended(index)
        self.counts.use([("listener", "other"), ("rule", "other")], 10.0)
        self.assertEqual(self.requests((), 10.0 + KEPT - 1), 120)
        self.assertIsNone(self.requests((), 10.0 + KEPT))
