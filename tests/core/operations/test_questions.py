"""The questions of the control API, and their arguments."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.questions import (
    LONGEST_TEXT,
    Question,
    QuestionError,
    number_argument,
    required_text,
    text_argument,
)


class QuestionTests(SynchronousTestCase):
    """The questions."""

    def test_actions(self) -> None:
        """These questions change something, and all others read; two of them one worker answers for all."""
        actions = {each for each in Question if each.is_action}
        of_one = {Question.STATUSES, Question.IMPORT}
        self.assertEqual(actions, {Question.DRAIN, Question.UNDRAIN, Question.CLOSE, Question.FORGET, *of_one})
        self.assertEqual({each for each in Question if each.is_of_one}, of_one)


class ArgumentTests(SynchronousTestCase):
    """The arguments."""

    def refused(self, value: Any) -> str:
        """Why a value is no number from 1 to 1000."""
        with self.assertRaises(QuestionError) as caught:
            number_argument({"limit": value}, "limit", 100, least=1, most=1000)
        self.assertEqual(caught.exception.status, 400)
        return caught.exception.message

    def test_numbers(self) -> None:
        """A number comes as one, or as the digits of a query string; without it the default counts."""
        for given, expected in (({}, 100), ({"limit": 5}, 5), ({"limit": "7"}, 7), ({"limit": None}, 100)):
            self.assertEqual(number_argument(given, "limit", 100, least=1, most=1000), expected)

    def test_no_numbers(self) -> None:
        """What is no number in its range is refused with its name and the range."""
        for value in ("", "x", "-1", 0, 1001, True, 1.5, "9" * 400, "\u0663", [1]):
            self.assertIn("limit has to be a whole number from 1 to 1000", self.refused(value))

    def test_refused_values_are_shown_in_short(self) -> None:
        """A long value is not repeated as a whole."""
        self.assertLess(len(self.refused("9" * 4000)), 200)

    def test_texts(self) -> None:
        """A text comes as one; without it the default counts."""
        self.assertEqual(text_argument({"search": "a"}, "search"), "a")
        self.assertEqual(text_argument({}, "search", "b"), "b")

    def test_no_texts(self) -> None:
        """What is no text, or too long a one, is refused."""
        for value in (1, ["a"], "a" * (LONGEST_TEXT + 1)):
            self.assertRaises(QuestionError, text_argument, {"search": value}, "search")

    def test_required_texts(self) -> None:
        """A text that has to be given is refused where it is missing."""
        self.assertEqual(required_text({"id": "1-2"}, "id"), "1-2")
        self.assertRaises(QuestionError, required_text, {}, "id")
