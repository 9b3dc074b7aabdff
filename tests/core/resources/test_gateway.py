"""The settings of the whole gateway."""

from __future__ import annotations

import attrs
from attrs.exceptions import FrozenInstanceError
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.gateway import Gateway, OddHeaderNames
from tests import gateways


class GatewayTests(SynchronousTestCase):
    """The value."""

    def test_defaults(self) -> None:
        """Without keys there is one process, no access log, and nothing is kept on disk."""
        made = gateways.gateway()
        self.assertEqual((made.workers, made.access_log, made.state_directory), (1, None, None))
        self.assertIs(made.header_names, OddHeaderNames.DROP)

    def test_is_a_value(self) -> None:
        """Equal settings are equal, and none changes."""
        made = gateways.gateway(workers="auto")
        self.assertEqual(made, attrs.evolve(made))
        self.assertNotEqual(made, gateways.gateway())
        with self.assertRaises(FrozenInstanceError):
            made.workers = 2  # type: ignore[misc]
        self.assertIsInstance(made, Gateway)
