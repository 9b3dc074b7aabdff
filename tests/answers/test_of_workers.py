"""The metrics of a gateway with workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.answers.of_workers import WorkersMeasurements
from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.status import LastReload, WorkerStatus
from agwtwisted.core.operations.worker_counts import WorkerCounts
from agwtwisted.loading import NO_FILES, Loaded
from agwtwisted.probes import SharedProbes
from agwtwisted.revocation.held_staples import HeldStaples
from agwtwisted.transport.clocks import WallClock
from tests import configurations
from tests.hubs import Hub

WORKERS = (WorkerStatus(index=1, pid=11, connections=0), WorkerStatus(index=2, pid=0, connections=0, restarts=3))


class WorkersMeasurementsTests(SynchronousTestCase):
    """The parent of two workers, of which one is away."""

    def setUp(self) -> None:
        plan = configurations.plan()
        reactor: Any = MemoryReactorClock()
        outcomes = {"in_force": 2, "unchanged": 0, "rejected": 1}
        self.reloads: Any = SimpleNamespace(
            in_force=Loaded(plan=plan, files=NO_FILES), generation=3, since=5.0, outcomes=outcomes, last=None
        )
        self.counts = WorkerCounts()
        self.counts.began(1)
        self.counts.reported(1, Measurements({"agw_http_requests": {("public", "public", "2xx"): 7}}))
        probes = SharedProbes(plan, reactor, Hub().member())
        self.measurements = WorkersMeasurements(
            *(reactor, self.reloads, probes, lambda: (), lambda: WORKERS),
            self.counts,
            started=1.0,
            staples=HeldStaples(WallClock(reactor)),
        )

    def found(self) -> Any:
        """All samples."""
        return self.measurements.all_together([1]).samples

    def test_workers(self) -> None:
        """How many serve, how many did not answer, and how often each was replaced."""
        found = self.found()
        self.assertEqual((found["agw_workers"][()], found["agw_workers_missing"][()]), (1, 1))
        self.assertEqual(found["agw_worker_restarts"], {("1",): 0, ("2",): 3})

    def test_whole(self) -> None:
        """The workers' counts, the health that the parent has found, its reloads, and itself as a process."""
        found = self.found()
        self.assertEqual(found["agw_http_requests"], {("public", "public", "2xx"): 7})
        self.assertEqual(found["agw_backend_servers"]["app", "app", "Unknown"], 1)
        self.assertEqual((found["agw_reloads"][("rejected",)], found["agw_configuration_generation"][()]), (1, 3))
        self.assertEqual({*found["process_start_time_seconds"]}, {("0",)})
        self.assertLessEqual({*found}, {*FAMILIES})

    def test_rejected_reload(self) -> None:
        """That the last reload was rejected shows until one is taken."""
        self.assertEqual(self.found()["agw_reload_last_successful"][()], 1)
        self.reloads.last = LastReload(at=0.0, problems=("ERROR wrong",))
        self.assertEqual(self.found()["agw_reload_last_successful"][()], 0)
