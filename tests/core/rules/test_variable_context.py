"""What server variables are read from."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification.verdicts import Refused, Trusted, Unchecked
from tests import rewrites


class JudgedTests(SynchronousTestCase):
    """A client on a path that judges it in another way."""

    def test_made_once(self) -> None:
        """It remembers what was found, for as long as the judgement is the same, and nothing of another one's."""
        client = rewrites.client(verdict=Unchecked())
        trusted = attrs.evolve(client.peer, verdict=Trusted())
        found = client.judged_as(trusted)
        self.assertEqual((found.peer, found.port), (trusted, client.port))
        self.assertIs(client.judged_as(attrs.evolve(trusted)), found)
        self.assertEqual(found.remembered, {})
        refused = attrs.evolve(client.peer, verdict=Refused("x"))
        self.assertEqual(client.judged_as(refused).peer, refused)
