"""The counters of a process."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import ClientRevocationStatus, NoSource, RevocationFinding, RevocationSource
from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.kept_names import KEPT
from agwtwisted.core.operations.measurements import Collected
from agwtwisted.core.verification.handshake_failures import HandshakeFailure
from agwtwisted.core.verification.verdicts import Missing
from agwtwisted.operations.counters import RouteCounters
from agwtwisted.operations.metrics import Metrics
from tests.operations.test_counters import Finished

NAMES = (
    ("listener", "shop"),
    ("rule", "shop"),
    ("address", "0.0.0.0:443"),
    ("backend_pool", "app"),
    ("backend_settings", "app"),
    ("server", "10.0.0.1:80"),
)

RESPONSE: dict[str, Any] = {"server_name": b"10.0.0.1:80", "server_status": 404, "server_response_latency": 0.1}


class MetricsTests(SynchronousTestCase):
    """Counters, by names of the configuration."""

    def setUp(self) -> None:
        self.metrics = Metrics()
        self.metrics.use(NAMES, 0.0)
        self.metrics.sessions["shop", "shop"].ended(200, 1, 2, 0.5)
        listener = self.metrics.listeners[("shop",)]
        listener.shook_hands("TLSv1.3", resumed=False)
        listener.failed(HandshakeFailure.SIZE)
        listener.judged(Missing())
        listener.refused("path", Missing())
        listener.errors[ErrorInfo.INVALID_HOST] += 1
        listener.misuses["resets"] += 1
        address = self.metrics.addresses[("0.0.0.0:443",)]
        address.accepted, address.closed = 5, 3
        backend = self.metrics.backends["app", "app"]
        exchange = Finished(received_bytes=1, sent_bytes=2, time_taken=0.5, **RESPONSE)
        RouteCounters(self.metrics.requests["shop", "shop"], listener, backend).count(exchange)
        self.metrics.revocation.asked("good", 0.1)
        for source in (RevocationSource.CRL, NoSource.NONE):
            self.metrics.revocation.found(RevocationFinding(status=ClientRevocationStatus.GOOD, source=source))
        self.metrics.shared_store.asked("get", "none")
        self.metrics.shared_store.answers["hit"] += 1

    def collected(self, now: float = 0.0) -> Collected:
        """What was counted."""
        into = Collected()
        self.metrics.collect(into, now)
        return into

    def test_values(self) -> None:
        """Each counter is the sample of a family, under its labels."""
        found = self.collected()
        self.assertEqual(found["agw_http_requests"]["shop", "shop", "2xx"], 1)
        self.assertEqual(found["agw_http_requests"]["shop", "shop", "5xx"], 0)
        self.assertEqual(found["agw_l4_sessions"], {("shop", "shop", "200"): 1})
        self.assertEqual(found["agw_revocation_checks"], {("CRL", "good"): 1, ("none", "good"): 1})
        self.assertEqual(found["agw_received_bytes"]["shop", "shop"], 2)  # of both
        self.assertEqual(found["agw_connections"][("0.0.0.0:443",)], 2)
        self.assertEqual(found["agw_backend_responses"], {("app", "app", "10.0.0.1:80", "4xx"): 1})
        self.assertEqual(found["agw_tls_handshakes"]["shop", "failed", "no"], 1)
        self.assertEqual(found["agw_client_certificate_refusals"], {("shop", "path", "no certificate"): 1})
        self.assertEqual(found["agw_http_errors"], {("shop", "ERRORINFO_INVALID_HOST"): 1})
        self.assertEqual(found["agw_http2_connections_cut"], {("shop", "resets"): 1})
        self.assertEqual(found["agw_ocsp_requests"], {("good",): 1})
        self.assertEqual(found["agw_revocation_store_commands"], {("get", "none"): 1})
        self.assertEqual(found["agw_revocation_store_answers"], {("hit",): 1})

    def test_labels(self) -> None:
        """Every sample has as many values as its family has labels, and a histogram as many buckets as bounds."""
        for name, samples in self.collected().items():
            for labels, sample in samples.items():
                self.assertEqual(len(labels), len(FAMILIES[name].labels), name)
                if isinstance(sample, tuple):
                    self.assertEqual(len(sample), len(FAMILIES[name].bounds) + 2)

    def test_kept(self) -> None:
        """What a configuration does not name any more is kept for a while, and counts on if it comes back."""
        counters = self.metrics.requests["shop", "shop"]
        self.metrics.use([("listener", "other"), ("rule", "other")], 10.0)
        self.assertIn("agw_http_requests", self.collected(10.0 + KEPT - 1))
        self.metrics.use(NAMES, 20.0)
        self.collected(1e6)
        self.assertIs(self.metrics.requests["shop", "shop"], counters)

    def test_forgotten(self) -> None:
        """Later it is forgotten, and begins anew if it comes back."""
        self.metrics.use([("server", "10.0.0.2:80"), ("backend_pool", "app"), ("backend_settings", "app")], 10.0)
        found = self.collected(10.0 + KEPT)
        self.assertNotIn("agw_http_requests", found)
        self.assertEqual(found["agw_backend_responses"], {})
        self.assertNotIn("agw_connections", found)
        self.assertIn("agw_backend_retries", found)
        self.assertEqual(len(self.metrics.requests), 0)
