"""For how long names of a configuration are kept."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations import kept_names
from agwtwisted.core.operations.kept_names import KEPT, KeptNames

A, B = ("rule", "a"), ("rule", "b")


class KeptNamesTests(SynchronousTestCase):
    """Names come and go."""

    def setUp(self) -> None:
        self.names = KeptNames()
        self.names.use([A, B], 0.0)

    def test_in_force(self) -> None:
        """A name is kept while it is in force, however long."""
        self.assertTrue(self.names.keeps(*A, now=1e9))

    def test_removed(self) -> None:
        """A removed one is kept for a while."""
        self.names.use([A], 10.0)
        self.assertTrue(self.names.keeps(*B, now=10.0 + KEPT - 1))
        self.assertFalse(self.names.keeps(*B, now=10.0 + KEPT))

    def test_back(self) -> None:
        """One that has come back is in force again."""
        self.names.use([A], 10.0)
        self.names.use([A, B], 20.0)
        self.assertTrue(self.names.keeps(*B, now=1e9))

    def test_others(self) -> None:
        """An empty value, and a label of no configured names, are kept; an unknown name is not."""
        self.assertTrue(self.names.keeps("rule", "", now=0.0))
        self.assertTrue(self.names.keeps("code", "2xx", now=0.0))
        self.assertFalse(self.names.keeps("rule", "c", now=0.0))

    def test_bounded(self) -> None:
        """However often other names are in force, those removed last are kept, and no more than so many."""
        self.patch(kept_names, "MOST", 3)
        for number in range(6):
            self.names.use([("rule", str(number))], float(number))
        kept = [number for number in range(6) if self.names.keeps("rule", str(number), now=6.0)]
        self.assertEqual(kept, [2, 3, 4, 5])
