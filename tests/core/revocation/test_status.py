"""The values of revocation status."""

from __future__ import annotations

from typing import get_args

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.status import (
    CertStatus,
    CouldNotAsk,
    Good,
    NoAnswer,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)


class StatusTests(SynchronousTestCase):
    """Answers, and the ways in which there is none."""

    def test_answers_and_no_answers(self) -> None:
        """Each status is either an answer of the issuer or the lack of one, never both."""
        answers, lacks = set(get_args(CertStatus)), set(get_args(NoAnswer))
        self.assertEqual((answers, lacks), ({Good, Revoked, Unknown}, {Unusable, Unreachable, CouldNotAsk}))
        self.assertEqual(set(get_args(RevocationStatus)), answers | lacks)

    def test_reachable(self) -> None:
        """A responder that was left alone and one that did not answer this request are not the same."""
        self.assertTrue(Unreachable("x").was_asked)
        self.assertNotEqual(Unreachable("x"), Unreachable("x", was_asked=False))
