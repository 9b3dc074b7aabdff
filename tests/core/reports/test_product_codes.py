"""The product's error codes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.reports import product_codes


class TableTests(SynchronousTestCase):
    """Both tables."""

    def test_in_order(self) -> None:
        """A code is in one of them, with words that a sentence of the page is made of."""
        both = (product_codes.OF_THE_CONFIGURATION, product_codes.OF_THE_CONTROL_PLANE)
        self.assertFalse(both[0].keys() & both[1].keys())
        for table in both:
            self.assertTrue(all(table.values()))
