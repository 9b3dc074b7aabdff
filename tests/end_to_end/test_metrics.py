"""Metrics of a running gateway: every one of them is there, equal to the access log, and none goes back."""

from __future__ import annotations

import os
import signal

import attrs
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.metric_kinds import FamilyKind
from tests.end_to_end import traffic
from tests.end_to_end.gateway import shared
from tests.end_to_end.lines import wait_until
from tests.end_to_end.traffic import Counted, Place, samples_of, scrape
from tests.end_to_end.worker_processes import workers

REQUESTS = int(os.environ.get("AGW_COMPARED", "2000"))
"""How many are compared; 100,000 take some minutes."""

UNUSED = ("agw_ocsp_staple_", "agw_crl_downloads", "agw_revocation_store_answers", "agw_revocation_store_commands")
"""Beginnings of metrics of what this gateway has no occasion for."""


class ComparedCase(SynchronousTestCase):
    """The metrics of a gateway beside its access log."""

    maxDiff = None

    def assert_equal(self, by_metrics: Counted, by_log: Counted) -> None:
        """Both say the same, part by part."""
        for field in attrs.fields(Counted):
            self.assertEqual(getattr(by_metrics, field.name), getattr(by_log, field.name), field.name)


class OneProcessTests(ComparedCase):
    """A gateway without workers."""

    def test_one_process(self) -> None:
        """Requests, L4 sessions, refused clients, errors, servers' responses and bytes are those of the log."""
        with traffic.place(1) as place:
            self.assert_equal(*traffic.compared(place, REQUESTS))


class WorkersTests(ComparedCase):
    """A gateway with two workers."""

    def setUp(self) -> None:
        self.place: Place = shared(_two_workers)

    def test_workers(self) -> None:
        """The same of both workers together; each metric of what is used has samples, in OpenMetrics, too."""
        self.assert_equal(*traffic.compared(self.place, REQUESTS))
        text = scrape(self.place.gateway, "application/openmetrics-text")
        found = {family.name for family in text_string_to_metric_families(text) if family.samples}
        self.assertEqual({name for name in FAMILIES if not name.startswith(UNUSED)}, found)

    def test_killed(self) -> None:
        """A worker that is killed takes no counter back, and its restart is counted."""
        traffic.send_all(self.place, 1)  # a worker that is killed loses the lines that it has not written
        before = samples_of(scrape(self.place.gateway))
        killed = workers(self.place.gateway)[1]
        os.kill(killed, signal.SIGKILL)
        workers(self.place.gateway, besides=killed)
        after = samples_of(scrape(self.place.gateway))
        counters = [f"{each.name}_total" for each in FAMILIES.values() if each.kind is FamilyKind.COUNTER]
        back = {key: value for key, value in before.items() if key[0] in counters and after.get(key, 0) < value}
        self.assertEqual(back, {})
        restarts = ("agw_worker_restarts_total", (("worker", "1"),))
        wait_until(lambda: samples_of(scrape(self.place.gateway))[restarts] > 0, "the restart is counted")


def _two_workers() -> object:
    return traffic.place(2)
