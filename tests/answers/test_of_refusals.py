"""Answers about refused clients."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.answers.of_refusals import refusals_of
from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.core.verification.verdicts import Missing
from agwtwisted.operations.refusals import Refusals
from tests import configurations
from tests.identities import turned_away


class RefusalsOfTests(SynchronousTestCase):
    """Of one process."""

    def setUp(self) -> None:
        self.refusals = Refusals(worker=2)
        self.presented = configurations.site().chain_der
        for keeps in (True, False, True):
            self.refusals.note("verdict", "a", turned_away(Missing()), self.presented, keeps=keeps)

    def test_newest(self) -> None:
        """The newest come first, so many as are asked for."""
        self.assertEqual([each["id"] for each in refusals_of(self.refusals, {})["refusals"]], ["2-3", "2-2", "2-1"])
        self.assertEqual(len(refusals_of(self.refusals, {"limit": "2"})["refusals"]), 2)

    def test_one(self) -> None:
        """One that is asked for by its id has its certificates as PEM, where they were kept."""
        [kept] = refusals_of(self.refusals, {"id": "2-1"})["refusals"]
        self.assertEqual(kept["certificate"].count("BEGIN CERTIFICATE"), len(self.presented))
        [other] = refusals_of(self.refusals, {"id": "2-2"})["refusals"]
        self.assertEqual((other["certificate"], other["has_certificate"]), (None, False))

    def test_not_there(self) -> None:
        """One that is not remembered, or another worker's, is not there; what is no id or limit is refused."""
        for text in ("2-9", "1-1"):
            self.assertEqual(refusals_of(self.refusals, {"id": text}), {"refusals": []})
        for arguments in ({"id": "x"}, {"limit": 0}, {"limit": 1001}):
            self.assertRaises(QuestionError, refusals_of, self.refusals, arguments)
