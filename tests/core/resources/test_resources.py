"""The configuration as frozen values."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests.configurations import load


class ResourcesTests(SynchronousTestCase):
    """What the values promise."""

    def test_are_frozen(self) -> None:
        """A configuration does not change once it is made."""
        loaded = load()
        for value in (loaded, loaded.gateway, loaded.http_listeners[0], loaded.request_routing_rules[0]):
            self.assertRaises(
                attrs.exceptions.FrozenInstanceError, setattr, value, attrs.fields(type(value))[0].name, None
            )
