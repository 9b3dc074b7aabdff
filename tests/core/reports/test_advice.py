"""`agwtwisted.core.reports.advice`."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.reports.advice import ADVICE, GENERAL, what_to_do
from agwtwisted.core.verification import reasons

PAGE = Path(__file__).parents[3] / "docs" / "explain-a-refusal.md"


class AdviceTests(SynchronousTestCase):
    """What to do about a reason."""

    def test_every_reason_of_ours_has_its_own(self) -> None:
        """The reasons that the gateway finds by itself all have an answer."""
        ours = [text for name, text in vars(reasons).items() if name.isupper() and isinstance(text, str)]
        self.assertGreater(len(ours), 10)
        self.assertEqual([text for text in ours if text not in ADVICE and text != reasons.UNKNOWN], [])

    def test_any_other_reason(self) -> None:
        """Of OpenSSL's rarer words there is still something to say."""
        for reason in (reasons.UNKNOWN, reasons.REASONS[55], "", "nonsense"):
            self.assertEqual(what_to_do(reason), GENERAL)

    def test_the_page_has_the_same(self) -> None:
        """The table of docs/explain-a-refusal.md holds every reason with its advice, word for word."""
        rows = dict(re.findall(r"(?m)^\| `(.+?)` \| (.+) \|$", PAGE.read_text()))
        self.assertEqual(rows, dict(ADVICE))

    def test_the_example_has_the_same(self) -> None:
        """So does its example of the output."""
        [(reason, advice)] = re.findall(r"(?ms)^Refused: (.+?)\nWhat to do: (.+?)\n```", PAGE.read_text())
        self.assertEqual(" ".join(advice.split()), what_to_do(reason))
