"""Reasons of refusals as values of labels."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.refusal_reasons import NO_CERTIFICATE, OTHER, REFUSALS, refusal
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, Refused


class ReasonTests(SynchronousTestCase):
    """The word for a verdict."""

    def test_known(self) -> None:
        """Every text that the module of reasons has stands for itself."""
        texts = [each for name, each in vars(reasons).items() if name.isupper() and isinstance(each, str)]
        self.assertGreater(len(texts), 15)
        for text in (*texts, *reasons.REASONS.values()):
            self.assertEqual(refusal(Refused(text)), text)

    def test_missing(self) -> None:
        """No certificate is a reason of its own."""
        self.assertEqual(refusal(Missing()), NO_CERTIFICATE)

    def test_bounded(self) -> None:
        """Whatever else a text says, it does not become a label."""
        for verdict in (UNJUDGED, Refused("CN=mallory"), Refused("")):
            self.assertEqual(refusal(verdict), OTHER)
        self.assertLess(len(REFUSALS), 130)
