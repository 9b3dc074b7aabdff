"""What tables of functions say."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.evaluation import FORMS, FUNCTIONS
from agwtwisted.core.arm.function_table import ArmFunction, UnknownArguments


class TableTests(SynchronousTestCase):
    """All tables."""

    def test_names(self) -> None:
        """Names are in lower case, by which they are found, and none stands in two tables."""
        self.assertEqual([name for name in [*FUNCTIONS, *FORMS] if name != name.lower()], [])
        self.assertEqual(set(FUNCTIONS) & set(FORMS), set())

    def test_the_usual(self) -> None:
        """A function that says nothing of it has an unknown result for an unknown argument."""
        function = ArmFunction(len, 1, 1)
        self.assertEqual((function.unknown, function.selects), (UnknownArguments.ITSELF, False))
