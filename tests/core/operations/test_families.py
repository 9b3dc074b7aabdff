"""The table of metrics."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.metric_kinds import FamilyKind


class TableTests(SynchronousTestCase):
    """Every metric keeps the conventions of Prometheus (page "Metric and label naming")."""

    def test_names(self) -> None:
        """Names and labels are of the characters that all versions take, and say whose they are."""
        for family in FAMILIES.values():
            self.assertRegex(family.name, r"^(agw|process)_[a-z0-9_]+$")
            self.assertFalse(re.search("_(total|count|sum|bucket|info|created)$", family.name) and family.unit)
            self.assertTrue(all(re.fullmatch("[a-z_]+", label) and label != "le" for label in family.labels))

    def test_units(self) -> None:
        """A unit is the end of the name, and what is measured in one says so."""
        for family in FAMILIES.values():
            self.assertTrue(not family.unit or family.name.endswith(family.unit), family.name)
            self.assertEqual("_seconds" in family.name or "_bytes" in family.name, bool(family.unit), family.name)

    def test_bounds(self) -> None:
        """Histograms have bounds, each greater than the one before, and nothing else has."""
        for family in FAMILIES.values():
            self.assertEqual(bool(family.bounds), family.kind is FamilyKind.HISTOGRAM)
            self.assertEqual([*family.bounds], sorted({*family.bounds}))

    def test_meanings(self) -> None:
        """Each has a meaning on one line, and two have no common one."""
        meanings = [family.meaning for family in FAMILIES.values()]
        self.assertEqual(len({*meanings}), len(meanings))
        self.assertFalse([each for each in meanings if not each or "\n" in each])
