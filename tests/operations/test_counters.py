"""What is counted."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.metric_kinds import DURATIONS, LIFETIMES
from agwtwisted.core.verification.handshake_failures import HandshakeFailure
from agwtwisted.core.verification.verdicts import Missing, Refused, Trusted
from agwtwisted.operations.counters import (
    BackendCounters,
    Histogram,
    ListenerCounters,
    RequestCounters,
    RevocationCounters,
    SessionCounters,
)


class HistogramTests(SynchronousTestCase):
    """Observations."""

    def test_bounds(self) -> None:
        """A bound belongs to its bucket, and what is above all of them to the last one."""
        histogram = Histogram((1.0, 2.0))
        for value in (0.0, 1.0, 1.5, 2.0, 2.5):
            histogram.observe(value)
        self.assertEqual(histogram.sample, (2, 2, 1, 7.0))


class RequestCountersTests(SynchronousTestCase):
    """Requests."""

    def test_ended(self) -> None:
        """Each counts by its class, with its bytes and its time."""
        counters = RequestCounters()
        for status in (0, 101, 200, 204, 302, 404, 499, 502, 999):
            self.assertEqual(counters.ended(status, 10, 100, 0.002), 1)
        self.assertEqual(counters.by_class, [1, 1, 2, 1, 2, 2])
        self.assertEqual((counters.received_bytes, counters.sent_bytes), (90, 900))
        self.assertEqual(counters.durations.counts[1], 9)
        self.assertAlmostEqual(counters.durations.total, 0.018)
        self.assertEqual(counters.durations.bounds, DURATIONS)


class SessionCountersTests(SynchronousTestCase):
    """L4 sessions."""

    def test_ended(self) -> None:
        """Each counts by its status, with its bytes and its time."""
        counters = SessionCounters()
        counters.ended(200, 1, 2, 61.0)
        counters.ended(403, 3, 4, 0.0)
        self.assertEqual((counters.by_status, counters.received_bytes), ({200: 1, 403: 1}, 4))
        self.assertEqual((counters.sent_bytes, counters.durations.counts[4]), (6, 1))
        self.assertEqual(counters.durations.bounds, LIFETIMES)


class BackendCountersTests(SynchronousTestCase):
    """Servers of a pool."""

    def test_responded(self) -> None:
        """A response counts for its server by class, and its time for all."""
        counters = BackendCounters()
        counters.responded(b"a:1", 200, 0.004)
        counters.responded(b"b:1", 503, 0.004)
        self.assertEqual((counters.server(b"a:1").by_class[2], counters.server(b"b:1").by_class[5]), (1, 1))
        self.assertEqual((counters.first_bytes.counts[2], counters.first_bytes.total), (2, 0.008))


class ListenerCountersTests(SynchronousTestCase):
    """Handshakes and verdicts."""

    def test_handshakes(self) -> None:
        """By result and resumption; a failure by its kind, a completed one by its protocol."""
        counters = ListenerCounters()
        counters.shook_hands("TLSv1.3", resumed=True)
        counters.failed(HandshakeFailure.TIMEOUT)
        self.assertEqual(counters.handshakes, {("completed", "yes"): 1, ("failed", "no"): 1})
        self.assertEqual((counters.protocols, counters.failures), ({"TLSv1.3": 1}, {HandshakeFailure.TIMEOUT: 1}))

    def test_verdicts(self) -> None:
        """The word of the access log, without the reason; a refusal has it, with its stage."""
        counters = ListenerCounters()
        for verdict in (Trusted(), Refused("certificate has expired"), Missing()):
            counters.judged(verdict)
        counters.refused("path", Missing())
        self.assertEqual(counters.verdicts, {"SUCCESS": 1, "FAILED": 1, "NONE": 1})
        self.assertEqual(counters.refusals, {("path", "no certificate"): 1})


class RevocationCountersTests(SynchronousTestCase):
    """Questions to responders."""

    def test_asked(self) -> None:
        """By outcome, with their time."""
        counters = RevocationCounters()
        counters.asked("good", 0.03)
        self.assertEqual((counters.outcomes, counters.durations.counts[5]), ({"good": 1}, 1))
