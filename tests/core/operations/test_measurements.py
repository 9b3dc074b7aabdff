"""Measurements, as they are sent and merged."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.measurements import Collected, Measurements, merged, together
from agwtwisted.core.operations.metric_kinds import Merging

REQUESTS, LIMIT, CONNECTIONS = "agw_http_requests", "agw_connections_limit", "agw_connections"
DURATIONS = "agw_ocsp_request_duration_seconds"


def measured(requests: int, *, limit: int = 5, durations: tuple[float, ...] = (1, 0, 0.5)) -> Measurements:
    """Those of one process."""
    return Measurements(
        {
            REQUESTS: {("a", "b", "2xx"): requests},
            LIMIT: {(): limit},
            CONNECTIONS: {("0.0.0.0:443",): 2},
            DURATIONS: {(): durations},
        }
    )


class MergingTests(SynchronousTestCase):
    """Those of several processes are one."""

    def test_sums(self) -> None:
        """Counters, gauges and each bucket of a histogram are added; a limit that all have is the greatest."""
        both = merged([measured(3), measured(4, limit=7, durations=(0, 2, 1.5))]).samples
        self.assertEqual(both[REQUESTS], {("a", "b", "2xx"): 7})
        self.assertEqual(both[CONNECTIONS], {("0.0.0.0:443",): 4})
        self.assertEqual((both[LIMIT], both[DURATIONS]), ({(): 7}, {(): (1, 2, 2.0)}))

    def test_what_one_alone_has(self) -> None:
        """Labels and families of one process are those of all."""
        other = Measurements({REQUESTS: {("a", "c", "5xx"): 1}})
        both = merged([measured(3), other]).samples
        self.assertEqual(both[REQUESTS], {("a", "b", "2xx"): 3, ("a", "c", "5xx"): 1})
        self.assertEqual(merged([]).samples, {})

    def test_sources_stay(self) -> None:
        """What is merged is not changed by it."""
        one = measured(3)
        merged([one, measured(4)])
        self.assertEqual(one, measured(3))

    def test_mixed(self) -> None:
        """A number and a histogram under the same labels are a defect."""
        self.assertRaises(ValueError, together, 1, (1, 2), Merging.SUM)

    def test_collected(self) -> None:
        """Two samples with the same labels are one when they are collected."""
        into = Collected()
        for number in (1, 2):
            into.add(REQUESTS, ("a", "b", "2xx"), number)
            into.add(LIMIT, (), number)
        self.assertEqual(into, {REQUESTS: {("a", "b", "2xx"): 3}, LIMIT: {(): 2}})


class FormTests(SynchronousTestCase):
    """How they go from process to process."""

    def test_members(self) -> None:
        """JSON brings back what was sent."""
        one = measured(3)
        self.assertEqual(Measurements.of_members(json.loads(json.dumps(one.members()))), one)

    def test_no_measurements(self) -> None:
        """What is none is not taken for an empty one."""
        self.assertRaises(KeyError, Measurements.of_members, {})
        self.assertRaises(ValueError, Measurements.of_members, {"measurements": {REQUESTS: [[1, 2, 3]]}})

    def test_counted(self) -> None:
        """What counts on after the end of its process are counters and histograms."""
        self.assertEqual({*measured(3).counted().samples}, {REQUESTS, DURATIONS})

    def test_of_names(self) -> None:
        """A sample one of whose names is not kept is left out."""
        kept = measured(3).of_names(lambda label, value: (label, value) != ("rule", "b"))
        self.assertEqual((kept.samples[REQUESTS], kept.samples[LIMIT]), ({}, {(): 5}))
