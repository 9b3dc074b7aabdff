"""The phases of a connection."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.http1 import phases
from agwtwisted.http1.phases import Phase


class PhaseTests(SynchronousTestCase):
    """The names by which they are looked at."""

    def test_names(self) -> None:
        """Each phase has its own name in the module, by which no member of the Enum is looked up."""
        self.assertEqual({each.name: getattr(phases, each.name) for each in Phase}, dict(Phase.__members__))
