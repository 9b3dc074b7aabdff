"""Pools and policies as values."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.backend_pools import LoadDistributionAlgorithm, LoadDistributionPolicy
from agwtwisted.core.sections.schema import KINDS


class PolicyTests(SynchronousTestCase):
    """`LoadDistributionPolicy`."""

    def test_defaults(self) -> None:
        """Without a word about it servers take turns, each with the same weight."""
        self.assertIs(
            LoadDistributionPolicy(name="p").load_distribution_algorithm, LoadDistributionAlgorithm.ROUND_ROBIN
        )
        self.assertEqual(KINDS["load_distribution_target"].default("weight_per_server"), 1)

    def test_words_of_the_product(self) -> None:
        """The algorithms are those of the product's API."""
        self.assertEqual(
            [each.value for each in LoadDistributionAlgorithm], ["RoundRobin", "LeastConnections", "IpHash"]
        )
