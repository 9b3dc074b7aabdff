"""Where the clients of L4 sites go."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations.metrics import Metrics
from agwtwisted.relay.relay_targets import RelayTarget
from tests.relays import Stand, text


class TargetTests(SynchronousTestCase):
    """The target of a site."""

    def test_of(self) -> None:
        """It has the servers of the site's pool, and describes the server certificate where PROXY headers do so."""
        for settings, described in (
            ("", False),
            ("enable_l4_client_ip_preservation = true\nproxy_protocol_tls = true\n", True),
        ):
            stand = Stand(text("a - a.example", "b - b.example", settings=settings))
            site = stand.port.sites.exact["b.example"]
            target = RelayTarget.of(site, stand.backends, Metrics())
            self.assertIs(target.servers, stand.pool("brokers", "mqtt"))
            self.assertEqual(target.names is not None, described)
            self.assertIs(target.site, site)
