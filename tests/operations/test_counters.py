"""What is counted."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.operations.metric_kinds import DURATIONS, LIFETIMES
from agwtwisted.core.verification.handshake_failures import HandshakeFailure
from agwtwisted.core.verification.verdicts import Missing, Refused, Trusted
from agwtwisted.operations.counters import (
    BackendCounters,
    Histogram,
    ListenerCounters,
    RequestCounters,
    RevocationCounters,
    RouteCounters,
    SessionCounters,
)

ONE_OF_2XX = [0, 0, 1, 0, 0, 0]
TWO_OF_5XX = [0, 0, 0, 0, 0, 2]


class HistogramTests(SynchronousTestCase):
    """Observations."""

    def test_bounds(self) -> None:
        """A bound belongs to its bucket, and what is above all of them to the last one."""
        histogram = Histogram((1.0, 2.0))
        for value in (0.0, 1.0, 1.5, 2.0, 2.5):
            histogram.observe(value)
        self.assertEqual(histogram.sample, (2, 2, 1, 7.0))


@attrs.frozen(kw_only=True)
class Finished:
    """A `CountedExchange`."""

    status: int = 200
    received_bytes: int = 10
    sent_bytes: int = 100
    time_taken: float = 0.002
    error_info: ErrorInfo = ErrorInfo.NO_ERROR
    server_name: bytes = b""
    server_status: int | None = None
    server_response_latency: float | None = None


class RouteCountersTests(SynchronousTestCase):
    """Exchanges."""

    def setUp(self) -> None:
        self.requests, self.listener, self.backend = RequestCounters(), ListenerCounters(), BackendCounters()
        self.counters = RouteCounters(self.requests, self.listener, self.backend)

    def test_requests(self) -> None:
        """Each counts by its class, with its bytes and its time; without a response nothing of a backend does."""
        for status in (0, 101, 200, 204, 302, 404, 499, 502, 999):
            self.counters.count(Finished(status=status))
        requests = self.requests
        self.assertEqual(requests.by_class, [1, 1, 2, 1, 2, 2])
        self.assertEqual((requests.received_bytes, requests.sent_bytes), (90, 900))
        self.assertEqual(requests.durations.counts[1], 9)
        self.assertAlmostEqual(requests.durations.total, 0.018)
        self.assertEqual(requests.durations.bounds, DURATIONS)
        self.assertEqual((self.listener.errors, self.backend.servers), ({}, {}))

    def test_responses(self) -> None:
        """A response counts for its server by class, and its time for all."""
        for name, status in ((b"a:1", 200), (b"b:1", 503), (b"b:1", 999)):
            self.counters.count(Finished(server_name=name, server_status=status, server_response_latency=0.004))
        self.assertEqual([self.backend.server(name).by_class for name in (b"a:1", b"b:1")], [ONE_OF_2XX, TWO_OF_5XX])
        first, last = self.backend.first_bytes, self.backend.last_bytes
        self.assertEqual((first.counts[2], first.total), (3, 0.012))
        self.assertEqual((last.counts[1], last.total), (3, 0.006))

    def test_without_an_end(self) -> None:
        """A response that was cut, and a tunnel, have a first byte, and no last one; an error counts by its code."""
        for change in ({"error_info": ErrorInfo.UPSTREAM_TIMED_OUT}, {"status": 101, "server_status": 101}):
            self.counters.count(
                Finished(server_name=b"a:1", server_response_latency=0.004, **{"server_status": 200} | change)
            )
        self.assertEqual((sum(self.backend.first_bytes.counts), sum(self.backend.last_bytes.counts)), (2, 0))
        self.assertEqual(self.listener.errors, {ErrorInfo.UPSTREAM_TIMED_OUT: 1})


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
