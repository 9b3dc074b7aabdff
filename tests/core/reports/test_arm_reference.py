"""The reference page of ARM properties."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.table import COLLECTIONS
from agwtwisted.core.reports.arm_reference import LIMITS, arm_page


class ArmPageTests(SynchronousTestCase):
    """The page."""

    def test_every_property(self) -> None:
        """Every row of the table is a row of the page, with its meaning and its key, below its collection's heading."""
        text = "\n\n".join(arm_page()) + "\n## "
        for collection in COLLECTIONS.values():
            heading = f"{collection.within}.{collection.name}" if collection.within else collection.name
            part = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
            for row in collection.properties:
                key = f"`{row.key}`" if row.key else ""
                self.assertIn(f"\n| `{row.name}` | {row.meaning.value} | {key} | ", part)

    def test_limits(self) -> None:
        """The limits are said in a section of their own, each in sentences."""
        self.assertIn("## Limits against the product", [*arm_page()])
        for each in LIMITS:
            self.assertTrue(each.startswith("- ") and each.endswith("."), each)
