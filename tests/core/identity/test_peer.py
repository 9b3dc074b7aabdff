"""Peers: values that cannot be half made."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.peer import Peer
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, Refused, Trusted, Unchecked


class PeerTests(SynchronousTestCase):
    """What holds for every peer."""

    def test_needs_a_verdict(self) -> None:
        """No peer exists without a verdict: there is no default that could let somebody in."""
        self.assertRaises(TypeError, Peer, address="192.0.2.1", port=1)

    def test_is_frozen(self) -> None:
        """A verdict is never changed, a new peer takes the old one's place."""
        peer = Peer(address="192.0.2.1", port=1, verdict=Missing())
        with self.assertRaises(attrs.exceptions.FrozenInstanceError):
            peer.verdict = Trusted()  # type: ignore[misc]
        self.assertEqual(attrs.evolve(peer, verdict=Trusted()).verdict, Trusted())

    def test_as_required(self) -> None:
        """A path that requires a certificate goes by the verdict of a Strict profile; without one it refuses."""
        for verdict, required, expected in (
            (Unchecked(), Trusted(), Trusted()),
            (Unchecked(), Refused("x"), Refused("x")),
            (Unchecked(), UNJUDGED, UNJUDGED),
            (Trusted(), UNJUDGED, Trusted()),
        ):
            peer = Peer(address="192.0.2.1", port=1, verdict=verdict, required_verdict=required)
            self.assertEqual(peer.as_required().verdict, expected)
        self.assertEqual(Peer(address="192.0.2.1", port=1, verdict=Unchecked()).as_required().verdict, UNJUDGED)
