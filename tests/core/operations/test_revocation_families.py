"""The metrics of revocation."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.revocation_families import REVOCATION


class RevocationTableTests(SynchronousTestCase):
    """Their place among all."""

    def test_all_are_there(self) -> None:
        """Each is a metric of the gateway, none of which has a value of a client among its labels."""
        for family in REVOCATION:
            self.assertIs(FAMILIES[family.name], family)
            self.assertLessEqual(
                {*family.labels}, {"name", "outcome", "origin", "command", "source", "status", "worker"}
            )
