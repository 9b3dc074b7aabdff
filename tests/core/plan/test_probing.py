"""How servers are probed."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.health import HEALTHY_STATUSES, ProbeMatch, StatusRange
from agwtwisted.core.plan.probing import HttpProbe, http_probe
from agwtwisted.core.resources.resources import BackendHttpSettings, Probe
from tests.requests import parsed

PICKS: dict[str, Any] = {"pick_host_name_from_backend_address": True}


def asked(probe: Probe | None = None, host: str = "app.example", **settings: Any) -> HttpProbe:
    """What a server on port 9000 is asked."""
    return http_probe(BackendHttpSettings(name="s", probe=probe, **settings), host, 9000)


class HttpProbeTests(SynchronousTestCase):
    """From settings and probe."""

    def test_default(self) -> None:
        """The product's: for 127.0.0.1 at the server's own port, every 30 seconds, three failures, 200 to 399."""
        default = HttpProbe(
            port=9000,
            host="127.0.0.1",
            path="/",
            interval=30,
            timeout=30,
            unhealthy_threshold=3,
            match=ProbeMatch(statuses=HEALTHY_STATUSES),
        )
        self.assertEqual(asked(), default)
        self.assertEqual(asked(host_name="other.example"), default)
        self.assertEqual(asked(**PICKS), default)

    def test_own(self) -> None:
        """A probe's own values."""
        probe = Probe(
            host="probed.example",
            path="/healthz?deep",
            port=81,
            interval=5,
            timeout=2,
            unhealthy_threshold=1,
            match_status_codes=(StatusRange(204, 204),),
            match_body="wéll",
        )
        self.assertEqual(
            asked(probe),
            HttpProbe(
                port=81,
                host="probed.example",
                server_name="probed.example",
                path="/healthz?deep",
                interval=5,
                timeout=2,
                unhealthy_threshold=1,
                match=ProbeMatch(statuses=(StatusRange(204, 204),), body="wéll".encode()),
            ),
        )

    def test_host(self) -> None:
        """The probe's host comes first, then the settings', then the default; TLS gets the probe's only."""
        named: dict[str, Any] = {"host_name": "other.example:81"}
        for probe, settings, host, server_name in (
            (Probe(host="probed.example"), named, "probed.example", "probed.example"),
            (Probe(), named, "other.example:81", ""),
            (Probe(pick_host_name_from_backend_http_settings=True), named, "other.example:81", ""),
            (Probe(), PICKS, "app.example", ""),
            (Probe(), {}, "127.0.0.1", ""),
            (Probe(host="2001:db8::1"), {}, "[2001:db8::1]", "2001:db8::1"),
        ):
            made = asked(probe, **settings)
            self.assertEqual((made.host, made.server_name), (host, server_name))
        self.assertEqual(asked(Probe(), "2001:db8::1", **PICKS).host, "[2001:db8::1]")

    def test_request(self) -> None:
        """A request by the letter of the RFC, which asks for no compression and leaves the connection open."""
        words, lines = parsed(asked(Probe(path="/healthz?deep")).request())
        self.assertEqual(words, [b"GET", b"/healthz?deep", b"HTTP/1.1"])
        self.assertEqual([name for name, _ in lines], [b"Host", b"User-Agent", b"Accept"])
        self.assertEqual(dict(lines)[b"Host"], b"127.0.0.1")
