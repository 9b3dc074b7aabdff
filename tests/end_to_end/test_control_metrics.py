"""GET /metrics beside what really happened: the access log, and the clients' own count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests import running
from tests.end_to_end import clients, control_api, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.lines import Line, wait_until
from tests.programs import needs

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

SESSIONS = 3
"""L4 sessions of `traffic`."""


class MetricsCase(gateway.SceneCase):
    """Reads metrics by the parsers of prometheus_client."""

    def text(self, *words: str) -> str:
        """What Prometheus gets."""
        answer = control_api.curl(self.gateway, "/metrics", *words)
        self.assertEqual(answer.status, 200)
        return answer.body

    def samples(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The samples of that name by their labels, sorted."""
        found = (sample for family in prometheus(self.text()) for sample in family.samples if sample.name == name)
        return {tuple(sorted(sample.labels.items())): sample.value for sample in found}

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        return sum(
            value for with_labels, value in self.samples(name).items() if labels.items() <= dict(with_labels).items()
        )


@needs("curl")
class MetricsTests(MetricsCase):
    """Counts, of one process."""

    stage = staticmethod(control_api.one)

    def test_forms(self) -> None:
        """Both forms are read without complaint, and have the same families; each sample comes once."""
        plain = {family.name: family for family in prometheus(self.text())}
        open_text = self.text("--header", f"Accept: {OPENMETRICS}")
        self.assertTrue(open_text.endswith("# EOF\n"))
        families = {family.name: family for family in openmetrics(open_text)}
        self.assertEqual(plain.keys(), families.keys())
        self.assertTrue(all(family.documentation for family in families.values()))
        for family in families.values():
            seen = Counter((each.name, *sorted(each.labels.items())) for each in family.samples)
            self.assertEqual(seen.most_common(1)[0][1] if seen else 1, 1, family.name)

    def test_like_the_log(self) -> None:
        """Requests, bytes, refusals and sessions are as many as the access log has lines."""
        self.traffic()
        records = wait_until(self.settled, "the log has as many lines as the metrics count")
        requests = [each for each in records if each.get("httpStatus")]
        for listener in ("plain", "strict", "http400"):
            mine = [each for each in requests if each["listenerName"] == listener]
            by_class = Counter(f"{each['httpStatus'] // 100}xx" for each in mine)
            for code, count in by_class.items():
                self.assertEqual(
                    self.total("agw_http_requests_total", listener=listener, code=code), count, (listener, code)
                )
        self.assertEqual(self.total("agw_http_request_duration_seconds_count"), self.total("agw_http_requests_total"))

    def settled(self) -> list[dict[str, Any]]:
        """The records, once all sessions have ended, and the metrics count as many refusals, requests and sessions.

        Each worker writes its lines, and sees that a client has left, in its own time.
        """
        records = self.gateway.records()
        requests = sum(bool(each.get("httpStatus")) for each in records)
        sessions = sum("sessionEnd" in each for each in records)
        strict = [each for each in records if each["listenerName"] in ("strict", "http400")]
        refused = {(each["clientIP"], each["clientPort"]) for each in strict if each["sslClientVerify"] != "SUCCESS"}
        names = ("agw_http_requests_total", "agw_l4_sessions_total", "agw_client_certificate_refusals_total")
        counted = [self.total(name) for name in names]
        whole = sessions > 0 and sessions % SESSIONS == 0
        return records if whole and counted == [requests, sessions, len(refused)] else []

    def traffic(self) -> None:
        """Clients of every kind."""
        plain, strict = self.scene.doors["plain"], self.scene.doors["strict"]
        for _ in range(4):
            with closing(clients.plain(plain)) as line:
                for target in (b"/a", b"/b", b"/c"):
                    line.send(GET % target)
                    self.assertEqual(line.response().status, 200)
                line.send(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
                self.assertEqual(line.response().status, 400)
        for certificate in ("ecdsa", "rsa", "stranger", "expired", ""):
            for port in (strict, self.scene.doors["http400"]):
                clients.by_python(self.gateway.call(port, certificate))
        for _ in range(SESSIONS):
            with closing(clients.encrypted(self.gateway.call(self.scene.doors["relay"], "ecdsa"))) as line:
                line.send(b"ping")
                self.assertEqual(line.exactly(4), b"ping")

    def test_never_back(self) -> None:
        """A reload resets no counter."""
        self.traffic()
        before = wait_until(lambda: self.settled() and self.total("agw_http_requests_total"), "all is counted")
        reloads = self.total("agw_reloads_total")
        answer = control_api.curl(self.gateway, "/reload", "--request", "POST")
        self.assertEqual(answer.status, 200, answer)
        self.assertGreaterEqual(self.total("agw_http_requests_total"), before)
        self.assertEqual(self.total("agw_reloads_total"), reloads + 1)


class WorkersMetricsTests(MetricsTests):
    """The same of a gateway with workers: what each counts is one sum."""

    stage = staticmethod(control_api.two)


@contextmanager
def full() -> Iterator[gateway.Scene]:
    """A gateway whose disk is full: its access log cannot be written."""
    doors = dict(zip(("plain",), running.free_ports(1), strict=True))
    with closing(Backend()) as backend:
        text = gateway.gateway_section(state_directory="state", access_log="full.log")
        text += gateway.pool("app", backend.port) + gateway.door("plain", doors["plain"], protocol="Http")
        with gateway.prepared(text) as prepared:
            (prepared.directory / "full.log").symlink_to("/dev/full")
            prepared.start()
            yield gateway.Scene(gateway=prepared, doors=doors, backend=backend)
            prepared.stop()


@needs("curl")
class FullDiskTests(MetricsCase):
    """An access log on a full disk."""

    stage = staticmethod(full)

    def test_lost(self) -> None:
        """Requests are served, lines are lost, and the metrics say how many."""
        for _ in range(7):
            with closing(Line(clients.plain(self.scene.doors["plain"]).socket)) as line:
                line.send(GET % b"/")
                self.assertEqual(line.response().status, 200)
        wait_until(lambda: self.total("agw_access_log_lines_lost_total") == 7, "seven lines are lost")
        self.assertIn("No space left on device", self.gateway.output)
