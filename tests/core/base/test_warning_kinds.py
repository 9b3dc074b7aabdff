"""Warnings that programs know by a name."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration import certificate_warnings, rule_coherence
from agwtwisted.core.reports import check_report


class KindTests(SynchronousTestCase):
    """All kinds together."""

    def test_names(self) -> None:
        """A name stands for one kind."""
        kinds = (*certificate_warnings.KINDS, *rule_coherence.KINDS, *check_report.TRIALS)
        self.assertEqual(len({kind.name for kind in kinds}), len(kinds))
        self.assertTrue(all(kind.meaning.endswith(".") and kind.remedy.endswith(".") for kind in kinds))
