"""Functions on numbers and comparisons, mostly by the examples of the product's pages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.functions_numbers import NUMBER_FUNCTIONS
from tests.core.arm.evaluations import refusal_of, unknown, value

EXAMPLES: dict[str, object] = {
    "add(5, 3)": 8,
    "bool('true')": True,
    "bool(0)": False,
    "div(8, 3)": 2,
    "div(-7, 2)": -3,
    "equals(1, 1)": True,
    "equals('a', 'A')": False,
    "equals(createArray('a', 'b'), createArray('a', 'b'))": True,
    "equals(createArray('a'), createArray('a', 'b'))": False,
    "equals(createArray(), 'a')": False,
    "equals(createObject('a', 1, 'b', 2), createObject('B', 2, 'a', 1))": True,
    "equals(createObject('a', 1), createObject('a', 1, 'b', 2))": False,
    "equals(1, true())": False,
    "equals(null(), false())": False,
    "false()": False,
    "greater(1, 2)": False,
    "greater('b', 'a')": True,
    "greaterOrEquals(2, 2)": True,
    "int('4')": 4,
    "int(-3)": -3,
    "less(1, 2)": True,
    "lessOrEquals('b', 'a')": False,
    "max(0, 3, 2)": 3,
    "max(createArray(0, 3, 2))": 3,
    "min(createArray(4, 3, 2, 5))": 2,
    "mod(7, 3)": 1,
    "mod(-7, 3)": -1,
    "mul(5, 3)": 15,
    "not(true())": False,
    "not('false')": True,
    "null()": None,
    "sub(7, 3)": 4,
    "true()": True,
}

REFUSED = {
    "add('a', 1)": "needs an integer, not a text",
    "div(1, 0)": "divides by zero",
    "int('x')": "needs a text of digits",
    "less(1, 'a')": "needs an integer, not a text",
    "less(true(), 1)": "compares integers or texts, not a boolean",
    "max(createArray())": "needs an integer, and the array is empty",
    "mul(999999999999, 999999999999)": "makes a number of more than 64 bits",
    "not(1)": "needs a boolean, not an integer",
    "add(1)": "has 1 arguments, and add takes 2",
}


class ExampleTests(SynchronousTestCase):
    """Each function."""

    def test_examples(self) -> None:
        """Each has the value that the product's page says."""
        for expression, expected in EXAMPLES.items():
            found = value(expression)
            self.assertEqual((type(found), found), (type(expected), expected), expression)

    def test_refusals(self) -> None:
        """What the product refuses is unknown, and says why."""
        for expression, expected in REFUSED.items():
            self.assertEqual(refusal_of(expression), expected, expression)

    def test_all_are_tried(self) -> None:
        """No function is without an example."""
        text = " ".join(EXAMPLES).lower()
        self.assertEqual([name for name in NUMBER_FUNCTIONS if f"{name}(" not in text], [])

    def test_unknown(self) -> None:
        """A comparison with something unknown in it is unknown."""
        for expression in ("equals(createArray(reference('x')), createArray(1))", "less(reference('x'), 1)"):
            self.assertEqual(unknown(expression).expression, "reference('x')")
