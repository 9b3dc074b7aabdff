"""The names of a configuration."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.names import names_of
from tests import configurations


class NamesTests(SynchronousTestCase):
    """What labels may say."""

    def test_of_a_plan(self) -> None:
        """Listeners with their addresses, rules, pools, settings and servers."""
        self.assertEqual(
            {*names_of(configurations.plan())},
            {
                ("address", "127.0.0.1:8443"),
                ("listener", "public"),
                ("rule", "public"),
                ("backend_pool", "app"),
                ("backend_settings", "app"),
                ("server", "127.0.0.1:9000"),
            },
        )
