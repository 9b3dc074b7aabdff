"""`agwtwisted.core.reports.steps`: the form of an explanation."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.tables import WIDTH
from agwtwisted.core.reports.steps import Explanation, ExplanationStep, StepOutcome

STEPS = (
    ExplanationStep("first", StepOutcome.PASSED, "Title", ["   below"]),
    ExplanationStep("second", StepOutcome.FAILED, "word " * 40),
)
EXPLANATION = Explanation(
    heading="heading", accepted=False, verdict="Refused: x", conclusion=("Refused: x", "What to do: y"), steps=STEPS
)


class StepsTests(SynchronousTestCase):
    """What people and programs get."""

    def test_text(self) -> None:
        """Steps are numbered, with their outcomes in front; what failed stands out, and long titles are wrapped."""
        text = EXPLANATION.text
        self.assertTrue(text.startswith("heading\n\n1. passed   Title\n   below\n\n2. FAILED   word word"))
        self.assertTrue(text.endswith("\n\nRefused: x\nWhat to do: y"))
        self.assertLessEqual(max(map(len, text.splitlines())), WIDTH)

    def test_members(self) -> None:
        """The members of the JSON object are stable."""
        members = EXPLANATION.members()
        self.assertEqual(list(members), ["accepted", "verdict", "steps", "text"])
        self.assertEqual(members["steps"][0], {"name": "first", "outcome": "passed", "text": "Title\n   below"})
        self.assertEqual((members["accepted"], members["text"]), (False, EXPLANATION.text))
