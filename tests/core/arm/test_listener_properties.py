"""The rows of listener_properties."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm import listener_properties
from agwtwisted.core.arm.table import COLLECTIONS


class CollectionTests(SynchronousTestCase):
    """The collections of this module."""

    def test_are_in_the_table(self) -> None:
        """Each of them is found by its name."""
        for each in listener_properties.COLLECTIONS:
            self.assertIs(COLLECTIONS[each.name], each)
